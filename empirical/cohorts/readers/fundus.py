"""Reader of fundus photographs with grades, which become ordinal questions; the control is the lowest grade.

Layouts as the sets' own pages and readers describe them:

- folders of grades, ``1 - No DR/Patient001_L.jpg`` (S. S. Rahim, Retinal Fundus Image Dataset for Diabetic Retinopathy Detection);
- APTOS 2019 (kaggle.com/c/aptos2019-blindness-detection): ``train.csv`` with ``id_code`` and ``diagnosis`` 0 to 4;
- IDRiD (idrid.grand-challenge.org; Porwal et al. 2018, doi 10.3390/data3030025): a table for training and one for testing with ``Image
  name``, ``Retinopathy grade`` 0 to 4 and ``Risk of macular edema`` 0 to 2; both parts number their images from 1;
- ODIR-5K (odir2019.grand-challenge.org): a row for each patient, with the words of the diagnosis of each eye;
- Messidor-2 with the grades of kaggle.com/datasets/google-brain/messidor2-dr-grades: ``image_id``, ``adjudicated_dr_grade`` 0 to 4,
  ``adjudicated_dme`` 0 or 1 and ``adjudicated_gradable``; its own ``messidor-2.csv`` lists the two eyes of each examination.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.csv_io import parse_age, parse_sex, read_any_table
from empirical.cohorts.images import IMAGE_SUFFIXES
from empirical.cohorts.importing import CohortDraft, TableImportSettings, finish_import, require_folder
from empirical.cohorts.readers.asked import ask_items, find_grade, merge_grades
from empirical.cohorts.readers.folder import FilePatterns, files_below, list_files, patients_by_pattern
from empirical.cohorts.schema import CohortInfo
from see_in_pairs.errors import InputError, did_you_mean, first_few

if TYPE_CHECKING:
    import pandas as pd

RETINOPATHY = ("no retinopathy", "mild", "moderate", "severe", "proliferative")
"""The international clinical scale of diabetic retinopathy (Wilkinson et al. 2003), grades 0 to 4."""
QUESTION = "Which grade of diabetic retinopathy does the query show?"
MACULA = "Which risk of macular edema does the query show?"
EYES = {"l": "left", "left": "left", "os": "left", "r": "right", "right": "right", "od": "right"}
OWN_NAME = re.compile(r"(.+)_([LR])")
OTHER_NAME = re.compile(r"(.+?)[-_ .]+(l|r|left|right|os|od)", re.IGNORECASE)
KEYWORDS = {  # of ODIR-5K, from specific to general
    "proliferative": r"(?<!non )(?<!non)(?<!non-)proliferative",
    "severe": r"severe (?:non[- ]?proliferative)",
    "moderate": r"moderate (?:non[- ]?proliferative)",
    "mild": r"mild (?:non[- ]?proliferative)",
}


class Graded(NamedTuple):
    """Images with one grade or two."""

    table: pd.DataFrame  # item_id, image (a name), patient_id where known, eye, and other facts
    scales: dict[str, tuple[str, ...]]  # by column of grades: from the lowest to the highest
    title: str
    licence: str
    no_patients: str = ""


def import_fundus(
    root: Path | str,
    out: Path | str,
    *,
    layout: str = "",
    healthy: str = "",
    positive: Sequence[str] = (),
    merge: Sequence[str] = (),
    least: int = 0,
    patient_pattern: str | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    name: str = "",
    modality: str = "fundus photograph",
    finding: str = "diabetic retinopathy",
    **settings: Unpack[TableImportSettings],
) -> Cohort:
    """Import fundus photographs; every grade is a label, the lowest one the control (or `healthy`), and the grade is an ordinal question.

    `merge` are grades to take together, as ``'8+9+10'`` by number or name; `least` merges a grade with fewer images with its rarer
    neighbour until none has. `positive` are grades to keep besides the control; by default all.
    """
    root = require_folder(root)
    counts: dict[str, int] = {}
    key = layout or _detect(root)
    if key not in LAYOUTS:
        raise InputError(f"--layout {key}: must be one of {', '.join(LAYOUTS)} for --kind fundus{did_you_mean(key, LAYOUTS)}")
    if (include or exclude) and key != "folders":
        raise InputError("--include and --exclude are for folders of grades; a table says which images there are")
    graded = _folders(root, counts, FilePatterns(root, include, exclude)) if key == "folders" else LAYOUTS[key](root, counts)
    table, scales = graded.table.reset_index(drop=True), graded.scales
    first = next(iter(scales))
    _refuse_outside(table, scales)
    if (bare := table[first] == "").any():
        counts["images_without_a_grade"] = int(bare.sum())
        table = table[~bare].reset_index(drop=True)
    if table.empty:
        raise InputError(f"{root}: no image has a grade")
    lowest = find_grade(healthy, scales[first], "--healthy") if healthy else scales[first][0]
    table["label"] = table[first]
    if len(scales) > 1:  # healthy in all that was graded
        sick_elsewhere = (table[first] == lowest) & (table[list(scales)[1]] != "") & (table[list(scales)[1]] != scales[list(scales)[1]][0])
        table["label"] = table["label"].mask(sick_elsewhere, "other")
    if positive:
        kept = table["label"].isin([lowest, *(find_grade(text, scales[first], "--positive") for text in positive)])
        counts["images_of_other_grades"] = int((~kept).sum())
        table = table[kept].reset_index(drop=True)
        scales = scales | {first: tuple(grade for grade in scales[first] if grade in set(table[first]))}
    if patient_pattern:
        table["patient_id"] = patients_by_pattern(table["image"], patient_pattern)
    elif "patient_id" not in table:
        table["patient_id"] = table["item_id"]
    parts = []
    for column, scale in scales.items():
        merged = merge_grades(table[column], scale, merge if column == first else (), least, counts, column)
        words, about = (QUESTION, "diabetic retinopathy") if column == first else (MACULA, "macular edema")
        choices = tuple(dict.fromkeys(merged[grade] for grade in scale))
        parts.append(ask_items(table["item_id"], table[column].map(merged).fillna(""), column, words, choices, "ordinal", about))
    import pandas as pd

    questions = pd.concat(parts, ignore_index=True)
    labels = [grade for grade in scales[first] if grade != lowest and (table["label"] == grade).any()]
    labels += ["other"] if (table["label"] == "other").any() else []
    info = CohortInfo(name or graded.title, "fundus", lowest, labels, modality, finding, licence=graded.licence)
    options = {
        "layout": key, "healthy": healthy, "positive": list(positive), "merge": list(merge), "least": least,
        "patient_pattern": patient_pattern, "include": list(include), "exclude": list(exclude),
    }  # fmt: skip
    table = table.drop(columns=list(scales))
    draft = CohortDraft(root, info, table, counts, options, graded.no_patients, questions)
    return finish_import(draft, out, **settings)


def _refuse_outside(table: pd.DataFrame, scales: Mapping[str, Sequence[str]]) -> None:
    for column, scale in scales.items():
        odd = ~table[column].isin([*scale, ""])
        if odd.any():
            first = table[odd].iloc[0]
            raise InputError(
                f"{int(odd.sum())} grade(s) outside their scale: '{first[column]}' of {first['item_id']} ({column}) is none of 0 to "
                f"{len(scale) - 1}; correct the table"
            )


def _detect(root: Path) -> str:
    names = {path.name.lower() for path in files_below(root)}
    grades = [path for path in root.iterdir() if path.is_dir() and re.match(r"\d+\b", path.name)]
    found = [
        key
        for key, there in {
            "aptos": "train.csv" in names or "train_1.csv" in names,
            "idrid": any("idrid_disease grading" in name for name in names),
            "odir": any("odir" in name and name.endswith(".csv") for name in names) or "full_df.csv" in names,
            "messidor": "messidor_data.csv" in names,
        }.items()
        if there
    ] or (["folders"] if len(grades) > 1 else [])
    if len(found) != 1:
        what = f"files of several layouts ({', '.join(found)})" if found else "no folders of grades, and no table of a known set"
        raise InputError(f"{root}: {what}; give --layout ({', '.join(LAYOUTS)}), or --kind table with --ask")
    return found[0]


def _folders(root: Path, counts: dict[str, int], patterns: FilePatterns | None = None) -> Graded:
    """Folders whose names begin with the number of the grade."""
    table, more = list_files(root, lambda path: path.suffix.lower() in IMAGE_SUFFIXES, ", ".join(IMAGE_SUFFIXES), patterns)
    counts |= more
    numbers = {label: re.match(r"\s*(\d+)", label) for label in table["label"].unique()}
    if odd := [label for label, number in numbers.items() if number is None]:
        raise InputError(f"{root}: folders of grades begin with a number, as in '1 - No DR', unlike {first_few(odd)}")
    scale = tuple(sorted(numbers, key=lambda label: int(numbers[label].group(1))))  # type: ignore[union-attr]
    if len({int(number.group(1)) for number in numbers.values() if number}) < len(scale):
        raise InputError(f"{root}: two folders have the same number; a grade has one folder ({first_few(scale, 12)})")
    words = {label: re.sub(r"^\s*\d+\s*[-_.:]?\s*", "", label) or label for label in scale}
    if len(set(words.values())) < len(words):
        words = {label: label for label in scale}
    stems = table["image"].map(lambda image: Path(image).stem)
    own, other = stems.map(OWN_NAME.fullmatch), stems.map(OTHER_NAME.fullmatch)
    names = [first or second for first, second in zip(own, other, strict=True)]
    counts["file_names_of_another_pattern"] = int((own.isna() & other.notna()).sum())
    counts["file_names_without_an_eye"] = sum(found is None for found in names)
    table["patient_id"] = [found.group(1) if found else item for found, item in zip(names, table["item_id"], strict=True)]
    table["eye"] = [EYES[found.group(2).lower()] if found else "" for found in names]
    named = {label: f"{int(number.group(1))} {words[label]}" for label, number in numbers.items() if number}
    grades = table.pop("label").map(named)
    table = table.drop(columns="split") if (table["split"] == "").all() else table
    return Graded(
        table.assign(grade=grades),
        {"grade": tuple(named[label] for label in scale)},
        root.name,
        "",
        "their names do not say the patient (NAME_L, NAME_R)",
    )


def _aptos(root: Path, counts: dict[str, int]) -> Graded:
    import pandas as pd

    parts = []
    for file, split in {"train.csv": "train", "train_1.csv": "train", "valid.csv": "val", "test.csv": "test"}.items():
        for path in [path for path in files_below(root) if path.name.lower() == file]:
            rows = _named(read_any_table(path), {"id_code": "item_id", "diagnosis": "grade"}, str(path), ("id_code",))
            if "grade" not in rows:  # the test table of the contest
                counts["rows_without_a_grade"] = len(rows)
                continue
            parts.append(rows.assign(split=split))
    if not parts:
        raise InputError(f"{root}: no train.csv with the columns id_code and diagnosis")
    rows = pd.concat(parts, ignore_index=True)
    rows = rows if rows["split"].nunique() > 1 else rows.drop(columns="split")
    rows = rows.assign(image=_found(root, rows["item_id"]), grade=_spelled(rows["grade"], RETINOPATHY))
    licence = "APTOS 2019 Blindness Detection: rules of the contest (non-commercial, no sharing on); Aravind Eye Hospital."
    return Graded(_only_known(rows), {"grade": RETINOPATHY}, "APTOS 2019", licence, "APTOS names no patients")


EDEMA = ("no hard exudates", "hard exudates away from the macula", "hard exudates near the macula")
"""Grades 0 to 2 of IDRiD and Messidor: near is within one disc diameter of the centre of the macula."""


def _idrid(root: Path, counts: dict[str, int]) -> Graded:
    import pandas as pd

    parts = []
    for path in [path for path in files_below(root) if "idrid_disease grading" in path.name.lower()]:
        split = "test" if "test" in path.name.lower() else "train"
        rows = read_any_table(path)
        rows = rows[[column for column in rows if column and not str(column).startswith("Unnamed")]]  # trailing commas
        wanted = {"image name": "name", "retinopathy grade": "grade", "risk of macular edema": "macular_edema"}
        rows = _named(rows, wanted, str(path), ("image name", "retinopathy grade"))
        rows = rows[rows["name"] != ""].reset_index(drop=True)
        part = root if path.parent == root else path.parent.parent  # other parts of the set number their images in the same way
        files = [file for file in files_below(part) if f"{split}ing" in file.parent.name.lower() and file.suffix.lower() in IMAGE_SUFFIXES]
        images = {file.stem: file.relative_to(root).as_posix() for file in files}
        parts.append(rows.assign(split=split, item_id=f"{split}/" + rows["name"], image=rows["name"].map(images).fillna("")))
    if not parts:
        raise InputError(f"{root}: no table named as 'a. IDRiD_Disease Grading_Training Labels.csv'")
    rows = pd.concat(parts, ignore_index=True)
    scales: dict[str, tuple[str, ...]] = {"grade": RETINOPATHY} | ({"macular_edema": EDEMA} if "macular_edema" in rows else {})
    rows = rows.assign(**{column: _spelled(rows[column], scale) for column, scale in scales.items()}).drop(columns="name")
    rows = rows if rows["split"].nunique() > 1 else rows.drop(columns="split")
    return Graded(_only_known(rows), scales, "IDRiD", "IDRiD: CC BY 4.0; cite Porwal et al., Data 3:25 (2018).", "IDRiD names no patients")


def _odir(root: Path, counts: dict[str, int]) -> Graded:
    """One item for each eye whose words name a grade of retinopathy, or a normal fundus and nothing else."""
    import pandas as pd

    names = [path for path in files_below(root) if path.suffix.lower() == ".csv"]
    path = next((path for path in names if "odir" in path.name.lower() or path.name.lower() == "full_df.csv"), None)
    if path is None:
        raise InputError(f"{root}: no table of ODIR-5K as CSV; save its .xlsx as ODIR-5K.csv")
    wanted = {
        "id": "patient_id", "patient age": "age", "patient sex": "sex", "left-fundus": "left", "right-fundus": "right",
        "left-diagnostic keywords": "left words", "right-diagnostic keywords": "right words",
    }  # fmt: skip
    rows = _named(read_any_table(path), wanted, str(path), ("id", "left-fundus", "right-fundus", "left-diagnostic keywords"))
    parts = []
    for eye in ("left", "right"):
        part = pd.DataFrame({"item_id": rows[eye], "patient_id": rows["patient_id"], "eye": eye, "words": rows[f"{eye} words"]})
        for fact, read in {"age": parse_age, "sex": parse_sex}.items():
            if fact in rows:
                part[fact] = read(rows[fact])
        parts.append(part)
    eyes = pd.concat(parts, ignore_index=True).drop_duplicates("item_id").reset_index(drop=True)
    eyes["grade"] = eyes["words"].map(_odir_grade)
    counts["eyes_without_a_grade_of_retinopathy"] = int((eyes["grade"] == "").sum())
    eyes = eyes[eyes["grade"] != ""].drop(columns="words").reset_index(drop=True)
    if eyes.empty:
        raise InputError(f"{path}: no eye has the words of a grade, such as 'moderate non proliferative retinopathy'")
    eyes["image"] = _found(root, eyes["item_id"])
    licence = "ODIR-5K: Peking University and Shanggong Medical Technology; for research, terms on odir2019.grand-challenge.org."
    return Graded(eyes, {"grade": RETINOPATHY}, "ODIR-5K", licence)


def _odir_grade(words: str) -> str:
    """The worst grade that the words of an eye name, ``''`` where they are of something else, or only suspect it."""
    parts = [" ".join(part.lower().split()) for part in re.split("[,\uff0c]", words)]
    if parts == ["normal fundus"]:
        return RETINOPATHY[0]
    sure = [part for part in parts if "suspected" not in part and "retinopathy" in part and "hypertensive" not in part]
    return next((grade for grade, pattern in KEYWORDS.items() if any(re.search(pattern, part) for part in sure)), "")


def _messidor(root: Path, counts: dict[str, int]) -> Graded:
    path = next((path for path in files_below(root) if path.name.lower() == "messidor_data.csv"), None)
    if path is None:
        raise InputError(f"{root}: no messidor_data.csv (image_id, adjudicated_dr_grade)")
    wanted = {
        "image_id": "item_id",
        "adjudicated_dr_grade": "grade",
        "adjudicated_dme": "macular_edema",
        "adjudicated_gradable": "gradable",
    }
    rows = _named(read_any_table(path), wanted, str(path), ("image_id", "adjudicated_dr_grade"))
    kept = rows["grade"] != ""
    counts["images_that_cannot_be_graded"] = int((~kept).sum())
    rows = rows[kept].reset_index(drop=True)
    scales: dict[str, tuple[str, ...]] = {"grade": RETINOPATHY} | (
        {"macular_edema": ("absent", "present")} if "macular_edema" in rows else {}
    )
    rows = rows.assign(image=_found(root, rows["item_id"]), **{column: _spelled(rows[column], scale) for column, scale in scales.items()})
    rows = rows.drop(columns="gradable", errors="ignore")
    pairs = next((file for file in files_below(root) if file.name.lower() == "messidor-2.csv"), None)
    if pairs is not None:
        eyes = read_any_table(pairs, ";").iloc[:, :2]
        if eyes.shape[1] < 2:
            raise InputError(f"{pairs}: has one column, and must have the two eyes of each examination, separated by ';'")
        patient = {Path(image).stem.lower(): f"exam {number + 1}" for number, pair in enumerate(eyes.to_numpy()) for image in pair if image}
        rows["patient_id"] = [patient.get(Path(item).stem.lower(), item) for item in rows["item_id"]]
    licence = "Messidor-2: for research and teaching, not for sharing on (adcis.net); grades of Krause et al., Ophthalmology 2018."
    return Graded(_only_known(rows), scales, "Messidor-2", licence, "no messidor-2.csv pairs the eyes of a patient")


LAYOUTS: dict[str, Any] = {"folders": _folders, "aptos": _aptos, "idrid": _idrid, "odir": _odir, "messidor": _messidor}
"""By the name of ``--layout``."""


def _named(rows: pd.DataFrame, wanted: Mapping[str, str], source: str, needed: Sequence[str]) -> pd.DataFrame:
    """Take columns by their names in any case; all others of the table are kept under their own names."""
    spelled = {" ".join(str(column).lower().split()): column for column in rows}
    if missing := [name for name in needed if name not in spelled]:
        raise InputError(f"{source}: has no column '{missing[0]}' (found: {first_few(list(rows), 8)})")
    return rows.rename(columns={spelled[theirs]: ours for theirs, ours in wanted.items() if theirs in spelled})


def _only_known(rows: pd.DataFrame) -> pd.DataFrame:
    """Refuse images that are named twice."""
    twice = rows["item_id"].duplicated() | (rows["item_id"] == "")
    if twice.any():
        raise InputError(
            f"{int(twice.sum())} rows name no image, or one that an earlier row names: {first_few(list(rows.loc[twice, 'item_id']))}"
        )
    return rows


def _spelled(grades: pd.Series, scale: Sequence[str]) -> pd.Series:
    """Name grades that are numbers; others stay as they are, to be refused."""
    words = {str(number): grade for number, grade in enumerate(scale)} | {f"{number}.0": grade for number, grade in enumerate(scale)}
    return grades.map(lambda text: words.get(str(text).strip(), str(text).strip()))


def _found(root: Path, names: pd.Series) -> pd.Series:
    """Find each image by its name without its ending, anywhere below the root."""
    files: dict[str, list[str]] = {}
    for path in files_below(root):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            files.setdefault(path.stem.lower(), []).append(path.relative_to(root).as_posix())
    stems = {name: Path(name).stem.lower() if Path(name).suffix.lower() in IMAGE_SUFFIXES else name.lower() for name in names}
    if doubtful := [name for name, stem in stems.items() if len(files.get(stem, ())) > 1]:
        raise InputError(f"'{doubtful[0]}' fits several files: {first_few(files[stems[doubtful[0]]])}; take the copies away")
    return names.map(lambda name: files.get(stems[name], [""])[0])
