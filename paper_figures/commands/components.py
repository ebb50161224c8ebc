"""The commands ``see-in-pairs analyse components`` and ``analyse variation``."""

from __future__ import annotations

from math import floor, log10
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paper_figures.number_format import with_interval
from see_in_pairs.console import Json, Quiet, Seed, emit_json, log
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from paper_figures.results.variance_components import Components, Likeness
    from theory.models.variance_components import Interval

NAMES = {"P": "patient", "PR": "patient x reference", "PS": "patient x seed", "E": "the rest"}


def components(
    folder: Annotated[Path, typer.Argument(help="Folder that 'analyse crossed' wrote.", metavar="DIR")],
    json: Json = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Estimate variance components of the scores, and rho.

    How much of a logit is due to the patient, the reference and the seed; and the correlation that 'plan' needs.
    """
    if not (folder / "crossed.parquet").is_file():
        raise InputError(f"{folder}: no crossed.parquet; make it with 'see-in-pairs analyse crossed CONFIG.yaml --out {folder}'")
    from paper_figures.results.variance_components import read_components, read_likeness

    found, likeness = read_components(folder, seed), read_likeness(folder)
    text = "\n".join([*_component_lines(found), *_likeness_lines(likeness)])
    if json != "-":
        print(text)
    else:
        log(text, quiet)
    if json is not None:
        alike = {"missing": likeness} if isinstance(likeness, str) else vars(likeness) | {"plan": likeness.plan}
        emit_json({"components": {"missing": found} if isinstance(found, str) else found, "likeness": alike}, json)


def _component_lines(found: Components | str) -> list[str]:
    if isinstance(found, str):
        return [f"variance components: not estimated; {found}"]
    design = f"{found.patients} patients x {found.references} references x {found.seeds} seeds"
    lines = [f"paired logit of {design}, variances within class (95 % intervals over patients):"]
    for key, one in found.variances.items():
        lines.append(f"  {NAMES[key]:<20}{_text(one)}")
    return [*lines, f"  diseased minus healthy {_text(found.beta)} (means)", *([f"  note: {found.note}"] if found.note else [])]


def _likeness_lines(found: Likeness | str) -> list[str]:
    if isinstance(found, str):
        return [f"rho: not estimated; {found}"]
    models = f"mean of {found.seeds} models" if found.seeds > 1 else "one model"
    whose = f"{found.diseased} diseased and {found.healthy} healthy queries and their references"
    lines = [f"rho {_text(found.rho)} of {whose}, each alone ({models})"]
    lines += [f"  note: {found.note}"] if found.note else []
    lines += [f"d {_text(found.d)}: how far apart the queries' scores lie, in standard deviations within class"]
    nothing = "the single image does not separate the classes" if found.d.estimate <= 0 else "query and reference have the same scores"
    return [*lines, f"next: {found.plan}" if found.plan else f"no plan: {nothing}"]


def _text(one: Interval) -> str:
    """Write an estimate with its interval to three digits after the point; if all are smaller, with three significant digits."""
    largest = max(abs(value) for value in (one.estimate, one.low, one.high))
    digits = 2 - floor(log10(largest)) if 0 < largest < 0.1 else 3
    return with_interval(one.estimate, one.low, one.high, digits)


def variation(
    records: Annotated[list[Path], typer.Argument(help="Records of the same items, several of them.", metavar="RECORDS")],
    arm: Annotated[str, typer.Option("--arm", metavar="NAME", help="The arm, or its run_id.")] = "pair",
    against: Annotated[
        str | None, typer.Option("--against", metavar="NAME", help="Another arm: the difference of both is looked at too.")
    ] = None,
    question: Annotated[str | None, typer.Option("--question", metavar="ID", help="Only this question_id.")] = None,
    json: Json = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Estimate how much answers vary with the wording.

    And with references and training, and how many of each are enough. Every combination must have been evaluated: 'evaluate' takes several
    wordings, another seed draws other references.
    """
    from paper_figures.results.answer_variation import answer_variation

    table = answer_variation(records, arm, against, question=question, seed=seed)
    text = "\n".join(_variation_lines(table))
    if json != "-":
        print(text)
    else:
        log(text, quiet)
    if json is not None:
        emit_json(table.to_dict("records"), json)


def _variation_lines(table: pd.DataFrame) -> list[str]:
    lines = ["standard deviations between levels, with 95 % intervals:"]
    for row in table.to_dict("records"):
        lines.append(f"{row['of']}, {row['factor']} ({row['levels']} levels)")
        shown = {"AUROC" if row["measure"] == "auroc" else "accuracy": ("sd", "sd_low", "sd_high")}
        if row["changed"] == row["changed"]:
            shown["logit, all items alike"] = ("logit_shift_sd", "logit_shift_low", "logit_shift_high")
            shown["logit, each item by itself"] = ("logit_item_sd", "logit_item_low", "logit_item_high")
            shown["share of answers that change"] = ("changed", "changed_low", "changed_high")
        for name, (value, low, high) in shown.items():
            lines.append(f"  {name:<30}{with_interval(row[value], row[low], row[high], 3)}")
        if row["enough"] == row["enough"]:
            upper = f" ({row['enough_high']:.0f} by the upper end)" if row["enough_high"] != row["enough"] else ""
            lines.append(f"  {'enough':<30}{row['enough']:.0f}{upper}")
        else:
            lines.append(f"  {'enough':<30}not known: no patient shows a difference")
    return [*lines, "enough: so many levels add at most a tenth to the standard error that comes from the patients"]
