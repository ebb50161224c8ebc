r"""Whether images and answers are represented more alike (claim C6): linear CKA and the modality gap, layer by layer.

For each query, two vectors are taken at every layer of the language model: the mean over the query's image tokens, as the model reads
the prompt, and the mean over the tokens of the true answer, written behind the same prompt. Over queries that gives two matrices,
:math:`X` and :math:`Y`.

The true answer is the label. So a model that tells the classes apart has a high CKA for that reason alone: the raw CKA restates accuracy.
The residual CKA, after the mean of each class is removed from both matrices, cannot come from the label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from empirical.prompts.example import Example
from empirical.vlm.config import VisionLanguageModel
from empirical.vlm.inference.encoder import Encoder, image_token
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from empirical.vlm.inference.encoder import Batch

RESAMPLES = 200
LEVEL = 0.95
KNOWN_SHARE = 0.8  # share of the halves that must have a value, or there is no interval
ROUNDING = 1e-10  # of what was summed: as much as rounding leaves where a sum is 0
RANGES = {
    "cka": (0.0, 1.0),
    "debiased_cka": (-1.0, 1.0),
    "modality_gap": (0.0, 2.0),
    "residual_cka": (0.0, 1.0),
    "residual_debiased_cka": (-1.0, 1.0),
    "label_share_images": (0.0, 1.0),
    "label_share_answers": (0.0, 1.0),
}
"""Smallest and largest possible value of each measure."""
FEWEST = {"residual_cka": 2, "residual_debiased_cka": 4}
"""Items of each class that a measure needs: a single item has no residual, and the unbiased criterion averages over quadruples."""


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    r"""Linear centred kernel alignment of two representations of the same items.

    Shapes: `x, y` (items, dimensions). It is in [0, 1], and 1 if one is a rotation and scaling of the other.

    Notes
    -----
    :math:`\lVert Y_c^\top X_c\rVert_F^2 / (\lVert X_c^\top X_c\rVert_F\,\lVert Y_c^\top Y_c\rVert_F)` with centred columns (Kornblith,
    Norouzi, Lee and Hinton 2019). With few items and many dimensions it is well above 0 even for unrelated matrices, so
    `debiased_cka` is given as well.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    >>> round(linear_cka(x, 5 * x @ turn + 1), 12)
    1.0
    """
    return _whole(x, y)["cka"]


def debiased_cka(x: np.ndarray, y: np.ndarray) -> float:
    r"""Linear CKA of two representations without the bias of few items.

    Shapes: `x, y` (items, dimensions). It is in [-1, 1], around 0 for unrelated matrices; NaN if all items except one are alike.

    Notes
    -----
    An estimate of the population's CKA, which is never negative; an unbiased estimate of 0 falls below it half the time. It is the same
    ratio with the unbiased estimator of the Hilbert-Schmidt independence criterion (Song et al. 2012):
    :math:`\frac{1}{n(n-3)}\left[\operatorname{tr}(\tilde K\tilde L)+\frac{1^\top\tilde K1\,1^\top\tilde L1}{(n-1)(n-2)}
    -\frac{2}{n-2}1^\top\tilde K\tilde L1\right]`, the diagonals of both Gram matrices set to zero. It is an inner product of matrices that
    were centred without their diagonals (Székely and Rizzo 2014), hence the range.
    """
    return _whole(x, y)["debiased_cka"]


def residual_cka(x: np.ndarray, y: np.ndarray, classes: np.ndarray) -> float:
    """Linear CKA of two representations after the mean of each class is removed from both.

    Shapes: `x, y` (items, dimensions), `classes` (items,), of two classes or more. It is in [0, 1]; NaN if a class has one item, whose
    residual is always 0, or nothing varies within classes.

    Examples
    --------
    Two representations that share the class and nothing else:

    >>> rng, classes = np.random.default_rng(0), np.arange(1000) % 2
    >>> x, y = (4 * classes[:, None] + rng.normal(size=(1000, 2)) for _ in range(2))
    >>> print(f"{linear_cka(x, y):.2f} {residual_cka(x, y, classes):.2f}")
    0.79 0.00
    """
    return _whole(x, y, classes)["residual_cka"]


def residual_debiased_cka(x: np.ndarray, y: np.ndarray, classes: np.ndarray) -> float:
    r"""Residual CKA without the bias of few items.

    Shapes: `x, y` (items, dimensions), `classes` (items,). It is in [-1, 1], on average 0 if only the class is shared; NaN
    where a class has fewer than four items, or nothing varies within classes. With one class it is `debiased_cka`.

    Notes
    -----
    `residual_cka` compares pooled covariances within classes: its numerator is :math:`\lVert\sum_c(n_c-1)\hat C_c\rVert_F^2`, with
    :math:`\hat C_c` the unbiased cross-covariance of the :math:`n_c` items of class :math:`c`. Products of two classes,
    :math:`\langle\hat C_c,\hat C_d\rangle`, are unbiased as they are, since the items are others. The square of one class is not, and its
    unbiased estimate is the criterion of `debiased_cka` on the items of that class. `debiased_cka` of the residuals would be wrong:
    within a class they add to 0, so they are dependent (in a simulation with 8 items in each of two classes, 20 dimensions and nothing
    shared it was .10 on average, with 100 dimensions .34).
    """
    return _whole(x, y, classes)["residual_debiased_cka"]


def label_share(x: np.ndarray, classes: np.ndarray) -> float:
    r"""Share of a representation's variance that is the label: the sum of squares between classes, divided by the total.

    Shapes: `x` (items, dimensions), `classes` (items,). It is in [0, 1]; NaN if all items are alike.

    Notes
    -----
    It is :math:`\eta^2` of an analysis of variance, summed over dimensions. With :math:`k` classes of no effect among :math:`n` items it
    is :math:`(k-1)/(n-1)` on average.

    Examples
    --------
    >>> label_share(np.array([[0.0], [2.0], [4.0], [6.0]]), np.array([0, 0, 1, 1]))
    0.8
    """
    return _whole(x, x, classes)["label_share_images"]


def modality_gap(x: np.ndarray, y: np.ndarray) -> float:
    """Distance between the mean directions of two sets of vectors.

    Shapes: `x, y` (items, dimensions). It is in [0, 2] (Liang et al. 2022); the vectors are scaled to length 1 first.
    """
    return float(_gaps(x, y, np.ones((1, len(x))))[0])


def alignment_draws(
    images: np.ndarray, answers: np.ndarray, patients: np.ndarray, labels: np.ndarray | None = None, *, seed: int = 0
) -> pd.DataFrame:
    """Measure alignment over all patients and over halves of them; with the same patients and seed the halves are the same in every arm.

    Shapes: `images, answers` (layers, items, width), `patients, labels` (items,). Returns one row per layer, measure and draw: ``layer``,
    ``measure``, ``draw`` (0: all patients; from 1 on: a half of them), ``value``, ``reason`` (why there is no value, else ''). Class means
    are those of the draw; without labels there are no residual measures.
    """
    import pandas as pd

    _, patient = np.unique(patients, return_inverse=True)
    number = int(patient.max()) + 1
    if number < 10:
        raise InputError(f"alignment: {number} patients are too few for an interval; show at least 10")
    rng = np.random.default_rng(seed)
    halves = [np.isin(patient, rng.choice(number, number // 2, replace=False)) for _ in range(RESAMPLES)]
    drawn = np.array([np.ones(len(patient), dtype=bool), *halves], dtype=float)
    tables = []
    for layer, (x, y) in enumerate(zip(images, answers, strict=True)):
        found = _measures(x, y, labels, drawn)
        gaps = _gaps(x, y, drawn)
        found["modality_gap"] = gaps, np.where(np.isfinite(gaps), "", "a representation has length 0")
        for name in (name for name in RANGES if name in found):
            values, reasons = found[name]
            tables.append(pd.DataFrame({"layer": layer, "measure": name, "draw": range(len(drawn)), "value": values, "reason": reasons}))
    return pd.concat(tables, ignore_index=True)


def alignment_table(draws: pd.DataFrame, patients: int) -> pd.DataFrame:
    r"""Tabulate alignment by layer, with intervals over patients that stay within the measure's range.

    Returns one row per layer and measure: ``layer``, ``measure``, ``value``, ``low``, ``high`` (95 %), ``undefined`` (in how many draws the
    measure has no value) and ``reason`` (the most frequent one, or '').

    Notes
    -----
    The interval leaves out patients rather than drawing them with replacement: an item that stands twice in a sample is perfectly alike to
    itself, which would pull every resampled CKA up. Samples of :math:`s`, half the :math:`n` patients, are drawn without replacement, and
    the measure's spread over them, times :math:`\sqrt{s/(n-s)}`, is that of all patients to first order (delete-half jackknife, Shao and
    Wu 1989). Spread and interval (Student's with :math:`n-1` degrees of freedom) are taken of the log-odds of where in its range the
    measure is, and transformed back, so that no end is outside. A half in which it has no value (all answers but one are the same) is left
    out; where more than one in five halves have no value, there is no interval.

    The interval of the debiased CKA is for the population's value. That of the plain CKA is for another such sample: with few items it
    is far above the population's value, with its whole interval. So is a small gap: a distance between means is
    lengthened by their errors, its square by the variance of the mean directions.
    """
    import pandas as pd

    rows = []
    for (layer, measure), group in draws.groupby(["layer", "measure"], sort=False):
        whole = group["draw"] == 0
        value = float(group.loc[whole, "value"].iloc[0])
        low, high = _interval(value, group.loc[~whole, "value"].to_numpy(), patients, RANGES[str(measure)])
        reasons = group.loc[group["value"].isna(), "reason"]
        rows.append((layer, measure, value, low, high, len(reasons), "" if reasons.empty else reasons.mode()[0]))
    return pd.DataFrame(rows, columns=["layer", "measure", "value", "low", "high", "undefined", "reason"])


def _interval(value: float, halves: np.ndarray, patients: int, within: tuple[float, float]) -> tuple[float, float]:
    from scipy.special import expit, logit, stdtrit

    bottom, top = within
    tiny = np.finfo(float).eps  # a measure at the end of its range has no finite log-odds
    known = halves[np.isfinite(halves)]
    if not np.isfinite(value) or len(known) < KNOWN_SHARE * len(halves):
        return float("nan"), float("nan")
    odds = logit(np.clip((np.array([value, *known]) - bottom) / (top - bottom), tiny, 1 - tiny))
    half = patients // 2
    reach = stdtrit(patients - 1, (1 + LEVEL) / 2) * odds[1:].std(ddof=1) * np.sqrt(half / (patients - half))
    low, high = bottom + (top - bottom) * expit(odds[0] + np.array([-reach, reach]))
    return min(float(low), value), max(float(high), value)  # rounding may put the value outside


def representations(
    vlm: VisionLanguageModel, encoder: Encoder, examples: Sequence[Example], batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean hidden states of the query and of the true answer, layer by layer.

    Returns two arrays (layers + 1, items, width), of images and answers: means over the query's image tokens, and over the answer's tokens;
    layer 0 is what enters the language model.
    """
    import torch

    from empirical.vlm.inference.scoring import to_device

    images, answers = [], []
    for start in range(0, len(examples), batch_size):
        rows = examples[start : start + batch_size]
        batch, labels = encoder.with_answers(rows, [row.answer for row in rows], end=False)
        batch = to_device(batch, vlm.model)
        with torch.inference_mode():
            hidden = vlm.model(**batch, output_hidden_states=True, use_cache=False, logits_to_keep=1).hidden_states
        states = torch.stack([layer.float() for layer in hidden])
        present = (labels >= 0).to(states.device)
        images.append(_mean(states, _query_places(batch, vlm, rows)).cpu().numpy())
        answers.append(_mean(states[:, :, -labels.shape[1] :], present).cpu().numpy())
    return np.concatenate(images, axis=1), np.concatenate(answers, axis=1)


def _query_places(batch: Batch, vlm: VisionLanguageModel, rows: Sequence[Example]) -> torch.Tensor:
    """Mark the query's image tokens: the n-th run of image tokens where the query is the n-th image."""
    is_image = batch["input_ids"] == image_token(vlm.model)
    begins = is_image.clone()
    begins[:, 1:] &= ~is_image[:, :-1]
    which = begins.cumsum(dim=1)
    marked = is_image.clone()
    for place, row in enumerate(rows):
        kinds = [part.kind for part in row.parts if part.kind != "text"]
        if int(which[place, -1]) != len(kinds):
            raise InputError("alignment: images stand without text between them, their tokens cannot be told apart")
        marked[place] &= which[place] == kinds.index("query") + 1
    return marked


def _mean(states: torch.Tensor, marked: torch.Tensor) -> torch.Tensor:
    """Average over marked tokens: (layers, rows, tokens, width) to (layers, rows, width)."""
    weights = marked.to(states.dtype) / marked.sum(dim=1, keepdim=True)
    return (states * weights[None, :, :, None]).sum(dim=2)


def _whole(x: np.ndarray, y: np.ndarray, labels: np.ndarray | None = None) -> dict[str, float]:
    """Compute all measures of all items."""
    return {name: float(values[0]) for name, (values, _) in _measures(x, y, labels, np.ones((1, len(x)))).items()}


def _gaps(x: np.ndarray, y: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # a vector of length 0 has no direction
        directions = [values / np.linalg.norm(values, axis=1, keepdims=True) for values in (x, y)]
    return np.linalg.norm(drawn @ (directions[0] - directions[1]), axis=1) / drawn.sum(axis=1)


def _measures(x: np.ndarray, y: np.ndarray, labels: np.ndarray | None, drawn: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Compute the measures that use inner products in each draw, with the reason where one has no value.

    Shapes: `x, y` (items, dimensions), `labels` (items,), `drawn` (draws, items), 1 where an item is in a draw and 0 elsewhere.
    """
    kinds, found = ("images", "answers"), {}
    grams = [_gram(values, np.zeros(len(values), dtype=int)) for values in (x, y)]
    totals = [_sum_of_squares(gram, [drawn]) for gram in grams]
    alike = {f"{kind} are all alike": total <= 0 for kind, total in zip(kinds, totals, strict=True)}
    found["cka"], found["debiased_cka"] = _ckas(grams, [drawn], alike, alike)
    if labels is None:
        return found
    names, classes = np.unique(labels, return_inverse=True)
    members = [drawn * (classes == one) for one in range(len(names))]
    grams = [_gram(values, classes) for values in (x, y)]  # class means of all items; the rest of them in a draw is removed below
    within = [_sum_of_squares(gram, members) for gram in grams]
    for kind, total, rest, lacks in zip(kinds, totals, within, alike, strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(total > 0, np.clip(1 - rest / total, 0, 1), np.nan)
        found[f"label_share_{kind}"] = share, np.where(np.isfinite(share), "", lacks)
    constant = {
        f"{kind} do not vary within classes": rest <= ROUNDING * (drawn @ np.square(values, dtype=float).sum(axis=1))
        for kind, rest, values in zip(kinds, within, (x, y), strict=True)
    }
    sizes = {name: each.sum(axis=1) for name, each in zip(names, members, strict=True)}
    few = [
        {f"class '{name}' has fewer than {least} items": (size > 0) & (size < least) for name, size in sizes.items()}
        for least in (FEWEST["residual_cka"], FEWEST["residual_debiased_cka"])
    ]
    found["residual_cka"], found["residual_debiased_cka"] = _ckas(grams, members, constant | few[0], constant | few[1])
    return found


def _ckas(
    grams: Sequence[np.ndarray], members: list[np.ndarray], plain: dict[str, np.ndarray], debiased: dict[str, np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Compute CKA within classes, raw and unbiased, in draws with no reason against it (draws,)."""
    k, m = grams
    products = [_products(*pair, members) for pair in ((k, m), (k, k), (m, m))]
    results = []
    for place, reasons in enumerate((plain, debiased)):
        product, *own = (found[place] for found in products)
        # a product that should be 0 is not exactly 0: where all items but one are alike, rounding alone would decide
        none = [size <= ROUNDING * found[0] if place else size <= 0 for size, found in zip(own, products[1:], strict=True)]
        against = {**reasons, "all items but one are alike" if place else "nothing varies": np.logical_or(*none)}
        reason = np.select(list(against.values()), list(against), "")
        with np.errstate(divide="ignore", invalid="ignore"):
            results.append((np.where(reason == "", product / np.sqrt(own[0] * own[1]), np.nan), reason))
    return results


def _products(k: np.ndarray, m: np.ndarray, members: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    r"""Compute the inner product of two Gram matrices that are centred within the classes of each draw: raw, and unbiased.

    Shapes: `k, m` (items, items), `members` one (draws, items) for each class, 1 where an item is of it and in the draw. Returns (draws,)
    twice. With weights, all draws are a few products of matrices: of a block of rows :math:`c` and columns :math:`d` the centred one is
    :math:`\sum KL-\frac{1}{n_d}\sum_i K_{i\cdot}L_{i\cdot}-\frac{1}{n_c}\sum_j K_{\cdot j}L_{\cdot j}+\frac{1}{n_cn_d}K_{\cdot\cdot}
    L_{\cdot\cdot}`.
    """
    product, diagonals = k * m, (np.diag(k), np.diag(m))
    counts = [np.maximum(each.sum(axis=1), 1) for each in members]  # a class that is not in a draw adds 0
    sums = [(each @ k, each @ m) for each in members]
    plain, unbiased = np.zeros(len(members[0])), np.zeros(len(members[0]))
    for row, (c, n_c, of_c) in enumerate(zip(members, counts, sums, strict=True)):
        at_c = c @ product
        for column, (d, n_d, of_d) in enumerate(zip(members, counts, sums, strict=True)):
            both = (c * of_d[0]).sum(axis=1) * (c * of_d[1]).sum(axis=1)
            rows, columns = (c * of_d[0] * of_d[1]).sum(axis=1), (d * of_c[0] * of_c[1]).sum(axis=1)
            block = (at_c * d).sum(axis=1) - rows / n_d - columns / n_c + both / (n_c * n_d)
            plain += block
            if row != column:
                unbiased += block
                continue
            # the unbiased criterion of Song et al.: diagonals are left out, whose rows of centred matrices add to their negative
            own = [
                c * (diagonal - 2 * part / n_c[:, None] + ((c * part).sum(axis=1) / n_c**2)[:, None])
                for diagonal, part in zip(diagonals, of_c, strict=True)
            ]
            aligned, traces = (own[0] * own[1]).sum(axis=1), own[0].sum(axis=1) * own[1].sum(axis=1)
            n = np.maximum(n_c, FEWEST["residual_debiased_cka"])
            hsic = (block - aligned + traces / ((n - 1) * (n - 2)) - 2 / (n - 2) * aligned) / (n * (n - 3))
            unbiased += np.where(c.any(axis=1), np.where(n == n_c, (n - 1) ** 2 * hsic, np.nan), 0)
    return plain, unbiased


def _sum_of_squares(gram: np.ndarray, members: list[np.ndarray]) -> np.ndarray:
    """Sum squared distances from the mean of the class, in each draw: (draws,)."""
    total = np.zeros(len(members[0]))
    for each in members:
        total += each @ np.diag(gram) - ((each @ gram) * each).sum(axis=1) / np.maximum(each.sum(axis=1), 1)
    return total


def _gram(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Inner products after the mean of each class is removed; classes are numbered from 0."""
    members = (classes[:, None] == np.arange(classes.max() + 1)).astype(float)
    means = members.T @ values / members.sum(axis=0)[:, None]
    centred = values - means[classes]
    return centred @ centred.T
