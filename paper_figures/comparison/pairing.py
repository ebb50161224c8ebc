"""Pairing two arms item by item, and finding their clusters; nothing is dropped, and any mismatch is an error."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.comparison.arm_rows import ArmRows, Names, no_reference
from paper_figures.comparison.formats.harness_logs import DOC_HASH, TARGET
from paper_figures.comparison.item_table import ArmPair
from paper_figures.comparison.score_tables import KEYS, TRUTH, ArmScores, as_positive, as_right
from paper_figures.statistics.clustered.two_way import MOST_MEMBERSHIPS
from paper_figures.statistics.validation import Bools, Floats
from see_in_pairs.errors import InputError, did_you_mean, first_few

if TYPE_CHECKING:
    import pandas as pd

REFERENCES = "reference_ids"
CROSSED = {"train_seed": "trained model", "reader": "reader", "wording": "wording"}


@dataclass(frozen=True)
class Aligned:
    """Two arms on the same items: the rows of each and, if every row of A has its row of B, both side by side."""

    a: ArmRows
    b: ArmRows
    cluster_columns: tuple[str, ...]
    warnings: tuple[str, ...]  # warnings for the reader
    side_by_side: ArmPair | None
    unpaired: str  # why the arms are not side by side; '' if they are
    metric: str = ""  # metric of values that are neither scores of a class nor only right and wrong
    same_models: bool = False  # whether the records say that both arms come from the same trained models

    @property
    def pair(self) -> ArmPair:
        """The arms side by side."""
        if self.side_by_side is None:
            raise InputError(self.unpaired)
        return self.side_by_side


def align(a: ArmScores, b: ArmScores, cluster: Sequence[str] = (), metric: str = "") -> Aligned:
    """Align two arms by item (and seed, training seed, wording), and find their clusters.

    Both must have the same items. If their training seeds or wordings differ, each arm keeps its own rows, not side by side.
    `metric` says that values are of this metric, even if they are only 0 or 1.
    """
    if a.has_scores != b.has_scores:
        raise InputError(f"{a.source} and {b.source}: one has scores, the other right and wrong or a metric; give two files of one kind")
    left, right, unpaired = _same_items(a, b)
    # both arms must agree on what an item is: row by row, or by the first row of each item if rows differ
    once = (left, right) if not unpaired else (_one_row_per_item(left), _one_row_per_item(right))
    _same_truth(a, b, *once)
    warnings = [*_label_warnings(a, left), *_document_warnings(a, b, *once), *_lacking(a, left), *_lacking(b, right)]
    first, second = _cluster_names(left, right, cluster)
    labels, metric = _labels(a, b, left, right, once), metric or metric_of(a, b)
    clusters = None if first is None else _columns(left, right, first, once)
    repeated = bool(left["item_id"].duplicated().any() or right["item_id"].duplicated().any())
    if clusters is None and repeated:  # one item, several seeds
        clusters = left["item_id"], right["item_id"]
    names: tuple[Names | None, Names | None]
    names = (None, None) if clusters is None else (clusters[0].to_numpy(dtype=str), clusters[1].to_numpy(dtype=str))
    if clusters is not None and first is not None and len(left) > 1 and clusters[0].nunique() == 1:
        warnings.append(f"all items have the same {first}, and one cluster is not enough; name another column with --cluster")
    several = max(left["train_seed"].nunique(), right["train_seed"].nunique()) if repeated else 1
    if several > 1:
        kind = "readers" if a.trainings == "reader" else "training seeds"
        warnings.append(f"{several} {kind}: an item counts once for each; the recommended tests allow for it, most others do not")
    memberships = _second(left, right, second, bool(cluster), names, warnings, once)
    sets: tuple[list[list[str]] | None, list[list[str]] | None, list[list[str]] | None]
    sets = (None, None, None) if memberships is None else memberships
    rows_a, rows_b = _rows(a, left, labels[0], names[0], sets[0]), _rows(b, right, labels[1], names[1], sets[1])
    used = (first or "item_id",) + ((second,) if memberships is not None and second else ())
    pair = None
    if not unpaired:
        scores: tuple[Floats | Bools, Floats | Bools] = rows_a.values, rows_b.values
        if not a.has_scores and not metric:
            scores = rows_a.values.astype(bool), rows_b.values.astype(bool)
        pair = ArmPair(*scores, rows_a.labels, names[0], sets[2], rows_a.training_seeds if several > 1 else None)
    same = several > 1 and not unpaired and _same_models(left, right)
    if same:
        warnings.append("both arms come from the same trained models (train_arm): their trainings are crossed, as with --paired-seeds")
    return Aligned(rows_a, rows_b, used, tuple(warnings), pair, unpaired, metric, same)


def _same_truth(a: ArmScores, b: ArmScores, left: pd.DataFrame, right: pd.DataFrame) -> None:
    """Refuse arms that disagree on the true answer or the choices of a question."""
    if TRUTH not in left.columns or TRUTH not in right.columns:
        return
    differ = (left[TRUTH].to_numpy() != right[TRUTH].to_numpy()).nonzero()[0]
    if len(differ):
        row = differ[0]
        what = f"{left['item_id'].iloc[row]}: {left[TRUTH].iloc[row]} and {right[TRUTH].iloc[row]}"
        raise InputError(f"{a.source} and {b.source}: {len(differ)} true answers or choices differ ({what}); score both on one cohort")


def _same_models(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    """Whether the records name the same trained arm, with equally many training items, for both arms."""
    kept = ("train_arm", "n_train")
    if any(name not in table.columns for name in kept for table in (left, right)) or (left["train_arm"].astype(str) == "").any():
        return False
    return all(left[name].nunique() == right[name].nunique() == 1 for name in kept) and all(
        str(left[name].iloc[0]) == str(right[name].iloc[0]) for name in kept
    )


def _rows(arm: ArmScores, table: pd.DataFrame, labels: Bools | None, clusters: Names | None, second: list[list[str]] | None) -> ArmRows:
    seeds, wordings = (
        table[name].astype(str).to_numpy(dtype=str) if table[name].nunique() > 1 else None for name in ("train_seed", "wording")
    )
    return ArmRows(table["item_id"].to_numpy(dtype=str), _numbers(arm, table), labels, clusters, second, seeds, wordings)


def _numbers(arm: ArmScores, table: pd.DataFrame) -> Floats:
    if arm.has_scores or arm.metric:
        return table["score" if arm.has_scores else "value"].to_numpy(dtype=float)
    return as_right(table["correct"], arm.source).to_numpy(dtype=float)


def metric_of(a: ArmScores, b: ArmScores) -> str:
    """The metric of both arms; '' for scores, and for a metric that is 0 or 1 everywhere, that is right or wrong."""
    if a.has_scores or all(np.isin(_numbers(arm, arm.table), (0, 1)).all() for arm in (a, b)):
        return ""
    names = [arm.metric or "correct" for arm in (a, b)]
    if names[0] != names[1]:
        raise InputError(f"{a.source} and {b.source}: one has {names[0]}, the other {names[1]}; name one metric with --metric")
    return names[0]


def _one_row_per_item(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop_duplicates("item_id").sort_values("item_id").reset_index(drop=True)


def _lacking(arm: ArmScores, table: pd.DataFrame) -> list[str]:
    """Items missing for some trainings, readers or wordings: a reader may read only some items, which is counted; a training may not.

    If each item has only one of them, they are not crossed with the items, and nothing is missing.
    """
    warnings = []
    for column, name in (("train_seed", arm.trainings), ("wording", "wording")):
        found = table[["item_id", column]].drop_duplicates()
        levels, counts = found[column].nunique(), found["item_id"].value_counts()
        lacking = sorted(counts.index[counts < levels])
        if levels == 1 or not lacking or counts.max() == 1:
            continue
        said = f"{arm.source} ({arm.name}): {len(lacking)} items ({first_few(lacking)}) are missing for some {CROSSED[name]}"
        if name != "reader":
            raise InputError(f"{said} (column {name}, {levels} of them); give every item to each")
        warnings.append(f"{said} of {levels}: each counts with the items that it has")
    return warnings


def _label_warnings(a: ArmScores, table: pd.DataFrame) -> list[str]:
    known = set(table["label"].astype(str)) if a.has_scores else set(a.positive)
    return [f"no item has the label {name!r}; there are {first_few(sorted(known), 6)}" for name in a.positive if name not in known]


def _document_warnings(a: ArmScores, b: ArmScores, left: pd.DataFrame, right: pd.DataFrame) -> list[str]:
    """Make sure that logs of other harnesses, whose items have numbers only, are about the same documents."""
    differ = {name: _differ(left, right, name) for name in (TARGET, DOC_HASH) if name in left.columns and name in right.columns}
    if TARGET in differ and differ[TARGET].any():
        which = _items(left, differ[TARGET])
        raise InputError(f"{a.source} and {b.source}: the targets of {which} differ: the logs are of different documents")
    if DOC_HASH in differ and differ[DOC_HASH].any():
        return [f"doc_hash of {_items(left, differ[DOC_HASH])} differs between the logs: make sure that both are of the same documents"]
    return []


def _differ(left: pd.DataFrame, right: pd.DataFrame, name: str) -> pd.Series:
    return (left[name].astype(str) != right[name].astype(str)) & left[name].notna() & right[name].notna()


def _same_items(a: ArmScores, b: ArmScores) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """The sorted tables of both arms, and why they are not side by side: '' if each row has its row in the other."""
    left, right = a.table, b.table
    for name in ("seed", "train_seed"):
        if (left[name].dtype.kind == "O") != (right[name].dtype.kind == "O"):  # readers named by words in one file only
            left, right = left.assign(**{name: left[name].astype(str)}), right.assign(**{name: right[name].astype(str)})
    for name in ("train_seed", "wording"):  # one model each, trained with any seed or not at all, and one prompt each
        if left[name].nunique() == right[name].nunique() == 1:
            right = right.assign(**{name: left[name].iloc[0]})
    items = KEYS[:2]
    why = _missing(a, b, left, right, items)
    if why:
        raise InputError(why)
    once = not (left.duplicated(items).any() or right.duplicated(items).any())  # for example one reader per item
    why = "" if once else _missing(a, b, left, right, KEYS)
    left, right = (table.sort_values(KEYS).reset_index(drop=True) for table in (left, right))
    return left, right, why


def _missing(a: ArmScores, b: ArmScores, left: pd.DataFrame, right: pd.DataFrame, keys: list[str]) -> str:
    """Name the rows of one arm that are missing in the other; '' if there are none."""
    here, there = (table.set_index(keys).index for table in (left, right))
    for mine, others, one, other in ((here, there, a, b), (there, here, b, a)):
        missing = mine.difference(others)
        if len(missing):
            items = missing.get_level_values("item_id")
            hint = f"with the same {', '.join(keys[1:])} " if set(items) & set(others.get_level_values("item_id")) else ""
            where = f"{hint}in {other.source} ({other.name})"
            return f"{len(missing)} items of {one.source} ({one.name}) are missing {where}: {first_few(list(items))}"
    return ""


def _labels(
    a: ArmScores, b: ArmScores, left: pd.DataFrame, right: pd.DataFrame, once: tuple[pd.DataFrame, pd.DataFrame]
) -> tuple[Bools | None, Bools | None]:
    """Labels of the rows of both arms, which must agree; None if there are no scores."""
    if not a.has_scores:
        return None, None
    if set(a.positive) != set(b.positive):
        raise InputError(f"{a.source} and {b.source}: name other positive labels ({a.positive}, {b.positive}); name them with --positive")
    differ = once[0]["label"].astype(str) != once[1]["label"].astype(str)
    if differ.any() and (a.positive or (as_positive(once[0]["label"], (), a.source) != as_positive(once[1]["label"], (), b.source)).any()):
        raise InputError(f"{a.source} and {b.source}: labels of {_items(once[0], differ)} differ")
    labels = as_positive(left["label"], a.positive, a.source), as_positive(right["label"], b.positive, b.source)
    for arm, table, flags in zip((a, b), (left, right), labels, strict=True):
        unlike = flags != flags.groupby(table["item_id"]).transform("first")
        if unlike.any():
            raise InputError(f"{arm.source}: labels of {_items(table, unlike)} differ from row to row")
    return labels[0].to_numpy(dtype=bool), labels[1].to_numpy(dtype=bool)


def _items(table: pd.DataFrame, which: pd.Series) -> str:
    return f"{int(which.sum())} items ({first_few(table.loc[which, 'item_id'].tolist())})"


def _cluster_names(left: pd.DataFrame, right: pd.DataFrame, cluster: Sequence[str]) -> tuple[str | None, str | None]:
    """Decide the first and the second cluster column."""
    columns = set(left.columns) | set(right.columns)
    unknown = [name for name in cluster if name not in columns]
    if unknown:
        raise InputError(
            f"--cluster {unknown[0]}: neither file has this column (they have {first_few(sorted(columns), 8)})"
            f"{did_you_mean(unknown[0], columns)}"
        )
    if len(cluster) > 2:
        raise InputError("--cluster: give at most two columns")
    names = [name for name in cluster if name != REFERENCES]
    patient = "patient_id" if "patient_id" in columns and _filled(left, right, "patient_id") else None
    first = names[0] if names else patient
    references = REFERENCES if REFERENCES in columns and (not cluster or REFERENCES in cluster) else None
    return first, names[1] if len(names) == 2 else references


def _filled(left: pd.DataFrame, right: pd.DataFrame, name: str) -> bool:
    return any((table[name].notna() & (table[name].astype(str) != "")).any() for table in (left, right) if name in table.columns)


def _columns(left: pd.DataFrame, right: pd.DataFrame, name: str, once: tuple[pd.DataFrame, pd.DataFrame]) -> tuple[pd.Series, pd.Series]:
    """Cluster column of the rows of both arms, from either file; if both have it, they must agree."""
    owners = [table for table in once if name in table.columns]
    if len(owners) == 2:
        differ = once[0][name].astype(str) != once[1][name].astype(str)
        if differ.any():
            raise InputError(f"{name} differs between the files for {_items(once[0], differ)}")
    found = [owners[0][name]] * 2
    if once[0] is not left:  # not side by side: each arm's own rows, or those of the other by item
        by_item = owners[0].set_index("item_id")[name]
        found = [table[name] if name in table.columns else table["item_id"].map(by_item) for table in (left, right)]
    for table, values in zip((left, right), found, strict=True):
        missing = values.isna() | (values.astype(str) == "")
        if missing.any():
            raise InputError(f"{_items(table, missing)} have no {name}; choose another column with --cluster")
    return found[0], found[1]


def _second(
    left: pd.DataFrame,
    right: pd.DataFrame,
    name: str | None,
    asked: bool,
    clusters: tuple[Names | None, Names | None],
    warnings: list[str],
    once: tuple[pd.DataFrame, pd.DataFrame],
) -> tuple[list[list[str]], list[list[str]], list[list[str]]] | None:
    """Second clusters of the rows of A, of B, and of both side by side (references of either arm, since either can be shared)."""
    if name is None:
        return None
    if name != REFERENCES:
        a, b = ([sorted(_names(value)) or [str(value)] for value in column] for column in _columns(left, right, name, once))
        return a, b, a
    own = [_references(table) for table in (left, right)]
    side_by_side = once[0] is left
    if side_by_side:
        sets = [one | other if one and other else one or other for one, other in zip(*own, strict=True)]
        items, owners = left["item_id"].tolist(), clusters[0]
    else:
        sets, items = [*own[0], *own[1]], left["item_id"].tolist() + right["item_id"].tolist()
        owners = None if clusters[0] is None or clusters[1] is None else np.concatenate([clusters[0], clusters[1]])
    filled = _filled_sets(sets, items)
    if not _shared(filled, items if owners is None else owners) and not asked:
        return None
    if len({reference for entry in filled for reference in entry}) == 1:
        warnings.append("all items share one reference: its effect cannot be told from the arms' difference, so only patients count")
        return None
    if max(map(len, filled)) > MOST_MEMBERSHIPS and not asked:
        warnings.append(f"items have more than {MOST_MEMBERSHIPS} references: sharing of references is ignored")
        return None
    warnings.append("references serve several patients, which correlates their errors: the recommended and two-way tests allow for it")
    a, b = (_filled_sets(one, table["item_id"].tolist()) for one, table in zip(own, (left, right), strict=True))
    return a, b, filled


def _references(table: pd.DataFrame) -> list[set[str]]:
    if REFERENCES not in table.columns:
        return [set()] * len(table)
    read = lru_cache(maxsize=100_000)(_names)  # the same few references serve many items
    # the item itself (arm `duplicate`) is not a reference: counting it would overstate the number of references
    return [
        (read(value) if isinstance(value, str) else _names(value)) - {item}
        for value, item in zip(table[REFERENCES].tolist(), table["item_id"].tolist(), strict=True)
    ]


def _filled_sets(sets: Sequence[set[str]], items: Iterable[str]) -> list[list[str]]:
    return [sorted(entry) or [no_reference(item)] for entry, item in zip(sets, items, strict=True)]


def _names(value: Any) -> set[str]:
    """Read the references of one item: a list, a list as JSON text, or text separated by semicolons."""
    if value is None or isinstance(value, float):
        return set()
    parts: Any = [*value] if isinstance(value, (list, tuple, set, np.ndarray)) else [value]
    if isinstance(value, str):
        parts = value.split(";")
        if value.lstrip().startswith("["):
            try:
                parts = json.loads(value)
            except (ValueError, RecursionError):
                parts = None
    if not isinstance(parts, list) or not all(isinstance(part, (str, int, np.integer)) for part in parts):
        raise InputError(f'references {str(value)[:60]!r}: not a JSON list of names; write ["r1", "r2"] or r1;r2')
    return {str(part).strip() for part in parts if str(part).strip()}


def _shared(sets: list[list[str]], owners: Any) -> bool:
    """Whether any reference serves items of different clusters; `owners` names the cluster of each."""
    seen: dict[str, set[object]] = defaultdict(set)
    for entry, owner in zip(sets, owners, strict=True):
        for name in entry:
            seen[name].add(owner)
    return any(len(found) > 1 for found in seen.values())
