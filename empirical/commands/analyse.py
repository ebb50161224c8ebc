"""The commands ``analyse crossed``, ``analyse alignment`` and ``analyse attribution``."""

from __future__ import annotations

from math import isnan

from empirical.commands.options import config_path, with_seed
from empirical.vlm.out_of_memory import batch_size_advice, report_out_of_memory
from see_in_pairs.console import Changes, Config, Out, Quiet, SeedChange, log, new_app

app = new_app("Explain scores: whose variance, which pixels, which layers.")


@app.command("crossed")
def crossed(config: Config, out: Out, changes: Changes = None, seed: SeedChange = None, quiet: Quiet = False) -> None:
    """Score every patient beside every reference. This is done with every model of the config. Run again to resume."""
    from empirical.analysis.crossed import CrossedConfig, crossed_scores
    from see_in_pairs.configs import load_config

    settings = load_config(CrossedConfig, config_path(config, "analyse crossed"), with_seed(changes, seed))
    with report_out_of_memory(batch_size_advice(settings.batch_size)):
        table = crossed_scores(settings, out, quiet=quiet)
    log(f"{len(table)} logits: {out / 'crossed.parquet'}", quiet)


@app.command("alignment")
def alignment(config: Config, out: Out, changes: Changes = None, seed: SeedChange = None, quiet: Quiet = False) -> None:
    """Measure the alignment of representations, layer by layer.

    CKA and the gap between images and answers, in each arm of an evaluation's config.

    The CKA is measured with and without the mean of each class, together with the share of the variance explained by the class. Config: as
    for an evaluation, with 'items' for a random sample of the queries (--set items=300).
    """
    from empirical.analysis.arms import AlignmentConfig, report_alignment
    from see_in_pairs.configs import load_config

    settings = load_config(AlignmentConfig, config_path(config, "evaluate"), with_seed(changes, seed))
    with report_out_of_memory(batch_size_advice(settings.batch_size)):
        table = report_alignment(settings, out, quiet=quiet)
    last = table[table["layer"] == table["layer"].max()].set_index(["run_id", "measure"])
    for run in dict.fromkeys(table["run_id"]):
        rows = last.loc[run]
        cka, residual, images, answers = (
            interval(rows["value"][name], rows["low"][name], rows["high"][name], form)
            for name, form in (
                ("debiased_cka", ".3f"),
                ("residual_debiased_cka", ".3f"),
                ("label_share_images", ".1%"),
                ("label_share_answers", ".1%"),
            )
        )
        log(f"{run}, last layer: CKA {cka} unchanged, {residual} with class means removed (both without the bias of few items)", quiet)
        log(f"{run}, last layer: the class explains {images} of the images' variance, {answers} of the answers'", quiet)
    log(f"{len(table)} rows: {out / 'alignment.csv'}; over layers: {out / 'alignment.png'}", quiet)


@app.command("attribution")
def attribution(config: Config, out: Out, changes: Changes = None, seed: SeedChange = None, quiet: Quiet = False) -> None:
    """Measure how much of the evidence is on the lesion.

    Also on a sham place, and on each picture, in each arm of an evaluation's config.

    The place of a lesion is known if the cohort has masks (a phantom has). Config: as for an evaluation, with 'items' (number of queries,
    half with a lesion and half healthy), 'steps' (most gradients for an item) and 'grid' (squares per side for occlusion).
    """
    from empirical.analysis.arms import AttributionConfig, report_attribution
    from see_in_pairs.configs import load_config

    settings = load_config(AttributionConfig, config_path(config, "evaluate"), with_seed(changes, seed))
    with report_out_of_memory(batch_size_advice(settings.batch_size)):
        summary = report_attribution(settings, out, quiet=quiet)
    for row in summary.to_dict("records"):
        beyond = interval(row["excess"], row["low"], row["high"])
        sham, contrast = (interval(*(row[f"{name}{end}"] for end in ("", "_low", "_high"))) for name in ("sham", "contrast"))
        beside = interval(row["reference_share"], row["reference_share_low"], row["reference_share_high"], ".1%")
        where = f"{row['run_id']}, {row['method']}"
        log(f"{where}: {beyond} more on the lesion than by chance, {sham} on a sham place; difference {contrast}", quiet)
        log(f"{where}: {beside} of the positive attribution is outside the query's picture", quiet)


def interval(value: float, low: float, high: float, form: str = "+.3f") -> str:
    """Write a value with its interval.

    Examples
    --------
    >>> interval(0.25, 0.125, 0.5), interval(0.25, float("nan"), float("nan"), ".1%"), interval(float("nan"), 0, 0)
    ('+0.250 (+0.125 to +0.500)', '25.0% (no interval)', 'no value')
    """
    if isnan(value):
        return "no value"
    return f"{value:{form}} (no interval)" if isnan(low) else f"{value:{form}} ({low:{form}} to {high:{form}})"
