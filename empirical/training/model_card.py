"""The run card: the README of a finetuned model or adapter."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.training.config import FinetuneConfig
from empirical.vlm.model_id import resolve

if TYPE_CHECKING:
    import pandas as pd

    from empirical.cohorts import Cohort

LAST = 20  # steps whose loss is summarised


def run_card(config: FinetuneConfig, cohort: Cohort, manifest: dict[str, Any], shown: pd.DataFrame, history: list[dict[str, Any]]) -> str:
    """Write the card, in Markdown as the Hub reads it; `shown` is the plan, a row for each row of a step."""
    import jinja2
    import yaml

    source = (resources.files("empirical.training") / "model_card.jinja").read_text(encoding="utf-8")
    template = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True).from_string(source)
    losses = [row for row in history if "loss" in row]
    steps = losses[-1]["step"] if losses else 0
    seen = shown[shown["step"] < steps]  # with early stopping the rest of the plan is not shown
    return template.render(
        config=config,
        cohort=cohort.info,
        cohort_hash=cohort.hash,
        manifest=manifest,
        parity=manifest["parity"],
        checks=len(manifest.get("doctor", [])),
        command=" ".join(manifest["command_line"]),
        patients=cohort.table.loc[cohort.table["item_id"].isin(seen["item_id"]), "patient_id"].nunique(),
        items=seen["item_id"].nunique(),
        rows=len(seen),
        steps=steps,
        references=len({reference for row in seen["reference_ids"] for reference in row}),
        trainable=manifest["weights"]["trainable"],
        total=manifest["weights"]["total"],
        loss=_loss([row["loss"] for row in losses][-LAST:]),
        on_hub=not Path(resolve(config.model.name)).is_dir(),
        validation=_validation(history, manifest),
        yaml=yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False),
    )


def _loss(losses: list[float]) -> str:
    """Summarise the finite losses of the last steps."""
    known = [loss for loss in losses if np.isfinite(loss)]
    if not known:
        return "The training loss was not recorded, or was never finite."
    from scipy.special import stdtrit

    mean, number = float(np.mean(known)), len(known)
    if number == 1:
        return f"Loss (nats per answer token) at the last step: {mean:.4f}; one step says nothing about its spread."
    half = float(stdtrit(number - 1, 0.975) * np.std(known, ddof=1) / np.sqrt(number))
    interval = f"95 % interval over steps {mean - half:.4f} to {mean + half:.4f}; steps of one run are not independent: read it as a spread"
    lost = f" At {len(losses) - number} more it was not finite." if number < len(losses) else ""
    return f"Loss (nats per answer token) over the last {number} steps: mean {mean:.4f} ({interval}).{lost}"


def _validation(history: list[dict[str, Any]], manifest: dict[str, Any]) -> str:
    validations = [row for row in history if "eval_loss" in row]
    known = [row for row in validations if np.isfinite(row["eval_loss"])]
    if not known:
        return "The validation loss was never finite." if validations else "No validation loss was computed."
    best = min(known, key=lambda row: row["eval_loss"])
    words = f"best {best['eval_loss']:.4f} at step {best['step']}, on {manifest['n_validation']} items"
    kept = manifest.get("weights_of_step", best["step"])
    if kept == best["step"]:
        return f"Validation loss: {words}; the weights are those of that step."
    return f"Validation loss: {words}, which did not count since it was on the plateau; the weights are those of step {kept}."
