"""Figures of one's own records: on one's own axes, from records, tables and paths; matplotlib's settings stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import empirical
import paper_figures
from paper_figures import plot_auroc, plot_balance, plot_flip_table, plot_learning_curve, plot_roc
from paper_figures.plotting.style import COLOURS
from see_in_pairs.errors import InputError

RNG = np.random.default_rng(5)
LABELS = np.arange(120) % 2
LATENT = RNG.normal(size=120)


def scores(arm: str, shift: float) -> pd.DataFrame:
    items = pd.DataFrame({"item_id": [f"i{i}" for i in range(120)], "patient_id": [f"p{i // 2}" for i in range(120)], "label": LABELS})
    return items.assign(arm=arm, score=1 / (1 + np.exp(-(LATENT + shift * (LABELS - 0.5)))))


TABLE = pd.concat([scores("single", 1.0), scores("pair", 2.0), scores("my arm", 0.5)], ignore_index=True)


def axes() -> Axes:
    return Figure().subplots()


def xdata(ax: Axes, colour: str) -> list[np.ndarray]:
    return [np.asarray(line.get_xdata()) for line in ax.lines if line.get_color() == colour]


@pytest.mark.parametrize(
    "draw", [lambda ax: plot_auroc(TABLE, ax=ax), lambda ax: plot_roc(TABLE, resamples=50, ax=ax), lambda ax: plot_flip_table(TABLE, ax=ax)]
)
def test_they_draw_on_given_axes_and_leave_the_settings_alone(draw: Any) -> None:
    before, given = dict(matplotlib.rcParams), axes()
    assert draw(given) is given
    assert dict(matplotlib.rcParams) == before
    assert draw(None) is not given
    assert dict(matplotlib.rcParams) == before
    matplotlib.pyplot.close("all")


def test_auroc_is_that_of_the_statistics_with_its_interval() -> None:
    ax = plot_auroc(TABLE, arms=["pair", "single"], ax=axes())
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["pair", "single image"]
    pair = TABLE[TABLE["arm"] == "pair"]
    whole = paper_figures.statistics.delong(pair["score"], pair["label"]).auc[0]
    (low, high), (middle,) = xdata(ax, COLOURS["pair"])
    assert middle == pytest.approx(whole)
    assert 0.5 < low < middle < high < 1


def test_a_run_without_an_interval_says_why_beside_the_others() -> None:
    ill = TABLE[(TABLE["arm"] == "pair") & (TABLE["label"] == 1)]
    ax = plot_auroc(pd.concat([TABLE[TABLE["arm"] == "single"], ill]), ax=axes())
    (said,) = [text.get_text() for text in ax.texts if text.get_text().startswith("no interval")]
    assert "class" in said and not len(xdata(ax, COLOURS["pair"])) and len(xdata(ax, COLOURS["single"]))
    with pytest.raises(InputError, match="pair: no AUROC"):
        plot_auroc(ill, ax=axes())


def test_roc_has_a_curve_and_a_band_for_every_arm() -> None:
    ax = plot_roc(TABLE, resamples=50, ax=axes())
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text().split(":")[0] for text in legend.get_texts()] == ["single image", "pair", "my arm"]
    assert len(ax.patches) == 3
    unknown = ax.lines[-1].get_color()  # an arm of one's own has one colour in all figures, and none of those that mean something
    assert unknown not in {COLOURS[name] for name in ("single", "pair", "ideal")}
    assert xdata(plot_auroc(TABLE, ax=axes()), unknown)


def test_flips_are_those_of_the_statistics() -> None:
    ax = plot_flip_table(TABLE, ("single", "pair"), ax=axes())
    single, pair = ((TABLE[TABLE["arm"] == arm]["score"] >= 0.5).to_numpy() == (LABELS == 1) for arm in ("single", "pair"))
    known = [[(single & ~pair)[members].mean(), (pair & ~single)[members].mean()] for members in (LABELS == 1, LABELS == 0)]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([share for shares in known for share in shares])
    assert sum(bar.get_width() for bar in ax.patches) > 0
    with pytest.raises(InputError, match="give two arms on the same items"):
        plot_flip_table(pd.concat([scores("single", 1.0)[:100], scores("pair", 2.0)]), ax=axes())


def test_an_item_without_a_score_is_wrong() -> None:
    single = scores("single", 20.0)  # every answer is right
    pair = single.assign(arm="pair")
    pair.loc[pair["label"] == 0, "score"] = pair["score"].where(pair.index > 3)
    ax = plot_flip_table(pd.concat([single, pair]), threshold=0.5, ax=axes())
    assert sorted(text.get_text().strip() for text in ax.texts) == ["0", "0", "0", "2"]


def test_records_a_file_and_a_folder_give_the_same_picture(tmp_path: Path) -> None:
    rows = []
    for arm, shift in (("single", 1.0), ("pair", 2.0)):
        for seed in range(3):
            noise = RNG.normal(size=120)
            for i, logit in enumerate(LATENT + 0.5 * noise + shift * (LABELS - 0.5)):
                rows.append({
                    "run_id": arm, "arm": arm, "train_arm": arm, "train_seed": seed, "n_train": 100, "item_id": f"i{i:03}",
                    "patient_id": f"p{i}", "site": "", "label": "ill" if LABELS[i] else "well", "reference_ids": [],
                    "reference_strategy": "", "reference_patient_ids": [], "seed": 0, "p_positive": 1 / (1 + np.exp(-logit)),
                    "logp": {"yes": float(logit), "no": 0.0}, "mass_outside": 0.0, "generated": "", "parsed": "", "score_seconds": 0.0,
                })  # fmt: skip
    records = empirical.Records(pd.DataFrame(rows).astype({"train_seed": "Int64", "n_train": "Int64"}), ("ill",), "well")
    empirical.write_records(tmp_path / "records.parquet", records)
    pictures = [plot_auroc(given, ax=axes()) for given in (records, tmp_path, str(tmp_path / "records.parquet"))]
    known = [line.tolist() for line in xdata(pictures[0], COLOURS["pair"])]
    assert known and all([line.tolist() for line in xdata(ax, COLOURS["pair"])] == known for ax in pictures[1:])
    assert plot_roc(records, arms=["pair"], resamples=20, ax=axes()).get_xlabel() == "1 - specificity"
    bars = [bar.get_width() for bar in plot_flip_table(records, ax=axes()).patches]
    assert len(bars) == 4 and max(bars) < 1
    bare = records.table
    with pytest.raises(InputError, match="which labels are positive"):
        plot_auroc(bare, ax=axes())
    again = plot_auroc(bare, positive=["ill"], ax=axes())
    assert [line.tolist() for line in xdata(again, COLOURS["pair"])] == known


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (TABLE.drop(columns="label"), "lacks label"),
        (TABLE.drop(columns="score"), "lacks score"),
        (TABLE.assign(label="x"), "which labels are positive"),
        ("no/such/records.parquet", "no such records file"),
    ],
)
def test_what_cannot_be_drawn_says_why(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plot_auroc(given, ax=axes())


def test_an_unknown_arm_lists_those_there_are() -> None:
    with pytest.raises(InputError, match="no arm or run 'pairs'; there are single, pair, my arm"):
        plot_auroc(TABLE, arms=["pairs"], ax=axes())


def test_balance_takes_an_assignment_or_its_table_and_a_cohort_or_its_folder(tmp_path: Path) -> None:
    config = empirical.PhantomConfig(size=40, n_train=0, n_val=0, n_test=20)
    cohort = empirical.make_phantom(config, tmp_path / "cohort", seed=0)
    chosen = empirical.choose_references(cohort, "test", empirical.ReferenceConfig(strategy="random"), seed=0)
    one = plot_balance(chosen, cohort, ax=axes())
    other = plot_balance(chosen.table, str(cohort.folder), ax=axes())
    labels = [[tick.get_text() for tick in ax.get_yticklabels()] for ax in (one, other)]
    assert labels[0] == labels[1] and labels[0]
    with pytest.raises(InputError, match="lacks reference_id"):
        plot_balance(chosen.table.drop(columns="reference_id"), cohort, ax=axes())


def test_a_learning_curve_takes_a_study_or_its_table(tmp_path: Path) -> None:
    table = pd.DataFrame({"arm": ["single", "single", "pair", "pair"], "n_train": [0, 400] * 2, "auroc": [0.6, 0.7, 0.65, 0.8]})
    table = table.assign(low=table["auroc"] - 0.05, high=table["auroc"] + 0.05, cohort="a", by_seed="0.7 0.8", ideal=0.9)
    table.to_csv(tmp_path / "study.csv", index=False)
    for given in (table, tmp_path, str(tmp_path / "study.csv")):
        ax = plot_learning_curve(given, ax=axes())
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["off the shelf", "400"]
        assert ax.get_legend_handles_labels()[1][:2] == ["single image", "pair"]
    two = pd.concat([table, table.assign(cohort="b")])
    with pytest.raises(InputError, match="has the cohorts a, b; name one"):
        plot_learning_curve(two, ax=axes())
    assert plot_learning_curve(two, cohort="b", ax=axes()).get_ylabel() == "AUROC"
    with pytest.raises(InputError, match="lacks the column"):
        plot_learning_curve(table.drop(columns="low"), ax=axes())
