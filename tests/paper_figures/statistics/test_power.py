"""Planning a paired comparison: scipy's noncentral t, the textbook number of items, and the error-rate study's power."""

import math
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from paper_figures.error_rates.accuracy import DISCORDANT, cluster_sizes
from paper_figures.statistics import paired_power, patients_needed
from see_in_pairs.errors import InputError

TABLE = Path(__file__).resolve().parents[3] / "docs" / "results" / "error-rates" / "accuracy.csv"


@pytest.mark.parametrize(("patients", "images", "correlation"), [(10, 1.0, 0.0), (40, 5.0, 0.2), (300, 2.5, 0.5)])
def test_power_is_that_of_the_noncentral_t(patients: int, images: float, correlation: float) -> None:
    effect = 1 + (images - 1) * correlation
    shift = 0.06 / math.sqrt((0.2 - 0.06**2) * effect / (patients * images))
    critical = stats.t.ppf(0.975, patients - 1)
    expected = stats.nct.sf(critical, patients - 1, shift) + stats.nct.cdf(-critical, patients - 1, shift)
    assert paired_power(patients, 0.06, 0.2, images, correlation).power == pytest.approx(expected, abs=1e-9)


def test_number_of_independent_items_is_the_textbooks() -> None:
    """With the variance under the alternative 620.1 items for z; Connor's (1987) formula, with that under the null for the level, 625.6."""
    normal = (1.959964 + 0.841621) ** 2 * (0.2 - 0.05**2) / 0.05**2
    connor = (1.959964 * math.sqrt(0.2) + 0.841621 * math.sqrt(0.2 - 0.05**2)) ** 2 / 0.05**2
    assert (normal, connor) == (pytest.approx(620.06, abs=0.01), pytest.approx(625.55, abs=0.01))
    assert normal < patients_needed(0.05, 0.2).patients < connor


@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_the_fewest_that_have_the_power(power: float) -> None:
    plan = patients_needed(0.08, 0.25, images=4, correlation=0.3, size_variation=0.5, power=power)
    assert plan.power >= power > paired_power(plan.patients - 1, 0.08, 0.25, 4, 0.3, 0.5).power
    assert plan.items == plan.patients * 4
    assert plan.design_effect == pytest.approx(1 + ((1 + 0.5**2) * 4 - 1) * 0.3)


def test_more_images_help_less_the_more_they_are_alike() -> None:
    needed = [patients_needed(0.05, 0.2, images=5, correlation=rho).items for rho in (0.0, 0.2, 0.5)]
    assert needed == sorted(needed)
    assert patients_needed(0.05, 0.2, images=5, correlation=1.0).patients == pytest.approx(patients_needed(0.05, 0.2).patients, abs=2)


def test_power_agrees_with_the_error_rate_study() -> None:
    """The cluster-robust t test over 20, 50 and 200 clusters of equal or unequal size: within .03 of what 10,000 replicates found."""
    table = pd.read_csv(TABLE)
    rows = table[(table["method"] == "cluster-robust t") & (table["measure"] == "power") & (table["clusters"] >= 50)]
    assert len(rows) > 20
    for row in rows.itertuples():
        sizes = cluster_sizes(row.clusters, row.size, row.sizes)
        variation = float(sizes.std() / sizes.mean())
        plan = paired_power(row.clusters, row.truth, DISCORDANT, row.size, row.correlation, variation)
        tolerance = 0.03 if row.sizes == "balanced" else 0.06  # t with K - 1 df is too optimistic for few clusters of unequal size
        assert plan.power == pytest.approx(row.value, abs=tolerance), row


def test_certain_and_impossible_plans() -> None:
    assert paired_power(100, 0.3, 0.3).power == pytest.approx(1, abs=1e-4)
    assert paired_power(10**6, 0.2, 0.3).power == 1
    for arguments in ((0.3, 0.2), (0.1, 1.2), (0.1, 0.2, 0.5), (0.1, 0.2, 2, 3), (0.0, 0.2)):
        with pytest.raises(InputError):
            patients_needed(*arguments)
    with pytest.raises(InputError, match="at least 2"):
        paired_power(1, 0.1, 0.2)
