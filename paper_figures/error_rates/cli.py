"""``python -m paper_figures.error_rates --out WORK``: run the error-rate studies, or their missing parts, and write their tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from see_in_pairs import console
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

MANIFEST_KEYS = ("package", "version", "git_commit", "libraries", "hardware", "started", "finished", "counts", "seed")
"""The part of a study's manifest that is kept with the tables: without the folders of the machine."""


def error_rates(
    out: Annotated[Path, typer.Option("--out", metavar="WORK", help="Folder for the replicates; run again to resume.")],
    tables: Annotated[Path | None, typer.Option("--tables", metavar="DIR", help="Folder for the tables; by default in WORK.")] = None,
    workers: Annotated[int, typer.Option("--workers", min=-1, help="Processes; -1 for one per core.")] = 1,
    study: Annotated[list[str] | None, typer.Option("--study", metavar="NAME", help="This one only; the others stay as they are.")] = None,
    replicates: Annotated[int | None, typer.Option("--replicates", min=2, help="Fewer of them, for a trial.")] = None,
    quiet: console.Quiet = False,
) -> None:
    """Run the error-rate studies (about half an hour on one core) and write tables, figures and a manifest."""
    from paper_figures.error_rates.tables import FRACTIONS, NAMES, measure
    from see_in_pairs.files import read_json, write_json

    folder = tables or out / "tables"
    unknown = [name for name in study or () if name not in (*NAMES, *FRACTIONS)]
    if unknown:
        raise InputError(f"--study {unknown[0]}: no such study; there are {', '.join((*NAMES, *FRACTIONS))}")
    found, manifests = _kept(folder) if study else ({}, {})
    for name in study or NAMES:
        console.log(f"{name} ...", quiet)
        results = _run(name, out, workers, replicates, quiet)
        found[name] = measure(results, ("mean:width",) if name.startswith("factors_off_null") else ())
        manifests[name] = {key: value for key, value in read_json(out / name / "manifest.json").items() if key in MANIFEST_KEYS}
    ran = list(study or NAMES)
    if fractions := [name for name in ran if name in FRACTIONS]:
        _write_fractions({name: found[name] for name in fractions}, folder)
    if rest := [name for name in ran if name not in FRACTIONS]:
        _write({name: found[name] for name in NAMES if name in found}, folder, rest)
    ordered = {name: manifests[name] for name in (*NAMES, *FRACTIONS) if name in manifests}
    write_json(folder / "manifest.json", {"command": "python -m paper_figures.error_rates --out WORK", "studies": ordered})
    console.log(f"tables and figures are in {folder}", quiet)


def _kept(folder: Path) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Tables of all studies in a folder, in their order, and how each was made."""
    import pandas as pd

    from paper_figures.error_rates.tables import FRACTIONS, NAMES
    from see_in_pairs.files import read_json

    found = {name: pd.read_csv(folder / f"{name}.csv") for name in (*NAMES, *FRACTIONS) if (folder / f"{name}.csv").exists()}
    manifest = read_json(folder / "manifest.json")["studies"] if (folder / "manifest.json").exists() else {}
    return found, {name: manifest[name] for name in found if name in manifest}


def _run(name: str, out: Path, workers: int, replicates: int | None, quiet: bool) -> Any:
    from paper_figures.error_rates import factors
    from paper_figures.error_rates.tables import STUDIES
    from theory.sweeps import Study, run

    # a fraction of a large grid, which is shorter in Python than in YAML
    made = factors.study(name.removeprefix("factors_")) if name.startswith("factors_") else Study.load(STUDIES / f"{name}.yaml")
    return run(made, out / name, workers=workers, quiet=quiet, replicates=replicates)


def _write_fractions(found: dict[str, pd.DataFrame], folder: Path) -> None:
    """Write the new tables; if all exist, and a README with marks for them, also the tables in the README."""
    from paper_figures.error_rates import factors
    from paper_figures.error_rates.tables import with_tables
    from see_in_pairs.files import write_text

    for name, table in found.items():
        write_text(folder / f"{name}.csv", factors.tidy(table).to_csv(index=False))
    page = folder / "README.md"
    if page.exists() and all((folder / f"factors_{name}.csv").exists() for name in factors.NAMES):
        write_text(page, with_tables(page.read_text(encoding="utf-8"), factors.summary(folder)))


def _write(found: dict[str, pd.DataFrame], folder: Path, ran: Sequence[str]) -> None:
    """Write the new tables, the page of all tables, and the figures of the new ones."""
    from paper_figures.error_rates import figure
    from paper_figures.error_rates.tables import page
    from paper_figures.plotting import style
    from see_in_pairs.files import atomic_path, write_text

    for name in ran:
        write_text(folder / f"{name}.csv", found[name].to_csv(index=False))
    write_text(folder / "tables.md", page(found))
    drawings: dict[str, tuple[tuple[str, ...], Any]] = {
        "sizes_accuracy": (
            ("accuracy",),
            lambda one: figure.sizes(one, figure.ACCURACY, "How often a paired accuracy test rejects a true null"),
        ),
        "sizes_auroc": (("auroc",), lambda one: figure.sizes(one, figure.AUROC, "How often a paired AUROC test rejects a true null")),
        "dependence": (("references", "training"), figure.dependence),
    }
    with style.house_style():
        for name, (needed, draw) in drawings.items():
            if set(needed) & set(ran) and set(needed) <= set(found):
                with atomic_path(folder / f"{name}.png") as path:
                    draw(*(found[one] for one in needed)).savefig(path, format="png", dpi=110, metadata={"Software": None})


app = console.new_app("How often the tests reject when they should not, and when they should.")
app.command()(error_rates)
