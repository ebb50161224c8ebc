r"""T4's crossover: the number of cases per class from which concatenation beats the single image or the difference.

The formulas compare Raudys' forms, with the covariance known or pooled. The first whole n at which the exact errors cross is never below
them, and above them by at most 8 and at most 2 and a tenth of their value. Searched here with the covariance known for p from 5 to 40,
squared distances from 1 to 4, correlations from .2 to .9 and crossovers up to 1,000 (178 settings); with it pooled for p from 3 to 20, the
same distances, correlations from .3 to .9 and crossovers up to 300 (83 settings). The excess is largest for small distances and
correlations.
"""

from __future__ import annotations

import functools

import numpy as np
from scipy.special import ndtr

from theory.numerics.montecarlo import RatioTally, stream
from theory.numerics.validation import Floats
from theory.statements import t4_learning_curves as t4
from theory.statements.base import Params, Quantity
from theory.statements.parameters import choice, number

STATEMENT_ID = "T4"
_PILOT = 400  # training sets per size of the search for the neighbourhood of a crossing
_STEP, _LARGEST = 1.5, 5000
_BRACKET = (0.75, 1.35)  # sizes of the simulation, in units of what the search found


def stated_excess(params: Params) -> float:
    """Largest excess of the exact crossover over the formula."""
    return min(8.0, 2.0 + 0.1 * t4.crossover(**params))


def _symbolic(p: int, Delta2: float, rho: float, against: str, cov: str = "known") -> float:
    """Equate Raudys' forms of both representations, squared, and solve for n."""
    import sympy as sp

    from theory.numerics import symbolic

    n, r = sp.Symbol("n", positive=True), symbolic.exact(rho)
    sides = []
    for rep, features in (("concat", 2 * p), (against, p)):
        gain, symbol = t4.symbolic_distance(rep)
        distance2 = symbolic.exact(Delta2) * gain.subs(symbol, r)
        lost = 2 * n / (2 * n - features) if cov == "pooled" else sp.Integer(1)
        sides.append(distance2 / ((1 + 2 * features / (n * distance2)) * lost))
    crossings = [root for root in sp.solve(sp.Eq(*sides), n) if cov == "known" or root > p]
    if crossings:
        return symbolic.evaluate(crossings[0])
    return 0.0 if symbolic.evaluate(sides[0].subs(n, 100 * p) - sides[1].subs(n, 100 * p)) > 0 else np.inf


# Raw simulation: training sets case by case; both representations are trained on the same ones.


def _trained_error(sets: Floats, observation: Floats, model: Floats, shift: Floats, cov: str) -> Floats:
    """Error on fresh cases of the rule learned from each training set; `sets` (sets, class, case, images), result (sets,)."""
    observed, metric, effect = sets @ observation.T, observation @ model @ observation.T, observation @ shift
    means = observed.mean(axis=2)
    difference, midpoint = means[:, 1] - means[:, 0], means.mean(axis=1)
    learned = metric[None]
    if cov == "pooled":
        centred = (observed - means[:, :, None]).reshape(len(observed), -1, observed.shape[-1])
        learned = np.swapaxes(centred, 1, 2) @ centred / (centred.shape[1] - 2)
    direction = np.linalg.solve(learned, difference[..., None])[..., 0]
    length = np.sqrt(np.einsum("rp,pq,rq->r", direction, metric, direction))
    threshold = (direction * midpoint).sum(axis=1)
    return (ndtr(-threshold / length) + ndtr((threshold - direction @ effect) / length)) / 2


def _gaps(params: Params, sizes: tuple[int, ...], replicates: int, rng: np.random.Generator) -> list[Floats]:
    """Error of concatenation minus that of the other, for training sets of several sizes, the smaller within the larger."""
    p, rho = int(params["p"]), params["rho"]
    one, none = np.eye(p), np.zeros((p, p))
    model = np.block([[one, rho * one], [rho * one, one]])
    shift = np.concatenate([np.full(p, np.sqrt(params["Delta2"] / p)), np.zeros(p)])
    other = np.hstack([one, none if params["against"] == "single" else -one])
    sets = rng.standard_normal((replicates, 2, max(sizes), 2 * p)) @ np.linalg.cholesky(model).T
    sets[:, 1] += shift
    gaps = []
    for n in sizes:
        both, alone = (_trained_error(sets[:, :, :n], observation, model, shift, params["cov"]) for observation in (np.eye(2 * p), other))
        gaps.append(both - alone)
    return gaps


@functools.lru_cache
def _bracket(named: tuple[tuple[str, object], ...]) -> tuple[int, int]:
    """Two sizes around the crossing, the same for every batch: train on larger and larger sets until concatenation wins."""
    params, rng = dict(named), stream(0, "crossover", repr(named))
    n = least = int(params["p"]) + 3 if params["cov"] == "pooled" else 2  # type: ignore[call-overload]
    before = np.inf
    while n < _LARGEST:
        gap = float(np.mean(_gaps(params, (n,), _PILOT, rng)[0]))
        if gap < 0:
            break
        before, n = gap, int(np.ceil(n * _STEP))
    centre = n if not np.isfinite(before) else n / (1 + (_STEP - 1) * gap / (gap - before))  # the gap is nearly a line in 1 / n
    small = max(least, round(_BRACKET[0] * centre))
    return small, max(small + 4, round(_BRACKET[1] * centre))


def _simulate(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Two columns; the ratio of their means is the n at which the line in 1 / n through the differences at two sizes is zero."""
    small, large = _bracket(tuple(sorted(params.items())))
    few, many = _gaps(params, (small, large), replicates, rng)
    return np.column_stack([few - many, few / large - many / small])


def _draws(params: Params) -> int:
    return 4 * int(params["p"]) * _bracket(tuple(sorted(params.items())))[1]


def _caveat(params: Params) -> str:
    at = t4.crossover(**params)
    if not 0 < at < np.inf:
        return "concatenation wins at every n" if at == 0 else "concatenation never overtakes"
    known = params["cov"] == "known"
    (fewest, most), least, reach = ((5, 40), 0.2, 1000) if known else ((3, 20), 0.3, 300)
    if fewest <= params["p"] <= most and 1 <= params["Delta2"] <= 4 and least <= params["rho"] <= 0.9 and at <= reach:
        return ""
    return (
        f"from Raudys' forms; how far the exact crossover is from it was checked for p {fewest} to {most}, Delta2 1 to 4, "
        f"rho {least:g} to .9, crossovers up to {reach}"
    )


_POINTS: tuple[Params, ...] = tuple(
    {"p": p, "Delta2": squared, "rho": rho, "against": against, "cov": cov}
    for p, squared, rho, against, cov in (
        (10, 2.0, 0.4, "single", "known"),
        (10, 2.0, 0.6, "difference", "known"),
        (10, 2.0, 0.8, "difference", "known"),
        (10, 2.0, 0.4, "single", "pooled"),
        (10, 2.0, 0.6, "single", "pooled"),
        (5, 4.0, 0.5, "difference", "pooled"),
    )
)

QUANTITIES = (
    Quantity(
        "crossover",
        "cases per class from which concatenation beats another representation (Raudys' form)",
        (
            number("p", "features of the single image"),
            number("Delta2", "squared Mahalanobis distance of the single image"),
            number("rho", "correlation of query and reference, feature by feature"),
            choice("against", "the other representation", t4.RIVALS),
            choice("cov", "whether the covariance is known or estimated", t4.COVARIANCES, "known"),
        ),
        t4.crossover,
        _symbolic,
        _simulate,
        _POINTS,
        tally=RatioTally,
        draws=_draws,
        allowance=stated_excess,
        caveat=_caveat,
        mcse=1.0,
    ),
)
