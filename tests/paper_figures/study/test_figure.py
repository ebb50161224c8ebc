"""Figures of a study: words and looks of its arms and cohorts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from paper_figures.plotting.style import LOOKS
from paper_figures.study.config import StudyConfig
from paper_figures.study.figure import _cohort_words, _draw_areas, _draw_curves, _gains_by_rho, arm_looks

MATCHED = {"arm": "pair", "references": {"strategy": "demographic", "columns": ["family"], "caliper": {}}}
RANDOM = {"arm": "pair", "references": {"strategy": "random"}}


def study(arms: dict[str, object], cohorts: tuple[str, ...] = ("rho-0.8",)) -> StudyConfig:
    phantom = {"phantom": {"n_train": 12, "n_test": 24}}
    blocks = [{"n_train": [4], "seeds": [0]}]
    return StudyConfig.model_validate({
        "title": "A study", "model": {"name": "pocket"}, "cohorts": dict.fromkeys(cohorts, phantom), "arms": arms, "blocks": blocks,
    })  # fmt: skip


def areas(cohort: str, arm: str, sizes: list[int], rho: float | None = 0.8) -> pd.DataFrame:
    shown = {"cohort": cohort, "arm": arm, "seeds": 2, "patients": 24, "auroc": 0.7, "low": 0.6, "high": 0.8}
    return pd.DataFrame([shown | {"n_train": n, "by_seed": "0.6 0.8", "rho": rho, "ideal": np.nan} for n in sizes])


def test_an_arm_looks_as_in_every_figure_whatever_the_study_calls_it() -> None:
    looks = arm_looks(study({"alone": {"arm": "single"}, "own": MATCHED, "stranger": RANDOM, "twice": {"arm": "duplicate"}}))
    assert looks == {"alone": LOOKS["single"], "own": LOOKS["demographic"], "stranger": LOOKS["random"], "twice": LOOKS["duplicate"]}


def test_two_arms_of_one_kind_have_two_colours_and_the_names_of_the_study() -> None:
    looks = arm_looks(study({"single": {"arm": "single"}, "near": MATCHED, "very_near": MATCHED | {"run_id": "closer"}}))
    assert looks["near"].colour == LOOKS["pair"].colour
    assert len({look.colour for look in looks.values()}) == 3
    assert [look.label for look in looks.values()] == ["single", "near", "very near"]


def test_cohorts_are_named_in_words() -> None:
    both = pd.concat([areas("rho-0.8", "single", [4], 0.8), areas("rho-0.5", "single", [4], 0.5)])
    assert _cohort_words(both) == {"rho-0.8": "ρ = 0.8", "rho-0.5": "ρ = 0.5"}
    assert _cohort_words(areas("chest_films", "single", [4], None)) == {"chest_films": "chest films"}


def test_titles_legends_and_axes_say_what_is_shown() -> None:
    config = study({"single": {"arm": "single"}, "pair": MATCHED})
    rows = pd.concat([areas("rho-0.8", arm, [0, 4, 12]) for arm in ("single", "pair")], ignore_index=True)
    figure = _draw_curves(config, rows)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["single image", "pair, matched reference", "chance"]
    (panel,) = figure.axes
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("training patients", "AUROC")
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["off the shelf", "4", "12"]
    figure = _draw_areas(config, rows[rows["n_train"] != 4])
    ticks = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert ticks == ["single image", "pair, matched reference"] * 2
    written = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "finetuned on 12 patients, 2 trainings" in written and "0.700 [0.600, 0.800]" in written and "rho-" not in written


def test_gains_by_rho_are_taken_where_three_correlations_share_a_number_of_patients() -> None:
    """Not at 1,000 patients, which one cohort has; and of two cohorts of rho .8 the first."""
    where = [("r8", 0.8, 500), ("r8", 0.8, 1000), ("elsewhere", 0.8, 500), ("r5", 0.5, 500), ("r0", 0.0, 500), ("r0", 0.0, 100)]
    gains = pd.DataFrame(
        [{"cohort": cohort, "rho": rho, "n_train": n, "a": "pair", "b": "single", "kind": "gain"} for cohort, rho, n in where]
    )
    assert _gains_by_rho(gains)["cohort"].tolist() == ["r0", "r5", "r8"]
    assert set(_gains_by_rho(gains)["n_train"]) == {500}
    assert not len(_gains_by_rho(gains[gains["cohort"] != "r5"]))
