"""Analyses of a model in several arms, on the same items: alignment of images and answers, attribution to the lesion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.analysis.patients import patient_interval
from empirical.arms.build import prompt_words
from empirical.arms.catalogue import ARMS
from empirical.arms.images import image_source
from empirical.audit.preflight import preflight
from empirical.cohorts import Cohort
from empirical.evaluation.config import run_id
from empirical.evaluation.examples import other_cohort_hashes, prepare_examples
from empirical.evaluation.image_integrity import save_stamps, verify_images
from empirical.evaluation.shards import SHARDS, ItemKeys
from empirical.prompts.example import Example
from empirical.vlm.config import VisionLanguageModel
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.inference.picture_shapes import refuse_odd_shapes
from empirical.vlm.loading import load_vlm
from empirical.vlm.model_id import training_record, weights_hash
from empirical.vlm.processors import refuse_special_tokens
from see_in_pairs.cache import PartCache
from see_in_pairs.console import log, progress
from see_in_pairs.errors import InputError
from see_in_pairs.files import content_hash, write_parquet, write_text
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from empirical.evaluation.config import EvaluateConfig

GRADIENT_BATCH_SIZE = 4
"""Rows in a forward and backward pass at most: what every layer keeps for the way back grows with them, and more save little time."""
FEW_PATIENTS = 10
"""Below so many a bootstrap over patients gives intervals that are far too short; the ledger of claims takes none of these."""


@dataclass(frozen=True)
class ArmAnalysis:
    """One arm of an analysis: what it shows to which model."""

    columns: dict[str, Any]  # of the tables: run_id, arm, strategy, how the model was trained, cohort_hash
    examples: list[Example]
    keys: list[str]  # of each example: the hash of what its score depends on


def report_alignment(config: EvaluateConfig, out: Path, *, quiet: bool = False) -> pd.DataFrame:
    """Measure how alike images and answers are represented, layer by layer, in every arm, on the same items; run again to resume.

    Returns ``run_id``, ``layer``, ``measure``, ``value``, ``low``, ``high``.
    """
    import pandas as pd

    from empirical.analysis.alignment import alignment_draws, alignment_table, representations

    with _open_run(config, "alignment", out, quiet) as (run, cohort, vlm, encoder):
        patient, tables, drawn = cohort.table.set_index("item_id")["patient_id"], [], []
        parts = PartCache(run.path / SHARDS, quiet)

        def draw(examples: list[Example], patients: pd.Series) -> pd.DataFrame:
            images, answers = representations(vlm, encoder, examples, config.batch_size)
            return alignment_draws(images, answers, patients.to_numpy(), seed=config.seed)

        for arm in _arms(config, cohort, run, encoder, quiet):
            patients = patient.loc[[example.item_id for example in arm.examples]]
            key = content_hash([arm.keys, [example.answer for example in arm.examples], patients.tolist()])
            draws = parts.table(arm.columns["run_id"], key, partial(draw, arm.examples, patients))
            tables.append(alignment_table(draws, patients.nunique()).assign(run_id=arm.columns["run_id"]))
            drawn.append(draws.assign(**arm.columns, **_drawn_from(patients, config.seed)))
        table = pd.concat(tables, ignore_index=True)[["run_id", "layer", "measure", "value", "low", "high"]]
        write_text(run.path / "alignment.csv", table.to_csv(index=False))
        write_parquet(run.path / "alignment_draws.parquet", pd.concat(drawn, ignore_index=True))
    return table


def _drawn_from(patients: pd.Series, seed: int) -> dict[str, Any]:
    """Columns that say how many items and patients were drawn from, and hash what makes draws comparable: items, patients and seed."""
    pairs = sorted(zip(patients.index.astype(str), patients.astype(str), strict=True))
    return {"items": len(patients), "patients": patients.nunique(), "drawn_from": content_hash([pairs, seed])}


def report_attribution(config: EvaluateConfig, out: Path, *, quiet: bool = False) -> pd.DataFrame:
    """Measure how much of the evidence for the finding lies on the lesion, in every arm, on the items whose lesion is known.

    Finished items survive a kill; run again to resume. Returns the summary: ``run_id``, ``method``, ``n``, and the mean over items of
    share minus random-map share, ``excess``, with its 95 % interval over patients (``low``, ``high``).
    """
    import pandas as pd

    rows = []
    with _open_run(config, "attribution", out, quiet) as (run, cohort, vlm, encoder):
        patient = cohort.table.set_index("item_id")["patient_id"]
        masks = _masks(cohort, config.split)
        parts = PartCache(run.path / SHARDS, quiet)
        run.count("without_mask", len(cohort.queries(config.split)) - len(masks))
        for arm in _arms(config, cohort, run, encoder, quiet):
            run_id = arm.columns["run_id"]
            masked = [(example, key) for example, key in zip(arm.examples, arm.keys, strict=True) if example.item_id in masks]
            for place, (example, key) in enumerate(progress(masked, len(masked), run_id, quiet)):
                mask = masks[example.item_id]
                key = content_hash([key, sha256(mask.tobytes()).hexdigest(), mask.shape])
                found = parts.table(f"{run_id}-{place}", key, partial(_shares, config, vlm, encoder, example, mask))
                item = {"item_id": example.item_id, "patient_id": patient[example.item_id]}
                rows += [arm.columns | item | share for share in found.to_dict("records")]
        table = pd.DataFrame(rows)
        write_text(run.path / "attribution.csv", table.to_csv(index=False))
        run.count("without_positive_attribution", int(table["share"].isna().sum()))
        summary = _summary(table, config.seed)
        if (patients := table["patient_id"].nunique()) < FEW_PATIENTS:
            log(f"{patients} patients with a lesion mask: these intervals are too short", quiet)
        write_text(run.path / "attribution_summary.csv", summary.to_csv(index=False))
    return summary


def _shares(config: EvaluateConfig, vlm: VisionLanguageModel, encoder: Encoder, example: Example, mask: np.ndarray) -> pd.DataFrame:
    """Attribute an item's log-odds by both methods, and compare the maps with the lesion."""
    import pandas as pd

    from empirical.analysis.attribution import integrated_gradients, lesion_share, occlusion

    answers, few = config.prompts.answers, min(config.batch_size, GRADIENT_BATCH_SIZE)
    maps = {
        "integrated_gradients": integrated_gradients(vlm, encoder, example, answers, batch_size=few),
        "occlusion": occlusion(vlm, encoder, example, answers, batch_size=config.batch_size),
    }
    if lost := [method for method, values in maps.items() if not np.isfinite(values).all()]:  # NaN would read as no evidence
        what = f"attribution: '{example.item_id}' by {' and '.join(lost)} is no number"
        raise InputError(f"{what}; load the model with dtype: float32, or look at its training")
    return pd.DataFrame([{"method": method} | asdict(lesion_share(values, mask)) for method, values in maps.items()])


def _arms(config: EvaluateConfig, cohort: Cohort, run: RunFolder, encoder: Encoder, quiet: bool) -> Iterator[ArmAnalysis]:
    """Yield each arm that shows the query as an evaluation has it, on the same items; images are checked against their hashes first."""
    training = training_record(config.model.name)
    trained = {name: training.get(name, "") for name in ("train_arm", "train_strategy")} | {"train_seed": training.get("train_seed", 0)}
    prepared = prepare_examples(config, cohort)
    prepared.write_references(config, cohort, run, quiet)
    refuse_odd_shapes(encoder, cohort, [example for examples in prepared.examples.values() for example in examples])
    keys = ItemKeys(config, cohort)
    stamps = verify_images(cohort, prepared.images(), run.path / SHARDS)
    for arm in config.arms:
        name, examples = run_id(arm), prepared.examples[run_id(arm)]
        if ARMS[arm.arm].query is not None:  # both analyses are of the query's own picture
            log(f"{name}: does not show the query, and is left out", quiet)
            run.count(f"without_query:{name}", len(examples))
            continue
        log(f"{name}: {len(examples)} items", quiet)
        columns = {"run_id": name, "arm": arm.arm, "strategy": arm.strategy, **trained, "cohort_hash": cohort.hash}
        yield ArmAnalysis(columns, examples, [keys.key(example) for example in examples])
    save_stamps(stamps, run.path / SHARDS)


def _summary(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Average over items; an item without any evidence for the finding has a share of 0 on the lesion."""
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
def _open_run(
    config: EvaluateConfig, command: str, out: Path, quiet: bool
) -> Iterator[tuple[RunFolder, Cohort, VisionLanguageModel, Encoder]]:
    """Open run folder, cohort and model."""
    import torch

    if all(ARMS[arm.arm].query is not None for arm in config.arms):
        raise InputError(f"{command}: no arm shows the query, which is what is looked at; add one, such as {{arm: single}}")
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    cohort = Cohort.load(Path(config.cohort))
    identity = config.model_dump() | {"cohort_hash": cohort.hash, "weights_hash": weights_hash(config.model.name, config.model.revision)}
    identity["other_cohort_hashes"] = other_cohort_hashes(config)
    with RunFolder(out, command, identity, seed=config.seed, inputs=[cohort.folder / "cohort.parquet"]) as run:
        preflight(cohort, run, config.allow, config.seed, quiet, splits=[config.split])
        vlm = load_vlm(config.model)
        refuse_special_tokens(vlm.processor, config.prompts, prompt_words(cohort, config.prompts))
        yield run, cohort, vlm, Encoder(vlm.processor, vlm.family, image_source(cohort))
