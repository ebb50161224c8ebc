from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from empirical.pretraining.config import PretrainConfig
from empirical.pretraining.dataset import TESTS, parts_of, test_dataset, training_dataset, wordings
from empirical.pretraining.questions import KINDS

CONFIG = PretrainConfig.model_validate({"steps": 20, "batch_size": 8, "questions": 20})
test_dataset.__test__ = False  # type: ignore[attr-defined]  # it makes a dataset of test questions, and is no test


def pixels(dataset: object, number: int) -> bytes:
    return b"".join(picture.tobytes() for picture in dataset.draw(number)[0].pictures)  # type: ignore[attr-defined]


def test_a_question_is_the_same_whenever_and_in_whatever_order_it_is_asked_for() -> None:
    one, other = training_dataset(CONFIG), training_dataset(CONFIG)
    forward = [pixels(one, number) for number in range(len(one))]
    assert [pixels(other, number) for number in reversed(range(len(other)))][::-1] == forward
    assert len(set(forward)) == len(forward)


def test_training_and_test_share_no_picture() -> None:
    seen = {pixels(training_dataset(CONFIG), number) for number in range(len(training_dataset(CONFIG)))}
    for kind in KINDS:
        for test in TESTS:
            dataset = test_dataset(CONFIG, kind, test, 20)
            assert not seen & {pixels(dataset, number) for number in range(20)}
            assert {dataset.draw(number)[0].kind for number in range(20)} == {kind}


def test_wordings_are_kept_apart_and_show_every_picture_in_order() -> None:
    assert set(wordings()) == set(KINDS)
    for kind, put in wordings().items():
        assert not set(put["train"]) & set(put["held_out"])
        count = len(training_dataset(PretrainConfig(kinds={kind: 1}))[0].images)
        for wording in put["train"] + put["held_out"]:
            places = [part.kind for part in parts_of(wording) if part.kind != "text"]
            assert places == ["reference", "query"][2 - count :]
            assert all(answer in wording for answer in KINDS[kind].answers), wording
    used = {test_dataset(CONFIG, "new", "wordings", 20).draw(number)[1] for number in range(20)}
    assert used == set(wordings()["new"]["held_out"])


def test_questions_grow_harder_over_the_run_and_easy_ones_never_stop() -> None:
    dataset, hardness = training_dataset(CONFIG), CONFIG.hardness
    difficulties = [dataset.difficulty(number, np.random.default_rng(number)) for number in range(len(dataset))]
    amplitudes = np.array([difficulty.amplitude for difficulty in difficulties])
    assert amplitudes.min() >= hardness.target
    assert amplitudes.max() <= hardness.easiest
    assert difficulties[0].amplitude == hardness.easiest
    assert difficulties[0].clutter == 0
    late = amplitudes[int(hardness.rise * len(difficulties)) :]
    assert late.min() < 1.1 * hardness.target
    assert late.max() > 0.9 * hardness.easiest
    assert dataset.draw(0)[0] is dataset.draw(0)[0]
    assert test_dataset(CONFIG, "new", "pictures", 1).difficulty(0, np.random.default_rng(0)) == hardness.difficulty(1.0)


def test_a_nuisance_with_a_beginning_grows_by_itself_later_and_each_contrast_is_drawn() -> None:
    hardness = {"scene": 2.0, "session": 1.0, "contrast": 0.4, "rise": 0.2, "begins": {"scene": 0.5}}
    config = PretrainConfig.model_validate({"steps": 60, "hardness": hardness})
    dataset = training_dataset(config)
    drawn = [dataset.difficulty(number, np.random.default_rng(number)) for number in range(len(dataset))]
    half, grown = len(drawn) // 2, int(0.7 * len(drawn))
    assert all(difficulty.scene == 0 for difficulty in drawn[:half])
    assert max(difficulty.scene for difficulty in drawn[grown:]) == pytest.approx(2.0, rel=0.05)
    assert max(difficulty.session for difficulty in drawn[:half]) == pytest.approx(1.0, rel=0.05)  # has no beginning of its own
    contrasts = np.array([difficulty.contrast for difficulty in drawn[half:]])
    assert 0.4 <= contrasts.min() < 0.45
    assert contrasts.max() > 0.99
    assert config.hardness.difficulty(1.0).contrast == pytest.approx(0.4)


def test_an_example_has_its_pictures_and_answer() -> None:
    dataset = training_dataset(PretrainConfig(kinds={"new": 1}, steps=2))
    example = dataset[1]
    assert example.images == ("1/0", "1/1")
    assert example.answer == dataset.draw(1)[0].answer
    assert dataset.image_of("1/1").size == (64, 64)
    with pytest.raises(IndexError):
        dataset[len(dataset)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kinds": {"guess": 1}}, "unknown guess"),
        ({"kinds": {"new": 0}}, "positive weight"),
        ({"kinds": {}}, "positive weight"),
        ({"hardness": {"easiest": 1, "target": 2}}, "above easiest"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PretrainConfig.model_validate(settings)
