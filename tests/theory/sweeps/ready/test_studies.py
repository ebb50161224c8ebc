"""The packaged studies: each runs, agrees with the closed forms it claims, and shows what is known from elsewhere."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from see_in_pairs.errors import InputError
from theory.statements import t1_univariate_rules as t1
from theory.statements.t12_formulas import cauchy_shared_auc
from theory.sweeps import Study, run
from theory.sweeps.performance.table import performance
from theory.sweeps.ready import gain, heavy_tails, intervals, overmatching, sequential, site_shift

FOLDER = Path(gain.__file__).parent.parent / "studies"
NAMES = ("gain", "site_shift", "faulty", "overmatching", "misspecified_rho", "sequential", "heavy_tails")
UNBIASED = {  # methods that estimate what the closed form says, without bias in expectation
    "gain": ["same patients", "different patients"],
    "site_shift": ["patients as independent", "sites as clusters"],
    "faulty": ["paired errors"],
    "sequential": ["fixed size"],
    "heavy_tails": ["ranks"],
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    found = {}
    for name in NAMES:
        study = Study.load(FOLDER / f"{name}.yaml", ["replicates=200", "block=100"])
        results = run(study, tmp_path_factory.mktemp(name))
        found[name] = performance(results)
        assert results.cells["failed"].sum() == 0, name
    return found


def test_every_design_is_listed_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is_for(name: str) -> None:
    study = Study.load(FOLDER / f"{name}.yaml")
    assert study.name == name
    assert len(study.aims) > 100
    assert study.entropy


@pytest.mark.parametrize("name", UNBIASED)
def test_estimates_agree_with_the_closed_form(measured: dict[str, pd.DataFrame], name: str) -> None:
    rows = measured[name].query("measure == 'bias'")
    z = (rows["value"] / rows["mcse"])[rows["method"].isin(UNBIASED[name])]
    assert len(z)
    bound = 4.5  # at 200 replicates each z is Student's t on 199 degrees of freedom; 120 cells and methods at most
    assert z.abs().max() < bound
    assert np.square(z).mean() < 1 + 5 * math.sqrt(2 / len(z))


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_bias_of_a_wrong_weight_is_its_price(measured: dict[str, pd.DataFrame], rho: float) -> None:
    rows = measured["misspecified_rho"].query("measure == 'bias' and rho == @rho").set_index("method")
    for name, weight in (("no reference", 0.0), ("guess of 0.3", 0.3), ("subtraction", 1.0), ("minimax over 0 to 0.8", 0.5)):
        price = float(t1.error(1.5, rho, weight) - t1.error(1.5, rho, "optimal"))
        assert rows.loc[name, "value"] == pytest.approx(price, abs=4.5 * rows.loc[name, "mcse"]), name


def test_peeking_five_times_makes_the_known_type_1_error() -> None:
    """0.142 at two-sided 5 % (Armitage, McPherson and Rowe 1969); the boundaries keep 0.05."""
    data = np.random.default_rng(1).standard_normal((40_000, 400))
    for boundary, expected in (("peeking", 0.142), ("pocock", 0.05), ("obrien_fleming", 0.05)):
        report = sequential.looks(data, boundary=boundary)
        rejected = float(((report["lower"] > 0) | (report["upper"] < 0)).mean())
        slack = 4 * math.sqrt(expected * (1 - expected) / 40_000) + 0.002  # z is Student's t on 79 degrees of freedom at the first look
        assert rejected == pytest.approx(expected, abs=slack), boundary
        assert set(np.unique(report["patients"])) <= {80.0, 160.0, 240.0, 320.0, 400.0}


def test_a_plan_from_a_pilot_takes_the_patients_it_asks_for() -> None:
    data = np.random.default_rng(2).choice([-1.0, 0.0, 1.0], size=(50, 600), p=[0.05, 0.7, 0.25])
    report = sequential.planned_from_a_pilot(data, pilot=100)
    for row, size in enumerate(report["patients"].astype(int)):
        begun = data[row, :100]
        asked = 100 * ((1.959964 + 0.841621) * begun.std(ddof=0) / math.sqrt(99) / begun.mean()) ** 2
        assert size == min(max(math.ceil(asked), 100), 600)
        assert report["estimate"][row] == pytest.approx(data[row, :size].mean())
        assert report["se"][row] == pytest.approx(data[row, :size].std(ddof=1) / math.sqrt(size))


def test_pilots_without_a_gain_go_on_to_the_end() -> None:
    report = sequential.planned_from_a_pilot(np.zeros((2, 300)), pilot=100)
    assert report["patients"].tolist() == [300.0, 300.0]


def test_delongs_report_is_the_brute_force() -> None:
    rng = np.random.default_rng(3)
    single, pair = ((rng.normal(size=(4, 7)), rng.normal(0.5, size=(4, 9))) for _ in range(2))
    report = intervals.auc_gain_report(single, pair)
    wins = [(scores[1][:, :, None] > scores[0][:, None, :]).astype(float) for scores in (single, pair)]
    gap = wins[1] - wins[0]
    np.testing.assert_allclose(report["estimate"], gap.mean(axis=(1, 2)), atol=1e-12)
    variance = gap.mean(axis=2).var(axis=1, ddof=1) / 9 + gap.mean(axis=1).var(axis=1, ddof=1) / 7
    np.testing.assert_allclose(report["se"], np.sqrt(variance), rtol=1e-12)


def test_auc_under_heavy_tails_joins_the_closed_forms() -> None:
    assert heavy_tails.single_auc(2.0, 1.0 + 1e-12, 1.5) == pytest.approx(float(cauchy_shared_auc(2.0, 0.0, 1.5)), abs=1e-8)
    beyond = [heavy_tails.single_auc(2.0, nu, 1.5) - heavy_tails.single_auc(2.0, math.inf, 1.5) for nu in (50.0, 100.0)]
    assert beyond[0] / beyond[1] == pytest.approx(2, rel=0.03)  # the excess falls as 1 / nu
    with pytest.raises(InputError, match="between 0 and 100, or infinite"):
        heavy_tails.single_auc(2.0, 101.0, 1.5)
    rng, n = np.random.default_rng(4), 400_000
    healthy, diseased = rng.standard_t(3.0, (2, n)) + rng.standard_normal((2, n))
    won = (diseased + 2.0 > healthy).mean()
    assert heavy_tails.single_auc(2.0, 3.0, 1.0) == pytest.approx(won, abs=4 * math.sqrt(won * (1 - won) / n))


def test_normal_theory_breaks_and_ranks_do_not(measured: dict[str, pd.DataFrame]) -> None:
    rows = measured["heavy_tails"].query("measure == 'coverage'").set_index(["nu", "method"])["value"]
    assert rows[1.0, "normal theory"] < 0.3
    assert rows[math.inf, "normal theory"] > 0.9
    assert rows.xs("ranks", level="method").min() > 0.95 - 4.5 * math.sqrt(0.95 * 0.05 / 200)


def test_patients_of_a_site_are_not_independent(measured: dict[str, pd.DataFrame]) -> None:
    rows = measured["site_shift"].query("measure == 'coverage' and tau == 1.5").set_index(["rule", "method"])["value"]
    assert rows["single", "patients as independent"] < 0.88
    assert rows["single", "sites as clusters"] > 0.9
    assert rows["same_diff", "patients as independent"] > 0.9  # the reference takes the site out


def test_the_same_site_cancels_and_another_does_not() -> None:
    far = {"delta": 2.0, "tau": 50.0, "m": 4}
    assert site_shift.error_at_new_sites(rule="same_diff", **far) == pytest.approx(
        site_shift.error_at_new_sites(rule="same_diff", delta=2.0, tau=0.0, m=4)
    )
    assert site_shift.error_at_new_sites(rule="cross_diff", **far) > 0.49


def test_weights_learned_on_other_cases_are_the_brute_force() -> None:
    rng = np.random.default_rng(5)
    data = tuple(rng.normal(shift, 1.0, size=(2, 3, 12)) for shift in (0.0, 0.7))
    report = overmatching.learned_on_others(data)
    for row in range(3):
        healthy, diseased = (group[:, row] for group in data)
        gains, variances = [], []
        for learn, judge in ((0, 1), (1, 0)):
            known = [group[:, learn::2] for group in (healthy, diseased)]
            within = sum(np.cov(group) for group in known)
            weights = np.linalg.solve(within, known[1].mean(axis=1) - known[0].mean(axis=1))
            judged = [group[:, judge::2] for group in (healthy, diseased)]
            arms = [[image[0] for image in judged], [weights @ image for image in judged]]
            one = intervals.auc_gain_report(*(tuple(scores[None] for scores in arm) for arm in arms))
            gains.append(one["estimate"][0])
            variances.append(one["se"][0] ** 2)
        assert report["estimate"][row] == pytest.approx(np.mean(gains), abs=1e-12)
        assert report["se"][row] == pytest.approx(math.sqrt(np.mean(variances) / 2), rel=1e-9)


def test_learning_the_weight_on_the_judged_cases_flatters(measured: dict[str, pd.DataFrame]) -> None:
    rows = measured["overmatching"].query("measure == 'bias' and n_per_class == 20")
    bias = rows.groupby("method")["value"].mean()
    assert bias["weight learned on the same cases"] > 0.02
    assert bias["weight learned on other cases"] < -0.02
