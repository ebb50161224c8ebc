from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from empirical.analysis.crossed import CrossedConfig, choose_crossed, crossed_scores
from empirical.arms import ArmConfig, build_examples
from empirical.cohorts import Cohort
from empirical.prompts.templates import PromptConfig, prompt_hash
from empirical.vlm.config import ModelConfig
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.inference.scoring import answer_log_probabilities
from empirical.vlm.loading import load_vlm
from empirical.vlm.pocket import PocketConfig, build_pocket
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from theory.models.variance_components import crossed_components, logits_of, paired_correlation


@pytest.fixture(scope="module")
def config(phantom: Cohort, tmp_path_factory: pytest.TempPathFactory) -> CrossedConfig:
    models = []
    for seed in range(2):
        folder = tmp_path_factory.mktemp("model")
        build_pocket(folder, PocketConfig(seed=seed))
        models.append({"name": str(folder)})
    pairing = {"strategy": "demographic", "columns": ["family"], "caliper": {}}
    content = {
        "cohort": str(phantom.folder),
        "models": models,
        "patients": 3,
        "references": 4,
        "pairing": pairing,
        "batch_size": 4,
        "threads": 1,
    }
    return CrossedConfig.model_validate(content)


@pytest.fixture(scope="module")
def folder(config: CrossedConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("crossed")
    crossed_scores(config, out, quiet=True)
    return out


def test_every_combination_occurs_once_and_the_theory_takes_it_in(folder: Path, config: CrossedConfig) -> None:
    logits, labels = logits_of(pd.read_parquet(folder / "crossed.parquet"))
    assert logits.shape == (6, 4, 2) and labels.sum() == 3
    found = crossed_components(logits, labels)
    assert np.isfinite([found.P, found.PR, found.PS, found.E]).all()
    pairs = pd.read_parquet(folder / "paired.parquet")
    assert pairs.groupby("seed").size().tolist() == [12, 12]
    one = pairs[pairs["seed"] == 0]
    rho = paired_correlation(one["query"], one["reference"], one["label"])
    assert -1 <= rho.low <= rho.estimate <= rho.high <= 1


def test_one_command_goes_from_the_scores_to_the_plan(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from paper_figures.cli import app

    assert run_app(app, ["analyse", "components", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "6 patients x 4 references x 2 seeds" in shown and "of 6 diseased and 6 healthy queries" in shown
    assert "rho 0." in shown or "rho −0." in shown


def test_a_logit_is_the_one_that_evaluation_gives(folder: Path, config: CrossedConfig, phantom: Cohort) -> None:
    table = pd.read_parquet(folder / "crossed.parquet")
    arm = ArmConfig.model_validate({"arm": "pair", "references": {"strategy": "random"}})
    (template, *_) = build_examples(phantom, "test", arm, PromptConfig(), seed=0)
    vlm = load_vlm(ModelConfig(name=config.models[1].name))
    encoder = Encoder(vlm.processor, vlm.family, phantom.image)
    for row in table[table["seed"] == 1].sample(3, random_state=0).itertuples():
        example = replace(template, item_id=row.item_id, images=(row.reference_id, row.item_id))
        yes, no = answer_log_probabilities(vlm.model, encoder, [example], ("yes", "no"))[0]
        assert row.logit == pytest.approx(yes - no, abs=1e-4)


def test_references_are_nobodys_relatives(config: CrossedConfig, phantom: Cohort) -> None:
    queries, references = choose_crossed(phantom, config)
    assert queries["positive"].sum() == 3 and not queries["patient_id"].duplicated().any()
    assert (references["split"] == "reference").all() and set(references["serves"]) <= {"test", ""}
    assert not set(queries["patient_id"]) & set(references["patient_id"]) and not set(queries["family"]) & set(references["family"])
    again = choose_crossed(phantom, config)
    assert again[0]["item_id"].tolist() == queries["item_id"].tolist() and again[1]["item_id"].tolist() == references["item_id"].tolist()


def test_finished_models_are_kept(folder: Path, config: CrossedConfig) -> None:
    piece = folder / "pieces" / "0.crossed.parquet"
    stamp = piece.stat().st_mtime_ns
    before = pd.read_parquet(folder / "crossed.parquet")
    (folder / "pieces" / "1.crossed.parquet").unlink()
    damaged = folder / "pieces" / "1.paired.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    assert crossed_scores(config, folder, quiet=True).equals(before)
    assert piece.stat().st_mtime_ns == stamp


def test_the_cohort_is_audited_and_references_are_put_down(folder: Path, phantom: Cohort) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["audit"] is not None and manifest["allowed"] == []
    assert manifest["counts"] == {f"{what}:pairing-{seed}": 0 for seed in (0, 1) for what in ("unmatched", "left_out")} | {"not_scored": 0}
    assert len(pd.read_parquet(folder / "references" / "pairing-1.parquet")) == len(phantom.queries("test"))


def test_a_killed_run_goes_on_with_what_it_counted(
    folder: Path, config: CrossedConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from empirical.vlm import loading

    plain, loaded = loading.load_vlm, []

    def killed(model: ModelConfig) -> object:
        if loaded:
            raise SystemExit  # by which nothing is written, as by a kill
        loaded.append(model)
        return plain(model)

    with monkeypatch.context() as patched:
        patched.setattr(loading, "load_vlm", killed)
        with pytest.raises(SystemExit):
            crossed_scores(config, tmp_path, quiet=True)
    crossed_scores(config, tmp_path, quiet=True)
    counts = [json.loads((done / "manifest.json").read_text())["counts"] for done in (folder, tmp_path)]
    assert counts[0] == counts[1]
    for name in ("crossed.parquet", "paired.parquet"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_an_image_that_was_changed_since_stops_a_resumed_run(config: CrossedConfig, phantom: Cohort, tmp_path: Path) -> None:
    copytree(phantom.folder, tmp_path / "cohort")
    copied = config.model_copy(update={"cohort": str(tmp_path / "cohort"), "models": config.models[:1], "pairing": None})
    shown = crossed_scores(copied, tmp_path / "out", quiet=True)["item_id"].iloc[0]
    file = Cohort.load(tmp_path / "cohort").image_path(shown)
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(InputError, match="not the image that was imported"):
        crossed_scores(copied, tmp_path / "out", quiet=True)


def test_logits_that_are_no_numbers_are_counted_and_end_the_run(
    config: CrossedConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from empirical.vlm.inference.batch_scorer import BatchScorer

    scores = BatchScorer.scores
    monkeypatch.setattr(BatchScorer, "scores", lambda self, examples: (np.full_like(scores(self, examples)[0], np.nan), []))
    one = config.model_copy(update={"models": config.models[:1], "pairing": None})
    with pytest.raises(InputError, match="24 logits are not finite"):
        crossed_scores(one, tmp_path, quiet=True)
    assert json.loads((tmp_path / "manifest.json").read_text())["counts"]["not_scored"] == 24


def test_a_class_that_a_draw_of_one_query_a_patient_leaves_empty_is_too_few(config: CrossedConfig, phantom: Cohort) -> None:
    table = phantom.table.copy()
    sick = table["label"].isin(phantom.info.positive) & (table["split"] == "test")
    healthy = table.index[~sick & (table["split"] == "test")]
    table.loc[sick, "patient_id"] = table.loc[healthy[0], "patient_id"]  # the one diseased patient has a healthy image, too
    cohort, found = replace(phantom, table=table), set()
    for seed in range(40):
        with pytest.raises(InputError, match=r"has [01] of one") as error:
            choose_crossed(cohort, config.model_copy(update={"seed": seed}))
        found.add("has 0 of one" in str(error.value))
    assert found == {False, True}  # a draw of either kind is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [({"patients": 99}, r"99 of each class asked for, .* set patients: \d+"), ({"references": 99}, "references: 99 asked for")],
)
def test_too_few_are_said_to_be_few(config: CrossedConfig, phantom: Cohort, change: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose_crossed(phantom, config.model_copy(update=change))


def test_what_is_no_pair_of_trainings_is_refused(config: CrossedConfig, tmp_path: Path) -> None:
    twice = config.model_copy(update={"models": config.models[:1] * 2})
    with pytest.raises(InputError, match="two have the same weights"):
        crossed_scores(twice, tmp_path / "out", quiet=True)
    models = []
    for seed, arm in enumerate(("single", "pair")):
        copytree(config.models[seed].name, tmp_path / arm)
        record = {"train_seed": seed, "train_arm": arm, "prompt_hash": prompt_hash(PromptConfig())}
        (tmp_path / arm / "training.json").write_text(json.dumps(record))
        models.append(ModelConfig(name=str(tmp_path / arm)))
    with pytest.raises(InputError, match=r"differ in more than their seed \(train_arm: single, pair\)"):
        crossed_scores(config.model_copy(update={"models": tuple(models)}), tmp_path / "out", quiet=True)
    asked = {"models": tuple(models[:1]), "prompts": PromptConfig(positive="present")}
    with pytest.raises(InputError, match="finetuned with other prompts or answers"):
        crossed_scores(config.model_copy(update=asked), tmp_path / "out", quiet=True)
    with pytest.raises(ValidationError, match=r"pairing.m: .* one reference"):
        CrossedConfig.model_validate(config.model_dump() | {"pairing": {"strategy": "random", "m": 2}})


def test_models_of_one_seed_are_refused(config: CrossedConfig, phantom: Cohort, tmp_path: Path) -> None:
    from empirical.training.config import FinetuneConfig
    from empirical.training.finetune import finetune

    training = {"cohort": str(phantom.folder), "arm": {"arm": "single"}, "steps": 1, "batch_size": 2, "doctor": False, "seed": 1}
    model = finetune(FinetuneConfig.model_validate(training), tmp_path / "run", quiet=True)
    twice = config.model_copy(update={"models": (ModelConfig(name=str(model)),) * 2})
    with pytest.raises(InputError, match=r"training seeds occur twice \(1, 1\)"):
        crossed_scores(twice, tmp_path / "out", quiet=True)
