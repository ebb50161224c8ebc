"""`dir()` of a package, its ``__all__`` and its page of the reference name the same things; the packages are typed."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import tomllib
import typing
from pathlib import Path

import pytest

from tests.house.measure import ROOT, modules

sys.path.append(str(ROOT / "docs" / "_ext"))
api = importlib.import_module("api")

WITH_NAMES = [name for name, path in modules().items() if path.name == "__init__.py" and hasattr(importlib.import_module(name), "__all__")]


@pytest.mark.parametrize("package", WITH_NAMES)
def test_dir_of_a_package_lists_what_it_offers(package: str) -> None:
    module = importlib.import_module(package)
    assert dir(module) == sorted(module.__all__)
    assert len(module.__all__) <= 60
    for name in module.__all__:
        getattr(module, name)


@pytest.mark.parametrize("package", api.PACKAGES)
def test_the_page_of_a_package_documents_each_name_once(package: str) -> None:
    offered = [name for name in importlib.import_module(package).__all__ if not name.startswith("__")]
    assert sorted(api.page_names(package)) == sorted(offered)


@pytest.mark.parametrize("package", api.PACKAGES)
def test_a_page_has_headings_with_a_sentence_and_a_directive_for_each_name(package: str) -> None:
    text = "\n".join(api.members(package))
    for heading, sentence, names in api.GROUPS[package]:
        assert sentence.endswith(".")
        assert f"{heading}\n{'-' * len(heading)}\n\n{sentence}\n" in text
        for name in names.split():
            assert re.search(rf"(:: |`)([\w.]+\.)?{name}\b", text), name


def test_a_page_names_the_examples_of_the_gallery_that_use_a_function() -> None:
    text = "\n".join(api.members("paper_figures.statistics"))
    below = text.partition("autofunction:: paper_figures.statistics.random_factors_contrast")[2].partition(".. auto")[0]
    assert "In the gallery: :doc:`/gallery/statistics/plot_7_several_trainings`" in below
    linked = {page for package in api.PACKAGES for page in re.findall(r":doc:`/gallery/([^`]+)`", "\n".join(api.members(package)))}
    assert linked
    assert all((ROOT / "examples" / f"{page}.py").is_file() for page in linked)


def test_a_module_below_a_package_is_there_without_an_import_of_its_own() -> None:
    import paper_figures

    assert paper_figures.statistics.delong is importlib.import_module("paper_figures.statistics").delong
    assert paper_figures.error_rates is importlib.import_module("paper_figures.error_rates")
    with pytest.raises(AttributeError, match="'paper_figures' has no attribute 'statistic'"):
        _ = paper_figures.statistic


@pytest.mark.parametrize("package", ["see_in_pairs", "theory", "empirical", "paper_figures"])
def test_a_package_says_that_it_is_typed_and_the_wheel_holds_the_marker(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    assert "py.typed" in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"][package]


def _takes_paths() -> list[tuple[str, str]]:
    """Every exported function, class and method with a parameter that takes a path, and the annotation of that parameter."""
    found = []
    for package in WITH_NAMES:
        for name in importlib.import_module(package).__all__:
            thing = getattr(importlib.import_module(package), name)
            if inspect.isclass(thing):
                methods = {key: value for key, value in inspect.getmembers(thing) if inspect.isroutine(value) and callable(value)}
                called = {key: value for key, value in methods.items() if key in vars(thing) and (key == "__init__" or key[0] != "_")}
                if hasattr(thing, "__dataclass_fields__"):  # made by a reader of the package, from a path that it has checked
                    called.pop("__init__", None)
            else:
                called = {"": thing} if inspect.isfunction(thing) else {}
            for key, function in called.items():
                for parameter in inspect.signature(function).parameters.values():
                    if re.search(r"\bPath\b", str(parameter.annotation)):
                        found.append((f"{package}.{name}.{key}({parameter.name})", str(parameter.annotation)))
    return found


@pytest.mark.parametrize(("parameter", "annotation"), _takes_paths())
def test_whoever_takes_a_path_takes_text(parameter: str, annotation: str) -> None:
    assert re.search(r"\bstr\b", annotation), parameter


def test_paths_as_text_work(tmp_path: Path) -> None:
    import empirical
    import paper_figures
    from theory.sweeps import Study, read_results, run

    made = empirical.make_phantom(empirical.PhantomConfig(size=40, n_train=2, n_val=0, n_test=4), str(tmp_path / "phantom"), seed=0)
    assert empirical.Cohort.load(str(made.folder)).table.equals(made.table)
    truth = empirical.PhantomTruth.load(str(made.folder / "truth.npz"))
    truth.save(str(tmp_path / "again.npz"))
    assert (tmp_path / "again.npz").is_file()
    copied = empirical.import_cohort("folder", str(_images(tmp_path)), str(tmp_path / "cohort"), healthy="ok", positive=["ill"])
    assert len(copied.table) == 8
    study = Study.load("gain", ["replicates=2", "block=2", "grid={p: [2], n_per_class: [20], m: [1], rho: [0.4]}"])
    study.save(str(tmp_path / "gain.yaml"))
    assert Study.load(str(tmp_path / "gain.yaml")).replicates == 2
    run(Study.load(str(tmp_path / "gain.yaml")), str(tmp_path / "sweep"))
    assert len(read_results(str(tmp_path / "sweep")).cells) >= 1
    assert paper_figures.RunResults(str(tmp_path)).folder == tmp_path
    assert typing.get_type_hints(paper_figures.evaluate_claims)["out"] == Path | str


def _images(folder: Path) -> Path:
    from PIL import Image

    for name in ("ok", "ill"):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("L", (32, 32), 40 * number + (5 if name == "ok" else 15)).save(folder / "images" / name / f"{number}.png")
    return folder / "images"


PAGE = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
TASKS = re.findall(r"^\| ([^|`]+?) \| `(from [^`]+)` \| `([^`]+)` \|$", PAGE, re.M)


@pytest.mark.parametrize(("task", "line", "call"), TASKS, ids=[task for task, _, _ in TASKS])
def test_the_import_of_every_task_works(task: str, line: str, call: str) -> None:
    names: dict[str, object] = {}
    exec(line, names)
    function = call.partition("(")[0].partition(".")[0]
    assert callable(names[function]), task
    package = line.split()[1]
    assert package in api.PACKAGES and function in importlib.import_module(package).__all__


def test_the_table_of_tasks_is_read_whole() -> None:
    rows = re.findall(r"^\| (?!I want)[a-z]", PAGE, re.M)
    assert len(rows) == len(TASKS) > 20


def test_what_needs_no_files_runs_as_the_table_of_tasks_says() -> None:
    for task, line, call in TASKS:
        if call.startswith(("value(", "statement(", "plan_study(")):
            names: dict[str, object] = {}
            exec(line, names)
            assert repr(eval(call, names)), task  # noqa: S307
