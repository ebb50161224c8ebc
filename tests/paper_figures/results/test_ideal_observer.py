"""The limit of each arm of a phantom."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from empirical.arms import ArmConfig
from empirical.cohorts.phantom import LesionConfig, PhantomConfig, make_phantom
from paper_figures.results.ideal_observer import limits_of

FAMILY = {"strategy": "demographic", "columns": ["family"], "caliper": {}}


def arm(name: str, **references: object) -> ArmConfig:
    return ArmConfig.model_validate({"arm": name, "references": references or None})


def test_only_the_relative_helps(tmp_path: Path) -> None:
    config = PhantomConfig(size=48, n_train=0, n_val=0, n_test=2, rho=0.6, lesion=LesionConfig(detectability=1.0, width=2.0))
    limits = limits_of(make_phantom(config, tmp_path / "c", seed=0), tmp_path / "limits.json")
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
    limits = limits_of(cohort, tmp_path / "limits.json")
    assert limits is not None and 0 < limits.mcse < 0.01
    assert 0.5 < limits.single < 0.92135 - 0.02  # Phi(2 / sqrt 2), the place known
    assert limits.joint > limits.single + 0.1
    assert limits_of(cohort, tmp_path / "limits.json") == limits
    assert limits.difference is None and np.isnan(limits.of_difference(arm("pair", **FAMILY)))
    (tmp_path / "limits.json").write_text("not json", encoding="utf-8")
    assert limits_of(cohort, tmp_path / "limits.json") == limits
    kept = json.loads((tmp_path / "limits.json").read_text())
    (tmp_path / "limits.json").write_text(json.dumps({key: {"single": 0.5} for key in kept}), encoding="utf-8")  # of an earlier version
    assert limits_of(cohort, tmp_path / "limits.json") == limits
