"""Reader of CheXpert in its public layout: ``train.csv`` and ``valid.csv`` beside ``train/`` and ``valid/``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.csv_io import parse_age, parse_number, parse_sex, read_csv, say_absent
from empirical.cohorts.images import is_safe_path, spellings
from empirical.cohorts.importing import CohortDraft, TableImportSettings, finish_import, require_folder
from empirical.cohorts.readers.asked import OTHER, YES_NO, ask_finding, choose_findings
from empirical.cohorts.schema import CohortInfo
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

Uncertain = Literal["ignore", "positive", "negative"]
TABLES = {"train.csv": "train", "valid.csv": "test"}  # valid.csv was labelled by radiologists, train.csv by a program: test on valid.csv
NO_FINDING = "No Finding"
NOT_FINDINGS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", NO_FINDING, "split")
DEVICES = "Support Devices"  # a column of the table, but no finding
NEEDED = ("Path", NO_FINDING)
FACTS = ("Sex", "Age", "Frontal/Lateral", "AP/PA")  # optional columns
LICENCE = "CheXpert: Stanford University Dataset Research Use Agreement, not for sharing on; cite Irvin et al., CheXpert, AAAI 2019."


def import_chexpert(
    root: Path | str,
    out: Path | str,
    *,
    positive: str = "Pneumonia",
    findings: Sequence[str] = (),
    uncertain: Uncertain = "ignore",
    lateral: bool = False,
    **settings: Unpack[TableImportSettings],
) -> Cohort:
    """Import CheXpert; uncertain findings are left out or taken as positive or negative (`label_rows`); `lateral` keeps lateral views.

    With `findings` (names, or ``all`` but 'Support Devices') each is a question of its own, which is not asked where it is uncertain and
    ignored; an image that is no clean control has the label ``other``.
    """
    if findings and positive != "Pneumonia":
        raise InputError("--findings: is not for --positive; give only one of the two")
    root = require_folder(root)
    entries = _read_tables(root)
    say_absent(entries, FACTS, "table", settings.get("quiet", False))
    if findings:
        return _import_findings(root, out, entries, findings, uncertain, lateral, settings)
    _refuse_unknown(entries, positive)
    labels = label_rows(entries, positive, uncertain)
    side = _lateral(entries)
    kept = (labels != "") & (lateral | ~side)
    counts = {
        "rows_in_table": len(entries),
        "rows_with_uncertain_finding": int((parse_number(entries[positive]) == -1).sum()),
        "rows_neither_positive_nor_clean": int((labels == "").sum()),
        "lateral_views_left_out": int(((labels != "") & side).sum()) if not lateral else 0,
    }
    table = _tidy(entries[kept], labels[kept])
    table["image"] = _find_images(root, entries.loc[kept, "Path"]).to_numpy()
    info = CohortInfo("CheXpert", "chexpert", NO_FINDING, [positive], "chest X-ray", positive.lower(), licence=LICENCE)
    options = {"positive": positive, "uncertain": uncertain, "lateral": lateral}
    return finish_import(CohortDraft(root, info, table, counts, options), out, **settings)


def _import_findings(
    root: Path,
    out: Path | str,
    entries: pd.DataFrame,
    findings: Sequence[str],
    uncertain: Uncertain,
    lateral: bool,
    settings: TableImportSettings,
) -> Cohort:
    import pandas as pd

    columns = [column for column in entries.columns if column not in NOT_FINDINGS]
    named = choose_findings(findings, [column for column in columns if column != DEVICES] if list(findings) == ["all"] else columns)
    kept = lateral | ~_lateral(entries)
    values = pd.DataFrame({name: parse_number(entries[name]) for name in columns})
    sure = (values == 1).any(axis=1) | ((values == -1).any(axis=1) & (uncertain != "negative"))
    clean = (parse_number(entries[NO_FINDING]) == 1).groupby(_part(entries["Path"], "patient")).transform("all")
    labels = (clean & ~sure.where(~_only_devices(values), False)).map({True: NO_FINDING, False: OTHER})
    counts = {"rows_in_table": len(entries), "lateral_views_left_out": int((~kept).sum()) if not lateral else 0}
    doubt = {"ignore": "", "positive": YES_NO[0], "negative": YES_NO[1]}[uncertain]
    table = _tidy(entries[kept], labels[kept])
    table["image"] = _find_images(root, entries.loc[kept, "Path"]).to_numpy()
    answers = {name: values.loc[kept, name].map({1.0: YES_NO[0], -1.0: doubt}).fillna(YES_NO[1]) for name in named}
    counts["uncertain_answers_left_out"] = sum(int((answer == "").sum()) for answer in answers.values())
    questions = pd.concat([ask_finding(table["item_id"], answers[name], name) for name in named], ignore_index=True)
    info = CohortInfo("CheXpert", "chexpert", NO_FINDING, [OTHER], "chest X-ray", "an abnormality", licence=LICENCE)
    options = {"findings": list(findings), "uncertain": uncertain, "lateral": lateral}
    return finish_import(CohortDraft(root, info, table, counts, options, questions=questions), out, **settings)


def _only_devices(values: pd.DataFrame) -> pd.Series:
    """Rows whose only mention is of devices, which are no finding."""
    others = values.drop(columns=DEVICES, errors="ignore")
    return ~((others == 1) | (others == -1)).any(axis=1)


def label_rows(entries: pd.DataFrame, positive: str, uncertain: Uncertain) -> pd.Series:
    """Label rows `positive`, ``'No Finding'`` (a clean control), or ``''`` to leave them out.

    ``'ignore'``, ``'positive'`` and ``'negative'`` are the U-Ignore, U-Ones and U-Zeros of Irvin et al. (2019) as far as the finding goes.
    A row that is not positive is a control only if every row of the patient has 'No Finding'.
    """
    value = parse_number(entries[positive])
    hit = (value == 1) | ((value == -1) & (uncertain == "positive"))
    undecided = (value == -1) & (uncertain == "ignore")
    clean = (parse_number(entries[NO_FINDING]) == 1).groupby(_part(entries["Path"], "patient")).transform("all")
    return hit.map({True: positive, False: ""}).mask(clean & ~hit & ~undecided, NO_FINDING)


def _read_tables(root: Path) -> pd.DataFrame:
    import pandas as pd

    found = {name: split for name, split in TABLES.items() if (root / name).is_file()}
    if not found:
        raise InputError(f"{root}: no train.csv and no valid.csv; --root must be the folder with these tables")
    entries = pd.concat([read_csv(root / name, NEEDED, key="Path").assign(split=split) for name, split in found.items()], ignore_index=True)
    entries["Path"] = entries["Path"].str.replace("\\", "/")  # the table may have been saved again on Windows
    unsafe = [path for path in entries["Path"] if not is_safe_path(path)]
    if unsafe:
        raise InputError(f"{root}: {len(unsafe)} paths lead out of the set: {first_few(unsafe)}")
    nameless = _part(entries["Path"], "patient") == ""
    if nameless.any():
        raise InputError(
            f"{root}: {int(nameless.sum())} paths name no patient (.../patient00001/...): {first_few(list(entries.loc[nameless, 'Path']))}"
        )
    return entries


def _refuse_unknown(entries: pd.DataFrame, positive: str) -> None:
    findings = [column for column in entries.columns if column not in NOT_FINDINGS]
    if positive not in findings:
        raise InputError(f"--positive {positive}: not a finding of the table (findings: {first_few(findings, 20)})")


def _tidy(entries: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    import pandas as pd

    projection = entries["AP/PA"] if "AP/PA" in entries else pd.Series("", index=entries.index)
    table = entries[["split"]].assign(
        item_id=entries["Path"],
        label=labels,
        patient_id=_part(entries["Path"], "patient"),
        view=projection.mask(_lateral(entries), "lateral"),
        follow_up=parse_number(_part(entries["Path"], "study").str.removeprefix("study")),
    )
    if "Sex" in entries:
        table["sex"] = parse_sex(entries["Sex"])
    if "Age" in entries:
        table["age"] = parse_age(entries["Age"].str.replace(r"\.0+$", "", regex=True))
        table["age"] = table["age"].where(table["age"] > 0)  # the set writes 0 for an unknown age
    return table.reset_index(drop=True)


def _lateral(entries: pd.DataFrame) -> pd.Series:
    """Find lateral views by their column, or without one by the file name (``view2_lateral.jpg``)."""
    if "Frontal/Lateral" in entries:
        return entries["Frontal/Lateral"].str.lower() == "lateral"
    return entries["Path"].str.lower().str.contains(r"lateral[^/]*$", regex=True)


def _part(paths: pd.Series, name: str) -> pd.Series:
    """Extract the folder ``patient00001`` or ``study1`` from each path."""
    return paths.str.extract(rf"(?:^|/)({name}\d+)(?:/|$)", expand=False).fillna("")


def _find_images(root: Path, paths: pd.Series) -> pd.Series:
    """Find each image below the root, with or without the first folder of its path (``CheXpert-v1.0-small/``)."""

    def _find(path: str) -> str:
        shorter = path.partition("/")[2]
        names = [spelling for name in (path, shorter) if name for spelling in spellings(name)]
        return next((name for name in names if (root / name).is_file()), "")

    return paths.map(_find)
