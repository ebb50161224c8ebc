"""Variation over wordings, references and trainings: components against a known truth, changes by brute force, the whole path."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from empirical.evaluation.records import COLUMNS, Records, write_records
from paper_figures.cli import app
from paper_figures.results.answer_variation import answer_variation, changed_share, logit_components
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from see_in_pairs.roc import auroc


def test_components_are_those_that_were_put_in() -> None:
    """Two crossed factors beside items, 400 draws: each variance within 4 standard errors of its mean."""
    rng, truth = np.random.default_rng(5), {1: (0.6, 0.8), 3: (0.3, 0.5)}
    found: dict[int, list[tuple[float, float]]] = {1: [], 3: []}
    for _ in range(400):
        logit = rng.normal(0, 2, (60, 1, 1, 1)) + rng.normal(0, 0.4, (60, 5, 1, 4))
        logit += rng.normal(0, 0.6, (1, 5, 1, 1)) + rng.normal(0, 0.8, (60, 5, 1, 1))
        logit += rng.normal(0, 0.3, (1, 1, 1, 4)) + rng.normal(0, 0.5, (60, 1, 1, 4))
        for axis, of in found.items():
            of.append(logit_components(logit, axis, [1, 3], np.ones(60)))
    for axis, of in found.items():
        squares = np.array(of) ** 2
        mcse = squares.std(axis=0, ddof=1) / 20
        assert (np.abs(squares.mean(axis=0) - np.array(truth[axis]) ** 2) < 4 * mcse).all()


def test_weights_count_items_as_often_as_if_they_were_there() -> None:
    logit = np.random.default_rng(1).normal(size=(7, 3, 1, 2))
    weights = np.array([0, 1, 2, 1, 0, 3, 1.0])
    repeated = np.repeat(logit, weights.astype(int), axis=0)
    assert logit_components(logit, 1, [1, 3], weights) == pytest.approx(logit_components(repeated, 1, [1, 3], np.ones(8)))


def test_changed_answers_are_counted_over_all_pairs_of_levels() -> None:
    answer = np.random.default_rng(2).integers(0, 3, (6, 4, 2, 3))
    for axis in (1, 2, 3):
        moved = np.moveaxis(answer, axis, 1)
        pairs = list(itertools.combinations(range(moved.shape[1]), 2))
        by_hand = np.mean([(moved[:, a] != moved[:, b]).reshape(6, -1).mean(axis=1) for a, b in pairs], axis=0)
        assert np.allclose(changed_share(answer, axis), by_hand)


def records(
    rng: np.random.Generator, shift: float, seed: int = 0, items: int = 40, wordings: int = 4, arms: tuple[str, ...] = ("pair",)
) -> Records:
    """Binary items of 20 patients in several wordings, of which each shifts all logits by `shift` times a normal number."""
    label = np.arange(items) % 2 == 0
    base, rows = rng.normal(0, 1, items) + np.where(label, 1, -1), []
    for arm in arms:
        for wording in range(wordings):
            logits = base + shift * rng.normal() + rng.normal(0, 0.2, items)
            for item, (logit, sick) in enumerate(zip(logits, label, strict=True)):
                yes = -math.log1p(math.exp(-logit))
                row: dict[str, object] = dict.fromkeys(COLUMNS, "") | {
                    "run_id": arm, "arm": arm, "item_id": f"i{item:02}", "patient_id": f"p{item // 2}",
                    "label": "ill" if sick else "healthy",
                    "answer": "yes" if sick else "no", "scale": "binary", "wording": f"w{wording}", "seed": seed, "train_seed": pd.NA,
                    "n_train": pd.NA, "p_positive": math.exp(yes), "logp": {"yes": yes, "no": yes - logit}, "mass_outside": 0.0,
                    "score_seconds": 0.1, "reference_ids": [], "reference_patient_ids": [], "generated": None, "parsed": None,
                }  # fmt: skip
                rows.append(row)
    return Records(pd.DataFrame(rows), ("ill",), "healthy")


def test_the_whole_path_from_records_to_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng, made = np.random.default_rng(3), []
    for seed in (0, 1, 2):
        made.append(records(rng, 0.5, seed, arms=("single", "pair")))
        write_records(tmp_path / f"{seed}.parquet", made[-1])
    paths = [str(tmp_path / f"{seed}.parquet") for seed in (0, 1, 2)]
    table = answer_variation(paths, "pair", "single").set_index(["of", "factor"])
    assert list(table.index) == [(of, factor) for of in ("pair", "single", "pair minus single") for factor in ("wording", "references")]
    whole = pd.concat([one.table for one in made])
    areas = {
        key: auroc(rows["p_positive"].to_numpy(), (rows["label"] == "ill").to_numpy())
        for key, rows in whole.groupby(["arm", "wording", "seed"])
    }
    by_wording = [np.mean([areas["pair", f"w{wording}", seed] for seed in range(3)]) for wording in range(4)]
    assert table.loc[("pair", "wording"), "sd"] == pytest.approx(np.std(by_wording, ddof=1))
    gains = [np.mean([areas["pair", f"w{w}", s] - areas["single", f"w{w}", s] for w in range(4)]) for s in range(3)]
    assert table.loc[("pair minus single", "references"), "sd"] == pytest.approx(np.std(gains, ddof=1))
    assert math.isnan(table.loc[("pair minus single", "references"), "changed"])
    assert (table["sd_low"] < table["sd"]).all() and (table["sd"] < table["sd_high"]).all()
    assert run_app(app, ["analyse", "variation", *paths, "--arm", "pair", "--json", "-"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["factor"] for row in rows] == ["wording", "references"] and rows[0]["enough"] >= 1
    assert run_app(app, ["analyse", "variation", *paths]) == 0
    assert "share of answers that change" in capsys.readouterr().out


def test_more_levels_are_asked_for_where_wordings_matter_more(tmp_path: Path) -> None:
    enough = []
    for shift in (0.1, 3.0):
        one = records(np.random.default_rng(4), shift, wordings=6)
        answers = one.table.assign(p_positive=np.nan, scale="nominal")  # accuracy: a shift of all items does not change an AUROC
        write_records(tmp_path / f"{shift}.parquet", Records(answers, ("ill",), "healthy"))
        table = answer_variation([tmp_path / f"{shift}.parquet"], "pair")
        assert table["measure"].tolist() == ["accuracy"]
        enough.append(float(table["enough"].iloc[0]))
    assert enough[0] < enough[1]


def test_what_cannot_be_told_is_one_line(tmp_path: Path) -> None:
    one = records(np.random.default_rng(6), 0.5)
    write_records(tmp_path / "all.parquet", one)
    write_records(tmp_path / "part.parquet", Records(one.table.iloc[:-1], ("ill",), "healthy"))
    write_records(tmp_path / "still.parquet", one.of(wording="w0"))
    for path, arm, says in (
        ("all.parquet", "pairs", "no arm or run 'pairs'.*did you mean"),
        ("part.parquet", "pair", "159 rows for 40 items and 4 wordings, 1 seeds, 1 trainings"),
        ("still.parquet", "pair", "nothing varies"),
    ):
        with pytest.raises(InputError, match=says):
            answer_variation([tmp_path / path], arm)
    with pytest.raises(InputError, match="--question x: no such question"):
        answer_variation([tmp_path / "all.parquet"], "pair", question="x")
    with pytest.raises(InputError, match="occur twice"):
        answer_variation([tmp_path / "all.parquet"] * 2, "pair")
