"""Replies read behind a cached prompt score, and read, as those of the plain path: whatever their tokens, on every family."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from empirical.prompts.example import Example
from empirical.prompts.templates import PromptConfig
from empirical.vlm.config import VisionLanguageModel
from empirical.vlm.doctor import scoring_paths
from empirical.vlm.doctor.model_under_test import ModelUnderTest
from empirical.vlm.feature_cache.cache import FeatureCache
from empirical.vlm.feature_cache.encoder import CachedEncoder
from empirical.vlm.inference.batch_scorer import PLAIN, BatchScorer, SpeedConfig
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.inference.generation import generate_answers, stop_tokens
from empirical.vlm.inference.kv_cache import CachedPromptState
from empirical.vlm.inference.prefix_cache import PrefixCache, query_start
from empirical.vlm.inference.scoring import PlainPromptState, answer_forms, answer_log_probabilities
from see_in_pairs.errors import InputError
from tests.helpers.examples import FLOAT32, example, random_pictures
from tests.helpers.tiny_models import load_tiny, vlm_fixture

SIZES = {"a": (64, 64), "b": (96, 48), "c": (48, 96), "d": (128, 128), "ref": (80, 64)}  # unlike numbers of tokens where a family has them
SHARED = "abcd"
PICTURES = random_pictures(SIZES)


def pair(query: str, more: str = "") -> Example:
    return example(query, "ref", more=more)


PAIRS = [pair(query) for query in SHARED]


vlm = vlm_fixture()


def plain_encoder(vlm: VisionLanguageModel) -> Encoder:
    return Encoder(vlm.processor, vlm.family, PICTURES.__getitem__)


@contextmanager
def cached(vlm: VisionLanguageModel, examples: list[Example]) -> Iterator[CachedPromptState]:
    features = FeatureCache(vlm)
    prefixes = PrefixCache(vlm, CachedEncoder(plain_encoder(vlm), features))
    with torch.inference_mode(), features.patch_model():
        yield prefixes.prefill(examples)


@contextmanager
def counting_tokens(vlm: VisionLanguageModel) -> Iterator[list[int]]:
    """List how many tokens, over all rows, each pass sends through the language model."""
    counts: list[int] = []
    layer = next(module for name, module in vlm.model.get_decoder().named_modules() if name.endswith("layers.0"))
    handle = layer.register_forward_hook(lambda _, inputs, __: counts.append(inputs[0].shape[0] * inputs[0].shape[1]))
    yield counts
    handle.remove()


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.lists(st.integers(10, 250), min_size=2, max_size=5), st.lists(st.sampled_from(SHARED), min_size=2, max_size=4, unique=True))
def test_any_reply_behind_any_rows_scores_as_in_the_plain_path(vlm: VisionLanguageModel, form: list[int], queries: list[str]) -> None:
    rows = [pair(query) for query in queries]
    with cached(vlm, rows) as state:
        paths = [form[: 1 + row % len(form)] for row in range(len(rows))]  # of several lengths
        plain = PlainPromptState(vlm.model, plain_encoder(vlm), rows).after(paths)
        for _ in range(2):  # the first reply leaves nothing behind
            found = state.after(paths)
            assert all(float((found - plain)[row, : len(path)].abs().max()) < FLOAT32 for row, path in enumerate(paths))


@pytest.mark.parametrize("spaced", [False, True])
def test_answer_sets_of_mixed_lengths_and_forms(vlm: VisionLanguageModel, spaced: bool) -> None:
    answers = ("yes", "nothing at all")
    assert {len(form) > 1 for ways in answer_forms(plain_encoder(vlm), answers, spaced) for form in ways} == {False, True}
    fast = BatchScorer(vlm, plain_encoder(vlm), answers, 4, spaced=spaced)
    slow = BatchScorer(vlm, plain_encoder(vlm), answers, 4, PLAIN, spaced=spaced)
    assert np.abs(fast.scores(PAIRS)[0] - slow.scores(PAIRS)[0]).max() < FLOAT32
    assert fast.prefix_cache is not None and fast.prefix_cache.n_prefilled == 1


def test_only_new_tokens_go_through_the_model(vlm: VisionLanguageModel) -> None:
    rows = [pair("a"), pair("d"), pair("b")]
    answers = ("a nodule is seen", "nothing at all")
    lengths = [len(ways[0]) for ways in answer_forms(plain_encoder(vlm), answers)]
    whole = plain_encoder(vlm).prompts(rows)["input_ids"].shape[1]
    with counting_tokens(vlm) as plain:
        BatchScorer(vlm, plain_encoder(vlm), answers, 4, PLAIN).scores(rows)
    with counting_tokens(vlm) as fast:
        BatchScorer(vlm, plain_encoder(vlm), answers, 4).scores(rows)
    assert plain == [3 * whole, *(3 * (whole + length - 1) for length in lengths)]
    beginning, rest, *replies = fast
    assert replies == [3 * (length - 1) for length in lengths]
    assert rest == 3 * (whole - beginning)


def test_replies_behind_a_cached_prompt_are_those_of_the_plain_path(vlm: VisionLanguageModel) -> None:
    fast, slow = (BatchScorer(vlm, plain_encoder(vlm), ("yes", "no"), 4, speed) for speed in (SpeedConfig(), PLAIN))
    said = fast.generate(PAIRS, 6)
    assert said == slow.generate(PAIRS, 6) and len(set(said)) > 1
    assert fast.prefix_cache is not None and fast.prefix_cache.n_prefilled == 1


def test_a_reply_ends_where_the_plain_path_ends_it(tmp_path: Path) -> None:
    vlm = load_tiny("qwen2_5_vl", tmp_path)
    encoder = plain_encoder(vlm)
    with cached(vlm, PAIRS) as state:
        free = state.greedy([], 5)
    vlm.model.generation_config.eos_token_id = [int(free[0, 1]), 5]  # what the first row says second
    stops = stop_tokens(vlm.model, encoder)
    assert stops == {int(free[0, 1]), 5, encoder.processor.tokenizer.eos_token_id}
    with cached(vlm, PAIRS) as state:
        ended = state.greedy(stops, 5)
    assert (ended[0, 2:] == encoder.processor.tokenizer.pad_token_id).all()
    lengths = [next((place + 1 for place, token in enumerate(row) if token in stops), 5) for row in free.tolist()]
    assert [row[:length] for row, length in zip(ended.tolist(), lengths, strict=True)] == [
        row[:length] for row, length in zip(free.tolist(), lengths, strict=True)
    ]
    slow = BatchScorer(vlm, encoder, ("yes", "no"), 4, PLAIN).generate(PAIRS, 5)
    assert BatchScorer(vlm, encoder, ("yes", "no"), 4).generate(PAIRS, 5) == slow


def test_greedy_means_greedy_whatever_a_checkpoint_asks_for(tmp_path: Path) -> None:
    vlm = load_tiny("idefics3", tmp_path)
    encoder = plain_encoder(vlm)
    before = generate_answers(vlm.model, encoder, PAIRS, 4)
    batch = encoder.prompts(PAIRS[:1])
    with torch.inference_mode():
        likeliest = vlm.model(**batch).logits[0, -1].argmax()
    assert before[0].startswith(encoder.processor.tokenizer.decode([likeliest]))
    chosen = vlm.model.generation_config
    chosen.repetition_penalty, chosen.min_new_tokens, chosen.suppress_tokens = 9.0, 4, [int(likeliest)]
    with torch.inference_mode():
        penalised = vlm.model.generate(**batch, do_sample=False, max_new_tokens=4)[0, batch["input_ids"].shape[1]]
    assert penalised != likeliest  # so it would have mattered
    assert generate_answers(vlm.model, encoder, PAIRS, 4) == before
    assert vlm.model.generation_config is chosen


def test_padding_inside_a_window_is_read_the_plain_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = load_tiny("gemma3", tmp_path)
    encoder, form = plain_encoder(vlm), [20, 30, 40, 50]
    rows = [pair("a"), pair("b", more=" Look at both lungs, and at the heart between them.")]
    with cached(vlm, rows) as state:
        assert not state.exact
        plain = PlainPromptState(vlm.model, encoder, rows).after([form] * 2)
        assert float((state.after([form] * 2) - plain).abs().max()) < FLOAT32
        with monkeypatch.context() as careless:
            careless.setattr(CachedPromptState, "exact", True)
            assert float((state.after([form] * 2) - plain).abs().max()) > FLOAT32  # the padding would have been counted
    fast, slow = (BatchScorer(vlm, encoder, ("yes", "no"), 4, speed) for speed in (SpeedConfig(), PLAIN))
    assert fast.generate(rows, 5) == slow.generate(rows, 5)
    with cached(vlm, PAIRS) as state:
        assert state.exact


def test_the_doctor_sees_replies_at_wrong_positions(tmp_path: Path) -> None:
    vlm = load_tiny("qwen2_vl", tmp_path)
    plain = vlm.family.split_inputs
    assert plain is not None

    def counted_anew(model: Any, batch: dict[str, torch.Tensor], cut: int) -> tuple[dict[str, Any], dict[str, Any]]:
        first, second = plain(model, batch, cut)
        behind = "pixel_values" not in batch  # a reply, not a prompt
        return first, {"position_ids": second["position_ids"] - 7} if behind else second

    spoiled = replace(vlm, family=replace(vlm.family, split_inputs=counted_anew))
    assert scoring_paths.prefix_cache(ModelUnderTest(vlm, PromptConfig()))[0]
    assert not scoring_paths.prefix_cache(ModelUnderTest(spoiled, PromptConfig()))[0]


def test_an_adapter_answers_behind_the_cache_too(tmp_path: Path) -> None:
    import peft

    vlm = load_tiny("internvl", tmp_path)
    torch.manual_seed(0)
    model = peft.get_peft_model(vlm.model, peft.LoraConfig(r=2, target_modules=vlm.family.lora_language, init_lora_weights=False)).eval()
    adapted = replace(vlm, model=model)
    answers = ("a nodule is seen", "nothing at all")
    fast, slow = (BatchScorer(adapted, plain_encoder(vlm), answers, 4, speed) for speed in (SpeedConfig(), PLAIN))
    scores = slow.scores(PAIRS)[0]
    assert np.abs(fast.scores(PAIRS)[0] - scores).max() < FLOAT32
    assert fast.generate(PAIRS, 4) == slow.generate(PAIRS, 4)
    with model.disable_adapter():
        assert np.abs(answer_log_probabilities(model, plain_encoder(vlm), PAIRS, answers) - scores).max() > 1e-2


def test_a_beginning_that_is_held_stays_as_it_was(vlm: VisionLanguageModel) -> None:
    """Copies share its keys and values: the model must not write into them, whatever is read behind a copy."""
    features = FeatureCache(vlm)
    prefixes = PrefixCache(vlm, CachedEncoder(plain_encoder(vlm), features))
    with torch.inference_mode(), features.patch_model():
        prefixes.prefill(PAIRS[:1])
        ((cache, _),) = prefixes._caches.values()
        held = [(layer.keys, layer.values) for layer in cache.layers]
        before = [(keys.clone(), values.clone()) for keys, values in held]
        state = prefixes.prefill(PAIRS)
        state.after([[20, 30, 40]] * len(PAIRS))
        state.greedy(set(), 3)
    after = [(layer.keys, layer.values) for layer in cache.layers]
    for now, then, bits in zip(after, held, before, strict=True):
        assert all(one is two and torch.equal(one, three) for one, two, three in zip(now, then, bits, strict=True))
    assert prefixes.n_prefilled == 1


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.sampled_from([1, 1, 2, 9]), min_size=8, max_size=8), min_size=1, max_size=3))
def test_the_query_starts_where_each_rows_last_image_does(rows: list[list[int]]) -> None:
    """Against a walk along each row; 9 stands for a piece of an image."""
    model = SimpleNamespace(config=SimpleNamespace(image_token_id=9))
    starts = [[place for place in range(8) if row[place] == 9 and (place == 0 or row[place - 1] != 9)] for row in rows]
    images = len(starts[0])
    fits = images > 0 and all(len(row) == images and row[-1] == starts[0][-1] for row in starts)
    if fits and all(row[: starts[0][-1]] == rows[0][: starts[0][-1]] for row in rows):
        assert query_start({"input_ids": torch.tensor(rows)}, model, images) == starts[0][-1]
    elif images:
        with pytest.raises(InputError, match="prefix cache"):
            query_start({"input_ids": torch.tensor(rows)}, model, images)
