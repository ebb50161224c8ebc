r"""Whether images and answers are represented more alike (claim C6): linear CKA and the modality gap, layer by layer.

For each query, two vectors are taken at every layer of the language model: the mean over the query's image tokens, as the model reads
the prompt, and the mean over the tokens of the true answer, written behind the same prompt. Over queries that gives two matrices,
:math:`X` and :math:`Y`.
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
KNOWN_SHARE = 0.8  # of the halves must have a value for there to be an interval
ROUNDING = 1e-10  # of what was summed: as much as rounding leaves where a sum is 0
RANGES = {"cka": (0.0, 1.0), "debiased_cka": (-1.0, 1.0), "modality_gap": (0.0, 2.0)}
"""Smallest and largest possible value of each measure."""


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    r"""Linear centred kernel alignment of two representations of the same items.

    Shapes: `x, y` (items, dimensions). It lies in [0, 1], and is 1 where one is a rotation and scaling of the other.

    Notes
    -----
    :math:`\lVert Y_c^\top X_c\rVert_F^2 / (\lVert X_c^\top X_c\rVert_F\,\lVert Y_c^\top Y_c\rVert_F)` with centred columns (Kornblith,
    Norouzi, Lee and Hinton 2019). With few items and many dimensions it lies well above 0 even for unrelated matrices, so
    `debiased_cka` stands beside it.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    >>> round(linear_cka(x, 5 * x @ turn + 1), 12)
    1.0
    """
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    k, m = x @ x.T, y @ y.T
    scale = np.sqrt((k * k).sum() * (m * m).sum())
    return float((k * m).sum() / scale) if scale > 0 else float("nan")


def debiased_cka(x: np.ndarray, y: np.ndarray) -> float:
    r"""Linear CKA of two representations without the bias of few items.

    Shapes: `x, y` (items, dimensions). It lies in [-1, 1], around 0 for unrelated matrices; NaN where all items but one are alike.

    Notes
    -----
    An estimate of the population's CKA, which is never negative; an unbiased estimate of 0 falls below it half the time. It is the same
    ratio with the unbiased estimator of the Hilbert-Schmidt independence criterion (Song et al. 2012):
    :math:`\frac{1}{n(n-3)}\left[\operatorname{tr}(\tilde K\tilde L)+\frac{1^\top\tilde K1\,1^\top\tilde L1}{(n-1)(n-2)}
    -\frac{2}{n-2}1^\top\tilde K\tilde L1\right]`, the diagonals of both Gram matrices set to zero. It is an inner product of matrices that
    were centred without their diagonals (Székely and Rizzo 2014), hence the range.
    """
    k, m = (_hollow(centred @ centred.T) for values in (x, y) for centred in [values - values.mean(axis=0, dtype=float)])
    own = [_hsic(gram, gram) for gram in (k, m)]
    if any(size <= ROUNDING * np.square(gram).mean() for size, gram in zip(own, (k, m), strict=True)):
        return float("nan")
    return _hsic(k, m) / float(np.sqrt(own[0] * own[1]))


def modality_gap(x: np.ndarray, y: np.ndarray) -> float:
    """Distance between the mean directions of two sets of vectors.

    Shapes: `x, y` (items, dimensions). It lies in [0, 2] (Liang et al. 2022); the vectors are scaled to length 1 first.
    """
    directions = [values / np.linalg.norm(values, axis=1, keepdims=True) for values in (x, y)]
    return float(np.linalg.norm(directions[0].mean(axis=0) - directions[1].mean(axis=0)))


def alignment_draws(images: np.ndarray, answers: np.ndarray, patients: np.ndarray, *, seed: int = 0) -> pd.DataFrame:
    """Measure alignment over all patients and over halves of them, which with the same patients and seed are the same in every arm.

    Shapes: `images, answers` (layers, items, width), `patients` (items,). Returns one row per layer, measure and draw: ``layer``,
    ``measure``, ``draw`` (0: all patients; from 1 on: a half of them), ``value``.
    """
    import pandas as pd

    _, patient = np.unique(patients, return_inverse=True)
    number = int(patient.max()) + 1
    if number < 10:
        raise InputError(f"alignment: {number} patients are too few for an interval; show at least 10")
    rng = np.random.default_rng(seed)
    halves = [np.isin(patient, rng.choice(number, number // 2, replace=False)) for _ in range(RESAMPLES)]
    measures = {"cka": linear_cka, "debiased_cka": debiased_cka, "modality_gap": modality_gap}
    rows = []
    for layer, (x, y) in enumerate(zip(images, answers, strict=True)):
        for name, measure in measures.items():
            rows.append((layer, name, 0, measure(x, y)))
            rows += [(layer, name, 1 + place, measure(x[kept], y[kept])) for place, kept in enumerate(halves)]
    return pd.DataFrame(rows, columns=["layer", "measure", "draw", "value"])


def alignment_table(draws: pd.DataFrame, patients: int) -> pd.DataFrame:
    r"""Tabulate alignment by layer, with intervals over patients that lie within what the measure can be.

    Returns one row per layer and measure: ``layer``, ``measure``, ``value``, ``low``, ``high`` (95 %).

    Notes
    -----
    The interval leaves out patients rather than drawing them with replacement: an item that stands twice in a sample is perfectly alike to
    itself, which would pull every resampled CKA up. Samples of :math:`s`, half the :math:`n` patients, are drawn without replacement, and
    the measure's spread over them, times :math:`\sqrt{s/(n-s)}`, is that of the whole to first order (the delete-half jackknife, Shao and
    Wu 1989). Spread and interval (Student's with :math:`n-1` degrees of freedom) are taken of the log-odds of where in its range the
    measure lies, and turned back, so that no end lies outside. A half in which it has no value (all answers but one are the same) is left
    out; where more than one in five have none there is no interval.

    The interval of the debiased CKA is for the population's value. That of the plain CKA is for as many other patients: with few items it
    lies far above the population's, interval and all. So does the gap, where it is small: a distance between means is
    lengthened by their errors, its square by the variance of the mean directions.
    """
    import pandas as pd

    rows = []
    for (layer, measure), group in draws.groupby(["layer", "measure"], sort=False):
        whole = group["draw"] == 0
        value = float(group.loc[whole, "value"].iloc[0])
        rows.append((layer, measure, value, *_interval(value, group.loc[~whole, "value"].to_numpy(), patients, RANGES[str(measure)])))
    return pd.DataFrame(rows, columns=["layer", "measure", "value", "low", "high"])


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


def _hollow(gram: np.ndarray) -> np.ndarray:
    return gram - np.diag(np.diag(gram))


def _hsic(k: np.ndarray, m: np.ndarray) -> float:
    n = len(k)
    cross = k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * float(k.sum(axis=0) @ m.sum(axis=0))
    return float(((k * m).sum() + cross) / (n * (n - 3)))
