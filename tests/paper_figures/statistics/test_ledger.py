"""The ledger of the docs: every expected value is reached; what R prints is printed again where R is installed."""

import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
R = ROOT / "tests" / "paper_figures" / "r"
PACKAGES = {"base": "stats", "proc": "pROC", "boot": "boot", "lme4": "lme4"}


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ledger_of_the_docs", ROOT / "docs" / "_ext" / "ledger.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LEDGER = load()
CONTENT = LEDGER.ledger()


def name(row: dict[str, Any]) -> str:
    return f"{row['statistic']}-{row['source']}-{row.get('printed', row.get('expected'))}"


@pytest.mark.parametrize("row", CONTENT["rows"], ids=name)
def test_our_value_is_the_expected_one(row: dict[str, Any]) -> None:
    assert LEDGER.our_value(row, CONTENT["words"]) == pytest.approx(float(LEDGER.expected(row)), abs=LEDGER.tolerance(row))


def test_every_source_and_every_twin_is_there() -> None:
    assert {row["source"] for row in CONTENT["rows"]} == set(CONTENT["sources"])
    missing = [row["test"] for row in CONTENT["twins"] if not LEDGER.twin_exists(row["test"])]
    assert not missing


def test_a_wrong_digit_would_be_seen() -> None:
    row = {"call": {"mcnemar": {"n10": 1, "n01": 7}}, "take": "exact", "expected": "0.0703126"}
    assert abs(LEDGER.our_value(row, {}) - 0.0703126) > LEDGER.tolerance(row)


def test_every_public_test_is_in_the_ledger() -> None:
    """A statistic that nobody has checked against anything would be missing here."""
    from paper_figures import statistics

    written = (ROOT / "docs" / "reference" / "checked_statistics.yaml").read_text(encoding="utf-8")
    text = written.casefold().replace("'s", "").replace("-", "_").replace(" ", "_")
    known_as = {
        "clustered_difference": "cluster_robust", "tost": "two_one_sided", "equivalence": "two_one_sided", "paired_bootstrap": "bootstrap",
        "multinomial_bootstrap": "multinomial_short_cut", "paired_difference": "tango", "two_way_delong": "two_way_clusters,_auroc",
        "clustered_auroc_difference": "jackknife_of_the_clustered_auroc", "procedure_auroc": "procedure", "procedure_contrast": "procedure",
        "cochran_q": "cochran",
        "benjamini_hochberg": "benjamini_and_hochberg", "compare_arms": "", "Comparison": "", "patients_needed": "paired_power",
    }  # fmt: skip
    missing = [entry for entry in statistics.__all__ if known_as.get(entry, entry).casefold() not in text]
    assert not missing


@pytest.mark.parametrize("script", PACKAGES)
def test_r_prints_the_same_again(script: str, tmp_path: Path) -> None:
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed (Debian: r-base-core r-cran-proc r-cran-boot r-cran-lme4)")
    there = subprocess.run(["Rscript", "-e", f"library({PACKAGES[script]})"], capture_output=True, check=False)
    if there.returncode:
        pytest.skip(f"the R package {PACKAGES[script]} is not installed")
    if script == "boot":
        pytest.skip("takes half a minute: run Rscript boot.R by hand")
    found = subprocess.run(["Rscript", "--vanilla", f"{script}.R"], cwd=R, capture_output=True, text=True, check=True).stdout
    kept = (R / f"{script}.txt").read_text(encoding="utf-8")
    for line, other in zip(found.split("\n"), kept.split("\n"), strict=True):
        assert line.split()[:1] == other.split()[:1]
        assert [float(x) for x in line.split()[1:]] == pytest.approx([float(x) for x in other.split()[1:]], rel=1e-6)
