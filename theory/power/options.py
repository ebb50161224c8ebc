"""Options of ``see-in-pairs plan``, and the evidence that they describe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from theory.power.analysis import PlanningEvidence
    from theory.power.pilot import Pilot

GRID_OPTIONS = ("trainings", "patients", "references", "variances", "effect", "measure", "half_width")

Reader = Callable[[Sequence[Path], "str | None", "str | None", int], "tuple[Pilot, dict[str, int]]"]
LeakReader = Callable[[Path, "str | None", "str | None"], "Leak"]

SOURCE_OPTIONS = {"rho": "--rho", "variances": "--shared and --own", "components": "--components and --beta", "records": "--records"}
DEFAULTS = {"m": 1, "rule": "optimal", "noise": 0.0, "seeds": 1}
LEAK_OPTIONS = ("leak", "auc_reference", "leak_interval", "leak_from", "arm_reference")
RELEVANT = {
    "rho": ("d", "auc", "rho", "rho_rr", "m", "rule", "measured", "rho_interval", *LEAK_OPTIONS),
    "variances": ("d", "auc", "rho_rr", "m", "rule", "shared", "own", "noise", "seeds", *LEAK_OPTIONS),
    "components": ("d", "auc", "m", "components", "beta", "seeds", "score_correlation"),
    "records": ("records", "arm_single", "arm_pair"),
}


@dataclass(frozen=True)
class Leak:
    """Share of the signal that references carry (T13), and where it comes from."""

    share: float
    interval: tuple[float, float] | None = None  # None where it was not measured
    text: str = ""  # what it was measured on, for a person; '' where it was given
    content: dict[str, Any] | None = None  # the same for the JSON


@dataclass(frozen=True)
class GridOptions:
    """Options of a plan of trainings, patients and references; None where an option was not given."""

    trainings: list[int] | None
    patients: list[int] | None
    references: list[int] | None
    variances: str | None  # variance components of the contrast, as JSON or the name of a file
    effect: float | None  # the contrast to be shown
    measure: str | None  # of a pilot: auroc or accuracy
    half_width: float | None  # of the interval to reach, instead of the power
    paired_seeds: bool
    records: list[Path] | None
    arm_single: str | None
    arm_pair: str | None
    power: float
    alpha: float

    @property
    def asked(self) -> bool:
        """Whether any option of this plan was given."""
        return self.paired_seeds or any(getattr(self, name) is not None for name in GRID_OPTIONS)


@dataclass(frozen=True)
class Options:
    """Options as given on the command line; None where an option was not given."""

    d: float | None  # effect of the single image
    auc: float | None  # its AUROC, instead of d
    rho: float | None  # correlation of query and reference
    rho_rr: float | None  # of references with each other
    m: int
    rule: str  # how the reference is used
    measured: tuple[int, int] | None  # diseased and healthy patients on whom rho and d were measured
    rho_interval: tuple[float, float] | None
    shared: float | None  # variances from which rho follows
    own: float | None
    noise: float  # variance of the scorer from seed to seed
    components: str | None  # variance components of paired logits, as JSON
    beta: float | None  # mean paired logit of diseased minus healthy
    seeds: int  # seeds that are averaged
    score_correlation: float | None  # correlation of single and paired score within a class
    records: list[Path] | None  # one file or folder, or one for each arm
    arm_single: str | None  # run ids in them
    arm_pair: str | None
    leak: float | None = None  # share of the signal that references carry
    auc_reference: float | None = None  # AUROC of the reference alone, instead of the leak
    leak_interval: tuple[float, float] | None = None  # of the leak
    leak_from: Path | None = None  # records from which the leak is estimated
    arm_reference: str | None = None  # run id of the reference alone in them

    def effect(self) -> float:
        """Separation of the single image, as given or from its AUROC."""
        from scipy.special import ndtri

        if (self.d is None) == (self.auc is None):
            raise InputError("effect: give either --d (in standard deviations) or --auc (of the single image)")
        if self.auc is None:
            return float(self.d)  # type: ignore[arg-type]
        if not 0.5 < self.auc < 1:
            raise InputError(f"--auc {self.auc}: the AUROC of the single image must be strictly between .5 and 1")
        return float(2**0.5 * ndtri(self.auc))

    def leaked(self, d: float, read_leak: LeakReader | None = None) -> Leak:
        """Leak as given, from records, or from the AUROC of the reference alone where the single image has separation `d`; 0 without any
        of these."""
        from theory.numerics.gaussian import auc_of
        from theory.statements.t13_leak_law import leak_from_auroc

        if sum(value is not None for value in (self.leak, self.auc_reference, self.leak_from)) > 1:
            raise InputError("--leak, --auc-reference and --leak-from: give one; the leak follows from the AUROC of the reference alone")
        if self.leak_from is None and (self.arm_reference is not None or self.arm_single is not None):
            raise InputError("--arm-single and --arm-reference: name runs of the records of --leak-from; give that too, or leave them out")
        if self.leak_interval is not None and self.leak is None:
            raise InputError("--leak-interval: belongs to --leak; give both (--leak-from computes its own interval)")
        if self.leak_from is not None:
            if read_leak is None:
                raise InputError("--leak-from: this command was set up without a reader of records")
            return read_leak(self.leak_from, self.arm_single, self.arm_reference)
        if self.auc_reference is None:
            return Leak(self.leak or 0.0, self.leak_interval)
        if not 0 < self.auc_reference < 1:
            raise InputError(f"--auc-reference {self.auc_reference}: must be strictly between 0 and 1; .5 means no leak")
        return Leak(float(leak_from_auroc(auc_of(d), self.auc_reference)))

    def source(self) -> str:
        """Source of evidence that was named: ``'rho'``, ``'variances'``, ``'components'`` or ``'records'``."""
        named = {
            "rho": self.rho is not None,
            "variances": self.shared is not None or self.own is not None,
            "components": self.components is not None or self.beta is not None,
            "records": self.records is not None,
        }
        chosen = [name for name, given in named.items() if given]
        if len(chosen) != 1:
            raise InputError(f"{'several things' if chosen else 'nothing'} to plan from: give one of {', '.join(SOURCE_OPTIONS.values())}")
        self._refuse_irrelevant(chosen[0])
        return chosen[0]

    def refuse_for_a_grid(self) -> None:
        """Refuse what a plan of trainings, patients and references does not use."""
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name not in ("records", "arm_single", "arm_pair") and value not in (None, DEFAULTS.get(item.name)):
                raise InputError(
                    f"--{item.name.replace('_', '-')} has no meaning in a plan of trainings, patients and references; leave it out"
                )

    def _refuse_irrelevant(self, source: str) -> None:
        """Refuse options that would be ignored."""
        for item in fields(self):
            value = getattr(self, item.name)
            of_leak = item.name == "arm_single" and self.leak_from is not None
            if item.name not in RELEVANT[source] and not of_leak and value not in (None, DEFAULTS.get(item.name)):
                raise InputError(
                    f"--{item.name.replace('_', '-')} has no meaning when planning from {SOURCE_OPTIONS[source]}; leave it out"
                )


@dataclass(frozen=True)
class Collected:
    """What the options describe."""

    evidence: PlanningEvidence
    clusters: dict[str, float]  # cluster structure that a pilot shows; empty without one
    counts: dict[str, int]  # items of a pilot that were left out, by reason
    leak: Leak | None = None  # where it was measured on records


def collect(options: Options, read_pilot: Reader | None, seed: int, read_leak: LeakReader | None = None) -> Collected:
    """Turn options into evidence."""
    source = options.source()
    if source == "records":
        if read_pilot is None:
            raise InputError("--records: this command was set up without a reader of records")
        found, counts = read_pilot(options.records or [], options.arm_single, options.arm_pair, seed)
        return Collected(found, {"images_per_patient": found.images_per_patient, "icc": found.icc}, counts)
    return Collected(_from_components(options), {}, {}) if source == "components" else _from_correlation(options, read_leak)


def _from_correlation(options: Options, read_leak: LeakReader | None) -> Collected:
    from theory.power.evidence import Correlation, correlation_from_variances

    d, rho = options.effect(), options.rho
    if rho is None:
        if options.shared is None or options.own is None:
            raise InputError("--shared and --own: give both")
        rho = correlation_from_variances(options.shared, options.own, options.noise, options.seeds)
    leak = options.leaked(d, read_leak)
    evidence = Correlation(
        d=d, rho=rho, m=options.m, rho_rr=options.rho_rr, rule=options.rule, measured=options.measured,
        rho_interval=options.rho_interval, leak=leak.share, leak_interval=leak.interval,
    )  # fmt: skip
    return Collected(evidence, {}, {}, leak if leak.text else None)


def _from_components(options: Options) -> PlanningEvidence:
    import json

    from theory.power.evidence import NAN, known_components

    if options.components is None or options.beta is None:
        raise InputError("--components and --beta: give both")
    try:
        parsed = json.loads(options.components)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise InputError("""--components: give JSON such as '{"P": 1, "PR": 0.6, "PS": 0.2, "E": 0.4}'""")
    score_correlation = NAN if options.score_correlation is None else options.score_correlation
    return known_components(options.effect(), options.beta, parsed, options.m, options.seeds, score_correlation)
