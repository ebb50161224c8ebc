"""Experiments that look at their data while patients come in, and stop or grow by what they see."""

from __future__ import annotations

import numpy as np

from theory.numerics.validation import Floats
from theory.statements import t1_univariate_rules as t1
from theory.sweeps import estimand, generator, method
from theory.sweeps.ready.intervals import TWO_SIDED, wald

POWER_QUANTILE = 0.8416212335729143  # of 80 % power
BOUNDARIES = {"peeking": (TWO_SIDED, 0.0), "pocock": (2.4132, 0.0), "obrien_fleming": (2.0401, 0.5)}
"""Constant c and exponent e of the boundary c t**-e on z at share t of the patients, for five equal looks at two-sided 5 % (Jennison and
Turnbull 2000, tables 2.1 and 2.3); peeking takes the boundary of a single look."""


@generator("patients one by one", vectorised=True)
def patients_one_by_one(*, rng: np.random.Generator, replicates: int, d: float, rho: float, patients: int) -> Floats:
    """Diagnose patients in the order of their arrival, with the single image and by subtracting the reference: (replicates, patients).

    1 where only the single image was wrong, -1 where only the pair was, else 0.
    """
    shared, own, other = rng.standard_normal((3, replicates, patients))
    diseased = rng.random((replicates, patients)) < 0.5
    query = np.sqrt(rho) * shared + np.sqrt(1 - rho) * own + d * diseased
    reference = np.sqrt(rho) * shared + np.sqrt(1 - rho) * other
    wrong = [(score > d / 2) != diseased for score in (query, query - reference)]
    return wrong[0].astype(np.float64) - wrong[1]


@estimand("error that subtracting saves")
def error_that_subtracting_saves(*, d: float, rho: float) -> float:
    """Error that subtracting saves (T1.4); exactly 0 at a correlation of one half."""
    return float(t1.error(d, rho, "single") - t1.error(d, rho, "difference"))


@method("looks", vectorised=True)
def looks(data: Floats, *, boundary: str, number: int = 5) -> dict[str, Floats]:
    """Look several times, and stop when the test crosses its boundary: the estimate there, and ``patients``, how many it took.

    The interval is the one that belongs to the boundary: it leaves 0 out where the boundary was crossed.
    """
    c, exponent = BOUNDARIES[boundary]
    share = np.arange(1, number + 1) / number
    sizes = np.round(share * data.shape[1]).astype(int)
    mean, se = _running(data, sizes)
    quantile = c * share**-exponent
    crossed = np.abs(mean) > quantile * se
    crossed[:, -1] = True
    end = crossed.argmax(axis=1)
    rows = np.arange(len(data))
    return wald(mean[rows, end], se[rows, end], quantile[end]) | {"patients": sizes[end].astype(np.float64)}


@method("planned from a pilot", vectorised=True)
def planned_from_a_pilot(data: Floats, *, pilot: int) -> dict[str, Floats]:
    """Take a pilot, plan for 80 % power at the gain it shows, and go on to that number; the pilot counts too."""
    mean, se = _running(data, np.array([pilot]))
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = np.ceil(pilot * ((TWO_SIDED + POWER_QUANTILE) * se[:, 0] / np.abs(mean[:, 0])) ** 2)
    sizes = np.clip(np.nan_to_num(wanted, nan=np.inf), pilot, data.shape[1]).astype(int)
    total, squares = (np.take_along_axis(np.cumsum(part, axis=1), sizes[:, None] - 1, axis=1)[:, 0] for part in (data, data**2))
    estimate = total / sizes
    return wald(estimate, np.sqrt((squares / sizes - estimate**2) / (sizes - 1))) | {"patients": sizes.astype(np.float64)}


def _running(data: Floats, sizes: np.ndarray) -> tuple[Floats, Floats]:
    """Mean and standard error of the first patients, shapes (replicates, looks)."""
    mean, square = (np.cumsum(part, axis=1)[:, sizes - 1] / sizes for part in (data, data**2))
    return mean, np.sqrt((square - mean**2) / (sizes - 1))
