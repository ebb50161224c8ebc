"""The command ``bridge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from see_in_pairs.console import Json, Out, Quiet, Seed, emit_json, log


def bridge(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="Folder of a training study on cohorts of inserted lesions.")],
    out: Out,
    json: Json = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Set predicted beside observed gains of a training study.

    For each arm with a reference that was compared with the single image: what the reference shares with the query at the lesion, measured
    by linear observers; the gain that theory and observers predict from it at the model's own separation; and the gain that the finetuned
    model shows. Writes bridge.csv and figures/bridge.png with .pdf and .csv. Run again when more parts of the study are finished.
    """
    from paper_figures.observers.bridge import TABLES, build_bridge, read_study, study_cohorts
    from paper_figures.observers.bridge_figure import save_bridge
    from see_in_pairs.files import write_text
    from see_in_pairs.runs import RunFolder, begun_before

    settings = read_study(study)
    cohorts = study_cohorts(settings, study, quiet)
    identity = {"study": begun_before(study).get("config_hash"), "cohorts": {name: cohort.hash for name, cohort in cohorts.items()}}
    inputs = [study / name for name in TABLES]
    with RunFolder(out, "bridge", identity, seed=seed, inputs=inputs) as run:
        table = build_bridge(study, cohorts, settings, run.path, seed, quiet)
        run.count("rows", len(table))
        write_text(run.path / "bridge.csv", table.to_csv(index=False, float_format="%.6g"))
        save_bridge(table, run.path, seed)
    if json is not None:
        emit_json({"bridge": table.to_dict("records")}, json)
    else:
        print("gain in AUROC over the single image: predicted by theory and by observers, and observed, with 95 % intervals")
        shown = table[["cohort", "arm", "n_train", "trainings"]].copy()
        for name in ("theory", "observers", "observed"):
            ends = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
            shown[name] = ["" if value != value else f"{value:+.3f} [{low:+.3f}, {high:+.3f}]" for value, low, high in ends]
        print(shown.to_string(index=False))
    log(f"written: {out / 'bridge.csv'}, {out / 'figures' / 'bridge.png'}", quiet)
