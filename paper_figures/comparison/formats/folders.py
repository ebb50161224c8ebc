"""Folders that evaluation harnesses write, with a log for each task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paper_figures.comparison.formats.harness_logs import task_of
from paper_figures.comparison.formats.inspect_logs import eval_task
from see_in_pairs.errors import InputError, first_few
from see_in_pairs.files import files_in

LOGS = ("*samples_*.jsonl", "*samples_*.jsonl.gz", "*.eval")


def logs_in(folder: Path, tasks: Sequence[str] = ()) -> dict[str, Path]:
    """Logs of samples below a folder by their task: those of lm-evaluation-harness and lmms-eval, and inspect_ai's; all, or those named."""
    found: dict[str, Path] = {}
    for log in sorted(log for pattern in LOGS for log in files_in(folder, pattern, deep=True)):
        task = eval_task(log) if log.suffix == ".eval" else task_of(log)
        if tasks and task not in tasks:
            continue
        if task in found:
            both = first_few([str(one.relative_to(folder)) for one in (found[task], log)])
            raise InputError(f"{folder}: has several logs of samples of the task {task} ({both}); name the folder of one run, or one log")
        found[task] = log
    unknown = [task for task in tasks if task not in found]
    if unknown:
        raise InputError(f"{folder}: no log of samples of the task {unknown[0]!r}")
    return found
