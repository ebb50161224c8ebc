"""No page shows a command that does not exist; every block that `make check-docs` does not run says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from see_in_pairs.errors import InputError
from tests.docs.console_blocks import REASONS, ROOT, Block, check, expanded, pages, read_blocks


def test_every_command_of_every_page_exists_with_its_options_and_names() -> None:
    blocks = [block for page in pages() for block in read_blocks(page)]
    assert len(blocks) > 60
    faults, checked = [], 0
    for block, calls in zip(blocks, expanded(blocks), strict=True):
        for words in calls:
            checked += 1
            try:
                check(words, names=block.reason != "needs the steps of this page")
            except InputError as error:
                faults.append(f"{block.place}: see-in-pairs {' '.join(words)}: {error}")
    assert not faults, "\n".join(faults)
    assert checked > 100


def test_a_block_that_is_not_run_says_one_of_the_known_reasons() -> None:
    reasons = {block.place: block.reason for page in pages() for block in read_blocks(page) if block.reason is not None}
    assert not {place: reason for place, reason in reasons.items() if reason not in REASONS}


@pytest.mark.parametrize(
    "words",
    [
        "comapre a.csv b.csv",
        "compare a.csv b.csv --clusters patient_id",
        "plan --d much",
        "finetune pair-lore --out runs/pair",
        "finetune pair-test --out runs/pair",
        "finetune pair-lora --out runs/pair --set step=3",
        "evaluate pair-test --out runs/pair --set 'arms=[{arm: triple}]'",
        "cohort references cohort --out look --set strategy=nearest",
        "sweep gian --out out/gain",
        "theory value T99 error d=1",
        "theory value T1 eror d=1",
        "theory verify T1 T99",
    ],
)
def test_a_command_that_does_not_exist_is_found(words: str, tmp_path: Path) -> None:
    page = ROOT / "docs" / "page.md"
    [[found]] = expanded([Block(page, 1, (f"see-in-pairs {words}",))])
    with pytest.raises(InputError):
        check(found)


def test_blocks_are_read_as_a_shell_reads_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Text.\n\n```console\n$ see-in-pairs plan --d 1 \\\n    --rho 0.6\nAUROC 0.8\n$ ls\n```\n\n<!-- not run: takes long -->\n```sh\n"
        "ARM=${1:-pair}\nfor seed in 0 1; do see-in-pairs finetune $ARM-lora --seed $seed; done  # two\n"
        "accelerate launch --num_processes 4 -m see_in_pairs doctor\npip install rm\n```\n\n"
        "<!-- ends with 2 -->\n```console\n$ false\n```\n\n"
        "```{code-cell} ipython3\n!see-in-pairs doctor \\\n  --model pocket\nx = 1\n```\n\n```text\n$ see-in-pairs no\n```\n"
    )
    first, second, third, fourth = blocks = read_blocks(page)
    assert expanded(blocks) == [
        [["plan", "--d", "1", "--rho", "0.6"]],
        [["finetune", "pair-lora", "--seed", "0"], ["finetune", "pair-lora", "--seed", "1"], ["doctor"]],
        [],
        [["doctor", "--model", "pocket"]],
    ]
    assert (first.line, len(first.commands), first.reason, first.code) == (3, 2, None, 0)
    assert (second.reason, third.reason, third.code, fourth.in_notebook) == ("takes long", None, 2, True)


def test_a_check_changes_nothing_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    check(["--install-completion"])
    assert not list(tmp_path.iterdir())
