"""Hashes of code: words about it do not count."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from see_in_pairs.source_code import source_hash


def test_comments_and_docstrings_are_not_code() -> None:
    def plain(data: float) -> float:
        return data + 1

    first = source_hash(plain)

    def plain(data: float) -> float:  # type: ignore[no-redef]
        """Add one."""
        # as before
        return data + 1

    second = source_hash(plain)

    def plain(data: float) -> float:  # type: ignore[no-redef]
        return data + 2

    assert first == second != source_hash(plain)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("class A:\n    x: int = 1\n\n    def f(self) -> int:\n        return self.x\n", True),
        ('"""Text."""\nclass A:\n    """Text."""\n    x: int = 1\n    """Text."""\n    def f(self) -> int: return self.x  # why\n', True),
        ("class A:\n    x: int = 2\n\n    def f(self) -> int:\n        return self.x\n", False),
    ],
)
def test_of_a_module_no_words_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, same: bool) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "plain_module.py").write_text("class A:\n    x: int = 1\n    def f(self) -> int: return self.x\n")
    (tmp_path / "other_module.py").write_text(text)
    plain, other = (importlib.import_module(name) for name in ("plain_module", "other_module"))
    for name in ("plain_module", "other_module"):
        del sys.modules[name]
    assert (source_hash(plain) == source_hash(other)) is same


def test_the_hash_of_a_function_is_the_one_that_kept_sweeps_hold() -> None:
    def piece(*, rng: int, n: int) -> int:
        """Draw."""

        class Inner:
            """Kept: folders of sweeps hold such hashes."""

        return rng + n  # why

    assert source_hash(piece) == "4356dde06d37912e"


def test_what_has_no_source_has_no_hash() -> None:
    assert source_hash(len) is None
