"""The label of an image from what a table says: one label, a list of labels or a column for each, in one row or in several.

Public layouts that come together here (as their pages and readers describe them):

- CheXpert and MIMIC-CXR-JPG 2 (physionet.org/content/mimic-cxr-jpg): a column for each finding, 1 present, 0 absent, -1 uncertain, blank
  not mentioned, with 'No Finding' among them;
- ISIC 2019 (challenge.isic-archive.com): MEL, NV, BCC, AK, BKL, DF, VASC, SCC and UNK as 0.0 or 1.0;
- VinDr-CXR (physionet.org/content/vindr-cxr): a row for each image and reader (``image_id``, ``rad_id``) with 0 or 1 in 28 columns; its
  version on Kaggle has a row for each box with its reader and ``class_name``;
- PadChest (bimcv.cipf.es/bimcv-projects/padchest): ``Labels`` as the text of a Python list, ``['normal']``;
- ChestMNIST (medmnist.com): an array of 14 zeros and ones for each image, all zero without a finding.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from empirical.cohorts.csv_io import plain_label, refuse_labels_alike, require_columns
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

Uncertain = Literal["ignore", "positive", "negative"]
Rule = Literal["any", "all", "majority"]
LISTED = "list"  # '--label-list list': cells that are lists of JSON or of Python
LONGEST_LIST = 20_000  # characters of a cell
INDICATORS = {"": 0, "0": 0, "0.0": 0, "false": 0, "no": 0, "1": 1, "1.0": 1, "true": 1, "yes": 1, "-1": -1, "-1.0": -1}
ABSENT, POSSIBLE, PRESENT = 0, 1, 2
LEFT_OUT = ("images_with_several_labels_to_detect", "images_of_uncertain_label")  # counts


class LabelSettings(TypedDict, total=False):
    """How a table tells the labels of an image."""

    label_list: str  # what separates the labels of a cell, or 'list'
    label_columns: Sequence[str]  # columns that each tell one label by 1, 0, -1 (uncertain) or nothing
    healthy_column: str  # such a column for the healthy label
    no_label: str  # the label of rows that have no other
    uncertain: Uncertain
    aggregate: Rule  # how several rows of an image make one
    positive_name: str  # the labels to detect become one of this name


def mentions(rows: pd.DataFrame, settings: LabelSettings, healthy: str, source: str) -> pd.DataFrame:
    """List what each row says of labels: ``row`` (its position), ``label`` and ``state`` (`PRESENT`, or `POSSIBLE` where uncertain)."""
    import pandas as pd

    parts = []
    names = dict.fromkeys(settings.get("label_columns", ()))
    indicators = {name: name for name in names} | ({settings["healthy_column"]: healthy} if settings.get("healthy_column") else {})
    require_columns(rows, list(indicators), source)
    for column, label in indicators.items():
        values = rows[column].str.lower().map(INDICATORS)
        if values.isna().any():
            odd = first_few([f"'{text}'" for text in rows.loc[values.isna(), column].unique()])
            raise InputError(f"{source}: column '{column}' holds {odd}; a column for a label holds 1, 0, -1 (uncertain) or nothing")
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
    """Decide the label of each item from what its rows say (`mentions`), ``''`` where it is none of those asked for.

    The rows of an item by one reader are one reading, in which a label is present if any of them says so. Over readings the rule decides:
    where uncertain ones could turn the decision the label is uncertain. A healthy reading names no other label; an item is healthy when the
    rule says so and finds no other label, even one that is not asked for.

    Returns the labels by item, the labels to detect, counts, and the items whose rows disagree.
    """
    import pandas as pd

    said = _resolve_uncertain(said, healthy, settings.get("uncertain", "ignore"))
    reading = (items.reset_index(drop=True) + "\x1f" + readers.reset_index(drop=True)).rename("reading")
    item_of = pd.Series(items.to_numpy(), index=reading.to_numpy()).groupby(level=0).first()
    states = said.assign(reading=reading.to_numpy()[said["row"]]).groupby(["reading", "label"])["state"].max().reset_index()
    if settings.get("no_label"):
        bare = item_of.index.difference(states["reading"])
        states = pd.concat([states, pd.DataFrame({"reading": bare, "label": settings["no_label"], "state": PRESENT})], ignore_index=True)
    known = sorted({*states["label"], *settings.get("label_columns", ())})
    chosen = choose_labels(known, healthy, positive, source)
    _refuse_alike(known, [healthy, *chosen], source)
    with_others = states.loc[states["label"] != healthy, "reading"]
    contradictory = (states["label"] == healthy) & states["reading"].isin(with_others)
    states = states[~contradictory]
    votes = _vote(states.assign(item=states["reading"].map(item_of)), item_of.value_counts(), settings.get("aggregate", "any"))
    labels, counts = _decide(votes, pd.Index(items.unique(), name="item"), healthy, chosen)
    counts |= {"healthy_rows_with_other_labels": int(contradictory.sum())} if contradictory.any() else {}
    disagree = list(votes.loc[votes["split"] & votes["label"].isin([healthy, *chosen]), "item"].unique())
    if settings.get("aggregate"):
        counts |= {"images_whose_rows_disagree": len(disagree)}
    if name := settings.get("positive_name"):
        labels, chosen = merge_positive(labels, chosen, healthy, name)
    else:
        several = labels == "\x1f"
        labels = labels.mask(several, "")
        counts |= {"images_with_several_labels_to_detect": int(several.sum())} if several.any() else {}
    if not positive:  # a label that is there only beside others is not lost in silence: its images are counted above
        chosen = [label for label in chosen if (labels == label).any()] or chosen
    others = int((labels == "").sum()) - sum(counts.get(key, 0) for key in LEFT_OUT)
    return labels, chosen, counts | {"items_of_other_labels": others}, disagree


def choose_labels(known: Sequence[str], healthy: str, positive: Sequence[str], source: str) -> list[str]:
    """List the labels to detect, by default all but the healthy one; refuse what is not among the known."""
    chosen = list(dict.fromkeys(positive)) or [label for label in known if label not in (healthy, "")]
    for label in (healthy, *chosen):
        if label not in known:
            lists = [name for name in known if any(mark in name for mark in ("|", ";", "["))]
            hint = f"; cells such as '{lists[0][:60]}' seem to be lists: pass --label-list" if lists else ""
            raise InputError(f"{source}: no image of label '{label}' (found: {first_few(known, 8)}){hint}")
    if not chosen or healthy in chosen:
        raise InputError(f"{source}: needs a label other than the healthy '{healthy}' (found: {first_few(known, 8)})")
    return chosen


def merge_positive(labels: pd.Series, chosen: list[str], healthy: str, name: str) -> tuple[pd.Series, list[str]]:
    """Call all labels to detect by one name."""
    if name == healthy:
        raise InputError(f"--positive-name {name}: is the healthy label; choose another name")
    return labels.mask(labels.isin([*chosen, "\x1f"]), name), [name]


def _split(cell: str, separator: str, source: str) -> list[str]:
    if separator != LISTED:
        return [part.strip() for part in cell.split(separator)]
    if not cell:
        return []
    content: Any = None
    if len(cell) <= LONGEST_LIST:
        for parse in (json.loads, ast.literal_eval):
            try:
                content = parse(cell)
                break
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    if not isinstance(content, (list, tuple)) or not all(isinstance(part, (str, int, float)) for part in content):
        raise InputError(f"{source}: '{cell[:60]}' is no list of labels, as in ['a', 'b']; --label-list takes a separator such as '|', too")
    return [str(part).strip() for part in content]


def _resolve_uncertain(said: pd.DataFrame, healthy: str, uncertain: Uncertain) -> pd.DataFrame:
    doubtful = (said["state"] == POSSIBLE) & (said["label"] != healthy)
    if uncertain == "negative":
        return said[~doubtful]
    return said.assign(state=said["state"].mask(doubtful, PRESENT)) if uncertain == "positive" else said


def _vote(states: pd.DataFrame, readings: pd.Series, rule: Rule) -> pd.DataFrame:
    """Count the readings for each item and label: its ``state`` by the rule, and whether the readings are ``split`` over it."""
    votes = states.assign(sure=states["state"] == PRESENT).groupby(["item", "label"])["sure"].agg(["sum", "size"]).reset_index()
    total = votes["item"].map(readings)
    need = {"any": 1, "all": total, "majority": total // 2 + 1}[rule]
    state = (votes["sum"] >= need).astype(int) + (votes["size"] >= need).astype(int)
    return votes.assign(state=state, split=votes["sum"] != total)


def _decide(votes: pd.DataFrame, items: pd.Index, healthy: str, chosen: list[str]) -> tuple[pd.Series, dict[str, int]]:
    """Label items; several labels to detect are marked, to be merged or left out."""
    import pandas as pd

    found = votes[votes["label"].isin(chosen)]
    sure = found[found["state"] == PRESENT].groupby("item")["label"].agg(["first", "size"])
    labels = sure["first"].mask(sure["size"] > 1, "\x1f").reindex(items, fill_value="").astype(object)
    uncertain = (labels == "") & items.isin(found.loc[found["state"] == POSSIBLE, "item"])
    well = items.isin(votes.loc[(votes["label"] == healthy) & (votes["state"] == PRESENT), "item"])
    others = items.isin(votes.loc[(votes["label"] != healthy) & (votes["state"] != ABSENT), "item"])
    labels = pd.Series(labels.mask((labels == "") & well & ~others, healthy), index=items, dtype=str)
    return labels, {"images_of_uncertain_label": int(uncertain.sum())} if uncertain.any() else {}


def _refuse_alike(known: Sequence[str], asked: Sequence[str], source: str) -> None:
    """Refuse other spellings of the labels asked for; those of the hundreds of others in a set do not matter."""
    import pandas as pd

    wanted = {plain_label(label) for label in asked}
    refuse_labels_alike(pd.Series([label for label in known if plain_label(label) in wanted], name="label", dtype=str), source)
