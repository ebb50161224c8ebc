"""Reading the per-sample logs of lm-evaluation-harness and lmms-eval (``--log_samples``): right or wrong, or a metric, per item.

The harnesses' evaluation trackers (``lm_eval/loggers/evaluation_tracker.py``, and lmms-eval's of that name) name them
``samples_TASK_DATE.jsonl`` and ``DATE_samples_TASK.jsonl``.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from see_in_pairs.errors import InputError, first_few, first_line
from see_in_pairs.files import MOST_BYTES

if TYPE_CHECKING:
    import pandas as pd

TARGET, DOC_HASH = "target of the log", "doc_hash of the log"  # names that no document has
NOT_METRICS = set("doc_id doc target arguments input resps filtered_resps doc_hash prompt_hash target_hash filter metrics".split())
OWN_COLUMNS = ("item_id", "correct", "value", "label", "score", "arm", "run_id")
"""Columns that `compare` reads in a table: columns of a document must not be mistaken for them."""
_TASK = re.compile(r"(?:.*?_)?samples_(?P<task>.+?)(?:_\d{4}-\d\d-\d\dT[\d.-]+)?\.jsonl(?:\.gz)?")


def task_of(path: Path) -> str:
    """The task of a log, by the file's name."""
    found = _TASK.fullmatch(path.name)
    return found["task"] if found else path.name.split(".")[0]


def read_samples(samples: list[dict[str, Any]], path: Path, metrics: Sequence[str] = ()) -> tuple[pd.DataFrame, str]:
    """Tabulate a log of samples, one JSON object each; `metrics` are the metrics to take, of several the first that the log has.

    Returns ``item_id`` (the harness's ``doc_id``), ``value``, `TARGET` and `DOC_HASH` if the log has them, and the text and numbers of
    each document in the log; and the name of the metric.
    """
    import pandas as pd

    lacking = [number for number, sample in enumerate(samples, start=1) if "doc_id" not in sample]
    if lacking:
        raise InputError(
            f"{path}: line {lacking[0]} has neither doc_id (as in logs of lm-evaluation-harness and lmms-eval) nor item_id (as in tables)"
        )
    name, wanted = _chosen(samples, metrics, path)
    samples = _one_filter(samples, wanted, path)
    name = name or _only_metric(samples, path)
    values = [_number(sample, name, path) for sample in samples]
    table = pd.DataFrame({"item_id": [str(sample["doc_id"]) for sample in samples], "value": values})
    table = table.join(document_columns([sample.get("doc") for sample in samples]))
    # the number of a document does not identify it: these tell documents of two data sets, or of two versions, apart
    for column, key in ((TARGET, "target"), (DOC_HASH, "doc_hash")):
        if any(sample.get(key) is not None for sample in samples):
            table[column] = [None if sample.get(key) is None else as_text(sample[key]) for sample in samples]
    return table, name


def document_columns(documents: Sequence[object]) -> pd.DataFrame:
    """The text and numbers in documents, as text."""
    import pandas as pd

    known = [document if isinstance(document, dict) else {} for document in documents]
    columns = {}
    for key in dict.fromkeys(key for document in known for key in document):
        values = [document.get(key) for document in known]
        if key not in OWN_COLUMNS and all(value is None or isinstance(value, (str, int, float)) for value in values):
            columns[str(key)] = [None if value is None else str(value) for value in values]
    return pd.DataFrame(columns, index=range(len(known)), dtype=object)


def _chosen(samples: list[dict[str, Any]], metrics: Sequence[str], path: Path) -> tuple[str, str]:
    """The metric to take and the answer filter; '' if neither is named."""
    if not samples:
        raise InputError(f"{path}: no items")
    names = [(metric.partition(",")[0], metric.partition(",")[2]) for metric in metrics] or [("", "")]
    return next(((name, wanted) for name, wanted in names if not name or _look_up(samples[0], name) is not None), names[0])


def as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def json_lines(path: Path) -> list[dict[str, Any]]:
    """Read JSON objects, one per line, packed or not."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    packed = path.suffix.lower() == ".gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") if packed else open(path, encoding="utf-8-sig") as lines:
            each = iter(lambda: lines.readline(MOST_BYTES["JSON"]), "")  # a part of an endless line is not JSON
            return [found for number, line in enumerate(each, start=1) for found in _object(line, number, path)]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:  # not allowed, not packed, cut off
        raise InputError(f"{path}: cannot be read ({first_line(error)})") from None


def _object(line: str, number: int, path: Path) -> Iterator[dict[str, Any]]:
    """The object of a line; None for a blank one."""
    try:
        found = json.loads(line) if line.strip() else None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: line {number} is not JSON") from None
    if found is not None:
        if not isinstance(found, dict):
            raise InputError(f"{path}: line {number} is not a JSON object")
        yield found


def _one_filter(samples: list[dict[str, Any]], wanted: str, path: Path) -> list[dict[str, Any]]:
    filters = sorted({str(sample.get("filter", "none")) for sample in samples})
    if wanted and wanted not in filters:
        raise InputError(f"{path}: no filter {wanted!r}; there are {first_few(filters, 6)}")
    if not wanted and len(filters) > 1:
        raise InputError(f"{path}: every item occurs once per filter ({first_few(filters, 6)}); name one: --metric METRIC,{filters[0]}")
    return [sample for sample in samples if not wanted or str(sample.get("filter", "none")) == wanted]


def _only_metric(samples: list[dict[str, Any]], path: Path) -> str:
    """The only metric that is 0 or 1; if there is none, the only one that is a number."""
    others = [name for name in samples[0] if name not in NOT_METRICS]
    numbers = [name for name in others if all(isinstance(sample.get(name), (int, float)) for sample in samples)]
    binary = [name for name in numbers if all(sample[name] in (0, 1) for sample in samples)]
    for found in (binary, numbers):
        if len(found) == 1:
            return found[0]
    raise InputError(f"{path}: name the metric with --metric (the log has {first_few(binary or numbers or others, 6) or 'none'})")


def _look_up(sample: dict[str, Any], name: str) -> Any:
    value: Any = sample
    for key in [name] if name in sample else name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _number(sample: dict[str, Any], name: str, path: Path) -> float:
    value = _look_up(sample, name)
    if value is None:
        has = first_few([key for key in sample if key not in NOT_METRICS], 6) or "none"
        raise InputError(f"{path}: {name} of item {sample['doc_id']} is missing; choose another with --metric (it has {has})")
    number = as_float(value)
    if number != number:
        raise InputError(f"{path}: {name} of item {str(sample['doc_id'])[:40]} is {str(value)[:40]!r}, not a number")
    return number


def as_float(value: object) -> float:
    """A JSON number; NaN for anything else, and for a whole number that is too large."""
    try:
        return float(value) if isinstance(value, (int, float)) else math.nan
    except OverflowError:
        return math.nan
