r"""T4's crossover: from how many cases per class on concatenation beats the single image or the difference (covariance known).

The formula compares Raudys' forms, :math:`n_\times=\frac{2p(2c^2-\kappa^2)}{\Delta^2c\kappa(\kappa-c)}`. The first whole n at which the
exact errors cross is never below it and at most 8 above, for p from 5 to 40, squared distances from 1 to 4, correlations from .2 to .9 and
crossovers up to 1,000 (107 settings searched here; the excess is largest for small distances and correlations).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from theory.checks import Floats
from theory.montecarlo import RatioTally
from theory.statements import t4_learning_curves as t4
from theory.statements.base import Params, Quantity
from theory.statements.parameters import choice, number

STATEMENT_ID = "T4"
STATED = 8.0


def _symbolic(p: int, Delta2: float, rho: float, against: str) -> float:
    """Equate Raudys' forms of both representations, squared, and solve for n."""
    import sympy as sp

    from theory import symbols

    n, r = sp.Symbol("n", positive=True), symbols.exact(rho)
    sides = []
    for rep, features in (("concat", 2 * p), (against, p)):
        gain, symbol = t4.symbolic_distance(rep)
        distance2 = symbols.exact(Delta2) * gain.subs(symbol, r)
        sides.append(distance2 / (1 + 2 * features / (n * distance2)))
    crossing = sp.solve(sp.Eq(*sides), n)
    return (
        symbols.evaluate(crossing[0]) if crossing else (0.0 if symbols.evaluate(sides[0].subs(n, 1) - sides[1].subs(n, 1)) > 0 else np.inf)
    )


def _error_given(means: Floats, noise: Floats, n: float, metric: Floats, shift: Floats) -> Floats:
    """Error of rules trained on the given class means with the covariance known; exact given the training set."""
    learned = shift + np.sqrt(2 / n) * means
    midpoint = shift / 2 + np.sqrt(1 / (2 * n)) * noise
    direction = learned @ metric
    length = np.sqrt((direction * learned).sum(axis=1))
    to_midpoint = (direction * midpoint).sum(axis=1)
    return (ndtr(-to_midpoint / length) + ndtr((to_midpoint - direction @ shift) / length)) / 2


def _simulate(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Train both rules on the same sets at two sizes, and draw the line between the differences of their errors to zero."""
    p, rho = int(params["p"]), params["rho"]
    one, none = np.eye(p), np.zeros((p, p))
    model = np.block([[one, rho * one], [rho * one, one]])
    shift = np.concatenate([np.full(p, np.sqrt(params["Delta2"] / p)), np.zeros(p)])
    root = np.linalg.cholesky(model)
    gaps, middle = [], t4.crossover(p, params["Delta2"], rho, params["against"])
    small, large = 0.9 * middle, 1.2 * middle + 4
    of_difference, of_sum = (rng.standard_normal((replicates, 2 * p)) @ root.T for _ in range(2))
    for n in (small, large):
        errors = []
        for sees in (np.eye(2 * p), np.hstack([one, none if params["against"] == "single" else -one])):
            metric = np.linalg.inv(sees @ model @ sees.T)
            errors.append(_error_given(of_difference @ sees.T, of_sum @ sees.T, n, metric, sees @ shift))
        gaps.append(errors[0] - errors[1])
    return np.column_stack([small * gaps[1] - large * gaps[0], gaps[1] - gaps[0]])


def _caveat(params: Params) -> str:
    at = t4.crossover(**params)
    if not 0 < at < np.inf:
        return "concatenation wins at every n" if at == 0 else "concatenation never overtakes"
    inside = 5 <= params["p"] <= 40 and 1 <= params["Delta2"] <= 4 and 0.2 <= params["rho"] <= 0.9 and at <= 1000
    return (
        ""
        if inside
        else "from Raudys' forms; how far the exact crossover is from it was checked for p 5 to 40, Delta2 1 to 4, rho .2 to .9"
    )


_POINTS: tuple[Params, ...] = tuple(
    {"p": p, "Delta2": squared, "rho": rho, "against": against}
    for p, squared, rho, against in ((10, 2.0, 0.4, "single"), (10, 2.0, 0.6, "difference"), (10, 2.0, 0.8, "difference"))
)

QUANTITIES = (
    Quantity(
        "crossover",
        "cases per class from which concatenation beats another representation (Raudys' form, covariance known)",
        (
            number("p", "features of the single image"),
            number("Delta2", "squared Mahalanobis distance of the single image"),
            number("rho", "correlation of query and reference, feature by feature"),
            choice("against", "the other representation", ("single", "difference")),
        ),
        t4.crossover,
        _symbolic,
        _simulate,
        _POINTS,
        tally=RatioTally,
        draws=lambda params: 16 * int(params["p"]),
        allowance=lambda params: STATED,
        caveat=_caveat,
        mcse=1.0,
    ),
)
