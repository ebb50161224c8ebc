"""T12: wrong and learned weights, heavy tails, unequal references, the best of several, and the power of a paired comparison.

The closed forms and their formulas are in `theory.statements.t12_formulas`; here each is derived again and simulated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from theory.numerics.montecarlo import DeviationTally, MeanTally, RatioTally, log_likelihood_ratio
from theory.numerics.validation import Floats
from theory.statements import t12_formulas as closed
from theory.statements.base import QUADRATURE, Params, Quantity, Statement
from theory.statements.parameters import grid, number, vector
from theory.statements.t1_univariate_rules import draw_pairs, symbolic_optimal_weight, symbolic_variance
from theory.statements.t3_sample_size import symbolic_ancova_inflation

# Symbolic


def _symbolic_minimax(l: float, u: float, rho: float) -> float:  # noqa: E741
    """Equate the losses at both ends of the interval and solve for the weight between them."""
    import sympy as sp

    from theory.numerics import symbolic

    v, r, w = symbolic_variance()
    low, high, true = symbolic.exact(l), symbolic.exact(u), symbolic.exact(rho)
    loss = v / v.subs(w, symbolic_optimal_weight())
    roots = sp.solve(loss.subs(r, low) - loss.subs(r, high), w) if low != high else [low]
    weight = next(root for root in roots if low <= root <= high)
    return symbolic.evaluate(loss.subs({r: true, w: weight}))


def _symbolic_learned(rho: float, N: int) -> float:
    """Add the variance of the slope, as in T3: the mean of 1 / chi^2 on N - 2 degrees of freedom."""
    from theory.numerics import symbolic

    v, r, w = symbolic_variance()
    inflation, total = symbolic_ancova_inflation()
    return symbolic.evaluate(v.subs(w, symbolic_optimal_weight()) * inflation, {r: rho, total: N})


def symbolic_distance(d: float, rho: float, w: float) -> float:
    """Separation under a weight, from the derived variance."""
    import sympy as sp

    from theory.numerics import symbolic

    v, r, weight = symbolic_variance()
    return symbolic.evaluate(symbolic.exact(d) / sp.sqrt(v.subs(weight, symbolic.exact(w))), {r: rho})


def _symbolic_t_error(nu: float, d: float, rho: float, w: float) -> float:
    """Mix the normal error over the common scale of query and reference."""
    import mpmath as mp  # type: ignore[import-untyped]

    half, distance = mp.mpf(nu) / 2, mp.mpf(symbolic_distance(d, rho, w))

    def _mixed(s: mp.mpf) -> mp.mpf:  # s^2 is a chi-squared over its degrees of freedom
        return 2 * half**half / mp.gamma(half) * s ** (2 * half - 1) * mp.exp(-half * s * s) * mp.ncdf(-distance * s / 2)

    return float(mp.quad(_mixed, [0, 0.5, 1, 2, 4, 16]))


def _symbolic_cauchy(delta: float, w: float, scale: float) -> float:
    """Average the normal probability over the Cauchy difference of the nuisances, written as a tangent of a uniform angle."""
    import mpmath as mp  # type: ignore[import-untyped]

    spread, width = mp.sqrt(2 * (1 + mp.mpf(w) ** 2)), 2 * abs(1 - mp.mpf(w)) * scale
    centre = mp.atan(delta / width) if width else mp.mpf(0)
    return float(mp.quad(lambda angle: mp.ncdf((delta - width * mp.tan(angle)) / spread), [-mp.pi / 2, -0.5, 0, centre, mp.pi / 2]) / mp.pi)


def _symbolic_hetero(A: float, sigma_e2: float, s2: Sequence[float], delta: float) -> float:
    """Solve the linear system of query and references as it stands."""
    import sympy as sp

    from theory.numerics import symbolic

    own = [symbolic.exact(value) for value in (sigma_e2, *s2)]
    joint = sp.diag(*own) + symbolic.exact(A) * sp.ones(len(own))
    first = sp.eye(len(own))[:, 0]
    separation = symbolic.exact(delta) * sp.sqrt((first.T * joint.LUsolve(first))[0])
    return symbolic.evaluate(symbolic.normal_cdf(-separation / 2))


def _symbolic_circle(k: int) -> float:
    """Integrate the chance that all k distances, uniform on [0, 1/2], exceed r."""
    import sympy as sp

    r = sp.Symbol("r", positive=True)
    return float(sp.integrate(sp.expand(2 * r * (1 - 2 * r) ** int(k)), (r, 0, sp.Rational(1, 2))))


def _symbolic_max(k: int) -> float:
    r"""Integrate the tails of the largest: :math:`\int_0^\infty P(X>x)-P(X<-x)\,dx`."""
    import mpmath as mp  # type: ignore[import-untyped]

    above = mp.quad(lambda x: 1 - mp.ncdf(x) ** k, [0, 1, 3, 6, 14])
    return float(above - mp.quad(lambda x: mp.ncdf(-x) ** k, [0, 1, 3, 6, 14]))


def symbolic_both_below(h: float, k: float, r: float) -> float:
    r"""Bivariate normal probability :math:`\Phi_2(h, k; r)`, by integrating the conditional one."""
    import mpmath as mp  # type: ignore[import-untyped]

    if r >= 1:
        return float(mp.ncdf(min(h, k)))
    width = mp.sqrt(1 - mp.mpf(r) ** 2)
    return float(mp.quad(lambda x: mp.npdf(x) * mp.ncdf((k - r * x) / width), [-14, -4, -1, min(1, h), h] if h > 1 else [-14, -4, h]))


def symbolic_score_correlation(rho: float, w: float) -> float:
    """Correlation of the single and the paired score, from their covariance matrix."""
    import sympy as sp

    from theory.numerics import symbolic

    r, weight = symbolic.exact(rho), symbolic.exact(w)
    scores = sp.Matrix([[1, 0], [1, -weight]]) * sp.Matrix([[1, r], [r, 1]]) * sp.Matrix([[1, 1], [0, -weight]])
    return symbolic.evaluate(scores[0, 1] / sp.sqrt(scores[0, 0] * scores[1, 1]))


def symbolic_dauc(d: float, rho: float, w: float, n_per_class: int) -> float:
    """Sum DeLong's four covariances of indicators that share a case (each pair shares one of its two)."""
    u1, u2, r = d / np.sqrt(2), symbolic_distance(d, rho, w) / np.sqrt(2), symbolic_score_correlation(rho, w)
    auc1, auc2 = (symbolic_both_below(u, 12.0, 0.0) for u in (u1, u2))
    first, second = symbolic_both_below(u1, u1, 0.5) - auc1**2, symbolic_both_below(u2, u2, 0.5) - auc2**2
    shared = symbolic_both_below(u1, u2, r / 2) - auc1 * auc2
    return float(np.sqrt(max(2 / n_per_class * (first + second - 2 * shared), 0.0)))


def symbolic_discordant(d: float, rho: float, w: float) -> float:
    """Probability that the pair is right where the single image is wrong, by integration."""
    distance = symbolic_distance(d, rho, w)
    return symbolic_both_below(distance / 2, 12.0, 0.0) - symbolic_both_below(d / 2, distance / 2, symbolic_score_correlation(rho, w))


# Raw simulation


def _simulate_minimax(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Search the weight on a grid, then compare squared residuals of pairs with those at the true correlation."""
    from scipy.optimize import minimize_scalar

    inside = np.linspace(params["l"], params["u"], 201)
    weight = minimize_scalar(
        lambda w: np.max((1 - 2 * w * inside + w * w) / (1 - inside**2)), bounds=(-1, 1), method="bounded", options={"xatol": 1e-9}
    ).x
    query, reference = draw_pairs(replicates, params["rho"], rng).T
    return np.square(np.column_stack([query - weight * reference, query - params["rho"] * reference]))


def _simulate_learned(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Learn the weight from two centred classes, then square the residuals of fresh pairs about their true means."""
    total, fresh = int(params["N"]), 20
    groups = [draw_pairs(replicates * n, params["rho"], rng).reshape(replicates, n, 2) for n in (total // 2, total - total // 2)]
    centred = np.concatenate([pairs - pairs.mean(axis=1, keepdims=True) for pairs in groups], axis=1)
    weight = (centred[..., 0] * centred[..., 1]).sum(axis=1) / np.square(centred[..., 1]).sum(axis=1)
    pairs = draw_pairs(replicates * fresh, params["rho"], rng).reshape(replicates, fresh, 2)
    return np.square(pairs[..., 0] - weight[:, None] * pairs[..., 1]).mean(axis=1)


def _simulate_t_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    diseased = rng.random(replicates) < 0.5
    scale = np.sqrt(rng.chisquare(params["nu"], replicates) / params["nu"])
    query, reference = draw_pairs(replicates, params["rho"], rng).T / scale
    return (query + params["d"] * diseased - params["w"] * reference > params["d"] / 2) != diseased


def _simulate_cauchy(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    def _scores(effect: float) -> Floats:
        nuisance = params["scale"] * rng.standard_cauchy(replicates)
        return nuisance + effect + rng.standard_normal(replicates) - params["w"] * (nuisance + rng.standard_normal(replicates))

    return _scores(params["delta"]) > _scores(0.0)


def _simulate_hetero(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    own = np.array([params["sigma_e2"], *params["s2"]])
    diseased = rng.random(replicates) < 0.5
    images = np.sqrt(params["A"]) * rng.standard_normal((replicates, 1)) + np.sqrt(own) * rng.standard_normal((replicates, len(own)))
    images[:, 0] += params["delta"] * diseased
    shift = params["delta"] * np.eye(1, len(own))[0]
    return (log_likelihood_ratio(images, shift, np.diag(own) + params["A"]) > 0) != diseased


def _simulate_circle(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    gap = np.abs(rng.random((replicates, 1)) - rng.random((replicates, int(params["k"]))))
    return np.square(np.minimum(gap, 1 - gap).min(axis=1))


def _simulate_max(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((replicates, int(params["k"]))).max(axis=1)


def simulate_dauc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Difference of the two empirical AUROCs of whole data sets."""
    n = int(params["n_per_class"])
    pairs = draw_pairs(replicates * 2 * n, params["rho"], rng).reshape(replicates, 2 * n, 2)
    pairs[:, n:, 0] += params["d"]
    scores = np.stack([pairs[..., 0], pairs[..., 0] - params["w"] * pairs[..., 1]])
    # no placements: a rank sum is exact in whole numbers, and one division makes it an AUROC
    ranks = scores.argsort(axis=-1).argsort(axis=-1)[..., n:].sum(axis=-1)
    return np.diff((ranks - n * (n - 1) / 2) / n**2, axis=0)[0]


def _simulate_discordant(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    diseased = rng.random(replicates) < 0.5
    query, reference = draw_pairs(replicates, params["rho"], rng).T
    query = query + params["d"] * diseased
    single = (query > params["d"] / 2) == diseased
    return ((query - params["w"] * reference > params["d"] / 2) == diseased) & ~single


_D, _RHO, _W = (
    number("d", "effect in standard deviations"),
    number("rho", "correlation of query and reference"),
    number("w", "weight on the reference"),
)
_DELTA, _K = number("delta", "effect"), number("k", "how many")
_INTERVAL = (number("l", "lower end of the interval of the correlation"), number("u", "upper end"))
_CAUCHY = (_DELTA, _W, number("scale", "scale of the Cauchy nuisance"))
_HETERO = (
    number("A", "shared variance"),
    number("sigma_e2", "own variance of the query"),
    vector("s2", "own variance of each reference"),
    _DELTA,
)


def _by_k(params: Params) -> int:
    return 2 * int(params["k"]) + 2


STATEMENT = Statement(
    "T12",
    "Further theorems",
    "The price of wrong and learned weights, heavy tails, unequal references, picking the best, and the power of a paired test.",
    (
        Quantity(
            "minimax_ratio_variance",
            "variance at the minimax-ratio weight, relative to the least",
            (*_INTERVAL, _RHO),
            closed.minimax_ratio_variance,
            _symbolic_minimax,
            _simulate_minimax,
            (*grid(l=[0.2], u=[0.6], rho=[0.2, 0.6]), *grid(l=[-0.5], u=[0.95], rho=[0.0]), *grid(l=[0.3], u=[0.3], rho=[0.3])),
            tally=RatioTally,
        ),
        Quantity(
            "learned_w_var",
            "residual variance with a learned weight",
            (_RHO, number("N", "training pairs, 5 or more")),
            closed.learned_w_var,
            _symbolic_learned,
            _simulate_learned,
            (*grid(rho=[0.6, -0.9], N=[20]), *grid(rho=[0.5], N=[7])),
            tally=MeanTally,
            draws=lambda params: 3 * (int(params["N"]) + 20),
        ),
        Quantity(
            "t_error",
            "balanced error under joint Student t",
            (number("nu", "degrees of freedom"), _D, _RHO, _W),
            closed.t_error,
            _symbolic_t_error,
            _simulate_t_error,
            grid(nu=[1, 3, 40], d=[1.0], rho=[0.7], w=[0.7, 1.0]),
            symbolic_tolerance=QUADRATURE,
        ),
        Quantity(
            "cauchy_shared_auc",
            "AUROC with a shared Cauchy nuisance",
            _CAUCHY,
            closed.cauchy_shared_auc,
            _symbolic_cauchy,
            _simulate_cauchy,
            (*grid(delta=[2.0], w=[0.0, 0.9, 1.0], scale=[1.0]), *grid(delta=[0.5], w=[0.5], scale=[20.0])),
            draws=lambda params: 6,
            symbolic_tolerance=QUADRATURE,
        ),
        Quantity(
            "hetero_error",
            "balanced error with references of unequal noise",
            _HETERO,
            closed.hetero_error,
            _symbolic_hetero,
            _simulate_hetero,
            grid(A=[1.0, 100.0], sigma_e2=[0.5], s2=[[0.25, 1.0, 4.0], [1e-3]], delta=[1.5]),
            draws=lambda params: 4 + 2 * len(params["s2"]),
        ),
        Quantity(
            "circle_best_of_k",
            "mean squared distance to the nearest of k on a circle",
            (_K,),
            closed.circle_best_of_k,
            _symbolic_circle,
            _simulate_circle,
            grid(k=[1, 4, 30]),
            tally=MeanTally,
            draws=_by_k,
            mcse=5e-5,
        ),
        Quantity(
            "max_of_k",
            "mean of the largest of k standard normals",
            (_K,),
            closed.max_of_k,
            _symbolic_max,
            _simulate_max,
            grid(k=[1, 2, 3, 5, 20]),
            tally=MeanTally,
            draws=_by_k,
            symbolic_tolerance=QUADRATURE,
        ),
        Quantity(
            "dAUC_sd",
            "standard deviation of the paired difference of AUROCs",
            (_D, _RHO, _W, number("n_per_class", "cases per class")),
            closed.dAUC_sd,
            symbolic_dauc,
            simulate_dauc,
            (*grid(d=[1.0], rho=[0.6], w=[0.6, 1.0], n_per_class=[100]), *grid(d=[1.0], rho=[0.3], w=[1.0], n_per_class=[300])),
            tally=DeviationTally,
            draws=lambda params: 12 * int(params["n_per_class"]),
            symbolic_tolerance=QUADRATURE,
            relative_allowance=0.04,
            mcse=1e-4,
        ),
        Quantity(
            "pair_right_single_wrong",
            "how often the pair is right where the single image is wrong",
            (_D, _RHO, _W),
            closed.pair_right_single_wrong,
            symbolic_discordant,
            _simulate_discordant,
            (*grid(d=[1.0], rho=[0.6], w=[0.6, 1.0]), *grid(d=[1.0], rho=[-0.5], w=[-0.5, 0.0])),
            symbolic_tolerance=QUADRATURE,
        ),
    ),
)
