"""Ideal observers: the short cut against the dense matrices, the bound of each arm, and what is cached."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from empirical.arms import ArmConfig
from empirical.cohorts.phantom import LesionConfig, PhantomConfig, PhantomTruth, Shares, make_phantom
from empirical.cohorts.phantom.model import build_model
from paper_figures.results.ideal_observer import cohort_auroc, ideal_detectability, run_detectability
from paper_figures.results.runs import RunResults
from theory import PairedModel
from theory.models.ideal_observers import hotelling

D = 0.95  # the phantom's detectability
FAMILY = {"strategy": "demographic", "columns": ["family"], "caliper": {}}


def arm(name: str, **references: object) -> ArmConfig:
    return ArmConfig.model_validate({"arm": name, "references": references or None})


def test_only_the_relative_helps(tmp_path: Path) -> None:
    config = PhantomConfig(size=48, n_train=0, n_val=0, n_test=2, rho=0.6, lesion=LesionConfig(detectability=1.0, width=2.0))
    limits = cohort_auroc(make_phantom(config, tmp_path / "c", seed=0), tmp_path / "limits.json")
    assert limits is not None and limits.mcse == 0 and limits.rho == 0.6
    assert limits.single == pytest.approx(float(ndtr(1 / np.sqrt(2))))
    assert limits.joint == pytest.approx(float(ndtr(1.25 / np.sqrt(2))))  # T1 with rho 0.6
    assert limits.difference == pytest.approx(float(ndtr(1 / np.sqrt(2 * (1 - 0.6)) / np.sqrt(2))))  # T1: d' of the plain difference
    assert limits.of_difference(arm("pair", **FAMILY)) == limits.difference
    assert np.isnan(limits.of_difference(arm("single"))) and np.isnan(limits.of_difference(arm("pair", strategy="random")))
    assert limits.of(arm("pair", **FAMILY)) == limits.of(arm("reversed", **FAMILY)) == limits.joint
    assert limits.of(arm("pair", strategy="random")) == limits.of(arm("duplicate")) == limits.of(arm("single")) == limits.single
    assert limits.of(arm("diseased")) != limits.of(arm("diseased"))  # NaN: none known


def test_a_lesion_anywhere_is_found_less_often_and_the_relative_helps_more(tmp_path: Path) -> None:
    config = PhantomConfig(
        size=48, n_train=0, n_val=0, n_test=2, rho=0.9, lesion=LesionConfig(detectability=2.0, place="random", width=2.0)
    )
    cohort = make_phantom(config, tmp_path / "c", seed=0)
    limits = cohort_auroc(cohort, tmp_path / "limits.json")
    assert limits is not None and 0 < limits.mcse < 0.01
    assert 0.5 < limits.single < 0.92135 - 0.02  # Phi(2 / sqrt 2), the place known
    assert limits.joint > limits.single + 0.1
    assert cohort_auroc(cohort, tmp_path / "limits.json") == limits
    assert limits.difference is None and np.isnan(limits.of_difference(arm("pair", **FAMILY)))
    (tmp_path / "limits.json").write_text("not json", encoding="utf-8")
    assert cohort_auroc(cohort, tmp_path / "limits.json") == limits
    kept = json.loads((tmp_path / "limits.json").read_text())
    (tmp_path / "limits.json").write_text(json.dumps({key: {"single": 0.5} for key in kept}), encoding="utf-8")  # of an earlier version
    assert cohort_auroc(cohort, tmp_path / "limits.json") == limits


def phantom(**settings: object) -> PhantomTruth:
    """A small phantom, so that dense matrices take no time."""
    return build_model(PhantomConfig(size=32, lesion=LesionConfig(width=2.0), **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_short_cut_is_exact(rho: float) -> None:
    truth = phantom(rho=rho)
    dense, limits = hotelling(truth.signal, truth.covariance(), truth.cross_covariance()), ideal_detectability(truth)
    for rule in ("single", "difference", "joint"):
        assert getattr(limits, rule) == pytest.approx(getattr(dense, rule), rel=1e-8)
        assert limits.auc(rule) == pytest.approx(dense.auc(rule), rel=1e-8)
    assert limits.single == pytest.approx(D, rel=1e-6)  # the amplitude was chosen for this


def test_unequal_shares_go_through_the_dense_matrices() -> None:
    truth = phantom(shares=Shares(demographic=0.9, site=0.9, field=0.2, noise=0.0))
    limits, dense = ideal_detectability(truth), hotelling(truth.signal, truth.covariance(), truth.cross_covariance())
    assert limits.rho is None
    assert limits.joint == pytest.approx(dense.joint)
    assert limits.difference < limits.single < limits.joint  # little of what hides the lesion is shared: the plain difference does harm


def test_limits_are_kept_under_the_hash_of_the_truth(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (out / "theory" / "observers.json").unlink(missing_ok=True)  # others may have left some
    results = RunResults(out)
    run = results.find(run_id="pair-0.90")
    assert run is not None
    first = run_detectability(results, run)
    kept = json.loads((out / "theory" / "observers.json").read_text())
    monkeypatch.setattr("paper_figures.results.ideal_observer.ideal_detectability", lambda truth: pytest.fail("computed again"))
    assert run_detectability(results, run) == first
    assert len(kept) == 1
    assert first is not None
    assert first.gain == pytest.approx(PairedModel(delta=D, rho=0.9).auc("optimal") - PairedModel(delta=D).auc("single"))


def test_a_broken_cache_is_made_again(out: Path) -> None:
    (out / "theory" / "observers.json").write_text("{")
    run = RunResults(out).find(run_id="pair-0.90-shown-0.50")
    assert run is not None
    assert run_detectability(RunResults(out), run) is not None
