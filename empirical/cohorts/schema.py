"""The format of every cohort: its columns, its facts, and the check of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from empirical.cohorts.csv_io import NESTED
from empirical.cohorts.images import is_safe_path, is_text
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

TEXT_COLUMNS = ("item_id", "image", "mask", "label", "patient_id", "family", "site", "split", "serves", "sex", "view", "sha256")
COLUMNS = (*TEXT_COLUMNS, "age")
QUERY_SPLITS = ("train", "val", "test")
SPLITS = (*QUERY_SPLITS, "reference")
LONGEST_TEXT = 4000  # characters of a fact, which may be a path


@dataclass(frozen=True)
class CohortInfo:
    """Facts about a cohort, kept in ``cohort.json``.

    Parameters
    ----------
    name : str
        The name of the cohort in figures and reports.
    kind : str
        Which reader made it: ``'phantom'``, ``'nih'``, ``'folder'``...
    healthy : str
        The label of the healthy class.
    positive : list of str
        The label(s) to detect.
    modality : str
        For the prompt, for example ``'chest X-ray'``.
    finding : str
        The finding to look for, in words for the prompt, for example ``'a nodule'``.
    image_root : str or None
        The folder that image paths are relative to; None: the cohort's own folder.
    licence : str
        The line to show beside all results on these images.
    counts : dict of str to int
        How many rows or images were left out while importing, by reason; nothing is skipped silently.
    parameters : dict
        The settings that made the cohort (for a phantom its config, ``rho`` and ``shares``).
    control : str
        One word for the control class in prompts and pages: ``'healthy'``, or ``'benign'`` where a set has no healthy images.
    """

    name: str
    kind: str
    healthy: str
    positive: list[str]
    modality: str
    finding: str
    image_root: str | None = None
    licence: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    control: str = "healthy"


def wrong_facts(facts: dict[str, Any]) -> str:
    """Say what is wrong with the content of a ``cohort.json``; ``''`` if it is valid."""
    texts: dict[str, Any] = {
        key: facts[key] for key in ("name", "kind", "healthy", "modality", "finding", "image_root", "licence", "control") if key in facts
    }
    if texts.get("image_root") is None:
        texts.pop("image_root", None)
    positive = facts["positive"]
    if not isinstance(positive, list) or not positive:
        return f'positive: must be a list of labels, as in ["pneumonia"], not {_shown(positive)}'
    texts |= {f"positive.{place}": label for place, label in enumerate(positive)}
    for key, value in texts.items():
        if not isinstance(value, str) or len(value) > LONGEST_TEXT or "\0" in value or not is_text(value):
            return f"{key}: must be text of at most {LONGEST_TEXT} characters, not {_shown(value)}"
        if not value.strip() and key not in ("name", "kind", "licence"):
            return f"{key}: is empty"
    if len({*positive, facts["healthy"]}) <= len(positive):
        return f"positive: {_shown(positive)} names a label twice, or the healthy {_shown(facts['healthy'])}"
    counts = facts.get("counts", {})
    if not isinstance(counts, dict) or any(not isinstance(number, int) or isinstance(number, bool) for number in counts.values()):
        return f"counts: must be whole numbers by reason, not {_shown(counts)}"
    return "" if isinstance(facts.get("parameters", {}), dict) else f"parameters: must be a mapping, not {_shown(facts['parameters'])}"


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def check_table(table: pd.DataFrame, info: CohortInfo, source: str) -> None:
    """Refuse a table that breaks the format of a cohort."""
    from pandas.api.types import is_bool_dtype, is_integer_dtype, is_numeric_dtype, is_object_dtype, is_string_dtype

    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise InputError(f"{source}: a cohort needs the column(s) {first_few(missing, 5)}")
    if table.empty:
        raise InputError(f"{source}: the cohort is empty (no item)")
    nulls = [column for column in TEXT_COLUMNS if table[column].isna().any()]
    if nulls:
        raise InputError(f"{source}: empty values in {first_few(nulls)}; write '' where a text is missing")
    if is_numeric_dtype(table["age"]) and (table["age"].abs() == float("inf")).any():
        raise InputError(f"{source}: age: is infinite in some rows; leave unknown ages empty")
    if "frame" in table and not (is_integer_dtype(table["frame"]) and (table["frame"] >= 0).all()):
        raise InputError(f"{source}: frame: must hold whole numbers, 0 or more")
    wrong = [column for column in TEXT_COLUMNS if not is_string_dtype(table[column])]
    numbers = [column for column in ("age", "width", "height") if column in table]
    wrong += [column for column in numbers if not is_numeric_dtype(table[column]) or is_bool_dtype(table[column])]
    if wrong:
        raise InputError(f"{source}: {first_few(wrong)}: must hold {'numbers' if wrong[0] in numbers else 'text'} throughout")
    for column in (name for name in table if is_object_dtype(table[name])):
        if nested := [type(value).__name__ for value in table[column] if isinstance(value, NESTED)]:
            raise InputError(
                f"{source}: {column}: holds lists, structures or bytes ({nested[0]}); each cell of a cohort must be one text or number"
            )
    _refuse(table, table["item_id"].duplicated() | (table["item_id"] == ""), f"{source}: item ids are empty or occur twice")
    _refuse(table, table["patient_id"] == "", f"{source}: items without a patient")
    _refuse(table, ~table["split"].isin(SPLITS), f"{source}: items with an unknown split (known: {', '.join(SPLITS)})")
    _refuse(table, ~table["label"].isin([info.healthy, *info.positive]), f"{source}: items with a label that cohort.json does not name")
    references = table["split"] == "reference"
    _refuse(table, references & (table["label"] != info.healthy), f"{source}: references that are not {info.healthy}")
    unsafe = ~(table["image"].map(is_safe_path) & table["mask"].map(lambda mask: mask == "" or is_safe_path(mask)))
    _refuse(table, unsafe, f"{source}: image paths must be relative and stay inside their folder")


def _refuse(table: pd.DataFrame, bad: pd.Series, message: str) -> None:
    if bad.any():
        raise InputError(f"{message}: {int(bad.sum())} item(s), {first_few(list(table.loc[bad, 'item_id']))}")
