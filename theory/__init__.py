"""Why and when a healthy reference helps: closed forms, their symbolic derivation, raw simulation, ideal observers, power analysis.

`statements` holds the theorems, `models` observers and variance components, `power` the power analysis of reader studies, `sweeps` the
engine for simulation studies, `numerics` what they compute with. Imports no torch, and neither of its sister packages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from see_in_pairs.lazy import lazy_exports

if TYPE_CHECKING:
    from theory import statements, sweeps
    from theory.models.channelized import ChannelizedObserver, ObserverEstimate, channel_profiles, detectability, gain, learn
    from theory.models.ideal_observers import Detectability, Scanning, hotelling, scanning
    from theory.models.variance_components import VarianceComponents, crossed_components, nested_components
    from theory.paired_model import PairedModel
    from theory.power.analysis import Expected, Separations, StudyDesign, plan_study, power_curve
    from theory.power.evidence import Correlation, known_components
    from theory.power.pilot import Pilot, pilot
    from theory.statements import Quantity, Statement, all_statements, statement, value
    from theory.verification import verify

__all__ = [
    "ChannelizedObserver", "Correlation", "Detectability", "Expected", "ObserverEstimate", "PairedModel", "Pilot", "Quantity", "Scanning",
    "Separations", "Statement", "StudyDesign", "VarianceComponents", "all_statements", "channel_profiles", "crossed_components",
    "detectability", "gain", "hotelling", "known_components", "learn", "nested_components", "pilot", "plan_study", "power_curve",
    "scanning", "statement", "statements", "sweeps", "value", "verify",
]  # fmt: skip

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "models.channelized": ["ChannelizedObserver", "ObserverEstimate", "channel_profiles", "detectability", "gain", "learn"],
        "models.ideal_observers": ["Detectability", "Scanning", "hotelling", "scanning"],
        "models.variance_components": ["VarianceComponents", "crossed_components", "nested_components"],
        "paired_model": ["PairedModel"],
        "power.analysis": ["Expected", "Separations", "StudyDesign", "plan_study", "power_curve"],
        "power.evidence": ["Correlation", "known_components"],
        "power.pilot": ["Pilot", "pilot"],
        "statements": ["Quantity", "Statement", "all_statements", "statement", "value"],
        "verification": ["verify"],
    },
    ["statements", "sweeps"],
)
