"""From a crossed scoring to the numbers that the theory takes in, by one command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paper_figures.cli import app
from paper_figures.results.variance_components import Components, Likeness, read_components, read_likeness
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
    assert (alike.diseased, alike.healthy, alike.seeds, alike.note) == (50, 50, 2, "") and alike.d.low < D < alike.d.high
    assert found.beta.low < 1.5 < found.beta.high and found.beta.high - found.beta.low < 1


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
    assert content["likeness"]["note"].startswith("3 of 40 queries share their reference with another")
    plan = content["likeness"]["plan"].split()[1:]
    assert run_app(app, [*plan, "--json"]) == 0 and json.loads(capsys.readouterr().out)


def test_intervals_of_separations_cover(tmp_path: Path) -> None:
    """Of 400 intervals of 95 %, fewer than 363 hold the truth by chance once in 7,000."""
    from paper_figures.results.variance_components import _difference, _separation

    rng, label, held = np.random.default_rng(0), np.arange(40) % 2 == 0, np.zeros(2)
    for _ in range(400):
        score = rng.normal(size=40) + D * label
        held[0] += (d := _separation(pd.DataFrame({"query": score, "label": label}))).low <= D <= d.high
        logits = score[:, None, None] + rng.normal(size=(1, 3, 2)) + rng.normal(size=(40, 3, 2))
        held[1] += (beta := _difference(logits, label)).low <= D <= beta.high
    assert (held >= 363).all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reference": 1.0}, "scores do not vary within class"),
        ({"reference": lambda rows: rows["query"]}, "no plan: query and reference have the same scores"),
        ({"query": lambda rows: -rows["query"]}, "no plan: the single image does not separate the classes"),
        ({"query": lambda rows: rows["query"].mask((rows["seed"] == 0) & (rows["patient_id"] == 3))}, "1 of 40 pairs have a score that is"),
        ({"label": True}, "at least two of each class"),
        ({"reference_id": lambda rows: rows["reference_id"] + rows["seed"].astype(str)}, "the models chose different ones"),
    ],
)
def test_where_rho_has_no_value_it_is_said_and_the_components_stand(
    changes: dict[str, object], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crossed(tmp_path, patients=6, references=2, seeds=2)
    paired(tmp_path, patients=20)
    pd.read_parquet(tmp_path / "paired.parquet").assign(**changes).to_parquet(tmp_path / "paired.parquet")  # type: ignore[arg-type]
    assert run_app(app, ["analyse", "components", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert said in shown and "6 patients x 2 references x 2 seeds" in shown and "nan" not in shown


def test_small_variances_are_not_shown_as_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crossed(tmp_path, patients=20)
    table = pd.read_parquet(tmp_path / "crossed.parquet")
    for scale in (1.0, 1e-3):
        table.assign(logit=scale * table["logit"]).to_parquet(tmp_path / "crossed.parquet")
        assert run_app(app, ["analyse", "components", str(tmp_path)]) == 0
    plain, small = capsys.readouterr().out.split("paired logit of")[1:]
    rows = [[line.split("patient   ")[1].split()[0] for line in text.splitlines() if "patient   " in line] for text in (plain, small)]
    assert float(rows[1][0]) == pytest.approx(1e-6 * float(rows[0][0]), rel=0.05)
    table.assign(logit=1.0).to_parquet(tmp_path / "crossed.parquet")
    assert run_app(app, ["analyse", "components", str(tmp_path)]) == 0 and "patient             0.000" in capsys.readouterr().out


def test_a_lost_logit_or_column_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crossed(tmp_path, patients=6, references=2, seeds=2)
    paired(tmp_path, patients=20)
    table = pd.read_parquet(tmp_path / "crossed.parquet")
    table.assign(logit=table["logit"].mask(table.index == 5)).to_parquet(tmp_path / "crossed.parquet")
    assert run_app(app, ["analyse", "components", str(tmp_path)]) == 0
    assert "1 of 24 logits are not finite" in capsys.readouterr().out
    pd.read_parquet(tmp_path / "paired.parquet").drop(columns="query").to_parquet(tmp_path / "paired.parquet")
    assert run_app(app, ["analyse", "components", str(tmp_path)]) == 2 and "has no column query" in capsys.readouterr().err
