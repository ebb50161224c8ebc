"""The commands ``analyse crossed``, ``analyse alignment`` and ``analyse attribution``."""

from __future__ import annotations

from math import isnan

from empirical.commands.options import Changes, Config, Out, SeedChange, with_seed
from empirical.vlm.out_of_memory import batch_size_advice, report_out_of_memory
from see_in_pairs.console import Quiet, log, new_app

app = new_app("What explains a score: patients, references, seeds; where in the picture it comes from; how images and answers align.")


@app.command("crossed")
def crossed(config: Config, out: Out, changes: Changes = None, seed: SeedChange = None, quiet: Quiet = False) -> None:
    """Score every patient beside every reference with every model; run again to resume."""
    from empirical.analysis.crossed import CrossedConfig, crossed_scores
    from see_in_pairs.configs import load_config

    settings = load_config(CrossedConfig, config, with_seed(changes, seed))
    with report_out_of_memory(batch_size_advice(settings.batch_size)):
        table = crossed_scores(settings, out, quiet=quiet)
    log(f"{len(table)} logits: {out / 'crossed.parquet'}", quiet)


@app.command("alignment")
def alignment(config: Config, out: Out, changes: Changes = None, seed: SeedChange = None, quiet: Quiet = False) -> None:
    """Measure CKA and the gap between images and answers, layer by layer, in each arm of an evaluation's config."""
    from empirical.analysis.arms import report_alignment
    from empirical.evaluation.config import EvaluateConfig
    from see_in_pairs.configs import load_config

    settings = load_config(EvaluateConfig, config, with_seed(changes, seed))
    with report_out_of_memory(batch_size_advice(settings.batch_size)):
        table = report_alignment(settings, out, quiet=quiet)
    log(f"{len(table)} rows: {out / 'alignment.csv'}", quiet)


@app.command("attribution")
def attribution(config: Config, out: Out, changes: Changes = None, seed: SeedChange = None, quiet: Quiet = False) -> None:
    """Measure how much of the evidence lies on the lesion, where its mask is known, in each arm of an evaluation's config."""
    from empirical.analysis.arms import report_attribution
    from empirical.evaluation.config import EvaluateConfig
    from see_in_pairs.configs import load_config

    settings = load_config(EvaluateConfig, config, with_seed(changes, seed))
    with report_out_of_memory(batch_size_advice(settings.batch_size)):
        summary = report_attribution(settings, out, quiet=quiet)
    for row in summary.to_dict("records"):
        interval = "one patient, no interval" if isnan(row["low"]) else f"{row['low']:+.3f} to {row['high']:+.3f}"
        log(f"{row['run_id']}, {row['method']}: {row['excess']:+.3f} ({interval}) more on the lesion than by chance", quiet)
