"""``python -m paper_figures.error_rates --out WORK``: run the error-rate studies, or what is missing of them, and write their tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from see_in_pairs import console

if TYPE_CHECKING:
    import pandas as pd

MANIFEST_KEYS = ("package", "version", "git_commit", "libraries", "hardware", "started", "finished", "counts", "seed")
"""What of a study's manifest stands beside the tables: nothing that is about one machine's folders."""


def error_rates(
    out: Annotated[Path, typer.Option("--out", metavar="WORK", help="Folder for the replicates; run again to resume.")],
    tables: Annotated[Path | None, typer.Option("--tables", metavar="DIR", help="Folder for the tables; by default in WORK.")] = None,
    workers: Annotated[int, typer.Option("--workers", min=-1, help="Processes; -1 for one per core.")] = 1,
    replicates: Annotated[int | None, typer.Option("--replicates", min=2, help="Fewer of them, for a trial.")] = None,
    quiet: console.Quiet = False,
) -> None:
    """Run the error-rate studies (about fifteen minutes on one core) and write tables, figures and a manifest."""
    from paper_figures.error_rates.tables import NAMES, measure
    from see_in_pairs.files import read_json, write_json

    found: dict[str, pd.DataFrame] = {}
    manifests: dict[str, Any] = {}
    for name in NAMES:
        console.log(f"{name} ...", quiet)
        found[name] = measure(_run(name, out, workers, replicates, quiet))
        manifests[name] = {key: value for key, value in read_json(out / name / "manifest.json").items() if key in MANIFEST_KEYS}
    folder = tables or out / "tables"
    _write(found, folder)
    write_json(folder / "manifest.json", {"command": "python -m paper_figures.error_rates --out WORK", "studies": manifests})
    console.log(f"tables and figures are in {folder}", quiet)


def _run(name: str, out: Path, workers: int, replicates: int | None, quiet: bool) -> Any:
    from paper_figures.error_rates.tables import STUDIES
    from theory.sweeps import Study, run

    return run(Study.load(STUDIES / f"{name}.yaml"), out / name, workers=workers, quiet=quiet, replicates=replicates)


def _write(found: dict[str, pd.DataFrame], folder: Path) -> None:
    from paper_figures.error_rates import figure
    from paper_figures.error_rates.tables import page
    from paper_figures.plotting import style
    from see_in_pairs.files import atomic_path, write_text

    for name, table in found.items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False))
    write_text(folder / "tables.md", page(found))
    with style.house_style():
        drawn = {
            "sizes_accuracy": figure.sizes(found["accuracy"], figure.ACCURACY, "How often a paired accuracy test rejects a true null"),
            "sizes_auroc": figure.sizes(found["auroc"], figure.AUROC, "How often a paired AUROC test rejects a true null"),
            "dependence": figure.dependence(found["references"], found["training"]),
        }
        for name, one in drawn.items():
            with atomic_path(folder / f"{name}.png") as path:
                one.savefig(path, format="png", dpi=110, metadata={"Software": None})


app = console.new_app("How often the tests reject when they should not, and when they should.")
app.command()(error_rates)
