"""Every check of the doctor can fail: a model is spoiled in the way that the check is there for, and that check must say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from empirical.prompts.templates import PromptConfig
from empirical.vlm.config import ModelConfig, VisionLanguageModel
from empirical.vlm.doctor import adapters, diagnose, diagnose_loaded, inputs, require, scoring_paths
from empirical.vlm.doctor.model_under_test import ModelUnderTest
from empirical.vlm.families.base import ModelFamily, no_extra_inputs
from empirical.vlm.families.base import process as plain_process
from empirical.vlm.feature_cache import cache
from empirical.vlm.feature_cache.tower import core_of
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.loading import load_vlm
from see_in_pairs.errors import InputError
from tests.helpers.tiny_models import load_tiny, save_tiny

Loaded = Callable[[str], VisionLanguageModel]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    kept: dict[str, VisionLanguageModel] = {}

    def loaded(family: str) -> VisionLanguageModel:
        if family not in kept:
            kept[family] = load_tiny(family, tmp_path_factory.mktemp(family))
        return kept[family]

    return loaded


def spoiled(vlm: VisionLanguageModel, **changes: Any) -> ModelUnderTest:
    return ModelUnderTest(replace(vlm, family=replace(vlm.family, **changes)), PromptConfig())


def without(*names: str) -> Callable[..., Any]:
    """Make a family's call of its processor lose inputs."""

    def process(*arguments: Any) -> dict[str, Any]:
        return {name: value for name, value in plain_process(*arguments).items() if name not in names}

    return process


def test_llava_onevision_as_it_comes_gives_a_lone_image_other_tokens_than_one_of_a_pair(load: Loaded) -> None:
    vlm = load("llava_onevision")
    passed, detail = inputs.same_query(spoiled(vlm, process=plain_process))
    assert not passed and detail.startswith(
        "88, 17, 17, 17, 17 tokens"
    )  # 16 of the whole, 64 of its four tiles, 8 ends of rows: the confound
    assert inputs.same_query(ModelUnderTest(vlm, PromptConfig())) == (
        True,
        "17, 17, 17, 17, 17 tokens of the query over the arms; pixels equal: True",
    )


def test_pixels_that_change_beside_another_image_are_seen(load: Loaded) -> None:
    def shared_scale(*arguments: Any) -> dict[str, Any]:
        batch = plain_process(*arguments)
        return batch | {"pixel_values": batch["pixel_values"] / batch["pixel_values"].abs().mean()}

    passed, detail = inputs.same_query(spoiled(load("gemma3"), process=shared_scale))
    assert not passed and "pixels equal: False" in detail


@pytest.mark.parametrize(
    ("family", "name"), [("qwen2_5_vl", "mm_token_type_ids"), ("gemma3", "token_type_ids"), ("idefics3", "attention_mask")]
)
def test_an_input_whose_loss_the_model_would_bear_in_silence_is_missed(load: Loaded, family: str, name: str) -> None:
    passed, detail = inputs.required_inputs(spoiled(load(family), process=without(name)))
    assert not passed and f"missing {name}" in detail


def test_padding_without_its_mask_is_caught(load: Loaded) -> None:
    def attend_to_all(*arguments: Any) -> dict[str, Any]:
        batch = plain_process(*arguments)
        return batch | {"attention_mask": torch.ones_like(batch["attention_mask"])}

    assert not scoring_paths.padding(spoiled(load("idefics3"), process=attend_to_all))[0]


def test_positions_are_recounted(load: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = load("qwen2_5_vl")
    core, plain = core_of(vlm.model), core_of(vlm.model).get_rope_index

    def one_dimensional(input_ids: torch.Tensor, **rest: Any) -> tuple[torch.Tensor, torch.Tensor]:
        _, shift = plain(input_ids, **rest)
        return torch.arange(input_ids.shape[1]).expand(3, *input_ids.shape), shift

    assert inputs.positions(ModelUnderTest(vlm, PromptConfig()))[0]
    monkeypatch.setattr(core, "get_rope_index", one_dimensional)
    assert not inputs.positions(ModelUnderTest(vlm, PromptConfig()))[0]


def test_token_types_that_miss_the_image_are_caught(load: Loaded) -> None:
    def causal(*arguments: Any) -> dict[str, Any]:
        batch = plain_process(*arguments)
        return batch | {"token_type_ids": torch.zeros_like(batch["token_type_ids"])}

    assert not inputs.positions(spoiled(load("gemma3"), process=causal))[0]


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_a_prefix_read_without_its_share_of_the_positions_is_caught(load: Loaded, family: str) -> None:
    vlm = load(family)
    core_of(vlm.model).rope_deltas = None  # what an earlier pass leaves behind must not hide it
    assert not (require_outcome(scoring_paths.prefix_cache, spoiled(vlm, split_inputs=no_extra_inputs)))


def test_a_second_beginning_of_a_pass_that_is_read_otherwise_than_the_first_is_caught(load: Loaded) -> None:
    def first_row_only(model: Any, batch: dict[str, torch.Tensor], cut: int) -> tuple[dict[str, Any], dict[str, Any]]:
        first, second = prefix(model, batch, cut)
        first["position_ids"][:, 1:] += 7  # from the query, which has its own
        return first, second

    vlm = load("qwen2_5_vl")
    prefix: Any = vlm.family.split_inputs
    assert require_outcome(scoring_paths.prefix_cache, ModelUnderTest(vlm, PromptConfig()))
    assert not require_outcome(scoring_paths.prefix_cache, spoiled(vlm, split_inputs=first_row_only))


def test_gemma_read_in_two_parts_with_the_token_types_of_one_is_caught(load: Loaded) -> None:
    def suffix_only(model: Any, batch: dict[str, torch.Tensor], cut: int) -> tuple[dict[str, Any], dict[str, Any]]:
        types = batch["token_type_ids"]
        return {"token_type_ids": types[:, :cut]}, {"token_type_ids": types[:, cut:]}

    assert not require_outcome(scoring_paths.prefix_cache, spoiled(load("gemma3"), split_inputs=suffix_only))


def require_outcome(check: Callable[[ModelUnderTest], tuple[bool, str]], subject: ModelUnderTest) -> bool:
    try:
        return check(subject)[0]
    except (ValueError, RuntimeError):
        return False


def test_a_model_that_does_not_look_is_caught(load: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = load("idefics3")
    core, plain = core_of(vlm.model), core_of(vlm.model).get_image_features

    def blind(*arguments: Any, **options: Any) -> Any:
        made = plain(*arguments, **options)
        made.pooler_output = [torch.zeros_like(features) for features in made.pooler_output]
        return made

    monkeypatch.setattr(core, "get_image_features", blind)
    assert not scoring_paths.image_order(ModelUnderTest(vlm, PromptConfig()))[0]
    assert inputs.features(ModelUnderTest(vlm, PromptConfig()))[0]


def test_supervision_beside_the_answer_is_caught(load: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Encoder.answer_ids
    monkeypatch.setattr(Encoder, "answer_ids", lambda self, answer: [*plain(self, answer), 9])
    assert not inputs.labels(ModelUnderTest(load("idefics3"), PromptConfig()))[0]


def test_words_that_the_template_drops_are_missed(load: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encoder, "text", lambda self, parts: "<|im_start|>User:<image><image>Assistant:")
    assert not inputs.decoded_prompt(ModelUnderTest(load("idefics3"), PromptConfig()))[0]


def test_a_prompt_that_does_not_fit_is_caught(load: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = load("idefics3")
    monkeypatch.setattr(vlm.processor.tokenizer, "model_max_length", 40)
    assert not inputs.no_truncation(ModelUnderTest(vlm, PromptConfig()))[0]


def test_adapters_on_the_wrong_side_and_weights_without_a_gradient_are_caught(load: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = load("gemma3")
    assert not adapters.lora_layers(spoiled(vlm, lora_language=r".*\.(q_proj|v_proj)"))[0]  # would adapt the vision tower too
    core = core_of(vlm.model)
    monkeypatch.setattr(core, "get_image_features", torch.no_grad()(core.get_image_features))
    passed, detail = adapters.gradients(ModelUnderTest(vlm, PromptConfig()))
    assert not passed and "vision_tower" in detail


def test_an_adapter_that_does_nothing_is_caught(load: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "STD", 0.0)
    assert not adapters.saved_adapter(ModelUnderTest(load("idefics3"), PromptConfig()))[0]


def test_an_adapter_that_comes_back_changed_is_caught(load: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    from peft import PeftModel

    plain = PeftModel.load_adapter

    def rounded(self: PeftModel, *arguments: Any, **options: Any) -> Any:
        made = plain(self, *arguments, **options)
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if ".again." in name:
                    weight.mul_(1.001)
        return made

    assert adapters.saved_adapter(ModelUnderTest(load("idefics3"), PromptConfig()))[0]
    monkeypatch.setattr(PeftModel, "load_adapter", rounded)
    assert not adapters.saved_adapter(ModelUnderTest(load("idefics3"), PromptConfig()))[0]


def test_answers_that_begin_alike_are_told_apart_by_their_end(load: Loaded) -> None:
    subject = ModelUnderTest(load("idefics3"), PromptConfig(positive="no finding", negative="no"))
    passed, detail = inputs.answers(subject)
    assert passed and detail.count(f"{subject.vlm.processor.tokenizer.eos_token_id}]") == 2


def test_an_image_token_too_few_is_caught(load: Loaded) -> None:
    vlm = load("idefics3")
    image_token = vlm.model.config.image_token_id

    def one_fewer(*arguments: Any) -> dict[str, Any]:
        made = plain_process(*arguments)
        ids = torch.as_tensor(made["input_ids"]).clone()
        row, place = (ids == image_token).nonzero()[0]
        ids[row, place] = 9
        return made | {"input_ids": ids}

    assert not inputs.features(spoiled(vlm, process=one_fewer))[0]


def test_a_prompt_that_ends_otherwise_in_training_is_caught(load: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Encoder.with_answers

    def other_end(self: Encoder, *arguments: Any, **options: Any) -> Any:
        batch, labels = plain(self, *arguments, **options)
        batch["input_ids"][:, -labels.shape[1] - 1] = 9
        return batch, labels

    monkeypatch.setattr(Encoder, "with_answers", other_end)
    assert not scoring_paths.teacher_forcing(ModelUnderTest(load("idefics3"), PromptConfig()))[0]


def test_positions_that_jump_when_the_cache_takes_over_are_caught(load: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    import functools

    model = load("idefics3").model
    plain = model.prepare_inputs_for_generation

    @functools.wraps(plain)
    def counted_from_padding(*arguments: Any, **options: Any) -> Any:
        made = plain(*arguments, **options)
        if made["input_ids"].shape[1] == 1:
            made["position_ids"] = made["position_ids"] + 3
        return made

    monkeypatch.setattr(model, "prepare_inputs_for_generation", counted_from_padding)
    assert not scoring_paths.generation(ModelUnderTest(load("idefics3"), PromptConfig()))[0]


def test_an_attention_backend_of_its_own_mind_is_caught(load: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    plain = ALL_ATTENTION_FUNCTIONS["sdpa"]

    def louder(*arguments: Any, **options: Any) -> Any:
        output, weights = plain(*arguments, **options)
        return 1.01 * output, weights

    assert scoring_paths.attention_backends(ModelUnderTest(load("idefics3"), PromptConfig()))[0]
    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS, "sdpa", louder)
    assert not scoring_paths.attention_backends(ModelUnderTest(load("idefics3"), PromptConfig()))[0]


def test_a_stale_feature_is_caught(load: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(cache, "_content_hash", lambda picture: "the same")  # a key that cannot tell images apart
    assert not scoring_paths.cached_features(ModelUnderTest(load("idefics3"), PromptConfig()))[0]


def test_the_patient_leaves_as_it_came(load: Loaded) -> None:
    vlm = load("qwen3_vl")
    flags = {name: weight.requires_grad for name, weight in vlm.model.named_parameters()}
    before = {name: weight.clone() for name, weight in vlm.model.state_dict().items()}
    attention, state = vlm.model.config._attn_implementation, torch.get_rng_state()
    assert diagnose_loaded(vlm).passed
    assert flags == {name: weight.requires_grad for name, weight in vlm.model.named_parameters()}
    after = vlm.model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert vlm.model.config._attn_implementation == attention and torch.equal(torch.get_rng_state(), state)
    assert "get_image_features" not in vars(core_of(vlm.model))


def test_a_failed_check_stops_a_run_and_an_error_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> dict[str, Any]:
        raise ValueError("no such thing\nand more")

    vlm = load_vlm(ModelConfig())
    vlm = replace(vlm, family=replace(vlm.family, process=broken))
    diagnosis = diagnose_loaded(vlm, thorough=False)
    assert not diagnosis.passed and "ValueError: no such thing" in {check.detail for check in diagnosis.checks}
    with pytest.raises(InputError, match="fails the check 'the processor makes every input"):
        require(diagnosis)


@pytest.mark.parametrize(("family", "dtype"), [("qwen2_5_vl", "bfloat16"), ("gemma3", "bfloat16"), ("idefics3", "float16")])
def test_half_precision_passes_with_its_own_tolerance(family: str, dtype: str, tmp_path: Path) -> None:
    folder = str(save_tiny(family, tmp_path))
    failed = [check for check in diagnose(ModelConfig(name=folder, dtype=dtype, device="cpu")).checks if not check.passed]
    assert failed == []


def scaled(vlm: VisionLanguageModel, factor: float) -> None:
    """Make layers amplify less, or again as much: by a power of two, so that nothing is rounded."""
    with torch.no_grad():
        for name, weight in vlm.model.named_parameters():
            if weight.ndim >= 2 and "lm_head" not in name and "embed" not in name:
                weight.mul_(factor)


@pytest.fixture(scope="module")
def steep() -> VisionLanguageModel:
    """Give a healthy bfloat16 model whose logits reach 30, twelve layers that amplify: rounding moves its scores by more than 1/4 nat."""
    from empirical.benchmark.shapes import Shape, build

    shape = Shape(256, 12, 4, 2, 512, 600, False, 64, 4, 4, 128, (3,), 8, 32, 64)
    vlm = build(shape, ModelConfig(name="steep", device="cpu", dtype="bfloat16"), 0)
    with torch.no_grad():
        vlm.model.lm_head.weight.mul_(32)
    scaled(vlm, 4)
    return vlm


def gap_of(detail: str, arithmetic: str) -> float:
    return float(detail.split(f"in {arithmetic} ")[1].split("largest difference ")[1].split(",")[0])


def test_a_healthy_model_with_large_logits_passes_in_bfloat16(steep: VisionLanguageModel) -> None:
    subject = ModelUnderTest(steep, PromptConfig())
    with torch.inference_mode():
        logits = steep.model(**subject.encode(subject.example("square", "other")), logits_to_keep=1).logits
    assert logits.abs().max() > 29 and subject.rounding_error > 0.5
    diagnosis = diagnose_loaded(steep)
    assert [check for check in diagnosis.checks if not check.passed] == []
    attention = next(check.detail for check in diagnosis.checks if check.name == "attention backends agree")
    assert gap_of(attention, "bfloat16") > 0.25 > 1e-3 > gap_of(attention, "float32 arithmetic")  # a constant had refused it


def plant_mask(vlm: VisionLanguageModel, patch: pytest.MonkeyPatch) -> VisionLanguageModel:
    def attend_to_all(*arguments: Any) -> dict[str, Any]:
        batch = plain_process(*arguments)
        return batch | {"attention_mask": torch.ones_like(batch["attention_mask"])}

    return replace(vlm, family=replace(vlm.family, process=attend_to_all))


def plant_one_dimension(vlm: VisionLanguageModel, patch: pytest.MonkeyPatch) -> VisionLanguageModel:
    def one_dimensional(model: Any, batch: dict[str, torch.Tensor], cut: int) -> tuple[dict[str, Any], dict[str, Any]]:
        first, second = prefix(model, batch, cut)
        places = torch.arange(batch["input_ids"].shape[1]).expand(3, len(batch["input_ids"]), -1)
        return first, second | {"position_ids": places[..., cut:]}

    prefix: Any = vlm.family.split_inputs
    return replace(vlm, family=replace(vlm.family, split_inputs=one_dimensional))


def plant_shift(vlm: VisionLanguageModel, patch: pytest.MonkeyPatch) -> VisionLanguageModel:
    from empirical.vlm.feature_cache.cache import FeatureCache

    plain = FeatureCache.look_up

    def shifted(self: FeatureCache, numbers: torch.Tensor) -> Any:
        found = plain(self, numbers)
        found.pooler_output = [features.roll(1, 0) for features in found.pooler_output]
        return found

    patch.setattr(FeatureCache, "look_up", shifted)
    return vlm


def plant_off_by_one(vlm: VisionLanguageModel, patch: pytest.MonkeyPatch) -> VisionLanguageModel:
    import functools

    plain = vlm.model.prepare_inputs_for_generation

    @functools.wraps(plain)
    def one_on(*arguments: Any, **options: Any) -> Any:
        made = plain(*arguments, **options)
        return made | {"position_ids": made["position_ids"] + (made["input_ids"].shape[1] == 1)}

    patch.setattr(vlm.model, "prepare_inputs_for_generation", one_on)
    return vlm


@pytest.mark.parametrize(
    ("plant", "check"),
    [
        (plant_mask, scoring_paths.padding),
        (plant_one_dimension, scoring_paths.prefix_cache),
        (plant_shift, scoring_paths.cached_features),
        (plant_off_by_one, scoring_paths.generation),
    ],
)
def test_planted_faults_are_caught_where_rounding_moves_scores_by_a_nat(
    steep: VisionLanguageModel, plant: Callable[..., VisionLanguageModel], check: Callable[[ModelUnderTest], tuple[bool, str]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        subject = ModelUnderTest(plant(steep, patch), PromptConfig())
        passed, detail = check(subject)
        with subject.in_float32():
            allowed = subject.tolerance
    assert not passed and gap_of(detail, "float32 arithmetic") > 10 * allowed


def test_a_fault_smaller_than_what_rounding_does_is_caught_in_float32_arithmetic(steep: VisionLanguageModel) -> None:
    scaled(steep, 0.5)
    try:
        with pytest.MonkeyPatch.context() as patch:
            subject = ModelUnderTest(plant_off_by_one(steep, patch), PromptConfig())
            passed, detail = scoring_paths.generation(subject)
    finally:
        scaled(steep, 2)
    assert not passed
    assert gap_of(detail, "bfloat16") <= 2 * subject.rounding_error  # the half format alone lets it pass


def test_float32_arithmetic_is_that_of_a_float32_copy(steep: VisionLanguageModel) -> None:
    import copy

    subject = ModelUnderTest(steep, PromptConfig())
    rows = [subject.example("square", "other"), subject.example("wide")]
    whole = ModelUnderTest(replace(steep, model=copy.deepcopy(steep.model).float()), PromptConfig())
    with subject.in_float32():
        assert subject.scores(*rows) == pytest.approx(whole.scores(*rows), abs=subject.tolerance)
        assert all(weight.dtype == torch.bfloat16 for weight in steep.model.parameters())
    assert abs(subject.scores(*rows) - whole.scores(*rows)).max() > 20 * 1e-3  # and not what it computes by itself


def test_a_family_without_a_known_prefix_is_refused(load: Loaded) -> None:
    from empirical.vlm.feature_cache.cache import FeatureCache
    from empirical.vlm.feature_cache.encoder import CachedEncoder
    from empirical.vlm.inference.prefix_cache import PrefixCache

    vlm = load("idefics3")
    unknown = replace(vlm, family=replace(vlm.family, split_inputs=None))
    encoder = CachedEncoder(Encoder(vlm.processor, vlm.family, dict[str, Any]().__getitem__), FeatureCache(vlm))
    with pytest.raises(InputError, match="not valid for family 'idefics3'"):
        PrefixCache(unknown, encoder)
    assert isinstance(vlm.family, ModelFamily)


@pytest.mark.parametrize("family", ["idefics3", "internvl", "gemma3", "llava_onevision"])
def test_no_image_is_cut_into_tiles(load: Loaded, family: str) -> None:
    subject = ModelUnderTest(load(family), PromptConfig())
    counts = {name: subject.image_tokens(subject.encode(subject.example(name))["input_ids"]) for name in ("square", "large", "wide")}
    assert len(set(counts.values())) == 1
    tiled = spoiled(load(family), processor_options={})  # InternVL's own default cuts a picture in up to thirteen
    if family == "internvl":
        assert tiled.image_tokens(_encoded(tiled)["input_ids"]) > counts["square"]


def _encoded(subject: ModelUnderTest) -> dict[str, Any]:
    return subject.encode(subject.example("wide"))
