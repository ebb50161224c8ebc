"""Who is shown beside whom: the rules that hold for every strategy, the matching, and how even the draws are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from empirical.cohorts import Cohort, CohortInfo
from empirical.references import Assignment, ReferenceConfig, choose_references
from empirical.references.candidates import ReferenceRequest, draw_others, healthy_pool, query_rng
from empirical.references.diagnostics.balance import balance_table, standardised_difference
from empirical.references.selection import selector
from see_in_pairs.configs import parse_config
from see_in_pairs.errors import InputError

INFO = CohortInfo("toy", "table", "healthy", ["sick"], "image", "a finding")
MATCHED = ReferenceConfig(strategy="demographic")


def cohort(rows: list[dict[str, object]]) -> Cohort:
    blank = {"mask": "", "family": "", "site": "", "serves": "", "sex": "F", "view": "PA", "sha256": "", "age": 50.0, "label": "healthy"}
    table = pd.DataFrame([blank | {"item_id": f"i{k}", "image": f"{k}.png", "patient_id": f"p{k}"} | row for k, row in enumerate(rows)])
    return Cohort(Path("toy"), INFO, table)


def hospital(seed: int = 0, n: int = 300) -> Cohort:
    """A cohort as the NIH set is one: no reference split, several images of a patient."""
    rng = np.random.default_rng(seed)
    patients = rng.integers(0, n // 2, n)
    split = np.array(["train", "val", "test"])[np.searchsorted([0.6, 0.7], rng.random(n // 2))]
    rows = [
        {"patient_id": f"p{p}", "split": split[p], "label": label, "sex": sex, "age": float(age), "view": view, "site": f"s{p % 3}"}
        | {"follow_up": float(visit)}
        for visit, (p, label, sex, age, view) in enumerate(
            zip(
                patients,
                rng.choice(["healthy", "sick"], n),
                rng.choice(["F", "M"], n),
                rng.integers(20, 80, n),
                rng.choice(["AP", "PA"], n),
                strict=True,
            )
        )
    ]
    return cohort(rows)


@pytest.fixture(autouse=True)
def _made_up_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    """These cohorts have no pictures: an item's vector is drawn from its name."""

    def embedder(*_: object) -> Callable[[Sequence[str]], np.ndarray]:
        return lambda items: np.stack([query_rng(0, item).normal(size=8).astype(np.float32) for item in items])

    monkeypatch.setattr("empirical.references.selection.embedder", embedder)


def settings(**content: object) -> ReferenceConfig:
    return ReferenceConfig.model_validate(content)


STRATEGIES = {
    "random": settings(m=3),
    "random, used up": settings(m=2, reuse=9),
    "demographic": settings(strategy="demographic", unmatched="relax", m=3),
    "demographic, used up": settings(strategy="demographic", unmatched="relax", reuse=4),
    "family": settings(strategy="demographic", columns=("family", "sex"), caliper={}, unmatched="relax"),
    "embedding": settings(strategy="embedding", m=3),
    "embedding, used up": settings(strategy="embedding", reuse=5),
    "embedding, band": settings(strategy="embedding", m=2, band=(0.5, 0.8), unmatched="relax"),
    "other site": settings(strategy="cross_center", m=2, unmatched="relax"),
    "same site": settings(strategy="cross_center", site="same", reuse=6, unmatched="relax"),
}
PRIOR = settings(strategy="prior", unmatched="relax")
CASES = [*(("hospital", name) for name in STRATEGIES), *(("phantom", name) for name in ("random", "demographic", "family", "embedding"))]
ONE_BY_ONE = [name for name, config in STRATEGIES.items() if config.reuse is None]


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize(("source", "strategy"), CASES)
def test_what_must_never_happen(source: str, strategy: str, split: str, phantom: Cohort) -> None:
    data, config = phantom if source == "phantom" else hospital(), STRATEGIES[strategy]
    chosen = choose_references(data, split, config, seed=1).table
    items = data.table.set_index("item_id")
    query, reference = items.loc[chosen["item_id"]].reset_index(), items.loc[chosen["reference_id"]].reset_index()
    assert list(chosen["item_id"].unique()) == list(data.queries(split)["item_id"])
    assert (chosen.groupby("item_id")["reference_id"].nunique() == config.m).all()
    assert (chosen["note"] != "").all()
    assert (query["patient_id"] != reference["patient_id"]).all()
    assert (reference["label"] == "healthy").all()
    allowed = (
        reference["split"].eq("reference") & reference["serves"].isin([split, ""])
        if source == "phantom"
        else reference["split"].eq("train")
    )
    assert allowed.all()
    if strategy == "random" and source == "phantom":
        assert (query["family"] != reference["family"]).all()
    if strategy == "family" and source == "phantom":
        assert (query["family"] == reference["family"]).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_choice_does_not_depend_on_the_labels_of_queries(strategy: str) -> None:
    data = hospital()
    held_out = data.table["split"] != "train"
    permuted = data.table["label"].to_numpy(copy=True)
    permuted[held_out] = np.random.default_rng(0).permutation(permuted[held_out])
    tables = [
        choose_references(replace(data, table=data.table.assign(label=labels)), "test", STRATEGIES[strategy], seed=1).table
        for labels in (data.table["label"], permuted, np.where(held_out, "sick", permuted))
    ]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    pd.testing.assert_frame_equal(tables[0], tables[2])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_training_references_do_not_depend_on_the_test_set(strategy: str) -> None:
    data = hospital()
    test = data.table["split"] == "test"
    poison: dict[str, object] = {"age": 99.0, "sex": "M", "site": "poison", "label": "healthy", "view": "PA"}
    poisoned = data.table.assign(**{name: data.table[name].mask(test, value) for name, value in poison.items()})
    versions = (data.table, poisoned, data.table[~test])
    tables = [choose_references(replace(data, table=table), "train", STRATEGIES[strategy], seed=1).table for table in versions]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    pd.testing.assert_frame_equal(tables[0], tables[2])


@pytest.mark.parametrize("strategy", [*STRATEGIES, "prior"])
def test_no_selector_is_shown_a_label_or_a_mask(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ReferenceRequest] = []

    def watched(name: str) -> Callable[[ReferenceRequest], Assignment]:
        def choose_watched(request: ReferenceRequest) -> Assignment:
            seen.append(request)
            return selector(name)(request)

        return choose_watched

    monkeypatch.setattr("empirical.references.selection.selector", watched)
    choose_references(hospital(), "test", STRATEGIES.get(strategy, PRIOR), seed=1)
    (request,) = seen
    assert not {"label", "mask"} & {*request.queries.columns, *request.pool.columns, *request.own_images().columns}


@pytest.mark.parametrize("strategy", [name for name, config in STRATEGIES.items() if config.reuse is not None])
def test_no_reference_serves_more_often_than_it_may(strategy: str) -> None:
    config = STRATEGIES[strategy]
    chosen = choose_references(hospital(), "test", config, seed=1)
    untouched = chosen.table[~chosen.table["item_id"].isin(chosen.unmatched["item_id"])]
    assert chosen.table["reference_id"].value_counts().max() <= (config.reuse or 0)
    assert len(untouched) > 0


@pytest.mark.parametrize("strategy", ONE_BY_ONE)
def test_the_choice_of_a_query_does_not_depend_on_the_other_queries(strategy: str) -> None:
    data = hospital()
    kept = data.table[(data.table["split"] != "test") | (np.arange(len(data.table)) % 3 == 0)]
    whole, part = (
        choose_references(replace(data, table=table), "test", STRATEGIES[strategy], seed=1).table for table in (data.table, kept)
    )
    pd.testing.assert_frame_equal(whole[whole["item_id"].isin(part["item_id"])].reset_index(drop=True), part)


def test_seeds_decide() -> None:
    first, again, other = (
        choose_references(hospital(), "test", STRATEGIES["random"], seed=seed).table["reference_id"] for seed in (1, 1, 2)
    )
    assert first.equals(again)
    assert not first.equals(other)


@given(st.integers(2, 12), st.integers(1, 5), st.sets(st.integers(0, 11)), st.integers(0, 99))
def test_draws_leave_out_the_forbidden_and_are_as_many_as_can_be(size: int, m: int, forbidden: set[int], seed: int) -> None:
    barred = np.array(sorted(item for item in forbidden if item < size), dtype=np.int64)
    drawn = draw_others(np.random.default_rng(seed), size, m, barred)
    assert len(set(drawn)) == len(drawn) == min(m, size - len(barred))
    assert not set(drawn) & set(barred)


def test_draws_are_even() -> None:
    stream, barred = np.random.default_rng(0), np.array([1, 4])
    counts = np.bincount(np.concatenate([draw_others(stream, 8, 2, barred) for _ in range(6000)]), minlength=8)[[0, 2, 3, 5, 6, 7]]
    assert stats.chisquare(counts).pvalue > 1e-4  # conservative: two draws at once are negatively correlated


def test_matching_holds_columns_and_calipers_at_their_edges() -> None:
    people = [("F", 45.0, "PA"), ("F", 55.0, "PA"), ("F", 55.1, "PA"), ("M", 50.0, "PA"), ("F", 50.0, "AP"), ("F", float("nan"), "PA")]
    pool = [{"split": "train", "sex": sex, "age": age, "view": view} for sex, age, view in people]
    data = cohort([*pool, {"split": "test", "item_id": "q", "patient_id": "q"}])
    found = {choose_references(data, "test", MATCHED, seed=seed).table["reference_id"][0] for seed in range(40)}
    assert found == {"i0", "i1"}


def test_matching_agrees_with_a_search_of_all_pairs() -> None:
    data = hospital(seed=3)
    config = ReferenceConfig(strategy="demographic", columns=("sex", "view"), caliper={"age": 2}, unmatched="relax")
    outcome = choose_references(data, "test", config, seed=1)
    pool = healthy_pool(data, "test")
    for query in data.queries("test").to_dict("records"):
        fits = pool[(pool["sex"] == query["sex"]) & (pool["view"] == query["view"]) & ((pool["age"] - query["age"]).abs() <= 2)]
        assert (query["item_id"] in set(outcome.unmatched["item_id"])) == fits.empty
        reference = outcome.table.set_index("item_id").loc[query["item_id"]]
        assert fits.empty or (
            reference["reference_id"] in set(fits["item_id"]) and reference["note"].startswith("demographic; same sex, view")
        )


def test_relaxing_follows_the_stated_order_and_says_so() -> None:
    pool = [{"split": "train", "sex": "M", "age": 50.0, "view": "PA"}, {"split": "train", "sex": "F", "age": 80.0, "view": "PA"}]
    data = cohort([*pool, {"split": "test", "item_id": "q", "sex": "F", "age": 50.0}])
    for order, expected in ((None, "i1"), (("age", "view", "sex"), "i1"), (("sex", "age"), "i0")):
        outcome = choose_references(data, "test", ReferenceConfig(strategy="demographic", unmatched="relax", relax=order), seed=0)
        assert outcome.table["reference_id"].tolist() == [expected]
        given_up = "age" if expected == "i1" else "sex"
        assert outcome.table["note"][0].startswith(f"demographic, relaxed: {given_up}; ")
        assert outcome.unmatched["reason"].tolist() == [f"0 of 1 references match; demographic, relaxed: {given_up}"]


def test_nobody_is_dropped_in_silence() -> None:
    rows = [{"split": "train"}, *({"split": "test", "item_id": f"q{k}", "patient_id": f"q{k}", "age": 90.0} for k in range(5))]
    with pytest.raises(InputError, match=r"5 of 5 queries cannot be matched: q0 \(0 of 1 references match\), q1 .* and 2 more"):
        choose_references(cohort(rows), "test", MATCHED, seed=0)
    with pytest.raises(InputError, match="q0 \\(age missing\\)"):
        choose_references(cohort([{"split": "train"}, {"split": "test", "item_id": "q0", "age": float("nan")}]), "test", MATCHED, seed=0)


def test_a_column_that_nobody_fills_is_no_requirement() -> None:
    data = cohort([{"split": "train", "view": ""}, {"split": "test", "view": ""}])
    assert choose_references(data, "test", MATCHED, seed=0).table["reference_id"].tolist() == ["i0"]


@pytest.mark.parametrize(
    ("rows", "config", "words"),
    [
        ([{"split": "train", "label": "sick"}, {"split": "test"}], ReferenceConfig(), "no healthy reference"),
        ([{"split": "train", "patient_id": "x"}, {"split": "test", "patient_id": "x"}], ReferenceConfig(), "the pool has 0"),
        ([{"split": "train"}, {"split": "test"}], ReferenceConfig(m=2), "needs 2"),
        ([{"split": "train"}, {"split": "test"}], ReferenceConfig(strategy="demographic", columns=("height",)), "no column 'height'"),
        ([{"split": "train"}, {"split": "test"}], ReferenceConfig(strategy="demographic", caliper={"sex": 1}), "no numbers"),
        ([{"split": "train"}, {"split": "train"}], ReferenceConfig(), "no item in split 'test'"),
    ],
)
def test_what_cannot_be_done_is_one_line(rows: list[dict[str, object]], config: ReferenceConfig, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        choose_references(cohort(rows), "test", config, seed=0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        {"columns": ["label"]}, {"columns": ["patient_id"]}, {"relax": ["height"]}, {"m": 0}, {"caliper": {"age": -1}}, {"reuse": 0},
        {"band": [0.5, 0.9]}, {"site": "same"}, {"order": "age"}, {"strategy": "prior", "order": "label"},
        {"strategy": "random", "columns": ["sex"]}, {"strategy": "embedding", "band": [0.9, 0.5]},
        {"strategy": "embedding", "band": [-0.5, 1]},
        {"strategy": "cross_center", "relax": ["age"]},
    ],
)  # fmt: skip
def test_configs_that_would_cheat_or_make_no_sense_are_refused(content: dict[str, object]) -> None:
    with pytest.raises(InputError, match="references"):
        parse_config(ReferenceConfig, {"strategy": "demographic", **content}, "references")


def test_matching_balances_what_it_matches_on() -> None:
    data = hospital(n=2000)
    older = data.table["age"].where(data.table["split"] != "test", 79 - 0.6 * (79 - data.table["age"]))  # older, but there are such people
    data = replace(data, table=data.table.assign(age=older))
    outcome = choose_references(data, "test", ReferenceConfig(strategy="demographic", caliper={"age": 3}, unmatched="relax"), seed=0)
    balance = balance_table(data, "test", outcome).set_index("covariate")
    assert balance.loc["age", "smd_before"] > 4 * balance.loc["age", "se_before"]
    assert abs(balance.loc["age", "smd_after"]) < 0.2 * balance.loc["age", "smd_before"]


def test_a_standardised_difference_is_a_cohens_d_with_its_sampling_error() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.5, 1, (4000, 60)), rng.normal(0, 1, (4000, 40))
    results = np.array([standardised_difference(a, b) for a, b in zip(x, y, strict=True)])
    mcse = results[:, 0].std(ddof=1) / np.sqrt(len(results))
    bias = 0.5 * 3 / (4 * 98 - 1)  # small-sample bias of d (Hedges 1981)
    assert abs(results[:, 0].mean() - 0.5 - bias) < 4 * mcse
    assert results[:, 1].mean() == pytest.approx(results[:, 0].std(ddof=1), rel=4 / np.sqrt(2 * len(results)) + 0.01)


def test_a_standardised_difference_says_when_it_cannot_be_had() -> None:
    assert np.isnan(standardised_difference(np.array([1.0]), np.array([1.0, 2.0]))[0])
    assert standardised_difference(np.ones(3), np.ones(3)) == (0.0, 0.0)
    assert standardised_difference(np.ones(3), np.zeros(3))[0] == np.inf
