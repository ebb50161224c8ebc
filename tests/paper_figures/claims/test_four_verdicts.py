"""Every claim can come out in each of four ways: evidence on disk, judged by the public path, and read back from the files it leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from paper_figures.claims import CLAIMS, evaluate_claims
from paper_figures.claims.ledger import VERDICTS, Ledger, check_claims, read_verdicts
from paper_figures.claims.registry import CURVE_GRID
from paper_figures.study.tables import AFTER, CURVE, GAIN
from tests.paper_figures.claims.conftest import WORLD, align, attribute, comparison_row, write_runs, write_study, write_theory

Make = Callable[[Path], object]
BOTH, PHANTOM, REAL = ("phantom", "real"), ("phantom",), ("real",)
SUPPORTED, CONTRADICTED, INCONCLUSIVE, NOT_TESTED = VERDICTS


def runs(loose: tuple[str, ...] = (), n_train: int = 100, trainings: int = 3, **changes: float | None) -> Make:
    """Runs that differ from `WORLD` in these separations."""
    world = WORLD | {name.replace("_", "-"): value for name, value in changes.items()}
    return lambda folder: write_runs(folder, world, loose=loose, n_train=n_train, trainings=trainings)


def curve(gain: float, half: float = 0.02, over: float = 0.05, grid: tuple[int, ...] = CURVE_GRID) -> Make:
    """A study of learning curves."""
    rows = [comparison_row(GAIN, gain, half, n, b=b) for n in grid for b in ("alone", "twice")]
    rows += [comparison_row(CURVE, gain, half, grid[0]), comparison_row(CURVE, over, n=grid[0], b="twice")]
    return lambda folder: write_study(folder / "study", rows)


def after(gain: float, half: float = 0.02, over: float = 0.05, n: int = 200, off_the_shelf: float = 0.7) -> Make:
    """A study with a point off the shelf and one after finetuning."""
    rows = [comparison_row(AFTER, gain, half, n), comparison_row(AFTER, over, n=n, b="twice"), comparison_row(GAIN, gain, half, n)]
    return lambda folder: write_study(folder / "study", rows, off_the_shelf=off_the_shelf)


def cohorts(gains: dict[str, float], half: float = 0.02, over: float = 0.05, **more: object) -> Make:
    """A study of several real cohorts."""
    rows = [comparison_row(GAIN, gain, half, 400, name, **more) for name, gain in gains.items()]
    rows += [comparison_row(GAIN, over, n=400, cohort=name, b="twice") for name in gains]
    return lambda folder: write_study(folder / "study", rows, phantom=False)


def aligned(pair: float, duplicate: float | None, trainings: int = 5, halves: float = 0.02) -> Make:
    """Tables of alignment: the single arm always lies above both, as it does where class means are removed."""

    def make(folder: Path) -> None:
        arms = {"single": 0.9, "pair": pair} | ({} if duplicate is None else {"duplicate": duplicate})
        for arm, value in arms.items():
            align(folder, arm, value, trainings=trainings, halves=halves)

    return make


def attributed(pair: float | dict[str, float], duplicate: float | None = 0.1, place: str = "random", sd: float = 0.05, **more: int) -> Make:
    """Tables of attribution."""

    def make(folder: Path) -> None:
        arms = {"single": 0.1, "pair": pair} | ({} if duplicate is None else {"duplicate": duplicate})
        for arm, value in arms.items():
            attribute(folder, arm, value, place=place, sd=sd, **more)  # type: ignore[arg-type]

    return make


def theory(**changes: float | bool) -> Make:
    return lambda folder: write_theory(folder, **changes)


ONE_METHOD = {"integrated_gradients": 0.4, "occlusion": 0.1}
RUNS: list[tuple[Make, dict[str, tuple[str, str]]]] = [
    (runs(), {"C1": (SUPPORTED, "above duplicate by"), "C3": (SUPPORTED, "100 patients"), "C4": (SUPPORTED, "random 0."),
              "C2": (CONTRADICTED, "no gain worth having")}),
    (runs(pair=1.0), {"C1": (CONTRADICTED, "no gain worth having"), "C3": (CONTRADICTED, "no gain worth having")}),
    (runs(pair=0.7), {"C1": (CONTRADICTED, "harm"), "C3": (CONTRADICTED, "harm"), "C4": (CONTRADICTED, "harm")}),
    (runs(pair=1.15, random=1.2, off_pair=0.9, loose=("pair", "random", "off-pair")),
     {"C1": (INCONCLUSIVE, "holds both 1 and"), "C2": (INCONCLUSIVE, "holds both 0 and"), "C3": (INCONCLUSIVE, "holds both 0 and"),
      "C4": (INCONCLUSIVE, "holds both 0 and")}),
    (runs(duplicate=2.2, off_pair=1.4, off_duplicate=1.5),
     dict.fromkeys(("C1", "C2", "C4"), (INCONCLUSIVE, "not above duplicate"))),
    (runs(duplicate=2.2), {"C3": (INCONCLUSIVE, "not above duplicate")}),
    (runs(off_pair=1.4, trainings=2),  # off the shelf nothing is trained
     {"C1": (NOT_TESTED, "2 trainings"), "C2": (SUPPORTED, "above duplicate by"), "C3": (NOT_TESTED, "2 trainings"),
      "C4": (NOT_TESTED, "2 trainings")}),
    (runs(trainings=1), dict.fromkeys(("C1", "C3", "C4"), (NOT_TESTED, "one model an arm"))),
    (runs(single=0.1, off_pair=0.05, off_single=0.0),
     {"C1": (NOT_TESTED, "does not separate the classes"), "C2": (NOT_TESTED, "no arm is above chance"),
      "C3": (NOT_TESTED, "not above chance on the single image")}),
    (runs(duplicate=None, off_duplicate=None, cross_center=1.0),
     {"C1": (NOT_TESTED, "no arm 'duplicate'"), "C2": (NOT_TESTED, "no arm 'duplicate'"),
      "C3": (NOT_TESTED, "no arm 'duplicate'"), "C4": (NOT_TESTED, "no arm 'duplicate'")}),
    (runs(off_duplicate=None), {"C3": (NOT_TESTED, "pair minus duplicate: no run of: off duplicate")}),
    (runs(single=None, off_single=None), {"C1": (NOT_TESTED, "no run of: single"), "C2": (NOT_TESTED, "no run of: off single"),
                                          "C4": (NOT_TESTED, "no run of: single")}),
    (runs(n_train=201, off_pair=0.3, cross_center=1.0),
     {"C2": (CONTRADICTED, "harm"), "C3": (NOT_TESTED, "201 patients are not little data"),
      "C4": (CONTRADICTED, "no gain worth having: the interval lies below the margin of 0.02; cross center")}),
    (runs(embedding=None, random=None), {"C4": (NOT_TESTED, "no result for random, embedding")}),
]  # fmt: skip
CASES: list[tuple[str, tuple[str, ...], str, Make, str]] = [
    ("C3", PHANTOM, SUPPORTED, after(0.08), "0.080 [0.060, 0.100] with 200 patients"),
    ("C3", PHANTOM, CONTRADICTED, after(-0.01), "no gain worth having"),
    ("C3", PHANTOM, INCONCLUSIVE, after(0.02, half=0.05), "holds both"),
    ("C3", PHANTOM, INCONCLUSIVE, after(0.08, over=0.0), "not above duplicate"),
    ("C5", PHANTOM, SUPPORTED, curve(0.08), "gains: "),
    ("C5", PHANTOM, CONTRADICTED, curve(-0.01), "no gain worth having"),
    ("C5", PHANTOM, CONTRADICTED, curve(-0.1), "harm"),
    ("C5", PHANTOM, INCONCLUSIVE, curve(0.03, half=0.05), "holds both"),
    ("C5", PHANTOM, INCONCLUSIVE, curve(0.08, over=0.01), "not above duplicate"),
    ("C5", PHANTOM, NOT_TESTED, curve(0.08, grid=(200, 500, 1000)), "the grid is fixed: 25, 50, 100, 200, 500"),
    ("C6", BOTH, SUPPORTED, aligned(0.5, 0.4), "CKA after layer 1"),
    ("C6", BOTH, CONTRADICTED, aligned(0.4, 0.5), "harm"),
    ("C6", BOTH, CONTRADICTED, aligned(0.4, 0.4, halves=0.001), "no gain worth having"),
    ("C6", BOTH, INCONCLUSIVE, aligned(0.43, 0.4, halves=0.08), "holds both"),
    ("C6", BOTH, NOT_TESTED, aligned(0.5, 0.4, trainings=4), "4 models an arm: at least 5"),
    ("C6", BOTH, NOT_TESTED, aligned(0.5, None), "finetuned on 'duplicate'"),
    ("C7", REAL, SUPPORTED, cohorts({"a": 0.06, "b": 0.08}), "a 0.060"),
    ("C7", REAL, CONTRADICTED, cohorts({"a": 0.06, "b": -0.08}), "harm"),
    ("C7", REAL, CONTRADICTED, cohorts({"a": 0.06, "b": -0.01}), "no gain worth having"),
    ("C7", REAL, INCONCLUSIVE, cohorts({"a": 0.06, "b": 0.01}), "holds both"),
    ("C7", REAL, INCONCLUSIVE, cohorts({"a": 0.06, "b": 0.06}, over=0.01), "not above duplicate"),
    ("C7", REAL, NOT_TESTED, cohorts({"a": 0.06}), "needs several cohorts"),
    ("C7", REAL, NOT_TESTED, cohorts({"a": 0.06, "b": 0.08}, seeds=2), "2 models an arm"),
    ("C7", REAL, NOT_TESTED, cohorts({"a": 0.06, "b": 0.08}, admissible=False, reason="3 references are too few"), "3 references"),
    ("C8", BOTH, SUPPORTED, attributed(0.3), "of the pair's attribution falls on the reference"),
    ("C8", BOTH, CONTRADICTED, attributed(0.1), "no gain worth having"),
    ("C8", BOTH, CONTRADICTED, attributed(-0.1), "harm"),
    ("C8", BOTH, INCONCLUSIVE, attributed(ONE_METHOD), "the parts do not agree"),
    ("C8", BOTH, INCONCLUSIVE, attributed(0.12, sd=0.3), "holds both"),
    ("C8", BOTH, INCONCLUSIVE, attributed(0.3, duplicate=0.3), "not above duplicate"),
    ("C8", BOTH, NOT_TESTED, attributed(0.3, place="fixed"), "fixed place"),
    ("C8", BOTH, NOT_TESTED, attributed(0.3, trainings=2), "2 models an arm"),
    ("C8", BOTH, NOT_TESTED, attributed(0.3, duplicate=None), "no arm 'duplicate'"),
]
OF_THEORY: list[tuple[str, str, str, Make, str]] = [
    ("C1", "theory", SUPPORTED, theory(), "lies above 1"),
    ("C1", "theory", CONTRADICTED, theory(spread=1.04), "no gain worth having: the interval lies below the margin of 1.05; spread"),
    ("C1", "theory", NOT_TESTED, theory(agrees=False), "4 of 4 rows of T1, T1b, T2 do not agree three ways"),
    ("C1", "simulation", SUPPORTED, theory(agrees=False), "lies above 1"),
    ("C1", "simulation", CONTRADICTED, theory(separation=0.8, mcse=1e-4), "harm"),
    ("C1", "simulation", INCONCLUSIVE, theory(separation=1.05, mcse=0.02), "holds both"),
    ("C3", "theory", SUPPORTED, theory(), "built-in difference"),
    ("C3", "theory", CONTRADICTED, theory(concat=-0.02, difference=0.0), "harm"),
    ("C3", "theory", INCONCLUSIVE, theory(concat=-0.02), "the parts do not agree"),
    ("C3", "theory", NOT_TESTED, theory(agrees=False), "do not agree three ways"),
    ("C3", "simulation", SUPPORTED, theory(), "concatenation"),
    ("C3", "simulation", CONTRADICTED, theory(concat=0.0, difference=0.0), "no gain worth having"),
    ("C3", "simulation", INCONCLUSIVE, theory(concat=0.02, mcse=0.01), "holds both"),
    ("C4", "theory", SUPPORTED, theory(), "cross center"),
    ("C4", "theory", CONTRADICTED, theory(cross=0.0), "no gain worth having: the interval lies below the margin of 0.02; cross center"),
    ("C4", "theory", NOT_TESTED, theory(agrees=False), "do not agree three ways"),
    ("C4", "simulation", SUPPORTED, theory(), "random"),
    ("C4", "simulation", CONTRADICTED, theory(cross=-0.01), "harm"),
    ("C4", "simulation", INCONCLUSIVE, theory(cross=0.02, mcse=0.015), "holds both"),
    ("C5", "theory", SUPPORTED, theory(), "covariance pooled"),
    ("C5", "theory", CONTRADICTED, theory(concat=0.0, difference=0.01), "no gain worth having"),
    ("C5", "theory", INCONCLUSIVE, theory(difference=0.0), "the parts do not agree"),
    ("C5", "theory", NOT_TESTED, theory(agrees=False), "do not agree three ways"),
    ("C5", "simulation", SUPPORTED, theory(), "covariance pooled"),
    ("C5", "simulation", CONTRADICTED, theory(concat=-0.1, difference=-0.1), "harm"),
    ("C5", "simulation", INCONCLUSIVE, theory(concat=0.02, mcse=0.01), "holds both"),
]


def named(cases: list[tuple]) -> list[str]:  # type: ignore[type-arg]
    return [f"{case[0]}-{case[2]}-{number}" for number, case in enumerate(cases)]


@pytest.mark.parametrize(("make", "expected"), RUNS)
def test_runs_decide(make: Make, expected: dict[str, tuple[str, str]], tmp_path: Path) -> None:
    make(tmp_path)
    ledger = evaluate_claims(tmp_path, real=tmp_path)
    ledger.save(tmp_path)
    for claim, (verdict, words) in expected.items():
        for found in (ledger.verdict(claim, source) for source in BOTH):
            assert (found.verdict, words in found.reason) == (verdict, True), (claim, found.reason)
    assert_files_say_the_same(tmp_path, ledger)


@pytest.fixture(scope="module")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of one run of no concern: a folder needs some."""
    return write_runs(tmp_path_factory.mktemp("runs"), {"off-single": 0.8})


@pytest.fixture
def folder(one_run: Path, tmp_path: Path) -> Path:
    (tmp_path / "records").symlink_to(one_run / "records")
    (tmp_path / "theory").mkdir()
    (tmp_path / "theory" / "verify.parquet").symlink_to(one_run / "theory" / "verify.parquet")
    return tmp_path


@pytest.mark.parametrize(("claim", "sources", "verdict", "make", "words"), CASES, ids=named(CASES))
def test_studies_and_analyses_decide(claim: str, sources: tuple[str, ...], verdict: str, make: Make, words: str, folder: Path) -> None:
    make(folder)
    studies = [folder / "study"] if (folder / "study").exists() else []
    ledger = evaluate_claims(folder, real=folder if sources == BOTH else None, studies=studies)
    for source in sources:
        found = ledger.verdict(claim, source)
        assert (found.verdict, words in found.reason) == (verdict, True), found.reason
    ledger.save(folder)
    assert_files_say_the_same(folder, ledger)


@pytest.mark.parametrize(("claim", "source", "verdict", "make", "words"), OF_THEORY, ids=named(OF_THEORY))
def test_closed_forms_and_simulation_decide(claim: str, source: str, verdict: str, make: Make, words: str, folder: Path) -> None:
    make(folder)
    ledger = evaluate_claims(folder)
    found = ledger.verdict(claim, source)
    assert (found.verdict, words in found.reason) == (verdict, True), found.reason
    ledger.save(folder)
    assert_files_say_the_same(folder, ledger)


def assert_files_say_the_same(out: Path, ledger: Ledger) -> None:
    """``claims.json`` is accepted by the report, and ``claims.csv`` judged anew gives the verdicts that it names, with their reasons."""
    entries = {entry["id"]: entry["verdicts"] for entry in check_claims(out / "claims.json")}
    again = read_verdicts(out / "claims.csv")
    assert set(again) == {(name, source) for name, found in entries.items() for source in found}
    for (name, source), (judged, said) in again.items():
        first, written = ledger.verdict(name, source), entries[name][source]
        assert first.verdict == judged.verdict == said == written["verdict"], (name, source)
        assert first.reason == judged.reason == written["reason"], (name, source)


@pytest.mark.parametrize("claim", [claim.id for claim in CLAIMS])
def test_every_claim_has_a_case_of_every_verdict(claim: str) -> None:
    of_runs = {expected[claim][0] for _, expected in RUNS if claim in expected}
    assert of_runs | {case[2] for case in CASES if case[0] == claim} == set(VERDICTS)
    for source in ("theory", "simulation"):
        known = next(one for one in CLAIMS if one.id == claim).criteria.get(source)
        cases = {case[2] for case in OF_THEORY if case[:2] == (claim, source)}
        # an exact number, of which any part contradicts, is never inconclusive; what is not verified by simulation is no simulation
        impossible = {INCONCLUSIVE} if source == "theory" and known and known.join == "each" else set()
        impossible |= {NOT_TESTED} if source == "simulation" else set()
        assert cases == ({*VERDICTS} - impossible if known else set())
