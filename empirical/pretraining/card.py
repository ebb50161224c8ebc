"""The model card of a pretrained pocket VLM."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

from empirical.pretraining.config import PretrainConfig

if TYPE_CHECKING:
    import pandas as pd


def model_card(config: PretrainConfig, evaluation: pd.DataFrame, manifest: dict[str, Any], weights: int) -> str:
    """Write the card, in Markdown as the Hub reads it, from the evaluation table and the run's manifest."""
    import jinja2

    source = (resources.files("empirical.pretraining") / "card.md.j2").read_text(encoding="utf-8")
    template = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True).from_string(source)
    hardware = manifest["hardware"]
    return template.render(
        name="See-in-Pairs pocket VLM",
        weights=weights,
        architecture={"idefics3": "Idefics3", "internvl": "InternVL"}[config.model.architecture],
        questions=config.steps * config.batch_size,
        seed=config.seed,
        origin="was trained from nothing" if config.start is None else f"went on from `{config.start}`",
        alike=_alike(config),
        kinds=", ".join(config.kinds),
        easiest=config.hardness.easiest,
        target=config.hardness.target,
        command=_command(manifest["command_line"]),
        steps=config.steps,
        batch=config.batch_size,
        rate=config.learning_rate,
        seconds=round(manifest["counts"].get("training_seconds", 0)),
        hardware=", ".join(f"{key}: {value}" for key, value in hardware.items()),
        version=manifest["version"],
        commit=f" at {manifest['git_commit'][:12]}" if manifest["git_commit"] else "",
        n=int(evaluation["questions"].iloc[0]),
        rows=evaluation.to_dict("records"),
        size=config.model.image_size,
    )


def _alike(config: PretrainConfig) -> str:
    likeness = config.hardness.likeness
    return "" if likeness == 1 else f"; backgrounds of `new` and `where` have a correlation of down to {likeness:g}"


def _command(words: list[str]) -> str:
    """Write a command out, without the folder that its result went to."""
    return " ".join("DIR" if before == "--out" else word for before, word in zip(["", *words], words, strict=False))
