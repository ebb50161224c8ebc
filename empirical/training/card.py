"""The run card: the README of a finetuned model or adapter."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.training.config import FinetuneConfig

if TYPE_CHECKING:
    import pandas as pd

    from empirical.cohorts import Cohort

LAST = 20  # steps whose loss is summed up


def run_card(config: FinetuneConfig, cohort: Cohort, manifest: dict[str, Any], shown: pd.DataFrame, history: list[dict[str, Any]]) -> str:
    """Write the card.

    Parameters
    ----------
    config : FinetuneConfig
        The run.
    cohort : Cohort
        What it was trained on.
    manifest : dict
        Of the run.
    shown : pandas.DataFrame
        The plan: ``item_id``, ``reference_ids`` and ``step`` of each row.
    history : list of dict
        The Trainer's log.

    Returns
    -------
    str
        Markdown, as the Hub reads it.
    """
    import jinja2
    import yaml

    source = (resources.files("empirical.training") / "card.jinja").read_text(encoding="utf-8")
    template = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True).from_string(source)
    losses = [row for row in history if "loss" in row]
    steps = losses[-1]["step"] if losses else 0
    seen = shown[shown["step"] < steps]  # early stopping leaves the rest of the plan unseen
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
        last=_summary([row["loss"] for row in losses][-LAST:]),
        validation=_best(history, manifest),
        yaml=yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False),
    )


def _summary(losses: list[float]) -> dict[str, float]:
    mean = float(np.mean(losses))
    half = 1.96 * float(np.std(losses, ddof=1)) / np.sqrt(len(losses)) if len(losses) > 1 else float("nan")
    return {"n": len(losses), "mean": mean, "low": mean - half, "high": mean + half}


def _best(history: list[dict[str, Any]], manifest: dict[str, Any]) -> dict[str, Any] | None:
    looks = [row for row in history if "eval_loss" in row]
    if not looks:
        return None
    best = min(looks, key=lambda row: row["eval_loss"])
    return {"best": best["eval_loss"], "step": best["step"], "n": manifest["n_validation"]}
