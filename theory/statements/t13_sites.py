r"""T13 for a few sites: the offset of a site predicts the class if sites differ in prevalence.

Site k has offset :math:`b_k`, a share of the patients and a prevalence. Ranking patients of all sites together, the score
:math:`uX_q+vX_r` with a reference of the query's site has

.. math:: \mathrm{AUROC}=\sum_{k,l}P(k\mid1)P(l\mid0)\,\Phi\Big(\frac{u\delta+(u+v)(b_k-b_l)}{\sqrt{2(u^2+v^2)}}\Big),

so that the reference alone ranks by the offsets and the difference is free of them. With a healthy reference of any site the offsets of
query and reference are independent, and the reference is uninformative. Many sites with normal offsets are `t13_confounded_references`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.special import ndtr

from see_in_pairs.errors import InputError
from theory.numerics.validation import Floats, finite, one_of, positive, require
from theory.numerics.validation import prevalence as proper_prevalence
from theory.numerics.vectorize import elementwise
from theory.statements.base import Params, Quantity
from theory.statements.parameters import choice, grid, number, vector

STATEMENT_ID = "T13"
RULES, REFS = ("single", "difference", "reference_only"), ("same_site", "any_site")


@partial(elementwise, vectors=("offsets", "shares", "prevalences"))
def site_auc(
    delta: float,
    offsets: Sequence[float],
    shares: Sequence[float],
    prevalences: Sequence[float],
    rule: str | float,
    refs: str = "same_site",
) -> float:
    """AUROC over all sites (module's formula), in units of the standard deviation within a site.

    Examples
    --------
    Two sites, one with three times the disease: the reference alone tells the class, and the single image seems better than it is.

    >>> [round(site_auc(1.0, [0.0, 1.0], [1, 1], [0.2, 0.6], rule), 3) for rule in RULES]
    [0.819, 0.691, 0.608]
    """
    u, v = _weights(rule)
    one_of(refs, "refs", REFS)
    healthy, diseased = _chances(offsets, shares, prevalences)
    b, spread, effect = np.asarray(offsets, dtype=np.float64), np.sqrt(2 * (u * u + v * v)), u * float(finite(delta, "delta"))
    between = b[:, None] - b[None, :]  # of the sites: diseased minus healthy
    if refs == "same_site":
        return float(diseased @ ndtr((effect + (u + v) * between) / spread) @ healthy)
    total = 0.0
    for gap, chance in zip(between.ravel(), np.outer(diseased, healthy).ravel(), strict=True):
        total += chance * float(healthy @ ndtr((effect + u * gap + v * between) / spread) @ healthy)
    return total


def _weights(rule: str | float) -> tuple[float, float]:
    """Weights of query and reference in the score."""
    if not isinstance(rule, str):
        return 1.0, -float(finite(rule, "rule"))
    if rule not in RULES:
        raise InputError(f"rule = {rule!r}: must be one of {', '.join(RULES)}, or a number (the weight)")
    return {"single": (1.0, 0.0), "difference": (1.0, -1.0), "reference_only": (0.0, 1.0)}[rule]


def _chances(offsets: Sequence[float], shares: Sequence[float], prevalences: Sequence[float]) -> tuple[Floats, Floats]:
    """Probability of each site among the healthy and among the diseased."""
    b, share, ill = finite(offsets, "offsets"), positive(shares, "shares"), proper_prevalence(prevalences, "prevalences")
    require(b.ndim == 1 and b.shape == share.shape == ill.shape, "offsets, shares, prevalences: lists with one number for each site")
    healthy, diseased = share * (1 - ill), share * ill
    return healthy / healthy.sum(), diseased / diseased.sum()


def _symbolic(
    delta: float,
    offsets: Sequence[float],
    shares: Sequence[float],
    prevalences: Sequence[float],
    rule: str | float,
    refs: str = "same_site",
) -> float:
    """Sum over the sites of both patients and, with references of any site, of both references, by Bayes' theorem."""
    import sympy as sp

    from theory.numerics import symbolic

    b, weight, ill = ([symbolic.exact(x) for x in values] for values in (offsets, shares, prevalences))
    among = {
        label: [
            w * (p if label else 1 - p) / sum(x * (q if label else 1 - q) for x, q in zip(weight, ill, strict=True))
            for w, p in zip(weight, ill, strict=True)
        ]
        for label in (0, 1)
    }
    u, v = (symbolic.exact(x) for x in _weights(rule))
    spread, total, sites = sp.sqrt(2 * (u**2 + v**2)), sp.Integer(0), range(len(b))
    for k in sites:
        for j in sites:
            chance = among[1][k] * among[0][j]
            if refs == "same_site":
                total += chance * symbolic.normal_cdf((u * (symbolic.exact(delta) + b[k] - b[j]) + v * (b[k] - b[j])) / spread)
                continue
            for r in sites:
                for t in sites:
                    gap = u * (symbolic.exact(delta) + b[k] - b[j]) + v * (b[r] - b[t])
                    total += chance * among[0][r] * among[0][t] * symbolic.normal_cdf(gap / spread)
    return symbolic.evaluate(total)


def _simulate(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """People of sites fall ill by their site's prevalence until there are enough of both; references are healthy people."""
    offsets, shares = (np.asarray(params[name], dtype=np.float64) for name in ("offsets", "shares"))
    site = rng.choice(len(offsets), size=4 * replicates, p=shares / shares.sum())
    ill = rng.random(site.size) < np.asarray(params["prevalences"])[site]
    kept = min(int(ill.sum()), int((~ill).sum()))
    groups: dict[bool, Any] = {label: site[ill == label][:kept] for label in (False, True)}
    u, v = _weights(params["rule"])
    scores = {}
    for label, own in groups.items():
        other = own if params["refs"] == "same_site" else rng.choice(site[~ill], size=kept)
        noise = rng.standard_normal((2, kept))
        scores[label] = u * (offsets[own] + params["delta"] * label + noise[0]) + v * (offsets[other] + noise[1])
    return scores[True] > scores[False]


_TWO: dict[str, list[Any]] = {"delta": [1.0], "offsets": [[0.0, 1.0]], "shares": [[1, 1]], "prevalences": [[0.2, 0.6]]}

QUANTITIES = (
    Quantity(
        "site_auc",
        "AUROC over sites that differ in offset and prevalence",
        (
            number("delta", "effect in standard deviations within a site"),
            vector("offsets", "offset of each site, in the same unit"),
            vector("shares", "share of the patients of each site, up to a factor"),
            vector("prevalences", "prevalence at each site"),
            choice("rule", "rule, or its weight on the reference", RULES, or_number=True),
            choice("refs", "whose healthy patients are references", REFS, "same_site"),
        ),
        site_auc,
        _symbolic,
        _simulate,
        (
            *grid(**_TWO, rule=[*RULES, 0.5], refs=REFS),
            *grid(
                delta=[0.5], offsets=[[0.0, 2.0, -1.0]], shares=[[3, 1, 2]], prevalences=[[0.1, 0.9, 0.5]], rule=["difference"], refs=REFS
            ),
        ),
        draws=lambda params: 30,
        mcse=1e-3,
    ),
)
