"""Analyses of a model in several arms, on the same items: alignment of images and answers, attribution to the lesion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import Field

from empirical.analysis.patients import patient_interval
from empirical.arms.build import prompt_words, require_one_question
from empirical.arms.catalogue import ARMS
from empirical.arms.images import image_source
from empirical.audit.preflight import preflight
from empirical.cohorts import Cohort
from empirical.evaluation.config import EvaluateConfig, run_id
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
from see_in_pairs.configs import Count
from see_in_pairs.console import log, progress
from see_in_pairs.errors import InputError
from see_in_pairs.files import atomic_path, content_hash, write_parquet, write_text
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    import pandas as pd

GRADIENT_BATCH_SIZE = 4
"""Most rows in a forward and backward pass: the memory kept for the backward pass grows with them, and more rows save little time."""
FEW_PATIENTS = 10
"""With fewer patients a bootstrap gives intervals that are far too short; the verdicts on the claims use none of these."""


SHAM_STREAM = 8  # stream of the seed; the draws of items have another


class AlignmentConfig(EvaluateConfig):
    """An evaluation's settings, for an analysis of alignment.

    Parameters
    ----------
    items : int, optional
        Largest number of queries, drawn with the seed and in the classes' proportions, the same in every arm; all by default.
    """

    items: Count | None = None


class AttributionConfig(AlignmentConfig):
    """An evaluation's settings, for an analysis of attribution.

    Parameters
    ----------
    items : int, optional
        Largest number of queries, half with a lesion and half healthy where there are enough of both; all by default.
    steps : int
        Largest number of places along the path of integration where gradients are computed; fewer where the integral is accurate earlier.
    grid : int
        Number of squares along a side of a picture; each square is painted over in turn.
    """

    steps: int = Field(default=32, ge=4, le=4096)
    grid: int = Field(default=8, ge=2, le=64)


@dataclass(frozen=True)
class ArmAnalysis:
    """One arm of an analysis: what it shows to which model."""

    columns: dict[str, Any]  # of the tables: run_id, arm, strategy, how the model was trained, cohort_hash
    examples: list[Example]
    keys: list[str]  # of each example: the hash of what its score depends on


Settings = TypeVar("Settings", bound=EvaluateConfig)


def _settings(kind: type[Settings], config: EvaluateConfig) -> Settings:
    """Take the settings that an analysis shares with a config, and defaults for the rest: an evaluation's config works for both."""
    return kind.model_validate({name: value for name, value in config.model_dump().items() if name in kind.model_fields})


def report_alignment(config: EvaluateConfig, out: Path, *, quiet: bool = False) -> pd.DataFrame:
    """Measure how alike images and answers are represented, layer by layer, in every arm, on the same items; run again to resume.

    Returns ``run_id``, ``layer``, ``measure``, ``value``, ``low``, ``high``, ``undefined``, ``reason``.
    """
    import pandas as pd

    from empirical.analysis.alignment import alignment_draws, alignment_table, representations
    from empirical.analysis.alignment_plot import alignment_plot

    settings = _settings(AlignmentConfig, config)
    with _open_run(settings, "alignment", out, quiet) as (run, cohort, vlm, encoder):
        known, tables, drawn = cohort.table.set_index("item_id"), [], []
        parts = PartCache(run.path / SHARDS, quiet)

        def draw(examples: list[Example], patients: pd.Series, labels: pd.Series) -> pd.DataFrame:
            images, answers = representations(vlm, encoder, examples, config.batch_size)
            if not (np.isfinite(images).all() and np.isfinite(answers).all()):
                raise InputError("alignment: hidden states are not finite; load the model with dtype: float32, or check its training")
            return alignment_draws(images, answers, patients.to_numpy(), labels.to_numpy(), seed=config.seed)

        def choose(items: Sequence[str]) -> set[str]:
            return _in_proportion(known.loc[list(items), "label"], settings.items, config.seed)

        for arm in _arms(settings, cohort, run, encoder, quiet, choose):
            rows = known.loc[[example.item_id for example in arm.examples]]
            patients, labels = rows["patient_id"], rows["label"]
            key = content_hash([arm.keys, [example.answer for example in arm.examples], patients.tolist(), labels.tolist()])
            draws = parts.table(arm.columns["run_id"], key, partial(draw, arm.examples, patients, labels))
            tables.append(alignment_table(draws, patients.nunique()).assign(run_id=arm.columns["run_id"]))
            drawn.append(draws.assign(**arm.columns, **_drawn_from(patients, config.seed)))
        table = pd.concat(tables, ignore_index=True)[["run_id", "layer", "measure", "value", "low", "high", "undefined", "reason"]]
        write_text(run.path / "alignment.csv", table.to_csv(index=False))
        draws = pd.concat(drawn, ignore_index=True)
        for reason, number in draws.loc[draws["value"].isna(), "reason"].value_counts().items():
            run.count(f"undefined:{reason}", number)
        with atomic_path(run.path / "alignment.png") as path:
            alignment_plot(table).savefig(path, dpi=150, format="png", metadata={"Software": None})
        write_parquet(run.path / "alignment_draws.parquet", draws)
    return table


def _drawn_from(patients: pd.Series, seed: int) -> dict[str, Any]:
    """Columns with the numbers of items and patients, and a hash of what makes draws comparable: items, patients and seed."""
    pairs = sorted(zip(patients.index.astype(str), patients.astype(str), strict=True))
    return {"items": len(patients), "patients": patients.nunique(), "drawn_from": content_hash([pairs, seed])}


def report_attribution(config: EvaluateConfig, out: Path, *, quiet: bool = False) -> pd.DataFrame:
    """Measure how much of the evidence for the finding is on the lesion, and on a sham place in healthy queries, in every arm.

    Finished items survive a kill; run again to resume. Returns the summary, a row per ``run_id`` and ``method``; see `_summary`.
    """
    import pandas as pd

    settings, rows = _settings(AttributionConfig, config), []
    with _open_run(settings, "attribution", out, quiet) as (run, cohort, vlm, encoder):
        queries = cohort.queries(config.split)
        masks, healthy = _masks(cohort, config.split), set(queries.loc[~queries["label"].isin(cohort.info.positive), "item_id"])
        patient, place = cohort.table.set_index("item_id")["patient_id"], _place(cohort)
        run.count("without_mask", len(queries) - len(masks) - len(healthy))
        parts, shown = PartCache(run.path / SHARDS, quiet), dict[str, tuple[str, np.ndarray]]()

        def choose(items: Sequence[str]) -> set[str]:
            """Draw items with a lesion and healthy ones, and give each a mask: its own, or for a healthy one that of another item."""
            known = [item for item in items if item in masks], [item for item in items if item in healthy]
            diseased, others = (_shuffled(kind, config.seed) for kind in known)
            if settings.items is not None:
                half = max(settings.items // 2, settings.items - len(others))
                diseased = diseased[: max(1, half)]
                others = others[: settings.items - len(diseased)]
            if not diseased:
                raise InputError("attribution: no query with a lesion mask has a reference; relax the matching")
            shown.update({item: (item, masks[item]) for item in diseased})
            shams = _deal(sorted(diseased), sorted(others), patient, config.seed)
            shown.update({item: (owner, masks[owner]) for item, owner in shams.items()})
            run.count("without_sham", len(others) - len(shams))
            return set(shown)

        for arm in _arms(settings, cohort, run, encoder, quiet, choose):
            run_id = arm.columns["run_id"]
            both = list(zip(arm.examples, arm.keys, strict=True))
            for number, (example, key) in enumerate(progress(both, len(both), run_id, quiet)):
                owner, mask = shown[example.item_id]
                key = content_hash([key, sha256(mask.tobytes()).hexdigest(), mask.shape])
                found = parts.table(f"{run_id}-{number}", key, partial(_shares, settings, vlm, encoder, example, mask))
                lesion = "real" if owner == example.item_id else "sham"
                item = {"item_id": example.item_id, "patient_id": patient[example.item_id], "lesion": lesion, "place": place}
                rows += [arm.columns | item | {"mask_of": owner} | share for share in found.to_dict("records")]
        table = pd.DataFrame(rows)
        write_text(run.path / "attribution.csv", table.to_csv(index=False))
        run.count("without_positive_attribution", int(table["share"].isna().sum()))
        summary = _summary(table, config.seed)
        for kind, words in (("real", "with a lesion mask"), ("sham", "with a sham place")):
            if (patients := table.loc[table["lesion"] == kind, "patient_id"].nunique()) < FEW_PATIENTS:
                log(f"{patients} patient(s) {words}: these intervals are too short, or missing", quiet)
        if place == "fixed":
            log("every lesion is at the same place: more attribution there shows position, not pathology (lesion.place: random)", quiet)
        write_text(run.path / "attribution_summary.csv", summary.to_csv(index=False))
    return summary


def _shares(config: AttributionConfig, vlm: VisionLanguageModel, encoder: Encoder, example: Example, mask: np.ndarray) -> pd.DataFrame:
    """Attribute an item's log-odds by both methods, and compare the query's map with the mask, and the pictures with each other."""
    import pandas as pd

    from empirical.analysis.attribution import integrated_gradients, lesion_share, occlusion

    answers, few = config.prompts.answers, min(config.batch_size, GRADIENT_BATCH_SIZE)
    found = {
        "integrated_gradients": integrated_gradients(vlm, encoder, example, answers, steps=config.steps, batch_size=few),
        "occlusion": occlusion(vlm, encoder, example, answers, grid=config.grid, batch_size=config.batch_size),
    }
    if lost := [method for method, one in found.items() if not all(np.isfinite(values).all() for values in one.maps)]:
        what = f"attribution: '{example.item_id}' by {' and '.join(lost)} is not finite"  # NaN would read as no evidence
        raise InputError(f"{what}; load the model with dtype: float32, or check its training")
    return pd.DataFrame(
        [
            {"method": method} | asdict(lesion_share(one.maps[one.query], mask)) | one.shares() | {"steps": one.steps, "error": one.error}
            for method, one in found.items()
        ]
    )


def _in_proportion(labels: pd.Series, number: int | None, seed: int) -> set[str]:
    """Draw items in the classes' proportions; the choice does not depend on their order."""
    if number is None or number >= len(labels):
        return set(labels.index)
    ranked = [
        ((place + 0.5) / len(members), item)
        for _, members in labels.groupby(labels)
        for place, item in enumerate(_shuffled(list(members.index), seed))
    ]
    return {item for _, item in sorted(ranked)[:number]}


def _shuffled(items: Sequence[str], seed: int) -> list[str]:
    """Shuffle items, so that the first of them are a random sample."""
    ordered = sorted(items)
    return [ordered[place] for place in np.random.default_rng(seed).permutation(len(ordered))]


def _deal(owners: Sequence[str], healthy: Sequence[str], patient: pd.Series, seed: int) -> dict[str, str]:
    """Assign masks to healthy queries of other patients, each mask equally often, so that sham places are where lesions are.

    So a preference of the model for a part of the picture is the same on both, and cancels in the contrast. A query that is of the same
    patient as all masks gets none.
    """
    rng, deck, dealt = np.random.default_rng([seed, SHAM_STREAM]), list[str](), dict[str, str]()
    for item in healthy:
        if not any(patient[owner] != patient[item] for owner in deck):
            deck += [owners[place] for place in rng.permutation(len(owners))]
        owner = next((owner for owner in deck if patient[owner] != patient[item]), None)
        if owner is not None:
            deck.remove(owner)
            dealt[item] = owner
    return dealt


def _place(cohort: Cohort) -> str:
    """Say where lesions are: at a ``fixed`` or a ``random`` place (a phantom), or where they were ``observed``."""
    lesion = cohort.info.parameters.get("lesion") if cohort.info.kind == "phantom" else None
    return str(lesion["place"]) if isinstance(lesion, dict) and lesion.get("place") in ("fixed", "random") else "observed"


def _arms(
    config: EvaluateConfig, cohort: Cohort, run: RunFolder, encoder: Encoder, quiet: bool, choose: Callable[[Sequence[str]], set[str]]
) -> Iterator[ArmAnalysis]:
    """Yield each arm that shows the query as an evaluation does, on items chosen from those that all arms share.

    Images are checked against their hashes first.
    """
    training = training_record(config.model.name)
    trained = {name: training.get(name, "") for name in ("train_arm", "train_strategy")} | {"train_seed": training.get("train_seed", 0)}
    prepared = prepare_examples(config, cohort)
    prepared.write_references(config, cohort, run, quiet)
    items = [example.item_id for example in next(iter(prepared.examples.values()))]
    chosen = choose(items)
    run.count("not_analysed", len(items) - len(chosen))
    prepared = replace(
        prepared, examples={name: [one for one in shown if one.item_id in chosen] for name, shown in prepared.examples.items()}
    )
    refuse_odd_shapes(encoder, cohort, [example for examples in prepared.examples.values() for example in examples])
    keys = ItemKeys(config, cohort)
    stamps = verify_images(cohort, prepared.images(), run.path / SHARDS)
    for arm in config.arms:
        name, examples = run_id(arm), prepared.examples[run_id(arm)]
        if ARMS[arm.arm].query is not None or not ARMS[arm.arm].shows_query:  # both analyses look at the query's own picture
            log(f"{name}: left out, because it does not show the query", quiet)
            run.count(f"without_query:{name}", len(examples))
            continue
        log(f"{name}: {len(examples)} items", quiet)
        columns = {"run_id": name, "arm": arm.arm, "strategy": arm.strategy, **trained, "cohort_hash": cohort.hash}
        yield ArmAnalysis(columns, examples, [keys.key(example) for example in examples])
    save_stamps(stamps, run.path / SHARDS)


def _summary(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Average over items, with 95 % intervals over patients.

    Returns ``run_id``, ``method``, ``n`` and ``excess`` of the items with a lesion (share on it minus that of a random map), ``place``,
    ``n_sham`` and ``sham`` (the same of healthy queries and their sham places), ``contrast`` (excess minus sham), ``query_share`` and
    ``reference_share`` (of the positive attribution, over all items), each mean with ``low`` and ``high``. An item without any evidence
    for the finding counts against the claim: its share is 0 on a lesion, and the chance level on a sham place.
    """
    import pandas as pd

    rows = []
    for (name, method), group in table.groupby(["run_id", "method"], sort=False):
        real, patients = (group["lesion"] == "real").to_numpy(), group["patient_id"].to_numpy()
        none = np.where(real, -group["expected"], 0)
        excess = np.where(group["share"].isna(), none, group["share"] - group["expected"])
        row = {"run_id": name, "method": method, "n": int(real.sum())}
        row |= _mean("excess", excess, real, patients, seed) | {"place": group["place"].iloc[0], "n_sham": int((~real).sum())}
        row |= _mean("sham", excess, ~real, patients, seed) | _mean("contrast", excess, real, patients, seed, ~real)
        for column in ("query_share", "reference_share"):
            row |= _mean(column, group[column].to_numpy(), group[column].notna().to_numpy(), patients, seed)
        rows.append(row)
    return pd.DataFrame(rows).rename(columns={"excess_low": "low", "excess_high": "high"})


def _mean(
    name: str, values: np.ndarray, of: np.ndarray, patients: np.ndarray, seed: int, minus: np.ndarray | None = None
) -> dict[str, float]:
    """Average the values of some items, or compare with the average of others; NaN where there is no item."""
    if not of.any() or (minus is not None and not minus.any()):
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), float("nan"))
    used = of if minus is None else of | minus

    def mean(weights: np.ndarray) -> float:
        averages = []
        for some in (of, minus) if minus is not None else (of,):
            counted = weights * some[used]
            averages.append(float(counted @ values[used] / counted.sum()) if counted.sum() > 0 else float("nan"))
        return averages[0] - (averages[1] if minus is not None else 0.0)

    low = high = float("nan")
    if (
        minus is None or min(len(np.unique(patients[some])) for some in (of, minus)) > 1
    ):  # one patient has no spread, nor has a difference with one
        low, high = patient_interval(mean, patients[used], rng=np.random.default_rng(seed))
    return {name: mean(np.ones(int(used.sum()))), f"{name}_low": low, f"{name}_high": high}


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

    if all(ARMS[arm.arm].query is not None or not ARMS[arm.arm].shows_query for arm in config.arms):
        raise InputError(f"{command}: no arm shows the query, so nothing can be analysed; add one, for example {{arm: single}}")
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if config.wordings or config.choice_orders > 1:
        raise InputError(f"{command}: analyses one wording and order of the choices; leave out wordings and choice_orders")
    cohort = Cohort.load(Path(config.cohort))
    require_one_question(cohort, command)
    identity = config.model_dump() | {"cohort_hash": cohort.hash, "weights_hash": weights_hash(config.model.name, config.model.revision)}
    identity["other_cohort_hashes"] = other_cohort_hashes(config)
    with RunFolder(out, command, identity, seed=config.seed, inputs=[cohort.folder / "cohort.parquet"]) as run:
        preflight(cohort, run, config.allow, config.seed, quiet, splits=[config.split])
        vlm = load_vlm(config.model)
        refuse_special_tokens(vlm.processor, config.prompts, prompt_words(cohort, config.prompts))
        yield run, cohort, vlm, Encoder(vlm.processor, vlm.family, image_source(cohort))
