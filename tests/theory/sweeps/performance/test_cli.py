"""The commands sweep list, performance and plan, and packaged studies by their names."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from theory.sweeps import Results
from theory.sweeps.cli import app
from theory.sweeps.packaged import find_design, packaged_studies
from theory.sweeps.performance.cli import format_table
from theory.sweeps.performance.table import performance

DOCS = Path(__file__).parents[4] / "docs" / "results" / "sweeps"


def sweep(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = run_app(app, [str(word) for word in words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sequential")
    words = ["sequential", "--out", str(out), "--quiet", "--replicates", "60", "--set", "grid={rho: [0.5, 0.8]}", "--set", "block=20"]
    assert run_app(app, words) == 0
    return out


def test_a_packaged_study_runs_by_its_name(folder: Path) -> None:
    assert Results.open(folder).study.name == "sequential"
    assert Results.open(folder).cells["done"].tolist() == [60, 60]


def test_list_names_all(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = sweep(capsys, "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(packaged_studies())
    code, out, _ = sweep(capsys, "list", "--json", "-")
    assert {row["study"] for row in json.loads(out)} == set(packaged_studies())


def test_a_packaged_name_comes_before_a_file_without_suffix_or_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_design("gain") == packaged_studies()["gain"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gain").write_text("name: mine\n")
    assert find_design("gain") == packaged_studies()["gain"]
    assert find_design("./gain") == Path("gain")
    (tmp_path / "mine").write_text("name: mine\n")
    assert find_design("mine") == Path("mine")
    with pytest.raises(InputError, match=r"gian: neither a packaged config nor a file; did you mean 'gain'\? \(packaged: faulty, gain, "):
        find_design("gian")


def test_performance_prints_saves_and_gives_json(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = performance(Results.open(folder), ["bias", "mean:patients"])
    words = ("performance", folder, "--measure", "bias", "--measure", "mean:patients")
    code, out, err = sweep(capsys, *words, "--out", tmp_path)
    assert code == 0
    assert out.strip() == format_table(expected).strip()
    assert "120 replicates done, 0 failed, in 2 cells" in err
    saved = pd.read_csv(tmp_path / "performance.csv").drop(columns="note")
    pd.testing.assert_frame_equal(saved, expected.drop(columns="note"), rtol=1e-8, check_dtype=False)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["counts"] == {"rows": len(expected), "without a number": 0}
    assert manifest["sweep"]["config_hash"] == json.loads((folder / "manifest.json").read_text())["config_hash"]
    code, out, _ = sweep(capsys, *words, "--json", "-")
    rows = json.loads(out)
    assert [row["value"] for row in rows] == pytest.approx(expected["value"].tolist())


def test_a_missing_number_is_null_in_json_and_a_dash_in_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(sweep(capsys, "performance", folder, "--measure", "relative_bias", "--json", "-")[1])
    assert {row["value"] for row in rows if row["rho"] == 0.5} == {None}
    assert {row["note"] for row in rows if row["rho"] == 0.5} == {"the true value is 0"}
    text = sweep(capsys, "performance", folder, "--measure", "relative_bias")[1]
    assert "the true value is 0" in text
    power = sweep(capsys, "performance", folder, "--measure", "power", "--measure", "type_1_error")[1]
    assert "the null is" not in power


def test_plan_from_assumptions_and_from_a_pilot(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = sweep(capsys, "plan", "--measure", "coverage", "--mcse", 0.005, "--assume", "share=0.95")
    assert (code, out) == (0, "1,900 replicates per cell for an MCSE of coverage of 0.005 (share = 0.95)\n")
    assert json.loads(sweep(capsys, "plan", "--measure", "power", "--mcse", 0.01, "--json", "-")[1])["replicates"] == 2500
    code, out, err = sweep(capsys, "plan", "--measure", "bias", "--mcse", 0.001, "--pilot", folder)
    pilot = performance(Results.open(folder), ["bias"])
    needed = (60 * (pilot["mcse"] / 0.001) ** 2).max()
    assert code == 0
    assert int(err.split()[0].replace(",", "")) == pytest.approx(needed, abs=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("plan", "--measure", "bias", "--mcse", "0.1"), "give either --assume NAME=VALUE ... or --pilot DIR"),
        (("plan", "--measure", "bias", "--mcse", "0.1", "--assume", "sd"), "--assume sd: write NAME=NUMBER"),
        (("plan", "--measure", "bias", "--mcse", "0", "--assume", "sd=1"), "mcse = 0.0: must be above 0"),
        (("plan", "--measure", "bias", "--mcse", "0.1", "--pilot", "nowhere"), "nowhere: holds no sweep"),
        (("performance", "nowhere"), "nowhere: holds no sweep"),
        (("gian", "--out", "x"), "has no command 'gian'; did you mean 'gain'?"),
        (("run", "gian", "--out", "x"), "gian: neither a packaged config nor a file; did you mean 'gain'?"),
    ],
)
def test_bad_input_is_one_line(words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = sweep(capsys, *words)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", sorted(packaged_studies()))
def test_the_tables_of_the_docs_are_complete(name: str) -> None:
    from theory.sweeps import Study

    table, study = pd.read_csv(DOCS / name / "performance.csv"), Study.load(packaged_studies()[name])
    assert set(table["cell"]) == {cell.hash for cell in study.all_cells}
    assert set(table["method"]) == {use.name for use in study.methods}
    assert (table["completed"] == study.replicates).all()
    assert table.loc[table["value"].notna(), "mcse"].notna().all()
    manifest = json.loads((DOCS / name / "manifest.json").read_text())
    assert manifest["seed"] == study.entropy
    assert manifest["hardware"]["machine"]
    assert manifest["libraries"]["numpy"]


def test_a_table_of_the_docs_comes_out_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole chain from the seed on: a cell's numbers do not depend on the rest of the grid."""
    assert sweep(capsys, "heavy_tails", "--out", tmp_path, "--quiet", "--set", "grid={nu: [3]}")[0] == 0
    again = performance(Results.open(tmp_path), ["bias", "coverage", "relative_se_error"])
    kept = pd.read_csv(DOCS / "heavy_tails" / "performance.csv").query("nu == 3")
    pd.testing.assert_frame_equal(
        again[["cell", "method", "measure", "value", "mcse", "completed"]].reset_index(drop=True),
        kept[["cell", "method", "measure", "value", "mcse", "completed"]].reset_index(drop=True),
        rtol=1e-6, check_dtype=False,
    )  # fmt: skip


def test_a_sweep_ends_with_its_performance_and_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my sweep"
    words = ("sequential", "--out", out, "--replicates", "20", "--set", "grid={rho: [0.5]}", "--set", "block=20")
    code, printed, err = sweep(capsys, *words)
    assert code == 0 and "replicates" not in printed
    assert err.splitlines()[-1] == f"next: see-in-pairs sweep performance '{out}'"
    assert "measure" in err and sum("bias" in line for line in err.splitlines()) >= 1
    assert sweep(capsys, *words, "--quiet")[2] == ""
    monkeypatch.setattr("theory.sweeps.cli.MOST_ROWS_SHOWN", 19)  # a run too large to be read for eight lines
    _, _, err = sweep(capsys, *words)
    assert "measure" not in err and err.splitlines()[-1] == f"next: see-in-pairs sweep performance '{out}'"


def test_watching_a_finished_sweep_shows_it_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("--watch",), ("--watch", "0.1")):
        code, out, _ = sweep(capsys, "status", folder, *words)
        assert code == 0 and out == "sequential: 120 of 120 replicates done, 0 failed, not running\n"
    assert sweep(capsys, "status", folder, "--watch", "--json")[0] == 2


def test_watching_tells_each_change_until_the_end_or_an_interrupt(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import theory.sweeps.cli as commands

    class Growing:
        """A sweep of which each look finds 40 replicates more."""

        looks = 0

        def __init__(self, finished: Results) -> None:
            Growing.looks += 1
            done = min(Growing.looks // 2 * 40, 120)
            self.study, self.running = finished.study, done < 120
            self.cells = finished.cells.iloc[:1].assign(done=done, attempted=done, wanted=120, failed=0, stopped=False)

    opened = Results.open
    monkeypatch.setattr(Results, "open", lambda where: Growing(opened(where)))
    monkeypatch.setattr(commands.time, "sleep", lambda _: None)
    code, out, _ = sweep(capsys, "status", folder, "--watch")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()] == ["0", "40", "80", "120"] and out.count(", running") == 3

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    Growing.looks = 0
    monkeypatch.setattr(commands.time, "sleep", interrupt)
    code, out, err = sweep(capsys, "status", folder, "--watch")
    assert code == 130 and "interrupted" in err
