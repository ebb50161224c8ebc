"""A small study that tests of the engine change to their needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from theory.sweeps import Results, Study
from theory.sweeps.registry import load_pieces

PIECES = Path(__file__).with_name("simple_pieces.py")
KEYS = ["cell", "block", "replicate", "method"]

MakeStudy = Callable[..., Study]


def content(**changes: Any) -> dict[str, Any]:
    usual = {
        "name": "simple", "pieces": [str(PIECES)], "generate": "simple_normal", "methods": ["simple_mean", "simple_trimmed"],
        "estimand": "simple_truth", "fixed": {"n": 8}, "grid": {"mean": [0, 0.5]}, "replicates": 25, "block": 10, "entropy": 7,
    }  # fmt: skip
    return {key: value for key, value in {**usual, **changes}.items() if value is not None}


@pytest.fixture(scope="session")
def make_study() -> MakeStudy:
    load_pieces([str(PIECES)])

    def make(**changes: Any) -> Study:
        return Study(**content(**changes))

    return make


@pytest.fixture
def write_study(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "study.yaml", **changes: Any) -> Path:
        path = tmp_path / name
        path.write_text(yaml.safe_dump(content(**changes)))
        return path

    return write


@pytest.fixture(scope="session")
def rows() -> Callable[[Results], pd.DataFrame]:
    """All results in an order that does not depend on the order of cells."""

    def of(results: Results) -> pd.DataFrame:
        return results.to_frame().sort_values(KEYS).reset_index(drop=True)

    return of


@pytest.fixture(scope="session")
def same() -> Callable[[Results, Results], None]:
    """Two sweeps agree to the last bit."""

    def check(first: Results, second: Results) -> None:
        frames = [results.to_frame().sort_values(KEYS).reset_index(drop=True) for results in (first, second)]
        assert len(frames[0])
        pd.testing.assert_frame_equal(*frames, check_exact=True, check_like=True)

    return check
