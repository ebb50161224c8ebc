"""Reading the logs of inspect_ai, ``.eval`` and ``.json``: the score of each sample, averaged over its epochs.

Format: ``src/inspect_ai/log/_log.py`` (``EvalLog``, ``EvalSample``, ``EvalSampleSummary``) and ``log/_recorders/eval.py`` (the members of
an ``.eval`` file, a zip) of the repository UKGovernmentBEIS/inspect_ai; what a score's value means: ``value_to_float`` in
``scorer/_metric.py``.
"""

from __future__ import annotations

import json
import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figures.comparison.formats.harness_logs import TARGET, as_float, as_text, document_columns
from see_in_pairs.errors import InputError, first_few, first_line
from see_in_pairs.files import MOST_BYTES

if TYPE_CHECKING:
    import pandas as pd

WORDS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}  # correct, partial, incorrect, no answer
TRUTHS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
ZSTANDARD = 93  # compression method of zip
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error, ValueError, RuntimeError)


def is_inspect_log(content: object) -> bool:
    """Whether JSON is such a log."""
    return isinstance(content, dict) and isinstance(content.get("eval"), dict) and "status" in content


def eval_task(path: Path) -> str:
    """The task of an ``.eval`` file, from its header; the file's name if it cannot be read, which is reported when the file is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            header = _member(archive, archive.getinfo("header.json"), path)
            return str(header["eval"]["task"])
    except (*_BROKEN, InputError, LookupError, TypeError):
        return path.stem


def read_eval_file(path: Path) -> dict[str, Any]:
    """Read an ``.eval`` file as the same log in JSON; of the samples only the summaries, if there are any."""
    try:
        with zipfile.ZipFile(path) as archive:
            # an item that was tried again occurs twice; the last counts, as in inspect_ai
            members = {member.filename: member for member in archive.infolist()}
            if "header.json" not in members:
                raise InputError(f"{path}: has no header.json: the evaluation has not ended; finish it with inspect eval-retry")
            content = _member(archive, members["header.json"], path)
            if "summaries.json" in members:
                samples = _member(archive, members["summaries.json"], path)
            else:
                names = [name for name in members if name.startswith("samples/") and name.endswith(".json")]
                samples = [_member(archive, members[name], path) for name in names]
    except _BROKEN as error:
        said = f"{path}: cannot be read as a log of inspect_ai ({first_line(error)})"
        raise error if isinstance(error, InputError) else InputError(said) from None
    if not is_inspect_log(content):
        raise InputError(f"{path}: its header.json does not belong to a log of inspect_ai")
    return content | {"samples": samples}


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> Any:
    if member.file_size > MOST_BYTES["JSON"]:
        raise InputError(f"{path}: {member.filename} has {member.file_size:,} bytes, too many for JSON; is it the right file?")
    try:
        content = archive.read(member)
    except NotImplementedError:  # Python before 3.14 has no Zstandard in zipfile, in which inspect_ai packs by default
        content = _unpack(path, member)
    return json.loads(content)


def _unpack(path: Path, member: zipfile.ZipInfo) -> bytes:
    """Unpack a member by pyarrow, which has Zstandard."""
    import pyarrow as pa

    if member.compress_type != ZSTANDARD:
        raise InputError(
            f"{path}: {member.filename} is packed in a way that cannot be read; write it again with inspect log convert --to json"
        )
    with open(path, "rb") as stream:
        stream.seek(member.header_offset)
        # lengths of the name and of the extra field in front of the data (APPNOTE.TXT 4.3.7 of PKWARE)
        stream.seek(sum(struct.unpack("<26x2H", stream.read(30))), 1)
        packed = stream.read(member.compress_size)
    with pa.input_stream(pa.py_buffer(packed), compression="zstd") as unpacked:
        content: bytes = unpacked.read(member.file_size + 1)
    if len(content) != member.file_size or zlib.crc32(content) != member.CRC:
        raise InputError(f"{path}: {member.filename} is damaged")
    return content


def read_inspect_log(content: dict[str, Any], path: Path, metrics: Sequence[str] = ()) -> tuple[pd.DataFrame, str]:
    """Tabulate a log, a row per item: ``item_id``, ``value``, the target, and text and numbers from the samples' metadata.

    `metrics` name the scorer, or ``SCORER.KEY`` where its values have several; of several the first that the log has. Returns the name,
    too.
    """
    import pandas as pd

    if content["status"] != "success":
        raise InputError(f"{path}: the evaluation ended with status {str(content['status'])!r}; finish it with inspect eval-retry")
    samples = content.get("samples")
    if not isinstance(samples, list) or not samples:
        raise InputError(f"{path}: no samples; inspect_ai leaves them out with --no-log-samples")
    if not all(isinstance(sample, dict) and "id" in sample for sample in samples):
        raise InputError(f"{path}: its samples are not those of a log of inspect_ai")
    found = [_values(sample) for sample in samples]
    name = _metric([values for values in found if values], metrics, path)
    items = [str(sample["id"]) for sample in samples]
    lacking = [item for item, values in zip(items, found, strict=True) if name not in values]
    if lacking:
        raise InputError(f"{path}: {len(lacking)} samples have no {name} ({first_few(lacking)}); score them first, none is dropped")
    table = pd.DataFrame({"item_id": items, "value": [values[name] for values in found]})
    table[TARGET] = [as_text(sample.get("target", "")) for sample in samples]
    table = table.join(document_columns([sample.get("metadata") for sample in samples]))
    epochs = table["item_id"].value_counts()
    if epochs.nunique() > 1:
        fewer = sorted(epochs.index[epochs < epochs.max()])
        raise InputError(f"{path}: {len(fewer)} samples have fewer than {epochs.max()} epochs ({first_few(fewer)}); finish the evaluation")
    # epochs are repeated draws from one model, for this item and arm only: an item counts once, with their mean, which is also
    # inspect_ai's own default. Their noise is part of the variation between items
    means = table.groupby("item_id")["value"].mean()
    table = table.drop_duplicates("item_id").reset_index(drop=True)
    return table.assign(value=table["item_id"].map(means)), name


def _values(sample: dict[str, Any]) -> dict[str, float]:
    """Every score of a sample that is a number; NaN is inspect_ai's mark for samples that were not scored."""
    scores = sample.get("scores")
    named = scores if isinstance(scores, dict) else {"score": sample["score"]} if "score" in sample else {}
    found = {}
    for name, score in named.items():
        value = score.get("value") if isinstance(score, dict) else None
        for key, one in ({f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}).items():
            number = _as_number(one)
            if not math.isnan(number):
                found[key] = number
    return found


def _as_number(value: object) -> float:
    if not isinstance(value, str):
        return as_float(value)
    known = WORDS.get(value, TRUTHS.get(value.lower()))
    try:
        return float(value) if known is None else known
    except ValueError:
        return math.nan


def _metric(found: list[dict[str, float]], metrics: Sequence[str], path: Path) -> str:
    names = list(dict.fromkeys(name for values in found for name in values))
    chosen = next((metric for metric in metrics if metric in names), None)
    if chosen is None and (metrics or len(names) != 1):
        asked = f"no score {metrics[0]!r}" if metrics else "choose the score with --metric"
        raise InputError(f"{path}: {asked}; there {'is' if len(names) == 1 else 'are'} {first_few(names, 6) or 'none'}")
    return chosen or names[0]
