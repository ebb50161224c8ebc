r"""T5 as ranking: the AUROC of every rule, with the sites pooled and within a site, with fresh references or fixed ones; the best weight.

Ranking is not affected like a threshold that is moved to another site (T5): within a site its offset cancels, and so do references that
are the same for every patient of the site. Pooled over sites the score has the variance V of T5 about the centre of all sites.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from theory.numerics.gaussian import auc_of
from theory.numerics.montecarlo import RatioTally
from theory.numerics.sampling import score_auc
from theory.numerics.validation import Floats, non_negative, one_of, whole
from theory.statements import t5_site_shift as t5
from theory.statements.base import Params, Quantity
from theory.statements.parameters import choice, grid, number

STATEMENT_ID = "T5"
REFERENCES = ("fresh", "fixed")
WITHIN_RULES = ("single", "same_diff", "same_shrink")


def pooled_rule_auc(delta: ArrayLike, tau: ArrayLike, rule: str, m: ArrayLike = 1, sites: str = "one") -> Floats:
    r"""AUROC of a rule with the sites pooled, each patient from a site of its own: :math:`\Phi(\delta/\sqrt{2V})`, V that of centred
    training. A training site adds a constant to every score (unless references come from it), which does not change the ranking.

    Examples
    --------
    >>> float(pooled_rule_auc(2.0, 1.0, "single"))
    0.84135
    """
    return auc_of(non_negative(delta, "delta") / np.sqrt(t5.variance(tau, rule, m, sites)))


def within_site_auc(delta: ArrayLike, tau: ArrayLike, rule: str, m: ArrayLike = 1, refs: str = "fresh") -> Floats:
    r"""AUROC of a rule within a site: :math:`\Phi(\delta/\sqrt{2(1+w^2/m)})` with fresh references, w the weight of the rule;
    :math:`\Phi(\delta/\sqrt2)` with fixed ones.

    Examples
    --------
    >>> float(within_site_auc(2.0, 1.0, "single"))
    0.92135
    """
    one_of(rule, "rule", WITHIN_RULES)
    one_of(refs, "refs", REFERENCES)
    offsets, m = np.square(non_negative(tau, "tau")), whole(m, "m", 1)
    w = {"single": 0 * offsets, "same_diff": 1 + 0 * offsets}.get(rule, offsets / (offsets + 1 / m))
    return auc_of(non_negative(delta, "delta") / np.sqrt(1 + (np.square(w) / m if refs == "fresh" else 0 * (w + m))))


def shrink_weight(tau: ArrayLike, m: ArrayLike = 1) -> Floats:
    r"""Best weight on the mean of m references from the query's own site: :math:`w^*=\frac{\tau^2}{\tau^2+1/m}`, which tends to the
    difference rule as :math:`m\tau^2` grows (T12.5).

    Examples
    --------
    >>> float(shrink_weight(1.0, 4))
    0.8
    """
    offsets = np.square(non_negative(tau, "tau"))
    return offsets / (offsets + 1 / whole(m, "m", 1))


# Symbolic: the offsets and noises that a diseased and a healthy score do not have in common.


def _symbolic_pooled(delta: float, tau: float, rule: str, m: int = 1, sites: str = "one") -> float:
    import sympy as sp

    from theory.numerics import symbolic

    v, tau_symbol, m_symbol = t5.symbolic_variance(rule, sites, "centred")
    return symbolic.evaluate(symbolic.auc(symbolic.exact(delta) / sp.sqrt(v)), {tau_symbol: tau, m_symbol: m})


def _symbolic_within(delta: float, tau: float, rule: str, m: int = 1, refs: str = "fresh") -> float:
    import sympy as sp

    from theory.numerics import symbolic

    w, t, n = sp.Symbol("w"), symbolic.exact(tau), sp.Integer(int(m))
    # columns: noise of the one query, of the other, of the references of each (the same columns where they are fixed), offset of the site
    own = [1 / sp.sqrt(n), 0]
    other = [0, 1 / sp.sqrt(n)] if refs == "fresh" else own
    diseased = sp.Matrix([1, 0, *(-w * x for x in own), t * (1 - w)])
    healthy = sp.Matrix([0, 1, *(-w * x for x in other), t * (1 - w)])
    centred = 1 + w**2 / n + t**2 * (1 - w) ** 2
    weight = {"single": sp.Integer(0), "same_diff": sp.Integer(1)}.get(rule)
    weight = sp.solve(sp.diff(centred, w), w)[0] if weight is None else weight
    gap = (diseased - healthy).subs(w, weight)
    return symbolic.evaluate(symbolic.normal_cdf(symbolic.exact(delta) / sp.sqrt((gap.T * gap)[0])))


def _symbolic_weight(tau: float, m: int = 1) -> float:
    """Minimise the variance about what query and references share."""
    import sympy as sp

    from theory.numerics import symbolic

    w, t = sp.Symbol("w"), symbolic.exact(tau)
    score = sp.Matrix([1, -w / sp.sqrt(sp.Integer(int(m))), t * (1 - w)])  # noise of the query, of the references; the site
    return symbolic.evaluate(sp.solve(sp.diff((score.T * score)[0], w), w)[0])


# Raw simulation


def _simulate_pooled(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    m, tau, rule = int(params["m"]), params["tau"], params["rule"]

    def _scores(effect: float) -> Floats:
        own_site = tau * rng.standard_normal(replicates)
        query = own_site + rng.standard_normal(replicates) + effect
        if rule == "single":
            return query
        other = tau * rng.standard_normal((replicates, 1 if params["sites"] == "one" else m))
        site = {"cross_diff": other, "train_diff": np.zeros((replicates, 1))}.get(rule, own_site[:, None])
        references = site + rng.standard_normal((replicates, m))
        weights = np.linalg.solve(np.eye(m) + tau**2, np.full(m, tau**2)) if rule == "same_shrink" else np.full(m, 1 / m)
        return query - references @ weights

    return _scores(params["delta"]) > _scores(0.0)


def _simulate_within(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    m, tau = int(params["m"]), params["tau"]
    site = tau * rng.standard_normal(replicates)
    weights = {"single": np.zeros(m), "same_diff": np.full(m, 1 / m)}.get(params["rule"])
    if weights is None:
        weights = np.linalg.solve(np.eye(m) + tau**2, np.full(m, tau**2))
    references = site[:, None] + rng.standard_normal((replicates, m))
    others = site[:, None] + rng.standard_normal((replicates, m)) if params["refs"] == "fresh" else references
    diseased, healthy = (site + rng.standard_normal(replicates) for _ in range(2))
    return diseased + params["delta"] - references @ weights > healthy - others @ weights


def _simulate_weight(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Regress healthy queries on the mean of their references."""
    site = params["tau"] * rng.standard_normal(replicates)
    query = site + rng.standard_normal(replicates)
    mean = (site[:, None] + rng.standard_normal((replicates, int(params["m"])))).mean(axis=1)
    return np.column_stack([query * mean, np.square(mean)])


def _fast_pooled(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    v = t5.variance(params["tau"], params["rule"], params["m"], params["sites"])
    return score_auc(float(params["delta"] / np.sqrt(v)), replicates, rng)


def _draws(params: Params) -> int:
    return 8 + 4 * int(params["m"])


_M = number("m", "number of references", 1)

QUANTITIES = (
    Quantity(
        "pooled_rule_auc",
        "AUROC of a rule, sites pooled",
        (
            t5.DELTA,
            t5.TAU,
            choice("rule", "the rule", t5.RULES),
            _M,
            choice("sites", "where cross-site references come from", t5.SITES, "one"),
        ),
        pooled_rule_auc,
        _symbolic_pooled,
        _simulate_pooled,
        (
            *grid(delta=[2.0], tau=[1.0], rule=t5.RULES, m=[1, 4]),
            *grid(delta=[2.0], tau=[0.0, 3.0], rule=["cross_diff", "same_shrink"], m=[3], sites=["many"]),
        ),
        draws=_draws,
        fast=_fast_pooled,
    ),
    Quantity(
        "within_site_auc",
        "AUROC of a rule within a site, with fresh or fixed references",
        (
            t5.DELTA,
            t5.TAU,
            choice("rule", "the rule", WITHIN_RULES),
            _M,
            choice("refs", "whether each patient has its own references or the site has some for all", REFERENCES, "fresh"),
        ),
        within_site_auc,
        _symbolic_within,
        _simulate_within,
        (
            *grid(delta=[2.0], tau=[1.0], rule=WITHIN_RULES, m=[1, 4], refs=REFERENCES),
            *grid(delta=[0.5], tau=[0.0, 20.0], rule=["same_shrink"], m=[30], refs=REFERENCES),
        ),
        draws=_draws,
    ),
    Quantity(
        "shrink_weight",
        "best weight on the mean of m references from the query's own site",
        (t5.TAU, _M),
        shrink_weight,
        _symbolic_weight,
        _simulate_weight,
        grid(tau=[0.0, 0.1, 1.0, 10.0], m=[1, 16]),
        tally=RatioTally,
        draws=lambda params: 2 * (int(params["m"]) + 2),
        mcse=4e-3,
    ),
)
