"""Diagnosis at new sites whose scanners are offset, with and without references from the same site (T5)."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from theory.statements import t5_site_shift as t5
from theory.sweeps import estimand, generator, method
from theory.sweeps.ready.intervals import Report, mean_report


@generator("new sites", vectorised=True)
def new_sites(
    *, rng: np.random.Generator, replicates: int, delta: float, tau: float, rule: str, m: int, sites: int, per_site: int
) -> np.ndarray:
    """Diagnose patients of new sites at the threshold that is right on average: whether it was wrong, (replicates, sites, per_site)."""
    shape = (replicates, sites, per_site)
    offset = tau * rng.standard_normal((*shape[:2], 1))
    elsewhere = tau * rng.standard_normal(shape)
    query, reference = rng.standard_normal((2, *shape))
    diseased = rng.random(shape) < 0.5
    weight = {"single": 0.0, "same_shrink": tau**2 / (tau**2 + 1 / m) if tau else 0.0}.get(rule, 1.0)
    reference = (elsewhere if rule == "cross_diff" else offset) + reference / np.sqrt(m)
    return (offset + query + delta * diseased - weight * reference > delta / 2) != diseased


@estimand("error at new sites")
def error_at_new_sites(*, delta: float, tau: float, rule: str, m: int) -> float:
    """Error averaged over sites (T5)."""
    return float(t5.error(delta, tau, rule, m))


@method("patients as independent", vectorised=True)
def patients_as_independent(data: np.ndarray) -> Report:
    """Share of wrong diagnoses with its binomial interval, as if all patients were independent."""
    return mean_report(data.reshape(len(data), -1))


@method("sites as clusters", vectorised=True)
def sites_as_clusters(data: np.ndarray) -> Report:
    """Mean of the sites' error rates, with its t-interval."""
    return mean_report(data.mean(axis=2), float(stdtrit(data.shape[1] - 1, 0.975)))
