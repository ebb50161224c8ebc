from __future__ import annotations

import pytest

from see_in_pairs.errors import CheckFailed, InputError, first_few


@pytest.mark.parametrize(
    ("names", "limit", "expected"),
    [
        ([], 3, ""),
        (["a"], 3, "a"),
        (["a", "b", "c"], 3, "a, b, c"),
        (["a", "b", "c", "d"], 3, "a, b, c and 1 more"),
        (range(10), 2, "0, 1 and 8 more"),
    ],
)
def test_first_few_names_at_most_the_limit_and_counts_the_rest(names: list[str], limit: int, expected: str) -> None:
    assert first_few(names, limit) == expected


def test_the_two_errors_are_told_apart() -> None:
    assert not issubclass(InputError, CheckFailed)
    assert not issubclass(CheckFailed, InputError)
