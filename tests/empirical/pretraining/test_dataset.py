from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from empirical.pretraining.config import PretrainConfig
from empirical.pretraining.dataset import TESTS, parts_of, test_stream, training_stream, wordings
from empirical.pretraining.questions import KINDS

CONFIG = PretrainConfig.model_validate({"steps": 20, "batch_size": 8, "questions": 20})
test_stream.__test__ = False  # type: ignore[attr-defined]  # it makes a stream of test questions, and is no test


def pixels(stream: object, number: int) -> bytes:
    return b"".join(picture.tobytes() for picture in stream.draw(number)[0].pictures)  # type: ignore[attr-defined]


def test_a_question_is_the_same_whenever_and_in_whatever_order_it_is_asked_for() -> None:
    one, other = training_stream(CONFIG), training_stream(CONFIG)
    forward = [pixels(one, number) for number in range(len(one))]
    assert [pixels(other, number) for number in reversed(range(len(other)))][::-1] == forward
    assert len(set(forward)) == len(forward)


def test_training_and_test_share_no_picture() -> None:
    seen = {pixels(training_stream(CONFIG), number) for number in range(len(training_stream(CONFIG)))}
    for kind in KINDS:
        for test in TESTS:
            stream = test_stream(CONFIG, kind, test, 20)
            assert not seen & {pixels(stream, number) for number in range(20)}
            assert {stream.draw(number)[0].kind for number in range(20)} == {kind}


def test_wordings_are_kept_apart_and_show_every_picture_in_order() -> None:
    assert set(wordings()) == set(KINDS)
    for kind, put in wordings().items():
        assert not set(put["train"]) & set(put["held_out"])
        count = len(training_stream(PretrainConfig(kinds={kind: 1}))[0].images)
        for wording in put["train"] + put["held_out"]:
            places = [part.kind for part in parts_of(wording) if part.kind != "text"]
            assert places == ["reference", "query"][2 - count :]
            assert all(answer in wording for answer in KINDS[kind].answers), wording
    used = {test_stream(CONFIG, "new", "wordings", 20).draw(number)[1] for number in range(20)}
    assert used == set(wordings()["new"]["held_out"])


def test_questions_grow_harder_over_the_run_and_easy_ones_never_stop() -> None:
    stream, hardness = training_stream(CONFIG), CONFIG.hardness
    looks = [stream.look(number, np.random.default_rng(number)) for number in range(len(stream))]
    amplitudes = np.array([look.amplitude for look in looks])
    assert amplitudes.min() >= hardness.target
    assert amplitudes.max() <= hardness.easiest
    assert looks[0].amplitude == hardness.easiest
    assert looks[0].clutter == 0
    late = amplitudes[int(hardness.rise * len(looks)) :]
    assert late.min() < 1.1 * hardness.target
    assert late.max() > 0.9 * hardness.easiest
    assert stream.draw(0)[0] is stream.draw(0)[0]
    assert test_stream(CONFIG, "new", "pictures", 1).look(0, np.random.default_rng(0)) == hardness.look(1.0)


def test_an_example_has_its_pictures_and_answer() -> None:
    stream = training_stream(PretrainConfig(kinds={"new": 1}, steps=2))
    example = stream[1]
    assert example.images == ("1/0", "1/1")
    assert example.answer == stream.draw(1)[0].answer
    assert stream.image_of("1/1").size == (64, 64)
    with pytest.raises(IndexError):
        stream[len(stream)]


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
