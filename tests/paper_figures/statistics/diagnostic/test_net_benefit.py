"""Net benefit: against counts, the clustered difference, Vickers and Elkin's reference strategies, coverage, edges."""

import math

import numpy as np
import pytest

from paper_figures.statistics import net_benefit
from paper_figures.statistics.diagnostic.net_benefit import CURVES
from see_in_pairs.errors import InputError


def sample(seed: int = 0, n: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels, patients = np.arange(n) % 3 == 0, np.arange(n) // 2
    return 1 / (1 + np.exp(-rng.normal(size=(2, n)) - np.array([[2], [1]]) * (labels - 0.5))), labels, patients


def test_against_counts() -> None:
    scores, labels, patients = sample()
    found = net_benefit(*scores, labels, patients, thresholds=[0.1, 0.3, 0.8])
    for row, t in enumerate((0.1, 0.3, 0.8)):
        counts = [((one >= t) & labels).sum() - t / (1 - t) * ((one >= t) & ~labels).sum() for one in scores]
        assert [found.a[row], found.b[row]] == pytest.approx([count / 300 for count in counts])
        assert found.treat_all[row] == pytest.approx(labels.mean() - (1 - labels.mean()) * t / (1 - t))
    assert found.difference == pytest.approx(found.a - found.b)
    assert found.a_minus_treat_all == pytest.approx(found.a - found.treat_all)


def test_clusters_are_left_out_one_at_a_time() -> None:
    scores, labels, patients = sample(1, 120)
    found = net_benefit(*scores, labels, patients, thresholds=[0.4])
    left = [net_benefit(*scores[:, patients != k], labels[patients != k], thresholds=[0.4]).difference[0] for k in range(60)]
    se = math.sqrt(59 / 60 * ((np.array(left) - found.difference[0]) ** 2).sum())
    assert (found.high["difference"] - found.low["difference"])[0] / 2 == pytest.approx(2.0009954 * se, rel=1e-6)  # t of 59


def test_intervals_cover_and_pairing_helps() -> None:
    rng, replicates, inside, shorter = np.random.default_rng(7), 300, 0, 0
    t = 0.3
    for _ in range(replicates):
        codes = np.arange(200) // 2
        labels = np.repeat(rng.random(100) < 0.3, 2)
        common = rng.normal(size=100)[codes]
        scores = 1 / (1 + np.exp(-(common + 0.5 * rng.normal(size=(2, 200)) + 2 * labels - 1)))
        found = net_benefit(*scores, labels, codes, thresholds=[t])
        inside += found.low["difference"][0] <= 0 <= found.high["difference"][0]
        widths = {name: (found.high[name] - found.low[name])[0] for name in ("a", "b", "difference")}
        shorter += widths["difference"] < math.hypot(widths["a"], widths["b"])
    assert inside / replicates >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / replicates)
    assert shorter > 0.95 * replicates


def test_table_and_json() -> None:
    scores, labels, patients = sample()
    found = net_benefit(*scores, labels, patients)
    assert len(found.to_frame()) == 19
    row = found.to_dict()["curve"][3]
    assert row["threshold"] == 0.2
    assert row["treat_none"] == 0
    assert set(CURVES) < set(row)
    assert row["difference"]["interval"][0] <= row["difference"]["net_benefit"] <= row["difference"]["interval"][1]


def test_trainings_are_averaged() -> None:
    scores, labels, patients = sample()
    again = np.concatenate([scores, scores**2], axis=1)
    both = net_benefit(*again, np.tile(labels, 2), np.tile(patients, 2), seeds=np.repeat([1, 2], 300))
    one = [net_benefit(*part, labels, patients) for part in (scores, scores**2)]
    assert both.difference == pytest.approx(np.mean([each.difference for each in one], axis=0))


def test_edges() -> None:
    scores, labels, patients = sample()
    same = net_benefit(scores[0], scores[0], labels, patients)
    assert not same.difference.any()
    assert np.isnan(same.low["difference"]).all()
    few = net_benefit(*scores[:, :30], labels[:30])
    assert "10 clusters" in few.reason
    assert np.isnan(few.low["a"]).all()
    for change, line in (({"scores_a": scores[0] * 3}, "not probabilities"), ({"thresholds": [0.0]}, "between 0 and 1"),
                         ({"labels": labels * 0}, "one class only")):  # fmt: skip
        with pytest.raises(InputError, match=line):
            net_benefit(**({"scores_a": scores[0], "scores_b": scores[1], "labels": labels} | change))  # type: ignore[arg-type]
