"""What the kill campaign counts, and where it writes it; the campaign itself is `make reliability`."""

from __future__ import annotations

from pathlib import Path

from tests.reliability.campaign import Tally, in_pythons_start, table
from tests.reliability.cases import write_section


def test_a_section_is_written_anew_and_the_others_stay(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Reliability\n\nWords.\n\n## Kills\n\nold\n\n## Files\n\nkept\n")
    for _ in range(2):
        write_section(page, "Kills", "new\n")
    assert page.read_text() == "# Reliability\n\nWords.\n\n## Files\n\nkept\n\n## Kills\n\nnew\n"


def test_the_table_has_a_line_for_each_pipeline_and_their_sum() -> None:
    tallies = {
        "sweep": Tally({"SIGKILL to one": 2, "SIGINT to all": 1}, 1, 2, different=["x"]),
        "finetune": Tally({"SIGKILL to one": 1}, 0, 1, noise=["x"]),
    }
    lines = table(tallies, 0).splitlines()
    assert lines[2:5] == [
        "| sweep | 3 | 1 | 2 | 1 | 0 | 0 | 0 | 0 | 0 |",
        "| finetune | 1 | 0 | 1 | 0 | 0 | 0 | 0 | 0 | 1 |",
        "| **all** | 4 | 1 | 3 | 1 | 0 | 0 | 0 | 0 | 1 |",
    ]
    assert lines[6].startswith("Kills by signal: KILL to one 3, KILL to all 0, TERM to one 0, TERM to all 0, INT to one 0, INT to all 1.")


def test_an_interrupt_before_the_program_is_pythons_own() -> None:
    own = 'Traceback (most recent call last):\n  File "<frozen site>", line 626, in <module>\nKeyboardInterrupt'
    assert in_pythons_start(own) and not in_pythons_start(own.replace("<frozen site>", "see_in_pairs/files.py"))
