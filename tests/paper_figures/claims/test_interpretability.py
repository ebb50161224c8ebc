"""C6 and C8: verdicts from tables whose truth is known, and one line where a table is missing or does not fit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from empirical.cohorts import Cohort
from paper_figures.claims import evaluate_claims
from paper_figures.claims.evidence import Evidence
from paper_figures.claims.interpretability import METHODS, _alignment_difference, from_runs
from paper_figures.claims.ledger import GAIN, OVER_DUPLICATE, SHOWN, Verdict
from paper_figures.claims.registry import MAIN_RHO
from paper_figures.cli import app
from paper_figures.results.runs import RunResults
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from see_in_pairs.files import write_parquet, write_text
from tests.paper_figures.claims.conftest import align, attribute, write_runs

ARMS = ("single", "pair", "duplicate")
Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of one run of no concern: a folder needs some."""
    return write_runs(tmp_path_factory.mktemp("runs"), {"off-single": 0.8})


@pytest.fixture
def folder(records: Path, tmp_path: Path) -> Path:
    """A folder of runs with an ``analysis/`` of its own."""
    for name in ("records", "theory"):
        (tmp_path / name).symlink_to(records / name)
    return tmp_path


def judged(folder: Path, claim: str, rho: float | None = MAIN_RHO) -> Verdict:
    return from_runs(Evidence(RunResults(folder), rho))[claim]


def of_last_layer(tables: list[pd.DataFrame], measure: str) -> np.ndarray:
    """Values of a measure after the last layer, draws by trainings."""
    chosen = [table[(table["layer"] == 1) & (table["measure"] == measure)].sort_values("draw")["value"] for table in tables]
    return np.column_stack(chosen)


def spoil(folder: Path, name: str, change: Change) -> None:
    """Change a table that is there."""
    (path,) = (folder / "analysis" / name).iterdir()
    if path.suffix == ".parquet":
        return write_parquet(path, change(pd.read_parquet(path)))
    write_text(path, change(pd.read_csv(path)).to_csv(index=False))


def put(**changes: object) -> Change:
    return lambda table: table.assign(**changes)  # type: ignore[arg-type]


def renamed(column: str, old: str, new: str) -> Change:
    return lambda table: table.assign(**{column: table[column].replace(old, new)})


def test_alignment_is_judged_by_the_residual_of_the_last_layer_over_duplicate(folder: Path) -> None:
    pair, duplicate = align(folder, "pair", 0.5, plain=0.6), align(folder, "duplicate", 0.4, plain=0.9)
    single = align(folder, "single", 0.7, plain=0.8)
    found = judged(folder, "C6")
    first, second = (of_last_layer(tables, "residual_debiased_cka") for tables in (pair, duplicate))
    assert found.verdict == "supported" and found.main is not None  # though the single image lies above, and the plain CKA below
    assert found.main.estimate == pytest.approx(first[0].mean() - second[0].mean())
    assert (found.main.trainings, found.main.patients, found.main.unit) == (5, 60, "linear CKA")
    beside = {one.part: one.estimate for one in found.findings if one.role == SHOWN}
    whole = [of_last_layer(tables, "debiased_cka")[0].mean() for tables in (pair, single, duplicate)]
    assert beside == pytest.approx(
        {
            "residual, over single": first[0].mean() - of_last_layer(single, "residual_debiased_cka")[0].mean(),
            "plain, over single": whole[0] - whole[1],
            "plain, over duplicate": whole[0] - whole[2],
        }
    )
    assert "CKA after layer 1: pair 0.500 residual, 0.600 plain, label 20% of the images' variance and 60% of the answers'" in found.reason
    assert "duplicate 0.400 residual" in found.reason and "(5 training(s))" in found.reason


def test_the_interval_holds_the_trainings_of_both_arms_and_the_same_halves_of_patients(folder: Path) -> None:
    """By hand: variances of trainings over their number, and that between halves, of means over trainings; Satterthwaite's df."""
    draws = [
        of_last_layer(align(folder, arm, value, sd=0.03), "residual_debiased_cka") for arm, value in (("pair", 0.5), ("duplicate", 0.4))
    ]
    align(folder, "single", 0.4)
    parts = [(draws[0].mean(axis=1) - draws[1].mean(axis=1))[1:].var(ddof=1), *(table[0].var(ddof=1) / 5 for table in draws)]
    df = sum(parts) ** 2 / (parts[0] ** 2 / 59 + parts[1] ** 2 / 4 + parts[2] ** 2 / 4)
    main = judged(folder, "C6").main
    assert main is not None
    assert (main.se, main.df) == pytest.approx((np.sqrt(sum(parts)), df))
    assert main.high - main.low == pytest.approx(2 * student.ppf(0.975, df) * np.sqrt(sum(parts)))


def test_trainings_that_differ_widen_the_interval(folder: Path) -> None:
    widths = []
    for sd in (0.0, 0.05):
        for arm in ARMS:
            align(folder, arm, 0.5 if arm == "pair" else 0.4, sd=sd, halves=0.002)
        main = judged(folder, "C6").main
        assert main is not None
        widths.append(main.high - main.low)
    assert widths[1] > 3 * widths[0]


def test_five_trainings_of_each_arm_are_needed(folder: Path) -> None:
    for arm in ARMS:
        align(folder, arm, 0.5 if arm == "pair" else 0.4, trainings=3 if arm == "duplicate" else 5)
    found = judged(folder, "C6")
    assert found.verdict == "not tested" and found.reason.startswith("3 models an arm: at least 5")
    assert found.main is not None  # as `make reproduce` leaves it: the numbers, and no verdict


def test_without_duplicate_the_numbers_are_shown_and_not_judged(folder: Path) -> None:
    for arm in ("single", "pair"):
        align(folder, arm, 0.5)
    found = judged(folder, "C6")
    assert found.verdict == "not tested" and "no analysis of a model finetuned on 'duplicate'" in found.reason
    assert "CKA after layer 1" in found.reason and found.main is None


def test_an_odd_number_of_patients_leaves_more_out_than_in() -> None:
    """The spread of a mean over all samples of 5 of 11 is known: s^2 (1/5 - 1/11); the error must be that of the whole, s / sqrt(11)."""
    scores = np.random.default_rng(5).normal(size=11)
    values = [scores.mean(), *(scores[list(chosen)].mean() for chosen in combinations(range(11), 5))]
    pair = pd.DataFrame({"layer": 0, "measure": "cka", "draw": range(len(values)), "value": values, "train_seed": 0})
    found = _alignment_difference(pair.assign(items=11, patients=11), pair.assign(value=0.0), "cka", 0)
    assert (found.high - found.low) / 2 == pytest.approx(2.228 * scores.std(ddof=1) / np.sqrt(11), rel=2 / len(values))  # t of 10 degrees


def test_intervals_of_the_difference_keep_their_level() -> None:
    """Two arms alike in truth, five trainings each, on the same 40 patients: 100 intervals of 95 % leave 0 out as often, within 3 MCSE."""
    missed, replicates, halves, rng = 0, 100, 60, np.random.default_rng(0)
    for _ in range(replicates):
        patient = rng.normal(size=40)
        chosen = [rng.permutation(40)[:20] for _ in range(halves)]
        arms = []
        for _ in range(2):
            own, rows = patient + rng.normal(size=40), []
            for seed in range(5):
                shift = 0.1 * rng.normal()
                values = [own.mean() + shift, *(own[half].mean() + shift for half in chosen)]
                rows.append(pd.DataFrame({"draw": range(halves + 1), "value": values, "train_seed": str(seed)}))
            arms.append(pd.concat(rows).assign(layer=0, measure="m", items=40, patients=40))
        found = _alignment_difference(arms[0], arms[1], "m", 0)
        missed += not found.low < 0 < found.high
    assert missed / replicates < 0.05 + 3 * np.sqrt(0.05 * 0.95 / replicates)


def test_a_draw_without_a_value_leaves_no_number(folder: Path) -> None:
    for arm in ARMS:
        align(folder, arm, 0.5)
    spoil(folder, "alignment-pair-0", lambda table: table.assign(value=table["value"].where(table["draw"] != 7)))
    found = judged(folder, "C6")
    assert found.verdict == "not tested" and "residual_debiased_cka is undefined in 1 of 41 draws of patients" in found.reason


def excesses(tables: list[pd.DataFrame], method: str, lesion: str) -> np.ndarray:
    chosen = [table[(table["method"] == method) & (table["lesion"] == lesion)] for table in tables]
    return np.array([(table["share"] - table["expected"]).mean() for table in chosen])


def test_attribution_is_judged_beyond_chance_beyond_a_sham_place_and_beyond_the_single_image(folder: Path) -> None:
    made = {
        arm: attribute(folder, arm, more, sham=sham)
        for arm, more, sham in (("single", 0.2, 0.1), ("pair", 0.45, 0.15), ("duplicate", 0.1, 0.0))
    }
    found = judged(folder, "C8")
    assert found.verdict == "supported"
    assert [(one.part, one.role) for one in found.findings] == [(method, role) for method in METHODS for role in (GAIN, OVER_DUPLICATE)]
    for one in found.findings:
        other = made["single" if one.role == GAIN else "duplicate"]
        parts = [excesses(tables, one.part, lesion).mean() for tables in (made["pair"], other) for lesion in ("real", "sham")]
        assert one.estimate == pytest.approx(parts[0] - parts[1] - parts[2] + parts[3])
        assert (one.trainings, one.patients, one.unit) == (3, 60, "share")
    share = np.mean([table.query("method == 'occlusion'")["reference_share"] for table in made["pair"]])
    assert f"by occlusion {share:.2f} [" in found.reason and "of the pair's attribution falls on the reference" in found.reason


def test_the_attribution_interval_is_over_patients(folder: Path) -> None:
    """One image a patient and trainings all alike: the standard error of a difference of two differences of means."""
    rng = np.random.default_rng(0)
    share = {arm: rng.normal(0.3 if arm == "pair" else 0.2, 0.1, size=60) for arm in ARMS}
    for arm in ARMS:
        attribute(folder, arm, 0.0)
        for number in range(3):
            spoil(
                folder,
                f"attribution-{arm}-{number}",
                lambda table, arm=arm: table.assign(share=share[arm][table["item_id"].str[1:].astype(int)]),
            )
    main = judged(folder, "C8").main
    assert main is not None
    real, sham = (share["pair"] - share["single"])[::2], (share["pair"] - share["single"])[1::2]
    assert main.estimate == pytest.approx(real.mean() - sham.mean())
    assert main.se == pytest.approx(np.sqrt(real.var(ddof=1) / 30 + sham.var(ddof=1) / 30), rel=0.1)


def test_where_nothing_is_positive_a_lesion_gets_nothing_and_a_sham_place_what_chance_gives(folder: Path) -> None:
    """An excess of -.1 on a lesion of a tenth of the picture, and of 0 on a sham place: neither speaks for the claim."""
    made = {arm: attribute(folder, arm, 0.3, sham=0.2) for arm in ARMS}
    before = judged(folder, "C8").main
    for number in range(3):
        spoil(
            folder,
            f"attribution-pair-{number}",
            lambda table: table.assign(share=table["share"].where(~table["item_id"].isin(["i00", "i01"]))),
        )
    after = judged(folder, "C8").main
    assert before is not None and after is not None and before.part == after.part
    lost = [
        np.mean([table.query(f"item_id == '{item}' and method == '{after.part}'")["share"].item() - 0.1 for table in made["pair"]])
        for item in ("i00", "i01")  # a lesion, a sham place
    ]
    assert after.estimate - before.estimate == pytest.approx((-0.1 - lost[0]) / 30 - (0.0 - lost[1]) / 30)


@pytest.mark.parametrize(
    ("settings", "verdict", "words"),
    [
        ({"place": "fixed"}, "not tested", "at a fixed place, where a map shows position and not pathology"),
        ({"place": "observed"}, "supported", "above duplicate"),
        ({"patients": 30}, "not tested", "15 patients of a class are too few for an interval; analyse at least 20"),
        ({"trainings": 1}, "not tested", "one model an arm"),
    ],
)
def test_what_c8_needs(settings: dict[str, object], verdict: str, words: str, folder: Path) -> None:
    for arm in ARMS:
        attribute(folder, arm, 0.3 if arm == "pair" else 0.1, **settings)  # type: ignore[arg-type]
    found = judged(folder, "C8")
    assert found.verdict == verdict and words in found.reason, found.reason


def test_one_table_of_a_fixed_place_is_enough_to_refuse(folder: Path) -> None:
    for arm in ARMS:
        attribute(folder, arm, 0.3 if arm == "pair" else 0.1)
    spoil(folder, "attribution-single-2", put(place="fixed"))
    assert judged(folder, "C8").verdict == "not tested"


def test_without_healthy_queries_there_is_no_contrast(folder: Path) -> None:
    for arm in ARMS:
        for number in range(len(attribute(folder, arm, 0.3))):
            spoil(folder, f"attribution-{arm}-{number}", lambda table: table[table["lesion"] == "real"])
    found = judged(folder, "C8")
    assert found.verdict == "not tested" and "no sham place of healthy queries" in found.reason


def test_attribution_that_is_the_same_everywhere_is_no_crash(folder: Path) -> None:
    """As much on every reference; the same share on every lesion and every sham place; nothing positive at all."""
    for arm in ARMS:
        attribute(folder, arm, 0.3 if arm == "pair" else 0.1)
    for number in range(3):
        spoil(folder, f"attribution-pair-{number}", put(reference_share=0.25))
    assert judged(folder, "C8").verdict == "supported"
    for number in range(3):
        for arm in ARMS:
            spoil(folder, f"attribution-{arm}-{number}", put(share=0.2))
        spoil(folder, f"attribution-pair-{number}", lambda table: table.assign(share=table["share"] + 0.1 * (table["lesion"] == "real")))
    found = judged(folder, "C8")
    assert found.verdict == "not tested" and "its variation cannot be estimated" in found.reason
    for number in range(3):
        spoil(folder, f"attribution-pair-{number}", put(share=np.nan, reference_share=np.nan))
    assert "an unknown share of the pair's attribution" in judged(folder, "C8").reason


def test_without_tables_the_claims_are_not_tested_and_the_command_is_said(folder: Path) -> None:
    ledger = evaluate_claims(folder, real=folder)
    for claim, command in (("C6", "alignment"), ("C8", "attribution")):
        for source in ("phantom", "real"):
            found = ledger.verdict(claim, source)
            assert found.verdict == "not tested" and found.main is None
            assert f"'see-in-pairs analyse {command} CONFIG.yaml --out OUT/analysis/{command}-ARM'" in found.reason
        assert ledger.verdict(claim, "theory").reason == "there is no trained model to look into"
    assert evaluate_claims(folder).verdict("C6", "real").reason == "no folder of real runs was given (--real DIR)"
    align(folder, "single", 1.0)
    attribute(folder, "pair", 0.1, train_arm="single", train_strategy="")  # a model of another arm, shown pairs
    assert "no analysis of a model finetuned and shown: pair" in judged(folder, "C6").reason
    assert "no analysis of a model finetuned and shown: single, pair" in judged(folder, "C8").reason
    attribute(folder, "pair", 0.1, train_arm="multi")  # references chosen alike, but several of them
    assert "no analysis of a model finetuned and shown: single, pair" in judged(folder, "C8").reason


def test_pairs_of_another_strategy_or_shown_something_else_are_left_alone(folder: Path) -> None:
    for arm in ARMS:
        align(folder, arm, 0.5 if arm == "pair" else 0.4)
    before = judged(folder, "C6")
    other = {"strategy": "random", "train_strategy": "random"}
    for name, changes in (("random", other), ("shown", {"strategy": "random"}), ("shown-duplicate", {"arm": "duplicate"})):
        table = pd.read_parquet(folder / "analysis" / "alignment-pair-0" / "alignment_draws.parquet").assign(**changes, value=-0.9)
        write_parquet(folder / "analysis" / f"alignment-{name}" / "alignment_draws.parquet", table)
    assert judged(folder, "C6") == before


def test_pairs_of_another_phantom_are_left_alone(finished: Path, tmp_path: Path) -> None:
    for name in ("records", "theory", "cohorts"):
        (tmp_path / name).symlink_to(finished / name)
    near, far = (Cohort.load(finished / "cohorts" / f"rho-{rho}").hash for rho in ("0.90", "0.50"))
    for arm in ARMS:
        align(tmp_path, arm, 0.5 if arm == "pair" else 0.4, cohort_hash=near)
    before = judged(tmp_path, "C6")
    assert before.verdict == "supported"
    table = pd.read_parquet(tmp_path / "analysis" / "alignment-pair-0" / "alignment_draws.parquet").assign(value=-0.9, cohort_hash=far)
    write_parquet(tmp_path / "analysis" / "alignment-far" / "alignment_draws.parquet", table)
    assert judged(tmp_path, "C6") == before


ALIGNED, ATTRIBUTED = "alignment-pair-0", "attribution-pair-0"


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (
            ALIGNED,
            lambda table: table.drop(columns="arm"),
            r"alignment-pair-0/alignment_draws.parquet: lacks the column\(s\) arm; make it again",
        ),
        (ATTRIBUTED, lambda table: table.drop(columns="arm"), r"attribution-pair-0/attribution.csv: lacks the column\(s\) arm"),
        (
            ATTRIBUTED,
            lambda table: table.drop(columns=["lesion", "place"]),
            r"lacks the column\(s\) lesion, place; make it again with 'see-in",
        ),
        (ALIGNED, put(layer="last"), "column 'layer' contains a value that is not a number"),
        (ALIGNED, put(patients=np.nan), "column 'patients' contains a value that is not a number"),
        (ALIGNED, put(value=np.inf), "column 'value' contains a value that is not a number"),
        (ATTRIBUTED, put(share="much"), "column 'share' contains a value that is not a number"),
        (ATTRIBUTED, put(expected=None), "column 'expected' contains a value that is not a number"),
        (ALIGNED, put(drawn_from="y"), "not about the same items, or were drawn with another --seed"),
        (ALIGNED, put(layer=7), r"'pair' \(seed 0\) is there more than once"),
        (ALIGNED, put(train_seed=1), r"'pair' \(seed 1\) is there more than once"),
        (ATTRIBUTED, put(method="occlusion"), r"'pair' \(seed 0\) is there more than once"),
        (ATTRIBUTED, renamed("item_id", "i01", "i99"), "not about the same items"),
        (ATTRIBUTED, lambda table: table[table["item_id"] != "i01"], "not about the same items"),
        (ATTRIBUTED, renamed("mask_of", "i04", "i06"), "not about the same items"),
        (ALIGNED, put(cohort_hash="another"), "not of the same cohort"),
    ],
)
def test_tables_that_do_not_fit_are_one_line(folder: Path, name: str, change: Change, said: str) -> None:
    for arm in ARMS:
        align(folder, arm, 0.5) if "alignment" in name else attribute(folder, arm, 0.3)
    spoil(folder, name, change)
    with pytest.raises(InputError, match=said) as error:
        from_runs(Evidence(RunResults(folder), None))
    assert "\n" not in str(error.value) and str(folder) not in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.assign(layer=table["layer"] + 1), "models of 1, 2 layers"),
        (lambda table: table.assign(draw=table["draw"] + 1), "lack residual_debiased_cka of the same draws"),
    ],
)
def test_arms_that_cannot_be_compared_are_one_line(folder: Path, change: Change, said: str) -> None:
    for arm in ARMS:
        align(folder, arm, 0.5)
    for number in range(5):
        spoil(folder, f"alignment-pair-{number}", change)
    with pytest.raises(InputError, match=said):
        judged(folder, "C6")


def test_tables_of_an_earlier_version_give_a_reason_and_no_verdict(folder: Path) -> None:
    for arm in ARMS:
        align(folder, arm, 0.5)
        for number in range(5):
            spoil(folder, f"alignment-{arm}-{number}", lambda table: table[table["measure"] == "debiased_cka"])
    found = judged(folder, "C6")
    assert found.verdict == "not tested"
    assert "has no residual_debiased_cka; make it again with 'see-in-pairs analyse alignment'" in found.reason


def test_a_table_that_cannot_be_read_ends_with_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attribute(folder, "pair", 0.3)
    (folder / "analysis" / ATTRIBUTED / "attribution.csv").write_bytes(b"")
    assert run_app(app, ["claims", "--out", str(folder), "--quiet"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "attribution.csv: cannot be read as a table" in line
