"""The ``cohort`` commands, through the program's own entry: exit codes, one-line errors, what is written where."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from empirical.cohorts import Cohort
from empirical.cohorts.phantom import PhantomConfig
from empirical.commands.cohort import DEFAULT_PHANTOM, app
from see_in_pairs.configs import load_config
from see_in_pairs.console import run_app

TINY = ["--set", "n_train=8", "--set", "n_val=0", "--set", "n_test=6", "--set", "size=32", "--set", "lesion.width=2", "--quiet"]


def run(*arguments: object) -> int:
    return run_app(app, [str(argument) for argument in arguments])


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0, error
    return error


def image_folder(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for label in ("well", "ill"):
        (root / label).mkdir(parents=True)
        for number in range(8):
            Image.fromarray(rng.integers(0, 255, (9, 7), dtype=np.uint8)).save(root / label / f"p{label}{number}.png")
    return root


def test_the_default_file_says_what_the_defaults_are() -> None:
    assert load_config(PhantomConfig, DEFAULT_PHANTOM) == PhantomConfig()


def test_phantom_makes_what_the_config_says_and_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "phantom"
    assert run("phantom", "--out", out, "--seed", 3, *TINY) == 0
    first = (out / "cohort.parquet").read_bytes()
    assert len(Cohort.load(out).table) == 28
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["seed"], manifest["config"]["n_train"], manifest["counts"]["items"]) == (3, 8, 28)
    assert run("phantom", "--out", out, "--seed", 3, *TINY) == 0
    assert (out / "cohort.parquet").read_bytes() == first
    capsys.readouterr()
    assert run("phantom", "--out", out, "--seed", 4, *TINY) == 2
    assert "seed: 3 there, 4 now" in one_line(capsys)


@pytest.mark.parametrize(
    ("change", "words"), [("colour=1", "unknown key 'colour'"), ("rho=2", "rho"), ("lesion.width=40", "too wide"), ("rho", "key=value")]
)
def test_bad_phantom_settings_exit_with_2_and_leave_nothing(
    change: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("phantom", "--out", tmp_path / "out", "--quiet", "--set", change) == 2
    assert words in one_line(capsys)
    assert not (tmp_path / "out").exists()


def test_a_folder_is_imported_audited_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, options = tmp_path / "cohort", ["--kind", "folder", "--healthy", "well", "--patient-pattern", r"p\w+\d"]
    assert run("import", "--root", image_folder(tmp_path / "set"), "--out", out, "--quiet", *options) == 0
    capsys.readouterr()
    assert run("audit", out, "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run("show", out, "--quiet") == 0
    printed = capsys.readouterr().out
    assert "Items and patients" in printed
    assert (out / "overview" / "contact_sheet.png").stat().st_size > 0
    page = (out / "overview" / "index.html").read_text()
    assert page.count("data:image/jpeg;base64") == 16
    assert page.count("data:image/png;base64") == 1  # the splits; nothing else is known
    assert (out / "overview" / "summary.png").stat().st_size > 0
    assert "http" not in page  # opens without a network


def test_audit_exits_with_1_when_something_stops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "phantom"
    assert run("phantom", "--out", out, *TINY) == 0
    (out / "images" / "test-00000.png").unlink()
    capsys.readouterr()
    assert run("audit", out) == 1
    captured = capsys.readouterr()
    assert "ERROR  missing_files" in captured.out
    assert captured.err.count("\n") == 1
    assert run("audit", out, "--allow", "missing_files") == 0


def test_allowing_what_is_no_finding_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "phantom"
    assert run("phantom", "--out", out, *TINY) == 0
    capsys.readouterr()
    assert run("audit", out, "--allow", "missing_file") == 2
    assert "allow 'missing_file': no finding of that name stops a run" in one_line(capsys)


def test_a_picture_that_cannot_be_read_is_shown_gray_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "phantom"
    assert run("phantom", "--out", out, *TINY) == 0
    for path in (out / "images").glob("train-*.png"):
        path.unlink()
    assert run("show", out, "--quiet") == 0
    assert "no such image" in capsys.readouterr().err
    assert "(unreadable)" in (out / "overview" / "index.html").read_text()
    assert json.loads((out / "overview" / "manifest.json").read_text())["counts"]["unreadable_pictures"] > 0


def test_a_failed_import_does_not_block_the_corrected_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = image_folder(tmp_path / "set"), tmp_path / "cohort"
    assert run("import", "--kind", "folder", "--root", root, "--out", out, "--healthy", "fine", "--quiet") == 2
    assert not out.exists()
    assert run("import", "--kind", "folder", "--root", root, "--out", out, "--healthy", "well", "--quiet") == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kind", "folder", "--root", "nowhere", "--healthy", "well"], "no such folder"),
        (["--kind", "folder", "--root", "set"], "needs --healthy"),
        (["--kind", "folder", "--root", "set", "--healthy", "well", "--only-present"], "only-present"),
        (["--kind", "nih", "--root", "set", "--healthy", "well"], "--healthy"),
        (["--kind", "nih", "--root", "set", "--positive", "a", "--positive", "b"], "takes one --positive"),
        (["--kind", "nih", "--root", "set"], "no Data_Entry_2017_v2020.csv"),
        (["--kind", "xray", "--root", "set"], "xray"),
        (["--kind", "nih", "--root", "set", "--fractions", "1,1,1"], "add up to 1"),
        (["--kind", "ham10000", "--root", "set", "--priors"], "--priors: is not for --kind ham10000 (it is for nih)"),
        (["--kind", "nih", "--root", "set", "--column", "image=x"], "--column: is not for --kind nih (it is for table, dicom, vqa)"),
        (
            ["--kind", "table", "--root", "set", "--table", "t.csv", "--healthy", "0", "--column", "image"],
            "--column image: write NAME=VALUE",
        ),
        (["--kind", "table", "--root", "set", "--healthy", "0"], "needs --table"),
        (["--kind", "medmnist", "--root", "set", "--healthy", "0"], "no .npz file in it"),
        (["--kind", "chexpert", "--root", "set"], "no train.csv and no valid.csv"),
        (["--kind", "dicom", "--root", "set", "--healthy", "well"], "no image found"),
        (["--kind", "folder", "--root", "set", "--healthy", "well", "--where", "age"], "--where age: write column=value"),
    ],
)
def test_bad_imports_exit_with_2_and_one_line(
    options: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image_folder(tmp_path / "set")
    monkeypatch.chdir(tmp_path)
    assert run("import", *options, "--out", "out", "--quiet") == 2
    assert words in one_line(capsys)


def test_an_audit_is_written_with_its_items_and_what_was_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, report = tmp_path / "phantom", tmp_path / "audit"
    assert run("phantom", "--out", out, *TINY) == 0
    (out / "images" / "test-00000.png").unlink()
    assert run("audit", out, "--out", report, "--allow", "missing_files", "--quiet") == 0
    manifest = json.loads((report / "manifest.json").read_text())
    assert manifest["allowed"] == ["missing_files"]
    assert [finding["name"] for finding in manifest["audit"]] == ["missing_files"]
    assert (report / "items.csv").read_text().splitlines() == ["finding,severity,item_id", "missing_files,error,test-00000"]
    text = (report / "audit.txt").read_text()
    assert text.startswith("ERROR  missing_files (allowed): 1 of")
    assert "How well each column alone tells the classes apart" in text
    assert "auroc,low,high" in (report / "metadata.csv").read_text()


def test_references_that_were_asked_for_by_name_and_cannot_be_chosen_are_no_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, config = tmp_path / "phantom", tmp_path / "mine.yaml"
    assert run("phantom", "--out", out, *TINY) == 0
    config.write_text("strategy: demographic\ncolumns: [height]\ncaliper: {}\n")
    capsys.readouterr()
    assert run("audit", out, "--references", config) == 2
    assert "--references mine: cannot be chosen" in one_line(capsys)


def test_embeddings_of_ones_own_are_taken_and_not_beside_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "phantom"
    assert run("phantom", "--out", out, *TINY) == 0
    items = Cohort.load(out).table["item_id"].to_numpy(str)
    vectors = np.random.default_rng(0).normal(size=(len(items), 8))
    vectors[np.flatnonzero(items == "train-00000")] = vectors[np.flatnonzero(items == "test-00000")] + 1e-3
    np.savez(tmp_path / "e.npz", item_id=items, vectors=vectors)
    capsys.readouterr()
    assert run("audit", out, "--embeddings", tmp_path / "e.npz") == 1
    assert "ERROR  near_duplicate_across_splits_by_embedding: 1 group" in capsys.readouterr().out
    assert run("audit", out, "--embeddings", tmp_path / "e.npz", "--model", "pocket") == 2
    assert "only one of them" in one_line(capsys)


def test_a_table_is_imported_with_its_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = image_folder(tmp_path / "set"), tmp_path / "cohort"
    lines = [f"{path.relative_to(root).as_posix()};{path.parent.name};{number}" for number, path in enumerate(sorted(root.rglob("*.png")))]
    (root / "t.csv").write_text("\ufefffile;dx;age\n" + "\n".join(lines), encoding="utf-8")
    words = [
        "--table",
        "t.csv",
        "--delimiter",
        ";",
        "--column",
        "image=file",
        "--column",
        "label=dx",
        "--healthy",
        "well",
        "--where",
        "age>=2",
    ]
    assert run("import", "--kind", "table", "--root", root, "--out", out, *words) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["counts"] == Cohort.load(out).info.counts
    assert manifest["counts"]["left_out_by_where_age>=2"] == 2
    assert manifest["config"]["columns"] == {"image": "file", "label": "dx"}
    assert "left out by where age>=2: 2" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["audit", "show"])
def test_a_folder_that_is_no_cohort_exits_with_2(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, tmp_path) == 2
    assert "is not a cohort" in one_line(capsys)


def test_the_overview_of_a_phantom_outlines_lesions_beside_relatives(phantom: Cohort, tmp_path: Path) -> None:
    from empirical.cohorts.overview.contact_sheet import CLASS_COLOURS, contact_sheet
    from empirical.cohorts.overview.summary import summary_tables

    sheet = np.asarray(contact_sheet(phantom))
    assert (sheet == CLASS_COLOURS["diseased"]).all(-1).any()
    assert (sheet == CLASS_COLOURS["healthy"]).all(-1).any()
    counts = summary_tables(phantom)["Items and patients"]
    assert counts["items"].sum() == len(phantom.table)
    assert list(dict.fromkeys(counts["split"])) == ["train", "val", "test", "reference"]
