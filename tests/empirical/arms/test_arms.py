"""Every arm on the same items: what is shown, in which words, and to whom it belongs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from empirical.arms import ARMS, ArmConfig, assign_references, build_examples
from empirical.arms.build import build_with_draws
from empirical.arms.catalogue import ArmName
from empirical.arms.images import image_source, other_cohort_name, synthetic_name
from empirical.cohorts import Cohort
from empirical.evaluation.config import EvaluateConfig
from empirical.evaluation.evaluate import evaluate
from empirical.prompts.example import Example
from empirical.prompts.templates import PromptConfig
from empirical.training.config import FinetuneConfig
from empirical.training.finetune import finetune
from see_in_pairs.errors import InputError

RELATIVE: dict[str, Any] = {"strategy": "demographic", "columns": ["family"], "caliper": {}}
CONTROLS = [
    "duplicate", "blank", "noise", "fixed", "diseased", "wrong_modality", "reversed", "unlabelled", "text", "question_only",
    "reference_only",
]  # fmt: skip


@pytest.fixture(scope="module")
def skin(phantom: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Another modality: the phantom's pictures under another name."""
    folder = tmp_path_factory.mktemp("skin")
    table = phantom.table.assign(item_id="skin-" + phantom.table["item_id"], patient_id="skin-" + phantom.table["patient_id"])
    other = Cohort(folder, replace(phantom.info, modality="dermatoscopic image", image_root=str(phantom.folder)), table)
    other.save()
    return other


def settings(arm: str, skin: Cohort, **more: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"arm": arm, **more}
    if arm in ("pair", "reversed", "unlabelled", "reference_only"):
        content.setdefault("references", RELATIVE)
    if arm == "multi":
        content["references"] = RELATIVE | {"m": 2}
    if arm == "wrong_modality":
        content["other_cohort"] = str(skin.folder)
    return content


def built(phantom: Cohort, skin: Cohort, arm: str, split: str = "test", **more: Any) -> list[Example]:
    return build_examples(phantom, split, ArmConfig.model_validate(settings(arm, skin, **more)), PromptConfig(), seed=3)


def words(example: Example) -> str:
    return " ".join(part.text for part in example.parts)


def test_there_are_three_arms_of_the_claim_and_the_controls() -> None:
    assert list(ARMS) == ["single", "pair", "multi", *CONTROLS] == list(get_args(ArmName))
    for arm in ARMS.values():
        assert arm.isolates and arm.shows
    assert all(any(f"({numeral})" in ARMS[name].isolates for numeral in ("i", "ii", "iii", "iv", "v", "vi")) for name in CONTROLS)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_shows_every_query_once_and_asks_about_it(phantom: Cohort, skin: Cohort, arm: str, split: str) -> None:
    queries = phantom.queries(split)
    examples = built(phantom, skin, arm, split)
    assert [example.item_id for example in examples] == list(queries["item_id"])
    assert [example.answer for example in examples] == ["yes" if label != "healthy" else "no" for label in queries["label"]]
    for example in examples:
        kinds = [part.kind for part in example.parts if part.kind != "text"]
        assert kinds.count("query") == (arm != "question_only") and len(kinds) == len(example.images)
        if arm != "question_only":
            query = example.images[kinds.index("query")]
            assert query == (example.item_id if arm != "reference_only" else f"//blank//0//{example.item_id}")
        assert len(example.reference_patient_ids) == len(example.reference_ids)
        assert "Does the query show a nodule? Answer yes or no." in words(example)


def test_controls_show_what_their_names_say(phantom: Cohort, skin: Cohort) -> None:
    items = phantom.table.set_index("item_id")
    shown = {arm: {example.item_id: example for example in built(phantom, skin, arm)} for arm in ARMS}
    for item in phantom.queries("test")["item_id"]:
        pair, own = shown["pair"][item], items.loc[item]
        assert shown["text"][item].images == shown["single"][item].images == (item,)
        assert shown["duplicate"][item].images == (item, item)
        assert shown["reversed"][item].images == pair.images[::-1] and shown["reversed"][item].reference_ids == pair.reference_ids
        assert shown["unlabelled"][item].images == pair.images
        assert shown["reference_only"][item].images == (pair.images[0], shown["blank"][item].images[0])
        assert shown["reference_only"][item].parts == pair.parts and item not in shown["reference_only"][item].images
        (sick,) = shown["diseased"][item].reference_ids
        assert items.loc[sick, "label"] != "healthy" and items.loc[sick, "split"] == "train"
        assert items.loc[sick, "patient_id"] != own["patient_id"]
        (elsewhere,) = shown["wrong_modality"][item].reference_ids
        assert elsewhere.startswith("skin-") and elsewhere not in items.index
        assert shown["wrong_modality"][item].reference_patient_ids[0].startswith("skin-")
        assert shown["blank"][item].reference_ids == shown["noise"][item].reference_ids == shown["question_only"][item].images == ()
    for arm, examples in shown.items():
        said = words(examples[item])
        assert ("healthy" in said) == (arm not in ("single", "unlabelled", "question_only"))
        assert ("Compare" in said) == (arm not in ("single", "question_only"))


@pytest.mark.parametrize("arm", ["pair", "reversed", "text"])
def test_a_benign_control_is_not_called_healthy(phantom: Cohort, skin: Cohort, arm: str) -> None:
    benign = replace(phantom, info=replace(phantom.info, control="benign"))
    said = {words(example) for example in built(benign, skin, arm)}
    assert all("benign" in text and "healthy" not in text for text in said)


def test_one_fixed_reference_for_all_but_its_own_family(phantom: Cohort, skin: Cohort) -> None:
    items = phantom.table.set_index("item_id")
    for seed in range(6):
        assignment = assign_references(phantom, "test", ArmConfig(arm="fixed"), seed=seed)
        assert assignment is not None
        table = assignment.table
        (usual,) = table.loc[table["note"] == "fixed: the one", "reference_id"].unique()
        family = items.loc[table["item_id"], "family"].to_numpy() == items.loc[usual, "family"]
        assert family.sum() == 1
        assert (table["reference_id"].to_numpy()[~family] == usual).all()
        assert (items.loc[table.loc[family, "reference_id"], "family"] != items.loc[usual, "family"]).all()


def test_one_fixed_reference_for_each_site(phantom: Cohort) -> None:
    table = phantom.table.assign(site=[f"s{int(family[-1]) % 2}" if family else "s0" for family in phantom.table["family"]])
    assignment = assign_references(replace(phantom, table=table), "test", ArmConfig(arm="fixed", per_site=True), seed=0)
    assert assignment is not None
    site = table.set_index("item_id")["site"]
    chosen = assignment.table
    assert (site[chosen["item_id"]].to_numpy() == site[chosen["reference_id"]].to_numpy()).all()
    usual = chosen[chosen["note"].str.startswith("fixed: the one for site")]
    assert usual.groupby(usual["item_id"].map(site))["reference_id"].nunique().tolist() == [1, 1]
    nowhere = table.assign(site=table["site"].where(table["split"] != "test", "s9"))
    with pytest.raises(InputError, match="has no reference of another patient at site 's9'"):
        assign_references(replace(phantom, table=nowhere), "test", ArmConfig(arm="fixed", per_site=True), seed=0)


def test_made_up_pictures(phantom: Cohort, skin: Cohort) -> None:
    source, item = image_source(phantom), phantom.queries("test")["item_id"][0]
    query = np.asarray(phantom.image(item).convert("L"), dtype=float)
    pictures = {arm: np.asarray(source(built(phantom, skin, arm)[0].images[0])) for arm in ("blank", "noise", "wrong_modality")}
    assert np.unique(pictures["blank"]).tolist() == [128] and pictures["blank"].shape == (*query.shape, 3)
    noise = pictures["noise"][..., 0].astype(float)
    tolerance = 4 * query.std() / np.sqrt(query.size) + 0.5  # sampling, and rounding to whole levels; few levels are clipped
    assert abs(noise.mean() - query.mean()) < tolerance and abs(noise.std() - query.std()) < tolerance
    neighbours = np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]
    assert abs(neighbours) < 4 / np.sqrt(noise[:, 1:].size)
    other = built(phantom, skin, "wrong_modality")[0]
    assert np.array_equal(pictures["wrong_modality"], np.asarray(skin.image(other.reference_ids[0])))
    again = np.asarray(source(built(phantom, skin, "noise")[0].images[0]))
    next_one = np.asarray(source(built(phantom, skin, "noise")[1].images[0]))
    assert np.array_equal(again, pictures["noise"]) and not np.array_equal(next_one, pictures["noise"])


@pytest.mark.parametrize(
    "content",
    [
        {"arm": "reversed"}, {"arm": "unlabelled"}, {"arm": "wrong_modality"}, {"arm": "blank", "references": {}},
        {"arm": "text", "references": {}}, {"arm": "fixed", "references": {"m": 2}}, {"arm": "pair", "references": {}, "per_site": True},
        {"arm": "single", "other_cohort": "x"}, {"arm": "upside_down"},
    ],
)  # fmt: skip
def test_arms_that_contradict_themselves_are_refused(content: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ArmConfig.model_validate(content)


def test_what_would_be_no_control_is_refused(phantom: Cohort) -> None:
    with pytest.raises(InputError, match="of the same modality"):
        assign_references(phantom, "test", ArmConfig(arm="wrong_modality", other_cohort=str(phantom.folder)), seed=0)
    arm = ArmConfig.model_validate({"arm": "reversed", "references": RELATIVE})
    with pytest.raises(InputError, match=r"shows the images in the same order as prompts\.pair"):
        build_examples(phantom, "test", arm, PromptConfig(pair="pair_query_first"), seed=0)
    with pytest.raises(InputError, match="arm 'blank' has no references, so it cannot have several"):
        build_with_draws(phantom, ArmConfig(arm="blank"), PromptConfig(), seed=0, draws=2)


def test_all_arms_are_scored_in_one_run(phantom: Cohort, skin: Cohort, tmp_path: Path) -> None:
    arms = [settings(arm, skin) for arm in ARMS]
    config = EvaluateConfig.model_validate({"cohort": str(phantom.folder), "arms": arms, "threads": 1, "doctor": False})
    table = evaluate(config, tmp_path / "run", quiet=True).table
    assert list(table["arm"].unique()) == list(ARMS)
    assert (table.groupby("arm")["item_id"].apply(list).map(tuple) == tuple(phantom.queries("test")["item_id"])).all()
    strategies = table.groupby("arm")["reference_strategy"].first()
    assert strategies[["single", "text", "pair", "diseased", "noise"]].tolist() == ["", "", "demographic", "random", "noise"]
    first = table[table["item_id"] == table["item_id"][0]].set_index("arm")
    assert first["p_positive"].nunique() == len(ARMS)  # no two arms show the same
    assert first.loc["wrong_modality", "reference_patient_ids"][0].startswith("skin-")


def test_a_query_that_one_arm_leaves_out_is_left_out_of_all(phantom: Cohort, tmp_path: Path) -> None:
    table = phantom.table.copy()
    lonely = table.index[table["split"] == "test"][:2]
    table.loc[lonely, "family"] = ["alone-1", "alone-2"]
    folder = tmp_path / "cohort"
    folder.mkdir()
    Cohort(folder, replace(phantom.info, image_root=str(phantom.folder)), table).save()
    pair = {"arm": "pair", "references": RELATIVE | {"unmatched": "leave_out"}}
    config = {"cohort": str(folder), "arms": [{"arm": "single"}, pair], "threads": 1, "doctor": False}
    records = evaluate(EvaluateConfig.model_validate(config), tmp_path / "run", quiet=True).table
    left = set(table.loc[lonely, "item_id"])
    assert len(records) == 2 * (12 - 2) and not left & set(records["item_id"])
    assert '"left_out": 2' in (tmp_path / "run" / "manifest.json").read_text()


def test_pair_augmentation_shows_each_query_beside_different_references_in_turn(phantom: Cohort, tmp_path: Path) -> None:
    arm = {"arm": "pair", "references": RELATIVE}
    base = {"cohort": str(phantom.folder), "arm": arm, "method": "full", "steps": 11, "batch_size": 4, "threads": 1, "doctor": False}
    plans = {}
    for number in (1, 2):
        finetune(FinetuneConfig.model_validate(base | {"references_per_query": number}), tmp_path / str(number), quiet=True)
        plans[number] = pd.read_parquet(tmp_path / str(number) / "plan.parquet")
    assert list(plans[1]["item_id"]) == list(plans[2]["item_id"])  # the same queries in the same steps
    for number, plan in plans.items():
        shown = plan.assign(reference=plan["reference_ids"].str[0])
        assert (
            shown.groupby("item_id")["reference"].nunique().clip(upper=number) == shown.groupby("item_id").size().clip(upper=number)
        ).all()
        repeats = shown.groupby("item_id")["reference"].apply(list)
        for references in repeats:
            assert all(references[k] == references[k % number] for k in range(len(references)))
    with pytest.raises(InputError, match="2 of 3 references match"):
        build_with_draws(phantom, ArmConfig.model_validate(arm), PromptConfig(), seed=0, draws=3)  # a family has two relatives


def test_a_control_can_be_trained_as_an_arm_of_its_own(phantom: Cohort, skin: Cohort, tmp_path: Path) -> None:
    arm = "wrong_modality"
    training = {
        "cohort": str(phantom.folder),
        "arm": settings(arm, skin),
        "method": "full",
        "steps": 1,
        "batch_size": 2,
        "threads": 1,
        "doctor": False,
    }
    model = finetune(FinetuneConfig.model_validate(training), tmp_path / "run", quiet=True)
    scoring = {"cohort": str(phantom.folder), "arms": [settings(arm, skin)], "model": {"name": str(model)}, "threads": 1, "doctor": False}
    assert set(evaluate(EvaluateConfig.model_validate(scoring), tmp_path / "eval", quiet=True).table["train_arm"]) == {arm}


def test_images_are_read_once_as_long_as_they_fit(phantom: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    items = phantom.table["item_id"].tolist()[:4]
    reads: Counter[str] = Counter()
    plain = type(phantom).image
    monkeypatch.setattr(type(phantom), "image", lambda cohort, item: reads.update([item]) or plain(cohort, item))
    first = phantom.image(items[0])
    monkeypatch.setattr("empirical.arms.images.KEPT_BYTES", 3 * first.width * first.height * 2)  # two of them
    reads.clear()
    source = image_source(phantom)
    for _ in range(3):
        assert all(source(item).tobytes() == plain(phantom, item).tobytes() for item in items)
    assert [reads[item] for item in items] == [1, 1, 3, 3]


def test_synthetic_images_and_those_of_another_cohort_are_made_once_from_images_that_are_kept(
    phantom: Cohort, skin: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, other = phantom.queries("test")["item_id"][0], skin.table["item_id"].iloc[0]
    reads: Counter[str] = Counter()
    plain = type(phantom).image
    monkeypatch.setattr(type(phantom), "image", lambda cohort, name: reads.update([name]) or plain(cohort, name))
    source = image_source(phantom)
    names = [item, synthetic_name("blank", item), synthetic_name("noise", item, 3), other_cohort_name(str(skin.folder), other)]
    first = [source(name) for name in names]
    assert all(source(name) is image for name, image in zip(names, first, strict=True))  # pixel_cache knows images by their object
    assert reads == {item: 1, other: 1}
