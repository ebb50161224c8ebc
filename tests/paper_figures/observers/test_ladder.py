"""The ladder of observers on small phantoms: it finds what is there, and says what it cannot."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from empirical.cohorts.phantom import PhantomConfig, PhantomTruth, make_phantom
from paper_figures.cli import app
from paper_figures.observers.config import ObserversConfig
from paper_figures.observers.ladder import FEATURES, IDEAL, LEARNED, LIMIT, MODEL, build_ladder
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from theory.models.channelized import channel_profiles
from theory.models.ideal_observers import hotelling

RELATIVES = {"strategy": "demographic", "columns": ["family"]}
SMALL = {"channels": {"number": 5, "width": 9, "side": 17}, "references": RELATIVES, "train_patients": [20, 60], "trainings": 10}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    config = PhantomConfig(size=32, n_train=240, n_val=2, n_test=240, rho=0.9, lesion={"detectability": 1.6, "width": 2})
    return make_phantom(config, tmp_path_factory.mktemp("phantom") / "cohort", seed=3)


@pytest.fixture(scope="module")
def ladder(phantom):
    return build_ladder(phantom, ObserversConfig(**SMALL), seed=0)


def of(table, source, observer, patients=None):
    rows = table[(table["source"] == source) & (table["observer"] == observer)]
    return rows[rows["train_patients"] == patients].iloc[0] if patients else rows.iloc[0]


def test_the_channels_with_many_patients_are_what_the_true_covariances_say(phantom, ladder):
    truth = PhantomTruth.load(phantom.folder / "truth.npz")
    row, column = np.round(truth.centre).astype(int)
    side, reach = 17, 8
    channels = np.zeros((5, *truth.shape))
    patch = channel_profiles((side, side), number=5, width=9).reshape(5, side, side)
    channels[:, row - reach : row + reach + 1, column - reach : column + reach + 1] = patch
    flat = channels.reshape(5, -1)
    known = hotelling(flat @ truth.signal, flat @ truth.covariance() @ flat.T, flat @ truth.cross_covariance() @ flat.T)
    for name in ("single", "difference", "joint"):
        found = of(ladder.areas, LIMIT, name)
        assert found["low"] - 0.01 <= known.auc(name) <= found["high"] + 0.01
        assert known.auc(name) <= of(ladder.areas, IDEAL, name)["value"] + 1e-9


def test_few_patients_are_enough_with_a_relative(ladder):
    """At 20 patients the difference gains, and more patients make every observer better."""
    gained = of(ladder.gains, LEARNED, "difference", 20)
    assert gained["low"] > 0 and gained["trainings"] == 10
    for name in ("single", "difference", "joint"):
        few, many = (of(ladder.areas, LEARNED, name, size)["value"] for size in (20, 60))
        assert few < many < of(ladder.areas, IDEAL, name)["value"] + 0.03
    assert len(ladder.trainings) == 3 * 2 * 10
    mean = ladder.trainings.groupby(["observer", "train_patients"])["auroc"].mean()
    assert mean["single", 60] == pytest.approx(of(ladder.areas, LEARNED, "single", 60)["value"])


def test_a_stranger_gives_nothing(phantom, ladder):
    found = build_ladder(phantom, ObserversConfig(**(SMALL | {"references": {"strategy": "random"}, "train_patients": [60]})), seed=0)
    assert of(found.gains, LEARNED, "difference", 60)["high"] < 0
    assert of(found.gains, LIMIT, "joint")["high"] < of(ladder.gains, LIMIT, "joint")["low"]


def test_a_lesion_at_a_random_place_is_searched(tmp_path):
    config = PhantomConfig(size=32, n_train=120, n_val=2, n_test=120, rho=0.9, lesion={"detectability": 4, "width": 2, "place": "random"})
    cohort = make_phantom(config, tmp_path / "cohort", seed=3)
    settings = SMALL | {"scanned": 30, "train_patients": [100], "observers": ["difference", "single"]}
    found = build_ladder(cohort, ObserversConfig(**settings), seed=0)
    assert LIMIT not in set(found.areas["source"])
    assert 0.55 < of(found.areas, LEARNED, "single", 100)["value"] < of(found.areas, LEARNED, "difference", 100)["value"]
    with pytest.raises(InputError, match="are at random places"):
        build_ladder(cohort, ObserversConfig(**settings, place="known"), seed=0)


def test_features_and_a_study_stand_on_the_same_ladder(phantom, tmp_path):
    rows = [dict(cohort="mine", arm=arm, n_train=60, auroc=0.8, low=0.7, high=0.9) for arm in ("single", "pair", "duplicate")]
    pd.DataFrame(rows).to_csv(tmp_path / "study.csv", index=False)
    settings = SMALL | {"features": {"name": "pocket-random"}, "study": tmp_path, "study_cohort": "mine", "trainings": 3}
    found = build_ladder(phantom, ObserversConfig(**settings), seed=0)
    assert set(found.areas["source"]) == {IDEAL, LIMIT, LEARNED, FEATURES, MODEL}
    assert of(found.areas, MODEL, "joint", 60)["value"] == 0.8
    assert "these trainings" in of(found.areas, LEARNED, "single", 60)["method"]
    with pytest.raises(InputError, match="study_cohort: 'other' has no trained arm"):
        build_ladder(phantom, ObserversConfig(**(settings | {"study_cohort": "other", "features": None})), seed=0)


def test_the_command(phantom, tmp_path, capsys):
    typed = ["observers", str(phantom.folder), "--config", "phantom-relatives", "--out", str(tmp_path / "out"), "--json", "--quiet"]
    changes = ["--set", "channels={number: 5, width: 9, side: 17}", "--set", "train_patients=[10, 40]", "--set", "trainings=3"]
    assert run_app(app, [*typed, *changes]) == 0
    printed = json.loads(capsys.readouterr().out)
    table = pd.read_csv(tmp_path / "out" / "observers.csv")
    assert len(printed["areas"]) == len(table)
    assert not ((table["observer"] == "joint") & (table["train_patients"] == 10)).any()  # ten channels cannot be learned from ten patients
    assert {path.name for path in (tmp_path / "out" / "figures").iterdir()} >= {"observers.png", "observers.pdf", "observers.csv"}
    before = (tmp_path / "out" / "observers.csv").read_bytes()
    assert run_app(app, [*typed, *changes]) == 0
    assert (tmp_path / "out" / "observers.csv").read_bytes() == before


def test_what_was_not_learned_is_said(phantom, capsys):
    settings = SMALL | {"train_patients": [8, 20, 1000], "trainings": 2, "observers": ["single", "joint"]}
    build_ladder(phantom, ObserversConfig(**settings), seed=0, quiet=False)
    said = capsys.readouterr().err
    assert "channelised, joint: not learned from 8 training patients (more weights than patients)" in said
    assert "channelised, single: not learned from 1000 training patients (the cohort has fewer of a class)" in said
    with pytest.raises(InputError, match="nothing can be learned; the cohort has"):
        build_ladder(phantom, ObserversConfig(**(settings | {"train_patients": [1000]})), seed=0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("channels.side=40", "must be odd"),
        ("observers=[both]", "observers"),
        ("train_patients=[]", "train_patients"),
        ("place=here", "place"),
        ("centre=[5, 0.5]", "between 0 and 1"),
        ("study=nowhere", "no such file"),
    ],
)
def test_a_wrong_setting_is_one_line(phantom, tmp_path, capsys, change, words):
    assert run_app(app, ["observers", str(phantom.folder), "--out", str(tmp_path / "out"), "--set", change]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
