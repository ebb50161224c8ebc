"""Evaluation of a pretrained model: held-out questions, and answers when pictures are swapped, blanked or duplicated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from empirical.pretraining.config import PretrainConfig
from empirical.pretraining.dataset import TESTS, QuestionDataset, Test, test_dataset
from empirical.pretraining.questions import KINDS, Question
from see_in_pairs.roc import weighted_auroc

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from empirical.vlm.config import VisionLanguageModel

Change = Literal["", "swapped", "blank", "duplicate"]
BATCH = 50
GRAY = 128
LEVEL, RESAMPLES = 0.95, 999


@dataclass(frozen=True)
class EvalCondition:
    """One kind of question, asked in one way."""

    kind: str
    test: Test  # what is new (see `empirical.pretraining.dataset.TESTS`)
    # change of two pictures: none (empty), ``swapped``; the first is ``blank`` (a flat gray), or the second is a ``duplicate`` of
    # the first. The right answer changes with them; where a blank leaves no right answer, the old one is kept, which cannot be known
    change: Change = ""


def eval_conditions(kinds: tuple[str, ...], tests: tuple[Test, ...] = TESTS) -> Iterator[EvalCondition]:
    """List the conditions: every kind in every test, and the changes of the comparing kinds on new pictures."""
    for kind in kinds:
        yield from (EvalCondition(kind, test) for test in tests)
    for kind in kinds:
        if kind in ("brighter", "new", "same"):
            yield EvalCondition(kind, "pictures", "swapped")
            yield EvalCondition(kind, "pictures", "blank")
        if KINDS[kind].duplicate:
            yield EvalCondition(kind, "pictures", "duplicate")


def evaluate_pretrained(
    vlm: VisionLanguageModel, config: PretrainConfig, conditions: Iterator[EvalCondition], questions: int
) -> pd.DataFrame:
    """Ask a model the questions of each condition.

    Returns a row per condition: ``kind``, ``test``, ``change``, ``questions``, ``measure`` (``AUROC`` where there are two answers and both
    occur, else ``accuracy``), ``value``, ``low`` and ``high`` (95 %), ``chance``.
    """
    import pandas as pd

    mode = vlm.model.training
    vlm.model.eval()
    try:
        return pd.DataFrame([_evaluate(vlm, config, condition, questions) for condition in conditions])
    finally:
        vlm.model.train(mode)


def _evaluate(vlm: VisionLanguageModel, config: PretrainConfig, condition: EvalCondition, questions: int) -> dict[str, Any]:
    dataset = test_dataset(config, condition.kind, condition.test, questions)
    answers = KINDS[condition.kind].answers
    scores = _scores(vlm, dataset, condition, answers)
    right = np.array([answers.index(_right(dataset.draw(number)[0], condition)) for number in range(questions)])
    return {"kind": condition.kind, "test": condition.test, "change": condition.change, "questions": questions} | measured(scores, right)


def _scores(vlm: VisionLanguageModel, dataset: QuestionDataset, condition: EvalCondition, answers: tuple[str, ...]) -> np.ndarray:
    from empirical.vlm.inference.encoder import Encoder
    from empirical.vlm.inference.scoring import answer_log_probabilities

    encoder = Encoder(vlm.processor, vlm.family, _changed(dataset, condition.change))
    starts = range(0, len(dataset), BATCH)
    batches = ([dataset[number] for number in range(start, min(start + BATCH, len(dataset)))] for start in starts)
    return np.concatenate([answer_log_probabilities(vlm.model, encoder, batch, answers) for batch in batches])


def _changed(dataset: QuestionDataset, change: Change) -> Callable[[str], Image]:
    """Wrap a dataset so that its pictures are shown with a change."""
    from PIL import Image

    def image_of(name: str) -> Image.Image:
        number, place = name.split("/")
        if change == "swapped":
            return dataset.image_of(f"{number}/{1 - int(place)}")
        if change == "duplicate":
            return dataset.image_of(f"{number}/0")
        if change == "blank" and place == "0":
            return Image.new("RGB", (dataset.size, dataset.size), (GRAY, GRAY, GRAY))
        return dataset.image_of(name)

    return image_of


def _right(question: Question, condition: EvalCondition) -> str:
    if condition.change == "swapped":
        return question.swapped
    return KINDS[condition.kind].duplicate if condition.change == "duplicate" else question.answer


def measured(scores: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Measure how well scores find the right answers.

    Shapes: `scores` (questions, answers), `right` (questions,). Returns ``measure``, ``value``, ``low``, ``high``, ``chance``. The AUROC
    (of the first answer against the second) has a percentile bootstrap interval, an accuracy Wilson's.
    """
    from scipy import stats

    if scores.shape[1] == 2 and 0 < right.mean() < 1:
        area = weighted_auroc(scores[:, 0] - scores[:, 1], right == 0, np.arange(len(right)))
        resamples = np.random.default_rng(0).integers(0, len(right), (RESAMPLES, len(right)))
        resampled = area(np.array([np.bincount(drawn, minlength=len(right)) for drawn in resamples], dtype=float))
        low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])  # a resample of one class has no area
        return {"measure": "AUROC", "value": float(area(np.ones((1, len(right))))[0]), "low": low, "high": high, "chance": 0.5}
    correct = int((scores.argmax(axis=1) == right).sum())
    interval = stats.binomtest(correct, len(right)).proportion_ci(LEVEL, method="wilson")
    return {
        "measure": "accuracy", "value": correct / len(right), "low": interval.low, "high": interval.high, "chance": 1 / scores.shape[1],
    }  # fmt: skip
