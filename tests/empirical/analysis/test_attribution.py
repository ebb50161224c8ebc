from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from empirical.analysis import attribution
from empirical.analysis.attribution import _painted, _smooth, integrated_gradients, lesion_share, occlusion
from empirical.cohorts import Cohort
from empirical.prompts.example import Example
from empirical.prompts.templates import PromptConfig, prompt_text, render
from empirical.vlm.config import ModelConfig, VisionLanguageModel
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.inference.scoring import answer_log_probabilities
from empirical.vlm.loading import load_vlm
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from tests.helpers.tiny_models import save_tiny

WORDS = {"modality": "chest X-ray", "finding": "a nodule", "answers": "yes or no", "control": "healthy"}
ANSWERS = ("yes", "no")


def pair(query: str = "query") -> Example:
    return Example(query, render(prompt_text(PromptConfig().pair), WORDS, 1), ("reference", query), "yes", ("reference",))


def pictures(side: int = 64) -> dict[str, Image.Image]:
    rng = np.random.default_rng(0)
    return {name: Image.fromarray(rng.integers(0, 255, (side, side, 3), dtype=np.uint8)) for name in ("query", "reference")}


@pytest.mark.parametrize(
    ("family", "shape"), [("pocket", (64, 64)), ("qwen2_5_vl", (8, 8)), ("llava_onevision", (32, 32)), ("gemma3", (32, 32))]
)
def test_integrated_gradients_add_up_to_what_the_query_adds(family: str, shape: tuple[int, int], tmp_path: Path) -> None:
    name = "pocket" if family == "pocket" else str(save_tiny(family, tmp_path))
    vlm = load_vlm(ModelConfig(name=name))
    images = pictures()
    images["smooth"] = images["query"].filter(ImageFilter.GaussianBlur(64 / 16))
    encoder = Encoder(vlm.processor, vlm.family, images.__getitem__)
    found = integrated_gradients(vlm, encoder, pair(), ANSWERS, steps=32)
    change = log_odds(vlm, encoder.prompts([pair()])) - log_odds(vlm, encoder.prompts([pair("smooth")]))
    weight = np.abs(found).sum()
    assert weight > 1e-2 and found.shape == shape
    assert found.sum() == pytest.approx(change, abs=0.01 * weight)  # the midpoint rule's error, on a rough random model
    at_once, one_by_one, in_fours = (integrated_gradients(vlm, encoder, pair(), ANSWERS, steps=6, batch_size=size) for size in (6, 1, 4))
    tolerance = 1e3 * np.finfo(np.float32).eps * np.abs(one_by_one).max()
    np.testing.assert_allclose(at_once, one_by_one, rtol=0, atol=tolerance)
    np.testing.assert_allclose(in_fours, one_by_one, rtol=0, atol=tolerance)


def test_gradients_are_kept_of_pixels_only_and_the_model_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    vlm = load_vlm(ModelConfig())
    encoder, weights = Encoder(vlm.processor, vlm.family, pictures().__getitem__), list(vlm.model.parameters())
    weights[0].requires_grad_(False)
    before = [weight.requires_grad for weight in weights]
    assert any(before)
    cached_parts: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        cached_parts.append(tensor)
        return tensor

    plain, asked = attribution._log_odds, []

    def asking(*arguments: object) -> torch.Tensor:
        asked.append(any(weight.requires_grad for weight in weights))
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            return plain(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(attribution, "_log_odds", asking)
    integrated_gradients(vlm, encoder, pair(), ANSWERS, steps=2)
    assert asked == [False] and [weight.requires_grad for weight in weights] == before
    frozen = sum(tensor.nbytes for tensor in cached_parts)
    cached_parts.clear()
    monkeypatch.setattr(attribution, "_without_weight_gradients", lambda model: nullcontext())
    integrated_gradients(vlm, encoder, pair(), ANSWERS, steps=2)
    assert sum(tensor.nbytes for tensor in cached_parts) > 1.2 * frozen


def log_odds(vlm: VisionLanguageModel, batch: dict) -> float:
    import torch

    with torch.inference_mode():
        logits = vlm.model(**batch).logits[0, -1].double()
    tokens = [Encoder(vlm.processor, vlm.family, dict[str, Image.Image]().__getitem__).answer_ids(answer)[0] for answer in ANSWERS]
    return float(logits[tokens[0]] - logits[tokens[1]])


def test_patches_are_laid_out_as_the_picture_lies(tmp_path: Path) -> None:
    """A picture whose left upper quarter alone is not gray: all of the map must lie there."""
    vlm = load_vlm(ModelConfig(name=str(save_tiny("qwen2_5_vl", tmp_path))))
    images = pictures()
    array = np.full((64, 64, 3), 128, dtype=np.uint8)
    array[:32, :32] = np.asarray(images["query"])[:32, :32]
    array[:32, :32:2] = 255 - array[:32, 1:32:2]  # so that its mean colour is that of the rest, up to half a step
    encoder = Encoder(vlm.processor, vlm.family, (images | {"query": Image.fromarray(array)}).__getitem__)
    found = np.abs(integrated_gradients(vlm, encoder, pair(), ANSWERS, steps=4))
    assert found.shape == (8, 8)
    assert found[:4, :4].sum() > 0.8 * found.sum()


def test_occlusion_is_the_fall_of_the_log_odds() -> None:
    vlm = load_vlm(ModelConfig())
    images = pictures()
    encoder = Encoder(vlm.processor, vlm.family, images.__getitem__)
    found = occlusion(vlm, encoder, pair(), ANSWERS, grid=4)
    painted = np.asarray(images["query"]).copy()
    around = [painted[12:16, 44:], painted[32:36, 44:], painted[16:32, 44:48]]
    painted[16:32, 48:] = np.concatenate([part.reshape(-1, 3) for part in around]).mean(axis=0).round().astype(np.uint8)
    by_hand = Encoder(vlm.processor, vlm.family, (images | {"painted": Image.fromarray(painted)}).__getitem__)
    scores = answer_log_probabilities(vlm.model, by_hand, [pair(), pair("painted")], ANSWERS)
    assert found[1, 3] == pytest.approx(np.diff(-(scores[:, 0] - scores[:, 1]))[0], abs=1e-4)
    assert found.shape == (4, 4) and np.ptp(found) > 0


def test_a_bright_lesion_in_a_dark_lung_is_taken_away_not_added_to() -> None:
    """The lesion is brighter than the lung around it and darker than the picture's mean."""
    array = np.full((64, 64, 3), 220, dtype=np.uint8)
    array[:, :32] = 40
    array[18:22, 10:14] = 80
    lesion = (slice(18, 22), slice(10, 14))
    assert array.mean() > 80
    for without in (_painted(Image.fromarray(array), 2, 1, 8), _smooth(Image.fromarray(array))):
        assert 40 <= np.asarray(without)[lesion].mean() < 60


def draw(shape: Callable[[np.random.Generator], np.ndarray]) -> np.ndarray:
    mask = np.zeros((40, 40), dtype=bool)
    mask[5:15, 20:30] = True
    return np.array([lesion_share(shape(np.random.default_rng(seed)), mask).p_value for seed in range(300)])


def test_random_maps_are_no_better_than_chance_and_true_ones_are() -> None:
    p = draw(lambda rng: rng.normal(size=(8, 8)))
    assert abs(p.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 300) + 1 / 128
    assert (p <= 0.05).mean() < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 300)

    def on_the_lesion(rng: np.random.Generator) -> np.ndarray:
        values = rng.normal(size=(8, 8))
        values[1:3, 4:6] += 5
        return values

    assert (draw(on_the_lesion) <= 0.05).mean() > 0.95


def test_masks_of_any_size_are_averaged_over_cells_and_nothing_positive_is_no_share() -> None:
    mask = np.zeros((10, 7), dtype=bool)
    mask[:5] = True
    assert lesion_share(np.ones((4, 3)), mask).share == pytest.approx(0.5, abs=0.05)
    small = np.zeros((4, 6), dtype=bool)  # a picture that is enlarged for the tower: each of its pixels lies on 2 x 2.5 of the map's
    small[1, 2] = True
    enlarged = np.zeros((8, 15))
    enlarged[2:4, 5:7] = enlarged[2:4, 7] = 1.0
    found = lesion_share(enlarged, small)
    assert found.share == pytest.approx(5 / 6) and found.expected == pytest.approx(1 / 24)
    nothing = lesion_share(-np.ones((4, 4)), np.ones((8, 8), dtype=bool))
    assert np.isnan(nothing.share) and nothing.p_value == 1


def test_arms_are_compared_on_the_items_whose_lesion_is_known(phantom: Cohort, tmp_path: Path) -> None:
    from paper_figures.claims.analyses import ATTRIBUTION, _checked
    from paper_figures.cli import app

    content = {
        "cohort": str(phantom.folder),
        "arms": [{"arm": "single"}, {"arm": "duplicate"}],
        "batch_size": 65,
        "threads": 1,
        "split": "val",
    }
    (tmp_path / "config.yaml").write_text(json.dumps(content))
    assert run_app(app, ["analyse", "attribution", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    rows, summary = (pd.read_csv(tmp_path / "out" / name) for name in ("attribution.csv", "attribution_summary.csv"))
    positive = set(phantom.queries("val").query("label in @phantom.info.positive")["item_id"])
    assert rows.groupby(["run_id", "method"])["item_id"].apply(set).map(lambda items: items == positive).all()
    assert len(summary) == 4 and (summary["n"] == len(positive)).all()
    assert (summary["low"] <= summary["excess"]).all() and (summary["excess"] <= summary["high"]).all()
    counts = json.loads((tmp_path / "out" / "manifest.json").read_text())["counts"]
    assert counts["without_mask"] == len(phantom.queries("val")) - len(positive)
    assert _checked(rows, "", ATTRIBUTION)["arm"].value_counts().tolist() == [2 * len(positive)] * 2  # what the ledger of claims reads


def test_a_killed_attribution_goes_on_from_its_items_to_the_same_bits(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from empirical.analysis.arms import report_attribution
    from empirical.evaluation.config import EvaluateConfig

    content = {"cohort": str(phantom.folder), "arms": [{"arm": "single"}, {"arm": "duplicate"}], "threads": 1, "split": "val"}
    config, plain, done = EvaluateConfig.model_validate(content), attribution.occlusion, []

    def cheap(*given: object, **settings: object) -> np.ndarray:
        done.append(given[2])
        if len(done) == room:
            raise KeyboardInterrupt  # in the midst of an item: gradients are there, this is not
        return plain(*given, **(settings | {"grid": 2}))  # type: ignore[arg-type]

    monkeypatch.setattr(attribution, "occlusion", cheap)
    gradients = attribution.integrated_gradients
    monkeypatch.setattr(attribution, "integrated_gradients", lambda *given, **settings: gradients(*given, **(settings | {"steps": 2})))
    room = 0
    report_attribution(config, tmp_path / "whole", quiet=True)
    number = len(done)
    done.clear()
    room = number - 1
    with pytest.raises(KeyboardInterrupt):
        report_attribution(config, tmp_path / "killed", quiet=True)
    pieces = sorted((tmp_path / "killed" / "pieces").glob("*.parquet"))
    assert len(pieces) == number - 2 and not (tmp_path / "killed" / "attribution.csv").exists()
    pieces[0].write_bytes(pieces[0].read_bytes()[:-20])
    done.clear()
    room = 0
    report_attribution(config, tmp_path / "killed", quiet=True)
    assert len(done) == 3  # the one it was at, the last, and the damaged one
    for name in ("attribution.csv", "attribution_summary.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_attributions_that_are_no_numbers_end_the_run_and_few_patients_are_said_to_be_few(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from empirical.analysis.arms import report_attribution
    from empirical.evaluation.config import EvaluateConfig

    config = EvaluateConfig.model_validate({"cohort": str(phantom.folder), "arms": [{"arm": "single"}], "threads": 1, "split": "val"})
    monkeypatch.setattr(attribution, "integrated_gradients", lambda *_, **__: np.ones((4, 4)))
    monkeypatch.setattr(attribution, "occlusion", lambda *_, **__: np.ones((4, 4)))
    report_attribution(config, tmp_path / "few")
    assert "patients with a lesion mask: these intervals are too short" in capsys.readouterr().err
    monkeypatch.setattr(attribution, "occlusion", lambda *_, **__: np.full((4, 4), np.nan))
    with pytest.raises(InputError, match=r"attribution: '.*' by occlusion is no number"):
        report_attribution(config, tmp_path / "lost", quiet=True)


def test_an_arm_that_does_not_show_the_query_is_left_out_and_said(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from empirical.analysis.arms import report_alignment, report_attribution
    from empirical.evaluation.config import EvaluateConfig

    for method in ("integrated_gradients", "occlusion"):
        monkeypatch.setattr(attribution, method, lambda *_, **__: np.ones((4, 4)))
    blanked = {"arm": "reference_only", "references": {"strategy": "random"}}
    content = {"cohort": str(phantom.folder), "threads": 1}
    for name, report in (("attribution", report_attribution), ("alignment", report_alignment)):
        table = report(EvaluateConfig.model_validate(content | {"arms": [{"arm": "single"}, blanked]}), tmp_path / name)
        assert set(table["run_id"]) == {"single"} and "reference_only-random: does not show the query" in capsys.readouterr().err
        assert json.loads((tmp_path / name / "manifest.json").read_text())["counts"]["without_query:reference_only-random"] > 0
        with pytest.raises(InputError, match=f"{name}: no arm shows the query"):
            report(EvaluateConfig.model_validate(content | {"arms": [blanked]}), tmp_path / "none")


def test_squares_are_painted_on_the_picture_that_stands_in_the_querys_place() -> None:
    vlm, shown = load_vlm(ModelConfig()), pictures()
    encoder = Encoder(vlm.processor, vlm.family, shown.__getitem__)
    example = Example("an item whose own picture is not shown", pair().parts, pair().images, "yes", ("reference",))
    assert np.array_equal(occlusion(vlm, encoder, example, ANSWERS, grid=2), occlusion(vlm, encoder, pair(), ANSWERS, grid=2))
