from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, logit
from scipy.stats import t as student

from empirical.analysis.alignment import (
    alignment_draws,
    alignment_table,
    debiased_cka,
    label_share,
    linear_cka,
    modality_gap,
    representations,
    residual_cka,
    residual_debiased_cka,
)
from empirical.arms import ArmConfig, build_examples
from empirical.cohorts import Cohort
from empirical.prompts.templates import PromptConfig
from empirical.vlm.config import ModelConfig
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.loading import load_vlm
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError

PAIR = ArmConfig.model_validate({"arm": "pair", "references": {"strategy": "random"}})


def test_cka_is_the_formula_with_loops() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 5)), rng.normal(size=(12, 7))
    xc, yc = x - x.mean(0), y - y.mean(0)
    by_columns = np.linalg.norm(yc.T @ xc) ** 2 / (np.linalg.norm(xc.T @ xc) * np.linalg.norm(yc.T @ yc))
    assert linear_cka(x, y) == pytest.approx(by_columns, rel=1e-12)
    assert linear_cka(x, y) == pytest.approx(linear_cka(y, x)) and linear_cka(x, 3 * x + 2) == pytest.approx(1)


def test_the_debiased_one_is_zero_on_average_where_the_plain_one_is_far_from_it() -> None:
    rng = np.random.default_rng(0)
    drawn = [(rng.normal(size=(20, 50)), rng.normal(size=(20, 50))) for _ in range(400)]
    plain, debiased = (np.array([measure(x, y) for x, y in drawn]) for measure in (linear_cka, debiased_cka))
    assert plain.mean() > 0.5
    assert abs(debiased.mean()) < 4 * debiased.std() / np.sqrt(len(debiased))
    x = drawn[0][0]
    assert debiased_cka(x, 2 * x - 1) == pytest.approx(1)


def test_the_unbiased_criterion_is_the_average_over_quadruples() -> None:
    """Song et al. 2012: the estimator is the U-statistic of order four; here all quadruples of six items, by brute force."""
    from itertools import permutations

    from empirical.analysis.alignment import _products

    rng = np.random.default_rng(1)
    k, m = ((a @ a.T) for a in (rng.normal(size=(6, 2)), rng.normal(size=(6, 3))))
    terms = [k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in permutations(range(6), 4)]
    assert _products(k, m, [np.ones((1, 6))])[1].item() == pytest.approx((6 - 1) ** 2 * np.mean(terms), rel=1e-10)


def test_the_debiased_one_is_the_cosine_of_u_centred_matrices() -> None:
    """Székely and Rizzo 2014, by loops: an inner product, so that no value lies beyond 1 either way, though it may lie below 0."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(40):
        x, y = rng.normal(size=(5, 1)), rng.normal(size=(5, 2))
        left, right = (np.array([u_centred(a, i, j) for i in range(5) for j in range(5)]) for a in (x @ x.T, y @ y.T))
        found.append(debiased_cka(x, y))
        assert found[-1] == pytest.approx(left @ right / np.sqrt((left @ left) * (right @ right)), abs=1e-10)
    assert -1 <= min(found) < -0.3 and max(found) <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_where_all_items_but_one_are_alike_there_is_no_value_and_no_noise_for_one(dtype: type) -> None:
    rng = np.random.default_rng(0)
    x, two = rng.normal(size=(6, 8)).astype(dtype), rng.normal(5, 1, size=(2, 8))
    for alone in range(6):
        y = two[(np.arange(6) == alone).astype(int)] * (1 + 1e-7 * rng.normal(size=(6, 1)))
        assert np.isnan(debiased_cka(x, y.astype(dtype)))
    assert np.isfinite(debiased_cka(x, two[[0, 0, 0, 0, 1, 1]].astype(dtype)))


def u_centred(gram: np.ndarray, i: int, j: int) -> float:
    n = len(gram)
    if i == j:
        return 0.0
    row, column = (sum(gram[k, m] for m in range(n) if m != k) / (n - 2) for k in (i, j))
    everything = sum(gram[k, m] for k in range(n) for m in range(n) if k != m)
    return float(gram[i, j] - row - column + everything / ((n - 1) * (n - 2)))


def residual(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Take the mean of each class out, by loops."""
    return np.array([row - values[classes == one].mean(axis=0) for row, one in zip(values, classes, strict=True)])


three = np.array(["b", "a", "c"]).repeat([5, 9, 6])


def drawn_with_classes(seed: int, apart: float, shared: float = 0.0, classes: np.ndarray = three) -> tuple[np.ndarray, np.ndarray]:
    """Two representations that have the class in common, and `shared` of what varies within classes."""
    rng = np.random.default_rng(seed)
    means, common = rng.normal(size=(3, 4)), rng.normal(size=(len(classes), 4))
    place = np.unique(classes, return_inverse=True)[1]
    x, y = (apart * means[place] + shared * common + rng.normal(size=common.shape) for _ in range(2))
    return x, y @ rng.normal(size=(4, 6))


def test_the_residual_cka_is_the_cka_of_residuals_and_the_label_share_that_of_an_analysis_of_variance() -> None:
    x, y = drawn_with_classes(0, apart=2.0, shared=1.0)
    left, right = residual(x, three), residual(y, three)
    by_hand = np.linalg.norm(right.T @ left) ** 2 / (np.linalg.norm(left.T @ left) * np.linalg.norm(right.T @ right))
    assert residual_cka(x, y, three) == pytest.approx(by_hand, rel=1e-10)
    assert residual_cka(x, y, three) == pytest.approx(linear_cka(left, right), rel=1e-10)
    between = sum((three == one).sum() * np.square(x[three == one].mean(0) - x.mean(0)).sum() for one in "abc")
    assert label_share(x, three) == pytest.approx(between / np.square(x - x.mean(0)).sum(), rel=1e-10)


def test_the_debiased_residual_is_made_of_quadruples_within_classes_and_pairs_across() -> None:
    """Its definition, by brute force: unbiased squares of each class's covariance, and products of two classes' as they are."""
    from itertools import permutations

    def pooled(x: np.ndarray, y: np.ndarray) -> float:
        total = 0.0
        for one in "abc":
            k, m = ((values @ values.T) for values in (x[three == one], y[three == one]))
            terms = [k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in permutations(range(len(k)), 4)]
            total += (len(k) - 1) ** 2 * np.mean(terms)
            mine = np.atleast_2d(np.cov(x[three == one].T, y[three == one].T))[: x.shape[1], x.shape[1] :]
            for other in set("abc") - {one}:
                theirs = np.atleast_2d(np.cov(x[three == other].T, y[three == other].T))[: x.shape[1], x.shape[1] :]
                total += (len(k) - 1) * ((three == other).sum() - 1) * (mine * theirs).sum()
        return total

    x, y = drawn_with_classes(1, apart=2.0, shared=1.0)
    expected = pooled(x, y) / np.sqrt(pooled(x, x) * pooled(y, y))
    assert residual_debiased_cka(x, y, three) == pytest.approx(expected, rel=1e-9)
    assert residual_debiased_cka(x, y, np.zeros(len(x))) == pytest.approx(debiased_cka(x, y), rel=1e-12)


def test_where_only_the_label_is_shared_the_plain_cka_is_high_and_the_residual_one_zero_on_average() -> None:
    for classes in (three, np.arange(20) % 2):
        drawn = [drawn_with_classes(seed, apart=3.0, classes=classes) for seed in range(300)]
        plain = np.array([debiased_cka(x, y) for x, y in drawn])
        found, biased = (np.array([measure(x, y, classes) for x, y in drawn]) for measure in (residual_debiased_cka, residual_cka))
        assert plain.mean() > 0.5 and biased.mean() > 0.1
        assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))
        alike = [residual_debiased_cka(*drawn_with_classes(seed, apart=3.0, shared=2.0, classes=classes), classes) for seed in range(50)]
        assert np.mean(alike) > 0.2


def test_the_debiased_cka_of_residuals_would_still_be_biased_and_the_residual_one_is_not() -> None:
    rng, classes = np.random.default_rng(0), np.arange(16) % 2
    drawn = [rng.normal(size=(2, 16, 40)) for _ in range(200)]
    naive = np.array([debiased_cka(residual(x, classes), residual(y, classes)) for x, y in drawn])
    found = np.array([residual_debiased_cka(x, y, classes) for x, y in drawn])
    assert naive.mean() > 0.1 and abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))


def test_residual_measures_do_not_change_when_a_representation_is_turned_scaled_or_its_classes_are_moved() -> None:
    x, y = drawn_with_classes(2, apart=1.0, shared=1.0)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    moved = 7 * x @ turn + 100.0 * np.unique(three, return_inverse=True)[1][:, None]
    for measure in (residual_cka, residual_debiased_cka):
        assert measure(moved, y, three) == pytest.approx(measure(x, y, three), rel=1e-7)
        assert measure(x, 3 * x @ turn - 1, three) == pytest.approx(1)
    assert label_share(7 * x @ turn + 5, three) == pytest.approx(label_share(x, three))
    assert label_share(moved, three) > 0.98 > label_share(x, three)


def test_each_draw_has_the_values_of_its_own_items() -> None:
    """All draws are computed at once; one by one they must be the same."""
    x, y = drawn_with_classes(3, apart=2.0, shared=1.0, classes=np.repeat(three, 3))
    y, labels, patients = y[:, :4], np.repeat(three, 3), np.arange(60) // 2
    draws = alignment_draws(x[None], y[None], patients, labels, seed=5)
    rng = np.random.default_rng(5)
    measures = {"cka": linear_cka, "debiased_cka": debiased_cka, "modality_gap": modality_gap}
    with_labels = {"residual_cka": residual_cka, "residual_debiased_cka": residual_debiased_cka}
    for draw in range(1, 5):
        kept = np.isin(patients, rng.choice(30, 15, replace=False))
        found = draws[draws["draw"] == draw].set_index("measure")["value"]
        for name, measure in measures.items():
            assert found[name] == pytest.approx(measure(x[kept], y[kept]), rel=1e-9)
        for name, measure in with_labels.items():
            assert found[name] == pytest.approx(measure(x[kept], y[kept], labels[kept]), rel=1e-9)
        assert found["label_share_images"] == pytest.approx(label_share(x[kept], labels[kept]), rel=1e-9)
        assert found["label_share_answers"] == pytest.approx(label_share(y[kept], labels[kept]), rel=1e-9)
    assert set(alignment_draws(x[None], y[None], patients)["measure"]) == set(measures)  # without labels there is no residual


def test_where_a_class_is_too_small_or_nothing_varies_within_classes_there_is_no_value_and_the_reason() -> None:
    rng = np.random.default_rng(0)
    x, y, patients = rng.normal(size=(1, 24, 3)), rng.normal(size=(1, 24, 3)), np.arange(24)
    labels = np.array(["rare"] + ["a", "b"] * 11 + ["rare"])
    draws = alignment_draws(x, y, patients, labels)
    _, halves = np.unique(patients, return_inverse=True), np.random.default_rng(0)
    rare = [2, *(int(np.isin(halves.choice(24, 12, replace=False), [0, 23]).sum()) for _ in range(200))]
    for name, least in (("residual_cka", 2), ("residual_debiased_cka", 4)):
        rows = draws[draws["measure"] == name]
        too_few = np.array([0 < number < least for number in rare])
        said = rows["reason"].str.contains(f"has fewer than {least} items").to_numpy()
        assert (said >= too_few).all() and (rows["value"].isna() == (rows["reason"] != "")).all()
    row = alignment_table(draws, 24).set_index("measure").loc["residual_debiased_cka"]
    assert np.isnan(row[["value", "low", "high"]].astype(float)).all() and row["undefined"] >= 1 + sum(number > 0 for number in rare[1:])
    assert row["reason"] == "class 'rare' has fewer than 4 items"
    two = np.array(["a", "b"] * 12)
    answers = np.array([[0.3, -0.2, 0.1], [0.1, 0.2, 0.3]])[np.arange(24) % 2]  # the same within a class, as before the first layer
    draws = alignment_draws(x, answers[None].astype(np.float32), patients, two)
    assert set(draws.loc[draws["measure"] == "residual_cka", "reason"]) == {"answers do not vary within classes"}
    assert alignment_table(draws, 24).set_index("measure").loc["label_share_answers", "value"] == pytest.approx(1)
    assert draws.loc[draws["measure"] == "cka", "value"].notna().all()
    draws = alignment_draws(x, np.full_like(answers, 0.5)[None], patients, two)
    none = draws[draws["measure"].isin(["cka", "debiased_cka", "label_share_answers"])]
    assert none["value"].isna().all() and set(none["reason"]) == {"answers are all alike"}


def test_the_gap_is_the_distance_of_mean_directions() -> None:
    x, y = np.array([[3.0, 0.0], [0.0, 2.0]]), np.array([[-1.0, 0.0], [0.0, -5.0]])
    assert modality_gap(x, y) == pytest.approx(np.sqrt(2)) and modality_gap(x, 7 * x) == pytest.approx(0)


def test_intervals_cover_what_more_patients_show() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(4000, 4))
    x, y = (shared @ rng.normal(size=(4, 6)) + rng.normal(size=(4000, 6)) for _ in range(2))
    truth = debiased_cka(x, y)
    covered = []
    for start in range(0, 4000, 100):
        part = slice(start, start + 100)
        table = alignment_table(alignment_draws(x[None, part], y[None, part], np.arange(100), seed=start), 100)
        row = table[table["measure"] == "debiased_cka"].iloc[0]
        covered.append(row["low"] <= truth <= row["high"])
    assert np.mean(covered) >= 0.85  # 40 intervals of 95 %: fewer than 34 by chance once in 400
    with pytest.raises(InputError, match="4 patients are too few"):
        alignment_draws(x[None, :8], y[None, :8], np.repeat(np.arange(4), 2))


def test_no_interval_reaches_beyond_what_a_measure_can_be() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(12, 1))
    weak, strong = 0.4 * x + rng.normal(size=(12, 1)), x + 0.2 * rng.normal(size=(12, 1))
    apart = np.array([100.0, 1.0]) * np.ones((12, 2))  # two clouds on opposite sides: the gap is nearly 2
    clouds = [sign * apart + rng.normal(size=(12, 2)) for sign in (1, -1)]
    pairs = [(x, weak), (x, strong), (x, x), tuple(clouds)]
    ranges = {"cka": (0, 1), "debiased_cka": (-1, 1), "modality_gap": (0, 2)}
    for first, second in pairs:
        table = alignment_table(alignment_draws(first[None], second[None], np.arange(12)), 12)
        for row in table.itertuples():
            bottom, top = ranges[row.measure]
            assert bottom <= row.low <= row.value <= row.high <= top
    alike = alignment_table(alignment_draws(x[None], x[None], np.arange(12)), 12).set_index("measure")
    assert alike.loc[["cka", "debiased_cka"], ["low", "high"]].to_numpy() == pytest.approx(1) and alike.loc["modality_gap", "high"] < 1e-6


@pytest.mark.parametrize("patients", [11, 30])
def test_intervals_of_a_few_patients_cover(patients: int) -> None:
    """Of the plain CKA what as many other patients show on average, of the debiased one the population's."""
    rng = np.random.default_rng(0)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        shared = rng.normal(size=(n, 2))
        return shared + 0.3 * rng.normal(size=(n, 2)), shared @ np.array([[1.0, 0.4], [0.0, 1.0]]) + 0.3 * rng.normal(size=(n, 2))

    truth = {"debiased_cka": debiased_cka(*draw(4000)), "cka": np.mean([linear_cka(*draw(patients)) for _ in range(1000)])}
    covered = []
    for seed in range(60):
        x, y = draw(patients)
        table = alignment_table(alignment_draws(x[None], y[None], np.arange(patients), seed=seed), patients).set_index("measure")
        covered.append([table.loc[name, "low"] <= value <= table.loc[name, "high"] for name, value in truth.items()])
    assert (np.mean(covered, axis=0) >= 0.86).all()  # 60 intervals of 95 %: fewer than 52 by chance once in 600


@pytest.mark.parametrize("patients", [10, 11])
def test_the_spread_over_halves_is_made_that_of_a_mean(patients: int) -> None:
    """Of a mean, the spread over all samples of s of n is known: s^2 (1/s - 1/n); what the jackknife makes of it must be s^2/n."""
    scores = np.random.default_rng(5).normal(size=patients)
    halves = [scores[list(chosen)].mean() for chosen in combinations(range(patients), patients // 2)]
    draws = {"draw": range(1 + len(halves)), "value": expit([scores.mean(), *halves]), "reason": ""}
    table = alignment_table(pd.DataFrame({"layer": 0, "measure": "cka"} | draws), patients)
    reach = logit(table.loc[0, "high"]) - scores.mean()
    expected = student.ppf(0.975, patients - 1) * scores.std(ddof=1) / np.sqrt(patients)
    assert reach == pytest.approx(expected, rel=1 / len(halves))  # the sample's n - 1 among the halves
    assert scores.mean() - logit(table.loc[0, "low"]) == pytest.approx(reach)


def test_halves_without_a_value_are_left_out_and_too_many_leave_no_interval() -> None:
    values = np.random.default_rng(0).uniform(0.3, 0.6, size=101)
    draws = pd.DataFrame({"layer": 0, "measure": "debiased_cka", "draw": range(101), "value": values, "reason": ""})
    without = draws.drop(index=[7, 9])
    expected = alignment_table(without, 10).iloc[0]
    draws.loc[[7, 9], "value"] = np.nan
    assert alignment_table(draws, 10).iloc[0][["low", "high"]].tolist() == expected[["low", "high"]].tolist()
    draws.loc[:25, "value"] = np.nan
    draws.loc[0, "value"] = values[0]
    row = alignment_table(draws, 10).iloc[0]
    assert row["value"] == values[0] and np.isnan([row["low"], row["high"]]).all()


def test_means_are_over_the_query_and_the_answer_only(phantom: Cohort) -> None:
    vlm = load_vlm(ModelConfig())
    encoder = Encoder(vlm.processor, vlm.family, phantom.image)
    examples = build_examples(phantom, "test", PAIR, PromptConfig(), seed=0)[:3]
    images, answers = representations(vlm, encoder, examples, batch_size=2)
    assert images.shape == answers.shape == (5, 3, 128)
    batch, labels = encoder.with_answers(examples[2:], [examples[2].answer], end=False)
    with torch.inference_mode():
        hidden = vlm.model(**batch, output_hidden_states=True).hidden_states
    places = (batch["input_ids"][0] == vlm.model.config.image_token_id).nonzero().flatten()[16:]  # the second image's sixteen
    for layer in (0, 3):
        assert np.allclose(images[layer, 2], hidden[layer][0, places].mean(0), atol=1e-5)
        assert np.allclose(answers[layer, 2], hidden[layer][0, -labels.shape[1] :].mean(0), atol=1e-5)


def test_intervals_end_where_the_measure_does() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 1, 12, 40))
    table = alignment_table(alignment_draws(x, y, np.arange(12), seed=0), 12).set_index("measure")
    assert table.loc["cka", "high"] <= 1 and table.loc["cka", "low"] >= 0 and table.loc["debiased_cka", "low"] < 0
    alike = alignment_table(alignment_draws(x, x + 0.01 * y, np.arange(12), seed=0), 12).set_index("measure")
    assert alike.loc["debiased_cka", "high"] <= 1 and alike.loc["modality_gap", "low"] >= 0


def test_every_arm_is_measured_on_the_same_items(phantom: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from paper_figures.claims.analyses import ALIGNMENT, _checked
    from paper_figures.cli import app

    arms = [{"arm": "single"}, PAIR.model_dump(exclude_none=True)]
    content = {"cohort": str(phantom.folder), "arms": arms, "threads": 1}
    (tmp_path / "config.yaml").write_text(json.dumps(content))
    assert run_app(app, ["analyse", "alignment", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().err
    assert said.count("with class means removed") == said.count("of the images' variance") == 2  # beside the plain one, for each arm
    table = pd.read_csv(tmp_path / "out" / "alignment.csv")
    assert table.groupby(["run_id", "measure"]).size().eq(5).all() and table["run_id"].nunique() == 2
    known = table[table["low"].notna()]
    assert (
        (known["low"] <= known["value"]).all() and (known["value"] <= known["high"]).all() and known["measure"].nunique() == 6
    )  # halves of a class have 3
    residual = table[table["measure"].str.startswith("residual") & (table["layer"] == 0)]  # the answers are words, before the first layer
    assert residual["value"].isna().all() and set(residual["undefined"]) == {201}
    assert set(residual["reason"]) == {"answers do not vary within classes"} and (tmp_path / "out" / "alignment.png").is_file()
    draws = _checked(pd.read_parquet(tmp_path / "out" / "alignment_draws.parquet"), "", ALIGNMENT)  # what the ledger of claims reads
    whole = draws[draws["draw"] == 0]
    assert np.array_equal(whole["value"], table["value"], equal_nan=True) and draws["drawn_from"].nunique() == 1
    said = draws[["arm", "strategy", "train_arm", "train_strategy", "train_seed", "items", "patients"]].drop_duplicates()
    assert said.to_numpy().tolist() == [["single", "", "", "", "0", 12, 12], ["pair", "random", "", "", "0", 12, 12]]


def test_hidden_states_that_are_no_numbers_end_the_run(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from empirical.analysis import alignment
    from empirical.analysis.arms import AlignmentConfig, report_alignment

    monkeypatch.setattr(alignment, "representations", lambda *_: (np.full((2, 12, 3), np.nan), np.ones((2, 12, 3))))
    config = AlignmentConfig.model_validate({"cohort": str(phantom.folder), "arms": [{"arm": "single"}], "threads": 1})
    with pytest.raises(InputError, match="alignment: hidden states are not finite; load the model with dtype: float32"):
        report_alignment(config, tmp_path / "out", quiet=True)


def test_a_sample_of_items_has_the_classes_proportions_and_is_part_of_a_larger_one() -> None:
    from empirical.analysis.arms import _in_proportion

    labels = pd.Series(["a"] * 60 + ["b"] * 30 + ["c"] * 10, index=[f"i{number}" for number in range(100)])
    few, more = _in_proportion(labels, 20, 0), _in_proportion(labels.sample(frac=1, random_state=1), 50, 0)
    assert labels[list(few)].value_counts().to_dict() == {"a": 12, "b": 6, "c": 2} and few < more and len(more) == 50
    assert _in_proportion(labels, 20, 1) != few and _in_proportion(labels, None, 0) == set(labels.index) == _in_proportion(labels, 200, 0)


def test_a_query_that_one_arm_leaves_out_is_left_out_of_all_and_counted(phantom: Cohort, tmp_path: Path) -> None:
    from empirical.analysis.arms import report_alignment
    from empirical.evaluation.config import EvaluateConfig

    table = phantom.table.copy()
    table.loc[table.index[table["split"] == "test"][:2], "family"] = ["alone-1", "alone-2"]
    Cohort(tmp_path / "cohort", replace(phantom.info, image_root=str(phantom.folder)), table).save()
    pair = {"arm": "pair", "references": {"strategy": "demographic", "columns": ["family"], "caliper": {}, "unmatched": "leave_out"}}
    content = {"cohort": str(tmp_path / "cohort"), "arms": [{"arm": "single"}, pair], "threads": 1}
    report_alignment(EvaluateConfig.model_validate(content), tmp_path / "out", quiet=True)
    draws = pd.read_parquet(tmp_path / "out" / "alignment_draws.parquet")
    assert draws["drawn_from"].nunique() == 1 and set(draws["items"]) == {10}
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {name: number for name, number in manifest["counts"].items() if not name.startswith("undefined:")} == {
        "unmatched:pair-demographic": 2,
        "left_out": 2,
        "not_analysed": 0,
    }
    assert sum(number for name, number in manifest["counts"].items() if name.startswith("undefined:")) == draws["value"].isna().sum()
    assert manifest["config"]["other_cohort_hashes"] == []  # where an arm shows another cohort's pictures, they are part of the run
    assert (tmp_path / "out" / "references" / "pair-demographic.parquet").is_file()


def test_halves_depend_on_patients_and_seed_not_on_the_order_of_items() -> None:
    rng = np.random.default_rng(0)
    x, y, patients = rng.normal(size=(1, 30, 4)), rng.normal(size=(1, 30, 4)), np.arange(30).repeat(2)[:30]
    order = rng.permutation(30)
    draws, turned = (
        alignment_draws(images, answers, whose)["value"].to_numpy()
        for images, answers, whose in ((x, y, patients), (x[:, order], y[:, order], patients[order]))
    )
    assert np.allclose(draws, turned, atol=1e-12)
    assert not np.allclose(draws, alignment_draws(x, y, patients, seed=1)["value"], atol=1e-3)


def test_a_killed_alignment_goes_on_from_its_arms_to_the_same_bits(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from empirical.analysis import alignment
    from empirical.analysis.arms import report_alignment
    from empirical.evaluation.config import EvaluateConfig

    content = {"cohort": str(phantom.folder), "arms": [{"arm": "single"}, {"arm": "duplicate"}], "threads": 1}
    config, plain, done = EvaluateConfig.model_validate(content), alignment.representations, []
    monkeypatch.setattr(alignment, "RESAMPLES", 20)

    def counted(*given: object) -> tuple[np.ndarray, np.ndarray]:
        done.append(given[2])
        if len(done) == room:
            raise KeyboardInterrupt
        return plain(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(alignment, "representations", counted)
    room = 0
    report_alignment(config, tmp_path / "whole", quiet=True)
    done.clear()
    room = 2
    with pytest.raises(KeyboardInterrupt):
        report_alignment(config, tmp_path / "killed", quiet=True)
    report_alignment(config, tmp_path / "killed", quiet=True)
    assert len(done) == 3
    for name in ("alignment.csv", "alignment_draws.parquet"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
