"""The result as a page to read and keep: the machine, targets beside what was measured, all rows, and the limits of the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from empirical.benchmark.targets import verdicts
from empirical.benchmark.timing import MEASURED

if TYPE_CHECKING:
    import pandas as pd

COMMAND = """\
```sh
see-in-pairs benchmark gpu --out DIR    # or in parts, into the same folder: --shape 7b --part finetuning
```

Every number is in `benchmark.csv`, the single rounds and steps are in `pieces`, and how it was run is in `manifest.json`.
"""

NOTES = """\
## What the numbers are

- Weights are random, pictures are noise: speed does not depend on what a model knows.
- **Best case: all pictures are of one size and all prompts of nearly one length**, so batches hold next to no padding. Pictures of mixed
  sizes cost padding, and a mask with it (`see-in-pairs benchmark padding` counts it for a run).
- One process on one device. Range: the fastest and slowest round or step; of a ratio, the worst and best pair of them. Verdicts go by
  medians. Rows are timed one after the other, not in turns; after a kill some may be of another hour (column `measured`).
- The plain loop (one item at a time, processor and `generate`) is timed on fewer queries than the other paths (column queries): what an
  item costs it does not depend on how many there are. Ratios are per item.
- The plain loop and TRL run with the vision tower that this package makes faster (Qwen: windows of one length at once), which is to their
  advantage; *own vision* says what they take with transformers' own.
- A finetuning step is one of `finetune`: its Trainer, arguments, adapters and dropout; all between the ends of two steps, data included.
  TRL's gets the same rows, answers, loss, attention backend and checkpointing, and peft's own adapters of the same rank, dropout and first
  weights (where rows and loss are the same, so is the first loss, up to rounding). Both models are kept in the same number format; on a
  GPU TRL's computes under bfloat16 autocast, as its users run it, ours without, its adapters in the model's format.
- TRL has no store of image features: like for like is *images every step*. That features were computed once is not in the steps of
  *stored features*. On a GPU `finetune` checkpoints models of more than a billion weights where a trial step does not fit without.
- Utilisation is model FLOP by the count of `empirical.benchmark.flops` over the device's dense bfloat16 peak. Not counted is what is
  computed twice (checkpointing), and the vision tower where its features are stored.
- Data wait: the share of the time in which the Trainer waits for the data loader's next batch.
- Error: the largest difference of an answer's log-probability from the plain path in float32, in nats; bound: twice the plain path's.
  *adapters*: the same with random adapters on the language layers; bound: twice the error with peft's own, which compute in float32 when
  they score. *gradients*: of a step, the root mean square of the difference from float32 in a sample of each adapter's gradient, as a
  share of the sample's own; bound: twice that of peft's adapters under bfloat16 autocast.
"""


def page(table: pd.DataFrame, facts: dict[str, Any], settings: dict[str, Any]) -> str:
    """Write the page."""
    device = facts["device"]
    lines = [f"# Speed of the harness on {device}", "", COMMAND, *_list(facts | {"code (git commits)": _commits(table)}), ""]
    shown = ("queries", "references", "rounds", "eval_batch", "train_batch", "steps", "dtype", "attention", "seed")
    lines += ["Settings: " + ", ".join(f"{name} {settings[name]}" for name in shown if settings[name] is not None) + ".", ""]
    lines += ["## Targets", "", *_rows(["target", "asked", "measured (range)", "verdict"], [_verdict(v) for v in verdicts(table, device)])]
    for shape in dict.fromkeys(table["shape"]):
        lines += ["", f"## Shape {shape}", *_shape(table[table["shape"] == shape])]
    return "\n".join([*lines, "", NOTES])


def _verdict(verdict: Any) -> list[str]:
    return [verdict.target, verdict.asked, verdict.measured, f"**{verdict.verdict}**"]


def _commits(table: pd.DataFrame) -> str:
    return ", ".join(dict.fromkeys(table["git_commit"].dropna())) or "not known"


def _shape(table: pd.DataFrame) -> list[str]:
    heads = {
        "evaluation": ["path", "queries", "seconds a round", "per second", "times the plain loop", "GiB", "from plain batches"],
        "equality": ["path", "number format", "error", "bound", "within"],
        "finetuning": ["path", "seconds a step", "rows per second", "times TRL", "utilisation", "data wait", "GiB", "first loss"],
    }
    cells = {"evaluation": _evaluation, "equality": _equality, "finetuning": _finetuning}
    lines = []
    for part, head in heads.items():
        rows: list[Any] = table[table["part"] == part].to_dict("records")
        if rows:
            blank = [""] * (len(head) - 2)
            body = [[row["path"], *(cells[part](row) if row["status"] == MEASURED else [row["status"], *blank])] for row in rows]
            lines += ["", *_rows(head, body)]
    return lines


def _evaluation(row: dict[str, Any]) -> list[str]:
    return [
        f"{row['items']:.0f}",
        _seconds(row),
        f"{row['per_second']:.2f}",
        _times(row, "loop"),
        _one(row["peak_gib"], ".1f"),
        *_apart(row),
    ]


def _apart(row: dict[str, Any]) -> list[str]:
    return [_one(row["largest_difference"], ".1e")]


def _equality(row: dict[str, Any]) -> list[str]:
    within = "-" if _lacks(row["within"]) else ("yes" if row["within"] else "**NO**")
    return [row["dtype"], _one(row["error"], ".2e"), _one(row["bound"], ".2e"), within]


def _finetuning(row: dict[str, Any]) -> list[str]:
    used = [_one(row[f"utilisation{end}"], ".1%") for end in ("", "_low", "_high")]
    utilisation = "-" if used[0] == "-" else f"{used[0]} ({used[1]} to {used[2]})"
    rest = [_one(row["data_wait"], ".1%"), _one(row["peak_gib"], ".1f"), _one(row["first_loss"], ".4f")]
    return [_seconds(row), f"{row['per_second']:.2f}", _times(row, "trl"), utilisation, *rest]


def _seconds(row: dict[str, Any]) -> str:
    return f"{row['seconds']:.3g} ({row['seconds_low']:.3g} to {row['seconds_high']:.3g}, n = {row['rounds']:.0f})"


def _times(row: dict[str, Any], name: str) -> str:
    value, low, high = (row[f"times_{name}{end}"] for end in ("", "_low", "_high"))
    return "-" if _lacks(value) else f"{value:.2f} ({low:.2f} to {high:.2f})"


def _one(value: float | None, form: str) -> str:
    return "-" if _lacks(value) else f"{value:{form}}"


def _lacks(value: Any) -> bool:
    return value is None or value != value


def _list(facts: dict[str, Any]) -> list[str]:
    return [f"- {name}: {value}" for name, value in facts.items()]


def _rows(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in (head, ["---"] * len(head), *rows)]
