"""Reading the tables that VLMEvalKit writes when it evaluates (.xlsx, .tsv, .csv or .json): the score of each item.

Format, of the repository open-compass/VLMEvalKit: ``hit`` in ``*_result`` of multiple-choice sets (``vlmeval/dataset/image_mcq.py`` and
``utils/multiple_choice.py``), ``score`` in ``*_auxmatch`` of yes-or-no sets (``image_yorn.py``), ``eval_match`` in ``*_results`` of short
answers (``image_vqa.py``), ``verifier_match`` in ``*_detailed_results``. ``index`` names the item, ``answer`` is its target.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from paper_figures.comparison.formats.harness_logs import OWN_COLUMNS, TARGET
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

SCORES = ("hit", "verifier_match", "eval_match", "score", "eval_score")  # the first that a table has
DISTANCES = ("DocVQA", "InfoVQA")  # sets whose matches are normalised edit distances
BEST_ANSWER = ("ChartQA", "OCRVQA")  # sets where the best of several answers counts
TRUTHS = {"true": 1.0, "false": 0.0}


def is_vlmevalkit_table(table: pd.DataFrame) -> bool:
    """Whether a table is one of VLMEvalKit's, by its columns."""
    return "item_id" not in table.columns and {"index", "prediction"} <= set(table.columns)


def read_vlmevalkit_table(table: pd.DataFrame, path: Path, metrics: Sequence[str] = ()) -> tuple[pd.DataFrame, str]:
    """Read a table: ``item_id``, ``value``, the target, and its own columns; and name the score."""
    names = [name for name in (metrics or SCORES) if name in table.columns]
    if not names and metrics:
        raise InputError(f"{path}: no column {metrics[0]!r}; there are {first_few(list(table.columns), 8)}")
    if not names:
        raise InputError(
            f"{path}: has predictions without scores; name the table that the evaluation wrote beside it (_result, _results, _auxmatch)"
        )
    name = names[0]
    missing = table["index"].isna() | table[name].isna()
    if missing.any():
        which = first_few(table.loc[missing, "index"].astype(str).tolist())
        raise InputError(f"{path}: {int(missing.sum())} items have no index or no {name} ({which}); score them first, none is dropped")
    if name == "eval_score" and any(kind in path.name for kind in DISTANCES):
        raise InputError(f"{path}: eval_score of this set is a mean of distances, lower for better answers; leave --metric out")
    items = [str(item) for item in table["index"]]
    values = [_number(cell, name, item, path) for cell, item in zip(table[name], items, strict=True)]
    found = table.drop(columns=[column for column in ("index", *OWN_COLUMNS) if column in table.columns])
    if "answer" in table.columns:
        found[TARGET] = table["answer"].astype(str)
    return found.assign(item_id=items, value=values), name


def _number(cell: object, name: str, item: str, path: Path) -> float:
    try:
        return _of_answers(cell, path) if name == "eval_match" else _as_number(cell)
    except ValueError:
        raise InputError(f"{path}: {name} of item {item} is {str(cell)[:40]!r}, not a number") from None


def _as_number(cell: object) -> float:
    text = str(cell).strip()
    number = TRUTHS.get(text.lower())
    number = float(text) if number is None else number
    if number != number:
        raise ValueError("NaN")
    return number


def _of_answers(cell: object, path: Path) -> float:
    """One score of the matches with all accepted answers, by the rule of the set (``hit_calculate`` in ``utils/vqa_eval.py``)."""
    if isinstance(cell, str):  # a list in Python's notation
        cell = json.loads(re.sub(r"\b(True|False)\b", lambda found: found[0].lower(), cell))
    matches = [_as_number(match) for match in cell] if isinstance(cell, list) else []
    if not matches:
        raise ValueError("no matches")
    if any(kind in path.name for kind in DISTANCES):
        similarity = 1 - min(matches)  # ANLS: a similarity below one half counts as 0
        return similarity if similarity >= 0.5 else 0.0
    return max(matches) if any(kind in path.name for kind in BEST_ANSWER) else sum(matches) / len(matches)
