"""Provenance: the same data give the same bytes, and every change is noticed and named."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from paper_figures.cli import app
from paper_figures.plotting import style
from paper_figures.plotting.provenance import read_provenance, save_figure
from paper_figures.plotting.staleness import check_figure
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from see_in_pairs.files import sha256, write_json

DATA = pd.DataFrame({"rho": [0.0, 0.5], "gain": [0.0, 0.1]})


def draw(out: Path, data: pd.DataFrame = DATA) -> Path:
    source = out / "records.txt"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text("scores")
    write_json(out / "manifest.json", {"config_hash": "abc"})
    figure = Figure(figsize=(2, 2))
    figure.add_subplot().plot(data["rho"], data["gain"])
    facts = {"title": "Gain – ρ", "caption": "A caption with “quotes” (and √2).", "claim": "C1"}
    return save_figure(figure, data, "gain", out / "figures", **facts, seed=3, config_hash="abc", sources=[source], modules=[style])


def test_bytes_are_the_same(tmp_path: Path) -> None:
    first, second = draw(tmp_path / "a"), draw(tmp_path / "b")
    for suffix in (".png", ".pdf", ".csv"):
        assert sha256(first.with_suffix(suffix)) == sha256(second.with_suffix(suffix)), suffix


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_what_is_written_is_read(tmp_path: Path, suffix: str) -> None:
    found = read_provenance(draw(tmp_path).with_suffix(suffix))
    assert (found.name, found.title, found.claim, found.seed, found.config_hash) == ("gain", "Gain – ρ", "C1", 3, "abc")
    assert found.data_sha256 == sha256(tmp_path / "figures" / "gain.csv")
    assert found.sources == {"../records.txt": sha256(tmp_path / "records.txt")}
    assert found.modules == ["paper_figures.plotting.style"]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "figures" / "gain.csv"), DATA)


def test_fresh_until_something_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = draw(tmp_path)
    assert check_figure(path).fresh
    assert run_app(app, ["verify", str(path)]) == 0
    assert "fresh" in capsys.readouterr().out
    (tmp_path / "records.txt").write_text("other scores")
    (tmp_path / "figures" / "gain.csv").write_text("rho,gain\n0,9\n")
    write_json(tmp_path / "manifest.json", {"config_hash": "xyz"})
    reasons = check_figure(path.with_suffix(".pdf")).reasons
    assert reasons[:2] == ("gain.csv has changed since", "../records.txt has changed since")
    assert "another config" in reasons[2]
    assert run_app(app, ["verify", str(path)]) == 1
    assert "stale" in capsys.readouterr().err


def test_gone_files_make_it_stale(tmp_path: Path) -> None:
    path = draw(tmp_path)
    (tmp_path / "figures" / "gain.csv").unlink()
    assert check_figure(path).reasons == ("gain.csv is gone",)


def test_changed_code_makes_it_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = draw(tmp_path)
    monkeypatch.setattr("paper_figures.plotting.staleness.code_hash", lambda modules: "other")
    assert check_figure(path).reasons == ("the code that draws it has changed since",)


def test_another_commit_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = draw(tmp_path)
    monkeypatch.setattr("paper_figures.plotting.staleness.git_commit", lambda: "f" * 40)
    found = check_figure(path)
    assert found.fresh
    assert "f" * 40 in found.notes[0]


def test_json_of_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = draw(tmp_path)
    assert run_app(app, ["verify", str(path), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["stale"] is False
    assert content["reasons"] == []


def test_not_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stranger, broken, text = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.txt"
    Image.new("L", (4, 4)).save(stranger)
    broken.write_bytes(b"\x89PNG nothing")
    text.write_text("x")
    (tmp_path / "d.pdf").write_bytes(b"%PDF-1.4 see-in-pairs-provenance:AAA= ")
    for path in (stranger, broken, text, tmp_path / "d.pdf", tmp_path / "missing.png"):
        assert run_app(app, ["verify", str(path)]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_saved_again_by_another_program(tmp_path: Path) -> None:
    path = draw(tmp_path)
    Image.open(path).convert("RGB").save(tmp_path / "copy.png")
    with pytest.raises(InputError, match="no provenance"):
        read_provenance(tmp_path / "copy.png")
