from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from empirical.analysis import attribution
from empirical.analysis.attribution import Attribution, _painted, _smooth, integrated_gradients, lesion_share, occlusion
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
def test_integrated_gradients_add_up_to_what_the_details_of_all_pictures_add(family: str, shape: tuple[int, int], tmp_path: Path) -> None:
    name = "pocket" if family == "pocket" else str(save_tiny(family, tmp_path))
    vlm = load_vlm(ModelConfig(name=name))
    images = pictures()
    encoder = Encoder(vlm.processor, vlm.family, images.__getitem__)
    smooth = {name: picture.filter(ImageFilter.GaussianBlur(64 / 16)) for name, picture in images.items()}
    change = log_odds(vlm, encoder.prompts([pair()]))
    change -= log_odds(vlm, Encoder(vlm.processor, vlm.family, smooth.__getitem__).prompts([pair()]))
    found = integrated_gradients(vlm, encoder, pair(), ANSWERS)
    total, weight = sum(values.sum() for values in found.maps), sum(np.abs(values).sum() for values in found.maps)
    assert weight > 1e-2 and [values.shape for values in found.maps] == [shape] * 2 and found.query == 1 and 4 <= found.steps <= 32
    assert found.error <= 0.05 and found.error == pytest.approx(abs(total - change) / weight, abs=1e-3)
    at_once, one_by_one, in_threes = (
        np.concatenate(integrated_gradients(vlm, encoder, pair(), ANSWERS, steps=8, batch_size=size).maps) for size in (8, 1, 3)
    )
    tolerance = 1e3 * np.finfo(np.float32).eps * np.abs(one_by_one).max()
    np.testing.assert_allclose(at_once, one_by_one, rtol=0, atol=tolerance)
    np.testing.assert_allclose(in_threes, one_by_one, rtol=0, atol=tolerance)


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
    assert asked and not any(asked) and [weight.requires_grad for weight in weights] == before
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
    found = np.abs(integrated_gradients(vlm, encoder, pair(), ANSWERS, steps=4).maps[1])
    assert found.shape == (8, 8)
    assert found[:4, :4].sum() > 0.8 * found.sum()


def test_occlusion_is_the_fall_of_the_log_odds() -> None:
    vlm = load_vlm(ModelConfig())
    images = pictures()
    encoder = Encoder(vlm.processor, vlm.family, images.__getitem__)
    found = occlusion(vlm, encoder, pair(), ANSWERS, grid=4)
    for place, name in enumerate(("reference", "query")):
        painted = np.asarray(images[name]).copy()
        around = [painted[12:16, 44:], painted[32:36, 44:], painted[16:32, 44:48]]
        painted[16:32, 48:] = np.concatenate([part.reshape(-1, 3) for part in around]).mean(axis=0).round().astype(np.uint8)
        scores = [
            answer_log_probabilities(vlm.model, Encoder(vlm.processor, vlm.family, shown.__getitem__), [pair()], ANSWERS)[0]
            for shown in (images, images | {name: Image.fromarray(painted)})
        ]
        assert found.maps[place][1, 3] == pytest.approx(np.diff([no - yes for yes, no in scores])[0], abs=1e-4)
        assert found.maps[place].shape == (4, 4) and np.ptp(found.maps[place]) > 0
    assert found.query == 1


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


def test_arms_are_compared_on_lesions_that_are_known_and_on_sham_places(
    phantom: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    assert run_app(app, ["analyse", "attribution", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().err
    assert said.count("on a sham place; difference") == said.count("is outside the query's picture") == 4
    assert "every lesion is at the same place: more attribution there shows position, not pathology" in said
    rows, summary = (pd.read_csv(tmp_path / "out" / name) for name in ("attribution.csv", "attribution_summary.csv"))
    queries = phantom.queries("val")
    positive = set(queries.query("label in @phantom.info.positive")["item_id"])
    real, sham = (rows[rows["lesion"] == kind] for kind in ("real", "sham"))
    for part, items in ((real, positive), (sham, set(queries["item_id"]) - positive)):
        assert part.groupby(["run_id", "method"])["item_id"].apply(set).map(lambda found, items=items: found == items).all()
    assert (real["mask_of"] == real["item_id"]).all() and set(sham["mask_of"]) == positive and set(rows["place"]) == {"fixed"}
    assert sham.groupby(["run_id", "method"])["mask_of"].apply(sorted).map(lambda owners: owners == sorted(positive)).all()
    assert len(summary) == 4 and (summary["n"] == len(positive)).all() and (summary["n_sham"] == len(queries) - len(positive)).all()
    for value, low, high in (("excess", "low", "high"), ("sham", "sham_low", "sham_high"), ("contrast", "contrast_low", "contrast_high")):
        assert (summary[low] <= summary[value]).all() and (summary[value] <= summary[high]).all()
    assert np.allclose(summary["contrast"], summary["excess"] - summary["sham"])
    counts = json.loads((tmp_path / "out" / "manifest.json").read_text())["counts"]
    assert (counts["without_mask"], counts["without_sham"], counts["not_analysed"]) == (0, 0, 0)
    assert _checked(rows, "", ATTRIBUTION)["arm"].value_counts().tolist() == [2 * len(queries)] * 2  # what the ledger of claims reads
    alone = rows["run_id"] == "single"
    assert (rows.loc[alone, "query_share"] == 1).all() and (rows.loc[alone, "reference_share_absolute"] == 0).all()
    assert rows.loc[~alone, "reference_share"].between(0.05, 0.95).all()
    for kind in ("", "_absolute"):
        assert np.allclose(rows[f"query_share{kind}"] + rows[f"reference_share{kind}"], 1)


def test_a_killed_attribution_goes_on_from_its_items_to_the_same_bits(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from empirical.analysis.arms import report_attribution
    from empirical.evaluation.config import EvaluateConfig

    content = {"cohort": str(phantom.folder), "arms": [{"arm": "single"}, {"arm": "duplicate"}], "threads": 1, "split": "val"}
    config, plain, done = EvaluateConfig.model_validate(content), attribution.occlusion, []

    def cheap(*given: object, **settings: object) -> Attribution:
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
    for method in ("integrated_gradients", "occlusion"):
        monkeypatch.setattr(attribution, method, lambda *_, **__: Attribution((np.ones((4, 4)),), 0))
    report_attribution(config, tmp_path / "few")
    assert "patient(s) with a lesion mask: these intervals are too short, or missing" in capsys.readouterr().err
    monkeypatch.setattr(attribution, "occlusion", lambda *_, **__: Attribution((np.full((4, 4), np.nan),), 0))
    with pytest.raises(InputError, match=r"attribution: '.*' by occlusion is not finite"):
        report_attribution(config, tmp_path / "lost", quiet=True)


def test_an_arm_that_does_not_show_the_query_is_left_out_and_said(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from empirical.analysis.arms import report_alignment, report_attribution
    from empirical.evaluation.config import EvaluateConfig

    for method in ("integrated_gradients", "occlusion"):
        monkeypatch.setattr(attribution, method, lambda *_, **__: Attribution((np.ones((4, 4)),), 0))
    blanked = {"arm": "reference_only", "references": {"strategy": "random"}}
    content = {"cohort": str(phantom.folder), "threads": 1}
    for name, report in (("attribution", report_attribution), ("alignment", report_alignment)):
        table = report(EvaluateConfig.model_validate(content | {"arms": [{"arm": "single"}, blanked]}), tmp_path / name)
        assert set(table["run_id"]) == {"single"} and "random: left out, because it does not show the query" in capsys.readouterr().err
        assert json.loads((tmp_path / name / "manifest.json").read_text())["counts"]["without_query:reference_only-random"] > 0
        with pytest.raises(InputError, match=f"{name}: no arm shows the query"):
            report(EvaluateConfig.model_validate(content | {"arms": [blanked]}), tmp_path / "none")


def test_squares_are_painted_on_the_picture_that_stands_in_the_querys_place() -> None:
    vlm, shown = load_vlm(ModelConfig()), pictures()
    encoder = Encoder(vlm.processor, vlm.family, shown.__getitem__)
    example = Example("an item whose own picture is not shown", pair().parts, pair().images, "yes", ("reference",))
    found, plain = (occlusion(vlm, encoder, one, ANSWERS, grid=2) for one in (example, pair()))
    assert np.array_equal(np.stack(found.maps), np.stack(plain.maps))


def test_the_share_of_shifts_is_that_of_all_shifts_around_the_edges() -> None:
    rng = np.random.default_rng(0)
    for shape in ((8, 8), (5, 7)):
        values, mask = rng.normal(size=shape), np.zeros((35, 40), dtype=bool)
        mask[4:15, 20:33] = True
        weights = np.clip(values, 0, None) / np.clip(values, 0, None).sum()
        lesion = attribution._coarse(mask, *shape)
        shifts = [(np.roll(weights, shift, (0, 1)) * lesion).sum() for shift in np.ndindex(*shape)]
        found = lesion_share(values, mask)
        assert found.share == pytest.approx(shifts[0], rel=1e-12)
        assert found.p_value == pytest.approx(np.mean([one >= shifts[0] - 1e-12 for one in shifts]))


def test_attribution_is_divided_between_the_querys_picture_and_all_beside_it() -> None:
    maps = (np.array([[1.0, -1.0]]), np.array([[3.0], [-5.0]]), np.array([[0.0, 2.0]]))
    found = Attribution(maps, query=1).shares()
    assert found["query_share"] == pytest.approx(3 / 6) and found["reference_share"] == pytest.approx(3 / 6)
    assert found["query_share_absolute"] == pytest.approx(8 / 12) and found["reference_share_absolute"] == pytest.approx(4 / 12)
    nothing = Attribution((-np.ones((2, 2)), -np.ones((2, 2))), query=0).shares()
    assert np.isnan(nothing["query_share"]) and np.isnan(nothing["reference_share"]) and nothing["query_share_absolute"] == 0.5
    assert Attribution((np.ones((2, 2)),), query=0).shares()["reference_share"] == 0


def test_the_path_is_divided_only_where_the_log_odds_bend(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the model's log-odds replaced: of a straight line four gradients are exact, of a jump no fixed few are."""
    import torch

    vlm = load_vlm(ModelConfig())
    encoder = Encoder(vlm.processor, vlm.family, pictures().__getitem__)
    level = float(encoder.prompts([pair()])["pixel_values"].mean())

    def straight(vlm: VisionLanguageModel, batch: dict, tokens: list[int]) -> torch.Tensor:
        return batch["pixel_values"].flatten(1)[:, ::7].sum(dim=1)

    def jump(vlm: VisionLanguageModel, batch: dict, tokens: list[int]) -> torch.Tensor:
        rough = (batch["pixel_values"] - level).flatten(1).square().mean(dim=1)  # grows along the path, from that of the blurred pictures
        return torch.sigmoid(400 * (rough - 0.05))

    monkeypatch.setattr(attribution, "_log_odds", straight)
    found = integrated_gradients(vlm, encoder, pair(), ANSWERS)
    assert found.steps == 4 and found.error < 1e-4
    monkeypatch.setattr(attribution, "_log_odds", jump)
    errors = {steps: integrated_gradients(vlm, encoder, pair(), ANSWERS, steps=steps) for steps in (4, 64)}
    assert errors[4].steps == 4 and errors[4].error > 0.1 and 4 < errors[64].steps <= 64 and errors[64].error <= 0.05


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both methods be quick, and put evidence everywhere."""
    for method in ("integrated_gradients", "occlusion"):
        monkeypatch.setattr(attribution, method, lambda *_, **__: Attribution((np.ones((8, 8)),), 0))


def attributed(cohort: Cohort, out: Path, split: str = "test", **settings: object) -> tuple[pd.DataFrame, dict[str, int]]:
    from empirical.analysis.arms import AttributionConfig, report_attribution

    content = {"cohort": str(cohort.folder), "arms": [{"arm": "single"}], "threads": 1, "split": split, **settings}
    report_attribution(AttributionConfig.model_validate(content), out, quiet=True)
    return pd.read_csv(out / "attribution.csv"), json.loads((out / "manifest.json").read_text())["counts"]


def test_sham_places_are_those_of_lesions_and_a_random_place_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from empirical.cohorts.phantom import PhantomConfig, make_phantom

    stand_in(monkeypatch)
    settings = {"n_train": 2, "n_val": 0, "n_test": 20, "size": 32, "lesion": {"width": 2.0, "place": "random"}}
    cohort = make_phantom(PhantomConfig.model_validate(settings), tmp_path / "cohort", seed=0)
    rows, _ = attributed(cohort, tmp_path / "out")
    assert set(rows["place"]) == {"random"}
    one = rows[rows["method"] == "occlusion"].set_index("item_id")
    real, sham = one[one["lesion"] == "real"], one[one["lesion"] == "sham"]
    assert sorted(sham["mask_of"]) == sorted(real.index) and (sham["mask_of"] != sham.index).all()  # each place once on either side
    label = cohort.table.set_index("item_id")["label"]
    assert set(label[real.index]) == {"nodule"} and set(label[sham.index]) == {"healthy"}
    assert len({cohort.mask(item).tobytes() for item in sham["mask_of"]}) > 3  # type: ignore[union-attr]
    again, _ = attributed(cohort, tmp_path / "again")
    other, _ = attributed(cohort, tmp_path / "other", seed=1)
    assert again["mask_of"].tolist() == rows["mask_of"].tolist() != other["mask_of"].tolist()


def test_as_many_queries_as_asked_are_analysed_half_of_them_healthy(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    rows, counts = attributed(phantom, tmp_path / "six", items=6)
    assert rows.groupby(["method", "lesion"])["item_id"].nunique().tolist() == [3, 3, 3, 3] and counts["not_analysed"] == 6
    more, _ = attributed(phantom, tmp_path / "eight", items=8)
    assert set(rows["item_id"]) < set(more["item_id"])
    assert set(attributed(phantom, tmp_path / "all", items=100)[0]["item_id"]) == set(phantom.queries("test")["item_id"])


def test_a_mask_is_never_laid_over_a_query_of_the_same_patient() -> None:
    from empirical.analysis.arms import _deal

    patient = pd.Series({"d1": "p1", "d2": "p2", "h1": "p1", "h2": "p2", "h3": "p3", "h4": "p1"})
    for seed in range(20):
        dealt = _deal(["d1", "d2"], ["h1", "h2", "h3", "h4"], patient, seed)
        assert set(dealt) == {"h1", "h2", "h3", "h4"} and all(patient[owner] != patient[item] for item, owner in dealt.items())
    assert _deal(["d1"], ["h1", "h2"], patient, 0) == {"h2": "d1"}  # no other patient has a mask
    counts = pd.Series(list(_deal(["d1", "d2", "d3"], [f"x{n}" for n in range(7)], _all_others(), 0).values())).value_counts()
    assert sorted(counts) == [2, 2, 3]


def _all_others() -> pd.Series:
    names = ["d1", "d2", "d3", *(f"x{n}" for n in range(7))]
    return pd.Series(names, index=names)


def test_masks_of_a_real_cohort_are_laid_over_healthy_queries_and_lesions_without_a_mask_are_counted(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    table = phantom.table.copy()
    lesions = table.index[(table["split"] == "test") & (table["label"] == "nodule")]
    table.loc[lesions[0], "mask"] = ""
    cohort = Cohort(tmp_path / "cohort", replace(phantom.info, kind="folder", image_root=str(phantom.folder)), table)
    cohort.save()
    rows, counts = attributed(cohort, tmp_path / "out")
    assert set(rows["place"]) == {"observed"} and table.loc[lesions[0], "item_id"] not in {*rows["item_id"], *rows["mask_of"]}
    assert counts["without_mask"] == 1 and counts["not_analysed"] == 1


def test_an_item_without_evidence_counts_against_the_claim_and_the_contrast_is_over_patients() -> None:
    from empirical.analysis.arms import _summary

    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "run_id": "single",
            "method": "occlusion",
            "lesion": ["real", "sham"] * 40,
            "place": "random",
            "patient_id": [f"p{number}" for number in range(80)],
            "share": np.tile([0.3, 0.1], 40) + 0.05 * rng.normal(size=80),
            "expected": 0.1,
            "query_share": 0.7,
            "reference_share": 0.3,
        }
    )
    table.loc[[0, 1], "share"] = np.nan  # one of each
    (row,) = _summary(table, 0).to_dict("records")
    real, sham = (table.loc[table["lesion"] == kind, "share"] for kind in ("real", "sham"))
    assert row["excess"] == pytest.approx((real.sum() / 40) - 0.1) and row["sham"] == pytest.approx((sham.sum() + 0.1) / 40 - 0.1)
    assert row["contrast"] == pytest.approx(row["excess"] - row["sham"]) and row["query_share"] == pytest.approx(0.7)
    error = np.sqrt(real.fillna(0).var() / 40 + sham.fillna(0.1).var() / 40)
    assert [row["contrast_low"], row["contrast_high"]] == pytest.approx(row["contrast"] + np.array([-1.96, 1.96]) * error, abs=0.3 * error)
    (alone,) = _summary(table[table["lesion"] == "real"], 0).to_dict("records")
    assert alone["n_sham"] == 0 and np.isnan([alone["sham"], alone["contrast"], alone["contrast_low"]]).all()
    for kind in ("real", "sham"):  # of one patient there is no spread, and so no interval of the difference
        of_kind = table["lesion"] == kind
        (few,) = _summary(table[~of_kind | (table["patient_id"] == table.loc[of_kind, "patient_id"].iloc[3])], 0).to_dict("records")
        assert np.isfinite(few["contrast"]) and np.isnan([few["contrast_low"], few["contrast_high"]]).all()
