"""The label of an image from a table: one label, a list of labels or a column for each, in one row or in several.

Public layouts that are read here (as their pages and readers describe them):

- CheXpert and MIMIC-CXR-JPG 2 (physionet.org/content/mimic-cxr-jpg): a column for each finding, 1 present, 0 absent, -1 uncertain, blank
  not mentioned, with 'No Finding' among them;
- ISIC 2019 (challenge.isic-archive.com): MEL, NV, BCC, AK, BKL, DF, VASC, SCC and UNK as 0.0 or 1.0;
- VinDr-CXR (physionet.org/content/vindr-cxr): a row for each image and reader (``image_id``, ``rad_id``) with 0 or 1 in 28 columns; its
  version on Kaggle has a row for each box with its reader and ``class_name``;
- PadChest (bimcv.cipf.es/bimcv-projects/padchest): ``Labels`` as the text of a Python list, ``['normal']``;
- ChestMNIST (medmnist.com): an array of 14 zeros and ones for each image, all zero without a finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts.csv_io import parse_literal, plain_label, refuse_labels_alike, require_columns
from empirical.cohorts.readers.asked import YES_NO, ask_finding, choose_findings
from see_in_pairs.errors import InputError, did_you_mean, first_few

if TYPE_CHECKING:
    import pandas as pd

Uncertain = Literal["ignore", "positive", "negative"]
Rule = Literal["any", "all", "majority"]
LISTED = "list"  # '--label-list list': cells that are lists of JSON or of Python
INDICATORS = {"": 0, "0": 0, "0.0": 0, "false": 0, "no": 0, "1": 1, "1.0": 1, "true": 1, "yes": 1, "-1": -1, "-1.0": -1}
ABSENT, POSSIBLE, PRESENT = 0, 1, 2
SEVERAL = "\x1f"  # marks an item of several labels to detect
LEFT_OUT = {  # counts, and how to include these images
    "images_with_several_labels_to_detect": "have several labels to detect (--positive-name makes one class of these)",
    "images_of_uncertain_label": "are of an uncertain label (--uncertain positive or negative decides)",
}


class LabelSettings(TypedDict, total=False):
    """How a table gives the labels of an image."""

    label_list: str  # separator of the labels in a cell, or 'list'
    label_columns: Sequence[str]  # columns that each stand for one label: 1, 0, -1 (uncertain) or empty
    healthy_column: str  # such a column for the healthy label
    no_label: str  # the label of rows without any other label
    uncertain: Uncertain
    aggregate: Rule  # how several rows of an image are combined
    positive_name: str  # merges all labels to detect into one with this name


def mentions(rows: pd.DataFrame, settings: LabelSettings, healthy: str, source: str) -> pd.DataFrame:
    """List the labels in each row: ``row`` (its position), ``label`` and ``state`` (`PRESENT`, or `POSSIBLE` where uncertain)."""
    import pandas as pd

    parts = []
    names = dict.fromkeys(settings.get("label_columns", ()))
    indicators = {name: name for name in names} | ({settings["healthy_column"]: healthy} if settings.get("healthy_column") else {})
    require_columns(rows, list(indicators), source)
    for column, label in indicators.items():
        values = rows[column].str.lower().map(INDICATORS)
        if values.isna().any():
            odd = first_few([f"'{text}'" for text in rows.loc[values.isna(), column].unique()])
            raise InputError(f"{source}: column '{column}' holds {odd}; a label column has only 1, 0, -1 (uncertain) or empty cells")
        said = values.to_numpy().nonzero()[0]
        states = [PRESENT if value == 1 else POSSIBLE for value in values.iloc[said]]
        parts.append(pd.DataFrame({"row": said, "label": label, "state": states}))
    if not names:
        labels = rows["label"]
        if settings.get("label_list"):
            labels = labels.map({cell: _split(cell, settings["label_list"], source) for cell in labels.unique()})
        exploded = pd.DataFrame({"row": range(len(rows)), "label": labels.to_numpy()}).explode("label")
        parts.append(exploded[exploded["label"].notna() & (exploded["label"] != "")].assign(state=PRESENT))
    return pd.concat(parts, ignore_index=True).astype({"row": int, "label": str, "state": int})


def label_items(
    said: pd.DataFrame, items: pd.Series, readers: pd.Series, healthy: str, positive: Sequence[str], settings: LabelSettings, source: str
) -> tuple[pd.Series, list[str], dict[str, int], list[str]]:
    """Decide the label of each item from its rows (`mentions`), ``''`` where it has none of the wanted labels.

    The rows of an item by one reader are one reading, in which a label is present if it is present in any row. The rule combines readings;
    if uncertain readings could change the decision, the label is uncertain. A healthy reading has no other label. An item is healthy when
    the rule gives the healthy label and no other label, not even an unwanted one.

    Returns the labels by item, the labels to detect, counts, and the items whose rows disagree.
    """
    import pandas as pd

    said = _resolve_uncertain(said, healthy, settings.get("uncertain", "ignore"))
    names, item_of, reading_of_row = _readings(items, readers)
    known = sorted({*said["label"].unique(), *settings.get("label_columns", ()), *filter(None, [settings.get("no_label")])})
    chosen = choose_labels(known, healthy, positive, source)
    _refuse_alike(known, [healthy, *chosen], source)
    code_of = {label: code for code, label in enumerate(known)}
    label = said["label"].map(code_of).to_numpy(dtype=np.int64)
    keys, state = _strongest(reading_of_row[said["row"]] * len(known) + label, said["state"].to_numpy())
    reading, label = keys // len(known), keys % len(known)
    if no_label := settings.get("no_label"):
        bare = np.setdiff1d(np.arange(len(item_of)), reading)
        reading, label = np.append(reading, bare), np.append(label, np.full(len(bare), code_of[no_label]))
        state = np.append(state, np.full(len(bare), PRESENT))
    is_well = label == code_of[healthy]
    contradictory = is_well & np.isin(reading, reading[~is_well])
    votes = _vote(item_of[reading], label, state, ~contradictory, np.bincount(item_of), settings.get("aggregate", "any"))
    labels, counts = _decide(votes, pd.Index(names, name="item"), known, healthy, chosen)
    counts |= {"healthy_rows_with_other_labels": int(contradictory.sum())} if contradictory.any() else {}
    asked = np.isin(votes.label, [code_of[name] for name in (healthy, *chosen)])
    disagree = list(names[np.unique(votes.item[votes.split & asked])])
    if settings.get("aggregate"):
        counts |= {"images_whose_rows_disagree": len(disagree)}
    if name := settings.get("positive_name"):
        labels, chosen = merge_positive(labels, chosen, healthy, name)
    else:
        several = labels == SEVERAL
        labels = labels.mask(several, "")
        counts |= {"images_with_several_labels_to_detect": int(several.sum())} if several.any() else {}
    if not positive:  # a label that occurs only beside others is not lost silently: its images are counted above
        chosen = [label for label in chosen if (labels == label).any()] or chosen
    for name in (healthy, *chosen):
        if not (labels == name).any() and (why := [f"{counts[key]} {what}" for key, what in LEFT_OUT.items() if counts.get(key)]):
            raise InputError(f"{source}: no image of label '{name}' is left: {' and '.join(why)}")
    others = int((labels == "").sum()) - sum(counts.get(key, 0) for key in LEFT_OUT)
    return labels, chosen, counts | {"items_of_other_labels": others}, disagree


def finding_questions(
    said: pd.DataFrame,
    items: pd.Series,
    readers: pd.Series,
    healthy: str,
    findings: Sequence[str],
    settings: LabelSettings,
    counts: dict[str, int],
) -> pd.DataFrame:
    """Ask about each item whether each finding is there, by the same rules as its label; where that is uncertain, it is not asked."""
    import pandas as pd

    said = _resolve_uncertain(said, healthy, settings.get("uncertain", "ignore"))
    known = sorted({*said["label"].unique(), *settings.get("label_columns", ())} - {healthy, settings.get("no_label", healthy)})
    named = choose_findings(findings, known)
    names, item_of, reading_of_row = _readings(items, readers)
    parts = []
    for name in named:
        rows = said[said["label"] == name]
        reading, state = _strongest(reading_of_row[rows["row"]], rows["state"].to_numpy())
        everything = np.ones(len(reading), dtype=bool)
        votes = _vote(item_of[reading], np.zeros_like(reading), state, everything, np.bincount(item_of), settings.get("aggregate", "any"))
        answers = np.full(len(names), YES_NO[1], dtype=object)
        answers[votes.item[votes.state == PRESENT]] = YES_NO[0]
        answers[votes.item[votes.state == POSSIBLE]] = ""
        parts.append(ask_finding(pd.Series(names), pd.Series(answers), name))
    questions = pd.concat(parts, ignore_index=True)
    if left := len(named) * len(names) - len(questions):
        counts["uncertain_answers_left_out"] = left
    return questions


def _readings(items: pd.Series, readers: pd.Series) -> tuple[pd.Index, NDArray[np.int64], NDArray[np.int64]]:
    """The names of the items, the item of each reading (rows of one item by one reader), and the reading of each row."""
    import pandas as pd

    item_of_row, names = pd.factorize(items)
    reader_of_row = pd.factorize(readers)[0]
    pairs, reading_of_row = np.unique(item_of_row * (reader_of_row.max() + 1) + reader_of_row, return_inverse=True)
    return names, pairs // (reader_of_row.max() + 1), reading_of_row


def choose_labels(known: Sequence[str], healthy: str, positive: Sequence[str], source: str) -> list[str]:
    """List the labels to detect, by default all but the healthy one; refuse unknown labels."""
    chosen = list(dict.fromkeys(positive)) or [label for label in known if label not in (healthy, "")]
    for label in (healthy, *chosen):
        if label not in known:
            lists = [name for name in known if any(mark in name for mark in ("|", ";", "["))]
            hint = f"; cells such as '{lists[0][:60]}' seem to be lists: pass --label-list" if lists else ""
            raise InputError(f"{source}: no image of label '{label}' (found: {first_few(known, 8)}){hint or did_you_mean(label, known)}")
    if not chosen or healthy in chosen:
        raise InputError(f"{source}: needs a label other than the healthy '{healthy}' (found: {first_few(known, 8)})")
    return chosen


def merge_positive(labels: pd.Series, chosen: list[str], healthy: str, name: str) -> tuple[pd.Series, list[str]]:
    """Give all labels to detect the same name."""
    if name == healthy:
        raise InputError(f"--positive-name {name}: is the healthy label; choose another name")
    return labels.mask(labels.isin([*chosen, SEVERAL]), name), [name]


def _split(cell: str, separator: str, source: str) -> list[str]:
    if separator != LISTED:
        return [part.strip() for part in cell.split(separator)]
    if not cell:
        return []
    content = parse_literal(cell)
    if not isinstance(content, (list, tuple)) or not all(isinstance(part, (str, int, float)) for part in content):
        raise InputError(f"{source}: '{cell[:60]}' is not a list of labels, as in ['a', 'b']; or give a separator, as in --label-list '|'")
    return [str(part).strip() for part in content]


def _resolve_uncertain(said: pd.DataFrame, healthy: str, uncertain: Uncertain) -> pd.DataFrame:
    doubtful = (said["state"] == POSSIBLE) & (said["label"] != healthy)
    if uncertain == "negative":
        return said[~doubtful]
    return said.assign(state=said["state"].mask(doubtful, PRESENT)) if uncertain == "positive" else said


class _Votes(NamedTuple):
    """The combined readings of each pair of item and label that occur together."""

    item: NDArray[np.int64]
    label: NDArray[np.int64]
    state: NDArray[np.int64]  # by the rule
    split: NDArray[np.bool_]  # whether the readings differ or are uncertain


def _strongest(keys: NDArray[np.int64], states: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keep the largest state of each key."""
    order = np.lexsort((states, keys))
    last = np.append(np.diff(keys[order]) != 0, True)[: len(keys)]
    return keys[order][last], states[order][last]


def _vote(
    item: NDArray[np.int64],
    label: NDArray[np.int64],
    state: NDArray[np.int64],
    used: NDArray[np.bool_],
    readings: NDArray[np.int64],
    rule: Rule,
) -> _Votes:
    """Count the readings for each item and label."""
    width = int(label.max(initial=0)) + 1
    pairs, place = np.unique((item * width + label)[used], return_inverse=True)
    possible, sure = np.bincount(place, minlength=len(pairs)), np.bincount(place[state[used] == PRESENT], minlength=len(pairs))
    total = readings[pairs // width]
    need = {"any": np.ones_like(total), "all": total, "majority": total // 2 + 1}[rule]
    return _Votes(pairs // width, pairs % width, (sure >= need).astype(int) + (possible >= need), sure != total)


def _decide(votes: _Votes, items: pd.Index, known: Sequence[str], healthy: str, chosen: Sequence[str]) -> tuple[pd.Series, dict[str, int]]:
    """Label items; several labels to detect are marked, to be merged or left out."""
    import pandas as pd

    sick = np.isin(votes.label, [known.index(name) for name in chosen])
    well = votes.label == known.index(healthy)
    sure = votes.state == PRESENT

    def _with(rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(votes.item[rows], minlength=len(items))

    labels = np.full(len(items), "", dtype=object)
    labels[(_with(well & sure) > 0) & (_with(~well & (votes.state != ABSENT)) == 0)] = healthy
    labels[votes.item[sick & sure]] = np.asarray(known, dtype=object)[votes.label[sick & sure]]
    labels[_with(sick & sure) > 1] = SEVERAL
    uncertain = (labels == "") & (_with(sick & (votes.state == POSSIBLE)) > 0)
    return pd.Series(labels, index=items, dtype=str), {"images_of_uncertain_label": int(uncertain.sum())} if uncertain.any() else {}


def _refuse_alike(known: Sequence[str], asked: Sequence[str], source: str) -> None:
    """Refuse other spellings of the wanted labels; spellings of all other labels in a set do not matter."""
    import pandas as pd

    wanted = {plain_label(label) for label in asked}
    refuse_labels_alike(pd.Series([label for label in known if plain_label(label) in wanted], name="label", dtype=str), source)
