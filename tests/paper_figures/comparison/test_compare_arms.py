"""The whole comparison: stable JSON keys, the contracts of the statistics page, invariances."""

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy import special

from paper_figures.comparison import Comparison, compare_arms
from paper_figures.statistics import clustered_difference, delong, mcnemar, random_factors_contrast, sign_flip, two_way
from see_in_pairs.errors import InputError
from see_in_pairs.files import to_json

KEYS = {
    "": "items clusters arms accuracy clustered_accuracy auroc two_way equivalence procedure bootstrap permutation warnings",
    "accuracy": "a b difference n10 n01 intervals mcnemar",
    "accuracy.intervals": "tango newcombe wald bonett_price",
    "accuracy.mcnemar": "exact mid_p asymptotic corrected",
    "clustered_accuracy": "obuchowski yang durkalski difference design_effect",
    "clustered_accuracy.obuchowski": "statistic p",
    "clustered_accuracy.difference": "estimate se df interval p",
    "auroc": "a b difference delong clustered_delong clustered_t two_way",
    "auroc.delong": "z p interval",
    "auroc.clustered_delong": "z p interval",
    "auroc.clustered_t": "estimate se df interval p",
    "auroc.two_way": "estimate se df interval p",
    "two_way": "estimate se df interval p",
    "procedure": "estimate se df interval p seeds by_seed training_sd one_model_se auroc",
    "procedure.auroc": "estimate se df interval p",
    "equivalence": "margin p",
    "bootstrap.auroc": "difference interval method resamples seed",
    "permutation": "p resamples exact",
}


def data(seed: int = 0, patients: int = 50, images: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(patients), images)
    labels = np.repeat(rng.random(patients) < 0.5, images)
    noise = rng.normal(size=(2, len(clusters)))
    scores = 1 / (1 + np.exp(-(noise + np.array([[1.4], [0.4]]) * (2 * labels - 1))))
    return {"scores_a": scores[0], "scores_b": scores[1], "labels": labels, "clusters": clusters}


def content(comparison: Comparison) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(to_json(comparison.to_dict()))
    return result


@pytest.mark.parametrize("path", KEYS)
def test_stable_keys_of_the_json(path: str) -> None:
    inputs = data()
    references = np.random.default_rng(1).integers(0, 30, size=50)[np.arange(150) // 3]  # one for the rows of an item
    seeds = np.arange(len(references)) % 3
    block = content(compare_arms(**inputs, second_clusters=references, training_seeds=seeds, margin=0.1, resamples=100))
    for key in filter(None, path.split(".")):
        block = block[key]
    assert set(KEYS[path].split()) <= set(block)


def test_the_numbers_are_those_of_the_single_tests() -> None:
    inputs = data()
    right = [(inputs[name] >= 0.5) == inputs["labels"] for name in ("scores_a", "scores_b")]
    references = np.random.default_rng(1).integers(0, 30, size=len(inputs["labels"]))
    result = compare_arms(**inputs, second_clusters=references, resamples=100)
    n10, n01 = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    assert result.accuracy.mcnemar == mcnemar(n10, n01)
    assert result.clustered_accuracy is not None
    assert result.clustered_accuracy.difference.se == pytest.approx(clustered_difference(*right, inputs["clusters"]).se)
    assert result.two_way is not None
    assert result.two_way.se == pytest.approx(two_way(*right, inputs["clusters"], references).se)
    assert result.auroc is not None
    assert result.auroc.delong is not None
    assert result.auroc.delong.p == pytest.approx(delong([inputs["scores_a"], inputs["scores_b"]], inputs["labels"]).difference().p)
    assert result.permutation.p == sign_flip(right[0].astype(int) - right[1], inputs["clusters"]).p


def test_identical_arms() -> None:
    inputs = data()
    result = content(compare_arms(**(inputs | {"scores_b": inputs["scores_a"]}), resamples=100))
    assert result["accuracy"]["mcnemar"] == {"exact": 1, "mid_p": 1, "asymptotic": 1, "corrected": 1}
    assert result["permutation"]["p"] == 1
    blocks = [result["clustered_accuracy"]["difference"], result["auroc"]["delong"], result["auroc"]["clustered_delong"]]
    assert all(block["p"] == 1 for block in blocks)
    intervals = [*result["accuracy"]["intervals"].values(), *(one["interval"] for one in (*blocks, *result["bootstrap"].values()))]
    assert all(low <= 0 <= high for low, high in intervals)
    assert all(one["difference"] == 0 for one in (result["accuracy"], result["auroc"], *result["bootstrap"].values()))


def test_swapping_arms_flips_signs_and_keeps_p() -> None:
    inputs = data()
    swapped = inputs | {"scores_a": inputs["scores_b"], "scores_b": inputs["scores_a"]}
    one, other = compare_arms(**inputs, resamples=100).to_frame(), compare_arms(**swapped, resamples=100).to_frame()
    for left, right in (("p", "p"), ("a", "b")):
        assert other[right].to_numpy() == pytest.approx(one[left].to_numpy(), nan_ok=True)
    for left, right in (("difference", "difference"), ("low", "high")):
        assert other[right].to_numpy() == pytest.approx(-one[left].to_numpy(), nan_ok=True)


@pytest.mark.parametrize("clustered", [True, False])
def test_permuting_rows_changes_nothing_at_all(clustered: bool) -> None:
    inputs = data()
    inputs |= {} if clustered else {"clusters": None}
    order = np.random.default_rng(2).permutation(len(inputs["labels"]))
    shuffled = {name: values if values is None else values[order] for name, values in inputs.items()}
    assert compare_arms(**shuffled, resamples=100).to_dict() == compare_arms(**inputs, resamples=100).to_dict()


def test_monotone_transforms_change_nothing_rank_based() -> None:
    inputs = data()
    logits = {name: np.log(inputs[name] / (1 - inputs[name])) for name in ("scores_a", "scores_b")}
    one, other = compare_arms(**inputs, resamples=100), compare_arms(**(inputs | logits), threshold=0.0, resamples=100)
    assert other.auroc == one.auroc
    assert other.accuracy == one.accuracy
    for name in ("auroc", "average_precision", "sensitivity"):
        assert other.bootstrap[name] == one.bootstrap[name]
    assert "brier" not in other.bootstrap
    assert any("outside [0, 1]" in text for text in other.warnings)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_leaves_the_rest(label: int) -> None:
    inputs = data()
    result = content(compare_arms(**(inputs | {"labels": np.full(150, label)}), resamples=100))
    assert result["auroc"] is None
    assert "one class only" in result["reasons"]["auroc"]
    assert set(result["bootstrap"]) == {"accuracy", "brier", "calibration_error"}
    assert result["clustered_accuracy"]["difference"]["p"] is not None


def test_one_cluster_leaves_the_rest() -> None:
    inputs = data()
    result = content(compare_arms(**(inputs | {"clusters": ["p"] * 150}), resamples=100))
    assert result["clustered_accuracy"] is None
    assert result["auroc"]["clustered_delong"] is None
    assert result["auroc"]["delong"]["p"] < 1
    assert {"clustered_accuracy", "auroc.clustered_delong", "bootstrap"} <= set(result["reasons"])
    assert result["permutation"]["p"] == 1


def test_right_and_wrong_only() -> None:
    inputs = data()
    right = [(inputs[name] >= 0.5) == inputs["labels"] for name in ("scores_a", "scores_b")]
    result = compare_arms(right[0].astype(int), right[1], None, clusters=inputs["clusters"], resamples=100)
    full = compare_arms(**inputs, resamples=100)
    assert result.auroc is None
    assert (result.accuracy, result.clustered_accuracy) == (full.accuracy, full.clustered_accuracy)
    assert set(result.bootstrap) == {"accuracy"}


def test_perfect_separation_and_infinite_scores_stay_finite() -> None:
    labels = np.arange(40) % 2 == 0
    perfect = np.where(labels, np.inf, -np.inf)
    result = content(compare_arms(perfect, np.zeros(40), labels, clusters=np.arange(40) // 2, resamples=100))
    assert result["auroc"]["a"] == 1
    for name in ("delong", "clustered_delong"):
        assert all(end is not None for end in result["auroc"][name]["interval"])
        assert 0 < result["auroc"][name]["p"] < 1
    assert all(end is not None for end in result["auroc"]["a_interval"])


def test_a_single_item_is_no_crash() -> None:
    result = compare_arms([0.9], [0.1], [1])
    assert result.clustered_accuracy is None
    assert result.accuracy.mcnemar.exact == 1


def test_ignored_clusters_and_missing_clusters_are_said() -> None:
    inputs = data()
    assert any("ignore" in text for text in compare_arms(**inputs, resamples=100).warnings)
    assert any("no clusters" in text for text in compare_arms(**(inputs | {"clusters": None}), resamples=100).warnings)


@pytest.mark.parametrize(
    ("patients", "images", "extra", "test"),
    [
        (50, 3, {}, "exact sign-flip over clusters"),
        (50, 1, {}, "McNemar mid-p, Tango interval"),
        (6, 20, {}, "exact sign-flip over clusters"),
        (5, 20, {}, "exact sign-flip over clusters, interval by t (4 df)"),
        (50, 3, {"second_clusters": np.arange(150) % 20}, "all random factors, t"),
        (50, 3, {"training_seeds": np.arange(150) % 3}, "all random factors, t"),
        (50, 1, {"fixed": ["readers"]}, "all random factors, t"),
    ],
)
def test_the_recommended_test_follows_the_design(patients: int, images: int, extra: dict[str, Any], test: str) -> None:
    result = compare_arms(**data(patients=patients, images=images), **extra, resamples=100)
    assert result.recommended["accuracy"].test.startswith(test)


def test_what_varies_is_told_with_every_recommendation() -> None:
    inputs = data(patients=60, images=3)
    result = compare_arms(**inputs, training_seeds=np.arange(180) % 3, second_clusters=np.arange(180) // 3 % 20, resamples=100)
    for one in content(result)["recommended"].values():
        assert one["admissible"]
        assert one["factors"]["seeds"] == {"levels": 3, "effective": 3.0, "random": True}
        assert one["factors"]["references"] == {"levels": 20, "effective": 20.0, "random": True}
        assert one["interval"][0] == pytest.approx(one["difference"] - special.stdtrit(one["df"], 0.975) * one["se"])
    one_model = content(compare_arms(**data(), resamples=100))["recommended"]["accuracy"]
    assert not one_model["factors"]["seeds"]["random"]


@pytest.mark.parametrize(("seeds", "references", "reason"), [(2, 20, "2 trainings"), (3, 4, "4 references"), (3, 20, "")])
def test_a_design_in_which_no_test_keeps_its_level_has_an_interval_and_no_p(seeds: int, references: int, reason: str) -> None:
    inputs = data(patients=60, images=6)
    trained, used = np.arange(360) % seeds, np.arange(360) // 6 % references
    result = compare_arms(**inputs, training_seeds=trained, second_clusters=used, margin=0.1, resamples=100)
    for name, one in content(result)["recommended"].items():
        assert one["admissible"] == (not reason)
        assert (one["p"] is None) == bool(reason) == (one["margin"] is None)
        assert reason in one["reason"]
        assert np.isfinite(one["interval"]).all()
        assert ("No verdict" in repr(result)) == bool(reason)
        assert (f"recommended.{name}" in result.reasons) == bool(reason)


def test_trainings_of_two_arms_are_independent_unless_they_are_said_to_be_paired() -> None:
    rng = np.random.default_rng(0)
    seeds, patients = np.repeat(np.arange(4), 80), np.tile(np.arange(80), 4)
    labels = patients % 2 == 0
    shared = rng.normal(size=4)[seeds]  # a training that is good in one arm is good in the other
    a, b = (rng.normal(size=320) + (2 * labels - 1) * (0.5 + shared) for _ in range(2))
    given = {"labels": labels, "clusters": patients, "training_seeds": seeds, "resamples": 100}
    apart, together = (compare_arms(a, b, **given, paired_seeds=paired).recommended["auroc"] for paired in (False, True))
    assert together.se < apart.se / 2
    assert together.difference == pytest.approx(apart.difference)
    assert "independent of each other" in apart.why
    assert "crossed" in together.why


def test_a_margin_may_be_of_one_measure_and_every_recommended_test_has_it() -> None:
    inputs = data(patients=60, images=3)
    one = content(compare_arms(**inputs, margin={"auroc": 0.05}, resamples=100))
    assert one["equivalence"] is one["recommended"]["accuracy"]["margin"] is None
    found, auroc = one["recommended"]["auroc"]["margin"], one["recommended"]["auroc"]
    t = (auroc["difference"] + 0.05) / auroc["se"]
    assert found["non_inferior_p"] == pytest.approx(special.stdtr(auroc["df"], -t))
    assert found["p"] == max(found["non_inferior_p"], found["non_superior_p"])
    plain = content(compare_arms(**data(patients=60, images=1), margin=0.05, resamples=100))
    assert plain["recommended"]["accuracy"]["margin"] == plain["equivalence"]
    assert plain["recommended"]["auroc"]["margin"]["method"] == "t"


def test_five_patients_are_too_few_and_it_is_said() -> None:
    result = compare_arms(**data(patients=5, images=20), resamples=100)
    assert "p cannot fall below 0.0625" in result.recommended["accuracy"].why
    assert result.recommended["accuracy"].interval == result.clustered_accuracy.difference.interval  # type: ignore[union-attr]
    assert any("5 clusters are few" in text for text in result.warnings)
    few = compare_arms(**data(), second_clusters=np.arange(150) % 5, resamples=100)
    assert any("5 clusters of the second kind are few" in text for text in few.warnings)


def test_the_recommended_interval_is_that_of_the_test() -> None:
    result = compare_arms(**data(), resamples=100)
    assert result.recommended["accuracy"].interval == result.permutation.interval
    same = compare_arms(np.ones(60), np.zeros(60), None, clusters=np.arange(60) // 3, resamples=100)
    assert same.recommended["accuracy"].interval[0] < 1  # every patient says the same: no interval without a width


def test_equivalence_uses_the_clusters() -> None:
    inputs = data(patients=200)
    result = compare_arms(**(inputs | {"scores_b": inputs["scores_a"] * 0.999}), margin=0.05, resamples=100)
    assert result.equivalence is not None
    assert result.equivalence.p < 0.05
    assert compare_arms(**inputs, margin=0.05, resamples=100).equivalence.p > 0.5  # type: ignore[union-attr]


def test_reproducible_from_its_seed() -> None:
    inputs = data()
    assert compare_arms(**inputs, resamples=100, seed=3).to_dict() == compare_arms(**inputs, resamples=100, seed=3).to_dict()
    other = compare_arms(**inputs, resamples=100, seed=4)
    assert other.bootstrap["auroc"].interval != compare_arms(**inputs, resamples=100, seed=3).bootstrap["auroc"].interval
    assert all(math.isfinite(one.interval_mcse[0]) for one in other.bootstrap.values())


def test_repr_is_the_table_and_frame_marks_the_recommended_rows() -> None:
    result = compare_arms(**data(), arms=("pair", "single"), resamples=100)
    assert "A = pair, B = single" in repr(result)
    assert "because items of a cluster are correlated" in repr(result)
    frame = result.to_frame()
    assert frame.loc[frame["recommended"], "measure"].tolist() == ["accuracy", "auroc"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores_a": [np.nan] * 150}, "NaN"), ({"scores_a": []}, "no items"), ({"labels": [0, 1]}, "not the same items"),
        ({"clusters": [1]}, "one per item"), ({"margin": 2.0}, "margin"), ({"confidence_level": 95}, "confidence_level"),
        ({"second_clusters": [1, 2]}, "not the same items"), ({"method": "t"}, "method"), ({"labels": ["a"] * 150}, "not numbers"),
        ({"clusters": [None] * 150}, "have none"),
    ],
)  # fmt: skip
def test_malformed_input(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare_arms(**(data() | change), **({} if "resamples" in change else {"resamples": 100}))


def test_scores_of_any_scale_have_no_accuracy_without_a_threshold() -> None:
    inputs = data()
    logits = {name: 4 * np.log(inputs[name] / (1 - inputs[name])) for name in ("scores_a", "scores_b")}
    one, other = compare_arms(**inputs, resamples=100), compare_arms(**(inputs | logits), resamples=100, margin=0.05)
    assert other.auroc == one.auroc and other.recommended["auroc"].p == one.recommended["auroc"].p
    found = other.to_dict()
    for name in ("accuracy", "clustered_accuracy", "two_way", "equivalence", "permutation"):
        assert found[name] is None
    assert set(other.recommended) == {"auroc"} and "accuracy" not in other.bootstrap
    assert "threshold" in other.reasons["accuracy"] and "threshold" in other.reasons["recommended.accuracy"]
    assert set(other.to_frame()["measure"]) & {"accuracy", "auroc"} == {"auroc"}
    assert (
        "\nAUROC" in repr(other) and "\nAccuracy" not in repr(other) and "no accuracy without --threshold" in " ".join(repr(other).split())
    )
    given = compare_arms(**(inputs | logits), threshold=0.0, resamples=100)
    assert given.accuracy == one.accuracy and given.recommended["accuracy"] == one.recommended["accuracy"]


def test_the_parts_of_a_recommendation_are_those_of_its_measure() -> None:
    rng = np.random.default_rng(0)
    labels, patients = np.arange(240) // 4 % 2, np.arange(240) // 4
    scores = 0.3 * rng.random((2, 3, 240)) + 0.2 * rng.random((2, 3, 1)) + 0.25 * labels
    long = {"labels": np.tile(labels, 3), "clusters": np.tile(patients, 3), "training_seeds": np.repeat([0, 1, 2], 240), "resamples": 100}
    found = compare_arms(*(one.ravel() for one in scores), **long).recommended
    assert found["auroc"].factors == random_factors_contrast(list(scores), labels, patients).factors
    right = list((scores >= 0.5) == labels)
    assert found["accuracy"].factors == random_factors_contrast(right, labels, patients, measure="accuracy").factors


def test_logits_of_several_trainings_keep_their_auroc() -> None:
    inputs = data()
    seeds = np.tile(np.arange(3), len(inputs["labels"]))
    long = {name: np.repeat(values, 3) for name, values in inputs.items()}
    rng = np.random.default_rng(0)
    logits = {name: 9 * long[name] + rng.normal(size=len(seeds)) for name in ("scores_a", "scores_b")}
    found = compare_arms(**(long | logits), training_seeds=seeds, resamples=100)
    assert found.to_dict()["procedure"]["auroc"]["p"] == found.procedure_auroc.p
    assert set(found.recommended) == {"auroc"}


def test_what_is_skipped_for_very_many_items_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paper_figures.comparison.blocks.MANY_ITEMS", 100)
    inputs = data(patients=60, images=3)
    found = compare_arms(**inputs)
    assert not found.bootstrap
    assert "--resamples" in found.reasons["bootstrap"]
    assert found.recommended["auroc"].p is not None
    assert compare_arms(**inputs, resamples=100).bootstrap


def test_the_equivalence_is_that_of_the_recommended_test() -> None:
    """Trainings and references that vary: the old key speaks of the same standard error, and is null where there is no verdict."""
    inputs = data(patients=60, images=3)
    seeds, references = np.arange(180) % 3, np.arange(180) // 3 % 20
    found = content(compare_arms(**inputs, training_seeds=seeds, second_clusters=references, margin=0.2, resamples=100))
    one = found["recommended"]["accuracy"]
    t = (abs(one["difference"]) - 0.2) / one["se"]
    assert found["equivalence"] == one["margin"]
    assert found["equivalence"]["p"] == pytest.approx(special.stdtr(one["df"], t))
    few = content(compare_arms(**inputs, training_seeds=seeds, second_clusters=references % 4, margin=0.2, resamples=100))
    assert few["equivalence"] is None
    assert "references" in few["reasons"]["equivalence"]
    with pytest.raises(InputError, match="margin: give a difference"):
        compare_arms(**inputs, margin={"auroc": 1.5})
