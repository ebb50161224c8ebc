"""The error-rate tables that are committed: complete, and as the rule of thumb claims; the command resumes."""

import json
import math
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from paper_figures.error_rates.cli import app
from paper_figures.error_rates.tables import NAMES, RECOMMENDED, STUDIES, largest_size, page, recommended_tests, tried_tests, with_tables
from paper_figures.statistics.roc.rare_class import LEAST_SHARE
from see_in_pairs.console import run_app
from theory.sweeps import Study

TABLES = Path(__file__).resolve().parents[3] / "docs" / "results" / "error-rates"


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(TABLES / f"{name}.csv")


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_and_method_of_the_design_is_there(name: str) -> None:
    study, table = Study.load(STUDIES / f"{name}.yaml"), read(name)
    factors = list(table.columns[: table.columns.get_loc("truth")])
    assert len(table[factors].drop_duplicates()) == len(study.all_cells)
    assert set(table["method"]) == {use.name for use in study.methods}
    assert (table["replicates"] == study.replicates).all()
    shares = table["value"].to_numpy()
    binomial = (shares * (1 - shares) / study.replicates) ** 0.5
    assert table["mcse"].to_numpy() == pytest.approx(binomial, abs=1 / study.replicates)  # at a share of 0 the engine gives no 0


def test_the_designs_are_those_that_were_asked_for() -> None:
    for name in ("accuracy", "auroc"):
        cells = pd.DataFrame([cell.factors for cell in Study.load(STUDIES / f"{name}.yaml").all_cells])
        assert sorted(cells["clusters"].unique()) == [5, 10, 20, 50, 200]
        assert sorted(cells["size"].unique()) == [1, 5, 25]
        assert sorted(cells["correlation"].unique()) == [0.0, 0.2, 0.5]
        assert set(cells["sizes"]) == {"balanced", "skewed"}
        assert Study.load(STUDIES / f"{name}.yaml").replicates == 10_000
    for name in ("resampling_accuracy", "resampling_auroc"):
        cells = pd.DataFrame([cell.factors for cell in Study.load(STUDIES / f"{name}.yaml").all_cells])
        assert cells["effect"].value_counts().tolist() == [12, 12]


@pytest.mark.parametrize("name", RECOMMENDED)
def test_the_recommended_tests_keep_their_level_in_every_cell(name: str) -> None:
    largest, bound = largest_size(read(name), RECOMMENDED[name])
    assert largest <= bound


def test_intervals_of_channelised_observers_cover_from_100_images_on() -> None:
    table = read("channels")
    assert set(table["measure"]) == {"coverage"} and table["images"].min() == 100
    least = table.loc[table["value"].idxmin()]
    assert least["value"] >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / least["replicates"]), dict(least)


def test_mid_p_keeps_its_level_where_items_are_independent() -> None:
    table = read("accuracy")
    largest, bound = largest_size(table[(table["correlation"] == 0)], "McNemar mid-p")
    assert largest <= bound
    assert largest_size(table, "McNemar mid-p")[0] > 0.7  # and nowhere else


def test_the_tests_of_independent_areas_keep_their_level_where_they_are_recommended() -> None:
    """The permutation where the rarer class has two items of five, nearer to .05 than DeLong's; DeLong by t where it has one of ten."""
    table = read("auroc_independent")
    balanced = table["prevalence"] >= LEAST_SHARE
    rules = ((balanced, "swaps, studentised"), (~balanced, "DeLong, jackknife t (independent)"))
    for rows, name in rules:
        largest, bound = largest_size(table[rows], name)
        assert largest <= bound
    sizes = table[balanced & (table["measure"] == "type_1_error")]
    off = (sizes["value"] - 0.05).abs().groupby(sizes["method"]).mean()
    assert off["swaps, studentised"] < 0.6 * off["DeLong, z"]
    near_one = sizes[(sizes["area"] == 0.97) & (sizes["items"] >= 50)].groupby("method")["value"]
    assert near_one.min()["swaps, studentised"] > 0.039 > 0.01 > near_one.min()["DeLong, z"]
    assert largest_size(table[~balanced], "DeLong, z")[0] > 0.09
    covers = table[(table["measure"] == "coverage") & (table["truth"] != 0) & table["method"].str.startswith("DeLong, jack")]
    covers, rare = (covers[covers["prevalence"].ge(LEAST_SHARE) == large] for large in (True, False))
    for here, low, high in ((rare["area"] == 0.97, 0.87, 0.915), (rare["area"] < 0.97, 0.92, 0.96)):
        assert low < rare[here]["value"].min() < rare[here]["value"].max() < high
    few = (covers["area"] == 0.97) & (covers["items"] <= 50)
    assert 0.90 < covers[few]["value"].min() < covers[few]["value"].max() < 0.935
    assert 0.935 < covers[~few]["value"].min() < covers[~few]["value"].max() < 0.965
    assert largest_size(table[~balanced], "swaps, studentised")[0] > 0.09  # hence the rule


def test_what_the_page_says_of_independent_items() -> None:
    """The numbers in the paragraph on independent items of the calibration page."""
    sizes = read("auroc_independent").query("measure == 'type_1_error'")
    z, swaps, t = (sizes[sizes["method"] == name] for name in ("DeLong, z", "swaps, studentised", "DeLong, jackknife t (independent)"))
    near = [rows[(rows["items"] == 50) & (rows["area"] == 0.97) & (rows["prevalence"] >= 0.4)]["value"] for rows in (z, swaps)]
    rare = [rows[rows["prevalence"] == 0.1]["value"].max() for rows in (z, swaps, t)]
    balanced = swaps[swaps["prevalence"] >= LEAST_SHARE]["value"].max()
    rated = read("auroc_ratings").query("measure == 'type_1_error' and method == 'swaps, studentised'")["value"]
    assert rated.max() <= largest_size(read("auroc_ratings"), "swaps, studentised")[1]
    numbers = (near[0].min(), near[0].max(), rare[0], near[1].min(), near[1].max(), balanced, rare[1], rare[2], rated.min(), rated.max())
    text = (TABLES / "README.md").read_text(encoding="utf-8").partition("**Independent items**")[2].partition("## Bootstrap")[0]
    shown = [float(number) for number in re.findall(r"(?<![\d])\.\d{3}", text)]
    assert shown == pytest.approx(numbers, abs=6e-4)


def test_the_statistics_page_has_the_tests_that_were_tried() -> None:
    text = (TABLES.parents[1] / "explanation" / "statistics" / "auroc.md").read_text(encoding="utf-8")
    assert with_tables(text, {"tests of independent areas": tried_tests(read("auroc_independent"))}) == text


def test_the_page_that_chooses_a_test_has_the_error_rates_of_those_that_are_recommended() -> None:
    text = (TABLES.parents[1] / "how-to" / "choose_a_test.md").read_text(encoding="utf-8")
    table = recommended_tests(TABLES.parent)
    assert with_tables(text, {"recommended tests": table}) == text
    assert re.findall(r"\*\*(.*?)\*\*", table) == [".061", ".066"]  # the page explains these two
    titles = [line.strip("# ") for line in (TABLES / "tables.md").read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"tables\.md#([\w-]+)", table)) <= anchors


def test_the_pages_of_single_tests_name_the_largest_error_of_the_tables() -> None:
    pages, accuracy = TABLES.parents[1] / "explanation" / "statistics", read("accuracy")
    rows = [[cell.strip(" *") for cell in line.split("|")] for line in recommended_tests(TABLES.parent).splitlines()]
    largest = {row[1]: row[5] for row in rows}
    both = f"{largest['accuracy, several random factors']} (accuracy), {largest['AUROC, several random factors']} (AUROC)"
    assert both in (pages / "random_factors.md").read_text(encoding="utf-8")
    worst = f"{largest_size(accuracy, 'McNemar mid-p')[0]:.2f}".lstrip("0")
    words = f"independent items: {largest['accuracy, independent items']}; with correlated items up to {worst} "
    assert words in (pages / "accuracy.md").read_text(encoding="utf-8")


def test_what_the_pages_say() -> None:
    """Statements of the statistics page and of the recommendation that a new run could make untrue."""
    accuracy, areas, trained, shared = (read(name) for name in ("accuracy", "auroc", "training", "references"))
    assert largest_size(accuracy, "cluster-robust t")[0] > 0.08  # few unequal clusters
    assert largest_size(accuracy[accuracy["sizes"] == "balanced"], "cluster-robust t")[0] < 0.058
    assert largest_size(areas, "clustered DeLong, z")[0] > 0.2
    five = accuracy[(accuracy["clusters"] == 5) & (accuracy["method"] == RECOMMENDED["accuracy"])]
    assert (five.loc[five["measure"] != "coverage", "value"] == 0).all()  # cannot go below 2/32
    assert largest_size(trained, "one trained model")[0] > 0.8
    assert largest_size(trained, "procedure (Obuchowski-Rockette)")[0] < 0.08
    assert largest_size(trained[trained["seeds"] >= 5], "procedure (Obuchowski-Rockette)")[0] < 0.06
    pool = shared["pool"] >= 20
    assert largest_size(shared[pool], "accuracy, two-way")[0] < 0.065
    assert largest_size(shared[pool], "AUROC, two-way")[0] < 0.065
    assert largest_size(shared[~pool], "AUROC, two-way")[0] > 0.09
    assert largest_size(shared, "accuracy, by patient")[0] > 0.6


def test_sign_flip_loses_no_power_with_twenty_clusters_or_more() -> None:
    """Beside the cluster-robust t test, where that keeps its level: at most .10 less, .02 on average, from 20 clusters of several items."""
    table = read("accuracy")
    rows = table[(table["measure"] == "power") & (table["clusters"] >= 20) & (table["size"] > 1) & (table["sizes"] == "balanced")]
    wide = rows.pivot_table(index=["clusters", "size", "correlation"], columns="method", values="value")
    lost = wide["cluster-robust t"] - wide[RECOMMENDED["accuracy"]]
    assert lost.max() < 0.10
    assert lost.mean() < 0.025


def test_the_page_is_made_from_the_tables() -> None:
    assert (TABLES / "tables.md").read_text(encoding="utf-8") == page({name: read(name) for name in NAMES})


def test_the_multireader_page_has_the_numbers_of_the_tables() -> None:
    """Both tables of the page row by row; bold is what lies above .05 by more than 3 Monte Carlo standard errors of a share of .05."""
    text = (TABLES.parents[1] / "explanation" / "multireader.md").read_text(encoding="utf-8")
    expected = []
    for name in ("mrmc_accuracy", "mrmc_auroc"):
        table = read(name).assign(method=lambda rows: rows["method"].str.replace(r" \(Obuchowski-Rockette\)|, AUROC", "", regex=True))
        methods = ("all factors", "procedure", "Obuchowski-Rockette, Hillis's df", "U-statistic")
        bound = largest_size(table, "U-statistic")[1]
        for (trainings, spread), rows in table.groupby(["seeds", "training_sd"]):
            values = rows.set_index(["measure", "method"])["value"]
            sizes, powers = ([values[kind, method] for method in methods] for kind in ("type_1_error", "power"))
            cells = [f"**{size:.3f}**" if size > bound else f"{size:.3f}" for size in sizes] + [f"{power:.3f}" for power in powers]
            expected.append(f"| {trainings}, {spread:g} | {' | '.join(cell.replace('0.', '.') for cell in cells)} |")
    assert [line for line in text.splitlines() if re.match(r"\| \d+, [\d.]+ \|", line)] == expected


def test_the_manifest_says_where_it_was_made_and_nothing_of_folders() -> None:
    text = (TABLES / "manifest.json").read_text(encoding="utf-8")
    studies = json.loads(text)["studies"]
    assert set(studies) == set(NAMES)
    assert all(one["libraries"]["numpy"] and one["hardware"]["cores"] and one["finished"] for one in studies.values())
    assert all(one["counts"]["replicates failed"] == 0 for one in studies.values())
    assert "/" not in text.replace("python -m", "")


def test_a_small_run_of_everything_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paper_figures.error_rates.tables.NAMES", ("lopsided",))
    monkeypatch.setattr(
        "paper_figures.error_rates.cli._write", lambda found, folder, _: [table.to_csv(folder / name) for name, table in found.items()]
    )
    (tmp_path / "tables").mkdir()
    for replicates in (20, 30):
        assert run_app(app, ["--out", str(tmp_path), "--tables", str(tmp_path / "tables"), "--replicates", str(replicates), "--quiet"]) == 0
    table = pd.read_csv(tmp_path / "tables" / "lopsided")
    assert (table["replicates"] == 30).all()
    assert math.isfinite(table["mcse"].max())


def test_one_study_runs_alone_and_leaves_the_others(tmp_path: Path) -> None:
    shutil.copytree(TABLES, tmp_path / "tables")
    words = ["--out", str(tmp_path), "--tables", str(tmp_path / "tables"), "--quiet", "--replicates", "20", "--study"]
    assert run_app(app, [*words, "lopsided"]) == 0
    assert (pd.read_csv(tmp_path / "tables" / "lopsided.csv")["replicates"] == 20).all()
    for name in ("training.csv", "dependence.png"):
        assert (tmp_path / "tables" / name).read_bytes() == (TABLES / name).read_bytes()
    studies = {
        place: json.loads((place / "manifest.json").read_text(encoding="utf-8"))["studies"] for place in (TABLES, tmp_path / "tables")
    }
    assert list(studies[tmp_path / "tables"]) == list(studies[TABLES])
    assert studies[tmp_path / "tables"]["training"] == studies[TABLES]["training"]
    assert studies[tmp_path / "tables"]["lopsided"] != studies[TABLES]["lopsided"]
    assert run_app(app, [*words, "nothing"]) == 2
