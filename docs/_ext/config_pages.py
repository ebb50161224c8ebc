"""Tables of the keys of configs: what a config class declares and its docstring says, a row a key, grouped by purpose."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
import api
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "empirical.training.config.FinetuneConfig": {
        "What is trained, on what": (
            "cohort", "arm", "model", "prompts", "method", "lora", "n_train", "curriculum", "references_per_query",
            "augmentation",
        ),
        "How long, in which steps": (
            "steps", "batch_size", "gradient_accumulation", "learning_rate", "warmup", "weight_decay", "adam_beta2", "max_grad_norm",
            "early_stopping",
        ),
        "Memory and speed": ("gradient_checkpointing", "store_features", "features_folder", "threads"),
        "What is kept, checked and reported": ("save_every", "keep_checkpoints", "report_to", "doctor", "allow", "deterministic", "seed"),
    },
    "empirical.evaluation.config.EvaluateConfig": {
        "What is scored": ("cohort", "arms", "model", "prompts", "wordings", "choice_orders", "split", "seed"),
        "How answers are scored": ("spaced", "generate", "max_new_tokens", "calibrate_on"),
        "Memory and speed": ("batch_size", "speed", "threads"),
        "What is checked": ("doctor", "allow", "allow_other_prompt"),
    },
    "empirical.references.config.ReferenceConfig": {
        "All strategies": ("strategy", "m", "reuse", "unmatched", "relax"),
        "Strategy `demographic`": ("columns", "caliper"),
        "Strategy `embedding`": ("model", "band", "band_of"),
        "Strategies `cross_center` and `prior`": ("site", "order"),
        "Alignment to the query": ("align", "detail"),
    },
    "empirical.cohorts.phantom.config.PhantomConfig": {
        "How many": ("n_train", "n_val", "n_test", "relatives", "prevalence", "warmup"),
        "What a query and its healthy relatives share": ("rho", "shares"),
        "The picture": (
            "size", "heart_sd", "lungs_sd", "ribs_sd", "thickness_sd", "gain_sd", "offset_sd", "field_sd", "field_width", "noise_sd",
        ),
        "The lesion": ("lesion",),
        "Another organ, several findings": ("modality", "fundus", "findings"),
    },
    "empirical.cohorts.insertion.config.InsertConfig": {
        "The lesion": ("detectability", "profile", "width", "texture", "darker", "tint", "channels"),
        "Where it can be": ("region", "darkest", "margin"),
        "The images": ("size", "colours"),
        "How many, of which patients": ("lesions_per_image", "fractions", "only_last"),
        "A control that shares a known part": ("made",),
    },
    "empirical.pretraining.config.PretrainConfig": {
        "What is learned": ("model", "start", "kinds", "hardness", "flatten"),
        "How long, in which steps": (
            "steps", "batch_size", "learning_rate", "warmup", "weight_decay", "adam_beta2", "max_grad_norm",
        ),
        "What is kept and measured": ("examine_every", "questions", "save_every", "saved_as", "threads", "deterministic", "seed"),
    },
    "theory.sweeps.study.Study": {
        "The question and its pieces": ("name", "aims", "pieces", "generate", "methods", "estimand", "null"),
        "The cells": ("fixed", "grid", "cells"),
        "How many replicates": ("replicates", "block", "stop", "entropy"),
        "What may go wrong": ("limits", "max_failures"),
    },
}  # fmt: skip
"""Keys of large configs by purpose; a test holds that each key is in one group."""

STEPS = {
    "steps": "Optimiser steps.",
    "batch_size": "Rows in one forward pass, on each device.",
    "learning_rate": "Largest learning rate of AdamW. It rises during `warmup` and then falls along a cosine.",
    "warmup": "Share of the steps in which the learning rate rises.",
    "weight_decay": "Weight decay of AdamW.",
    "adam_beta2": "Decay rate of AdamW's running mean of squared gradients.",
    "max_grad_norm": "Gradients with a larger norm are scaled down to it.",
}
MEANINGS: dict[str, dict[str, str]] = {
    "empirical.training.config.FinetuneConfig": STEPS | {
        "gradient_accumulation": "Forward passes of one optimiser step; the step sees `batch_size` times as many rows.",
    },
    "empirical.training.config.LoraConfig": {
        "rank": "Rank of the update of a weight matrix.",
        "alpha": "Scale of the update, which is multiplied by alpha / rank.",
    },
    "empirical.pretraining.config.PretrainConfig": STEPS | {"batch_size": "Questions in each step."},
    "empirical.pretraining.config.HardnessConfig": {
        "easiest": "Amplitude of shapes at hardness 0, in standard deviations of the background.",
        "target": "Amplitude of shapes at hardness 1, in standard deviations of the background.",
    },
    "empirical.prompts.templates.PromptConfig": {
        "positive": "The answer that means: the finding is there.",
        "negative": "The answer that means: the finding is not there.",
    },
    "empirical.cohorts.phantom.config.PhantomConfig": {
        "n_train": "Families in the split `train`, one query each.",
        "n_val": "Families in the split `val`.",
        "n_test": "Families in the split `test`.",
        "heart_sd": "How much the size of the heart varies: its standard deviation, in units of half the image's side.",
        "lungs_sd": "How far the lungs reach, in the same units.",
        "ribs_sd": "How low the ribs lie, in the same units.",
        "thickness_sd": "How thick the body's outline is, in the same units.",
    },
    "empirical.vlm.pocket.config.PocketConfig": {
        "vision_width": "Width of the vision tower.",
        "vision_layers": "Layers of the vision tower.",
        "width": "Width of the language model.",
        "layers": "Layers of the language model.",
        "heads": "Attention heads of the language model, and of the vision tower.",
    },
    "paper_figures.study.config.StudyConfig": {
        "training": "Keys of [finetune](#finetune), all but cohort, arm, model, prompts, n_train and seed.",
        "evaluation": "Keys of [evaluate](#evaluate), all but cohort, arms, model, prompts and seed.",
    },
    "paper_figures.study.config.Block": {
        "cohorts": "Names of cohorts of the study; all by default.",
        "arms": "Names of arms of the study; all by default.",
    },
    "paper_figures.reproduce.ReproduceConfig": {
        "training": "Keys of [finetune](#finetune), all but cohort, arm, model, prompts and seed.",
        "evaluation": "Keys of [evaluate](#evaluate), all but cohort, arms, model, prompts and seed.",
    },
    "empirical.benchmark.config.BenchmarkConfig": {
        "queries": "Queries that are scored.",
        "references": "References that the queries share.",
        "eval_batch": "Rows of a forward pass in the evaluation.",
        "train_batch": "Rows of a finetuning step.",
        "dtype": "Number format of the models.",
        "device": "Device of the models.",
        "attention": "Attention implementation of the models.",
    },
}  # fmt: skip
"""What a key means where a docstring describes several keys in one entry."""

SECTIONS = {
    "empirical.arms.catalogue.ArmConfig": "arms",
    "empirical.references.config.ReferenceConfig": "references",
    "empirical.vlm.config.ModelConfig": "models",
    "empirical.prompts.templates.PromptConfig": "prompts",
    "empirical.vlm.inference.batch_scorer.SpeedConfig": "speed",
    "empirical.training.config.LoraConfig": "lora",
    "empirical.training.config.CurriculumConfig": "curriculum",
    "empirical.training.config.AugmentationConfig": "augmentation",
    "empirical.training.config.EarlyStopping": "early-stopping",
    "empirical.cohorts.phantom.config.PhantomConfig": "phantom",
    "empirical.cohorts.phantom.config.Shares": "shares",
    "empirical.cohorts.phantom.config.LesionConfig": "lesion",
    "empirical.cohorts.phantom.config.WarmupConfig": "warmup",
    "empirical.cohorts.phantom.config.FundusConfig": "fundus",
    "empirical.cohorts.phantom.config.FindingsConfig": "findings",
    "empirical.cohorts.phantom.config.KindConfig": "kinds",
    "empirical.cohorts.phantom.config.RegionConfig": "regions",
    "empirical.cohorts.insertion.config.MadeConfig": "made",
    "empirical.pretraining.config.PretrainConfig": "pretrain",
    "empirical.pretraining.config.HardnessConfig": "hardness",
    "empirical.vlm.pocket.config.PocketConfig": "pocket-models",
    "paper_figures.observers.config.ChannelConfig": "channels",
    "paper_figures.observers.config.AnswersConfig": "answers",
    "paper_figures.study.config.CohortSource": "cohorts-of-a-study",
    "paper_figures.study.config.Block": "blocks",
    "paper_figures.study.config.Restarts": "restarts",
    "paper_figures.reproduce.TheoryPart": "theory-of-reproduce",
    "paper_figures.reproduce.SecondSeries": "second-series",
    "theory.sweeps.study.MethodUse": "methods",
    "theory.sweeps.study.Stop": "stop",
    "theory.sweeps.study.BlockLimits": "limits",
}
"""Where the page describes the classes that stand in other configs."""

WHOLE = {
    "empirical.training.config.FinetuneConfig": "finetune",
    "empirical.evaluation.config.EvaluateConfig": "evaluate",
    "empirical.analysis.arms.AlignmentConfig": "analyse-alignment",
    "empirical.analysis.arms.AttributionConfig": "analyse-attribution",
    "empirical.analysis.crossed.CrossedConfig": "analyse-crossed",
    "empirical.pretraining.grid.GridConfig": "pretrain-grid",
    "empirical.benchmark.config.BenchmarkConfig": "benchmark-gpu",
    "paper_figures.study.config.StudyConfig": "study",
    "paper_figures.observers.config.ObserversConfig": "observers",
    "empirical.cohorts.insertion.config.InsertConfig": "insert",
    "paper_figures.reproduce.ReproduceConfig": "reproduce",
    "theory.sweeps.study.Study": "sweep",
}
"""Where the page describes the classes that are a whole file."""

PARTS = ("empirical.training.config.ScheduleConfig",)
"""Bases of other classes, which no file holds."""

WORDS = {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "nothing", Any: "anything"}
BOUNDS: dict[type, str] = {annotated_types.Ge: "ge", annotated_types.Gt: "gt", annotated_types.Le: "le", annotated_types.Lt: "lt"}
HUGE = 1e5  # an upper bound beyond this only keeps a number within what the machine can compute


def pages() -> dict[str, Callable[[], str]]:
    """The parts that the page of configs includes, by the name of their file."""
    return {f"config_{anchor}": partial(table, load(path)) for path, anchor in (WHOLE | SECTIONS).items()}


def load(path: str) -> type[BaseModel]:
    """The config class of a dotted path."""
    module, _, name = path.rpartition(".")
    found: type[BaseModel] = getattr(importlib.import_module(module), name)
    return found


def path_of(kind: type[BaseModel]) -> str:
    """The dotted path by which the tables of this module know a class."""
    return f"{kind.__module__}.{kind.__qualname__}"


def table(kind: type[BaseModel]) -> str:
    """The keys of a config class as Markdown: a table a group, and an anchor for links to the class."""
    meanings = meanings_of(kind)
    lines: list[str] = []
    own = [name for name in kind.model_fields if not _is_inherited_by_a_page(kind, name)]
    for title, names in GROUPS.get(path_of(kind), {"": tuple(own)}).items():
        lines += [f"**{title}**", ""] if title else []
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        for name in names:
            field = kind.model_fields[name]
            cells = (f"`{name}`", value_of(field), default_of(field), meanings[name])
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        lines.append("")
    return "\n".join([*lines, *_anchor(kind)])


def _is_inherited_by_a_page(kind: type[BaseModel], name: str) -> bool:
    """Whether a key belongs to a class that has a table of its own, as those of an evaluation in an analysis."""
    return any(path_of(base) in WHOLE and name in base.model_fields and meanings_of(kind)[name] == meanings_of(base)[name]
               for base in kind.__mro__[1:] if issubclass(base, BaseModel))  # fmt: skip


def _anchor(kind: type[BaseModel]) -> list[str]:
    """A link to the page of an exported class; of another one the place that links from the pages of the packages lead to."""
    for package in api.PACKAGES:
        exported = importlib.import_module(package)
        if kind.__name__ in getattr(exported, "__all__", ()) and getattr(exported, kind.__name__) is kind:
            return [f"In Python: {{py:class}}`{package}.{kind.__name__}`.", ""]
    return ["```{eval-rst}", f".. py:class:: {path_of(kind)}", "   :no-typesetting:", "```", "", f"In Python: `{path_of(kind)}`.", ""]


def meanings_of(kind: type[BaseModel]) -> dict[str, str]:
    """What each key means: the docstrings of the class and its bases, and what `MEANINGS` says of entries of several keys."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, BaseModel) and "Parameters" in (base.__doc__ or ""):
            for names, text in entries(inspect.cleandoc(base.__doc__ or "")):
                found |= dict.fromkeys(names, text)
            found |= MEANINGS.get(path_of(base), {})
    return found


def entries(docstring: str) -> Iterator[tuple[list[str], str]]:
    """The entries below ``Parameters``: the names of each, and its text as Markdown."""
    section = docstring.partition("Parameters\n----------\n")[2]
    section = re.split(r"\n\n\w+\n---", section)[0]
    for block in re.split(r"\n(?=\S)", section.strip("\n")):
        head, _, text = block.partition("\n")
        yield [name.strip() for name in head.partition(" : ")[0].split(",")], _markdown(" ".join(text.split()))


def _markdown(text: str) -> str:
    return re.sub(r"`+'?([^`]+?)'?`+", r"`\1`", text)


def value_of(field: FieldInfo) -> str:
    """What a key takes, in words."""
    return _words(field.annotation, field.metadata)


def _words(kind: Any, metadata: list[Any] | tuple[Any, ...] = ()) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is typing.Annotated:
        return _words(inner[0], (*inner[1].metadata, *metadata) if isinstance(inner[1], FieldInfo) else (*inner[1:], *metadata))
    if origin in (Union, types.UnionType):
        parts = [part for part in inner if part is not type(None)]
        return " or ".join(_words(part, metadata) for part in parts)
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in inner) if len(inner) < 3 else "one of " + ", ".join(f"`{one}`" for one in inner)
    if origin is tuple and Ellipsis not in inner:
        return f"[{', '.join(_words(part) for part in inner)}]"
    if origin in (list, tuple):
        return f"list of {_plural(_words(inner[0]))}"
    if origin is dict:
        return f"mapping of {_plural(_words(inner[0]))} to {_plural(_words(inner[1]))}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return f"[section](#{SECTIONS.get(path_of(kind)) or WHOLE[path_of(kind)]})"
    return WORDS.get(kind, str(kind)) + _bounds(metadata)


def _plural(words: str) -> str:
    return re.sub(r"^(integer|number|\[section)", r"\1s", words)


def _bounds(metadata: Iterable[Any]) -> str:
    """The range of a number in words, such as '0 to 1', or 'above 0'."""
    limits: dict[str, float] = {}
    for part in metadata:
        for one in part.metadata if isinstance(part, FieldInfo) else (part,):
            if type(one) in BOUNDS and abs(getattr(one, BOUNDS[type(one)])) < HUGE:
                limits[BOUNDS[type(one)]] = getattr(one, BOUNDS[type(one)])
    low = f"above {limits['gt']:g}" if "gt" in limits else f"from {limits['ge']:g}" if "ge" in limits else ""
    high = f"to below {limits['lt']:g}" if "lt" in limits else f"to {limits['le']:g}" if "le" in limits else ""
    if limits.keys() == {"ge"}:
        return f", {limits['ge']:g} or more"
    if limits.keys() == {"ge", "le"}:
        return f", {limits['ge']:g} to {limits['le']:g}"
    words = " ".join(filter(None, [low, high]))
    return f", {words}" if words else ""


def default_of(field: FieldInfo) -> str:
    """The default of a key as YAML; a section's own defaults stand in its table."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "its defaults"
    return f"`{json.dumps(value, ensure_ascii=False, default=list) if not isinstance(value, str) else value}`"
