"""The output of a study: records, tables of areas, comparisons and trainings, a page to read, figures."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figures.number_format import DIGITS, short, with_interval
from paper_figures.results.ideal_observer import IdealAuroc, cohort_auroc
from paper_figures.study.cells import TrainingCell, attempt_rows
from paper_figures.study.config import Restarts, StudyConfig
from paper_figures.study.confounding import ADJUSTED, LEAK, adjusted_rows, leak_rows
from paper_figures.study.design import DesignPoint
from paper_figures.study.parts import PartTimes
from paper_figures.study.tables import CURVE, CurvePoint, area_rows, comparison_rows
from see_in_pairs.errors import InputError
from see_in_pairs.files import content_hash, read_table, write_text

if TYPE_CHECKING:
    import pandas as pd

    from empirical.arms import ArmConfig
    from empirical.cohorts import Cohort
    from empirical.evaluation.records import Records


def write_outputs(config: StudyConfig, out: Path, cohorts: dict[str, Cohort], finished: dict[DesignPoint, TrainingCell]) -> None:
    """Write tables, page and figures from the cells that are finished."""
    import pandas as pd

    from paper_figures.study.figure import draw_figures

    points = _curve_points(config, out, finished)
    limits = {name: cohort_auroc(cohort, out / "limits.json") for name, cohort in cohorts.items()}
    arms = config.arms
    areas = pd.DataFrame([row | _ideal(limits[row["cohort"]], arms[row["arm"]]) for row in area_rows(points)])
    compared = comparison_rows(points, config.comparisons, {name: _queries_hash(cohort) for name, cohort in cohorts.items()})
    gains = pd.DataFrame([row | _ideal_difference(limits[row["cohort"]], arms[row["a"]], arms[row["b"]]) for row in compared])
    trained = _trainings(finished)
    adjusted = pd.DataFrame(adjusted_rows(points, config.comparisons, cohorts), columns=list(ADJUSTED))
    leak = pd.DataFrame(leak_rows(points, arms), columns=list(LEAK))
    tables = (("study", areas), ("comparisons", gains), ("trainings", trained), ("adjusted", adjusted), ("leak", leak))
    for name, table in tables:
        write_text(out / f"{name}.csv", table.to_csv(index=False, float_format="%.6g"))
    drawn = draw_figures(config, out, areas, gains)
    page = _page(config, areas, gains, trained, read_table(out / "audit.csv"), drawn)
    write_text(out / "study.md", page + _times(config, out))


def _curve_points(config: StudyConfig, out: Path, finished: dict[DesignPoint, TrainingCell]) -> list[CurvePoint]:
    """Read the records of all cells, group them over seeds, and write them as one table if all have the same classes."""
    from empirical.evaluation.records import concatenate, read_records, write_records

    parts: list[Records] = []
    points: defaultdict[tuple[str, str, int], dict[int, Records]] = defaultdict(dict)
    for design, cell in finished.items():
        files = cell.records()
        if files is None:
            raise InputError(f"{out / 'cells' / design.folder}: a training is missing; run the study again")
        records = read_records(files[0])
        size = int(records.table["n_train"].fillna(0).iloc[0])  # the design may say 'all'
        points[design.cohort, design.arm, size][design.seed] = records
        records.table["run_id"] = f"{design.cohort}/{design.arm}/n{size}"
        records.table["train_seed"] = design.seed  # also off the shelf and after a restart: comparisons join arms by the design's seed
        parts.append(records)
    if len({(part.positive, part.healthy) for part in parts}) == 1:
        write_records(out / "records.parquet", concatenate(parts))
    found = [CurvePoint(cohort, arm, size, by_seed) for (cohort, arm, size), by_seed in points.items()]
    cohorts, arms = list(config.cohorts), list(config.arms)
    return sorted(found, key=lambda point: (cohorts.index(point.cohort), arms.index(point.arm), point.n_train))


def _trainings(finished: dict[DesignPoint, TrainingCell]) -> pd.DataFrame:
    """List every training with its final loss, the loss of the plateau, and whether it counts."""
    import pandas as pd

    rows = [
        {"cohort": design.cohort, "arm": design.arm, "n_train": design.n_train, "seed": design.seed} | row
        for design, cell in finished.items() if cell.finetuning is not None for row in attempt_rows(cell)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["cohort", "arm", "n_train", "seed", "try", "train_seed", "loss", "plateau", "stayed", "counts"])


def _queries_hash(cohort: Cohort) -> str:
    """Hash the queries of a cohort, but not its references: equal if arms without a reference are the same."""
    table = cohort.table[cohort.table["split"] != "reference"].sort_values("item_id")
    columns = ["item_id", "label", "split", "patient_id", "sha256", *(["frame"] if "frame" in table else [])]
    return content_hash(table[columns].to_dict("list"))


def _ideal(limits: IdealAuroc | None, arm: ArmConfig) -> dict[str, Any]:
    if limits is None:
        return {"rho": None, "ideal": None, "ideal_mcse": None, "plain_difference": None}
    return {"rho": limits.rho, "ideal": limits.of(arm), "ideal_mcse": limits.mcse, "plain_difference": limits.of_difference(arm)}


def _ideal_difference(limits: IdealAuroc | None, a: ArmConfig, b: ArmConfig) -> dict[str, Any]:
    if limits is None:
        return {"rho": None, "ideal_difference": None, "ideal_of_plain_difference": None}
    gains = {"ideal_difference": limits.of(a) - limits.of(b), "ideal_of_plain_difference": limits.of_difference(a) - limits.of(b)}
    return {"rho": limits.rho} | gains


def _page(
    config: StudyConfig, areas: pd.DataFrame, gains: pd.DataFrame, trained: pd.DataFrame, findings: pd.DataFrame, drawn: list[str]
) -> str:
    """Write the page: figures, areas, comparisons, findings of the audit."""
    lines = [f"# {config.title}", "", f"Model: `{config.model.name}`. Area under the ROC curve (AUROC) with 95 % intervals; with several"]
    lines += ["training seeds they hold for new patients and new trainings (crossed random factors).", ""]
    if config.restarts is not None and len(trained):
        lines += [_restarts(config.restarts, trained), ""]
    for name in drawn:
        lines += [f"![{name}](figures/{name}.png)", ""]
    lines += _markdown(
        ["cohort", "arm", "training patients", "seeds", "AUROC", "ideal observer"],
        [
            [
                row["cohort"], row["arm"], _patients(row["n_train"]), row["seeds"],
                with_interval(row["auroc"], row["low"], row["high"]), _or_dash(row["ideal"]),
            ]
            for row in _rows(areas)
        ],
    )  # fmt: skip
    if len(gains):
        lines += _markdown(
            ["what", "cohort", "arms", "training patients", "seeds", "difference", "p (Holm)", "ideal"],
            [
                [
                    row["kind"], row["cohort"], f"{row['a']} - {row['b']}", _sizes(row), row["seeds"],
                    with_interval(row["difference"], row["low"], row["high"]), f"{row['p_holm']:.2g}", _or_dash(row["ideal_difference"]),
                ]
                for row in _rows(gains)
            ],
        )  # fmt: skip
    if len(findings):
        lines += ["What the audit of the cohorts found:", ""]
        lines += [f"- {row['cohort']}, {row['severity']}, {row['finding']}: {row['message']}" for row in _rows(findings)]
    return "\n".join(lines).rstrip() + "\n"


def _times(config: StudyConfig, out: Path) -> str:
    """Say what each named part took; empty for a study without names, whose page then is the same each time."""
    if not any(block.part for block in config.blocks):
        return ""
    rows = [
        [row["part"], row["cells"], row["trainings"], row["finished"], f"{row['minutes']:.1f}", row["workers"] or "-"]
        for row in _rows(PartTimes(config, out).table())
    ]
    heads = ["part", "cells", "trainings", "finished", "minutes", "at a time"]
    return "\n".join(["", "What it took, in minutes of wall time over all sessions:", "", *_markdown(heads, rows)])


def _restarts(rule: Restarts, trained: pd.DataFrame) -> str:
    """Say how often a training was started again, and how many never left the plateau."""
    cells = trained.groupby(["cohort", "arm", "n_train", "seed"], sort=False)
    again, left = int((cells.size() > 1).sum()), int(trained.loc[trained["counts"], "stayed"].sum())
    return (
        f"Of {cells.ngroups} trainings, {again} ended on the plateau of their first steps (a training loss less than {rule.within:.0%} "
        f"below that of a model that knows how often each answer is right and no more) and were begun again with other seeds, up to "
        f"{rule.attempts} attempts in all; the first that left it counts (`trainings.csv`). {left} never left it. No test item was looked "
        "at for this; intervals hold for trainings made by this rule."
    )


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return table.to_dict("records")  # type: ignore[return-value]


def _markdown(heads: list[str], rows: list[list[Any]]) -> list[str]:
    body = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads), *body, ""]


def _patients(number: int) -> str:
    return f"{number:,}" if number else "off the shelf"


def _sizes(row: dict[str, Any]) -> str:
    first, last = _patients(row["n_train"]), _patients(row["n_train_b"])
    return first if first == last else f"{first} {'to' if row['kind'] == CURVE else 'against'} {last}"


def _or_dash(value: float | None) -> str:
    return "-" if value is None or value != value else short(value, DIGITS)
