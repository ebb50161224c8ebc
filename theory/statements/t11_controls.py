r"""T11 as experiments: the gain in accuracy that each rival model predicts for each control, and models to simulate it with.

A query is :math:`X_q=\mu+a_{family}+b_{site}+\delta Y+e`, a reference the same without the disease. The models differ in the part that the
observer does not know and that the reference shares:

======== =========================================================================================================
model    what varies (``strength`` is its standard deviation, in those of the rest)
======== =========================================================================================================
matched  the family's part, shared by matched references only
site     the site's offset, shared by references of the same site
mean     the population's mean, shared by every reference (after a bank of N0 healthy images: its posterior)
prompt   noise in reading the prompt, gone as soon as there is any second image, whatever it shows
label    as mean, but the observer learns from a reference only when told that it is healthy
======== =========================================================================================================

The gain is the balanced error of the single image minus that with the control's second image, for the linear ideal observer at the
deployed threshold. Its sign is `theory.statements.t11_rival_models.FINGERPRINT`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from theory.numerics.montecarlo import PairedTally, log_likelihood_ratio
from theory.numerics.validation import Floats, one_of, positive, prevalence, whole
from theory.numerics.vectorize import elementwise
from theory.statements.base import Params, Quantity
from theory.statements.parameters import choice, grid, number
from theory.statements.t11_rival_models import MODELS

if TYPE_CHECKING:
    import sympy as sp

STATEMENT_ID = "T11"
#: The part that the second image of each control shares with the query; None where it is uninformative.
CONTROLS: dict[str, frozenset[str] | None] = {
    "matched_same_site": frozenset({"family", "site", "mean"}),
    "random_same_site": frozenset({"site", "mean"}),
    "random_cross_site": frozenset({"mean"}),
    "fixed": frozenset({"mean"}),
    "fixed_same_site": frozenset({"site", "mean"}),
    "duplicate": None,
    "blank": None,
    "label_hidden": frozenset({"family", "site", "mean"}),
    "large_training": frozenset({"family", "site", "mean"}),
}
#: The rows of `FINGERPRINT` for the controls.
ROWS = {
    "matched_same_site": "matched, same site",
    "random_same_site": "random, same site",
    "random_cross_site": "random, cross-site",
    "fixed": "one fixed reference",
    "fixed_same_site": "one fixed reference per site",
    "duplicate": "duplicate query",
    "blank": "blank image",
    "label_hidden": "reference label hidden",
    "large_training": "large training set",
}
_PART = {"matched": "family", "site": "site", "mean": "mean", "label": "mean", "prompt": "prompt"}


@elementwise
def gain(model: str, control: str, d: float = 1.5, strength: float = 1.5, N0: int = 0, pi: float = 0.5) -> float:
    r"""Gain in accuracy that a rival model predicts for a control: the error of the single image minus that with the second image.

    Notes
    -----
    With :math:`\tau^2` the variance of the unknown part, the single image has error :math:`\Phi(-\frac d2(1+\tau^2)^{-1/2})`; a second
    image that shares the part leaves :math:`1+\tau^2-\tau^4/(1+\tau^2)`. A reference with hidden label (model mean) is weighted by
    :math:`w=\tau^2/(1+\tau^2+\pi(1-\pi)d^2)`; its error is averaged over what the reference was.

    Examples
    --------
    >>> round(gain("site", "random_same_site"), 5), gain("site", "random_cross_site")
    (0.05657, 0.0)
    """
    d, pi, unknown = float(positive(d, "d")), float(prevalence(pi)), _unknown(model, control, strength, N0)
    single, shared = float(ndtr(-d / 2 / np.sqrt(1 + unknown))), CONTROLS[control]
    if model == "prompt":
        return single - float(ndtr(-d / 2))
    if shared is None or _PART[model] not in shared or (model == "label" and control == "label_hidden"):
        return 0.0
    hidden = control == "label_hidden" and model == "mean"
    w = unknown / (1 + unknown + (pi * (1 - pi) * d**2 if hidden else 0.0))
    spread = np.sqrt(1 + unknown - 2 * w * unknown + w * w * (1 + unknown))
    shifts = ((1 - pi, w * d * pi), (pi, -w * d * (1 - pi))) if hidden else ((1.0, 0.0),)
    return single - float(sum(c * (ndtr(-(d / 2 - s) / spread) + ndtr(-(d / 2 + s) / spread)) / 2 for c, s in shifts))


def _unknown(model: str, control: str, strength: float, N0: int) -> float:
    """Variance of the part that the observer does not know after training."""
    one_of(model, "model", MODELS)
    one_of(control, "control", CONTROLS)
    variance, bank = float(positive(strength, "strength")) ** 2, float(whole(N0, "N0", 0))
    if model not in ("mean", "label"):
        return variance
    return 0.0 if control == "large_training" else variance / (1 + bank * variance)


# Symbolic: solve the observer's system of query and second image; the error is that of the score's distribution in each state.


def _symbolic(model: str, control: str, d: float = 1.5, strength: float = 1.5, N0: int = 0, pi: float = 0.5) -> float:
    import sympy as sp

    from theory.numerics import symbolic

    effect, chance, part, shared = symbolic.exact(d), symbolic.exact(pi), _PART[model], CONTROLS[control]
    images, bank = sp.Symbol("n", positive=True), int(N0) if part == "mean" else 0
    posterior = 1 / (1 / symbolic.exact(strength) ** 2 + images)  # precisions of prior and bank add up
    unknown = sp.limit(posterior, images, sp.oo) if part == "mean" and control == "large_training" else posterior.subs(images, bank)

    def _error(mixture: list[tuple[sp.Expr, sp.Expr, sp.Expr]]) -> sp.Expr:
        half = effect / 2
        tails = [c * (symbolic.normal_cdf(-(half - s) / sp.sqrt(v)) + symbolic.normal_cdf(-(half + s) / sp.sqrt(v))) for c, s, v in mixture]
        return sum(tails, sp.Integer(0)) / 2

    single = _error([(sp.Integer(1), sp.Integer(0), 1 + unknown)])
    if part == "prompt":
        return symbolic.evaluate(single - _error([(sp.Integer(1), sp.Integer(0), sp.Integer(1))]))
    usable = shared is not None and not (model == "label" and control == "label_hidden")
    between = unknown if usable and shared is not None and part in shared else sp.Integer(0)
    hidden = control == "label_hidden" and model == "mean"
    extra = chance * (1 - chance) * effect**2 if hidden else sp.Integer(0)
    w = sp.Symbol("w")
    variance = (sp.Matrix([[1, -w]]) * sp.Matrix([[1 + unknown, between], [between, 1 + unknown]]) * sp.Matrix([1, -w]))[0]
    best = sp.solve(sp.diff(variance + w**2 * extra, w), w)[0]
    states = [(1 - chance, best * effect * chance), (chance, -best * effect * (1 - chance))] if hidden else [(sp.Integer(1), sp.Integer(0))]
    return symbolic.evaluate(single - _error([(c, s, variance.subs(w, best)) for c, s in states]))


# Raw simulation: worlds with a mean, sites and families; the observer learns from a bank of images, then diagnoses.


def _simulate(params: Params, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Correct with the second image minus correct without it, for each patient."""
    model, d, strength = params["model"], params["d"], params["strength"]
    diseased, own = rng.random(replicates) < 0.5, rng.standard_normal(replicates)
    if model == "prompt":
        misread = strength * rng.standard_normal(replicates)
        wrong_alone, wrong_beside = ((own + d * diseased + noise > d / 2) != diseased for noise in (misread, 0.0))
        return wrong_alone.astype(float) - wrong_beside
    part = _PART[model]
    if part == "mean":
        unknown_part, estimate, remaining = _learn_mean(params, replicates, rng)
    else:
        unknown_part, estimate, remaining = strength * rng.standard_normal(replicates), np.zeros(replicates), strength**2
    query = unknown_part + own + d * diseased - estimate
    second, model_of_both, shift = _second_image(params, query, unknown_part - estimate, remaining, rng)
    alone = log_likelihood_ratio(query[:, None], np.array([d]), np.array([[1 + remaining]]))
    beside = log_likelihood_ratio(np.column_stack([query, second]), shift, model_of_both)
    return ((alone > 0) != diseased).astype(float) - ((beside > 0) != diseased)


def _learn_mean(params: Params, replicates: int, rng: np.random.Generator) -> tuple[Floats, Floats, float]:
    """True means, the observer's estimates of them from its bank of healthy images, and the variance of what it still does not know."""
    prior, images = params["strength"] ** 2, int(params["N0"])
    mean = params["strength"] * rng.standard_normal(replicates)
    if params["control"] == "large_training":
        return mean, mean, 0.0
    if images == 0:
        return mean, np.zeros(replicates), prior
    bank = mean + rng.standard_normal((images, replicates)).mean(axis=0)
    shrink = prior / (prior + 1 / images)
    return mean, shrink * bank, prior * (1 - shrink)


def _second_image(
    params: Params, query: Floats, unknown_part: Floats, remaining: float, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Second image that the control shows beside the query; covariance and shift of both as the observer assumes them."""
    model, control, d, pi = params["model"], params["control"], params["d"], params["pi"]
    noise, shared, alone = rng.standard_normal(len(query)), CONTROLS[control], np.array([d, 0.0])
    if control == "duplicate":
        return query, np.full((2, 2), 1 + remaining), np.array([d, d])
    if control == "blank":
        return np.zeros_like(query), np.diag([1 + remaining, 0.0]), alone
    if shared is None or _PART[model] not in shared:
        other = np.sqrt(remaining) * rng.standard_normal(len(query))  # another family, another site: of its own
        return other + noise, np.diag([1 + remaining, 1 + remaining]), alone
    together = remaining + np.eye(2)
    if control == "label_hidden" and model in ("mean", "label"):
        hidden_disease = rng.random(len(query)) < pi
        between = together + np.diag([0.0, pi * (1 - pi) * d**2])
        return unknown_part + noise + d * (hidden_disease - pi), between if model == "mean" else np.diag(np.diag(between)), alone
    return unknown_part + noise, together, alone


_DRAWN = ("matched_same_site", "random_same_site", "random_cross_site", "fixed_same_site", "label_hidden", "large_training")

QUANTITIES = (
    Quantity(
        "gain",
        "gain in accuracy over the single image that a rival model predicts for a control experiment",
        (
            choice("model", "why references might help", MODELS),
            choice("control", "the second image", CONTROLS),
            number("d", "effect in standard deviations of what is not shared", 1.5),
            number("strength", "standard deviation of what the observer does not know", 1.5),
            number("N0", "healthy training images (models mean and label)", 0),
            number("pi", "share of diseased ones among references of hidden label", 0.5),
        ),
        gain,
        _symbolic,
        _simulate,
        (
            *grid(model=MODELS, control=_DRAWN),
            *grid(model=["mean", "site"], control=["fixed", "duplicate", "blank"]),
            *grid(model=["mean"], control=["random_cross_site", "label_hidden"], N0=[5], pi=[0.2]),
            *grid(model=["mean", "site"], control=["random_same_site"], d=[0.3], strength=[0.05, 20.0]),
            *grid(model=["mean"], control=["label_hidden"], pi=[1e-3, 0.99], N0=[0, 40]),
        ),
        tally=PairedTally,
        draws=lambda params: 8 + int(params["N0"]),
        mcse=1e-3,
    ),
)
