"""Switches that save work give the scores of the plain path; each alone and all together, on every family."""

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

from empirical.prompts.templates import PromptConfig
from empirical.vlm.config import ModelConfig, VisionLanguageModel
from empirical.vlm.families.qwen import rope_index
from empirical.vlm.feature_cache.cache import FeatureCache
from empirical.vlm.feature_cache.encoder import MAX_TEMPLATES, CachedEncoder
from empirical.vlm.inference.batch_scorer import PLAIN, BatchScorer, SpeedConfig, make_batches, order_by_prefix
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.inference.prefix_cache import query_start, shared_prefix
from empirical.vlm.loading import load_vlm
from see_in_pairs.errors import InputError
from tests.helpers.examples import FLOAT32, example, random_pictures
from tests.helpers.tiny_models import FAMILIES, load_tiny, vlm_fixture

SIZES = {"a": (64, 64), "b": (96, 48), "c": (48, 96), "d": (128, 128), "e": (64, 64), "ref": (80, 64), "other": (64, 64)}
PICTURES = random_pictures(SIZES)
PICTURES["twin of a"] = PICTURES["a"].copy()

MIXED = [
    *(example(query, "ref") for query in "abcd"),
    example("a", "other"),
    example("e"),
    example("b", "ref", "other"),
    example("twin of a"),
    example("c", "other"),
    example("e", "ref"),
]


vlm = vlm_fixture()


@pytest.fixture(scope="module")
def pocket() -> VisionLanguageModel:
    return load_vlm(ModelConfig())


def scorer(vlm: VisionLanguageModel, speed: SpeedConfig, answers: tuple[str, str] = ("yes", "no")) -> BatchScorer:
    return BatchScorer(vlm, Encoder(vlm.processor, vlm.family, PICTURES.__getitem__), answers, 4, speed)


SWITCHES = {
    "features": SpeedConfig(store_features=True, prefix_cache=False, by_length=False),
    "length": SpeedConfig(store_features=True, prefix_cache=False, by_length=True),
    "prefix": SpeedConfig(store_features=True, prefix_cache=True, by_length=False),
    "all": SpeedConfig(),
}


def test_every_switch_gives_the_scores_of_one_item_at_a_time(vlm: VisionLanguageModel) -> None:
    slow = scorer(vlm, PLAIN)
    plain = np.concatenate([slow.scores([one])[0] for one in MIXED])
    assert np.ptp(plain[:, 0]) > 0.01  # the items differ, so that mixed-up rows would show
    for name, speed in SWITCHES.items():
        fast = scorer(vlm, speed)
        assert np.abs(fast.scores(MIXED)[0] - plain).max() < FLOAT32, name
        assert fast.feature_cache is not None and fast.feature_cache.computed == 7, (
            name
        )  # distinct pictures: the twin is known by its content
        assert (fast.prefix_cache.n_prefilled if fast.prefix_cache else 0) == (0 if name in ("features", "length") else 2), name


@contextmanager
def counting_passes(vlm: VisionLanguageModel) -> Iterator[list[tuple[int, int]]]:
    """List rows and tokens of each pass through the language model."""
    seen: list[tuple[int, int]] = []
    layer = next(module for name, module in vlm.model.get_decoder().named_modules() if name.endswith("layers.0"))
    handle = layer.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape[:2])))
    yield seen
    handle.remove()


BESIDE = [example(query, reference) for reference in ("e", "ref", "other", "b") for query in "abcd"]


def test_beginnings_of_like_length_are_read_in_one_pass(vlm: VisionLanguageModel) -> None:
    slow = scorer(vlm, PLAIN)
    plain = np.concatenate([slow.scores([one])[0] for one in BESIDE])
    fast = scorer(vlm, SpeedConfig(by_length=False))
    assert fast.prefix_cache is not None and fast.prefix_cache.batch_size == 4
    with counting_passes(vlm) as passes:
        scores = fast.scores(BESIDE)[0]
    assert np.abs(scores - plain).max() < FLOAT32
    alone = [rows for rows, _ in passes if rows < 4]  # four rows are a batch of queries, or of all four beginnings
    assert fast.prefix_cache.n_prefilled == 4 and len(passes) - 4 <= 3 and sum(alone) in (0, 4)  # 'e' and 'other' are of one size, at least
    assert np.array_equal(fast.scores(BESIDE)[0], scores)  # whatever was held before


def test_beginnings_that_only_count_alike_are_read_alone(vlm: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = scorer(vlm, PLAIN).scores(BESIDE)[0]
    monkeypatch.setattr(CachedEncoder, "image_tokens", lambda self, examples: [(1,)] * len(examples))
    assert np.abs(scorer(vlm, SpeedConfig(by_length=False)).scores(BESIDE)[0] - plain).max() < FLOAT32


@pytest.mark.parametrize("vlm", [name for name in sorted(FAMILIES) if name.startswith("qwen")], indirect=True)
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("rows", [["a", "a"], ["e", "a", "other"], ["a", "b"], ["b", "c"], ["d"]])  # 'b' and 'c' have as many tokens
def test_positions_of_like_rows_are_counted_once(vlm: VisionLanguageModel, rows: list[str], side: str) -> None:
    batch = Encoder(vlm.processor, vlm.family, PICTURES.__getitem__).prompts([example(row, "ref") for row in rows], side)
    names = ("input_ids", "mm_token_type_ids", "image_grid_thw", "attention_mask")
    own = vlm.model.model.get_rope_index(**{name: batch[name] for name in names})[0]
    assert torch.equal(rope_index(vlm.model, batch), own)


def cached_encoder(vlm: VisionLanguageModel, feature_cache: FeatureCache) -> CachedEncoder:
    return CachedEncoder(Encoder(vlm.processor, vlm.family, PICTURES.__getitem__), feature_cache)


BATCHES = [
    [example("a")],
    [example("e")],  # a lone image, which LLaVA-OneVision is shown twice
    [example("a", "other"), example("e", "other"), example("e", "a")],
    [example("other", "e"), example("other", "a"), example("a", "a")],  # of the same kinds, pictures twice in other places
    [example("b", "other"), example("c", "other")],
    [example("c", "other"), example("b", "other")],
    [example("b", "ref", "other"), example("a")],
    [example("a", "other"), example("e", "other"), example("e", "a")],
]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_of_known_kinds_is_the_one_that_the_processor_would_make(vlm: VisionLanguageModel, side: str) -> None:
    feature_cache = FeatureCache(vlm)
    templates = cached_encoder(vlm, feature_cache)
    for rows in BATCHES:
        reused, anew = templates.prompts(rows, side), cached_encoder(vlm, feature_cache).prompts(rows, side)
        assert reused.keys() == anew.keys() and all(torch.equal(reused[name], anew[name]) for name in anew)
        shown = [feature_cache.index_of(item) for row in rows for item in row.images]
        assert reused["pixel_values"].flatten().tolist() == shown
        for value in reused.values():
            value.zero_()  # whoever writes into a batch writes into his own


def test_a_processor_is_asked_once_for_each_kind_of_batch(pocket: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    plain = Encoder.prompts
    monkeypatch.setattr(Encoder, "prompts", lambda self, rows, side="left": asked.append(len(rows)) or plain(self, rows, side))
    encoder = cached_encoder(pocket, FeatureCache(pocket))
    encoder.feature_cache.add([*"abe", "other"], encoder.plain)
    asked.clear()
    for query in "abe" * 2:
        encoder.prompts([example(query, "other"), example("a", "other")])
    encoder.prompts([example("a", "other")])
    encoder.prompts([example("a", "other"), example("b", "other")], "right")
    assert asked == [2, 1, 2]  # one kind, fewer rows, the other side


def test_no_more_kinds_of_batches_are_kept_than_are_of_use(pocket: VisionLanguageModel) -> None:
    encoder = cached_encoder(pocket, FeatureCache(pocket))
    for rows in range(1, 2 * MAX_TEMPLATES):
        encoder.prompts([example("a")] * rows)
    assert len(encoder._templates) == MAX_TEMPLATES


def test_scores_are_fetched_from_a_device_one_batch_behind(pocket: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    fast, order = scorer(pocket, SpeedConfig()), []
    monkeypatch.setattr(fast, "vlm", SimpleNamespace(model=SimpleNamespace(device=torch.device("cuda"))))
    made = (order.append(f"made {number}") or number for number in range(3))
    for number in fast._pipelined(made):  # type: ignore[func-returns-value]
        order.append(f"fetched {number}")
    assert order == ["made 0", "made 1", "fetched 0", "made 2", "fetched 1", "fetched 2"]


def test_answers_of_several_tokens_go_through_every_switch_too(vlm: VisionLanguageModel) -> None:
    answers = ("a nodule is seen", "nothing at all")
    plain = scorer(vlm, PLAIN, answers).scores(MIXED)[0]
    assert np.abs(scorer(vlm, SpeedConfig(), answers).scores(MIXED)[0] - plain).max() < FLOAT32


def test_replies_are_the_same_with_stored_features(vlm: VisionLanguageModel) -> None:
    assert scorer(vlm, SpeedConfig()).generate(MIXED, 4) == scorer(vlm, PLAIN).generate(MIXED, 4)


def test_features_on_disk_are_used_by_the_next_run_and_not_by_another_model(vlm: VisionLanguageModel, tmp_path: Path) -> None:
    speed = SpeedConfig(features_folder=str(tmp_path))
    first, second = scorer(vlm, speed), scorer(vlm, speed)
    scores = first.scores(MIXED)[0]
    assert np.abs(second.scores(MIXED[::-1])[0][::-1] - scores).max() < 1e-5
    assert first.feature_cache is not None and first.feature_cache.computed == 7
    assert second.feature_cache is not None and second.feature_cache.computed == 0
    other = replace(vlm, config=vlm.config.model_copy(update={"revision": "another"}))
    changed = scorer(other, speed)
    changed.scores(MIXED)
    assert changed.feature_cache is not None and changed.feature_cache.computed == 7


@pytest.mark.parametrize("harm", ["flipped", "cut short", "empty", "no checksum"])
def test_damaged_features_on_disk_are_computed_again(
    vlm: VisionLanguageModel, tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: str
) -> None:
    speed = SpeedConfig(features_folder=str(tmp_path))
    scores = scorer(vlm, speed).scores(MIXED)[0]
    for file in sorted(tmp_path.rglob("*.safetensors"))[:2]:
        content = bytearray(file.read_bytes())
        content[-5] ^= 64
        whole = bytes(content) if harm == "flipped" else file.read_bytes().replace(b"crc32", b"other")
        file.write_bytes({"cut short": whole[:-9], "empty": b""}.get(harm, whole))
    again = scorer(vlm, speed)
    assert np.abs(again.scores(MIXED)[0] - scores).max() < 1e-5
    assert again.feature_cache is not None and again.feature_cache.computed == 2
    assert capsys.readouterr().err.count("computed again") == 1


def test_other_pixels_settings_or_formats_are_other_features(pocket: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from empirical.vlm.feature_cache.cache import cache_key

    before = cache_key(pocket)
    assert cache_key(load_vlm(ModelConfig())) == before
    assert cache_key(load_vlm(ModelConfig(dtype="bfloat16", device="cpu"))) != before
    assert cache_key(load_vlm(ModelConfig(attention="eager"))) != before
    assert cache_key(load_vlm(ModelConfig(image_processor={"image_mean": [0.4, 0.4, 0.4]}))) != before


def test_loss_on_answer_positions_is_the_loss_on_all(vlm: VisionLanguageModel) -> None:
    from empirical.vlm.inference.encoder import IGNORE
    from empirical.vlm.inference.scoring import token_log_probabilities

    encoder = Encoder(vlm.processor, vlm.family, PICTURES.__getitem__)
    batch, labels = encoder.with_answers([example("a", "ref"), example("b")], ["yes", "nothing at all"], end=True)
    with torch.inference_mode():
        ours = -token_log_probabilities(vlm.model, batch, labels).sum() / (labels != IGNORE).sum()
        logits = vlm.model(**batch).logits.float()
    whole = torch.cat([torch.full_like(batch["input_ids"][:, : -labels.shape[1]], IGNORE), labels], dim=1)
    usual = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), whole[:, 1:].flatten(), ignore_index=IGNORE)
    assert abs(float(ours - usual)) < FLOAT32


def test_the_model_is_left_as_it_was(pocket: VisionLanguageModel) -> None:
    scorer(pocket, SpeedConfig()).scores(MIXED)
    assert "get_image_features" not in vars(pocket.model.model)
    assert type(pocket.processor.image_processor).__name__ == "Idefics3ImageProcessorPil"


def test_what_cannot_be_is_refused(pocket: VisionLanguageModel) -> None:
    with pytest.raises(InputError, match="needs stored features"):
        scorer(pocket, SpeedConfig(store_features=False, prefix_cache=True))
    unknown = replace(pocket, family=replace(pocket.family, split_inputs=None))
    with pytest.raises(InputError, match="not valid for family"):
        scorer(unknown, SpeedConfig(prefix_cache=True))
    assert scorer(unknown, SpeedConfig()).prefix_cache is None


def test_a_query_shown_first_shares_nothing(pocket: VisionLanguageModel) -> None:
    first = PromptConfig(pair="pair_query_first")
    assert shared_prefix(example("a", "ref", prompts=first)) is None
    assert shared_prefix(example("a")) is None
    assert shared_prefix(example("a", "ref")) == shared_prefix(example("b", "ref")) != shared_prefix(example("a", "other"))
    rows = [example(query, "ref", prompts=first) for query in "abcd"]
    fast = scorer(pocket, SpeedConfig())
    assert np.abs(fast.scores(rows)[0] - scorer(pocket, PLAIN).scores(rows)[0]).max() < FLOAT32
    assert fast.prefix_cache is not None and fast.prefix_cache.n_prefilled == 0


def test_prompts_that_do_not_begin_alike_are_refused(pocket: VisionLanguageModel) -> None:
    encoder = Encoder(pocket.processor, pocket.family, PICTURES.__getitem__)
    batch = encoder.prompts([example("a", "ref"), example("b")], side="right")
    with pytest.raises(InputError, match=r"images without text between|do not share a beginning"):
        query_start(batch, pocket.model, 2)


def test_batches_hold_every_item_once_and_never_mix_prefixes() -> None:
    for share in (False, True):
        lengths = [len(one.images) for one in MIXED]
        made = make_batches(MIXED, 2, lengths, share)
        assert sorted(place for batch in made for place in batch.indices) == list(range(len(MIXED)))
        assert all(len(batch.indices) <= 2 for batch in made)
        assert all(len({shared_prefix(MIXED[place]) for place in batch.indices}) == 1 for batch in made if batch.shares_prefix)
        assert any(batch.shares_prefix for batch in made) == share
    plain = [place for batch in make_batches(MIXED, 3, lengths, share=False) for place in batch.indices]
    assert [lengths[place] for place in plain] == sorted(lengths)
    assert sorted(order_by_prefix(MIXED, 4)) == list(range(len(MIXED)))
    assert [MIXED[place].images[:-1] for place in order_by_prefix(MIXED, 4)][:7] == [("ref",)] * 5 + [("other",)] * 2


def test_numbers_stand_for_pixels_only_while_the_store_serves(pocket: VisionLanguageModel) -> None:
    encoder = Encoder(pocket.processor, pocket.family, PICTURES.__getitem__)
    feature_cache = FeatureCache(pocket)
    batch: dict[str, Any] = CachedEncoder(encoder, feature_cache).prompts([example("a", "ref")])
    with torch.inference_mode(), feature_cache.patch_model():
        served = pocket.model(**batch).logits
        assert torch.allclose(pocket.model(**encoder.prompts([example("a", "ref")])).logits, served, atol=FLOAT32)
    with torch.inference_mode(), pytest.raises((ValueError, RuntimeError)):
        pocket.model(**batch)


def test_deeper_layers_features_may_come_as_one_tensor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from Qwen3-VL in transformers 5.17: it is cut into images, and put together again for the model."""
    vlm = load_tiny("qwen3_vl", tmp_path / "model")
    encoder, core = Encoder(vlm.processor, vlm.family, PICTURES.__getitem__), vlm.model.model
    plain = core.get_image_features
    cut = FeatureCache(vlm)
    cut.add("abd", encoder)

    def joined(*inputs: Any, **options: Any) -> Any:
        made = plain(*inputs, **options)
        made.deepstack_features = [torch.cat(list(layer)) for layer in made.deepstack_features]
        return made

    monkeypatch.setattr(core, "get_image_features", joined)
    for _ in range(2):  # computed, then read from disk
        whole = FeatureCache(vlm, tmp_path / "features")
        whole.add("abd", encoder)
        numbers = torch.tensor([2, 0, 1])
        found = [torch.cat(layer) for layer in cut.look_up(numbers).deepstack_features]
        assert all(map(torch.equal, whole.look_up(numbers).deepstack_features, found)) and len(found) == 2
    assert whole.computed == 0
