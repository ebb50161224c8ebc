"""Crossed scoring: every chosen patient beside every chosen reference, by every model (training seed).

From the table that it writes, ``theory.models.variance_components`` estimates how much of a logit is the patient's, the reference's and the
seed's; and from single-image scores of matched pairs, the correlation that the theory needs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from empirical.arms import ArmConfig, assign_references
from empirical.arms.build import checked_queries, prompt_words, require_one_question
from empirical.arms.images import image_source
from empirical.audit.preflight import preflight, save_references
from empirical.cohorts import Cohort
from empirical.evaluation.image_integrity import save_stamps, verify_images
from empirical.evaluation.shards import SHARDS, refuse_other_prompts
from empirical.prompts.example import Example
from empirical.prompts.templates import PromptConfig, prompt_hash, prompt_text, render
from empirical.references import ReferenceConfig
from empirical.vlm.config import ModelConfig
from empirical.vlm.inference.batch_scorer import SpeedConfig
from empirical.vlm.loading import dtype_of
from empirical.vlm.model_id import files_hash, training_record, weights_hash
from see_in_pairs.cache import PartCache
from see_in_pairs.configs import MOST, Count, SeedNumber, StrictConfig, Threads
from see_in_pairs.console import log, progress
from see_in_pairs.errors import InputError, first_few
from see_in_pairs.files import content_hash, files_in, read_table, write_parquet
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from empirical.vlm.inference.batch_scorer import BatchScorer
    from empirical.vlm.inference.encoder import Encoder

Logits = Callable[[list[tuple[str, ...]]], np.ndarray]
"""From images, of which a query stands last, to the log-odds of the positive answer."""

CROSSED, PAIRED = "crossed", "paired"
SCORES = ("logit", "query", "reference")
SAME = (
    "train_arm",
    "train_strategy",
    "references_per_query",
    "n_train",
    "base_model",
    "base_revision",
    "method",
    "prompt_hash",
    "cohort_hash",
)
"""What the trainings of models with different seeds have in common."""


class CrossedConfig(StrictConfig):
    """Everything that decides a crossed scoring.

    Parameters
    ----------
    cohort : str
        Folder of the cohort.
    models : tuple of ModelConfig
        Models that differ in their training seed only, one per seed.
    prompts : PromptConfig
        Wording of the question, and the answers.
    split : str
        ``test`` or ``val``: the split that queries come from.
    patients : int
        Number of patients of each class, one query each. The interval of the patients' component is as wide as that of a variance from this
        number: with 50 of each class about 30 % either way, or a seventh for the standard deviation.
    references : int
        Healthy references, of other patients and families than all queries.
    pairing : ReferenceConfig, optional
        Also score queries, and the one reference that this strategy gives each, alone; for the correlation of their scores.
    batch_size : int
        Rows in a forward pass; scores do not depend on it, up to rounding.
    speed : SpeedConfig
        Which repeated work is avoided; a reference is read once for all patients where the family allows it.
    seed : int
        Decides the choice of patients and references.
    threads : int, optional
        CPU threads of torch; by default as many as torch takes.
    allow : tuple of str
        Names of findings of the cohort's audit that would stop the run, and are accepted.
    allow_other_prompt : bool
        Score models that were finetuned with other prompts or answers.
    """

    cohort: str
    models: tuple[ModelConfig, ...] = Field(min_length=1)
    prompts: PromptConfig = PromptConfig()
    split: Literal["test", "val"] = "test"
    patients: int = Field(default=50, ge=2, le=MOST)
    references: int = Field(default=20, ge=2, le=MOST)
    pairing: ReferenceConfig | None = None
    batch_size: Count = 16
    speed: SpeedConfig = SpeedConfig()
    seed: SeedNumber = 0
    threads: Threads | None = None
    allow: tuple[str, ...] = ()
    allow_other_prompt: bool = False

    @model_validator(mode="after")
    def _one_reference_of_each_query(self) -> Self:
        if self.pairing is not None and self.pairing.m > 1:
            raise ValueError("pairing.m: the correlation is between a query and one reference; leave it at 1")
        if self.pairing is not None and self.pairing.align != "none":
            raise ValueError("pairing.align: images are scored alone here, as they are; leave it out")
        return self


def crossed_scores(config: CrossedConfig, out: Path | str, *, quiet: bool = False) -> pd.DataFrame:
    """Score every patient beside every reference with every model; run again to resume, model by model.

    Parameters
    ----------
    config : CrossedConfig
        Models, cohort, and how many patients and references.
    out : Path or str
        Folder for ``crossed.parquet`` and, with `pairing`, ``paired.parquet``; 'see-in-pairs analyse components' reads them.
    quiet : bool, default False
        Print neither messages nor a progress bar.

    Returns
    -------
    pandas.DataFrame
        ``patient_id``, ``item_id``, ``reference_id``, ``seed`` (of the training), ``label`` (true where positive), ``logit`` (log-odds
        of the positive answer within the closed set).

    Raises
    ------
    InputError
        When there are too few patients or references; when models have the same training seed or weights, differ in more than their seed,
        or were finetuned with other prompts; or when logits are not finite.
    CheckFailed
        When the audit finds leakage.
    """
    import pandas as pd

    cohort, seeds = Cohort.load(Path(config.cohort)), _seeds(config)
    require_one_question(cohort, "analyse crossed")
    queries, references = choose_crossed(cohort, config)
    identity = config.model_dump() | {"cohort_hash": cohort.hash, "prompt_hash": prompt_hash(config.prompts)}
    identity["models_hash"] = [files_hash(model.name, model.revision) for model in config.models]
    with RunFolder(Path(out), "crossed scoring", identity, seed=config.seed, inputs=[cohort.folder / "cohort.parquet"]) as run:
        preflight(cohort, run, config.allow, config.seed, quiet, splits=[config.split])
        log(f"score {len(queries)} patients x {len(references)} references x {len(seeds)} models", quiet)
        parts, tables = PartCache(run.path / SHARDS, quiet), dict[str, list[pd.DataFrame]]()
        stamps = verify_images(cohort, {*queries["item_id"], *references["item_id"], *_scored_alone(parts.folder)}, parts.folder)
        for seed, model in progress(zip(seeds, config.models, strict=True), len(seeds), "models", quiet):
            key = content_hash([run.manifest["config_hash"], seed, str(dtype_of(model))])
            for name, make in _parts(config, model, cohort, (queries, references), run, seed, quiet).items():
                tables.setdefault(name, []).append(parts.table(f"{seed}.{name}", key, make).assign(seed=seed))
        save_stamps(stamps, parts.folder)
        whole = {name: pd.concat(of_models, ignore_index=True) for name, of_models in tables.items()}
        for name, table in whole.items():
            write_parquet(run.path / f"{name}.parquet", table)
        failed = sum(int(table[column].isna().sum()) for table in whole.values() for column in SCORES if column in table.columns)
        run.count("not_scored", failed)
    if failed:
        raise InputError(f"{out}: {failed} logits are not finite; load the models with dtype: float32, or check their training")
    return whole[CROSSED]


def choose_crossed(cohort: Cohort, config: CrossedConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw patients of both classes, one query each, and references that may be paired with all of them.

    Returns queries and references: rows of the cohort's table; ``positive`` tells the class of a query.
    """
    from empirical.references.candidates import healthy_pool

    rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(2,)))
    table = checked_queries(cohort, config.split)
    table = table.assign(positive=table["label"].isin(cohort.info.positive)).sample(frac=1, random_state=rng)
    table = table.drop_duplicates("patient_id")
    queries = table.groupby("positive").head(config.patients).sort_values("item_id")
    fewest = min(int((queries["positive"] == positive).sum()) for positive in (False, True))  # a class without any counts as 0
    if fewest < config.patients:
        asked = f"patients: {config.patients} of each class asked for"
        raise InputError(f"{asked}, the split '{config.split}' has {fewest} of one" + (f"; set patients: {fewest}" if fewest > 1 else ""))
    pool = healthy_pool(cohort, config.split)
    kin = pool["patient_id"].isin(queries["patient_id"]) | ((pool["family"] != "") & pool["family"].isin(queries["family"]))
    pool = pool[~kin].drop_duplicates("patient_id")
    if len(pool) < config.references:
        raise InputError(
            f"references: {config.references} asked for, {len(pool)} healthy patients are unrelated to all queries; ask for fewer patients"
        )
    return queries, pool.sample(config.references, random_state=rng).sort_values("item_id")


def _seeds(config: CrossedConfig) -> list[int]:
    """Training seeds of the models, which must differ in their seed only."""
    for model in config.models:
        refuse_other_prompts(model, config.prompts, config.allow_other_prompt)
    records = [training_record(model.name) for model in config.models]
    seeds = [int(record.get("train_seed", place)) for place, record in enumerate(records)]
    if len(set(seeds)) < len(seeds):
        raise InputError(f"models: training seeds occur twice ({', '.join(map(str, seeds))}); give models that differ in their seed only")
    for part in SAME:
        found = list(dict.fromkeys(str(record.get(part, "none")) for record in records))
        if len(found) > 1:
            raise InputError(f"models: differ in more than their seed ({part}: {first_few(found)}); give models that differ only in it")
    weights = [weights_hash(model.name, model.revision) for model in config.models]
    if len(set(weights)) < len(weights):
        raise InputError("models: two have the same weights, and would count as two trainings in perfect agreement; name each once")
    return seeds


def _scored_alone(folder: Path) -> set[str]:
    """Name the items that already have single-image scores."""
    names: set[str] = set()
    for file in files_in(folder, f"*.{PAIRED}.parquet"):
        try:
            table = read_table(file)
        except InputError:  # damaged: it will be scored again
            continue
        names |= {*table["item_id"], *table["reference_id"]}
    return names


def _parts(
    config: CrossedConfig,
    model: ModelConfig,
    cohort: Cohort,
    chosen: tuple[pd.DataFrame, pd.DataFrame],
    run: RunFolder,
    seed: int,
    quiet: bool,
) -> dict[str, Callable[[], pd.DataFrame]]:
    """Functions that make each table of a model; the first one called loads the model."""
    logits = _scorer(config, model, cohort)
    parts: dict[str, Callable[[], pd.DataFrame]] = {CROSSED: partial(_grid, *chosen, logits)}
    if config.pairing is not None:
        parts[PAIRED] = partial(_paired, config, model, cohort, run, seed, quiet, logits)
    return parts


def _scorer(config: CrossedConfig, model: ModelConfig, cohort: Cohort) -> Logits:
    from empirical.vlm.inference.batch_scorer import BatchScorer
    from empirical.vlm.inference.encoder import Encoder
    from empirical.vlm.inference.picture_shapes import refuse_odd_shapes
    from empirical.vlm.loading import load_vlm
    from empirical.vlm.processors import refuse_special_tokens

    words = prompt_words(cohort, config.prompts)

    @cache
    def scorer() -> tuple[BatchScorer, Encoder]:
        import torch

        if config.threads is not None:
            torch.set_num_threads(config.threads)
        vlm = load_vlm(model)
        refuse_special_tokens(vlm.processor, config.prompts, words)
        encoder = Encoder(vlm.processor, vlm.family, image_source(cohort))
        return BatchScorer(vlm, encoder, config.prompts.answers, config.batch_size, config.speed), encoder

    def logits(pairs: list[tuple[str, ...]]) -> np.ndarray:
        batch_scorer, encoder = scorer()
        examples = [_example(config, words, images) for images in pairs]
        refuse_odd_shapes(encoder, cohort, examples)
        values = batch_scorer.scores(examples)[0]
        return values[:, 0] - values[:, 1]

    return logits


def _grid(queries: pd.DataFrame, references: pd.DataFrame, logits: Logits) -> pd.DataFrame:
    """Score every query beside every reference."""
    import pandas as pd

    grid = [(query, reference) for reference in references.itertuples() for query in queries.itertuples()]
    rows = [(q.patient_id, q.item_id, r.item_id, bool(q.positive)) for q, r in grid]
    table = pd.DataFrame(rows, columns=["patient_id", "item_id", "reference_id", "label"])
    return table.assign(logit=logits([(str(r.item_id), str(q.item_id)) for q, r in grid]))


def _paired(
    config: CrossedConfig, model: ModelConfig, cohort: Cohort, run: RunFolder, seed: int, quiet: bool, logits: Logits
) -> pd.DataFrame:
    """Score queries and their references, each alone."""
    arm = ArmConfig(arm="pair", references=config.pairing)
    assignment = assign_references(cohort, config.split, arm, seed=config.seed, model=model)
    assert assignment is not None  # the arm shows a reference
    save_references(cohort, config.split, assignment, run, f"pairing-{seed}", quiet)
    run.count(f"left_out:pairing-{seed}", len(assignment.left_out))
    run.save()  # a run that is killed and resumed does not count them again
    table = assignment.table[["item_id", "reference_id"]].reset_index(drop=True)
    known = cohort.table.set_index("item_id")
    label = known["label"].isin(cohort.info.positive)
    items = sorted({*table["item_id"], *table["reference_id"]})
    alone = dict(zip(items, logits([(item,) for item in items]), strict=True))
    return table.assign(
        patient_id=known.loc[table["item_id"], "patient_id"].to_numpy(),
        label=label.loc[table["item_id"]].to_numpy(),
        query=table["item_id"].map(alone),
        reference=table["reference_id"].map(alone),
    )


def _example(config: CrossedConfig, words: dict[str, str], images: tuple[str, ...]) -> Example:
    """Build the example of a query, which stands last in `images`, alone or beside a reference."""
    *references, query = images
    parts = render(prompt_text(config.prompts.pair if references else config.prompts.single), words, len(references))
    rest = iter(references)
    shown = tuple(query if part.kind == "query" else next(rest) for part in parts if part.kind != "text")
    return Example(query, parts, shown, config.prompts.positive, tuple(references))
