"""Pairing two arms item by item, and finding their clusters; nothing is dropped, and any mismatch is an error."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.comparison.harness_logs import DOC_HASH, TARGET
from paper_figures.comparison.item_table import ArmPair
from paper_figures.comparison.score_tables import KEYS, UNKNOWN, ArmScores, as_positive, as_right
from paper_figures.statistics.clustered.two_way import MOST_MEMBERSHIPS
from paper_figures.statistics.validation import Bools, Floats
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

REFERENCES = "reference_ids"


@dataclass(frozen=True)
class Aligned:
    """Two arms on the same items."""

    pair: ArmPair
    cluster_columns: tuple[str, ...]
    warnings: tuple[str, ...]  # what a reader must know


def align(a: ArmScores, b: ArmScores, cluster: Sequence[str] = ()) -> Aligned:
    """Align two arms by item (and seed, and training seed), and find their clusters."""
    if a.has_scores != b.has_scores:
        raise InputError(f"{a.source} and {b.source}: one holds scores, the other right and wrong only; give two files of one kind")
    left, right = _same_items(a, b)
    warnings = [*_label_warnings(a, left), *_document_warnings(a, b, left, right)]
    first, second = _cluster_names(left, right, cluster)
    scores_a, scores_b, labels = _values(a, b, left, right)
    clusters = None if first is None else _column(left, right, first)
    if clusters is None and left["item_id"].duplicated().any():  # one item, several seeds
        clusters = left["item_id"]
    names = None if clusters is None else clusters.astype(str).to_numpy()
    if clusters is not None and first is not None and len(left) > 1 and clusters.nunique() == 1:
        warnings.append(f"all items have the same {first}, and one cluster says nothing of others; name another column with --cluster")
    several = left["train_seed"].nunique() > 1
    if several:
        warnings.append(f"{left['train_seed'].nunique()} training seeds: an item counts once per seed; only 'procedure' allows for it")
    memberships = _second(left, right, second, bool(cluster), names, warnings)
    pair = ArmPair(scores_a, scores_b, labels, names, memberships, left["train_seed"].to_numpy() if several else None)
    used = (first or "item_id",) + ((second,) if memberships is not None and second else ())
    return Aligned(pair, used, tuple(warnings))


def _label_warnings(a: ArmScores, table: pd.DataFrame) -> list[str]:
    known = set(table["label"].astype(str)) if a.has_scores else set(a.positive)
    return [f"no item has the label {name!r}; there are {first_few(sorted(known), 6)}" for name in a.positive if name not in known]


def _document_warnings(a: ArmScores, b: ArmScores, left: pd.DataFrame, right: pd.DataFrame) -> list[str]:
    """Make sure that logs of other harnesses, whose items are numbered only, speak of the same documents."""
    differ = {name: _differ(left, right, name) for name in (TARGET, DOC_HASH) if name in left.columns and name in right.columns}
    if TARGET in differ and differ[TARGET].any():
        which = _items(left, differ[TARGET])
        raise InputError(f"{a.source} and {b.source}: the targets of {which} differ: the logs are of different documents")
    if DOC_HASH in differ and differ[DOC_HASH].any():
        return [f"doc_hash of {_items(left, differ[DOC_HASH])} differs between the logs: make sure that both are of the same documents"]
    return []


def _differ(left: pd.DataFrame, right: pd.DataFrame, name: str) -> pd.Series:
    return (left[name].astype(str) != right[name].astype(str)) & left[name].notna() & right[name].notna()


def _same_items(a: ArmScores, b: ArmScores) -> tuple[pd.DataFrame, pd.DataFrame]:
    tables = _beside(a.table, b.table), _beside(b.table, a.table)
    for name in ("seed", "train_seed"):
        if len({table[name].dtype.kind == "O" for table in tables}) > 1:  # readers named by words in one file only
            tables = tuple(table.assign(**{name: table[name].astype(str)}) for table in tables)  # type: ignore[assignment]
    left, right = (table.set_index(KEYS).sort_index() for table in tables)
    for here, there, one, other in ((left, right, a, b), (right, left, b, a)):
        missing = here.index.difference(there.index)
        if len(missing):
            items = missing.get_level_values("item_id")
            hint = "with the same seed and train_seed " if set(items) & set(there.index.get_level_values("item_id")) else ""
            where = f"{hint}in {other.source} ({other.name})"
            raise InputError(f"{len(missing)} items of {one.source} ({one.name}) are missing {where}: {first_few(list(items))}")
    return left.reset_index(), right.reset_index()


def _beside(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Give a model off the shelf, which has no training seed, that of the one model that it is compared with."""
    if (table["train_seed"] != UNKNOWN).any() or other["train_seed"].nunique() != 1:
        return table
    return table.assign(train_seed=other["train_seed"].iloc[0])


def _values(a: ArmScores, b: ArmScores, left: pd.DataFrame, right: pd.DataFrame) -> tuple[Floats | Bools, Floats | Bools, Bools | None]:
    """Scores of both arms and labels; right and wrong of both and None where there are no scores."""
    if not a.has_scores:
        right_a, right_b = (as_right(table["correct"], arm.source) for table, arm in ((left, a), (right, b)))
        return right_a.to_numpy(dtype=bool), right_b.to_numpy(dtype=bool), None
    if set(a.positive) != set(b.positive):
        raise InputError(f"{a.source} and {b.source}: name other positive labels ({a.positive}, {b.positive}); name them with --positive")
    differ = left["label"].astype(str) != right["label"].astype(str)
    labels = as_positive(left["label"], a.positive, a.source)
    if differ.any() and (a.positive or (labels != as_positive(right["label"], (), b.source)).any()):
        raise InputError(f"{a.source} and {b.source}: labels of {_items(left, differ)} differ")
    return left["score"].to_numpy(dtype=float), right["score"].to_numpy(dtype=float), labels.to_numpy(dtype=bool)


def _items(table: pd.DataFrame, which: pd.Series) -> str:
    return f"{int(which.sum())} items ({first_few(table.loc[which, 'item_id'].tolist())})"


def _cluster_names(left: pd.DataFrame, right: pd.DataFrame, cluster: Sequence[str]) -> tuple[str | None, str | None]:
    """Decide the first and the second cluster column."""
    columns = set(left.columns) | set(right.columns)
    unknown = [name for name in cluster if name not in columns]
    if unknown:
        raise InputError(f"--cluster {unknown[0]}: neither file has this column (they have {first_few(sorted(columns), 8)})")
    if len(cluster) > 2:
        raise InputError("--cluster: give at most two columns")
    names = [name for name in cluster if name != REFERENCES]
    patient = "patient_id" if "patient_id" in columns and _filled(left, right, "patient_id") else None
    first = names[0] if names else patient
    references = REFERENCES if REFERENCES in columns and (not cluster or REFERENCES in cluster) else None
    return first, names[1] if len(names) == 2 else references


def _filled(left: pd.DataFrame, right: pd.DataFrame, name: str) -> bool:
    return any((table[name].notna() & (table[name].astype(str) != "")).any() for table in (left, right) if name in table.columns)


def _column(left: pd.DataFrame, right: pd.DataFrame, name: str) -> pd.Series:
    """Cluster column of either file; where both have it they must agree."""
    if name not in left.columns or name not in right.columns:
        values = (left if name in left.columns else right)[name]
    else:
        values, differ = left[name], left[name].astype(str) != right[name].astype(str)
        if differ.any():
            raise InputError(f"{name} differs between the files for {_items(left, differ)}")
    missing = values.isna() | (values.astype(str) == "")
    if missing.any():
        raise InputError(f"{_items(left, missing)} have no {name}; choose another column with --cluster")
    return values


def _second(
    left: pd.DataFrame, right: pd.DataFrame, name: str | None, asked: bool, clusters: Any, warnings: list[str]
) -> list[list[str]] | None:
    """Second clusters of each item; references of both arms together, since either can be shared."""
    if name is None:
        return None
    if name != REFERENCES:
        return [sorted(_names(value)) or [str(value)] for value in _column(left, right, name)]
    columns = zip(*_references(left, right), left["item_id"], strict=True)
    sets = [sorted(_names(one) | _names(other)) or [f"no reference: {item}"] for one, other, item in columns]
    owners = left["item_id"].to_numpy() if clusters is None else clusters
    if not _shared(sets, owners) and not asked:
        return None
    if len({reference for entry in sets for reference in entry}) == 1:
        warnings.append("all items share one reference: its effect cannot be told from the arms' difference; left to the patients")
        return None
    if max(map(len, sets)) > MOST_MEMBERSHIPS and not asked:
        warnings.append(f"items have more than {MOST_MEMBERSHIPS} references: that references are shared is ignored")
        return None
    warnings.append("references serve several patients, which correlates their errors: two-way tests allow for it, all others ignore it")
    return sets


def _references(left: pd.DataFrame, right: pd.DataFrame) -> tuple[list[object], list[object]]:
    none: list[object] = [()] * len(left)
    return tuple(table[REFERENCES].tolist() if REFERENCES in table.columns else none for table in (left, right))  # type: ignore[return-value]


def _names(value: Any) -> set[str]:
    """Read the references of one item: a list, a list as JSON text, or text with semicolons between."""
    if value is None or isinstance(value, float):
        return set()
    if isinstance(value, str) and value.lstrip().startswith("["):
        parts = _json_list(value)
    else:
        parts = value.split(";") if isinstance(value, str) else np.atleast_1d(value).tolist()
    return {str(part).strip() for part in parts if str(part).strip()}


def _json_list(text: str) -> list[Any]:
    try:
        parts = json.loads(text)
    except (ValueError, RecursionError):
        parts = None
    if not isinstance(parts, list) or not all(isinstance(part, (str, int)) for part in parts):
        raise InputError(f'references {text[:60]!r}: not a JSON list of names; write ["r1", "r2"] or r1;r2')
    return parts


def _shared(sets: list[list[str]], owners: Any) -> bool:
    """Whether any reference serves items of different clusters."""
    seen: dict[str, set[object]] = defaultdict(set)
    for entry, owner in zip(sets, owners, strict=True):
        for name in entry:
            seen[name].add(owner)
    return any(len(found) > 1 for found in seen.values())
