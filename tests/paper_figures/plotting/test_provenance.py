"""Provenance: the same data give the same bytes, and every change is noticed and named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from paper_figures.cli import app
from paper_figures.plotting import provenance, style
from paper_figures.plotting.provenance import code_hashes, read_provenance, save_figure
from paper_figures.plotting.staleness import check_figure
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from see_in_pairs.files import sha256, write_json
from tests.reliability.hostile_files import huge_picture

DATA = pd.DataFrame({"rho": [0.0, 0.5], "gain": [0.0, 0.1]})


def draw(out: Path, data: pd.DataFrame = DATA, modules: Sequence[ModuleType] = (style,)) -> Path:
    source = out / "records.txt"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text("scores")
    write_json(out / "manifest.json", {"config_hash": "abc"})
    figure = Figure(figsize=(2, 2))
    figure.add_subplot().plot(data["rho"], data["gain"])
    facts = {"title": "Gain – ρ", "caption": "A caption with “quotes” (and √2).", "claim": "C1"}
    return save_figure(figure, data, "gain", out / "figures", **facts, seed=3, config_hash="abc", sources=[source], modules=modules)


def test_bytes_are_the_same(tmp_path: Path) -> None:
    first, second = draw(tmp_path / "a"), draw(tmp_path / "b")
    for suffix in (".png", ".pdf", ".csv"):
        assert sha256(first.with_suffix(suffix)) == sha256(second.with_suffix(suffix)), suffix


@pytest.mark.parametrize("content", ["null", "[]", '"config_hash"'])
def test_a_manifest_beside_a_figure_that_is_no_object_is_one_line(tmp_path: Path, content: str) -> None:
    path = draw(tmp_path)
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match="no JSON object"):
        check_figure(path)


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_what_is_written_is_read(tmp_path: Path, suffix: str) -> None:
    found = read_provenance(draw(tmp_path).with_suffix(suffix))
    assert (found.name, found.title, found.claim, found.seed, found.config_hash) == ("gain", "Gain – ρ", "C1", 3, "abc")
    assert found.data_sha256 == sha256(tmp_path / "figures" / "gain.csv")
    assert found.sources == {"../records.txt": sha256(tmp_path / "records.txt")}
    assert list(found.modules) == ["paper_figures.plotting.style"]
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


def test_changed_code_makes_it_stale_and_a_change_of_the_shared_style_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw(tmp_path, modules=[style, provenance])
    own, shared = "paper_figures.plotting.provenance", "paper_figures.plotting.style"
    before = code_hashes([provenance, style])
    assert check_figure(path).provenance.modules == before
    for changed, reason in (
        ({shared: "x"}, "the style that all figures share has changed since; the numbers have not"),
        ({own: "x"}, f"the code that draws it has changed since ({own})"),
    ):
        monkeypatch.setattr("paper_figures.plotting.staleness.code_hashes", lambda modules, now=before | changed: now)
        assert check_figure(path).reasons == (reason,)


def test_comments_and_docstrings_are_not_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = draw(tmp_path)
    source = Path(style.__file__).read_text()
    monkeypatch.setattr("inspect.getsource", lambda target: f'"""Another docstring."""  # and a comment\n{source}')
    assert check_figure(path).fresh
    monkeypatch.setattr("inspect.getsource", lambda target: f"{source}\nLARGE = 99\n")
    assert not check_figure(path).fresh


def test_another_version_of_python_cannot_compare_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = draw(tmp_path)
    monkeypatch.setattr("platform.python_version", lambda: "3.99.1")
    assert check_figure(path).notes == ()  # the hashes agree, so nothing needs saying
    monkeypatch.setattr("paper_figures.plotting.staleness.code_hashes", lambda modules: {})
    found = check_figure(path)
    assert found.fresh
    assert "cannot be told under 3.99.1" in found.notes[0]


def test_figures_of_before_each_module_had_a_hash_are_read_and_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = {"code_sha256": "fab6", "modules": ["paper_figures.plotting.style"]}
    to_json_now = provenance.to_json
    monkeypatch.setattr(provenance, "to_json", lambda content, indent: to_json_now(asdict(content) | old, indent))
    path = draw(tmp_path)
    assert check_figure(path).reasons == ("the style that all figures share has changed since; the numbers have not",)


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


def test_a_png_that_claims_billions_of_pixels_is_one_line(tmp_path: Path) -> None:
    huge_picture(tmp_path / "a.png", b"")
    with pytest.raises(InputError, match="cannot be read as a PNG"):
        read_provenance(tmp_path / "a.png")


@pytest.mark.parametrize("text", ["[" * 20_000, "[]", '{"modules": 3}', '{"modules": {}, "sources": [1]}', '{"seed": ' + "9" * 5000 + "}"])
def test_provenance_that_nobody_here_wrote_is_one_line(tmp_path: Path, text: str) -> None:
    noted = PngInfo()
    noted.add_text(provenance.KEY, text)
    Image.new("L", (4, 4)).save(tmp_path / "a.png", pnginfo=noted)
    with pytest.raises(InputError, match="carries no provenance"):
        check_figure(tmp_path / "a.png")
