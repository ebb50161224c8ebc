"""The content of the report: claims, tables and pictures of an output folder, as plain data for the template."""

from __future__ import annotations

import base64
import json
import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figures.claims.ledger import check_claims
from paper_figures.claims.registry import MAIN_RHO, SOURCES, registry_hash
from paper_figures.figures import FIGURES
from paper_figures.figures.auroc_by_arm import GROUPS, run_row
from paper_figures.plotting.staleness import check_figure
from paper_figures.report.sentences import headline, limits, tested_on, verdicts_found
from paper_figures.results.predicted_gain import gain_table
from paper_figures.statistics.multiplicity import holm
from see_in_pairs import __version__
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json

if TYPE_CHECKING:
    from paper_figures.results.runs import RunResults

MAIN_FIGURE = "predicted_gain"
"""Shown on the first screen, under the verdicts."""


def collect(results: RunResults) -> dict[str, Any]:
    """Collect everything that the template shows, under the template's names."""
    _read_made(results, "claims.json", {"id", "claim", "criterion", "registry", "verdicts"})
    claims = check_claims(results.folder / "claims.json")
    arms = [_none_for_nan(run_row(results, run)) for run in results.runs]
    for row, run in zip(arms, results.runs, strict=True):
        row |= {"strategy": run.strategy, "rho": run.evaluated_rho}
    arms.sort(key=lambda row: GROUPS.index(row["group"]))
    theory = theory_summary(results)
    bridge: list[dict[str, Any]] = gain_table(results).to_dict("records")  # type: ignore[assignment]
    return {
        "headline": headline(arms, MAIN_RHO),
        "tested_on": tested_on(results, arms, theory),
        "smoke": results.is_smoke,
        "sources": SOURCES,
        "claims": [claim | {"found": verdicts_found(claim["verdicts"])} for claim in claims if _tested(claim)],
        "untested": [claim for claim in claims if not _tested(claim)],
        "theory": theory,
        "arms": arms,
        "cohorts": cohort_rows(results),
        "comparisons": comparison_rows(results),
        "controls": _read_made(
            results, "controls.json", {"name", "question", "reason", "estimate", "interval", "ideal", "p", "p_holm", "n", "trainings"}
        ),
        "registry_changed": claims[0]["registry"]["hash"] != registry_hash(),
        "bridge": [_none_for_nan(row) for row in bridge],
        "figures": figure_blocks(results),
        "limits": limits(results, arms, claims),
        "run": run_facts(results),
    }


def _read_made(results: RunResults, name: str, keys: set[str]) -> list[dict[str, Any]]:
    """Read a list of objects that 'see-in-pairs claims' wrote, each with some keys."""
    path = results.folder / name
    if not path.is_file():
        raise InputError(f"{path}: not there yet; make it with 'see-in-pairs claims --out {results.folder}'")
    rows = read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and keys <= row.keys() for row in rows):
        raise _not_ours(results.folder, name)
    return rows


def _not_ours(folder: Path, name: str) -> InputError:
    return InputError(f"{folder / name}: is not what 'see-in-pairs claims' writes; make it again with 'see-in-pairs claims --out {folder}'")


def _tested(claim: dict[str, Any]) -> bool:
    return any(verdict["verdict"] != "not tested" or verdict["estimate"] is not None for verdict in claim["verdicts"].values())


def _none_for_nan(row: dict[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}


def theory_summary(results: RunResults) -> dict[str, Any]:
    """Count the theory checks that agree: ``rows`` and ``agree`` in all, and ``quantities`` with the largest |z| and MCSE of each."""
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
    """Count patients and items of every cohort and split, and the items that were left out or changed when the cohort was made."""
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
    """The paired tests, with Holm's correction within each declared family."""
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
                row[part]["p_holm"] = p if row[part]["p"] is not None else None  # a test without p still counts in its family
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
    """The test that the rule of `compare` chooses from the design, never from the result."""
    return {key: (found or {}).get(key) for key in ("difference", "interval", "p", "test")}


def figure_blocks(results: RunResults) -> list[dict[str, Any]]:
    """Every figure with its caption and provenance, the main one first; the picture is a ``data:`` address."""
    return [_figure_block(results, name) for name in sorted(FIGURES, key=lambda name: name != MAIN_FIGURE)]


def _figure_block(results: RunResults, name: str) -> dict[str, Any]:
    path = results.folder / "figures" / f"{name}.png"
    if not path.is_file():
        raise InputError(f"{path}: not there yet; draw it with 'see-in-pairs figures --out {results.folder}'")
    return check_figure(path).to_dict() | {"picture": f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"}


def run_facts(results: RunResults) -> dict[str, Any]:
    """What is needed to run it again, from the manifest: command, seed, versions, machine."""
    manifest = results.manifest
    return {
        "command": shlex.join(manifest.get("command_line", ["see-in-pairs", "reproduce"])),
        "seed": manifest.get("seed"),
        "commit": manifest.get("git_commit") or "unknown",
        "version": manifest.get("version") or __version__,
        "config_hash": results.config_hash or "unknown",
        "hardware": {key: value for key, value in manifest.get("hardware", {}).items() if value is not None},
        "libraries": manifest.get("libraries", {}),
        "counts": manifest.get("counts", {}),
        "started": manifest.get("started"),
        "manifest": json.dumps(manifest, indent=2, ensure_ascii=False),
    }
