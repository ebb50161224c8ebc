"""Plots of a sweep: every number shown is right and in the CSV, the files carry their provenance, and what cannot be shown is one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from paper_figures.cli import app
from paper_figures.plotting.staleness import check_figure
from paper_figures.sweep_plots import KINDS, draw_sweep, heat_map, lolly, nested_loop, plot_data, zip_plot
from paper_figures.sweep_plots.plot_data import PlotData, PlotRequest
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from theory.sweeps import Results, Study, run
from theory.sweeps.performance.table import performance


def normal_block(*, rng, replicates, mu, spread):
    return mu + spread * rng.standard_normal((replicates, 10))


def mean(data):
    estimate, se = data.mean(axis=1), data.std(axis=1, ddof=1) / np.sqrt(10)
    return {"estimate": estimate, "se": se, "lower": estimate - 2.262 * se, "upper": estimate + 2.262 * se}


def shrunk(data):
    return {name: 0.8 * value for name, value in mean(data).items()}


def no_interval(data):
    return {"estimate": np.median(data, axis=1)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from theory.sweeps.registry import register

    register("generator", "normal block", normal_block, vectorised=True)
    for method in (mean, shrunk, no_interval):
        register("method", method.__name__, method, vectorised=True)
    study = Study(
        name="plots", aims="Means of ten. Is shrinking good?", generate="normal block", methods=["mean", "shrunk", "no_interval"],
        estimand=_truth, grid={"mu": [0.0, 1.0, 3.0], "spread": [0.5, 2.0]}, replicates=300, block=100, entropy=7,
    )  # fmt: skip
    out = tmp_path_factory.mktemp("sweep")
    run(study, out)
    return out


def _truth(*, mu):
    return mu


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    return Results.open(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_with_its_data_and_provenance(folder: Path, tmp_path: Path, kind: str) -> None:
    where = {"mu": "1"} if kind == "zip" else {}
    drawn = draw_sweep(folder, kind, PlotRequest("coverage", where=where), tmp_path)
    for suffix in (".png", ".pdf", ".csv"):
        assert drawn.with_suffix(suffix).stat().st_size > 500
    with Image.open(drawn) as image:
        assert min(image.size) > 400
        assert len(image.convert("RGB").resize((200, 200)).getcolors(40_000)) > 20
    found = check_figure(drawn)
    assert found.fresh
    assert any(name.endswith("study.yaml") for name in found.provenance.sources)
    assert f"paper_figures.sweep_plots.{KINDS[kind]}" in found.provenance.modules
    assert found.provenance.seed == 7


def test_the_same_sweep_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    first, second = (draw_sweep(folder, "lolly", PlotRequest("bias"), tmp_path / name).read_bytes() for name in "ab")
    assert first == second


def test_a_figure_of_an_extended_sweep_is_stale(folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    drawn = draw_sweep(copy, "lolly", PlotRequest("bias"))
    assert drawn.parent == copy / "figures"
    assert check_figure(drawn).fresh
    next((copy / "blocks").glob("[0-9]*.parquet")).write_bytes(b"more")
    assert any("has changed since" in reason for reason in check_figure(drawn).reasons)


def test_nested_loops_come_in_order_and_show_performance(results: Results) -> None:
    shown = nested_loop.collect(results, PlotRequest("bias")).data
    cells = shown.drop_duplicates("place")
    assert cells["place"].tolist() == [0, 1, 2, 3, 4, 5]
    assert list(zip(cells["mu"], cells["spread"], strict=True)) == [(mu, s) for mu in (0.0, 1.0, 3.0) for s in (0.5, 2.0)]
    expected = performance(results, ["bias"]).set_index(["mu", "spread", "method"])
    for row in shown.itertuples():
        assert (row.value, row.mcse) == tuple(expected.loc[(row.mu, row.spread, row.method), ["value", "mcse"]])


def test_loops_are_sorted_even_where_cells_are_not() -> None:
    table = pd.DataFrame({"a": [2, 1, 2, 1], "b": [1, 1, 0, 0], "method": "m", "value": 0.0})
    placed = nested_loop.number_cells(table, ["a", "b"])
    assert placed[["a", "b"]].to_numpy().tolist() == [[2, 1], [2, 0], [1, 1], [1, 0]]  # levels in the order of the design
    assert placed["place"].tolist() == [0, 1, 2, 3]


def test_the_mean_estimate_stands_beside_the_truth(results: Results) -> None:
    shown = nested_loop.collect(results, PlotRequest("estimate")).data
    frame = results.to_frame().merge(results.cells[["cell", "mu", "spread"]])
    means = frame.groupby(["mu", "spread", "method"])["estimate"].mean()
    for row in shown.itertuples():
        assert row.value == pytest.approx(means[row.mu, row.spread, row.method], abs=1e-12)
        assert row.truth == row.mu


def test_a_zip_is_sorted_by_z_and_colours_what_misses(results: Results) -> None:
    shown = zip_plot.collect(results, PlotRequest("coverage", ("mean", "shrunk"), {"mu": "3", "spread": ".5"})).data
    assert len(shown) == 600
    for _, rows in shown.groupby("method"):
        z = ((rows["lower"] + rows["upper"]) / 2 - 3.0).abs() / (rows["upper"] - rows["lower"])
        assert z[rows["centile"].sort_values().index].is_monotonic_increasing
        assert (rows["covers"] == ((rows["lower"] <= 3) & (rows["upper"] >= 3))).all()
        assert rows["covers"].mean() == pytest.approx(rows["coverage"].iloc[0])
        assert rows.loc[~rows["covers"], "centile"].min() >= rows.loc[rows["covers"], "centile"].max() - 1e-12


def test_a_method_without_intervals_is_left_out_of_a_zip(results: Results) -> None:
    assert set(zip_plot.collect(results, PlotRequest("coverage", where={"mu": "1"})).data["method"]) == {"mean", "shrunk"}
    with pytest.raises(InputError, match="no method gives an interval"):
        zip_plot.collect(results, PlotRequest("coverage", ("no_interval",)))


def test_a_heat_map_needs_two_factors(results: Results) -> None:
    assert heat_map.collect(results, PlotRequest("bias", ("mean",))).factors == ["spread", "mu"]
    assert heat_map.collect(results, PlotRequest("bias", ("mean",), x="mu")).factors == ["mu", "spread"]
    for request, message in (
        (PlotRequest("bias", where={"mu": "1"}), "needs two factors that vary"),
        (PlotRequest("bias", x="nu"), "factor 'nu': does not vary here \\(these do: mu, spread\\)"),
        (PlotRequest("bias", x="mu", y="mu"), "give two different factors"),
    ):
        with pytest.raises(InputError, match=message):
            heat_map.collect(results, request)


def test_too_much_is_refused_with_the_way_out(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lolly, "MAX_CELLS", 3)
    monkeypatch.setattr(zip_plot, "MAX_PANELS", 3)
    monkeypatch.setattr(heat_map, "MAX_PANELS", 2)
    for module in (lolly, zip_plot, heat_map):
        with pytest.raises(InputError, match=r"do not fit .*--where FACTOR=LEVEL"):
            module.collect(results, PlotRequest("coverage"))


def test_the_command_draws_and_says_what_is_wrong(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def plot(*words: str) -> tuple[int, str, str]:
        code = run_app(app, ["sweep", "plot", str(folder), *words])
        printed = capsys.readouterr()
        return code, printed.out.strip(), printed.err.strip()

    code, out, _ = plot("--kind", "heat-map", "--measure", "rmse", "--method", "mean", "--x", "mu", "--out", str(tmp_path), "--name", "map")
    assert (code, out) == (0, str(tmp_path / "map.png"))
    table = pd.read_csv(tmp_path / "map.csv")
    assert len(table) == 6
    assert table["mcse"].gt(0).all()
    for words, message in (
        (("--kind", "pie"), "--kind pie: must be one of nested-loop, zip, lolly, heat-map"),
        (("--measure", "biass"), "measure 'biass': unknown"),
        (("--method", "mode"), "--method mode: not in this sweep (there are mean, shrunk, no_interval)"),
        (("--where", "mu=7"), "--where mu=7: no such level (there are 0.0, 1.0, 3.0)"),
        (("--where", "nu=7"), "--where nu=7: no such factor (there are mu, spread)"),
        (("--where", "mu"), "--where mu: write FACTOR=LEVEL"),
        (("--measure", "power"), "measure 'power': nothing to show (no null value given)"),
    ):
        code, _, said = plot(*words)
        assert code == 2
        assert message in said
        assert said.count("\n") == 0
    assert run_app(app, ["sweep", "plot", str(tmp_path)]) == 2


def test_the_caption_counts_what_failed() -> None:
    table = pd.DataFrame({"completed": [90, 100], "failed": [10, 0], "value": [1.0, np.nan]})
    said = plot_data.replicates_sentence(table)
    assert "90 to 100 completed replicates per cell" in said
    assert "at most 10 failed in a cell" in said
    assert "1 of 2 numbers cannot be given" in said


@pytest.mark.filterwarnings("error")
def test_open_intervals_are_drawn_and_those_that_miss_stand_on_top(tmp_path: Path) -> None:
    ends = {"lower": [-np.inf, 0.5, -np.inf, -1.0, -0.2, -3.0], "upper": [np.inf, np.inf, -0.5, 1.0, np.inf, -2.0]}
    row = {"method": "open", "truth": 0.0, "value": 0.5, "mcse": 0.2}
    ranked = zip_plot._ranked(pd.DataFrame(ends), row, [])
    assert ranked["covers"].tolist() == [True, False, False, True, True, False]
    assert ranked.loc[~ranked["covers"], "centile"].min() > ranked.loc[ranked["covers"], "centile"].max()
    figure = zip_plot.draw(PlotData(ranked, [], "coverage", "open", ""))
    figure.savefig(tmp_path / "open.png")
    drawn = [path.vertices for lines in figure.axes[0].collections[:2] for path in lines.get_paths()]
    assert len(drawn) == 6 and all(np.isfinite(vertices).all() for vertices in drawn)
