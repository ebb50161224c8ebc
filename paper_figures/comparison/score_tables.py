"""Reading the scores of one arm: from records, or from a CSV table of any harness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

KEYS = ["item_id", "seed", "train_seed"]


@dataclass(frozen=True)
class ArmScores:
    """The scores of one arm."""

    name: str
    source: str  # the file, for error lines
    # a row per item (and seed, and training seed): ``item_id, seed, train_seed``, either ``label`` and ``score`` or ``correct``, and
    # whatever else the file has
    table: pd.DataFrame
    positive: tuple[str, ...]  # the labels to detect; () where labels are 0 and 1

    @property
    def has_scores(self) -> bool:
        """Whether there are scores, not right and wrong only."""
        return "score" in self.table.columns


def read_arm(
    path: Path | str, arm: str | None = None, runs: Sequence[str] = (), positive: Sequence[str] = (), metric: str | None = None
) -> ArmScores:
    """Read one arm from records or a table, and check that no item occurs twice and no score or label is missing."""
    path = Path(path)
    if path.is_dir() or path.suffix == ".parquet":
        scores = _from_records(path, arm, runs)
    else:
        scores = _from_table(_table(path, metric), path, arm)
    if positive:
        scores = ArmScores(scores.name, scores.source, scores.table, tuple(positive))
    _check(scores)
    return scores


def _from_records(path: Path, arm: str | None, runs: Sequence[str]) -> ArmScores:
    from empirical.evaluation.records import read_records

    records = read_records(path)
    table = records.table.rename(columns={"p_positive": "score"})
    table = _pick(table, "run_id", list(runs), path) if runs else table
    table = _pick(table, "arm", [arm], path) if arm is not None else table
    for column, option in (("arm", "--arm-a and --arm-b"), ("run_id", "--run-a and --run-b")):
        values = sorted(table[column].unique())
        if len(values) > 1 and (column == "arm" or not runs):
            raise InputError(f"{path}: holds several values of {column} ({first_few(values, 6)}); choose with {option}")
    table = table.assign(**{key: table[key].fillna(-1) for key in ("seed", "train_seed")})
    if not records.positive:
        raise InputError(f"{path}: the records do not say which labels are positive; name them with --positive")
    name = runs[0] if arm is None and runs else str(table["arm"].iloc[0])
    return ArmScores(name, str(path), table.reset_index(drop=True), records.positive)


def _pick(table: pd.DataFrame, column: str, values: list[str], path: Path) -> pd.DataFrame:
    known = sorted(table[column].astype(str).unique())
    unknown = [value for value in values if value not in known]
    if unknown:
        raise InputError(f"{path}: no {column} {unknown[0]!r}; there are {first_few(known, 6)}")
    return table[table[column].astype(str).isin(values)]


def _table(path: Path, metric: str | None) -> pd.DataFrame:
    if path.suffix == ".jsonl":
        from paper_figures.comparison.harness_logs import read_samples

        return read_samples(path, metric)
    from see_in_pairs.files import read_table

    return read_table(path, as_text=True)


def with_items(scores: ArmScores, path: Path) -> ArmScores:
    """Add the columns of a table of items, such as the patient of each, which logs of other harnesses seldom hold.

    Where both have a column, that of the arm stays.
    """
    from see_in_pairs.files import read_table

    items = read_table(path, as_text=True)
    if "item_id" not in items.columns:
        raise InputError(f"{path}: needs the column item_id; it has {first_few(list(items.columns), 6)}")
    items = items.assign(item_id=items["item_id"].astype(str))
    if items["item_id"].duplicated().any():
        raise InputError(f"{path}: names items twice ({first_few(items.loc[items['item_id'].duplicated(), 'item_id'].tolist())})")
    lacking = sorted(set(scores.table["item_id"]) - set(items["item_id"]))
    if lacking:
        raise InputError(f"{path}: lacks {len(lacking)} items of {scores.source} ({first_few(lacking)})")
    new = [column for column in items.columns if column == "item_id" or column not in scores.table.columns]
    return ArmScores(scores.name, scores.source, scores.table.merge(items[new], on="item_id", how="left"), scores.positive)


def _from_table(table: pd.DataFrame, path: Path, arm: str | None) -> ArmScores:
    import pandas as pd

    table = table.rename(columns={column: str(column).strip() for column in table.columns})
    if "item_id" not in table.columns or not ({"label", "score"} <= set(table.columns) or "correct" in table.columns):
        found = first_few(list(table.columns), 6)
        raise InputError(f"{path}: needs the columns item_id, label, score, or item_id, correct; it has {found}")
    if table.empty:
        raise InputError(f"{path}: no items")
    if table["item_id"].isna().any():
        raise InputError(f"{path}: {int(table['item_id'].isna().sum())} rows have no item_id")
    if arm is not None and "arm" in table.columns:
        table = _pick(table, "arm", [arm], path)
    if "label" not in table.columns or "score" not in table.columns:
        table = table.drop(columns=["score", "label"], errors="ignore")
    else:
        table = table.drop(columns="correct", errors="ignore").assign(score=pd.to_numeric(table["score"], errors="coerce"))
    table = table.assign(item_id=table["item_id"].astype(str), seed=0, train_seed=0).reset_index(drop=True)
    return ArmScores(arm or path.stem, str(path), table, ())


def _check(scores: ArmScores) -> None:
    table = scores.table
    twice = table.duplicated(KEYS)
    if twice.any():
        raise InputError(f"{scores.source}: {int(twice.sum())} items occur twice ({first_few(table.loc[twice, 'item_id'].tolist())})")
    for column in ("label", "score") if scores.has_scores else ("correct",):
        _check_column(scores, column)


def _check_column(scores: ArmScores, column: str) -> None:
    import pandas as pd

    values = scores.table[column]
    if column == "score":
        values = pd.to_numeric(values, errors="coerce")
    bad = values.isna()
    if bad.any():
        names = first_few(scores.table.loc[bad, "item_id"].tolist())
        raise InputError(f"{scores.source}: {int(bad.sum())} items have no {column} ({names}); score them first, none is dropped")


def as_positive(labels: pd.Series, positive: Sequence[str], source: str) -> pd.Series:
    """Which labels are positive: those named, or those that are 1."""
    import pandas as pd

    if positive:
        return labels.astype(str).isin(list(positive))
    numbers = pd.to_numeric(labels.replace({True: 1, False: 0, "True": 1, "False": 0}), errors="coerce")
    if not numbers.isin([0, 1]).all():
        names = first_few(sorted(set(labels.astype(str))), 6)
        raise InputError(f"{source}: labels are not 0 and 1 but {names}; name the one(s) to detect with --positive")
    return numbers == 1
