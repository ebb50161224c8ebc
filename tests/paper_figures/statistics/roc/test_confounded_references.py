"""The measured case of T13, by the estimators that a user has: age tells the class with .74, references have the query's age."""

from __future__ import annotations

import numpy as np
import pytest

from paper_figures.statistics import covariate_adjusted_auroc, delong, estimate_leak
from theory.statements import t13_confounded_references as t13

DELTA, GAMMA, AGE = 1.0, 1.1, 0.74
N = 6000


@pytest.fixture(scope="module")
def seen() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(20)
    ill = np.arange(N) % 2 == 1
    age = rng.standard_normal(N) + t13._predictive(AGE) * ill
    query, reference = GAMMA * age + DELTA * ill + rng.standard_normal(N), GAMMA * age + rng.standard_normal(N)
    rho = GAMMA**2 / (1 + GAMMA**2)
    return {
        "ill": ill, "age": age, "single": query, "difference": query - reference, "t1_weight": query - rho * reference,
        "reference_only": reference,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "promised", "true"), [("difference", 0.841, 0.691), ("t1_weight", 0.872, 0.796), ("reference_only", 0.5, 0.683)]
)
def test_what_t1_promises_and_what_is_seen(seen: dict[str, np.ndarray], rule: str, promised: float, true: float) -> None:
    low, high = delong(seen[rule], seen["ill"], 0.999).interval()
    assert low < t13.auc(DELTA, GAMMA, AGE, rule) < high
    assert t13.auc(DELTA, GAMMA, AGE, rule) == pytest.approx(true, abs=5e-4)
    assert not low < promised < high


def test_the_leak_is_found(seen: dict[str, np.ndarray]) -> None:
    found = estimate_leak(seen["single"], seen["reference_only"], seen["ill"], confidence_level=0.999)
    assert found.interval[0] < t13.leak(DELTA, GAMMA, AGE) < found.interval[1]
    assert np.ptp(found.interval) < 0.2


@pytest.mark.parametrize(("rule", "weight"), [("single", "single"), ("difference", "difference"), ("t1_weight", GAMMA**2 / (1 + GAMMA**2))])
def test_at_equal_ages_the_reference_is_noise(seen: dict[str, np.ndarray], rule: str, weight: str | float) -> None:
    found = covariate_adjusted_auroc(seen[rule], seen["ill"], {"age": seen["age"]}, confidence_level=0.999)
    assert found.interval()[0] < t13.adjusted_auc(DELTA, weight) < found.interval()[1]
    alone = covariate_adjusted_auroc(seen["reference_only"], seen["ill"], {"age": seen["age"]}, confidence_level=0.999)
    assert alone.interval()[0] < 0.5 < alone.interval()[1]
