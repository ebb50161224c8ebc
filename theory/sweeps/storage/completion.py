"""Which blocks a study still needs, and which of the finished ones count: the unbroken run of blocks from the first on.

The blocks that count do not depend on the order of finishing. A cell stopped by failures, or by its precision, ends at a block that is
decided by the blocks before it; later blocks that another worker had already begun are not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from theory.sweeps.storage.parquet import BlockLocation
from theory.sweeps.study import Study


@dataclass(frozen=True)
class UnbrokenBlocks:
    """The part of a cell that counts."""

    blocks: int = 0  # number of blocks, from the first on
    attempted: int = 0  # replicates run in them
    failed: int = 0  # those in which something failed
    stopped: bool = False  # whether failures stopped the cell
    warned: int = 0  # warnings raised in them


def block_sizes(replicates: int, block: int) -> Iterator[tuple[int, int]]:
    """Cut replicates into blocks: number and replicates of each, of which the last may be short.

    Examples
    --------
    >>> list(block_sizes(250, 100))
    [(0, 100), (1, 100), (2, 50)]
    """
    for number in range(-(-replicates // block)):
        yield number, min(block, replicates - number * block)


def unbroken_blocks(study: Study, locations: Mapping[int, BlockLocation], replicates: int) -> UnbrokenBlocks:
    """The part of a cell that counts: the unbroken sequence of blocks, up to the one that stopped the cell."""
    blocks = attempted = failed = warned = 0
    for number, size in block_sizes(replicates, study.block):
        if number not in locations:
            break
        entry = locations[number].entry
        blocks, attempted, failed, warned = blocks + 1, attempted + entry.attempted, failed + entry.failed, warned + entry.warned
        if failed > study.max_failures:
            return UnbrokenBlocks(blocks, attempted, failed, stopped=True, warned=warned)
        if entry.attempted < size:  # the short last block of a smaller design: later blocks do not count yet
            break
    return UnbrokenBlocks(blocks, attempted, failed, warned=warned)


def missing_blocks(study: Study, locations: Mapping[int, BlockLocation], replicates: int) -> list[tuple[int, int]]:
    """Number and size of each missing block of a cell; none if failures stopped the cell."""
    if unbroken_blocks(study, locations, replicates).stopped:
        return []
    wanted = block_sizes(replicates, study.block)
    return [(number, size) for number, size in wanted if number not in locations or locations[number].entry.attempted < size]
