"""Evidence whose truth is known, written to disk as the commands write it: runs, theory checks, studies and analyses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from empirical.evaluation.records import Records, write_records
from paper_figures.claims.interpretability import METHODS
from see_in_pairs.files import to_json, write_json, write_parquet, write_text
from tests.paper_figures.conftest import record_rows

PATIENTS = 160
WORLD = {
    "off-single": 0.8, "off-pair": 0.8, "off-duplicate": 0.8, "single": 1.0, "duplicate": 1.0,
    "pair": 2.0, "random": 2.0, "embedding": 2.0, "cross-center": 2.0,
}  # fmt: skip
"""Separation d' of each run in a world where every claim on runs is supported but C2, the gain off the shelf."""
ROLES = {
    "off-single": ("single", ""), "off-pair": ("pair", "demographic"), "off-duplicate": ("duplicate", "duplicate"),
    "single": ("single", ""),
    "duplicate": ("duplicate", "duplicate"), "pair": ("pair", "demographic"), "random": ("pair", "random"),
    "embedding": ("pair", "embedding"), "cross-center": ("pair", "cross_center"),
}  # fmt: skip


def spread(rng: np.random.Generator) -> np.ndarray:
    """Standard normal scores of 160 patients, the same for healthy and diseased (who alternate) but for their order."""
    from scipy.special import ndtri

    each = ndtri((np.arange(PATIENTS // 2) + 0.5) / (PATIENTS // 2))
    scores = np.empty(PATIENTS)
    scores[::2], scores[1::2] = rng.permutation(each), rng.permutation(each)
    return scores


def write_runs(
    folder: Path, world: Mapping[str, float | None] = WORLD, *, loose: tuple[str, ...] = (), n_train: int = 100, trainings: int = 3
) -> Path:
    """Write records of runs with these separations, of the same scores but for a small part of each training.

    Runs that are `loose` have scores of their own, so that a difference from them is uncertain; one whose separation is None is left out.
    """
    rng = np.random.default_rng(0)
    common, own = spread(rng), {name: spread(rng) for name in ROLES}
    positive = np.arange(PATIENTS) % 2 == 1
    names = [f"p{number:03d}" for number in range(PATIENTS)]
    items = pd.DataFrame({"item_id": names, "patient_id": names, "site": "a", "label": np.where(positive, "nodule", "healthy")})
    runs, tables = [], []
    for name, separation in world.items():
        (arm, strategy), off = ROLES[name], name.startswith("off-")
        if separation is None:
            continue
        model = "" if off else "pair" if arm == "pair" else name
        run = {
            "run_id": name, "arm": arm, "train_arm": "" if off else model, "strategy": strategy, "n_train": 0 if off else n_train,
            "evaluated_rho": 0.9 if strategy == "demographic" else None, "model": "some-model" if off else f"models/{model}",
        }  # fmt: skip
        noise = 0.03 * rng.standard_normal((1 if off else trainings, PATIENTS))
        logit = separation * positive + (own[name] if name in loose else common) + noise
        tables.append(record_rows(run, items, logit, range(trainings)))
        runs.append(run)
    write_records(folder / "records" / "records.parquet", Records(pd.concat(tables, ignore_index=True), ("nodule",), "healthy"))
    write_json(folder / "records" / "runs.json", runs)
    if not (folder / "theory").exists():
        write_theory(folder)
    return folder


CURVE = {"p": 10, "n_per_class": 20, "Delta2": 2.0, "rho": 0.6}


def verify_rows(
    separation: float = 2.294, spread: float = 2.294, concat: float = 0.10, difference: float = 0.10, strategies: float = 0.05,
    cross: float = 0.05, mcse: float = 1e-3, agrees: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """Rows as of ``theory verify``: the ratios of separation and spread (T1), what a trained pair gains (T4), and strategies (T7, T11)."""
    from scipy.special import ndtr

    area = lambda d: float(ndtr(d / np.sqrt(2)))
    rows: list[tuple[str, str, dict[str, Any], float]] = [
        ("T1", "auc", {"d": 1.0, "rho": 0.0, "rule": "single"}, area(1.0)),
        ("T1", "auc", {"d": 1.0, "rho": 0.9, "rule": "optimal"}, area(separation)),
        ("T1", "variance", {"rho": 0.9, "rule": "optimal"}, spread**-2),
        ("T1", "variance", {"rho": 0.3, "rule": "difference"}, 1.4),
        ("T11", "gain", {"model": "matched", "control": "matched_same_site"}, strategies),
        ("T11", "gain", {"model": "matched", "control": "random_same_site"}, strategies),
        ("T11", "gain", {"model": "site", "control": "random_cross_site"}, cross),
        ("T11", "gain", {"model": "mean", "control": "random_cross_site"}, 0.01),
    ]
    single, iso = 0.35, {"emb": "iso", "delta": 1.5, "A": 9.0, "E": 1.0, "N": 1.93, "rule": "optimal"}
    curves = {"single": single, "difference": single - difference, "concat": single - concat}
    rows += [("T4", "error", CURVE | {"rep": rep, "cov": "pooled"}, error) for rep, error in curves.items()]
    rows.append(("T7", "auc", iso, float(ndtr(1.5 / np.sqrt(20))) + strategies))
    rows.append(("T7", "auc", iso | {"w": 1.0}, 0.5))  # an embedding that is the image itself is no retrieval
    table = pd.DataFrame(rows, columns=["statement", "quantity", "params", "closed_form"])
    return table.assign(simulated=table["closed_form"], mcse=mcse, z=0.0, agrees=agrees)


def write_theory(folder: Path, **changes: Any) -> Path:
    table = verify_rows(**changes)
    write_parquet(folder / "theory" / "verify.parquet", table.assign(params=[to_json(value) for value in table["params"]]))
    return folder


MATCHED = {"arm": "pair", "references": {"strategy": "demographic"}}
ARMS: dict[str, Any] = {
    "stranger": {"arm": "pair", "references": {"strategy": "random"}},
    "relative": MATCHED,
    "alone": {"arm": "single", "references": None},
    "twice": {"arm": "duplicate", "references": None},
}
FOUR = ARMS | {
    "alike": {"arm": "pair", "references": {"strategy": "embedding"}},
    "elsewhere": {"arm": "pair", "references": {"strategy": "cross_center"}},
}


def comparison_row(
    kind: str, value: float, half: float = 0.02, n: int = 200, cohort: str = "near", a: str = "relative", b: str = "alone", **more: Any
) -> dict[str, Any]:
    """A row of ``comparisons.csv``: a difference with its interval, of five trainings."""
    return {
        "kind": kind, "cohort": cohort, "a": a, "b": b, "n_train": n, "n_train_b": n, "seeds": 5, "items": 100, "patients": 90,
        "difference": value, "low": value - half, "high": value + half, "p": 0.5, "note": np.nan, "se": half / 2, "df": 1e9,
        "admissible": True, "reason": np.nan, "references": 30.0,
    } | more  # fmt: skip


def write_study(
    folder: Path, rows: list[dict[str, Any]], *, phantom: bool = True, arms: dict[str, Any] = ARMS, off_the_shelf: float = 0.7,
    cohorts: tuple[str, ...] = (),
) -> Path:  # fmt: skip
    """Write the tables of a study; off the shelf the single image has this area, give or take .05."""
    source: dict[str, Any] = {"phantom": {"rho": 0.8}, "folder": None} if phantom else {"phantom": None, "folder": "x"}
    named = cohorts or tuple(dict.fromkeys(row["cohort"] for row in rows))
    write_json(folder / "study.json", {"cohorts": dict.fromkeys(named, source), "arms": arms})
    write_text(folder / "comparisons.csv", pd.DataFrame(rows).to_csv(index=False))
    ends = {"auroc": off_the_shelf, "low": off_the_shelf - 0.05, "high": off_the_shelf + 0.05}
    areas = [{"cohort": cohort, "arm": "alone", "n_train": n} | ends for cohort in named for n in (0, 50)]
    write_text(folder / "study.csv", pd.DataFrame(areas).to_csv(index=False))
    return folder


def identity(arm: str, seed: int, cohort: str = "a cohort") -> dict[str, Any]:
    strategy = "demographic" if arm == "pair" else ""
    what = {"run_id": f"{arm}-seed{seed}", "arm": arm, "strategy": strategy, "train_arm": arm, "train_strategy": strategy}
    return what | {"train_seed": seed, "cohort_hash": cohort}


DRAWS = 40


def align(
    folder: Path, arm: str, residual: float, *, plain: float = 0.5, trainings: int = 5, sd: float = 0.01, halves: float = 0.02,
    seed: int = 0,
    **changes: Any,
) -> list[pd.DataFrame]:  # fmt: skip
    """Write ``alignment_draws.parquet`` of each training: CKA after the last of two layers, class means removed and not.

    `sd` is that between trainings, and `halves` that between halves of the patients, which each arm has of its own.
    """
    rng = np.random.default_rng([seed, len(arm)])
    measures = {"residual_debiased_cka": residual, "debiased_cka": plain, "label_share_images": 0.2, "label_share_answers": 0.6}
    of_training = rng.permutation(np.linspace(-1, 1, trainings)) * sd if trainings > 1 else np.zeros(1)
    of_half = np.concatenate([[0.0], rng.normal(size=DRAWS) * halves])
    tables = []
    for number in range(trainings):
        rows = [
            {"layer": layer, "measure": name, "draw": draw, "value": value + (of_training[number] + of_half[draw]) * ("cka" in name)}
            for layer, shift in ((0, -0.3), (1, 0.0))
            for name, value in ((name, value + shift * ("cka" in name)) for name, value in measures.items())
            for draw in range(DRAWS + 1)
        ]
        facts = identity(arm, number) | {"items": 60, "patients": 60, "drawn_from": "these items", "reason": ""} | changes
        table = pd.DataFrame(rows).assign(**facts)
        write_parquet(folder / "analysis" / f"alignment-{arm}-{number}" / "alignment_draws.parquet", table)
        tables.append(table)
    return tables


def attribute(
    folder: Path, arm: str, more: float | dict[str, float], *, sham: float = 0.0, trainings: int = 3, patients: int = 60,
    place: str = "random",
    sd: float = 0.05, **changes: Any,
) -> list[pd.DataFrame]:  # fmt: skip
    """Write ``attribution.csv`` of each training: on the lesion, a tenth of the picture, lies `more` than that; on a sham place `sham`."""
    rng = np.random.default_rng(len(arm))
    extra, tables = more if isinstance(more, dict) else dict.fromkeys(METHODS, more), []
    own = {method: sd * rng.normal(size=patients) for method in METHODS}
    for number in range(trainings):
        rows = []
        for method, value in extra.items():
            for patient in range(patients):
                real = patient % 2 == 0
                beside = 0.3 + 0.02 * rng.normal()
                on_it = 0.1 + (value if real else sham) + own[method][patient] + 0.2 * sd * rng.normal()
                rows.append(
                    {
                        "item_id": f"i{patient:02d}", "patient_id": f"p{patient:02d}", "method": method,
                        "lesion": "real" if real else "sham", "place": place, "share": on_it, "expected": 0.1,
                        "mask_of": f"i{patient if real else (patient + 3) % patients:02d}", "query_share": 1 - beside,
                        "reference_share": beside,
                    }
                )  # fmt: skip
        table = pd.DataFrame(rows).assign(**(identity(arm, number) | changes))
        write_text(folder / "analysis" / f"attribution-{arm}-{number}" / "attribution.csv", table.to_csv(index=False))
        tables.append(table)
    return tables
