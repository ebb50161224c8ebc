"""Strategies compared at inserted lesions: what is shared is found, what is not is not, and nothing is learned from a tested patient."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage, stats

from empirical.cohorts import CohortInfo
from empirical.cohorts.importing import assemble
from empirical.cohorts.insertion import InsertConfig, insert_lesions
from paper_figures.cli import app
from paper_figures.observers import strategies
from paper_figures.observers.config import ObserversConfig
from paper_figures.observers.strategies import (
    LesionPairs,
    Ranged,
    cells,
    compare_strategies,
    explained_at_lesion,
    shared_correlation,
    verdict,
)
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError

CHANNELS = 3


def drawn(
    rho: float, patients: int = 120, each: int = 4, index: float = 1.5, pool: int = 40, seed: int = 0, own: bool = False
) -> LesionPairs:
    """Outputs whose query and reference correlate by rho in every channel; references of a pool of patients, or each patient's own."""
    rng, n = np.random.default_rng(seed), patients * each
    who, label = np.repeat(np.arange(patients), each), np.tile(np.arange(each) % 2 == 0, patients)
    other = rng.integers(pool, size=n)
    reference = rng.standard_normal((n, CHANNELS)) + 50  # gray levels are not centred
    query = rho * reference + np.sqrt(1 - rho**2) * rng.standard_normal((n, CHANNELS))
    query[:, 0] += index * label
    names = np.array([f"p{number}" for number in who])
    owners = names if own else np.array([f"r{number}" for number in other])
    return LesionPairs(query, reference, label, names, owners, owners, names, 0, np.arange(n).astype(str))


def row(table: pd.DataFrame, strategy: str, observer: str) -> pd.Series:
    return table[(table["strategy"] == strategy) & (table["observer"] == observer)].iloc[0]


@pytest.mark.parametrize("own", [False, True])
def test_a_shared_background_is_measured(own: bool) -> None:
    pairs, rho, index = drawn(0.8, own=own), 0.8, 1.5
    rows = pd.DataFrame(strategies._strategy(pairs, "near", ObserversConfig(strategies={"near": {}}), seed=0))
    joint, difference = (rows[rows["observer"] == name].iloc[0] for name in ("joint", "difference"))
    assert joint["rho_low"] < rho < joint["rho_high"] and joint["explained_low"] < rho**2 < joint["explained_high"]
    areas = [stats.norm.cdf(index * larger / np.sqrt(2)) for larger in (1, 1 / np.sqrt(1 - rho**2), 1 / np.sqrt(2 * (1 - rho)))]
    for found, true in ((joint, areas[1] - areas[0]), (difference, areas[2] - areas[0])):
        assert found["gain_low"] - 0.01 < true < found["gain_high"] and found["limit_low"] < true < found["limit_high"]
        assert found["verdict"] == "gain" and found["half_width"] == pytest.approx((found["gain_high"] - found["gain_low"]) / 2)
    assert joint["predicted_gain"] == pytest.approx(areas[1] - areas[0], abs=0.03)  # C = rho Sigma: T10's formula holds
    assert joint["leak_low"] < 0.5 < joint["leak_high"] and not joint["leak_found"]
    assert (joint["patients"], joint["lesions"], joint["reference_patients"]) == (120, 240, 120 if own else 40)


def test_a_stranger_shares_nothing() -> None:
    rows = pd.DataFrame(strategies._strategy(drawn(0.0), "far", ObserversConfig(strategies={"far": {}}), seed=0))
    joint, difference = (rows[rows["observer"] == name].iloc[0] for name in ("joint", "difference"))
    assert difference["verdict"] == "loss" and joint["verdict"] == "no gain of .05"
    assert joint["explained_low"] < 0.01 < 0.05 > joint["explained_high"] and joint["rho_low"] < 0 < joint["rho_high"]
    assert joint["predicted_gain_low"] == 0.0


def test_a_reference_that_tells_the_label_is_found() -> None:
    pairs = drawn(0.0)
    pairs.reference[:, 1] += pairs.diseased
    found = strategies._strategy(pairs, "leak", ObserversConfig(strategies={"leak": {}}), seed=0)[0]
    assert found["leak_found"] and found["leak_low"] > 0.6


@pytest.mark.parametrize("own", [False, True])
def test_no_rule_is_tested_on_a_patient_it_learned_from(own: bool) -> None:
    pairs = drawn(0.5, own=own)
    tested = np.zeros(len(pairs.diseased), dtype=int)
    for learned, held in cells(pairs, 4, 0):
        tested += held
        for one in (pairs.patients, pairs.owners):
            for two in (pairs.patients, pairs.owners):
                assert not set(one[learned]) & set(two[held])
    assert (tested == 1).all()


def test_intervals_of_share_and_correlation_cover(monkeypatch) -> None:
    """With few references: of 60 samples at least .95 minus 3 MCSE hold the truth."""
    monkeypatch.setattr(strategies, "REPEATS", 1)
    rho, held = 0.6, np.zeros(2)
    for seed in range(60):
        pairs = drawn(rho, patients=100, pool=30, seed=seed)
        for number, (found, true) in enumerate(((shared_correlation(pairs, 3, 0), rho), (explained_at_lesion(pairs, 3, 0), rho**2))):
            held[number] += found.low <= true <= found.high
    assert (held / 60 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 60)).all(), held


def test_the_verdict_needs_precision() -> None:
    assert verdict(Ranged(0.2, 0.1, 0.3), "joint") == "cannot resolve .05"
    assert verdict(Ranged(0.04, 0.01, 0.07), "joint") == "gain"
    assert verdict(Ranged(-0.04, -0.07, -0.01), "difference") == "loss"
    assert verdict(Ranged(-0.01, -0.02, -0.001), "joint") == "no gain of .05"
    assert verdict(Ranged(0.02, -0.01, 0.06), "joint") == "undecided"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Lesions in films whose patients share most of their background from film to film."""
    folder, rng, rows = tmp_path_factory.mktemp("films") / "cohort", np.random.default_rng(4), []
    (folder / "images").mkdir(parents=True)
    for patient in range(90):
        shared, *own = ndimage.gaussian_filter(40 * rng.standard_normal((3, 48, 48)), (0, 1, 1))
        for number, part in enumerate(own):
            name = f"images/{patient:03d}-{number}.png"
            Image.fromarray(np.rint(120 + 2 * shared + 0.7 * part).clip(0, 255).astype(np.uint8)).save(folder / name)
            rows.append({"item_id": name, "image": name, "patient_id": f"p{patient}", "label": "well", "split": "train"})
    source = assemble(folder, CohortInfo("films", "folder", "well", ["ill"], "noise", "a spot"), pd.DataFrame(rows))
    config = InsertConfig(size=48, width=1.5, lesions_per_image=4, fractions=(0.4, 0, 0.4, 0.2))
    return insert_lesions(source, config, folder.parent / "lesions", seed=1)


SETTINGS = {"control_rho": 0.7, "channels": {"number": 4, "width": 6, "side": 21}, "strategies": {
    "random": {}, "prior": {"strategy": "prior", "order": "film", "unmatched": "leave_out"}, "center": {"strategy": "cross_center"},
}}  # fmt: skip


def test_an_own_earlier_film_gives_what_a_stranger_does_not(made) -> None:
    table = compare_strategies(made, ObserversConfig(**SETTINGS), seed=0)
    stranger, own = (row(table, name, "joint") for name in ("random", "prior"))
    assert own["gain_low"] > 0 and own["explained_low"] > 0.4 and own["rho_low"] > 0.6
    assert stranger["gain_high"] < 0.05 and stranger["explained_high"] < 0.2
    assert own["limit_low"] > stranger["limit_high"]
    known, rho = row(table, "control, rho 0.7", "joint"), 0.7
    assert known["rho_low"] < rho < known["rho_high"] and known["explained_low"] < rho**2 < known["explained_high"]
    d = np.sqrt(2) * stats.norm.ppf(known["single"])
    assert known["limit_low"] < stats.norm.cdf(d / np.sqrt(2 * (1 - rho**2))) - known["single"] < known["limit_high"]
    missing = row(table, "center", "joint")
    assert missing["verdict"] == "not possible" and "cannot be matched" in missing["note"] and np.isnan(missing["gain"])


def test_the_command_writes_table_and_figure(made, tmp_path, capsys) -> None:
    changes = [f"--set={key}={json.dumps(value)}" for key, value in SETTINGS.items()]
    typed = ["observers", str(made.folder), "--config", "inserted-lesions", "--out", str(tmp_path / "out"), "--json", "--quiet", *changes]
    assert run_app(app, typed) == 0
    rows = json.loads(capsys.readouterr().out)["strategies"]
    table = pd.read_csv(tmp_path / "out" / "strategies.csv")
    assert len(rows) == len(table) == 8
    assert {path.name for path in (tmp_path / "out" / "figures").iterdir()} >= {"strategies.png", "strategies.pdf", "strategies.csv"}
    before = (tmp_path / "out" / "strategies.csv").read_bytes()
    assert run_app(app, typed) == 0
    assert (tmp_path / "out" / "strategies.csv").read_bytes() == before


def test_a_cohort_that_does_not_know_its_places_is_refused(made) -> None:
    from empirical.cohorts import Cohort

    other = Cohort(made.folder, made.info, made.table.drop(columns="row"))
    with pytest.raises(InputError, match="has no columns row and column"):
        compare_strategies(other, ObserversConfig(**SETTINGS), seed=0)
    only = SETTINGS | {"control_rho": 0, "strategies": {"center": {"strategy": "cross_center"}}}
    with pytest.raises(InputError, match="none can be used"):
        compare_strategies(made, ObserversConfig(**only), seed=0)
