"""The model of parameters agrees with the statements, and refuses what cannot be."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from see_in_pairs.errors import InputError
from theory import PairedModel
from theory.statements import t1_univariate_rules as t1
from theory.statements import t2_several_references as t2


def test_agrees_with_the_statements_in_any_unit():
    model = PairedModel(delta=20.0, sigma=10.0, rho=0.4, m=4, rho_rr=0.8, prevalence=0.1)
    assert model.auc("difference") == pytest.approx(t2.auc(2.0, 0.4, 0.8, 4, "meandiff"))
    assert model.auc("optimal") == pytest.approx(t2.auc(2.0, 0.4, 0.8, 4, "optimal"))
    assert model.error("single") == pytest.approx(t1.error(2.0, 0.4, "single", 0.1))


def test_variance_is_that_of_its_own_covariance():
    model = PairedModel(delta=1.0, sigma=3.0, rho=0.5, m=3, rho_rr=0.6)
    for rule in ("single", "difference", "optimal", 0.3):
        contrast = np.array([1.0, *[-model.weight(rule) / 3] * 3])
        assert model.variance(rule) == pytest.approx(contrast @ model.covariance() @ contrast)


def test_references_are_as_alike_as_the_query_unless_said():
    assert PairedModel(delta=1, rho=0.3, m=2).reference_correlation == 0.3


def test_is_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PairedModel(delta=1.0).rho = 0.5


@pytest.mark.parametrize(
    "wrong",
    [
        {"rho": 1.0},
        {"rho": -1.5},
        {"m": 0},
        {"m": 2.5},
        {"sigma": 0.0},
        {"delta": -1.0},
        {"prevalence": 0.0},
        {"prevalence": 1.0},
        {"rho": 0.6, "rho_rr": 0.0, "m": 5},
        {"rho_rr": -0.9, "m": 3},
        {"delta": float("inf")},
    ],
)
def test_refuses_the_impossible(wrong):
    with pytest.raises(InputError):
        PairedModel(**{"delta": 1.0, **wrong})


def test_refuses_an_unknown_rule():
    with pytest.raises(InputError, match="single, difference, optimal"):
        PairedModel(delta=1.0).auc("best")
