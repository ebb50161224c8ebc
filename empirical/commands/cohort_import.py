"""The command ``cohort import``; to add an option of a new reader, add only a parameter of `import_cohort`."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from empirical.cohorts.readers.registry import KINDS, OWN_IMAGES, SPELLED, import_kind
from see_in_pairs.console import Out, Quiet, Seed, log, log_result
from see_in_pairs.errors import InputError
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    from empirical.cohorts import Cohort

    Kind = str
else:
    Kind = Literal[KINDS]

OWN = ", ".join(OWN_IMAGES)


def import_cohort(
    kind: Annotated[Kind, typer.Option("--kind", metavar="KIND", help=f"Layout of the image set: {', '.join(KINDS)}.")],
    root: Annotated[Path, typer.Option("--root", metavar="DIR", help="Folder of the image set (medmnist: or the .npz file).")],
    out: Out,
    positive: Annotated[
        list[str] | None,
        typer.Option(
            "--positive", metavar="LABEL", help=f"Label to detect. {OWN}: may be repeated; by default every label except the healthy one."
        ),
    ] = None,
    healthy: Annotated[str | None, typer.Option("--healthy", metavar="LABEL", help=f"{OWN}: the healthy label.")] = None,
    patient_pattern: Annotated[
        str | None,
        typer.Option(
            "--patient-pattern",
            metavar="REGEX",
            help="folder, vqa, fundus: finds the patient in a file name (with a '/': in the path), e.g. 'person[0-9]+|IM-[0-9]+'; if the "
            "pattern has one group, the group is the patient.",
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(
            "--include",
            metavar="PATTERN",
            help="folder, table, dicom, fundus: read only files whose name (with '/': path) matches, e.g. '*.png'; may be repeated.",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="PATTERN",
            help="folder, table, dicom, fundus: leave out files that match, and count them, e.g. '*_mask*'; may be repeated.",
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table",
            metavar="FILE",
            help="table, dicom: CSV, TSV (or these as .gz) or Parquet with one row per image; vqa: also JSON, JSON lines, or a "
            "folder of such tables, with one row per question.",
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="OURS=THEIRS",
            help="table, dicom, vqa: the table's name of one of our columns (item_id, image, label, patient_id, family, site, "
            "split, sex, age, view, frame, reader), e.g. --column image=path --column label=dx; may be repeated. vqa: also question, "
            "answer, choices (one column, or several with commas), question_type, language, given_reference, order.",
        ),
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option("--delimiter", metavar="CHARACTER", help="table, dicom, vqa: separator of the columns of a CSV; a comma by default."),
    ] = None,
    header: Annotated[
        str | None, typer.Option("--header", metavar="A,B,C", help="table, dicom: names for the columns of a table without a header row.")
    ] = None,
    join: Annotated[
        list[str] | None,
        typer.Option(
            "--join",
            metavar="FILE",
            help="table, dicom: a further table, whose columns are added by --join-on; rows without a match are counted; may be repeated.",
        ),
    ] = None,
    join_on: Annotated[
        list[str] | None,
        typer.Option(
            "--join-on",
            metavar="KEY",
            help="table, dicom: the key column of both tables, OURS=THEIRS if the names differ, several with commas; once for all "
            "--join, or once for each.",
        ),
    ] = None,
    label_list: Annotated[
        str | None,
        typer.Option(
            "--label-list",
            metavar="SEPARATOR",
            help="table, dicom: separator of several labels in a cell of the label column, e.g. '|'; 'list' for JSON or Python "
            "lists such as ['a', 'b'].",
        ),
    ] = None,
    label_columns: Annotated[
        list[str] | None,
        typer.Option(
            "--label-columns",
            metavar="A,B,C",
            help="table, dicom: columns that each stand for one label, including the healthy one: 1, 0, -1 (uncertain) or empty.",
        ),
    ] = None,
    healthy_column: Annotated[
        str | None,
        typer.Option("--healthy-column", metavar="NAME", help="table, dicom: a column that is 1 where the image has the --healthy label."),
    ] = None,
    no_label: Annotated[
        str | None,
        typer.Option(
            "--no-label",
            metavar="LABEL",
            help="table, dicom, medmnist: the label of images without any other label, e.g. 'normal' where all columns are 0.",
        ),
    ] = None,
    aggregate: Annotated[
        Literal["any", "all", "majority"] | None,
        typer.Option(
            "--aggregate",
            metavar="any|all|majority",
            help="table, dicom: combine several rows (or readers, --column reader=NAME) of an image: it has a label if any, all or more "
            "than half of them say so; disagreements are counted.",
        ),
    ] = None,
    positive_name: Annotated[
        str | None,
        typer.Option(
            "--positive-name",
            metavar="NAME",
            help="table, dicom, medmnist: merge all labels to detect into one class of this name; without it images with several are left "
            "out and counted.",
        ),
    ] = None,
    unnamed_patients: Annotated[
        bool, typer.Option("--unnamed-patients", help="table, dicom: rows without a patient count as separate patients.")
    ] = False,
    label_names: Annotated[
        list[str] | None,
        typer.Option(
            "--label-name",
            metavar="NUMBER=NAME",
            help="medmnist: the name of a numbered label, if the set is not a known one; may be repeated.",
        ),
    ] = None,
    uncertain: Annotated[
        Literal["ignore", "positive", "negative"] | None,
        typer.Option(
            "--uncertain",
            metavar="ignore|positive|negative",
            help="chexpert, table, dicom: rows of an uncertain finding are left out and counted (ignore, the default), positive, or not.",
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout",
            metavar="NAME",
            help="vqa: vqa-rad, slake, pathvqa, omnimedvqa, diff-vqa, ms-cxr-t or mmxu; fundus: folders, aptos, idrid, odir or messidor. "
            "By default the one whose files are there.",
        ),
    ] = None,
    answers: Annotated[
        Literal["given", "occurring"] | None,
        typer.Option(
            "--answers",
            metavar="given|occurring",
            help="vqa: choices of a question without any: none, so that only yes or no is closed (given, the default), or all answers that "
            "occur for the same question.",
        ),
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", metavar="NAME", help="vqa: keep only questions in this language, e.g. en.")
    ] = None,
    healthy_when: Annotated[
        list[str] | None,
        typer.Option(
            "--healthy-when",
            metavar="QUESTION=ANSWER",
            help="vqa: what makes an image healthy, e.g. 'is the image normal?=yes'; all others are 'other'; may be repeated.",
        ),
    ] = None,
    skip_malformed: Annotated[
        bool, typer.Option("--skip-malformed", help="vqa: count and skip questions whose answer and choices do not fit.")
    ] = False,
    findings: Annotated[
        str | None,
        typer.Option(
            "--findings",
            metavar="all|A,B,C",
            help="nih, chexpert, table: ask for each finding, yes or no; ham10000: ask for the diagnosis among these.",
        ),
    ] = None,
    ask: Annotated[
        list[str] | None,
        typer.Option("--ask", metavar="COLUMN", help="Ask for the value of this column, too, among all that occur; may be repeated."),
    ] = None,
    merge: Annotated[
        list[str] | None,
        typer.Option(
            "--merge",
            metavar="GRADES",
            help="fundus: neighbouring grades to take as one, by number or name, e.g. '8+9+10'; may be repeated.",
        ),
    ] = None,
    least: Annotated[
        int | None,
        typer.Option(
            "--least", metavar="N", min=1, help="fundus: merge a grade of fewer images with its rarer neighbour, until none has fewer."
        ),
    ] = None,
    lateral: Annotated[bool, typer.Option("--lateral", help="chexpert: keep lateral views too.")] = False,
    priors: Annotated[
        bool, typer.Option("--priors", help="nih: keep earlier normal films of positive patients, for the strategy 'prior'.")
    ] = False,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help=f"{OWN}: name of the set.")] = None,
    modality: Annotated[
        str | None, typer.Option("--modality", metavar="WORDS", help=f"{OWN}: kind of image, in words for the prompt, e.g. 'chest X-ray'.")
    ] = None,
    finding: Annotated[
        str | None,
        typer.Option("--finding", metavar="WORDS", help=f"{OWN}: the finding to look for, in words for the prompt, e.g. 'pneumonia'."),
    ] = None,
    frame: Annotated[
        int | None,
        typer.Option("--frame", metavar="N", min=1, help="Number of the picture, from 1, in files with several (DICOM, TIFF, GIF)."),
    ] = None,
    only_present: Annotated[bool, typer.Option("--only-present", help="Count and skip rows of a table that have no image.")] = False,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Count, list (broken.csv) and skip images that cannot be read.")
    ] = False,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="CONDITION",
            help="Keep only items that meet a condition, and count the others: 'view=AP,PA', 'sex!=M', 'age>=18'; may be repeated.",
        ),
    ] = None,
    fractions: Annotated[
        str,
        typer.Option(
            "--fractions",
            metavar="SHARES",
            help="Shares of patients for train,val,test; a fourth number is the share of healthy patients for a pool of references.",
        ),
    ] = "0.6,0.1,0.3",
    stratify: Annotated[
        list[str] | None,
        typer.Option(
            "--stratify", metavar="COLUMN", help="Keep the shares of a column's values equal in all splits, e.g. site; may be repeated."
        ),
    ] = None,
    resplit: Annotated[bool, typer.Option("--resplit", help="Split by patient again, although the set has its own splits.")] = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Import an image set. Images stay where they are (those of a .npz file are unpacked)."""
    given = locals().copy()
    own = given.keys() - {"kind", "root", "out", "fractions", "seed", "quiet"}
    settings: dict[str, Any] = {option: value for option, value in given.items() if value and option in own}

    from empirical.cohorts.splits import parse_fractions

    if table is not None:
        settings["table"] = str(table)
    for option in SPELLED.keys() & settings.keys():
        settings[option] = _pairs(SPELLED[option], settings[option])
    for option in {"header", "label_columns", "findings"} & settings.keys():
        settings[option] = _names(option, settings[option] if option == "label_columns" else [settings[option]])
    settings["fractions"] = parse_fractions(fractions)
    if not root.exists():
        raise InputError(f"--root {root}: no such folder")
    log(f"reading {root}; its images are opened once and are not moved", quiet)
    with new_cohort_run(out, "cohort import", {"kind": kind, "root": str(root.resolve()), **settings}, seed=seed) as run:
        cohort = import_kind(kind, root, out, settings | {"seed": seed, "quiet": quiet})
        for what, number in cohort.info.counts.items():
            run.count(what, number)
    patients = cohort.table["patient_id"].nunique()
    log(f"{out}: {len(cohort.table)} items of {patients} patients", quiet)
    log_result(split_lines(cohort), ["cohort", "audit", out], quiet)


def split_lines(cohort: Cohort) -> list[str]:
    """Number of items of each label in each split of a cohort."""
    counts = cohort.table.groupby(["split", "label"]).size().unstack(fill_value=0)
    return counts.rename_axis(index=None, columns=None).to_string().splitlines()


def _names(option: str, texts: list[str]) -> list[str]:
    """Split names at commas, as in a row of a CSV, where names may be quoted."""
    try:
        return [name.strip() for names in csv.reader(texts) for name in names]
    except csv.Error as error:
        raise InputError(f"--{option.replace('_', '-')}: is not a list of names separated by commas ({error})") from None


def _pairs(option: str, texts: list[str]) -> dict[str, str]:
    """Read options written as KEY=VALUE."""
    parts = [text.partition("=") for text in texts]
    wrong = [f"{key}{equals}{value}" for key, equals, value in parts if not (key and value)]
    if wrong:
        raise InputError(f"{option} {wrong[0]}: write NAME=VALUE")
    return {key.strip(): value.strip() for key, _, value in parts}


@contextmanager
def new_cohort_run(out: Path, command: str, settings: dict[str, Any], seed: int) -> Iterator[RunFolder]:
    """Open a run folder, and remove it if the input was wrong, so that the corrected command can use the same folder."""
    was_there, had_manifest, opened = out.exists(), (out / "manifest.json").exists(), False
    try:
        with RunFolder(out, command, settings, seed=seed) as run:
            opened = True
            yield run
    except InputError:
        if opened and not had_manifest:
            (out / "manifest.json").unlink()
        if opened and not was_there and not any(out.iterdir()):
            out.rmdir()
        raise
