"""The cache of finished parts: what is kept, and what is made again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from see_in_pairs.cache import PartCache


def test_a_table_is_made_once_for_a_key_and_read_back_to_the_last_bit(tmp_path: Path) -> None:
    cache, made = PartCache(tmp_path, quiet=True), []

    def make() -> pd.DataFrame:
        made.append(len(made))
        return pd.DataFrame({"share": [0.1 + 0.2, np.nan, len(made)]})

    first, again, other = (cache.table("part", key, make) for key in ("a", "a", "b"))
    assert made == [0, 1] and first.equals(again) and first["share"][0] == 0.1 + 0.2 and other["share"][2] == 2


def test_each_row_may_have_its_own_key(tmp_path: Path) -> None:
    cache, made = PartCache(tmp_path, quiet=True), []

    def make() -> pd.DataFrame:
        made.append(1)
        return pd.DataFrame({"score": [1.0, 2.0]})

    for keys in (["a", "b"], ["a", "b"], ["b", "a"], ["b"]):
        if len(keys) == 2:
            assert list(cache.table("part", keys, make).columns) == ["score"]
        else:
            with pytest.raises(ValueError, match="length"):  # what is made has as many rows as there are keys
                cache.table("part", keys, make)
    assert len(made) == 3


@pytest.mark.parametrize("harm", ["no key", "no rows", "empty", "cut short"])
def test_a_damaged_table_is_made_again_and_named(tmp_path: Path, harm: str, capsys: pytest.CaptureFixture[str]) -> None:
    cache, whole = PartCache(tmp_path), pd.DataFrame({"score": [1.0]})
    cache.table("part", "a", lambda: whole)
    file = tmp_path / "part.parquet"
    if harm == "no key":
        whole.to_parquet(file)
    elif harm == "no rows":
        pd.read_parquet(file).head(0).to_parquet(file)
    else:
        file.write_bytes(file.read_bytes()[: 0 if harm == "empty" else -20])
    assert cache.table("part", "a", lambda: whole + 1)["score"].tolist() == [2.0]
    assert f"{file}: " in (said := capsys.readouterr().err) and "made again" in said


def test_a_record_is_found_by_its_key_and_left_out_where_it_is_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache, key = PartCache(tmp_path, again="measured again"), {"shape": "7b"}
    assert cache.record("row", key) is None
    cache.keep_record("row", key, {"seconds": [1.5]})
    assert cache.record("row", key) == {"shape": "7b", "seconds": [1.5]}
    assert cache.record("row", {"shape": "3b"}) is None
    (tmp_path / "row.json").write_text('{"shape": "7b", ')
    assert cache.record("row", key) is None
    assert f"{tmp_path / 'row.json'}: damaged, or made from other inputs; measured again" in capsys.readouterr().err
