"""Fresh noise and joint shifts of the rows of a training, validation on a share of its patients, and further healthy cases."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from empirical.arms.images import image_area, image_source
from empirical.cohorts import Cohort
from empirical.cohorts.phantom import PhantomConfig, make_phantom
from empirical.prompts.example import Example
from empirical.training.callbacks import validations_without_fall
from empirical.training.config import AugmentationConfig, FinetuneConfig
from empirical.training.data_order import DataOrder, TrainingData, augmented_rows, planned_examples
from empirical.training.finetune import finetune
from empirical.training.trainer import AnswerTrainer
from empirical.vlm.inference.encoder import Encoder
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from tests.helpers.configs import PAIR, finetune_config

settings = partial(finetune_config, method="full")
SINGLE = {"arm": "single"}
FAMILY = {"strategy": "demographic", "columns": ["family"], "caliper": {}}


def planned(cohort: Cohort, config: FinetuneConfig) -> TrainingData:
    return planned_examples(cohort, DataOrder.of(config), config.arm, config.prompts, config.model)


def pixels(cohort: Cohort, name: str) -> np.ndarray:
    return np.asarray(image_source(cohort)(name), dtype=float)[..., 0]


def rows(
    cohort: Cohort, augmentation: dict[str, float], arm: dict[str, object] = PAIR, seed: int = 0
) -> tuple[list[Example], list[Example]]:
    examples = planned(cohort, settings(cohort, arm=arm)).examples
    return examples, augmented_rows(examples, AugmentationConfig.model_validate(augmentation), seed)


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Twelve training families of a query and three relatives."""
    config = PhantomConfig(n_train=12, n_val=0, n_test=8, relatives=3)
    return Cohort.load(make_phantom(config, tmp_path_factory.mktemp("families"), seed=3, quiet=True).folder)


def test_query_and_reference_are_shifted_alike(families: Cohort) -> None:
    plain, shown = rows(families, {"shift": 3})
    moves = set()
    for before, after in zip(plain, shown, strict=True):
        own = []
        for old, new in zip(before.images, after.images, strict=True):
            a, b = pixels(families, old), pixels(families, new)
            inner = b[3:-3, 3:-3]
            fits = [(d, r) for d in range(-3, 4) for r in range(-3, 4) if np.array_equal(a[3 - d : 61 - d, 3 - r : 61 - r], inner)]
            assert len(fits) == 1
            own += fits
        assert own[0] == own[1]
        moves.add(own[0])
        assert (after.item_id, after.reference_ids, after.answer) == (before.item_id, before.reference_ids, before.answer)
    assert len(moves) > 10 and {abs(by) for move in moves for by in move} == {0, 1, 2, 3}


def test_what_a_shift_leaves_free_is_filled_from_the_edge(families: Cohort) -> None:
    plain, shown = rows(families, {"shift": 4})
    for before, after in zip(plain, shown, strict=True):
        a, b = pixels(families, before.images[0]), pixels(families, after.images[0])
        down, right = map(int, after.images[0].split("//")[2].split(",")[2:])
        place = [np.clip(np.arange(64) - by, 0, 63) for by in (down, right)]
        assert np.array_equal(b, a[np.ix_(*place)])


def test_noise_has_the_asked_spread_and_is_new_in_every_row_and_image(families: Cohort) -> None:
    plain, shown = rows(families, {"noise_sd": 4.0})
    added = [
        pixels(families, new) - pixels(families, old)
        for a, b in zip(plain, shown, strict=True)
        for old, new in zip(a.images, b.images, strict=True)
    ]
    middle = np.stack(added)
    assert np.std(middle) == pytest.approx(np.sqrt(16 + 1 / 12), rel=0.03) and np.mean(middle) == pytest.approx(0, abs=0.05)
    correlations = np.corrcoef(middle.reshape(len(added), -1)) - np.eye(len(added))
    assert np.abs(correlations).max() < 5 / 64  # 4,096 pixels: standard error 1/64
    colour = np.asarray(image_source(families)(shown[0].images[0]))
    assert (colour[..., 0] == colour[..., 2]).all()  # a gray image stays gray


def test_rows_depend_on_the_seed_and_their_place_alone(families: Cohort) -> None:
    plain, shown = rows(families, {"noise_sd": 2, "shift": 2})
    assert shown == rows(families, {"noise_sd": 2, "shift": 2})[1]
    other = rows(families, {"noise_sd": 2, "shift": 2}, seed=1)[1]
    assert all(a.images != b.images for a, b in zip(shown, other, strict=True))
    assert shown[:5] == augmented_rows(plain[:5], AugmentationConfig(noise_sd=2, shift=2), 0)
    single = rows(families, {"noise_sd": 2, "shift": 2}, arm=SINGLE)[1]
    query = [
        next(name for name, part in zip(one.images, [p for p in one.parts if p.kind != "text"], strict=True) if part.kind == "query")
        for one in shown
    ]
    assert query == [one.images[0] for one in single]  # the same queries, noise and shifts in both arms


def test_a_duplicate_stays_a_duplicate_and_a_blank_stays_blank(families: Cohort) -> None:
    twice = rows(families, {"noise_sd": 3, "shift": 2}, arm={"arm": "duplicate"})[1]
    assert all(one.images[0] == one.images[1] for one in twice)
    plain, blank = rows(families, {"noise_sd": 3, "shift": 2}, arm={"arm": "blank"})
    for before, after in zip(plain, blank, strict=True):
        assert sum(a == b for a, b in zip(before.images, after.images, strict=True)) == 1  # the gray picture
        assert len(np.unique(pixels(families, next(name for name in after.images if "blank" in name)))) == 1
    assert image_area(families, twice[0].images[0]) == 64 * 64


def test_a_training_with_augmentation_shows_new_pictures_and_resumes_to_the_same_weights(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(phantom, augmentation={"noise_sd": 3, "shift": 2}, steps=4, save_every=2)
    seen: list[str] = []
    plain = Encoder.with_answers

    def stops(self: Encoder, examples: list[Example], *rest: object, **options: object) -> object:
        seen.extend(name for example in examples for name in example.images)
        if len(seen) > 3 * 4 * 2:
            raise RuntimeError("killed")
        return plain(self, examples, *rest, **options)

    monkeypatch.setattr(Encoder, "with_answers", stops)
    with pytest.raises(RuntimeError, match="killed"):
        finetune(config, tmp_path / "killed", quiet=True)
    assert len(set(seen)) == len(seen)
    monkeypatch.undo()
    models = [finetune(config, tmp_path / name, quiet=True) for name in ("killed", "whole")]
    files = [(model / "model.safetensors").read_bytes() for model in models]
    assert files[0] == files[1]
    without = finetune(config.model_copy(update={"augmentation": None}), tmp_path / "without", quiet=True)
    assert (without / "model.safetensors").read_bytes() != files[0]


def test_stored_features_are_left_out_with_augmentation_or_refused(
    phantom: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finetune(settings(phantom, method="lora", augmentation={"shift": 1}, steps=1), tmp_path / "run")
    assert "augmentation: every row shows new pictures, so features of the frozen vision tower are not stored" in capsys.readouterr().err
    file = tmp_path / "config.yaml"
    file.write_text(
        settings(phantom, method="lora", augmentation={"shift": 1}).model_copy(update={"features_folder": "f"}).model_dump_json()
    )
    from paper_figures.cli import app

    assert run_app(app, ["finetune", str(file), "--out", str(tmp_path / "no")]) == 2
    error = capsys.readouterr().err.strip()
    assert "leave out features_folder" in error and len(error.splitlines()) == 1


def test_settings_that_are_not_used_leave_the_identity_of_a_run_as_it_was(phantom: Cohort) -> None:
    dumped = json.dumps(settings(phantom, early_stopping={"every": 2}).model_dump(mode="json"))
    assert not any(f'"{key}"' in dumped for key in ("augmentation", "share", "within", "extra_healthy"))
    with pytest.raises(InputError, match="give noise_sd or shift"):
        from see_in_pairs.configs import parse_config

        parse_config(AugmentationConfig, {}, "x")


@pytest.mark.parametrize("n_train", [6, None])
def test_a_share_of_the_patients_validates_and_is_counted(families: Cohort, n_train: int | None) -> None:
    config = settings(families, n_train=n_train, steps=20, early_stopping={"share": 0.34})
    data = planned(families, config)
    shown, validate = {one.item_id for one in data.examples}, [one.item_id for one in data.validation]
    label = families.table.set_index("item_id")["label"]
    per_class = round(0.34 * (n_train or 12) / 2)
    assert label[validate].value_counts().tolist() == [per_class, per_class]
    assert not shown & set(validate) and data.patients == (n_train or 12) == len(shown) + len(validate)
    every = planned(families, settings(families, n_train=n_train, steps=20))
    assert shown | set(validate) == {one.item_id for one in every.examples} and every.validation == []
    other = planned(families, config.model_copy(update={"seed": 5}))
    assert {one.item_id for one in other.validation} != set(validate)


def test_a_class_of_one_patient_cannot_validate(families: Cohort) -> None:
    with pytest.raises(InputError, match="only one training patient of class"):
        planned(families, settings(families, n_train=2, early_stopping={"share": 0.2}))


def test_easy_items_of_patients_who_validate_are_not_shown(phantom: Cohort) -> None:
    config = settings(phantom, steps=20, curriculum={}, early_stopping={"share": 0.25})
    data = planned(phantom, config)
    patient = phantom.table.set_index("item_id")["patient_id"]
    assert not {patient[one.item_id] for one in data.examples} & {patient[one.item_id] for one in data.validation}


def test_patience_counts_once_the_plateau_is_left() -> None:
    flat, fallen = [0.346, 0.35, 0.347, 0.36, 0.351], [0.30, 0.25, 0.27, 0.26]
    assert validations_without_fall(flat, 0) == 4  # as transformers counts
    assert validations_without_fall(flat, 0, below=0.34) == 0
    assert [validations_without_fall(flat + fallen[:n], 0, below=0.34) for n in range(1, 5)] == [0, 0, 1, 2]
    assert validations_without_fall([0.3, 0.4, 0.4], 0, below=0.34) == 2  # it stays left
    assert validations_without_fall([1.0, 0.95, 0.94], least=0.02) == 1  # best before, not best that counted


def test_a_training_that_never_leaves_the_plateau_is_not_stopped(phantom: Cohort, tmp_path: Path) -> None:
    stop = {"every": 1, "patience": 1, "share": 0.25}
    flat = settings(phantom, learning_rate=1e-9, steps=6, n_train=12, early_stopping=stop | {"within": 0.9})
    finetune(flat, tmp_path / "whole", quiet=True)
    looks = pd.read_csv(tmp_path / "whole" / "validation.csv")
    assert len(looks) == 6
    manifest = json.loads((tmp_path / "whole" / "manifest.json").read_text())
    record = json.loads((tmp_path / "whole" / "model" / "training.json").read_text())
    assert record["n_train"] == manifest["n_train"] == 12 and manifest["n_validation"] == 4
    assert manifest["validation_plateau_loss"] == pytest.approx(np.log(2) / 2)
    finetune(
        flat.model_copy(update={"early_stopping": flat.early_stopping.model_copy(update={"within": None, "least": 5.0})}),
        tmp_path / "cut",
        quiet=True,
    )
    assert len(pd.read_csv(tmp_path / "cut" / "validation.csv")) == 2


@pytest.mark.parametrize(("losses", "kept"), [([0.30, 0.31, 0.32, 0.33], 8), ([0.30, 0.1, 0.05, 0.33], 6), ([0.1, 0.31, 0.32, 0.33], 2)])
def test_weights_of_the_plateau_are_not_kept_as_the_best(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, losses: list[float], kept: int
) -> None:
    def said(self: AnswerTrainer, model: object, inputs: object, *rest: object, **options: object) -> tuple[torch.Tensor, None, None]:
        return torch.tensor(losses[self.state.global_step // 2 - 1]), None, None

    monkeypatch.setattr(AnswerTrainer, "prediction_step", said)
    stop = {"every": 2, "patience": 9, "within": 0.2}  # the plateau is at .347: it is left under .277
    config = settings(phantom, steps=8, early_stopping=stop, keep_checkpoints=True)
    model = finetune(config, tmp_path / "run", quiet=True)
    assert pd.read_csv(tmp_path / "run" / "validation.csv")["eval_loss"].tolist() == pytest.approx(losses)
    right = tmp_path / "run" / "checkpoints" / f"checkpoint-{kept}" / "model.safetensors"
    assert (model / "model.safetensors").read_bytes() == right.read_bytes()
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["weights_of_step"] == kept
    card = (model / "README.md").read_text()
    assert f"the weights are those of {'step 8' if kept == 8 else 'that step'}" in card
    assert ("did not count since it was on the plateau" in card) == (kept == 8)


def test_a_killed_run_stops_where_the_whole_one_does(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(phantom, steps=20, learning_rate=1e-9, early_stopping={"every": 1, "patience": 3, "least": 5.0})
    finetune(config, tmp_path / "whole", quiet=True)
    from empirical.training.callbacks import MarkComplete

    plain, saves = MarkComplete.on_save, []

    def stops(self: MarkComplete, *rest: object, **options: object) -> None:
        plain(self, *rest, **options)  # type: ignore[arg-type]
        saves.append(1)
        if len(saves) == 3:
            raise RuntimeError("killed")

    monkeypatch.setattr(MarkComplete, "on_save", stops)
    with pytest.raises(RuntimeError, match="killed"):
        finetune(config, tmp_path / "killed", quiet=True)
    monkeypatch.undo()
    finetune(config, tmp_path / "killed", quiet=True)
    counts = [len(pd.read_csv(tmp_path / name / "validation.csv")) for name in ("whole", "killed")]
    assert counts == [4, 4]


def test_references_are_further_healthy_cases_and_classes_stay_balanced(families: Cohort) -> None:
    arm = {"arm": "single", "extra_healthy": FAMILY | {"m": 3}}
    plain = planned(families, settings(families, n_train=6, steps=30, arm=SINGLE)).examples
    data = planned(families, settings(families, n_train=6, steps=30, arm=arm))
    table = families.table.set_index("item_id")
    assert [one.answer for one in data.examples] == [one.answer for one in plain]
    healthy = pd.Series([one.item_id for one in data.examples if one.answer == "no"]).value_counts()
    family = table["family"]
    own = set(family[[one.item_id for one in plain]])
    wanted = {
        item
        for item in table.index
        if family[item] in own and (table.loc[item, "split"] == "reference" or table.loc[item, "label"] == "healthy")
    }
    assert set(healthy.index) == wanted and len(wanted) == 6 * 3 + 3 and healthy.max() - healthy.min() <= 1
    assert data.extra_healthy == 18 and data.patients == 6
    assert all(one.images == (one.item_id,) and one.reference_ids == () for one in data.examples)
    diseased = [(a, b) for a, b in zip(plain, data.examples, strict=True) if a.answer == "yes"]
    assert diseased and all(a == b for a, b in diseased)
    beside = planned(families, settings(families, n_train=6, steps=30, references_per_query=3))
    assert wanted - {one.item_id for one in plain} == {name for one in beside.examples for name in one.reference_ids}  # as the pair shows


def test_further_healthy_cases_are_trained_on_and_recorded(phantom: Cohort, tmp_path: Path) -> None:
    finetune(settings(phantom, arm={"arm": "single", "extra_healthy": FAMILY}, n_train=6, steps=4), tmp_path / "run", quiet=True)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["n_train"] == 6 and manifest["n_extra_healthy"] == 6
    with pytest.raises(ValueError, match="arm 'pair' does not take extra_healthy"):
        settings(phantom, arm=PAIR | {"extra_healthy": FAMILY})
