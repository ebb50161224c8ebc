"""The kept error rates of the estimator over all random factors: the rule of `compare` names the designs where it keeps its level."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from paper_figures.comparison.factors_block import FEWEST_CROSSED, FEWEST_PATIENTS, FEWEST_REFERENCES, FEWEST_TRAININGS
from paper_figures.error_rates.factors import accuracy, area, random_factors, shares, study, true_difference
from paper_figures.statistics.roc.rare_class import FEWEST_FOR_T

TABLES = Path(__file__).resolve().parents[3] / "docs" / "results" / "factors"


def admissible(cell: dict[str, Any]) -> bool:
    """The rule, from the design alone."""
    seeds = cell["seeds"] == 1 or cell["seeds"] >= (FEWEST_CROSSED if cell["shared"] else FEWEST_TRAININGS)
    references = not cell["references"] or 1 / (shares(cell["references"], cell["use"]) ** 2).sum() >= FEWEST_REFERENCES
    rarer = cell["of"] == "accuracy" or round(cell["prevalence"] * cell["patients"]) >= FEWEST_FOR_T
    return bool(seeds and references and rarer and cell["patients"] >= FEWEST_PATIENTS)


@pytest.mark.parametrize("measure", ["accuracy", "auroc"])
def test_every_admissible_cell_keeps_its_level(measure: str) -> None:
    table = pd.read_csv(TABLES / f"factors_{measure}.csv")
    cells = study(measure).all_cells
    assert len(table[["measure", *cells[0].factors]].drop_duplicates()) == len(table) == 2 * len(cells)
    nulls = table[table["measure"] == "type_1_error"]
    fine = nulls[[admissible(row) for row in nulls.to_dict("records")]]
    above = fine[fine["value"] > 0.05 + 3 * np.sqrt(0.05 * 0.95 / fine["replicates"])]
    names = list(cells[0].factors)
    again = pd.read_csv(TABLES / "again.csv")  # with 8,000 fresh studies, which decide
    again = again[(again["measure"] == "type_1_error") & (again["of"] == measure)]
    assert len(above.merge(again, on=names)) == len(above) == len(again)
    assert (again["value"] <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 8000)).all()
    middle = nulls[(nulls["seeds"] >= 3) & (nulls["patients"] >= 100) & (nulls["prevalence"] == 0.5) & ~nulls["shared"]]
    asked = middle[[not r or 1 / (shares(r, use) ** 2).sum() >= 8 for r, use in zip(middle["references"], middle["use"], strict=True)]]
    assert set(asked.index) <= set(fine.index)  # what must be admissible
    covered = table[(table["measure"] == "coverage") & (table["truth"] != 0)]
    good = covered[[admissible(row) for row in covered.to_dict("records")]]
    assert (good["value"] >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / good["replicates"])).all()


def test_power_without_variance_between_trainings() -> None:
    """Three trainings, no variance between them; recomputed by `compare`'s estimator in the kept study."""
    table = pd.read_csv(TABLES / "factors_accuracy.csv")
    rows = table[(table["measure"] == "power") & (table["seeds"] == 3) & (table["training_sd"] == 0) & ~table["shared"]]
    assert (rows["value"] > 0.2).all()


def test_the_manifest_names_versions_and_no_folder() -> None:
    text = (TABLES / "manifest.json").read_text(encoding="utf-8")
    assert set(json.loads(text)["studies"]) == {"factors_accuracy", "factors_auroc"}
    assert "/" not in text.replace("python -m", "")


@pytest.mark.parametrize(("measure", "method"), [("accuracy", accuracy), ("auroc", area)])
def test_the_truth_is_what_many_studies_average_to(measure: str, method: Any) -> None:
    """References and trainings are shared by items of both classes; 300 studies, within 4 MCSE."""
    cell = {
        "seeds": 2, "patients": 60, "images": 1, "sizes": "balanced", "prevalence": 0.5, "references": 6, "use": "zipf", "training_sd": 0.3,
        "reference_sd": 0.4, "shift": 0.4, "shared": False, "of": measure,
    }  # fmt: skip
    rng = np.random.default_rng(8)
    found = [method(random_factors(rng=rng, **cell))["estimate"] for _ in range(300)]
    assert abs(np.mean(found) - true_difference(**cell)) < 4 * np.std(found) / math.sqrt(300)
