"""Reading the scores of one arm: from records, or from a table or log of any harness (`formats`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from empirical.evaluation.records import Records, read_records
from see_in_pairs.errors import InputError, did_you_mean, first_few

if TYPE_CHECKING:
    import pandas as pd

    from paper_figures.comparison.formats.reading import ItemFile

KEYS = ["item_id", "seed", "train_seed", "wording"]
UNKNOWN = -1
"""Used instead of a null seed, where there was no training."""
TRAININGS = ("train_seed", "reader")
"""Columns that tell trainings apart; the first that a table has is used. Readers vary a modality as trainings vary a procedure."""
TRUTH = "true answer and choices"
"""Column of rows of several answers, in which arms must agree."""
ZERO_OR_ONE = {"1": 1.0, "0": 0.0, "true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class ArmScores:
    """The scores of one arm."""

    name: str
    source: str  # the file, for error lines
    # a row per item (and seed, training seed, wording): ``item_id, seed, train_seed, wording``; ``label`` and ``score``, or ``correct``,
    # or the ``value`` of a metric; and whatever else the file has
    table: pd.DataFrame
    positive: tuple[str, ...]  # the labels to detect; () if labels are 0 and 1
    trainings: str = "train_seed"  # the file's own column that tells trainings apart
    metric: str = ""  # that of ``value``; '' if there are scores, or right and wrong

    @property
    def has_scores(self) -> bool:
        """Whether there are scores of a class (not a metric, not only right and wrong)."""
        return "score" in self.table.columns


def input_file(path: Path, tasks: Sequence[str] = ()) -> Path:
    """Find the content of a folder: if it has no records, a harness's only log of samples (of the named task)."""
    logs = task_logs(path, tasks)
    if len(logs) > 1:
        raise InputError(f"{path}: has {len(logs)} logs of samples ({first_few(list(logs))}); name one of them, or its task with --task")
    return next(iter(logs.values()), path)


def task_logs(path: Path, tasks: Sequence[str] = ()) -> dict[str, Path]:
    """Logs of samples below a folder by task; none for a file, or for a folder with records."""
    if not path.is_dir() or (path / "records.parquet").exists():
        if tasks:
            raise InputError(f"--task {tasks[0]}: {path} is not a folder of logs; leave it out")
        return {}
    from paper_figures.comparison.formats.folders import logs_in

    return logs_in(path, tasks)


def read_arm(
    given: Path | str | pd.DataFrame | Records,
    arm: str | None = None,
    runs: Sequence[str] = (),
    positive: Sequence[str] = (),
    metrics: Sequence[str] = (),
    called: str = "the table",
    question: str | None = None,
) -> ArmScores:
    """Read one arm from records, a table or a log, and check that no item occurs twice and no score or label is missing.

    `metrics` name the metric to take from a log, or the column of a table; of several the first that the file has. Records have none.
    `called` is the name in error lines of a table given in memory. `question` is the one of several to take from records: if it is binary
    its scores are compared, else, and if all are taken together, right and wrong answers.
    """
    path = input_file(Path(given)) if isinstance(given, (Path, str)) else Path(called)
    if not isinstance(given, (Path, str)):
        scores = _from_memory(given, path, arm, runs, positive, metrics, question)
    elif _is_records(path):
        scores = _from_records(read_records(path), path, arm, runs, bool(positive), question)
    elif question is not None and path.is_file():
        raise InputError(f"--question {question}: is for records of 'see-in-pairs evaluate', which {path} is not; leave it out")
    else:
        from paper_figures.comparison.formats.reading import read_item_file

        try:
            scores = _from_file(read_item_file(path, metrics), path, arm, runs)
        except UnicodeEncodeError:  # a lone surrogate in JSON
            raise InputError(f"{path}: contains text that is not Unicode (a lone surrogate); write it again as UTF-8") from None
    if positive:
        scores = _named_positive(scores, positive)
    _check(scores)
    return scores


def _is_records(path: Path) -> bool:
    if path.suffix.lower() != ".parquet" or not path.is_file():
        return path.is_dir()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return not {"item_id", "score", "correct", "value"} & set(pq.read_schema(path).names) or "p_positive" in pq.read_schema(path).names
    except (pa.ArrowException, OSError):
        return True  # reading the records tells what is wrong


def _named_positive(scores: ArmScores, positive: Sequence[str]) -> ArmScores:
    if not scores.has_scores:
        raise InputError(f"{scores.source}: contains right and wrong only, no labels; leave out --positive")
    known = sorted(set(scores.table["label"].dropna().astype(str)))
    unknown = [name for name in positive if name not in known]
    if unknown:
        raise InputError(
            f"--positive {unknown[0]}: no item of {scores.source} has this label; there are {first_few(known, 6)}"
            f"{did_you_mean(unknown[0], known)}"
        )
    return replace(scores, positive=tuple(positive))


def _from_memory(
    given: pd.DataFrame | Records,
    path: Path,
    arm: str | None,
    runs: Sequence[str],
    positive: Sequence[str],
    metrics: Sequence[str],
    question: str | None = None,
) -> ArmScores:
    from paper_figures.comparison.formats.reading import read_frame

    if isinstance(given, Records):
        return _from_records(given, path, arm, runs, bool(positive), question)
    if "p_positive" in given.columns and not {"score", "correct", "value"} & set(given.columns):
        return _from_records(Records(given, (), ""), path, arm, runs, bool(positive), question)
    return _from_file(read_frame(given, path, metrics), path, arm, runs)


def _from_records(
    records: Records, path: Path, arm: str | None, runs: Sequence[str], positive_named: bool, question: str | None = None
) -> ArmScores:
    table = records.table.rename(columns={"p_positive": "score"})
    table = _pick(table, "run_id", list(runs), path) if runs else table
    table = _pick(table, "arm", [arm], path) if arm is not None else table
    _check_single(table, "arm", path)
    if not runs:
        _check_single(table, "run_id", path)
    wording = _texts(table["wording"]) if "wording" in table.columns else ""
    table = table.assign(**{key: table[key].fillna(UNKNOWN).astype("int64") for key in ("seed", "train_seed")}, wording=wording)
    name = runs[0] if arm is None and runs else str(table["arm"].iloc[0])
    asked = _texts(table["question_id"]) if "question_id" in table.columns else table["item_id"].map(lambda _: "")
    if question is not None:
        known = sorted(set(asked) - {""})
        if question not in known:
            there = f"there are {first_few(known, 6)}" if known else "the records are of one question without a name"
            raise InputError(f"--question {question}: no such question in {path} ({there}){did_you_mean(question, known)}")
        table, asked = table[asked == question], asked[asked == question]
    if asked.nunique() > 1 or ("scale" in table.columns and table["scale"].isin(["nominal", "ordinal"]).any()):
        if positive_named:
            raise InputError(f"--positive: {path} has answers of several kinds, of which right and wrong are compared; leave it out")
        return ArmScores(name, str(path), _right_and_wrong(table, asked, path), ())
    if not records.positive and not positive_named:
        raise InputError(f"{path}: the records do not say which labels are positive; name them with --positive")
    return ArmScores(name, str(path), table.reset_index(drop=True), records.positive)


def _right_and_wrong(table: pd.DataFrame, asked: pd.Series, path: Path) -> pd.DataFrame:
    """Rows of several questions, or of several answers: an item is what is asked about an image; whether the likeliest answer is right.

    Where several answers are the likeliest, none is given, which is wrong: so the order of the choices does not matter.
    """
    scored = [all(np.isfinite(value) for value in row.values()) for row in table["logp"]]
    if not all(scored):
        raise InputError(f"{path}: {len(scored) - sum(scored)} answers have no finite score; score them first, none is dropped")
    if absent := [item for item, row, answer in zip(table["item_id"], table["logp"], table["answer"], strict=True) if answer not in row]:
        raise InputError(f"{path}: {len(absent)} true answers are not among the choices ({first_few(absent)}); write the records again")
    right = [
        all(row[answer] > value for choice, value in row.items() if choice != answer)
        for row, answer in zip(table["logp"], table["answer"], strict=True)
    ]
    names = table["item_id"] + np.where(asked == "", "", " | " + asked)
    if len(set(zip(table["item_id"], asked, strict=True))) > names.nunique():
        raise InputError(f"{path}: item and question ids with ' | ' in them are not told apart; name one question with --question")
    kept = table.drop(columns=["label", "score"])
    truth = [f"{answer} of {', '.join(sorted(row))}" for row, answer in zip(table["logp"], table["answer"], strict=True)]
    return kept.assign(item_id=names, correct=np.array(right, dtype=np.float64), **{TRUTH: truth}).reset_index(drop=True)


def _check_single(table: pd.DataFrame, column: str, path: Path) -> None:
    """Refuse a table of several arms or runs, if none was chosen."""
    option = {"arm": "--arm-a and --arm-b", "run_id": "--run-a and --run-b"}[column]
    values = sorted(_texts(table[column]).unique())
    if len(values) > 1:
        raise InputError(f"{path}: contains several values of {column} ({first_few(values, 6)}); choose with {option}")


def _pick(table: pd.DataFrame, column: str, values: list[str], path: Path) -> pd.DataFrame:
    known = sorted(_texts(table[column]).unique())
    unknown = [value for value in values if value not in known]
    if unknown:
        raise InputError(f"{path}: no {column} {unknown[0]!r}; there are {first_few(known, 6)}{did_you_mean(unknown[0], known)}")
    return table[_texts(table[column]).isin(values)]


def _texts(values: pd.Series) -> pd.Series:
    """The values as text, '' if missing; with `astype` alone a missing value stays a number."""
    return values.astype(object).where(values.notna(), "").astype(str)


def with_items(scores: ArmScores, path: Path) -> ArmScores:
    """Add the columns of a table of items, for example their patients, which logs of other harnesses rarely have.

    If both have a column, that of the arm is kept.
    """
    from paper_figures.comparison.formats.tables import read_item_table

    items = read_item_table(path)
    if "item_id" not in items.columns:
        raise InputError(f"{path}: needs the column item_id; it has {first_few(list(items.columns), 6)}")
    items = items.assign(item_id=items["item_id"].astype(str))
    if items["item_id"].duplicated().any():
        raise InputError(f"{path}: names items twice ({first_few(items.loc[items['item_id'].duplicated(), 'item_id'].tolist())})")
    lacking = sorted(set(scores.table["item_id"]) - set(items["item_id"]))
    if lacking:
        raise InputError(f"{path}: {len(lacking)} items of {scores.source} are missing ({first_few(lacking)})")
    new = [column for column in items.columns if column == "item_id" or column not in scores.table.columns]
    return replace(scores, table=scores.table.merge(items[new], on="item_id", how="left"))


def _from_file(file: ItemFile, path: Path, arm: str | None, runs: Sequence[str]) -> ArmScores:
    table = file.table
    columns = set(table.columns)
    if "item_id" not in columns or not (columns >= {"label", "score"} or columns & {"correct", "value"}):
        found = first_few(list(table.columns), 6)
        hint = "; name the column of item names item_id" if {"image", "id", "filename", "path"} & columns else ""
        needs = "needs the columns item_id and label, score, or correct, or a metric named with --metric"
        raise InputError(f"{path}: {needs}; it has {found}{hint}")
    if table.empty:
        raise InputError(f"{path}: no items")
    if table["item_id"].isna().any():
        raise InputError(f"{path}: {int(table['item_id'].isna().sum())} rows have no item_id")
    for column, chosen, option in (
        ("arm", [] if arm is None else [arm], "--arm-a and --arm-b"),
        ("run_id", list(runs), "--run-a and --run-b"),
    ):
        if chosen and column not in table.columns:
            raise InputError(f"{path}: has no column {column!r} that {option} could choose from; leave the option out")
        table = _pick(table, column, chosen, path) if chosen else table
    if "arm" in table.columns and table["item_id"].duplicated().any():
        _check_single(table, "arm", path)
    kept = ("value",) if file.metric else ("label", "score") if columns >= {"label", "score"} else ("correct",)
    table = table.drop(columns=[name for name in ("label", "score", "correct", "value") if name not in kept], errors="ignore")
    trainings = "train_seed"
    if not file.is_log:  # whose columns of this name belong to its documents
        trainings = next((column for column in TRAININGS if column in table.columns), trainings)
    told = _seeds(table, "" if file.is_log else trainings)
    table = table.assign(item_id=table["item_id"].astype(str), **told).reset_index(drop=True)
    scores = ArmScores(arm or (runs[0] if runs else file.name), str(path), table, (), trainings, file.metric)
    return scores if file.is_log else _over_epochs(scores)


def _seeds(table: pd.DataFrame, trainings: str) -> dict[str, pd.Series | int | str]:
    """Seeds and wordings of the rows; a reader counts as a training seed. A seed counts if items occur several times."""
    found: dict[str, pd.Series | int | str] = {"seed": 0, "train_seed": 0, "wording": ""}
    if not trainings:
        return found
    if trainings in table.columns:
        found["train_seed"] = _seed_values(table[trainings])
    if "wording" in table.columns:
        found["wording"] = _texts(table["wording"])
    keys = ["item_id", *(column for column in (trainings, "wording") if column in table.columns)]
    if "seed" in table.columns and table.duplicated(keys).any():
        found["seed"] = _seed_values(table["seed"])
    return found


def _over_epochs(scores: ArmScores) -> ArmScores:
    """Average right and wrong, or a metric, over the epochs of an item: draws from one model, which tell nothing about other items.

    Scores of a class are not averaged, since a mean of scores ranks better than each of them.
    """
    table = scores.table
    if "epoch" not in table.columns or not table.duplicated(KEYS).any():
        return scores
    if scores.has_scores:
        raise InputError(f"{scores.source}: items have several epochs, and a mean of scores ranks better than each of them; keep one epoch")
    if table.duplicated([*KEYS, "epoch"]).any():
        return scores  # which `_check` refuses
    epochs = table.groupby(KEYS)["item_id"].transform("size")
    if epochs.nunique() > 1:
        names = sorted(table.loc[epochs < epochs.max(), "item_id"].unique())
        raise InputError(f"{scores.source}: {len(names)} items have fewer than {epochs.max()} epochs ({first_few(names)})")
    column = "value" if scores.metric else "correct"
    numbers = as_numbers(table["value"], scores) if scores.metric else as_right(table["correct"], scores.source).astype(float)
    means = numbers.groupby([table[key] for key in KEYS]).transform("mean")
    table = table.assign(value=means).drop_duplicates(KEYS).reset_index(drop=True)
    return replace(scores, table=table, metric=scores.metric or column)


def _seed_values(values: pd.Series) -> pd.Series:
    """Seeds as numbers (as in records) if all are numbers; else names of readers; -1 if missing."""
    import pandas as pd

    words = _texts(values).replace("", "-1")
    numbers = pd.to_numeric(words, errors="coerce")
    return words if numbers.isna().any() else numbers


def _check(scores: ArmScores) -> None:
    table = scores.table
    twice = table.duplicated(KEYS)
    if twice.any():
        names = first_few(table.loc[twice, "item_id"].tolist())
        told = table[["train_seed", "wording"]].nunique().max() > 1
        hint = "" if told else "; columns arm, train_seed, reader, wording or seed tell rows of an item apart"
        raise InputError(f"{scores.source}: {int(twice.sum())} items occur twice ({names}){hint}")
    measured = "value" if scores.metric else "score" if scores.has_scores else "correct"
    for column in ("label", measured) if scores.has_scores else (measured,):
        missing = table[column].isna()
        if missing.any():
            names, what = first_few(table.loc[missing, "item_id"].tolist()), scores.metric or column
            raise InputError(f"{scores.source}: {int(missing.sum())} items have no {what} ({names}); score them first, none is dropped")
    if measured != "correct":
        scores.table[measured] = as_numbers(table[measured], scores)


def as_numbers(values: pd.Series, scores: ArmScores) -> pd.Series:
    """Scores, or a metric (true is 1), as numbers; cells that are not numbers are shown."""
    import pandas as pd

    words = values.map(lambda value: ZERO_OR_ONE.get(str(value).strip().lower(), value)) if scores.metric else values
    try:
        numbers = pd.to_numeric(words, errors="coerce")
    except OverflowError:
        raise InputError(f"{scores.source}: some {scores.metric or 'score'} is a whole number too large for a float") from None
    bad = numbers.isna()
    if bad.any():
        cells = [f"{item}: {_cell(value)}" for item, value in zip(scores.table.loc[bad, "item_id"], values[bad], strict=True)]
        commas = values[bad].astype(str).str.fullmatch(r"[-+]?\d*,\d+").any()
        advice = "write a point, not a comma" if commas else "score them first, none is dropped"
        what = scores.metric or "score"
        raise InputError(f"{scores.source}: {int(bad.sum())} items have no {what} that is a number ({first_few(cells)}); {advice}")
    return numbers.astype(float)


def _cell(value: object) -> str:
    return repr(str(value)[:40])


def as_positive(labels: pd.Series, positive: Sequence[str], source: str) -> pd.Series:
    """Which labels are positive: the named ones, or those that are 1 or true."""
    if positive:
        return labels.astype(str).isin(list(positive))
    numbers = _zero_or_one(labels)
    if numbers.isna().any():
        names = first_few(sorted(set(labels.astype(str))), 6)
        raise InputError(f"{source}: labels are not 0 and 1 but {names}; name the one(s) to detect with --positive")
    return numbers == 1


def as_right(correct: pd.Series, source: str) -> pd.Series:
    """Which items are right: 1 or true, in any case."""
    numbers = _zero_or_one(correct)
    if numbers.isna().any():
        cells = first_few([_cell(value) for value in sorted(set(correct[numbers.isna()].astype(str)))], 6)
        advice = "write 1 or true for right, 0 or false for wrong; a metric with other values is named with --metric"
        raise InputError(f"{source}: the column correct contains {cells}; {advice}")
    return numbers == 1


def _zero_or_one(values: pd.Series) -> pd.Series:
    """1 and true as 1, 0 and false as 0, in any case and any way to write these numbers; NaN for the rest."""
    import pandas as pd

    words = values.astype(str).str.strip().str.lower()
    numbers = pd.to_numeric(words, errors="coerce").where(lambda found: found.isin([0, 1]))
    return words.map(ZERO_OR_ONE).fillna(numbers)
