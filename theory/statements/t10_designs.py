r"""T10's table of mean squares: expectations of the estimated components, with references crossed with patients or nested in them.

Crossed: every patient is shown the same references, and :math:`E\hat\sigma^2` of each source is its component. Nested: each patient has its
own references. Main effects of references then no longer cancel: they are added to the line of references within a patient, and to the
:math:`1/R` term of the AUROC.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from theory.models.variance_components import intraclass_correlation, mean_squares, nested_mean_squares, solve_components
from theory.numerics.gaussian import auc_of
from theory.numerics.montecarlo import DeviationTally, MeanTally
from theory.numerics.validation import Floats, finite, non_negative, one_of, require, whole
from theory.statements.base import Params, Quantity
from theory.statements.parameters import choice, components, grid, number

STATEMENT_ID = "T10"
SOURCES = ("P", "R", "S", "PR", "PS", "RS", "E")
ESTIMATED, DESIGNS = ("P", "PR", "PS", "E"), ("crossed", "nested")
Components = Mapping[str, float]


def check_components(var: Components) -> None:
    """Refuse negative variances."""
    for name, value in var.items():
        non_negative(value, f"var.{name}")


def expected_component(
    source: str, n: ArrayLike, R: ArrayLike, S: ArrayLike, var: Components, design: str = "crossed", beta: ArrayLike = 1.0
) -> Floats:
    """Expectation of an estimated variance component: the true one, since the estimators are unbiased. Nested, ``PR`` also contains R, and
    ``E`` also contains RS.

    Examples
    --------
    >>> var = {"P": 1, "R": 0.3, "S": 0.2, "PR": 0.5, "PS": 0.2, "RS": 0.1, "E": 0.4}
    >>> float(expected_component("PR", 20, 3, 3, var)), float(expected_component("PR", 20, 3, 3, var, "nested"))
    (0.5, 0.8)
    """
    check_components(var)
    one_of(source, "source", ESTIMATED)
    one_of(design, "design", DESIGNS)
    joined = {"PR": var["R"], "E": var["RS"]}.get(source, 0.0) if design == "nested" else 0.0
    size = whole(n, "n", 4) + whole(R, "R", 2) + whole(S, "S", 2) + finite(beta, "beta")
    return np.asarray(var[source] + joined + 0 * size, dtype=np.float64)[()]


def auc_nested(beta: ArrayLike, R: ArrayLike, S: ArrayLike, var: Components) -> Floats:
    r"""AUROC of the logit averaged over references of each patient's own and over seeds that all share: :math:`\Phi(\beta/\sqrt{2V})`,
    :math:`V=\sigma_P^2+\frac{\sigma_R^2+\sigma_{PR}^2}R+\frac{\sigma_{PS}^2}S+\frac{\sigma_{RS}^2+\sigma_E^2}{RS}`."""
    check_components(var)
    R, S = whole(R, "R", 1), whole(S, "S", 1)
    variance = var["P"] + (var["R"] + var["PR"]) / R + var["PS"] / S + (var["RS"] + var["E"]) / (R * S)
    require(variance > 0, "var: the components must add up to a positive variance")
    return auc_of(finite(beta, "beta") / np.sqrt(variance))


def icc_sd(groups: ArrayLike, k: ArrayLike, rho: ArrayLike) -> Floats:
    r"""First-order standard deviation of the estimated intraclass correlation: :math:`\sqrt{\frac{2(1-\rho)^2(1+(k-1)\rho)^2}{k(k-1)n_g}}`.

    Examples
    --------
    >>> round(float(icc_sd(30, 3, 0.4)), 5)
    0.11384
    """
    groups, k, rho = whole(groups, "groups", 2), whole(k, "k", 2), non_negative(rho, "rho")
    require(rho < 1, "rho: a correlation within a group is below 1")
    return np.sqrt(2 / (k * (k - 1) * groups)) * (1 - rho) * (1 + (k - 1) * rho)


# Symbolic: expectations of the quadratic forms, traces of projections times covariances, factor by factor.


def symbolic_component(source: str, n: int, R: int, S: int, var: Components, design: str = "crossed", beta: float = 1.0) -> float:
    """Solve the mean squares for a component, each mean square in expectation."""
    import sympy as sp

    from theory.numerics import symbolic

    sizes, half, nested = {"P": n, "R": R, "S": S}, n // 2, design == "nested"
    in_class = sp.diag(sp.eye(half) - sp.ones(half) / half, sp.eye(n - half) - sp.ones(n - half) / (n - half))
    average = {name: sp.ones(size) / size for name, size in sizes.items()}
    within = {name: sp.eye(size) - sp.ones(size) / size for name, size in sizes.items()}

    def _mean_square(line: str) -> sp.Expr:
        of_references = line in ("PR", "E")
        projections = {
            "P": sp.eye(n) if nested and of_references else in_class,
            "R": (within if of_references else average)["R"],
            "S": (within if line in ("PS", "E") else average)["S"],
        }
        freedom = sp.prod([projection.trace() for projection in projections.values()])
        total = sp.Integer(0)
        for name in SOURCES:
            drawn = {"E": "PRS", **({"R": "PR", "RS": "PRS"} if nested else {})}.get(name, name)
            traces = [(p * (sp.eye(sizes[f]) if f in drawn else sp.ones(sizes[f]))).trace() for f, p in projections.items()]
            total += symbolic.exact(var[name]) * sp.prod(traces)
        return total / freedom

    squares = {line: _mean_square(line) for line in ESTIMATED}
    solved = {
        "P": (squares["P"] - squares["PR"] - squares["PS"] + squares["E"]) / (R * S),
        "PR": (squares["PR"] - squares["E"]) / S,
        "PS": (squares["PS"] - squares["E"]) / R,
        "E": squares["E"],
    }
    return symbolic.evaluate(solved[source])


def _symbolic_nested(beta: float, R: int, S: int, var: Components) -> float:
    """Sum the variances of the averages; all but the seeds are each patient's own."""
    import sympy as sp

    from theory.numerics import symbolic

    copies = {"P": 1, "R": R, "PR": R, "PS": S, "RS": R * S, "E": R * S}
    total = sum((symbolic.exact(var[name]) * sp.Integer(count) / sp.Integer(count) ** 2 for name, count in copies.items()), sp.Integer(0))
    return symbolic.evaluate(symbolic.auc(symbolic.exact(beta) / sp.sqrt(total)))


def _symbolic_icc_sd(groups: int, k: int, rho: float) -> float:
    """Delta method on the two mean squares, which are independent multiples of chi-squared variables."""
    import sympy as sp

    from theory.numerics import symbolic

    between, within, n, size, r = (sp.Symbol(name, positive=True) for name in ("B", "W", "n", "k", "r"))
    estimate = (between - within) / (between + (size - 1) * within)
    at = {between: 1 + (size - 1) * r, within: 1 - r}
    variance = sum(
        (sp.diff(estimate, x).subs(at) ** 2 * 2 * at[x] ** 2 / freedom for x, freedom in ((between, n), (within, n * (size - 1)))),
        sp.Integer(0),
    )
    return symbolic.evaluate(sp.sqrt(sp.factor(variance)), {n: groups, size: k, r: rho})


# Raw simulation: logits of patients x references x seeds, part by part.


def draw_logits(params: Params, replicates: int, rng: np.random.Generator, nested: bool = False) -> tuple[Floats, np.ndarray]:
    """Logits of simulated data sets, shape (replicates, n, R, S), and which of the n patients are diseased."""
    sizes = {"P": int(params["n"]), "R": int(params["R"]), "S": int(params["S"])}
    labels = np.arange(sizes["P"]) >= sizes["P"] // 2
    logits = np.broadcast_to(float(params["beta"]) * labels[:, None, None], (replicates, *sizes.values())).copy()
    for source in SOURCES:
        drawn = {"E": "PRS", **({"R": "PR", "RS": "PRS"} if nested else {})}.get(source, source)
        shape = (size if factor in drawn else 1 for factor, size in sizes.items())
        logits += np.sqrt(params["var"][source]) * rng.standard_normal((replicates, *shape))
    return logits, labels


def _simulate_component(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    nested = params["design"] == "nested"
    logits, labels = draw_logits(params, replicates, rng, nested)
    squares = (nested_mean_squares if nested else mean_squares)(logits, labels)
    return solve_components(squares, int(params["R"]), int(params["S"]))[params["source"]]


def _simulate_nested(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Rank two patients, each with references of its own, by their mean logits."""
    logits, _ = draw_logits({**params, "n": 2}, replicates, rng, nested=True)
    means = logits.mean(axis=(2, 3))
    return means[:, 1] > means[:, 0]


def _simulate_icc(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    groups, k, rho = int(params["groups"]), int(params["k"]), params["rho"]
    shared, own = rng.standard_normal((replicates, groups, 1)), rng.standard_normal((replicates, groups, k))
    return intraclass_correlation(np.sqrt(rho) * shared + np.sqrt(1 - rho) * own)[0]


_ALL = {"P": 1.0, "R": 0.3, "S": 0.2, "PR": 0.5, "PS": 0.2, "RS": 0.1, "E": 0.4}
_DESIGN = (number("R", "references"), number("S", "seeds"), components("var", "variance components", SOURCES))

QUANTITIES = (
    Quantity(
        "expected_component",
        "expectation of an estimated variance component",
        (
            choice("source", "which component", ESTIMATED),
            number("n", "patients, half of each class"),
            *_DESIGN,
            choice("design", "references shared by all patients, or each patient's own", DESIGNS, "crossed"),
            number("beta", "mean logit of diseased minus healthy patients", 1.0),
        ),
        expected_component,
        symbolic_component,
        _simulate_component,
        (
            *grid(source=ESTIMATED, n=[12], R=[3], S=[4], var=[_ALL], design=DESIGNS),
            *grid(source=["P"], n=[5], R=[2], S=[2], var=[{**_ALL, "P": 0.0}], design=DESIGNS, beta=[3.0]),
        ),
        tally=MeanTally,
        draws=lambda params: 4 * int(params["n"] * params["R"] * params["S"]),
        mcse=2e-3,
    ),
    Quantity(
        "auc_nested",
        "AUROC of the logit averaged over each patient's own references, and over seeds",
        (number("beta", "mean logit of diseased minus healthy patients"), *_DESIGN),
        auc_nested,
        _symbolic_nested,
        _simulate_nested,
        tuple({"beta": 1.5, "R": R, "S": S, "var": _ALL} for R, S in ((1, 1), (4, 2), (40, 1))),
        draws=lambda params: 8 * int(params["R"] * params["S"]),
        mcse=1e-3,
    ),
    Quantity(
        "icc_sd",
        "standard deviation of the estimated intraclass correlation, first order",
        (number("groups", "number of groups"), number("k", "scores per group"), number("rho", "correlation within a group, 0 to 1")),
        icc_sd,
        _symbolic_icc_sd,
        _simulate_icc,
        grid(groups=[100], k=[2, 5], rho=[0.0, 0.4, 0.9]),
        tally=DeviationTally,
        draws=lambda params: 3 * int(params["groups"]) * (int(params["k"]) + 1),
        relative_allowance=0.04,
        caveat=lambda params: "" if params["groups"] >= 100 else "first order: to 4 % from 100 groups on",
    ),
)
