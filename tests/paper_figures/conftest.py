"""A small output folder whose truth is known: scores of ideal observers on a real little phantom."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from empirical.cohorts.phantom import PhantomConfig, make_phantom
from empirical.evaluation.records import Records, write_records
from paper_figures.comparison import compare_arms
from paper_figures.outputs import write_claims, write_figures
from paper_figures.results.runs import RunResults
from see_in_pairs.files import write_json, write_parquet
from theory.verification import verify

D, PATIENTS, RHOS = 0.95, 240, (0.9, 0.5)


def simulated_logits(rng: np.random.Generator, positive: np.ndarray) -> dict[str, np.ndarray]:
    """Log-odds of ideal observers of one feature: d' of each run is known (T1)."""
    query, noise = D * positive + rng.standard_normal(len(positive)), rng.standard_normal((6, len(positive)))
    healthy = query - D * positive
    logits = {"single": query, "off-single": noise[0], "off-pair-0.90": noise[1]}
    for number, rho in enumerate(RHOS):
        reference = rho * healthy + np.sqrt(1 - rho**2) * noise[2 + number]
        logits[f"pair-{rho:.2f}"] = (query - rho * reference) / (1 - rho**2)
    return logits | {
        "pair-random": query + 0.2 * noise[4],
        "duplicate": query + 0.2 * noise[5],
        "pair-0.90-eval-duplicate": 0.3 * query + noise[4],
        "pair-0.90-eval-random": 0.3 * query + noise[5],
    }


def run_list() -> list[dict[str, object]]:
    """Describe the runs as ``reproduce`` does."""

    def run(run_id: str, arm: str, train_arm: str, strategy: str, rho: float | None, model: str) -> dict[str, object]:
        cohort = "cohorts/rho-0.50" if rho == 0.5 else "cohorts/rho-0.90"
        folder = f"models/{model}/model" if train_arm else "pocket"
        return {
            "run_id": run_id, "arm": arm, "train_arm": train_arm, "strategy": strategy, "rho": rho, "evaluated_rho": rho,
            "cohort": cohort, "model": folder, "n_train": 100 if train_arm else 0,
        }  # fmt: skip

    return [
        run("off-single", "single", "", "", None, ""),
        run("off-pair-0.90", "pair", "", "demographic", 0.9, ""),
        run("single", "single", "single", "", None, "single"),
        run("pair-0.90", "pair", "pair", "demographic", 0.9, "pair-0.90"),
        run("pair-0.50", "pair", "pair", "demographic", 0.5, "pair-0.50"),
        run("pair-random", "pair", "pair", "random", 0.0, "pair-random"),
        run("duplicate", "duplicate", "duplicate", "duplicate", None, "duplicate"),
        run("pair-0.90-eval-duplicate", "duplicate", "pair", "duplicate", None, "pair-0.90"),
        run("pair-0.90-eval-random", "pair", "pair", "random", 0.0, "pair-0.90"),
    ]


def record_rows(run: dict[str, object], items: pd.DataFrame, logit: np.ndarray) -> pd.DataFrame:
    """Make the records of one run."""
    relatives = [f"{item}-r1" for item in items["item_id"]]
    relatives = relatives[7:] + relatives[:7] if run["strategy"] == "random" else relatives
    queries = zip(items["item_id"], relatives, strict=True)
    shown = [[relative] if run["arm"] == "pair" else [item] if run["arm"] == "duplicate" else [] for item, relative in queries]
    p = 1 / (1 + np.exp(-logit))
    return pd.DataFrame(
        {
            "run_id": run["run_id"], "arm": run["arm"], "train_arm": run["train_arm"], "train_seed": 0, "n_train": run["n_train"],
            "item_id": items["item_id"], "patient_id": items["patient_id"], "site": items["site"], "label": items["label"],
            "reference_ids": shown, "reference_strategy": run["strategy"], "reference_patient_ids": [list(ids) for ids in shown], "seed": 0,
            "p_positive": p, "logp": [{"yes": float(np.log(a)), "no": float(np.log1p(-a))} for a in p],
            "mass_outside": 0.0, "generated": None, "parsed": None, "score_seconds": 0.01,
        }
    )  # fmt: skip


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
    write_json(folder / "tests" / "comparisons.json", [comparison(folder, name, "single") for name in ("pair-0.90", "pair-random")])
    write_claims(folder)
    write_figures(folder, quiet=True)
    return folder


def comparison(folder: Path, first: str, second: str) -> dict[str, object]:
    """Compare two runs as ``reproduce`` does."""
    results = RunResults(folder)
    a, b = results.aligned([run for name in (first, second) if (run := results.find(run_id=name))])
    found = compare_arms(1 / (1 + np.exp(-a.logit)), 1 / (1 + np.exp(-b.logit)), a.positive, a.patients, resamples=199)
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
