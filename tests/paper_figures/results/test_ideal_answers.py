"""Ideal observers of the phantom's own questions: against whole pictures of a made cohort, theory, and the binary observer."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import logsumexp

from empirical.cohorts import Cohort
from empirical.cohorts.phantom import PhantomConfig, PhantomTruth, make_phantom
from empirical.cohorts.phantom.findings import FindingsTruth
from paper_figures.cli import app
from paper_figures.observers.answers_figure import draw_answers
from paper_figures.results.ideal_answers import ANY, NOTHING, REST, ideal_answers
from paper_figures.results.ideal_observer import cohort_auroc, ideal_detectability
from see_in_pairs.configs import parse_config
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError

KINDS = {"spot": {"width": 1.5}, "ring": {"profile": "ring", "width": 2.5}}
CHEST = {"size": 32, "n_train": 0, "n_val": 0, "n_test": 4, "prevalence": 0.75, "rho": 0.8}
PATIENTS = 20_000


def made(folder: Path, findings: dict[str, object], **changes: object) -> Cohort:
    settings = parse_config(PhantomConfig, CHEST | {"findings": {"kinds": KINDS} | findings} | changes, "phantom.yaml")
    return make_phantom(settings, folder, seed=5)


def row(table: pd.DataFrame, question: str, knows: str, measure: str, observer: str) -> pd.Series:
    (found,) = table[
        (table["question"] == question) & (table["knows"] == knows) & (table["measure"] == measure) & (table["observer"] == observer)
    ].to_dict("records")
    return pd.Series(found)


def test_one_kind_at_one_place_is_the_binary_ideal_observer(tmp_path: Path) -> None:
    one = {"kinds": {"spot": {"width": 1.5, "detectability": 1.2}}, "regions": {"lung": {"centre": [0.36, 0.7], "side": "left"}}}
    cohort = made(tmp_path / "several", one, prevalence=0.5)
    lesion = {"width": 1.5, "detectability": 1.2, "centre": [0.36, 0.7]}
    binary = make_phantom(parse_config(PhantomConfig, CHEST | {"lesion": lesion}, "phantom.yaml"), tmp_path / "one", seed=5)
    known = ideal_detectability(PhantomTruth.load(binary.folder / "truth.npz"))
    table = ideal_answers(cohort.folder, [0.8], PATIENTS, seed=0)
    for observer in ("single", "difference", "joint"):
        for question in ("spot", ANY):
            area, accuracy = (row(table, question, NOTHING, measure, observer) for measure in ("macro_auroc", "accuracy"))
            assert area["value"] == pytest.approx(known.auc(observer), abs=1e-9) and area["mcse"] == 0
            assert accuracy["value"] == pytest.approx(0.5 * math.erfc(-getattr(known, observer) / 2 / math.sqrt(2)), abs=1e-9)
    assert row(table, ANY, REST, "accuracy", "joint")["theory"] == pytest.approx(row(table, ANY, NOTHING, "accuracy", "joint")["value"])


@pytest.mark.parametrize("modality", ["chest", "fundus"])
def test_bayes_on_the_written_pictures_reaches_what_was_computed(modality: str, tmp_path: Path) -> None:
    findings = {"severity": {"mild": 0.8, "marked": 1.4}, "several": 0.25}
    shares = {"demographic": 0.9, "site": 0.2, "field": 0.7, "noise": 0.4}
    cohort = made(tmp_path, findings, modality=modality, n_test=1500, shares=shares, size=32)
    truth, found = PhantomTruth.load(tmp_path / "truth.npz"), FindingsTruth.load(tmp_path)
    items = list(cohort.queries("test")["item_id"])
    x, y = (
        np.stack([np.asarray(Image.open(cohort.image_path(item + end)), dtype=float).ravel() for item in items]) - truth.mean
        for end in ("", "-r1")
    )
    sigma, cross = truth.covariance(), truth.cross_covariance()
    prediction = np.linalg.solve(sigma, cross).T
    weights, prior, cases = found.hypotheses()
    means = weights @ found.signals(truth.shape)
    table = ideal_answers(tmp_path, [0.3], PATIENTS, seed=1)
    assert table["rho"].isna().all()  # shared unequally: only its own
    asked = cohort.questions.set_index(["question_id", "item_id"])["answer"]
    for observer, data, spread in (("single", x, sigma), ("joint", x - y @ prediction.T, sigma - prediction @ cross.T)):
        whitened = np.linalg.solve(spread, means.T)
        logs = data @ whitened - np.einsum("hp,ph->h", means, whitened) / 2 + np.log(prior)
        for one in found.questions():
            answers = np.array([found.answer(one, case) or "" for case in cases])
            posterior = np.stack([logsumexp(logs[:, answers == choice], axis=1) for choice in one.choices], axis=1)
            given = [asked.get((one.question_id, item)) for item in items]
            kept = np.array([answer is not None for answer in given])
            right = np.array(one.choices)[posterior.argmax(axis=1)][kept] == np.array([answer for answer in given if answer is not None])
            expected = row(table, one.question_id, NOTHING, "accuracy", observer)
            error = np.hypot(np.sqrt(right.mean() * (1 - right.mean()) / kept.sum()), expected["mcse"])
            assert abs(right.mean() - expected["value"]) < 4 * error, (observer, one.question_id)


def test_places_far_apart_are_t16_and_kinds_at_one_place_are_not_quite(tmp_path: Path) -> None:
    cohort = made(tmp_path, {}, prevalence=2 / 3)
    table = ideal_answers(cohort.folder, [0.5, 0.9], 40_000, seed=2)
    location = table[(table["question"] == "location") & (table["knows"] == REST) & (table["measure"] == "accuracy")]
    assert len(location) == 6
    assert (np.abs(location["value"] - location["theory"]) < 4 * location["mcse"] + 0.005).all()  # neighbours are not quite unlike
    kind = table[(table["question"] == "kind") & (table["measure"] == "accuracy") & (table["rho"] == 0.5)]
    truth, found = PhantomTruth.load(tmp_path / "truth.npz"), FindingsTruth.load(tmp_path)
    spot, ring = (found.signal(truth.shape, kind, 0, 0) for kind in (0, 1))
    assert spot @ truth.whiten(ring) < -0.1  # less alike than at right angles, so they are told apart better than by T16
    known = kind[kind["knows"] == REST]
    assert (known["value"] > known["theory"] + 2 * known["mcse"]).all() and (known["value"] < known["theory"] + 0.03).all()
    assert kind.loc[kind["knows"] == NOTHING, "theory"].isna().all()
    joint = table[(table["observer"] == "joint") & (table["measure"] != "grade_error")]
    assert (joint["gain"] > -4 * joint["gain_mcse"]).all()
    rises = joint.pivot(index=["question", "knows", "measure"], columns="rho", values="gain")
    assert (rises[0.9] > rises[0.5] + 0.02).all()
    halves = table[(table["observer"] == "difference") & (table["rho"] == 0.5)]
    assert (halves["gain"].abs() < 4 * halves["gain_mcse"]).all()  # T16: the difference gains from one half on, whatever K


def test_the_command_writes_table_figure_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort = made(tmp_path / "cohort", {"severity": {"mild": 0.8, "marked": 1.4}})
    changes = ["--set", "answers.rho=[0, 0.8]", "--set", "answers.replicates=1000", "--quiet"]
    command = ["observers", str(cohort.folder), "--config", "several-findings", "--out", str(tmp_path / "out"), *changes]
    assert run_app(app, [*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["answers"]
    table = pd.read_csv(tmp_path / "out" / "answers.csv")
    assert len(told) == len(table) and set(table["question"]) == {ANY, "spot", "ring", "kind", "location", "laterality", "severity"}
    assert {"answers.png", "answers.pdf", "answers.csv"} <= {file.name for file in (tmp_path / "out" / "figures").iterdir()}
    assert set(table.loc[table["measure"] == "grade_error", "question"]) == {"severity"}
    zero = table[table["rho"] == 0]
    assert (zero.loc[zero["observer"] == "joint", "gain"].abs() < 1e-9).all()  # a stranger tells nothing


def test_a_phantom_that_shows_one_thing_only_is_refused_and_one_question_is_drawn(tmp_path: Path) -> None:
    healthy = made(tmp_path / "healthy", {}, prevalence=0.0)
    with pytest.raises(InputError, match="no question has two answers"):
        ideal_answers(healthy.folder, [0.5], 1000, seed=0)
    one = {"kinds": {"spot": {"width": 1.5}}, "regions": {"lung": {"centre": [0.36, 0.7], "side": "left"}}}
    graded = made(tmp_path / "graded", one | {"severity": {"mild": 0.8, "marked": 1.4}}, prevalence=1.0)
    table = ideal_answers(graded.folder, [0.0, 0.8], 1000, seed=0)
    assert set(table["question"]) == {"severity"}
    assert "severity (3 answers)" in [axes.get_title(loc="left") for axes in draw_answers(table, "title").axes]


def test_observers_of_one_lesion_refuse_several_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort = made(tmp_path / "cohort", {})
    assert cohort_auroc(cohort, tmp_path / "cache.json") is None
    assert run_app(app, ["observers", str(cohort.folder), "--out", str(tmp_path / "out")]) == 2
    assert "--config several-findings" in capsys.readouterr().err
    plain = make_phantom(parse_config(PhantomConfig, CHEST | {"lesion": {"width": 1.5}}, "phantom.yaml"), tmp_path / "plain", seed=0)
    with pytest.raises(InputError, match="only phantoms made with 'findings'"):
        ideal_answers(plain.folder, [0.5], 1000, seed=0)
