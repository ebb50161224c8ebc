"""The commands of the theory: results alone on standard output, one line per mistake, exit codes, and a fast start."""

from __future__ import annotations

import dataclasses
import json
import shlex
import subprocess
import sys

import pytest

from see_in_pairs.console import run_app
from see_in_pairs.files import read_table
from theory import verification
from theory.cli import app, parse_settings
from theory.statement_text import describe, format_description
from theory.statements import all_statements, statement


def test_list_names_every_statement(capsys):
    assert run_app(app, ["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(all_statements())


def test_list_as_json(capsys):
    assert run_app(app, ["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed[0]["quantities"]["error"] == ["d", "rho", "rule", "pi"]


def test_value_prints_a_number(capsys):
    assert run_app(app, ["value", "T1", "error", "d=1", "rho=.7", "rule=optimal"]) == 0
    assert float(capsys.readouterr().out) == pytest.approx(0.2419199256967841)


def test_value_as_json(capsys):
    arguments = ["value", "t1b", "error", "Sigma=[[1,.3],[.3,1]]".replace("[1,.3]", "[1,0.3]").replace("[.3,1]", "[0.3,1]")]
    arguments += ["C=[[0.5,0],[0,0.5]]", "Sr=[[1,0.3],[0.3,1]]", "delta=[1,0]", "rule=joint", "--json"]
    assert run_app(app, arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result) == {"statement", "quantity", "params", "value"}
    assert result["statement"] == "T1b"
    assert result["params"]["delta"] == [1, 0]


def test_a_rule_may_be_a_number(capsys):
    assert run_app(app, ["value", "T1", "auc", "d=1", "rho=-0.4", "rule=-0.4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["value"] == pytest.approx(
        statement("T1").quantity("auc").value(d=1, rho=-0.4, rule="optimal")
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["value", "T77", "error"], "T1, T1b, T2"),
        (["value", "T1", "errors"], "it has error, auc"),
        (["value", "T1", "error", "d=1", "rho=0", "rule=single", "kappa=2"], "no parameter 'kappa'"),
        (["value", "T1", "error", "d=1"], "needs rho=..., rule=..."),
        (["value", "T1", "error", "d=1", "rho=1.2", "rule=single"], "between -1 and 1"),
        (["value", "T1", "error", "d=one", "rho=0", "rule=single"], "d = 'one'"),
        (["value", "T1", "error", "d=true", "rho=0", "rule=single"], "must be a number"),
        (["value", "T1", "error", "d=NaN", "rho=0", "rule=single"], "finite"),
        (["value", "T1", "error", "d", "rho=0", "rule=single"], "NAME=VALUE"),
        (["value", "T1", "error", "d=1", "d=2", "rho=0", "rule=single"], "given twice"),
        (["value", "T1", "error", "d=1", "rho=0", "rule=best"], "one of single, difference, optimal, or a number"),
        (["value", "T2", "auc", "d=1", "rho=0.4", "rho_rr=0.4", "m=0", "rule=optimal"], "m = 0"),
        (["value", "T2", "auc", "d=1", "rho=0.9", "rho_rr=0", "m=4", "rule=optimal"], "impossible together"),
        (
            ["value", "T1b", "error", "Sigma=[[1,2],[2,1]]", "C=[[0,0],[0,0]]", "Sr=[[1,0],[0,1]]", "delta=[1,0]", "rule=joint"],
            "positive definite",
        ),
        (["value", "T1b", "error", "Sigma=[[1,0]]", "C=[[0]]", "Sr=[[1]]", "delta=[1]", "rule=joint"], "square matrix"),
        (["verify", "T77"], "no statement 'T77'"),
        (["verify", "--replicates", "0"], "replicates"),
        (["verify", "--workers", "0"], "--workers"),
        (["nothing"], "nothing"),
    ],
)
def test_mistakes_give_one_line_and_exit_code_2(words, says, capsys):
    assert run_app(app, words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert says in printed.err
    assert len(printed.err.splitlines()) == 1


def test_verify_prints_rows_as_json_and_leaves_a_folder(capsys, tmp_path):
    out = tmp_path / "out"
    assert run_app(app, ["verify", "T1", "--replicates", "400", "--json", "--workers", "1", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    rows = json.loads(printed.out)
    assert set(rows[0]) == set(verification.COLUMNS)
    assert rows[0]["params"]["rule"] == "single"
    assert len(read_table(out / "verify.parquet")) == len(rows) == json.loads((out / "manifest.json").read_text())["counts"]["rows"]
    assert "rows agree" in printed.err


def test_verify_writes_json_to_a_file(capsys, tmp_path):
    target = tmp_path / "rows.json"
    assert run_app(app, ["verify", "T1", "--replicates", "10", "--json", str(target), "--workers", "1", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert len(json.loads(target.read_text())) == len(verification.points_of(["T1"]))


def test_verify_is_a_table_for_people(capsys):
    assert run_app(app, ["verify", "T1", "--replicates", "10", "--workers", "1", "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "closed" in lines[0]
    assert len(lines) == 1 + len(verification.points_of(["T1"]))


def test_disagreement_is_exit_code_1(monkeypatch, capsys):
    right = statement("T1")
    quantity = dataclasses.replace(right.quantities[1], closed_form=lambda **params: 0.5, points=right.quantities[1].points[:2])
    monkeypatch.setattr(verification, "statement", lambda name: dataclasses.replace(right, quantities=(quantity,)))
    assert run_app(app, ["verify", "T1", "--replicates", "5000", "--workers", "1", "--quiet"]) == 1
    printed = capsys.readouterr()
    assert "2 of 2 rows disagree" in printed.err
    assert "NO" in printed.out


def test_settings_are_json_where_they_parse():
    assert parse_settings(["a=1", "b=[1, 2]", "c=single", "d=.5", 'e={"P": 1}', "f=-1.e-3"]) == {
        "a": 1,
        "b": [1, 2],
        "c": "single",
        "d": 0.5,
        "e": {"P": 1},
        "f": -0.001,
    }


def test_nothing_heavy_is_imported():
    heavy = ("torch", "transformers", "sympy", "pandas", "scipy.stats", "statsmodels", "joblib", "sklearn", "matplotlib")
    code = f"import sys, theory, theory.cli, theory.statements as s; s.all_statements(); print([m for m in {heavy!r} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_cli_itself_imports_no_numerical_library():
    code = "import sys, theory.cli; print([m for m in ('numpy', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_show_says_all_that_value_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["show", "t1", "--json", "-"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["statement"] == "T1" and "unit variance" in content["assumptions"]
    error = next(one for one in content["quantities"] if one["name"] == "error")
    assert [parameter["name"] for parameter in error["parameters"]] == ["d", "rho", "rule", "pi"]
    assert error["parameters"][3]["default"] == 0.5 and not error["parameters"][3]["required"] and error["parameters"][0]["required"]
    assert r"\Phi" in error["formula"]
    assert run_app(app, ["show", "T1"]) == 0
    text = capsys.readouterr().out
    assert "Φ(D_w/√2)" in text and "see-in-pairs theory value T1 auc" in text and "(a number; default 0.5)" in text


def test_every_statement_is_shown_without_latex_and_its_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    for shown in all_statements().values():
        content = describe(shown)
        assert content["assumptions"] and "\\" not in format_description(content), shown.id
        for one in content["quantities"]:
            words = shlex.split(one["example"])
            assert words[:3] == ["see-in-pairs", "theory", "value"]
            shown.quantity(words[4]).bind(parse_settings(words[5:]))
        first = shlex.split(content["quantities"][0]["example"])[2:]
        assert run_app(app, first) == 0
        float(capsys.readouterr().out)
