"""Reader of medical questions and answers: tables with a row for each question about an image, or about a pair of images.

Only questions with a closed set of answers are kept: choices that the set gives, yes or no, or on request all answers that occur for a
question. Open-ended ones are counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np

from empirical.cohorts.cohort import Cohort
from empirical.cohorts.csv_io import NESTED, parse_age, parse_literal, parse_number, parse_sex, read_any_table, refuse_two_spellings
from empirical.cohorts.importing import CohortDraft, TableImportSettings, finish_import, require_folder
from empirical.cohorts.readers.asked import OTHER, YES_NO
from empirical.cohorts.readers.folder import SPLIT_NAMES, files_below, patients_by_pattern
from empirical.cohorts.readers.labelled_tables import find_table
from empirical.cohorts.readers.table import find_images
from empirical.cohorts.readers.vqa_layouts import Layout, detect_layout, find_layout
from empirical.cohorts.schema import CohortInfo
from empirical.prompts.templates import normalised_answer
from see_in_pairs.console import log
from see_in_pairs.errors import InputError, did_you_mean, first_few, first_line
from see_in_pairs.files import read_json, read_table, read_text

if TYPE_CHECKING:
    import pandas as pd

FACTS = ("patient_id", "family", "site", "sex", "age", "view", "split")  # an image has one of each
OURS = (
    "image", "question", "answer", "choices", "scale", "finding", "question_id", "question_type", "answer_type", "language",
    "given_reference", "order", "prior_order", *FACTS,
)  # fmt: skip
MOST_CHOICES = 26  # of answers that occur, so that each could have a letter
TABLES = (".json", ".jsonl", ".csv", ".tsv", ".parquet", ".csv.gz", ".tsv.gz")


def import_vqa(
    root: Path | str,
    out: Path | str,
    *,
    layout: str = "",
    table: Path | str = "",
    columns: Mapping[str, str] | None = None,
    delimiter: str = ",",
    answers: Literal["given", "occurring"] = "given",
    language: str = "",
    healthy: str = "healthy",
    healthy_when: Sequence[str] = (),
    positive: str = OTHER,
    patient_pattern: str | None = None,
    skip_malformed: bool = False,
    name: str = "",
    modality: str = "",
    **settings: Unpack[TableImportSettings],
) -> Cohort:
    """Import questions and answers by the layout of a known set, or from a `table` (a file, or a folder of files) with named columns.

    `answers` ``'occurring'`` makes all answers that occur for a question its choices. `healthy_when` are QUESTION=ANSWER that make an image
    healthy; all other images have the label `positive`. `patient_pattern` finds the patient in the name of an image.
    """
    root = require_folder(root)
    if table and layout:
        raise InputError("--layout and --table: the layout names its tables itself; give only one of the two")
    key = "" if table else layout or detect_layout(root)
    known, paths = find_layout(root, key) if key else (Layout("", (), {}, ""), _tables_of(root, table))
    entries = _read_all(paths, root, known, dict(columns or {}), delimiter)
    counts = {"rows_in_tables": len(entries)}
    entries = _without_bare_rows(entries, skip_malformed, first_few(paths), counts)
    entries = _one_language(entries, language, counts)
    entries["image"] = _first_images(entries["image"], counts, "rows_with_further_images")
    entries["place"] = find_images(root, entries["image"], "the tables", None, counts)
    entries["place"] = entries["place"].where(entries["place"] != "", entries["image"])
    entries = _with_pairs(entries, root, counts)
    items = _items(entries, patient_pattern, known.patients, counts)
    items["label"] = _labels(entries, items, healthy, positive, healthy_when, counts)
    asked = _closed(entries, answers, skip_malformed, counts)
    present = _present(root, items["place"])
    _check_order(entries, items)
    items = items.assign(image=items["place"].where(present, "")).drop(columns="place")
    needed = items["item_id"].isin([*asked["item_id"], *items.get("given_reference", [])]) | (items["label"] == healthy)
    counts["images_without_a_closed_question"] = int((~needed).sum())
    title, words = name or known.title or root.name, modality or known.modality
    info = CohortInfo(title, "vqa", healthy, [positive], words, "an abnormality", licence=known.licence)
    options = {
        "layout": key, "tables": [path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path) for path in paths],
        "columns": dict(columns or {}), "answers": answers, "language": language, "healthy_when": list(healthy_when),
        "patient_pattern": patient_pattern, "skip_malformed": skip_malformed,
    }  # fmt: skip
    draft = CohortDraft(root, info, items[needed].reset_index(drop=True), counts, options, "nothing names the patients", asked)
    return finish_import(draft, out, **settings)


def _tables_of(root: Path, table: Path | str) -> list[Path]:
    for folder in (Path(table), root / table):
        if folder.is_dir():
            found = [path for path in files_below(folder) if path.name.lower().endswith(TABLES)]
            if not found:
                raise InputError(f"--table {table}: no table in this folder ({', '.join(TABLES)})")
            return found
    return [find_table(root, table)]


def _read_all(paths: Sequence[Path], root: Path, layout: Layout, columns: dict[str, str], delimiter: str) -> pd.DataFrame:
    """Read tables into rows with our columns; the split is that of a file's name where no column says it."""
    import pandas as pd

    if unknown := [ours for ours in columns if ours not in OURS]:
        raise InputError(f"--column {unknown[0]}=...: not one of ours ({', '.join(OURS)}){did_you_mean(unknown[0], OURS)}")
    parts = []
    for path in paths:
        rows = _read(path, delimiter)
        rows = layout.prepare(rows.rename(columns=_spelled(rows, layout)), root) if layout.prepare else rows
        rows = _renamed(rows, {**layout.columns, **columns}, columns, str(path))
        if "split" not in rows and (split := _split_of(path, root)):
            rows["split"] = split
        parts.append(rows)
    entries = pd.concat(parts, ignore_index=True)
    for column in ("question", "answer", "image"):
        if column not in entries:
            raise InputError(f"{first_few(paths)}: no column '{column}'; name it with --column {column}=NAME")
    for column in (column for column in OURS if column in entries and column not in ("choices", "image", "given_reference")):
        if (nested := entries[column].map(lambda cell: isinstance(cell, NESTED))).any():
            raise InputError(
                f"{first_few(paths)}: '{column}' holds a list or a structure (row {int(nested.argmax()) + 1}); it must be a text"
            )
        entries[column] = entries[column].map(_text)
    return entries


def _without_bare_rows(entries: pd.DataFrame, skip: bool, source: str, counts: dict[str, int]) -> pd.DataFrame:
    """Refuse, or leave out and count, rows without a question or an answer."""
    bare = (entries["question"] == "") | (entries["answer"] == "")
    if bare.any() and not skip:
        raise InputError(
            f"{source}: {int(bare.sum())} rows without a question or an answer, the first in row {int(bare.argmax()) + 1} (without the "
            "header); correct the table, or pass --skip-malformed"
        )
    if bare.all():
        raise InputError(f"{source}: no row has a question and an answer")
    counts |= {"rows_without_question_or_answer": int(bare.sum())} if bare.any() else {}
    return entries[~bare].reset_index(drop=True)


def _read(path: Path, delimiter: str) -> pd.DataFrame:
    import pandas as pd

    if path.suffix == ".parquet":
        table = read_table(path).astype(object)  # categories and pandas' own kinds of missing cells become plain ones
        return table.where(table.notna(), None)
    if path.suffix not in (".json", ".jsonl"):
        return read_any_table(path, delimiter)
    if path.suffix == ".jsonl":
        content: Any = []
        for number, line in enumerate(read_text(path).splitlines(), 1):
            try:
                content += [json.loads(line)] if line.strip() else []
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}: line {number} is not JSON ({first_line(error)})") from None
    else:
        content = read_json(path)
    if isinstance(content, dict):  # a list under a name, or rows under their numbers
        lists = [value for value in content.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
        content = lists[0] if len(lists) == 1 else list(content.values())
    if not isinstance(content, list) or not content or not all(isinstance(row, dict) for row in content):
        raise InputError(f"{path}: must hold a list of questions, each with names and values")
    return pd.DataFrame(content, dtype=object)


def _spelled(rows: pd.DataFrame, layout: Layout) -> dict[str, str]:
    """The columns of a set in lower case; a set that was saved again by others often changes it."""
    lower = {str(column): str(column).strip().lower() for column in rows}
    return lower if len(set(lower.values())) == len(lower) else {}


def _renamed(rows: pd.DataFrame, wanted: Mapping[str, str], asked: Mapping[str, str], source: str) -> pd.DataFrame:
    """Take our columns by their names in the table, whose case and blanks do not matter; other columns are kept under their own names."""
    import pandas as pd

    spelled: dict[str, list[str]] = {}
    for column in rows.columns:
        spelled.setdefault(str(column).strip().lower(), []).append(column)

    def find(name: str) -> Any:
        fits = [name] if name in rows.columns else spelled.get(name.strip().lower(), [])
        if len(fits) > 1:
            raise InputError(f"{source}: columns {first_few(fits)} differ in case only; rename one")
        return fits[0] if fits else None

    taken: dict[str, Any] = {}
    used = set()
    for ours in OURS:
        theirs = wanted.get(ours, ours)
        found = find(theirs) or (find(ours) if ours not in asked else None)
        if found is None and ours == "choices" and "," in theirs:
            parts = [find(part) for part in theirs.split(",")]
            if any(parts):
                named = [part for part in parts if part]
                cells = zip(*(rows[part] for part in named), strict=True)
                taken[ours] = pd.Series([[text for cell in row if (text := _text(cell))] for row in cells], index=rows.index, dtype=object)
                used |= set(named)
                continue
        if found is None:
            if ours in asked:
                raise InputError(f"{source}: has no column {theirs} (found: {first_few(list(rows), 8)}){did_you_mean(theirs, list(rows))}")
            continue
        taken[ours] = rows[found]
        used.add(found)
    others = {_own_name(column): rows[column] for column in rows.columns if column not in used}
    return pd.DataFrame({**others, **taken})


def _own_name(column: Any) -> str:
    """The name under which a column of the table's own is kept, which must be none of ours."""
    name = str(column).strip()
    reserved = {*OURS, "item_id", "label", "mask", "serves", "sha256", "width", "height", "mode", "frame", "place", "follow_up"}
    return f"other_{name}" if name in reserved else name


def _text(cell: Any) -> str:
    if cell is None or (isinstance(cell, (float, np.floating)) and not np.isfinite(cell)):
        return ""
    if isinstance(cell, (float, np.floating)) and float(cell).is_integer():
        return str(int(cell))
    return " ".join(str(cell).split())


def _split_of(path: Path, root: Path) -> str:
    """The split that the name of a file, or of its folder, begins or ends with; ``''`` where none does."""
    below = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    for part in reversed(below.parts):
        words = [word for word in re.split(r"[-_. ]+", part.lower()) if word in SPLIT_NAMES]
        if len(words) == 1:
            return SPLIT_NAMES[words[0]]
    return ""


def _one_language(entries: pd.DataFrame, language: str, counts: dict[str, int]) -> pd.DataFrame:
    if "language" not in entries:
        if language:
            raise InputError(f"--language {language}: no column says the language; name it with --column language=NAME")
        return entries
    there = sorted(entries["language"].unique())
    if not language and len(there) > 1:
        raise InputError(f"the questions are in several languages ({first_few(there, 6)}); choose one with --language")
    kept = entries["language"] == (language or there[0])
    if not kept.any():
        raise InputError(f"--language {language}: no question is in it (there are {first_few(there, 6)}){did_you_mean(language, there)}")
    counts |= {"questions_in_other_languages": int((~kept).sum())} if not kept.all() else {}
    return entries[kept].reset_index(drop=True)


def _first_images(cells: pd.Series, counts: dict[str, int], what: str) -> pd.Series:
    """The first image of each row, as a path; further ones are counted."""
    several = 0

    def first(cell: Any) -> str:
        nonlocal several
        if isinstance(cell, str) and cell[:1] == "[":
            cell = _listed(cell) or cell
        if isinstance(cell, (list, tuple, np.ndarray)):
            several += len(cell) > 1
            cell = cell[0] if len(cell) else ""
        if isinstance(cell, dict):
            if cell.get("bytes"):
                raise InputError("the table holds the images themselves; write them to files, and their paths into a column")
            cell = cell.get("path", "")
        return _text(cell)

    found = cells.map(first).astype(str)
    counts |= {what: several} if several else {}
    return found


def _with_pairs(entries: pd.DataFrame, root: Path, counts: dict[str, int]) -> pd.DataFrame:
    """Name the item of each row: an image, or an image with one of its priors where the set gives it several."""
    if "given_reference" not in entries:
        return entries.assign(prior="", item_id=entries["place"])
    priors = _first_images(entries["given_reference"], counts, "rows_with_further_priors_not_used")
    found = find_images(root, priors, "the tables", None, {})
    entries = entries.assign(prior=found.where(found != "", priors))
    own = entries["prior"] == entries["place"]
    if own.any():
        raise InputError(f"{int(own.sum())} rows name their own image as the earlier one: {first_few(list(entries.loc[own, 'place']))}")
    named = entries[entries["prior"] != ""]
    pairs = named[["place", "prior"]].drop_duplicates()
    first = pairs.drop_duplicates("place").set_index("place")["prior"]
    prior = entries["prior"].where(entries["prior"] != "", entries["place"].map(first).fillna(""))  # a question about the image alone
    again = prior != entries["place"].map(first).fillna("")
    counts |= {"questions_about_a_pair": len(named), "questions_about_a_single_image": len(entries) - len(named)}
    counts["images_with_several_priors"] = int(pairs["place"].duplicated(keep=False).groupby(pairs["place"].to_numpy()).any().sum())
    about = (entries["prior"] != "").map({True: "pair", False: "image"})
    item = entries["place"].where(~again, entries["place"] + " after " + prior)
    return entries.assign(about=about, prior=prior, item_id=item)


def _items(entries: pd.DataFrame, pattern: str | None, layout_pattern: str, counts: dict[str, int]) -> pd.DataFrame:
    """One row for each image that is asked about, and one for each prior that is not."""
    import pandas as pd

    facts = [column for column in FACTS if column in entries]
    for column in facts:
        if column == "split":
            continue
        wrong = entries.groupby("place")[column].nunique() > 1
        if wrong.any():
            raise InputError(
                f"the rows of {first_few(list(wrong.index[wrong]))} disagree in '{column}', but an image has one value; leave the column "
                "out by naming another (--column)"
            )
    own = [str(column) for column in entries if column not in (*OURS, "place", "prior", "item_id", "about")]
    kept = [column for column in own if _is_fact(entries, column)]
    counts |= {"columns_not_kept": len(own) - len(kept)} if len(kept) < len(own) else {}
    items = entries.drop_duplicates("item_id")[["item_id", "place", "prior", *facts, *kept]].reset_index(drop=True)
    for column in kept:
        items[column] = items[column].map(_text)
    missing = [place for place in dict.fromkeys(items["prior"]) if place and place not in set(items["item_id"])]
    if missing:
        patient = items.drop_duplicates("prior").set_index("prior")
        more = pd.DataFrame({"item_id": missing, "place": missing, "prior": ""})
        for column in ("patient_id", "split"):
            if column in items:
                more[column] = more["item_id"].map(patient[column])
        items = pd.concat([items, more], ignore_index=True).fillna("")
        counts["priors_that_are_not_asked_about"] = len(missing)
    items = _with_patients(items, pattern, layout_pattern)
    if (items["prior"] != "").any():
        patient_of = items.drop_duplicates("place").set_index("place")["patient_id"]
        other = (items["prior"] != "") & (items["prior"].map(patient_of) != items["patient_id"])
        if other.any():
            bad = first_few(list(items.loc[other, "item_id"]))
            raise InputError(f"{int(other.sum())} given references are of another patient than their image: those of {bad}")
    if "split" in items:
        items["split"] = _splits(items, entries, counts)
    if "age" in items:
        items["age"] = parse_age(items["age"])
    if "sex" in items:
        items["sex"] = parse_sex(items["sex"])
    orders = _orders(entries)
    if len(orders):
        items["follow_up"] = items["place"].map(orders)
    return items.rename(columns={"prior": "given_reference"}) if (items["prior"] != "").any() else items.drop(columns="prior")


def _with_patients(items: pd.DataFrame, pattern: str | None, layout_pattern: str) -> pd.DataFrame:
    if pattern:
        return items.assign(patient_id=patients_by_pattern(items["place"], pattern))
    if "patient_id" in items and (items["patient_id"] != "").any():
        refuse_two_spellings(items["patient_id"], "the tables")
        return items.assign(patient_id=items["patient_id"].where(items["patient_id"] != "", items["item_id"]))
    if layout_pattern:
        found = items["place"].str.extract(layout_pattern, expand=False)
        if found.isna().any():
            raise InputError(f"{first_few(list(items.loc[found.isna(), 'place']))}: the path names no patient; give --patient-pattern")
        return items.assign(patient_id=found)
    return items.assign(patient_id=items["item_id"])


def _is_fact(entries: pd.DataFrame, column: str) -> bool:
    """Whether a column of the table's own says one short thing about each image."""
    values = entries[column]
    if any(isinstance(cell, (list, tuple, dict, np.ndarray, bytes)) or len(str(cell)) > 200 for cell in values):
        return False
    return bool((values.map(_text).groupby(entries["place"]).nunique() <= 1).all())


def _splits(items: pd.DataFrame, entries: pd.DataFrame, counts: dict[str, int]) -> pd.Series:
    """Keep the splits of the set where they keep images and patients together; else none, so that patients are split anew."""
    known = SPLIT_NAMES | {"reference": "", "": ""}
    said = entries["split"].str.lower().map(known)
    if said.isna().any():
        raise InputError(f"unknown splits {first_few(list(entries.loc[said.isna(), 'split'].unique()))} (known: {', '.join(SPLIT_NAMES)})")
    patient = entries["item_id"].map(items.set_index("item_id")["patient_id"])
    images, patients = (said.groupby(by.to_numpy()).nunique() for by in (entries["place"], patient))
    if (images > 1).any() or (patients > 1).any():
        counts |= {"images_in_several_splits_of_the_set": int((images > 1).sum()), "patients_in_several_splits": int((patients > 1).sum())}
        log("warning: the splits of the set share images or patients, since they are of questions; patients are split anew")
        return items["split"].map(lambda _: "")
    return items["split"].str.lower().map(known).fillna("")


def _orders(entries: pd.DataFrame) -> dict[str, float]:
    """The date or number of each image that has one, as a number."""
    import pandas as pd

    said = [(name, column) for name, column in (("place", "order"), ("prior", "prior_order")) if column in entries]
    if not said:
        return {}
    # both columns at once: a date of one cannot be compared with a number of the other
    numbers = order_numbers(pd.concat([entries[column] for _, column in said]), " and ".join(column for _, column in said))
    orders: dict[str, float] = {}
    for place, value in zip(pd.concat([entries[name] for name, _ in said]), numbers, strict=True):
        if place and np.isfinite(value) and orders.setdefault(place, value) != value:
            raise InputError(f"{place}: has two dates or numbers of visits ({orders[place]:g}, {value:g}); correct the table")
    return orders


def order_numbers(texts: pd.Series, name: str) -> pd.Series:
    """Read visits as numbers, or dates as days; NaN where nothing is said."""
    import pandas as pd

    numbers = parse_number(texts)
    if not (numbers.isna() & (texts != "")).any():
        return numbers
    if numbers.notna().any():  # pandas would read a lone '3' as the third of this month
        raise InputError(f"'{name}' mixes numbers of visits ({texts[numbers.notna()].iloc[0]}) with dates; write one of the two")
    dates = pd.to_datetime(texts.where(texts != ""), errors="coerce", format="mixed")
    if (dates.isna() & (texts != "")).any():
        odd = first_few(list(texts[dates.isna() & (texts != "")].unique()))
        raise InputError(f"'{name}' holds {odd}; visits are numbers or dates such as 2019-05-31")
    return (dates - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)


def _check_order(entries: pd.DataFrame, items: pd.DataFrame) -> None:
    if "given_reference" not in items or "follow_up" not in items:
        return
    when = dict(zip(items["place"], items["follow_up"], strict=True))
    later = items["given_reference"].map(when) > items["follow_up"]
    if later.any():
        first = items[later].iloc[0]
        raise InputError(
            f"{int(later.sum())} priors are later than their current image: that of {first['item_id']} ({first['given_reference']}); "
            "swap the two columns, or correct the dates"
        )


def _labels(
    entries: pd.DataFrame, items: pd.DataFrame, healthy: str, other: str, conditions: Sequence[str], counts: dict[str, int]
) -> pd.Series:
    """Label images healthy that a question and its answer say are so, and no other condition says are not."""
    if healthy == other:
        raise InputError(f"--positive {other}: is the healthy label; choose another name")
    yes: set[str] = set()
    no: set[str] = set()
    questions = entries["question"].map(_plain_question)
    for condition in conditions:
        question, equals, answer = condition.rpartition("=")
        asked = questions == _plain_question(question)
        if not equals or not answer.strip():
            raise InputError(f"--healthy-when {condition}: write QUESTION=ANSWER, as in 'is the image normal?=yes'")
        if not asked.any():
            raise InputError(
                f"--healthy-when {condition}: no such question{did_you_mean(_plain_question(question), questions.unique().tolist())}"
            )
        fits = asked & (entries["answer"].map(normalised_answer) == normalised_answer(answer))
        if not fits.any():
            raise InputError(
                f"--healthy-when {condition}: no image has it (there are {first_few(list(entries.loc[asked, 'answer'].unique()), 6)})"
            )
        yes |= set(entries.loc[fits, "place"])
        no |= set(entries.loc[asked & ~fits, "place"])
    if conditions:
        counts |= {"images_said_to_be_healthy": len(yes - no), "images_said_to_be_both": len(yes & no)}
    return items["place"].isin(yes - no).map({True: healthy, False: other})


def _plain_question(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" ?.")


def _present(root: Path, places: pd.Series) -> pd.Series:
    return places.map({place: (root / place).is_file() for place in places.unique()}).astype(bool)


def _closed(entries: pd.DataFrame, rule: str, skip: bool, counts: dict[str, int]) -> pd.DataFrame:
    """Keep the questions with a closed set of answers, as rows of ``questions.parquet``; count the others."""
    import pandas as pd

    plain = entries["question"].map(_plain_question)
    answers = entries["answer"].map(normalised_answer)
    occurring: dict[str, tuple[str, ...]] = {}
    if rule == "occurring":
        for question, spelled in entries["answer"].groupby(plain.to_numpy()):
            distinct = {normalised_answer(text): text for text in reversed(list(spelled))}
            if not set(distinct) <= set(YES_NO) and 2 <= len(distinct) <= MOST_CHOICES:
                occurring[str(question)] = tuple(distinct[key] for key in sorted(distinct))
    rows: list[tuple[Any, ...]] = []
    wrong: list[str] = []
    open_ended, called_closed = 0, 0
    numbers: dict[Any, str] = {}
    types = [entries[name] if name in entries else [""] * len(entries) for name in ("question_type", "answer_type", "scale", "finding")]
    choices_of = entries["choices"] if "choices" in entries else [None] * len(entries)
    ids = entries["question_id"] if "question_id" in entries and entries["question_id"].duplicated().any() else [""] * len(entries)
    about = entries["about"] if "about" in entries else ["image"] * len(entries)
    for item, words, key, text, answer, cell, kind, called, scale, finding, own_id, of in zip(
        entries["item_id"], entries["question"], plain, entries["answer"], answers, choices_of, *types, ids, about, strict=True
    ):
        choices: tuple[str, ...] = ()
        answered = text
        if "choices" in entries:
            choices, answered = _given_choices(cell, text)
            if not choices and answer in YES_NO:
                choices = YES_NO
            if problem := _problem(item, words, choices, answered):
                wrong.append(problem)
                continue
        elif key in occurring:
            choices = occurring[key]
        elif answer in YES_NO:
            choices = YES_NO
        if not choices:
            open_ended += 1
            called_closed += called.lower().startswith("closed")
            continue
        plain_choices = [normalised_answer(choice) for choice in choices]
        binary = sorted(plain_choices) == sorted(YES_NO)
        choices = YES_NO if binary else tuple(choices)
        plain_choices = list(YES_NO) if binary else plain_choices
        answered = choices[plain_choices.index(normalised_answer(answered))]
        asked_as = own_id or numbers.setdefault((key, frozenset(plain_choices)), f"q{len(numbers) + 1}")
        rows.append((item, asked_as, words, choices, answered, scale or ("binary" if binary else "nominal"), finding, kind, of))
    if wrong and not skip:
        more = f" ({len(wrong)} such questions)" if len(wrong) > 1 else ""
        raise InputError(f"{wrong[0]}{more}; correct the table, or pass --skip-malformed")
    counts["open_ended_questions_left_out"] = open_ended
    counts |= {"of_these_called_closed_by_the_set": called_closed} if called_closed else {}
    counts |= {"malformed_questions_left_out": len(wrong)} if wrong else {}
    if not rows:
        raise InputError(
            f"no question has a closed set of answers: with --answers occurring it is one with 2 to {MOST_CHOICES} different ones"
            if rule == "occurring"
            else "no question has a closed set of answers; --answers occurring makes one of all answers that occur for a question"
        )
    names = ["item_id", "question_id", "question", "choices", "answer", "scale", "finding", "question_type", "about"]
    asked = pd.DataFrame(rows, columns=names)
    asked = asked if "about" in entries else asked.drop(columns="about")
    return _once(asked, skip, counts)


def _once(asked: pd.DataFrame, skip: bool, counts: dict[str, int]) -> pd.DataFrame:
    """Drop what is asked twice about an image with the same answer; refuse or leave out what has two answers."""
    key = ["item_id", "question_id"]
    answers = asked.groupby(key)["answer"].transform("nunique")
    both = answers > 1
    if both.any():
        first = asked[both].iloc[0]
        if not skip:
            raise InputError(
                f"'{first['question']}' has two answers for {first['item_id']} ({int(both.sum())} such rows); correct the table, or pass "
                "--skip-malformed"
            )
        counts["questions_with_two_answers_left_out"] = int(both.sum())
        asked = asked[~both]
    again = asked.duplicated(key)
    counts |= {"questions_asked_twice": int(again.sum())} if again.any() else {}
    return asked[~again].reset_index(drop=True)


def _given_choices(cell: Any, answer: str) -> tuple[tuple[str, ...], str]:
    """The choices of a cell (a list, a mapping from letters, a text of either, or parts between bars), and the answer among them."""
    if isinstance(cell, str):
        listed = _listed(cell)
        cell = listed if listed is not None else [part.strip() for part in cell.split("|")] if cell.strip() else []
    letters: list[str] = []
    if isinstance(cell, dict):
        letters, cell = [str(key).strip() for key in cell], list(cell.values())
    choices = tuple(_text(part) for part in cell) if isinstance(cell, (list, tuple, np.ndarray)) else ()
    if normalised_answer(answer) not in {normalised_answer(choice) for choice in choices}:
        letters = letters or [chr(ord("A") + place) for place in range(len(choices))]
        plain = [normalised_answer(letter) for letter in letters]
        key = normalised_answer(answer.strip("() :"))
        answer = choices[plain.index(key)] if key in plain else answer
    return choices, answer


def _listed(text: str) -> Any:
    if text.lstrip()[:1] not in ("[", "{", "("):
        return None
    return parse_literal(text)


def _problem(item: str, words: str, choices: tuple[str, ...], answer: str) -> str:
    plain = [normalised_answer(choice) for choice in choices]
    what = f"'{words[:80]}' about {item}"
    if len(choices) < 2:
        return f"{what}: has {'no choices' if not choices else 'only one choice'}"
    if len(set(plain)) < len(plain) or "" in plain:
        return f"{what}: has duplicated or empty choices ({first_few(choices, 6)})"
    if normalised_answer(answer) not in plain:
        return f"{what}: the answer '{answer}' is none of its choices ({first_few(choices, 6)})"
    return ""
