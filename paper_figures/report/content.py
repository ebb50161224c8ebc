"""What the report says: claims, tables and pictures of an output folder, as plain data for the template."""

from __future__ import annotations

import base64
import json
import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figures.claims.registry import MAIN_RHO, SOURCES
from paper_figures.figures import FIGURES
from paper_figures.figures.auroc_by_arm import GROUPS, run_row
from paper_figures.plotting.staleness import check_figure
from paper_figures.report.sentences import headline, limits, tested_on
from paper_figures.results.predicted_gain import bridge_table
from paper_figures.statistics.multiplicity import holm
from see_in_pairs import __version__
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json

if TYPE_CHECKING:
    from paper_figures.results.runs import RunResults


def collect(results: RunResults) -> dict[str, Any]:
    """Gather everything the template shows.

    Returns names of the template to plain values.
    """
    claims = _made(results, "claims.json", "claims")
    arms = [_none_for_nan(run_row(results, run)) for run in results.runs]
    for row, run in zip(arms, results.runs, strict=True):
        row |= {"strategy": run.strategy, "rho": run.evaluated_rho}
    arms.sort(key=lambda row: GROUPS.index(row["group"]))
    theory = theory_summary(results)
    bridge: list[dict[str, Any]] = bridge_table(results).to_dict("records")  # type: ignore[assignment]
    return {
        "headline": headline(arms, MAIN_RHO),
        "tested_on": tested_on(results, arms, theory),
        "smoke": bool(results.manifest.get("config", {}).get("smoke", False)),
        "sources": SOURCES,
        "claims": [claim for claim in claims if _tested(claim)],
        "untested": [claim for claim in claims if not _tested(claim)],
        "theory": theory,
        "arms": arms,
        "cohorts": cohort_rows(results),
        "comparisons": comparison_rows(results),
        "controls": _made(results, "controls.json", "claims"),
        "bridge": [_none_for_nan(row) for row in bridge],
        "figures": figure_blocks(results),
        "limits": limits(results, arms, claims),
        "run": run_facts(results),
    }


def _made(results: RunResults, name: str, command: str) -> Any:
    path = results.folder / name
    if not path.is_file():
        raise InputError(f"{path}: not there yet; make it with 'see-in-pairs {command} --out {results.folder}'")
    return read_json(path)


def _tested(claim: dict[str, Any]) -> bool:
    return any(verdict["verdict"] != "not tested" or verdict["estimate"] is not None for verdict in claim["verdicts"].values())


def _none_for_nan(row: dict[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}


def theory_summary(results: RunResults) -> dict[str, Any]:
    """Count how many rows agree, for each quantity of each statement.

    Returns ``rows`` and ``agree`` in all, and ``quantities`` with the largest |z| and MCSE of each.
    """
    table = results.theory
    quantities = [
        {
            "statement": statement, "quantity": quantity, "rows": len(rows), "agree": int(rows["agrees"].sum()),
            "largest_z": float(rows["z"].abs().max()), "largest_mcse": float(rows["mcse"].max()),
        }
        for (statement, quantity), rows in table.groupby(["statement", "quantity"], sort=False)
    ]  # fmt: skip
    return {"rows": len(table), "agree": int(table["agrees"].sum()), "quantities": quantities}


def cohort_rows(results: RunResults) -> list[dict[str, Any]]:
    """Count patients and items of every cohort, and what befell items when it was made.

    Returns one per cohort and split.
    """
    rows = []
    for folder in dict.fromkeys(run.cohort for run in results.runs if run.cohort):
        cohort = results.cohort(next(run for run in results.runs if run.cohort == folder))
        counts = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in cohort.info.counts.items() if count) or "none"
        for split, items in cohort.table.groupby("split", sort=False):
            positive = int(items["label"].isin(cohort.info.positive).sum())
            row = {"cohort": Path(folder).name, "kind": cohort.info.kind, "split": split, "items": len(items), "positive": positive}
            rows.append(row | {"patients": items["patient_id"].nunique(), "counts": counts, "licence": cohort.info.licence})
    return rows


def comparison_rows(results: RunResults) -> list[dict[str, Any]]:
    """Lay out the paired tests, with Holm's correction within each declared family."""
    path = results.folder / "tests" / "comparisons.json"
    content = read_json(path) if path.is_file() else []
    try:
        rows = [_comparison_row(entry) for entry in content]
    except (KeyError, TypeError):
        raise InputError(f"{path}: not a list of comparisons; make it again with 'see-in-pairs reproduce'") from None
    for family in {row["family"] for row in rows}:
        members = [row for row in rows if row["family"] == family]
        for part in ("auroc", "accuracy"):
            adjusted = holm([1.0 if row[part]["p"] is None else row[part]["p"] for row in members], family).adjusted.tolist()
            for row, p in zip(members, adjusted, strict=True):
                row[part]["p_holm"] = p if row[part]["p"] is not None else None
    return rows


def _comparison_row(entry: dict[str, Any]) -> dict[str, Any]:
    result = entry["result"]
    accuracy, found = result.get("accuracy") or {}, result.get("recommended") or {}
    return {
        "name": entry["name"], "family": entry["family"], "items": result["items"], "clusters": result["clusters"],
        "warnings": result.get("warnings") or [],
        "auroc": _recommended(found.get("auroc")),
        "accuracy": _recommended(found.get("accuracy")) | {"n10": accuracy.get("n10"), "n01": accuracy.get("n01")},
    }  # fmt: skip


def _recommended(found: dict[str, Any] | None) -> dict[str, Any]:
    """Take the one test that the rule of `compare` chooses by the design, never by the result."""
    return {key: (found or {}).get(key) for key in ("difference", "interval", "p", "test")}


def figure_blocks(results: RunResults) -> list[dict[str, Any]]:
    """Embed every figure with its caption and provenance.

    Returns one per figure; the picture is a data address.
    """
    return [_figure_block(results, name) for name in FIGURES]


def _figure_block(results: RunResults, name: str) -> dict[str, Any]:
    path = results.folder / "figures" / f"{name}.png"
    if not path.is_file():
        raise InputError(f"{path}: not there yet; draw it with 'see-in-pairs figures --out {results.folder}'")
    found = check_figure(path)
    facts = found.to_dict()
    return facts | {"picture": f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"}


def run_facts(results: RunResults) -> dict[str, Any]:
    """Tell how to run it again, from the manifest.

    Returns command, seed, versions, machine, and the manifest's text.
    """
    manifest = results.manifest
    known = manifest.get
    return {
        "command": shlex.join(known("command_line", ["see-in-pairs", "reproduce"])),
        "seed": known("seed"),
        "commit": known("git_commit") or "unknown",
        "version": known("version") or __version__,
        "config_hash": results.config_hash or "unknown",
        "hardware": {key: value for key, value in known("hardware", {}).items() if value is not None},
        "libraries": known("libraries", {}),
        "counts": known("counts", {}),
        "started": known("started"),
        "manifest": json.dumps(manifest, indent=2, ensure_ascii=False),
    }
