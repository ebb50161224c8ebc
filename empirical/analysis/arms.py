"""Analyses of a model in several arms, on the same items: alignment of images and answers, attribution to the lesion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.analysis.kept import cached_parts
from empirical.analysis.patients import patient_interval
from empirical.arms.images import image_source
from empirical.audit.preflight import preflight
from empirical.cohorts import Cohort
from empirical.evaluation.image_integrity import save_stamps, verify_images
from empirical.evaluation.shards import ShardScorer
from empirical.prompts.example import Example
from empirical.vlm.config import VisionLanguageModel
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.loading import load_vlm, training_record
from empirical.vlm.model_id import weights_hash
from see_in_pairs.console import log, progress
from see_in_pairs.errors import InputError
from see_in_pairs.files import content_hash, write_parquet, write_text
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from empirical.evaluation.config import EvaluateConfig

WITH_GRADIENTS = 4
"""Rows in a forward and backward pass at most: what every layer keeps for the way back grows with them, and more save little time."""
FEW = 10
"""Patients, below which a bootstrap over them gives intervals that are far too short; the ledger of claims takes none of these."""


def report_alignment(config: EvaluateConfig, out: Path, *, quiet: bool = False) -> pd.DataFrame:
    """Measure how alike images and answers are represented, layer by layer, in every arm, on the same items; run again to resume.

    Returns ``run_id``, ``layer``, ``measure``, ``value``, ``low``, ``high``.
    """
    import pandas as pd

    from empirical.analysis.alignment import alignment_draws, alignment_table, representations

    with _opened(config, "alignment", out, quiet) as (run, cohort, vlm, encoder):
        patient, tables, drawn = cohort.table.set_index("item_id")["patient_id"], [], []

        def draw(examples: list[Example], patients: pd.Series) -> pd.DataFrame:
            images, answers = representations(vlm, encoder, examples, config.batch_size)
            return alignment_draws(images, answers, patients.to_numpy(), seed=config.seed)

        for told, examples, keys in _finished_kept(config, cohort, run, quiet):
            patients = patient.loc[[example.item_id for example in examples]]
            key = content_hash([keys, [example.answer for example in examples], patients.tolist()])
            draws = cached_parts(run.path / "pieces" / f"{told['run_id']}.parquet", key, partial(draw, examples, patients), quiet)
            tables.append(alignment_table(draws, patients.nunique()).assign(run_id=told["run_id"]))
            drawn.append(draws.assign(**told, **_drawn_from(patients, config.seed)))
        table = pd.concat(tables, ignore_index=True)[["run_id", "layer", "measure", "value", "low", "high"]]
        write_text(run.path / "alignment.csv", table.to_csv(index=False))
        write_parquet(run.path / "alignment_draws.parquet", pd.concat(drawn, ignore_index=True))
    return table


def _drawn_from(patients: pd.Series, seed: int) -> dict[str, Any]:
    """Say how many there were to draw from, and mark what makes the draws comparable: items, patients and seed."""
    pairs = sorted(zip(patients.index.astype(str), patients.astype(str), strict=True))
    return {"items": len(patients), "patients": patients.nunique(), "drawn_from": content_hash([pairs, seed])}


def report_attribution(config: EvaluateConfig, out: Path, *, quiet: bool = False) -> pd.DataFrame:
    """Measure how much of the evidence for the finding lies on the lesion, in every arm, on the items whose lesion is known.

    Finished items survive a kill; run again to resume.

    Returns the summary: ``run_id``, ``method``, ``n``, and the mean over items of share less random-map share, ``excess``, with its 95 %
    interval over patients (``low``, ``high``).
    """
    import pandas as pd

    rows = []
    with _opened(config, "attribution", out, quiet) as (run, cohort, vlm, encoder):
        patient = cohort.table.set_index("item_id")["patient_id"]
        masks = _masks(cohort, config.split)
        run.count("without_mask", len(cohort.queries(config.split)) - len(masks))
        for told, examples, keys in _finished_kept(config, cohort, run, quiet):
            prepare_examples = [(example, key) for example, key in zip(examples, keys, strict=True) if example.item_id in masks]
            for place, (example, key) in enumerate(progress(prepare_examples, len(prepare_examples), told["run_id"], quiet)):
                mask, file = masks[example.item_id], run.path / "pieces" / f"{told['run_id']}-{place}.parquet"
                key = content_hash([key, sha256(mask.tobytes()).hexdigest(), mask.shape])
                found = cached_parts(file, key, partial(_shares, config, vlm, encoder, example, mask), quiet)
                item = {"item_id": example.item_id, "patient_id": patient[example.item_id]}
                rows += [told | item | share for share in found.to_dict("records")]
        table = pd.DataFrame(rows)
        write_text(run.path / "attribution.csv", table.to_csv(index=False))
        run.count("without_positive_attribution", int(table["share"].isna().sum()))
        summary = _summary(table, config.seed)
        if (patients := table["patient_id"].nunique()) < FEW:
            log(f"{patients} patients with a lesion mask: these intervals are too short", quiet)
        write_text(run.path / "attribution_summary.csv", summary.to_csv(index=False))
    return summary


def _shares(config: EvaluateConfig, vlm: VisionLanguageModel, encoder: Encoder, example: Example, mask: np.ndarray) -> pd.DataFrame:
    """Attribute an item's log-odds by both methods, and hold the maps against the lesion."""
    import pandas as pd

    from empirical.analysis.attribution import integrated_gradients, lesion_share, occlusion

    answers, few = config.prompts.answers, min(config.batch_size, WITH_GRADIENTS)
    maps = {
        "integrated_gradients": integrated_gradients(vlm, encoder, example, answers, batch_size=few),
        "occlusion": occlusion(vlm, encoder, example, answers, batch_size=config.batch_size),
    }
    if lost := [method for method, values in maps.items() if not np.isfinite(values).all()]:  # no evidence would be read into it
        what = f"attribution: '{example.item_id}' by {' and '.join(lost)} is no number"
        raise InputError(f"{what}; load the model with dtype: float32, or look at its training")
    return pd.DataFrame([{"method": method} | asdict(lesion_share(values, mask)) for method, values in maps.items()])


def _finished_kept(
    config: EvaluateConfig, cohort: Cohort, run: RunFolder, quiet: bool
) -> Iterator[tuple[dict[str, Any], list[Example], list[str]]]:
    """Give each arm with its examples and the key of each, as an evaluation has them; images are held to their hashes first."""
    pieces, arms = run.path / "pieces", list(_by_arm(config, cohort, run, quiet))
    scorer = ShardScorer(config, cohort, pieces, quiet)  # its keys and refusals; nothing is scored by it
    marks = verify_images(cohort, {name for _, prepare_examples in arms for one in prepare_examples for name in one.images}, pieces)
    for told, examples in arms:
        yield told, examples, [scorer.key(example) for example in examples]
    save_stamps(marks, pieces)


def _summary(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Average over items; an item without any evidence for the finding has put nothing on the lesion, and counts as that."""
    import pandas as pd

    rows = []
    for (name, method), group in table.groupby(["run_id", "method"], sort=False):
        excess = (group["share"].fillna(0) - group["expected"]).to_numpy()

        def mean(weights: np.ndarray, excess: np.ndarray = excess) -> float:
            return float(np.average(excess, weights=weights))

        low, high = patient_interval(mean, group["patient_id"].to_numpy(), rng=np.random.default_rng(seed))
        rows.append((name, method, len(group), float(excess.mean()), low, high))
    return pd.DataFrame(rows, columns=["run_id", "method", "n", "excess", "low", "high"])


def _masks(cohort: Cohort, split: str) -> dict[str, np.ndarray]:
    queries = cohort.queries(split)
    positive = queries[queries["label"].isin(cohort.info.positive)]["item_id"]
    found = {item: mask for item in positive if (mask := cohort.mask(item)) is not None and mask.any()}
    if not found:
        raise InputError(
            f"attribution: no positive item of the split '{split}' has a lesion mask; use a cohort with masks (the phantom has)"
        )
    return found


@contextmanager
def _opened(
    config: EvaluateConfig, command: str, out: Path, quiet: bool
) -> Iterator[tuple[RunFolder, Cohort, VisionLanguageModel, Encoder]]:
    """Open run folder, cohort and model."""
    import torch

    from empirical.evaluation.evaluate import other_cohorts

    if config.threads is not None:
        torch.set_num_threads(config.threads)
    cohort = Cohort.load(Path(config.cohort))
    identity = config.model_dump() | {"cohort_hash": cohort.hash, "weights_hash": weights_hash(config.model.name, config.model.revision)}
    identity["other_cohort_hashes"] = other_cohorts(config)
    with RunFolder(out, command, identity, seed=config.seed, inputs=[cohort.folder / "cohort.parquet"]) as run:
        preflight(cohort, run, config.allow, config.seed, quiet)
        vlm = load_vlm(config.model)
        yield run, cohort, vlm, Encoder(vlm.processor, vlm.family, image_source(cohort))


def _by_arm(config: EvaluateConfig, cohort: Cohort, run: RunFolder, quiet: bool) -> Iterator[tuple[dict[str, Any], list[Example]]]:
    """Give what each arm is, on which model, and what it shows: the same items in all, as in an evaluation."""
    from empirical.evaluation.config import run_id
    from empirical.evaluation.evaluate import prepare_examples, write_references

    training = training_record(config.model.name)
    trained = {name: training.get(name, "") for name in ("train_arm", "train_strategy")} | {"train_seed": training.get("train_seed", 0)}
    references, left_out, examples = prepare_examples(config, cohort)
    write_references(config, cohort, references, left_out, run, quiet)
    for arm in config.arms:
        name = run_id(arm)
        log(f"{name}: {len(examples[name])} items", quiet)
        yield {"run_id": name, "arm": arm.arm, "strategy": arm.strategy, **trained, "cohort_hash": cohort.hash}, examples[name]
