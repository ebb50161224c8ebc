"""References that are diseased, or swapped with the query, under rules that do not know (T6)."""

from __future__ import annotations

import numpy as np

from theory.statements import t1_univariate_rules as t1
from theory.statements import t6_faulty_references as t6
from theory.sweeps import estimand, generator, method
from theory.sweeps.ready.intervals import Report, mean_report

Arms = dict[str, np.ndarray]


@generator("faulty references", vectorised=True)
def faulty_references(
    *, rng: np.random.Generator, replicates: int, d: float, rho: float, rule: str, fault: str, rate: float, patients: int
) -> Arms:
    """Diagnose patients with and without a reference that is sometimes faulty: whether each arm was wrong, (replicates, patients)."""
    shape = (replicates, patients)
    shared, own, other = rng.standard_normal((3, *shape))
    diseased, faulty = rng.random(shape) < 0.5, rng.random(shape) < rate
    query = np.sqrt(rho) * shared + np.sqrt(1 - rho) * own + d * diseased
    reference = np.sqrt(rho) * shared + np.sqrt(1 - rho) * other + d * (faulty & (fault == "diseased"))
    wrong_single = (query > d / 2) != diseased
    if fault == "swap":
        query, reference = np.where(faulty, reference, query), np.where(faulty, query, reference)
    return {"single": wrong_single, "pair": (query - float(t1.weight(rho, rule)) * reference > d / 2) != diseased}


@estimand("gain with faulty references")
def gain_with_faulty_references(*, d: float, rho: float, rule: str, fault: str, rate: float) -> float:
    """Error that the reference saves, faults included: T1.4 minus T6.1 or T6.2; 0 at the break-even rate and negative beyond.

    Examples
    --------
    >>> rate = float(t6.break_even(1.5, 0.8, 1.0, "diseased"))
    >>> round(gain_with_faulty_references(d=1.5, rho=0.8, rule="difference", fault="diseased", rate=rate), 12)
    0.0
    """
    return float(t1.error(d, rho, "single") - t6.error(d, rho, t1.weight(rho, rule), fault, rate))


@method("paired errors", vectorised=True)
def paired_errors(data: Arms) -> Report:
    """Error of the single arm minus that of the paired one on the same patients, by McNemar's (1947) discordant pairs."""
    return mean_report(data["single"].astype(np.float64) - data["pair"])
