from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from empirical.arms import ArmConfig, build_examples
from empirical.cohorts import Cohort
from empirical.prompts.example import Example
from empirical.prompts.templates import PromptConfig
from empirical.vlm.config import ModelConfig, VisionLanguageModel
from empirical.vlm.inference.encoder import IGNORE, Encoder
from empirical.vlm.inference.generation import generate_answers, parse_answer
from empirical.vlm.inference.scoring import (
    AnswerTokens,
    answer_forms,
    answer_log_probabilities,
    answer_scores,
    next_token_log_probabilities,
)
from empirical.vlm.loading import load_vlm
from see_in_pairs.errors import InputError

PAIR = ArmConfig.model_validate({"arm": "pair", "references": {"strategy": "demographic", "columns": ["family"], "caliper": {}}})
FLOAT32 = 1e3 * np.finfo(np.float32).eps


@pytest.fixture(scope="module")
def vlm() -> VisionLanguageModel:
    return load_vlm(ModelConfig())


@pytest.fixture(scope="module")
def encoder(vlm: VisionLanguageModel, phantom: Cohort) -> Encoder:
    return Encoder(vlm.processor, vlm.family, phantom.image)


@pytest.fixture(scope="module")
def examples(phantom: Cohort) -> list[Example]:
    return build_examples(phantom, "test", PAIR, PromptConfig(), seed=0)[:4]


def by_hand(vlm: VisionLanguageModel, encoder: Encoder, example: Example, answer: str) -> float:
    """Sum log p(token | everything before), one token at a time, one row at a time, no padding."""
    return token_by_token(vlm, encoder, example, encoder.answer_ids(answer))


def token_by_token(vlm: VisionLanguageModel, encoder: Encoder, example: Example, tokens: Sequence[int]) -> float:
    batch = encoder.prompts([example])
    total = 0.0
    for token in tokens:
        with torch.inference_mode():
            logits = vlm.model(**batch).logits[0, -1]
        total += float(logits.double().log_softmax(-1)[token])
        extra = torch.tensor([[token]])
        batch["input_ids"] = torch.cat([batch["input_ids"], extra], 1)
        batch["attention_mask"] = torch.cat([batch["attention_mask"], torch.ones_like(extra)], 1)
    return total


@pytest.mark.parametrize("answers", [("yes", "no"), ("pneumonia is seen", "nothing at all")])
def test_scores_equal_the_chain_rule_by_hand(
    vlm: VisionLanguageModel, encoder: Encoder, examples: list[Example], answers: tuple[str, str]
) -> None:
    ours = answer_log_probabilities(vlm.model, encoder, examples, answers)
    hand = np.array([[by_hand(vlm, encoder, example, answer) for answer in answers] for example in examples])
    assert np.abs(ours - hand).max() < FLOAT32


def test_mixed_lengths_in_one_batch_score_as_alone(vlm: VisionLanguageModel, encoder: Encoder, phantom: Cohort) -> None:
    single = build_examples(phantom, "test", ArmConfig(arm="single"), PromptConfig(), seed=0)[:2]
    pair = build_examples(phantom, "test", PAIR, PromptConfig(), seed=0)[:2]
    mixed = [single[0], pair[0], single[1], pair[1]]
    together = answer_log_probabilities(vlm.model, encoder, mixed, ("yes", "no"))
    alone = np.concatenate([answer_log_probabilities(vlm.model, encoder, [example], ("yes", "no")) for example in mixed])
    assert np.abs(together - alone).max() < FLOAT32


def test_the_first_token_is_a_distribution(vlm: VisionLanguageModel, encoder: Encoder, examples: list[Example]) -> None:
    with torch.inference_mode():
        logp = next_token_log_probabilities(vlm.model, encoder, examples)
    assert torch.allclose(logp.exp().sum(-1), torch.ones(len(examples)), atol=1e-5)


def test_answers_that_begin_alike_end_with_the_end_of_the_reply(
    vlm: VisionLanguageModel, encoder: Encoder, examples: list[Example]
) -> None:
    answers, end = ("no", "no finding", "yes"), encoder.processor.tokenizer.eos_token_id
    forms = answer_forms(encoder, answers)
    assert [ways[0] for ways in forms] == [(*encoder.answer_ids(answer), end) for answer in answers]
    ours = answer_log_probabilities(vlm.model, encoder, examples, answers)
    hand = np.array([[token_by_token(vlm, encoder, example, ways[0]) for ways in forms] for example in examples])
    assert np.abs(ours - hand).max() < FLOAT32
    assert np.exp(ours).sum(axis=1).max() < 1  # 'no' does not hold the probability of 'no finding'


def test_answers_without_letters_or_with_the_same_tokens_are_refused(encoder: Encoder) -> None:
    with pytest.raises(InputError, match="are the same tokens"):
        answer_forms(encoder, ("no", "yes", "no"))
    with pytest.raises(InputError, match="is empty"):
        empty = Encoder(encoder.processor, encoder.family.__class__("x", "", ""), encoder.image_of)
        answer_forms(empty, ("", "no"))


def test_each_row_of_a_batch_has_its_own_answers(vlm: VisionLanguageModel, encoder: Encoder, examples: list[Example]) -> None:
    closed = [("yes", "no"), ("grade one", "grade two", "grade one or two"), ("left lung", "right lung", "both", "none"), ("no", "yes")][:4]
    together = answer_scores(vlm.model, encoder, examples, closed).numpy()
    assert together.shape == (4, 4)
    for row, (example, answers) in enumerate(zip(examples, closed, strict=True)):
        alone = answer_log_probabilities(vlm.model, encoder, [example], answers)[0]
        assert np.abs(together[row, : len(answers)] - alone).max() < FLOAT32 and np.isnan(together[row, len(answers) :]).all()
    assert abs(together[0, 0] - together[0, 1]) > FLOAT32


def test_what_several_answers_share_is_read_once(vlm: VisionLanguageModel, encoder: Encoder, examples: list[Example]) -> None:
    first = encoder.answer_ids("grade")
    answers = AnswerTokens(tuple(((*first, last),) for last in (40, 41, 42)))
    assert answers.paths == (tuple(first),)
    nested = AnswerTokens((((1, 2, 3, 4),), ((1, 2, 5),), ((7,), (8, 9)), ((1, 6),)))
    assert nested.paths == ((1, 2, 3), (8,))
    assert [nested.path_of(form) for form in ((1, 2, 3, 4), (1, 2, 5), (1, 6), (8, 9))] == [0, 0, 0, 1]
    passes: list[int] = []
    handle = vlm.model.lm_head.register_forward_hook(lambda _, __, output: passes.append(output.shape[1]))
    shared = [f"pneumonia {word}" for word in ("is seen", "is not", "is old")]
    scores = answer_log_probabilities(vlm.model, encoder, examples, shared)
    handle.remove()
    paths = AnswerTokens(tuple(map(tuple, answer_forms(encoder, shared)))).paths
    assert len(passes) == 1 + len(paths) <= 4
    hand = np.array([[by_hand(vlm, encoder, example, answer) for answer in shared] for example in examples])
    assert np.abs(scores - hand).max() < FLOAT32


def test_labels_hold_the_answer_only(encoder: Encoder, examples: list[Example]) -> None:
    batch, labels = encoder.with_answers(examples[:2], ["yes", "nothing at all"], end=True)
    longest = len(encoder.answer_ids("nothing at all")) + 1
    assert labels.shape == (2, longest)
    kept = labels[0][labels[0] != IGNORE]
    assert encoder.processor.tokenizer.decode(kept) == " yes<end_of_utterance>"
    assert (batch["input_ids"][1, -longest:] == labels[1]).all()
    assert batch["attention_mask"][0, -(longest - len(kept)) :].sum() == 0  # a shorter answer is padded on the right, unattended


def test_forms_with_and_without_a_space_are_added_and_covered_ones_left_out(
    vlm: VisionLanguageModel, encoder: Encoder, examples: list[Example]
) -> None:
    forms = answer_forms(encoder, ("yes", "no"), spaced=True)
    decode = encoder.processor.tokenizer.decode
    assert [[decode(list(form)) for form in ways] for ways in forms] == [[" yes", "yes"], [" no", "no"]]
    with torch.inference_mode():
        first = next_token_log_probabilities(vlm.model, encoder, examples).double()
    wanted = np.stack([np.logaddexp(*(first[:, form[0]].numpy() for form in ways)) for ways in forms], axis=1)
    assert np.abs(answer_log_probabilities(vlm.model, encoder, examples, ("yes", "no"), spaced=True) - wanted).max() < FLOAT32


def test_forms_of_several_tokens_are_added_too(vlm: VisionLanguageModel, encoder: Encoder, examples: list[Example]) -> None:
    answers = ("nodule seen", "yes")
    spaced = answer_log_probabilities(vlm.model, encoder, examples[:1], answers, spaced=True)
    ways = answer_forms(encoder, answers, spaced=True)[0]
    assert len(ways) == 2 and all(len(form) > 1 for form in ways)

    def chain(form: tuple[int, ...]) -> float:
        batch, total = encoder.prompts(examples[:1]), 0.0
        for token in form:
            with torch.inference_mode():
                total += float(vlm.model(**batch).logits[0, -1].double().log_softmax(-1)[token])
            batch["input_ids"] = torch.cat([batch["input_ids"], torch.tensor([[token]])], 1)
            batch["attention_mask"] = torch.ones_like(batch["input_ids"])
        return total

    assert abs(spaced[0, 0] - np.logaddexp(*map(chain, ways))) < FLOAT32


def test_logits_are_made_where_they_are_read_only(vlm: VisionLanguageModel, encoder: Encoder, examples: list[Example]) -> None:
    widths: list[int] = []
    handle = vlm.model.lm_head.register_forward_hook(lambda _, __, output: widths.append(output.shape[1]))
    answer_log_probabilities(vlm.model, encoder, examples, ("yes", "no"))
    answer_log_probabilities(vlm.model, encoder, examples, ("pneumonia is seen", "no"))
    handle.remove()
    assert widths == [1, 1, len(encoder.answer_ids("pneumonia is seen")) - 1]


@pytest.mark.parametrize(
    ("said", "parsed"),
    [
        ("yes", "yes"),
        (" No.\n", "no"),
        ("YES", "yes"),
        ("yes, I see one", "unparsed"),
        ("yes no", "unparsed"),
        ("", "unparsed"),
        ("y", "unparsed"),
    ],
)
def test_the_parser_is_strict(said: str, parsed: str) -> None:
    assert parse_answer(said, ("yes", "no")) == parsed


def test_replies_are_those_of_one_row_at_a_time(vlm: VisionLanguageModel, encoder: Encoder, examples: list[Example]) -> None:
    together = generate_answers(vlm.model, encoder, examples, 4)
    assert together == [generate_answers(vlm.model, encoder, [example], 4)[0] for example in examples]


def test_one_token_for_the_beginning(vlm: VisionLanguageModel, encoder: Encoder, examples: list[Example]) -> None:
    ids = encoder.prompts(examples)["input_ids"]
    assert (ids == encoder.processor.tokenizer.bos_token_id).sum(dim=1).tolist() == [1] * len(examples)


@pytest.mark.parametrize(
    ("said", "answers", "parsed"),
    [
        ("yes.", ("yes.", "no."), "yes."),
        ("Yes", ("yes.", "no."), "yes."),
        (" yes", (" yes", "no"), " yes"),
        ("lesio\u0301n", ("lesi\u00f3n", "sana"), "lesi\u00f3n"),
        ("LESI\u00d3N", ("lesio\u0301n", "sana"), "lesio\u0301n"),
    ],
)
def test_answers_are_compared_as_words_on_both_sides(said: str, answers: tuple[str, str], parsed: str) -> None:
    assert parse_answer(said, answers) == parsed


@pytest.mark.parametrize(
    ("positive", "negative"), [("No", "no"), ("yes", "yes."), (" yes", "yes"), ("\u00f3", "o\u0301"), ("", "no"), (".", "no")]
)
def test_answers_that_become_equal_are_refused(positive: str, negative: str) -> None:
    with pytest.raises(ValidationError, match="must be words that differ"):
        PromptConfig(positive=positive, negative=negative)
