"""Crossed scoring: every chosen patient beside every chosen reference, by every model (training seed).

From the table that it leaves, ``theory.variance_components`` estimates how much of a logit is the patient's, the reference's and the
seed's; and from single-image scores of matched pairs, the correlation that the theory takes in.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from empirical.arms import Example, picture_source, queries_of, words_of
from empirical.cohorts import Cohort
from empirical.prompts import PromptConfig, prompt_hash, prompt_text, render
from empirical.references import ReferenceConfig
from empirical.vlm.loading import ModelConfig
from empirical.vlm.reader import SpeedConfig
from see_in_pairs.configs import StrictConfig
from see_in_pairs.console import progress, say
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_table, write_parquet
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    import pandas as pd


class CrossedConfig(StrictConfig):
    """Everything that decides a crossed scoring.

    Parameters
    ----------
    cohort : str
        Folder of the cohort.
    models : tuple of ModelConfig
        One per training seed.
    prompts : PromptConfig
        Wording and answers.
    split : str
        ``test`` or ``val``.
    patients : int
        Of each class, one query each. The interval of the patients' component is as wide as that of a variance from so many: with 50
        of each class about three tenths either way, in standard deviations a seventh.
    references : int
        Healthy references, of other patients and families than all queries.
    pairing : ReferenceConfig, optional
        Also score queries, and the references that this strategy gives them, each alone; for the correlation of their scores.
    batch_size : int
        Rows in a forward pass.
    speed : SpeedConfig
        What work to save; a reference is read once for all patients where the family allows it.
    seed : int
        Of the choice of patients and references.
    threads : int, optional
        CPU threads of torch.
    """

    cohort: str
    models: tuple[ModelConfig, ...] = Field(min_length=1)
    prompts: PromptConfig = PromptConfig()
    split: Literal["test", "val"] = "test"
    patients: int = Field(default=50, ge=2)
    references: int = Field(default=20, ge=2)
    pairing: ReferenceConfig | None = None
    batch_size: int = Field(default=16, ge=1)
    speed: SpeedConfig = SpeedConfig()
    seed: int = Field(default=0, ge=0)
    threads: int | None = Field(default=None, ge=1)


def crossed_scores(config: CrossedConfig, out: Path, *, quiet: bool = False) -> pd.DataFrame:
    """Score every patient beside every reference with every model; run again to resume, model by model.

    Parameters
    ----------
    config : CrossedConfig
        Models, cohort and numbers.
    out : Path
        Folder for ``crossed.parquet`` and, with `pairing`, ``paired.parquet``; 'see-in-pairs analyse components' reads them.
    quiet : bool, default False
        No messages, no progress bar.

    Returns
    -------
    pandas.DataFrame
        ``patient_id``, ``item_id``, ``reference_id``, ``seed`` (of the training), ``label`` (true where positive), ``logit`` (log-odds
        of the positive answer within the closed set).

    Raises
    ------
    InputError
        When there are too few patients or references, or two models have the same training seed.
    """
    import pandas as pd

    from empirical.vlm.names import files_hash

    cohort, seeds = Cohort.load(Path(config.cohort)), _seeds(config)
    queries, references = choose_crossed(cohort, config)
    identity = config.model_dump() | {"cohort_hash": cohort.hash, "prompt_hash": prompt_hash(config.prompts)}
    identity["models_hash"] = [files_hash(model.name, model.revision) for model in config.models]
    with RunFolder(out, "crossed scoring", identity, seed=config.seed, inputs=[cohort.folder / "cohort.parquet"]) as run:
        say(f"score {len(queries)} patients x {len(references)} references x {len(seeds)} models", quiet)
        crossed, paired = [], []
        for seed, model in progress(zip(seeds, config.models, strict=True), len(seeds), "models", quiet):
            piece = run.path / "pieces" / f"{seed}.parquet"
            if not piece.is_file():
                _score(config, model, cohort, queries, references, piece)
            crossed.append(read_table(piece).assign(seed=seed))
            if config.pairing is not None:
                paired.append(read_table(piece.with_suffix(".paired.parquet")).assign(seed=seed))
        table = pd.concat(crossed, ignore_index=True)
        write_parquet(run.path / "crossed.parquet", table)
        if paired:
            write_parquet(run.path / "paired.parquet", pd.concat(paired, ignore_index=True))
    return table


def choose_crossed(cohort: Cohort, config: CrossedConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw patients of both classes, one query each, and references that may stand beside all of them.

    Parameters
    ----------
    cohort : Cohort
        The cohort.
    config : CrossedConfig
        How many.

    Returns
    -------
    tuple of two pandas.DataFrame
        Queries and references: rows of the cohort's table; ``positive`` tells the class of a query.

    Raises
    ------
    InputError
        When there are too few.
    """
    from empirical.references.pool import healthy_pool

    rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(2,)))
    table = queries_of(cohort, config.split)
    table = table.assign(positive=table["label"].isin(cohort.info.positive)).sample(frac=1, random_state=rng)
    table = table.drop_duplicates("patient_id")
    queries = table.groupby("positive").head(config.patients).sort_values("item_id")
    fewest = int(queries["positive"].value_counts().min())
    if fewest < config.patients:
        asked = f"patients: {config.patients} of each class asked for"
        raise InputError(f"{asked}, the split '{config.split}' has {fewest} of one" + (f"; set patients: {fewest}" if fewest > 1 else ""))
    pool = healthy_pool(cohort, config.split)
    kin = pool["patient_id"].isin(queries["patient_id"]) | ((pool["family"] != "") & pool["family"].isin(queries["family"]))
    pool = pool[~kin].drop_duplicates("patient_id")
    if len(pool) < config.references:
        raise InputError(
            f"references: {config.references} asked for, {len(pool)} healthy patients are no relatives of any query; ask for fewer patients"
        )
    return queries, pool.sample(config.references, random_state=rng).sort_values("item_id")


def _seeds(config: CrossedConfig) -> list[int]:
    from empirical.vlm.loading import training_record

    seeds = [int(training_record(model.name).get("train_seed", place)) for place, model in enumerate(config.models)]
    if len(set(seeds)) < len(seeds):
        raise InputError(f"models: training seeds occur twice ({', '.join(map(str, seeds))}); give models that differ in their seed only")
    return seeds


def _score(config: CrossedConfig, model: ModelConfig, cohort: Cohort, queries: pd.DataFrame, references: pd.DataFrame, piece: Path) -> None:
    import pandas as pd
    import torch

    from empirical.vlm.encoding import Encoder
    from empirical.vlm.loading import load_vlm
    from empirical.vlm.reader import AnswerReader

    if config.threads is not None:
        torch.set_num_threads(config.threads)
    vlm = load_vlm(model)
    encoder = Encoder(vlm.processor, vlm.family, picture_source(cohort))
    reader = AnswerReader(vlm, encoder, config.prompts.answers, config.batch_size, config.speed)
    words = words_of(cohort, config.prompts)

    def logits(pairs: list[tuple[str, ...]]) -> np.ndarray:
        values = reader.scores([_example(config, words, images) for images in pairs])[0]
        return values[:, 0] - values[:, 1]

    if config.pairing is not None:
        write_parquet(piece.with_suffix(".paired.parquet"), _paired(config, model, cohort, logits))
    grid = [(query, reference) for reference in references.itertuples() for query in queries.itertuples()]
    rows = [(q.patient_id, q.item_id, r.item_id, bool(q.positive)) for q, r in grid]
    table = pd.DataFrame(rows, columns=["patient_id", "item_id", "reference_id", "label"])
    write_parquet(piece, table.assign(logit=logits([(str(r.item_id), str(q.item_id)) for q, r in grid])))


def _paired(config: CrossedConfig, model: ModelConfig, cohort: Cohort, logits: Any) -> pd.DataFrame:
    """Score queries and their references, each alone."""
    from empirical.references import choose_references

    assert config.pairing is not None
    assignment = choose_references(cohort, config.split, config.pairing, config.seed, model=model)
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
    """Show a query, which stands last in `images`, alone or beside a reference."""
    *references, query = images
    parts = render(prompt_text(config.prompts.pair if references else config.prompts.single), words, len(references))
    rest = iter(references)
    shown = tuple(query if part.kind == "query" else next(rest) for part in parts if part.kind != "text")
    return Example(query, parts, shown, config.prompts.positive, tuple(references))
