r"""T11: why might unmatched references help? Rival models, each with a formula and a control.

With no correlation and a known population, T1 and T9 predict no gain from a reference. If a gain is observed nevertheless, it may come from

* an unknown population mean (prior :math:`\mu\sim N(\mu_0,\kappa^2)`, or a bank of :math:`N_0` healthy images): ``prior_error``,
  ``neg_bank_error``; a fixed reference then helps like a fresh one, and the gain decays with the bank;
* pairing as augmentation (n queries x R references), in `theory.statements.t11_augmentation`; never better than single when rho is 0;
* knowing that the reference is healthy: ``unlabelled_value``, what a reference of unknown label is worth for the mean to an estimator
  that is linear; to one that uses the mixture of both classes, ``unlabelled_information``;
* the operating point: ``biased_threshold_error``; accuracy moves, AUROC does not;
* unequal training classes, whose plug-in rule loses sensitivity when healthy cases are added: ``unbalanced_error`` (T4.5).

`FINGERPRINT` gives the sign each model predicts for each control experiment; a site offset is T5.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from see_in_pairs.errors import InputError
from theory.models.discriminant import class_error, class_error_series, train_and_score
from theory.numerics.gaussian import error_of
from theory.numerics.montecarlo import MeanTally, RatioTally, log_likelihood_ratio
from theory.numerics.validation import Floats, finite, non_negative, positive, prevalence, require, whole
from theory.numerics.vectorize import elementwise
from theory.statements.base import QUADRATURE, Params, Quantity, Statement
from theory.statements.parameters import grid, number

if TYPE_CHECKING:
    import sympy as sp

MODELS = ("matched", "site", "mean", "prompt", "label")

#: Sign of the gain in accuracy over the single image, at the deployed threshold, of a linear ideal observer: manipulation to model to sign.
FINGERPRINT = MappingProxyType(
    {
        "matched, same site": dict.fromkeys(MODELS, "+"),
        "random, same site": {"matched": "0", "site": "+", "mean": "+", "prompt": "+", "label": "+"},
        "random, cross-site": {"matched": "0", "site": "0", "mean": "+", "prompt": "+", "label": "+"},
        "one fixed reference": {"matched": "0", "site": "0", "mean": "+", "prompt": "+", "label": "+"},
        "one fixed reference per site": {"matched": "0", "site": "+", "mean": "+", "prompt": "+", "label": "+"},
        "duplicate query": {"matched": "0", "site": "0", "mean": "0", "prompt": "+", "label": "0"},
        "blank image": {"matched": "0", "site": "0", "mean": "0", "prompt": "+", "label": "0"},
        "reference label hidden": {"matched": "unchanged", "site": "unchanged", "mean": "smaller", "prompt": "unchanged", "label": "0"},
        "large training set": {"matched": "persists", "site": "persists", "mean": "vanishes", "prompt": "unclear", "label": "vanishes"},
    }
)


def prior_error(d: ArrayLike, kappa: ArrayLike, m: ArrayLike) -> Floats:
    r"""Balanced error when the population mean is known only up to a normal prior:
    :math:`\Phi\big(-\frac d2(1+\frac{\kappa^2}{1+m\kappa^2})^{-1/2}\big)`.

    Examples
    --------
    >>> float(prior_error(1.5, 1.5, 2))
    0.26375
    """
    unknown, m = np.square(non_negative(kappa, "kappa")), whole(m, "m", 0)
    return error_of(non_negative(d, "d") / np.sqrt(1 + unknown / (1 + m * unknown)))


def neg_bank_error(d: ArrayLike, N0: ArrayLike, m: ArrayLike) -> Floats:
    r"""Balanced error when the mean is estimated from N0 healthy training images and m references:
    :math:`\Phi\big(-\frac d2(1+\frac1{N_0+m})^{-1/2}\big)`.

    Examples
    --------
    >>> float(neg_bank_error(1.5, 2, 4))
    0.24373
    """
    images = whole(N0, "N0", 0) + whole(m, "m", 0)
    require(images >= 1, "N0, m: at least one healthy image is needed to know the mean")
    return error_of(non_negative(d, "d") / np.sqrt(1 + 1 / images))


def subjective_rho(kappa: ArrayLike) -> Floats:
    r"""Correlation of any two healthy images to an observer who does not know their mean: :math:`\kappa^2/(1+\kappa^2)`. With it, T2 gives
    the value of random references to that observer.

    Examples
    --------
    >>> float(subjective_rho(1.5))
    0.69231
    """
    unknown = np.square(non_negative(kappa, "kappa"))
    return unknown / (1 + unknown)


def unlabelled_value(pi: ArrayLike, delta: ArrayLike) -> Floats:
    r"""Worth for the mean of a reference of unknown label, relative to a known-healthy one, to an estimator that is linear in them: the
    ratio of their variances, :math:`1/(1+\pi(1-\pi)\delta^2)`. Never above `unlabelled_information`.

    Examples
    --------
    >>> float(unlabelled_value(0.3, 1.5))
    0.6791
    """
    pi = prevalence(pi)
    return 1 / (1 + pi * (1 - pi) * np.square(finite(delta, "delta")))


def biased_threshold_error(d: ArrayLike, c: ArrayLike) -> Floats:
    r"""Balanced error with a threshold that is off by c: :math:`\frac12[\Phi(-\frac d2+c)+\Phi(-\frac d2-c)]`.

    Examples
    --------
    >>> float(biased_threshold_error(1.0, 0.5))
    0.32933
    """
    d, c = non_negative(d, "d"), finite(c, "c")
    return (ndtr(-d / 2 + c) + ndtr(-d / 2 - c)) / 2


@elementwise
def unbalanced_error(p: int, n1: int, n0: int, Delta2: float, cls: int) -> float:
    """Error in one class of the plug-in rule trained on unequal classes, covariance known (T4.5).

    Examples
    --------
    >>> unbalanced_error(10, 10, 30, 3.0, 1)
    0.28575
    """
    if cls not in (0, 1):
        raise InputError(f"cls = {cls!r}: the class is 0 (healthy) or 1 (diseased)")
    whole(p, "p", 1), whole(n1, "n1", 1), whole(n0, "n0", 1)
    return class_error(int(p), int(n1), int(n0), float(np.sqrt(positive(Delta2, "Delta2"))), int(cls))


# Symbolic


def _linear_error(d: float, variance: sp.Expr) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    return symbolic.evaluate(symbolic.normal_cdf(-symbolic.exact(d) / (2 * sp.sqrt(variance))))


def _symbolic_prior_error(d: float, kappa: float, m: int) -> float:
    """Solve the linear system of query and references, which share the unknown mean."""
    import sympy as sp

    from theory.numerics import symbolic

    joint = sp.eye(m + 1) + symbolic.exact(kappa) ** 2 * sp.ones(m + 1)
    shift = sp.eye(m + 1)[:, 0]
    return _linear_error(d, 1 / (shift.T * joint.LUsolve(shift))[0])


def _symbolic_neg_bank_error(d: float, N0: int, m: int) -> float:
    """Limit of a flat prior of the mean: the images of the bank then count like references."""
    import sympy as sp

    unknown, n = sp.Symbol("kappa", positive=True), sp.Symbol("n", positive=True)
    posterior = 1 / (1 / unknown**2 + n)  # precisions of prior and images add up
    return _linear_error(d, 1 + sp.limit(posterior, unknown, sp.oo).subs(n, int(N0 + m)))


def _symbolic_subjective_rho(kappa: float) -> float:
    """Derive the covariance of two images from the loadings on their common mean and on their own parts."""
    import sympy as sp

    from theory.numerics import symbolic

    joint = symbolic.covariance(sp.Matrix([[symbolic.exact(kappa), 1, 0], [symbolic.exact(kappa), 0, 1]]))
    return symbolic.evaluate(joint[0, 1] / sp.sqrt(joint[0, 0] * joint[1, 1]))


def _symbolic_unlabelled_value(pi: float, delta: float) -> float:
    """Derive the variance of the mixture of the two classes from its moments."""
    from theory.numerics import symbolic

    chance, shift = symbolic.exact(pi), symbolic.exact(delta)
    second, first = (1 - chance) + chance * (1 + shift**2), chance * shift
    return symbolic.evaluate(1 / (second - first**2))


def _symbolic_biased_threshold(d: float, c: float) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    t = symbolic.symbol("t")
    threshold = sp.solve(
        symbolic.normal_log_density(t, symbolic.exact(d), sp.Integer(1)) - symbolic.normal_log_density(t, sp.Integer(0), sp.Integer(1)), t
    )
    moved = threshold[0] + symbolic.exact(c)
    return symbolic.evaluate((symbolic.normal_cdf(-moved) + symbolic.normal_cdf(moved - symbolic.exact(d))) / 2)


def _symbolic_unbalanced_error(p: int, n1: int, n0: int, Delta2: float, cls: int) -> float:
    return class_error_series(p, n1, n0, float(np.sqrt(Delta2)), cls)


# Raw simulation


def _simulate_prior_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    m = int(params["m"])
    diseased = rng.random(replicates) < 0.5
    mean = params["kappa"] * rng.standard_normal((replicates, 1))
    images = mean + rng.standard_normal((replicates, m + 1))
    images[:, 0] += params["d"] * diseased
    model, shift = np.eye(m + 1) + params["kappa"] ** 2, params["d"] * np.eye(1, m + 1)[0]
    return (log_likelihood_ratio(images, shift, model) > 0) != diseased


def _simulate_neg_bank_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    diseased = rng.random(replicates) < 0.5
    query = rng.standard_normal(replicates) + params["d"] * diseased
    healthy = rng.standard_normal((replicates, int(params["N0"] + params["m"]))).mean(axis=1)
    return (query > healthy + params["d"] / 2) != diseased


def _simulate_subjective_rho(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    images = params["kappa"] * rng.standard_normal((replicates, 1)) + rng.standard_normal((replicates, 2))
    return np.column_stack([images.prod(axis=1), np.square(images).mean(axis=1)])


def _simulate_unlabelled_value(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Squared errors of a healthy and of an unlabelled image about their own means."""
    diseased = rng.random(replicates) < params["pi"]
    image = rng.standard_normal(replicates)
    unlabelled = image + params["delta"] * (diseased - params["pi"])
    return np.square(np.column_stack([image, unlabelled]))


def _simulate_biased_threshold(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    diseased = rng.random(replicates) < 0.5
    return (rng.standard_normal(replicates) + params["d"] * diseased > params["d"] / 2 + params["c"]) != diseased


def _simulate_unbalanced_error(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    p = int(params["p"])
    shift = np.full(p, np.sqrt(params["Delta2"] / p))
    return train_and_score(
        shift, np.eye(p), (int(params["n0"]), int(params["n1"])), "known", replicates, rng, classes=(int(params["cls"]),)
    )


_D, _M = number("d", "effect in standard deviations, 0 or more"), number("m", "number of references, 0 or more")

STATEMENT = Statement(
    "T11",
    "Rival models",
    "Unmatched references may help through an unknown mean, augmentation, a known label or the threshold; each has its own control.",
    (
        Quantity(
            "neg_bank_error",
            "balanced error, mean estimated from a bank and references",
            (_D, number("N0", "healthy images in the bank"), _M),
            neg_bank_error,
            _symbolic_neg_bank_error,
            _simulate_neg_bank_error,
            (*grid(d=[1.5], N0=[2], m=[0, 4]), *grid(d=[1.5], N0=[0], m=[1]), *grid(d=[1.5], N0=[60], m=[1])),
            draws=lambda params: 4 + 2 * int(params["N0"] + params["m"]),
        ),
        Quantity(
            "prior_error",
            "balanced error, mean known up to a prior",
            (_D, number("kappa", "standard deviation of the prior of the mean"), _M),
            prior_error,
            _symbolic_prior_error,
            _simulate_prior_error,
            (*grid(d=[1.5], kappa=[0.0, 1.5, 20.0], m=[0, 2]), *grid(d=[1.5], kappa=[0.5], m=[12])),
            draws=lambda params: 6 + 2 * int(params["m"]),
        ),
        Quantity(
            "subjective_rho",
            "correlation of two healthy images to an observer who does not know their mean",
            (number("kappa", "standard deviation of the prior of the mean"),),
            subjective_rho,
            _symbolic_subjective_rho,
            _simulate_subjective_rho,
            grid(kappa=[0.0, 0.5, 1.5, 20.0]),
            tally=RatioTally,
            mcse=2e-3,
        ),
        Quantity(
            "unbalanced_error",
            "error in one class of the plug-in rule trained on unequal classes",
            (
                number("p", "features"),
                number("n1", "diseased training cases"),
                number("n0", "healthy training cases"),
                number("Delta2", "squared Mahalanobis distance"),
                number("cls", "class that is diagnosed, 0 or 1"),
            ),
            unbalanced_error,
            _symbolic_unbalanced_error,
            _simulate_unbalanced_error,
            (
                *grid(p=[10], n1=[10], n0=[30], Delta2=[3.0], cls=[0, 1]),
                *grid(p=[1], n1=[4], n0=[12], Delta2=[1.0], cls=[1]),
                *grid(p=[2], n1=[40], n0=[5], Delta2=[4.0], cls=[0]),
            ),
            tally=MeanTally,
            draws=lambda params: int(params["p"]) * (int(params["n0"] + params["n1"]) + 40),
            symbolic_tolerance=QUADRATURE,
        ),
        Quantity(
            "unlabelled_value",
            "worth for the mean of a reference of unknown label, to a linear estimator",
            (number("pi", "probability that it is diseased"), number("delta", "effect in standard deviations")),
            unlabelled_value,
            _symbolic_unlabelled_value,
            _simulate_unlabelled_value,
            grid(pi=[0.001, 0.3], delta=[1.5, 0.0]),
            tally=RatioTally,
        ),
        Quantity(
            "biased_threshold_error",
            "balanced error with a threshold that is off",
            (_D, number("c", "bias of the threshold in standard deviations")),
            biased_threshold_error,
            _symbolic_biased_threshold,
            _simulate_biased_threshold,
            grid(d=[1.0], c=[0.0, 0.5, -3.0]),
        ),
    ),
)
