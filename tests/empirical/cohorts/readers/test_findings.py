"""Labels of images from lists, columns and several rows, against every way in which uncertain rows could be decided."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from empirical.cohorts.readers.findings import label_items, mentions
from see_in_pairs.errors import InputError

COLUMNS = ("ill", "odd", "well")


def decided(readings: list[int], rule: str) -> set[bool]:
    """What the rule makes of readings of a label in every way to decide the uncertain ones."""
    ways = itertools.product(*([value] if value >= 0 else [0, 1] for value in readings))
    rules = {"any": any, "all": all, "majority": lambda way: 2 * sum(way) > len(way)}
    return {bool(rules[rule](way)) for way in ways}


def slow(rows: np.ndarray, rule: str, uncertain: str) -> str:
    """Label an item from its rows (readings, labels): of the labels ill and odd the first is asked for."""
    rows = rows.copy()
    sick = rows[:, :2]
    sick[sick == -1] = {"ignore": -1, "positive": 1, "negative": 0}[uncertain]
    rows[(sick != 0).any(axis=1), 2] = 0  # a healthy reading names nothing else
    ill, odd, well = (decided(list(rows[:, column]), rule) for column in range(3))
    if ill == {True}:
        return "ill"
    return "well" if ill == {False} and odd == {False} and well == {True} else ""


@pytest.mark.parametrize("rule", ["any", "all", "majority"])
@pytest.mark.parametrize("uncertain", ["ignore", "positive", "negative"])
def test_labels_are_those_of_every_way_to_decide_the_uncertain(rule: str, uncertain: str) -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 5, 300)
    values = rng.choice([-1, 0, 0, 1, 1], (sizes.sum(), 3))
    items = pd.Series(np.repeat([f"i{k}" for k in range(300)], sizes))
    order = rng.permutation(len(items))
    table = pd.DataFrame(values, columns=list(COLUMNS)).astype(str).iloc[order].reset_index(drop=True)
    settings = {"label_columns": COLUMNS, "uncertain": uncertain, "aggregate": rule}
    said = mentions(table, settings, "well", "t")
    named, readers = items.iloc[order].reset_index(drop=True), pd.Series(range(len(items)), dtype=str)
    labels, _, counts, disagree = label_items(said, named, readers, "well", ["ill"], settings, "t")
    expected = {f"i{k}": slow(values[items == f"i{k}"], rule, uncertain) for k in range(300)}
    assert labels.to_dict() == expected
    assert set(expected.values()) == {"ill", "well", ""}
    assert sum(counts.get(name, 0) for name in ("items_of_other_labels", "images_of_uncertain_label")) == list(expected.values()).count("")
    assert counts["images_whose_rows_disagree"] == len(disagree) > 0


def labelled(cells: list[str], positive: list[str], healthy: str = "well", **settings: object) -> tuple[list[str], dict[str, int]]:
    rows, items = pd.DataFrame({"label": cells}), pd.Series([str(k) for k in range(len(cells))])
    labels, _, counts, _ = label_items(mentions(rows, settings, healthy, "t"), items, items, healthy, positive, settings, "t")  # type: ignore[arg-type]
    return list(labels), counts


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["well", "ill|odd", "odd", "", " ill | ill "], "|"),
        (['["well"]', '["ill", "odd"]', '["odd"]', "[]", '["ill"]'], "list"),
        (["['well']", "['ill', ' odd']", "['odd', '']", "", "['ill', 'ill']"], "list"),
    ],
)
def test_cells_may_hold_lists(cells: list[str], separator: str) -> None:
    assert labelled(cells, ["ill"], label_list=separator) == (["well", "ill", "", "", "ill"], {"items_of_other_labels": 2})


def test_images_with_several_labels_to_detect_are_left_out_or_one_class() -> None:
    cells = ["well", "ill|odd", "odd", "well|odd"]
    labels, counts = labelled(cells, [], label_list="|")
    assert labels == ["well", "", "odd", "odd"]
    assert (counts["images_with_several_labels_to_detect"], counts["healthy_rows_with_other_labels"]) == (1, 1)
    assert labelled(cells, [], label_list="|", positive_name="sick")[0] == ["well", "sick", "sick", "sick"]


def test_rows_without_a_label_may_have_one() -> None:
    assert labelled(["", "ill", ""], [], healthy="normal", label_list="|", no_label="normal")[0] == ["normal", "ill", "normal"]


@pytest.mark.parametrize(
    ("cell", "settings", "words"),
    [
        ("[ill", {"label_list": "list"}, r"'\[ill' is not a list of labels"),
        ("[" * 30000, {"label_list": "list"}, "is not a list of labels"),
        ("[" * 5000, {"label_list": "list"}, "is not a list of labels"),
        ("[{'a': 1}]", {"label_list": "list"}, "is not a list of labels"),
        ("__import__('os')", {"label_list": "list"}, "is not a list of labels"),
        ("WELL", {"label_list": "|"}, "one label in several ways"),
        ("ill|odd", {}, "no image of label 'ill'.*seem to be lists: pass --label-list"),
    ],
)
def test_cells_that_are_no_lists_are_one_line(cell: str, settings: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        well = "['well']" if settings.get("label_list") == "list" else "well"
        labelled([well, cell, "odd"], ["ill"] if "label_list" not in settings else [], **settings)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
