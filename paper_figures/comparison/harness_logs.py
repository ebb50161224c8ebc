"""Reading the per-sample logs of lm-evaluation-harness and lmms-eval (``--log_samples``): right or wrong per item."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from see_in_pairs.errors import InputError, first_few, first_line

if TYPE_CHECKING:
    import pandas as pd

TARGET, DOC_HASH = "target of the log", "doc_hash of the log"  # names that no document has
NOT_METRICS = set("doc_id doc target arguments input resps filtered_resps doc_hash prompt_hash target_hash filter metrics".split())


def read_samples(path: Path, metric: str | None = None) -> pd.DataFrame:
    """Read a log of samples, one JSON object per line, packed or not.

    Returns ``item_id`` (the harness's ``doc_id``), ``correct``, `TARGET` and `DOC_HASH` where the log has them, and what the log keeps of
    each document that is text or a number.
    """
    import pandas as pd

    name, _, wanted = (metric or "").partition(",")
    samples = _one_filter(list(_lines(path)), wanted, path)
    name = name or _only_metric(samples, path)
    correct = [_number(sample, name, path) for sample in samples]
    table = pd.DataFrame({"item_id": [str(sample["doc_id"]) for sample in samples], "correct": correct})
    documents = [sample["doc"] if isinstance(sample.get("doc"), dict) else {} for sample in samples]
    columns = [key for key in dict.fromkeys(key for document in documents for key in document) if key not in ("item_id", "correct")]
    for key in columns:
        values = [document.get(key) for document in documents]
        if all(value is None or isinstance(value, (str, int, float)) for value in values):
            table[key] = [None if value is None else str(value) for value in values]
    # the number of a document says nothing of what it is: these tell documents of two data sets, or of two versions, apart
    for column, key in ((TARGET, "target"), (DOC_HASH, "doc_hash")):
        if any(sample.get(key) is not None for sample in samples):
            table[column] = [None if sample.get(key) is None else _as_text(sample[key]) for sample in samples]
    return table.drop(columns=["label", "score"], errors="ignore")


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    packed = path.suffix == ".gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") if packed else open(path, encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                yield from _sample(line, number, path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:  # not allowed, not packed, cut off
        raise InputError(f"{path}: cannot be read ({first_line(error)})") from None


def _sample(line: str, number: int, path: Path) -> Iterator[dict[str, Any]]:
    """The sample of a line; none of a blank one."""
    try:
        sample = json.loads(line) if line.strip() else None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: line {number} is not JSON") from None
    if sample is not None:
        if not isinstance(sample, dict) or "doc_id" not in sample:
            raise InputError(f"{path}: line {number} has no doc_id; this reads logs of lm-evaluation-harness and lmms-eval")
        yield sample


def _one_filter(samples: list[dict[str, Any]], wanted: str, path: Path) -> list[dict[str, Any]]:
    if not samples:
        raise InputError(f"{path}: no items")
    filters = sorted({str(sample.get("filter", "none")) for sample in samples})
    if wanted and wanted not in filters:
        raise InputError(f"{path}: no filter {wanted!r}; there are {first_few(filters, 6)}")
    if not wanted and len(filters) > 1:
        raise InputError(f"{path}: every item stands once per filter ({first_few(filters, 6)}); name one: --metric METRIC,{filters[0]}")
    return [sample for sample in samples if not wanted or str(sample.get("filter", "none")) == wanted]


def _only_metric(samples: list[dict[str, Any]], path: Path) -> str:
    found = [name for name in samples[0] if name not in NOT_METRICS and all(sample.get(name) in (0, 1) for sample in samples)]
    if len(found) == 1:
        return found[0]
    others = [name for name in samples[0] if name not in NOT_METRICS]
    raise InputError(f"{path}: name the metric that is 0 or 1 with --metric (the log has {first_few(found or others, 6) or 'none'})")


def _number(sample: dict[str, Any], name: str, path: Path) -> float:
    value: Any = sample
    for key in [name] if name in sample else name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if value is None:
        has = first_few([key for key in sample if key not in NOT_METRICS], 6) or "none"
        raise InputError(f"{path}: {name} of item {sample['doc_id']} is missing, not 0 or 1; choose another with --metric (it has {has})")
    if value not in (0, 1):
        raise InputError(f"{path}: {name} of item {sample['doc_id']} is {value!r}, not 0 or 1")
    return float(value)
