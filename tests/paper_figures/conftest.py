"""A small output folder whose truth is known: scores of ideal observers on a real little phantom."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from empirical.cohorts.phantom import PhantomConfig, make_phantom
from empirical.evaluation.records import Records, write_records
from paper_figures.comparison.compare_arms import compare_rows
from paper_figures.comparison.item_table import ComparisonSettings
from paper_figures.comparison.pairing import align
from paper_figures.comparison.score_tables import read_arm
from paper_figures.outputs import write_claims, write_figures
from see_in_pairs.files import read_json, write_json, write_parquet
from theory.verification import verify

D, PATIENTS, RHOS = 0.95, 240, (0.9, 0.5)
TRAININGS = 3


def simulated_logits(rng: np.random.Generator, positive: np.ndarray) -> dict[str, np.ndarray]:
    """Log-odds, trainings by items, of ideal observers of one feature: d' of each run is known (T1); trainings differ a little."""
    query, noise = D * positive + rng.standard_normal(len(positive)), rng.standard_normal((9, len(positive)))
    healthy, logits = query - D * positive, {"single": query}
    for number, rho in enumerate(RHOS):
        reference = rho * healthy + np.sqrt(1 - rho**2) * noise[number]
        logits[f"pair-{rho:.2f}"] = (query - rho * reference) / (1 - rho**2)
    weakly = logits.pop("pair-0.50")
    logits |= {
        "duplicate": query + 0.2 * noise[2],
        "pair-0.90-shown-0.50": weakly,
        "pair-0.90-shown-duplicate": 0.3 * query + noise[3],
        "pair-0.90-shown-random": query + 0.2 * noise[4],
        "pair-0.90-shown-embedding": weakly + 0.2 * noise[5],
        "pair-0.90-shown-cross-center": query + 0.2 * noise[6],
        "pair-0.90-shown-reference-only": noise[7],
    }
    off = {f"off-{name}": rng.standard_normal((1, len(positive))) for name in ("single", "pair-0.90", "duplicate")}
    return off | {name: one + 0.1 * rng.standard_normal((TRAININGS, len(positive))) for name, one in logits.items()}


def run_list() -> list[dict[str, object]]:
    """Describe the runs as ``reproduce`` does."""

    def run(run_id: str, arm: str, model: str, strategy: str = "", evaluated_rho: float | None = None) -> dict[str, object]:
        train_arm = model.split("-")[0]
        return {
            "run_id": run_id, "arm": arm, "train_arm": train_arm, "strategy": strategy, "rho": 0.9 if model == "pair-0.90" else None,
            "evaluated_rho": evaluated_rho, "series": "", "cohort": "cohorts/rho-0.50" if evaluated_rho == 0.5 else "cohorts/rho-0.90",
            "model": f"models/{model}" if model else "pocket", "n_train": 100 if model else 0,
            "train_seeds": list(range(TRAININGS)) if model else [],
        }  # fmt: skip

    def shown(name: str, arm: str, strategy: str, evaluated_rho: float | None = None) -> dict[str, object]:
        return run(f"pair-0.90-shown-{name}", arm, "pair-0.90", strategy, evaluated_rho)

    return [
        run("off-single", "single", ""),
        run("off-pair-0.90", "pair", "", "demographic", 0.9) | {"rho": 0.9},
        run("off-duplicate", "duplicate", "", "duplicate"),
        run("single", "single", "single"),
        run("pair-0.90", "pair", "pair-0.90", "demographic", 0.9),
        run("duplicate", "duplicate", "duplicate", "duplicate"),
        shown("0.50", "pair", "demographic", 0.5),
        shown("duplicate", "duplicate", "duplicate"),
        shown("random", "pair", "random", 0.0),
        shown("embedding", "pair", "embedding"),
        shown("cross-center", "pair", "cross_center"),
        shown("reference-only", "reference_only", "demographic", 0.9),
    ]


def record_rows(run: dict[str, object], items: pd.DataFrame, logit: np.ndarray, seeds: Sequence[int] = range(TRAININGS)) -> pd.DataFrame:
    """Make the records of one run: rows of `logit` are its trainings, or the one model off the shelf."""
    relatives = [f"{item}-r1" for item in items["item_id"]]
    relatives = relatives if run["strategy"] == "demographic" else relatives[7:] + relatives[:7]
    with_reference = run["arm"] in ("pair", "reference_only")
    queries = zip(items["item_id"], relatives, strict=True)
    shown = [[relative] if with_reference else [item] if run["arm"] == "duplicate" else [] for item, relative in queries]
    columns = ["item_id", "patient_id", "site", "label"]
    parts = []
    for seed, row in zip(seeds if run["train_arm"] else [None], np.atleast_2d(logit), strict=True):
        yes, no = -np.logaddexp(0, -row), -np.logaddexp(0, row)
        parts.append(
            items[columns].reset_index(drop=True).assign(
                run_id=run["run_id"], arm=run["arm"], train_arm=run["train_arm"], train_seed=seed,
                n_train=run["n_train"] if run["train_arm"] else None, reference_ids=shown, reference_strategy=run["strategy"],
                reference_patient_ids=shown, seed=0, p_positive=np.exp(yes),
                logp=[{"yes": float(a), "no": float(b)} for a, b in zip(yes, no, strict=True)],
                mass_outside=0.0, generated=None, parsed=None, score_seconds=0.01,
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True).astype({"train_seed": "Int64", "n_train": "Int64"})


def rescored(out: Path, logits: dict[str, np.ndarray]) -> Path:
    """Give runs of a folder of one's own other scores: log-odds, trainings by items in the order of their names (or items alone)."""
    from empirical.evaluation.records import read_records

    records = read_records(out / "records")
    runs = {str(run["run_id"]): run for run in read_json(out / "records" / "runs.json")}
    items = records.table[records.table["run_id"] == "off-single"].sort_values("item_id")
    new = [record_rows(runs[name], items, logit) for name, logit in logits.items()]
    table = pd.concat([records.table[~records.table["run_id"].isin(logits)], *new], ignore_index=True)
    write_records(out / "records" / "records.parquet", Records(table, records.positive, records.healthy))
    return out


def change_runs(out: Path, change: Callable[[dict[str, object]], dict[str, object] | None]) -> Path:
    """Rewrite ``runs.json`` of a folder of one's own; a run for which `change` gives None is left out."""
    runs = [change(run) for run in read_json(out / "records" / "runs.json")]
    write_json(out / "records" / "runs.json", [run for run in runs if run is not None])
    return out


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, made once; do not write into it."""
    out = tmp_path_factory.mktemp("finished")
    for rho in RHOS:
        config = PhantomConfig(n_train=2, n_val=0, n_test=PATIENTS, rho=rho)
        cohort = make_phantom(config, out / "cohorts" / f"rho-{rho:.2f}", seed=3)
    items = cohort.queries("test")
    positive = items["label"].isin(cohort.info.positive).to_numpy()
    logits, runs = simulated_logits(np.random.default_rng(11), positive), run_list()
    table = pd.concat([record_rows(run, items, logits[str(run["run_id"])]) for run in runs], ignore_index=True)
    write_records(out / "records" / "records.parquet", Records(table, tuple(cohort.info.positive), cohort.info.healthy))
    write_json(out / "records" / "runs.json", runs)
    write_parquet(out / "theory" / "verify.parquet", verify(["T1", "T2"], replicates=20_000, seed=1))
    write_json(out / "manifest.json", {"config_hash": "0123456789abcdef", "seed": 0, "command_line": ["see-in-pairs", "reproduce"]})
    return out


@pytest.fixture(scope="session")
def complete(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with tests, claims and figures in it, made once."""
    folder = tmp_path_factory.mktemp("complete") / "out"
    shutil.copytree(finished, folder)
    write_json(
        folder / "tests" / "comparisons.json", [comparison(folder, name, "single") for name in ("pair-0.90", "pair-0.90-shown-random")]
    )
    write_claims(folder)
    write_figures(folder, quiet=True)
    return folder


def comparison(folder: Path, first: str, second: str) -> dict[str, object]:
    """Compare two runs as ``reproduce`` does."""
    records = folder / "records" / "records.parquet"
    a, b = (read_arm(records, runs=[name]) for name in (first, second))
    found = compare_rows(align(a, b), ComparisonSettings(arms=(first, second), resamples=199))
    return {
        "name": f"{first} against {second}",
        "run_a": first,
        "run_b": second,
        "rho": 0.9,
        "family": "primary",
        "result": found.to_dict(),
    }


@pytest.fixture
def out(finished: Path, tmp_path: Path) -> Path:
    """A copy of the folder without the cohorts' pictures, to write into."""
    folder = tmp_path / "out"
    shutil.copytree(finished, folder, ignore=shutil.ignore_patterns("masks"))
    return folder
