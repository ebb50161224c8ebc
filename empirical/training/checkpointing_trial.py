"""Whether a step fits without gradient checkpointing: tried before the first step, if the config does not decide it.

Checkpointing computes every layer a second time (with adapters half as much work again), and changes no weights. So it is used
only where memory is short. That depends on the device, the pictures and the batch, and is tried rather than estimated.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from empirical.prompts.example import Example
from empirical.training.distributed import world_size
from empirical.training.memory_estimate import FixedMemory
from empirical.vlm.out_of_memory import runs_in_memory
from see_in_pairs.errors import InputError
from see_in_pairs.files import write_text

if TYPE_CHECKING:
    from empirical.training.trainer import AnswerTrainer

SHARE = 0.9
"""Share of a device's memory that a step may take; the rest is for fragmentation, and for other processes."""

SHORT = "short_of_memory"
"""File in a run's folder that says: a step did not fit, although the trial did."""


def trial_decides(asked: bool | None, run: Path, capacity: int | None) -> bool:
    """Whether a trial decides: the config does not, memory has a limit, no other process waits, and no earlier trial was wrong."""
    return asked is None and capacity is not None and world_size() == 1 and not (run / SHORT).exists()


def fits_without_checkpointing(trainer: AnswerTrainer, examples: Sequence[Example], capacity: int, fixed: FixedMemory) -> bool:
    """Try the forward and backward passes of a step without gradient checkpointing; weights and random numbers are left as they are."""
    import torch

    device = trainer.args.device
    torch.cuda.reset_peak_memory_stats(device)
    with torch.random.fork_rng(devices=[device], device_type=device.type):
        if not runs_in_memory(lambda: trainer.try_passes(examples)):
            return False
    moments = fixed.state // 2  # Adam's, which exist only after the first update
    return torch.cuda.max_memory_allocated(device) + moments <= SHARE * capacity


def record_shortage(run: Path) -> InputError:
    """Record that a step did not fit although the trial did, so that the run continues with checkpointing; the error says what to do."""
    write_text(run / SHORT, "A step ran out of memory without gradient checkpointing: this run continues with it.\n")
    return InputError(
        "out of memory without gradient checkpointing, although a trial step fitted; run again with the same --out: it continues from the "
        "last checkpoint, with gradient checkpointing"
    )
