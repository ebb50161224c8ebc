"""From a crossed scoring to the numbers that the theory takes in, by one command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paper_figures.cli import app
from paper_figures.components import Components, Likeness, read_components, read_likeness
from see_in_pairs.console import run_app

TRUTH = {"P": 1.0, "PR": 0.3, "PS": 0.2, "E": 0.1}
RHO, D = 0.6, 1.0


def crossed(folder: Path, patients: int = 100, references: int = 10, seeds: int = 3) -> None:
    rng = np.random.default_rng(0)
    shape, label = (patients, references, seeds), np.arange(patients) % 2 == 0
    logit = 1.5 * label[:, None, None] + rng.normal(size=(1, references, seeds))  # what all patients share is taken out
    for name, axes in {"P": (patients, 1, 1), "PR": (patients, references, 1), "PS": (patients, 1, seeds), "E": shape}.items():
        logit = logit + np.sqrt(TRUTH[name]) * rng.normal(size=axes)
    index = pd.MultiIndex.from_product([range(size) for size in shape], names=["patient_id", "reference_id", "seed"])
    table = pd.DataFrame({"logit": logit.ravel()}, index=index).reset_index()
    table.assign(label=label[table["patient_id"]]).to_parquet(folder / "crossed.parquet")


def paired(folder: Path, patients: int = 100, each: int = 1, models: int = 2, shared: int = 0) -> None:
    rng = np.random.default_rng(1)
    label = np.arange(patients) % 2 == 0
    healthy = rng.multivariate_normal([0, 0], [[1, RHO], [RHO, 1]], size=patients)
    rows = [
        {
            "item_id": f"{patient:03d}-{k}",
            "reference_id": "same" if patient < shared else f"r{patient}",
            "patient_id": patient,
            "seed": seed,
        }
        | {"label": bool(label[patient]), "query": healthy[patient, 0] + D * label[patient] + sign, "reference": healthy[patient, 1] - sign}
        for patient in range(patients)
        for k in range(each)
        for seed in range(models)
        for sign in [(-1) ** seed if models > 1 else 0]
    ]
    pd.DataFrame(rows).sample(frac=1, random_state=0).to_parquet(folder / "paired.parquet")


def test_enough_patients_and_references_give_a_useful_interval(tmp_path: Path) -> None:
    crossed(tmp_path)
    found = read_components(tmp_path)
    assert isinstance(found, Components) and (found.patients, found.references, found.seeds, found.note) == (100, 10, 3, "")
    for name, interval in found.variances.items():
        assert interval.low < TRUTH[name] < interval.high and interval.high - interval.low < 0.7 * TRUTH[name]
    paired(tmp_path)
    alike = read_likeness(tmp_path)
    assert isinstance(alike, Likeness) and alike.rho.low < RHO < alike.rho.high and alike.rho.high - alike.rho.low < 0.3
    assert (alike.diseased, alike.healthy, alike.seeds, alike.note) == (50, 50, 2, "") and abs(alike.d - D) < 4 * np.sqrt(4 / 100)


def test_a_patient_counts_once_and_scores_are_averaged_over_models(tmp_path: Path) -> None:
    found = []
    for name, settings in {"one": {"models": 1}, "models": {"models": 2}, "several": {"each": 3}}.items():
        (tmp_path / name).mkdir()
        paired(tmp_path / name, **settings)
        found.append(read_likeness(tmp_path / name))
    one, models, several = (alike for alike in found if isinstance(alike, Likeness))
    assert one.rho.estimate == pytest.approx(models.rho.estimate) == pytest.approx(several.rho.estimate)
    assert one.rho.low == pytest.approx(several.rho.low)  # more items of the same patients do not narrow it


def test_what_limits_the_numbers_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["analyse", "components", str(tmp_path)]
    assert run_app(app, command) == 2 and "no crossed.parquet; make it with" in capsys.readouterr().err
    crossed(tmp_path, patients=20, seeds=1)
    assert run_app(app, command) == 0
    shown = capsys.readouterr().out
    assert "give 'models' that were finetuned with different seeds" in shown and "'analyse crossed' with 'pairing'" in shown
    crossed(tmp_path, patients=20)
    paired(tmp_path, patients=40, shared=3)
    assert run_app(app, [*command, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert "fewer than 30 patients of each class" in content["components"]["note"] and set(content["components"]["variances"]) == set(TRUTH)
    assert content["likeness"]["note"].startswith("2 of 40 references stand beside several queries")
    plan = content["likeness"]["plan"].split()[1:]
    assert run_app(app, [*plan, "--json"]) == 0 and json.loads(capsys.readouterr().out)
