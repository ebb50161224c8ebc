"""Properties of the whole comparison, on data with ties and infinities made by hypothesis."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paper_figures.comparison import compare_arms
from paper_figures.statistics import procedure, sign_flip, two_way, two_way_delong
from see_in_pairs.errors import InputError

SCORES = st.sampled_from([-math.inf, -2.0, -0.5, 0.0, 0.5, 1.0, 3.0, math.inf])
ITEM = st.tuples(SCORES, SCORES, st.booleans(), st.integers(0, 7), st.integers(0, 4))


def _usable(rows: list[tuple[float, float, bool, int, int]]) -> bool:
    sides = [{row[3] for row in rows if row[2] is side} for side in (True, False)]
    return min(map(len, sides)) > 1 and len({row[4] for row in rows}) > 1


DATA = st.lists(ITEM, min_size=12, max_size=30).filter(_usable)
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def arrays(rows: list[tuple[float, float, bool, int, int]]) -> Arrays:
    a, b, labels, clusters, references = (np.array(column) for column in zip(*rows, strict=True))
    return a, b, labels, clusters, references


def compared(data: Arrays) -> dict[str, Any]:
    a, b, labels, clusters, references = data
    result = compare_arms(a, b, labels, clusters, 0.0, second_clusters=references, resamples=20, permutations=99).to_dict()
    return result


def every_test(result: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Estimate and p of every test."""
    accuracy, clustered, auroc = result["accuracy"], result["clustered_accuracy"], result["auroc"]
    found = {name: (accuracy["difference"], p) for name, p in accuracy["mcnemar"].items()}
    found |= {name: (accuracy["difference"], clustered[name]["p"]) for name in ("obuchowski", "yang", "durkalski")}
    found["clustered"] = (clustered["difference"]["estimate"], clustered["difference"]["p"])
    found["permutation"] = (result["permutation"]["difference"], result["permutation"]["p"])
    blocks = {
        "two-way": result["two_way"],
        **{f"auroc {name}": auroc[name] for name in ("delong", "clustered_delong", "clustered_t", "two_way")},
    }
    for name, block in blocks.items():
        if block is not None:
            found[name] = (block.get("estimate", block.get("difference")), block["p"])
    return found


@settings(max_examples=15)  # each runs every test twice
@given(DATA)
def test_swapping_arms_flips_signs_and_keeps_p(rows: list[tuple[float, float, bool, int, int]]) -> None:
    a, b, *rest = arrays(rows)
    one, other = every_test(compared((a, b, *rest))), every_test(compared((b, a, *rest)))  # type: ignore[arg-type]
    assert one.keys() == other.keys()
    for name, (estimate, p) in one.items():
        assert other[name] == (pytest.approx(-estimate, abs=1e-12), pytest.approx(p, abs=1e-9)), name
        assert 0 <= p <= 1


@settings(max_examples=15)  # each runs every test twice
@given(DATA, st.randoms(use_true_random=False))
def test_permuting_rows_changes_nothing(rows: list[tuple[float, float, bool, int, int]], shuffle: Any) -> None:
    data = arrays(rows)
    order = list(range(len(rows)))
    shuffle.shuffle(order)
    moved = tuple(column[order] for column in data)
    one, other = every_test(compared(data)), every_test(compared(moved))  # type: ignore[arg-type]
    for name, (estimate, p) in one.items():
        assert other[name] == (pytest.approx(estimate, abs=1e-12), pytest.approx(p, abs=1e-9)), name


@settings(max_examples=15)  # each runs every test twice
@given(DATA)
def test_monotone_transforms_and_label_swaps(rows: list[tuple[float, float, bool, int, int]]) -> None:
    a, b, labels, *rest = arrays(rows)
    one, monotone = compared((a, b, labels, *rest)), compared((np.arctan(a), np.tanh(b), labels, *rest))  # type: ignore[arg-type]
    for name, (estimate, p) in every_test(one).items():
        assert every_test(monotone)[name] == (pytest.approx(estimate, abs=1e-12), pytest.approx(p, abs=1e-9)), name
    flipped = compared((a, b, ~labels, *rest))  # type: ignore[arg-type]
    for arm in ("a", "b"):
        assert flipped["auroc"][arm] == pytest.approx(1 - one["auroc"][arm], abs=1e-12)
    assert flipped["auroc"]["difference"] == pytest.approx(-one["auroc"]["difference"], abs=1e-12)


@settings(max_examples=15)  # each runs every test twice
@given(DATA, st.integers(2, 3))
def test_duplicating_every_item_in_its_cluster(rows: list[tuple[float, float, bool, int, int]], times: int) -> None:
    """Cluster-robust results stay; those of independent items grow more sure, and that is why they are not recommended."""
    data = arrays(rows)
    one, many = every_test(compared(data)), every_test(compared(tuple(np.repeat(column, times) for column in data)))  # type: ignore[arg-type]
    ignoring = {"exact", "mid_p", "asymptotic", "corrected", "auroc delong"}
    for name in one.keys() - ignoring:
        assert many[name] == (pytest.approx(one[name][0], abs=1e-9), pytest.approx(one[name][1], abs=1e-6)), name
    assert many["asymptotic"][1] <= one["asymptotic"][1] + 1e-12


@settings(max_examples=15)  # each runs every test twice
@given(DATA, st.integers(2, 4))
def test_results_stay_finite(rows: list[tuple[float, float, bool, int, int]], seeds: int) -> None:
    a, b, labels, clusters, references = arrays(rows)
    right = (a > 0) == labels, (b > 0) == labels
    trained = np.arange(len(a)) % seeds
    for result in (two_way(*right, clusters, references), procedure(*right, clusters, trained)):
        assert all(map(math.isfinite, (result.estimate, result.se, result.p, *result.interval)))
    flipped = sign_flip(right[0].astype(float) - right[1], clusters)
    assert flipped.interval[0] <= flipped.difference <= flipped.interval[1]
    try:
        area = two_way_delong(np.stack([a, b]), labels, clusters, references)
    except InputError:  # each area separates the classes perfectly
        return
    assert all(map(math.isfinite, (area.estimate, area.se, area.p, *area.interval)))
