"""Score one or more arms on identical items; finished shards survive a kill, and another run continues from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.audit.preflight import preflight
from empirical.cohorts import Cohort
from empirical.cohorts.questions import binary_answers, scales_of
from empirical.evaluation.config import MAY_CHANGE, EvaluateConfig, run_id
from empirical.evaluation.examples import Condition, other_cohort_hashes, prepare_examples
from empirical.evaluation.image_integrity import save_stamps, verify_images
from empirical.evaluation.records import COLUMNS, MAY_LACK, Records, write_records
from empirical.evaluation.shards import SHARDS, ShardScorer
from empirical.prompts.example import Example
from empirical.prompts.templates import prompt_hash
from empirical.vlm.inference.generation import UNPARSED, parse_answer
from see_in_pairs.console import log
from see_in_pairs.display import plural
from see_in_pairs.errors import InputError
from see_in_pairs.files import content_hash, read_json
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from empirical.vlm.doctor import Diagnosis

Report = Callable[[Cohort, Records, RunFolder], None]
"""Writes reports on the records into the folder of their run."""


def evaluate(config: EvaluateConfig, out: Path | str, *, report: Report | None = None, quiet: bool = False) -> Records:
    """Score every query of a split in every arm, and write the records.

    Parameters
    ----------
    config : EvaluateConfig
        Model, cohort, split, prompts and arms; all arms are scored on the same queries. `calibrate_on` needs a `report`.
    out : Path or str
        Folder for ``records.parquet``, the references and the manifest. Run again with the same folder after a kill: finished shards are
        not scored again.
    report : callable, optional
        Called with cohort, records and run folder once the records are written, while the folder is still this run's own. See
        `empirical.analysis.reports.evaluate_with_reports`.
    quiet : bool, default False
        Print neither messages nor progress bars.

    Returns
    -------
    Records
        One row per (arm, item).

    Raises
    ------
    InputError
        When cohort, model or config do not fit, `out` contains another run, memory runs out, or items have no finite score.
    CheckFailed
        When the audit of the cohort finds leakage.
    """
    import pandas as pd

    from empirical.vlm.hub import pin_revision
    from empirical.vlm.model_id import weights_hash

    if config.calibrate_on is not None and report is None:
        raise InputError("calibrate_on: evaluate() writes records only; call evaluate_with_reports()")
    config = config.model_copy(update={"model": pin_revision(config.model)})
    cohort = Cohort.load(Path(config.cohort))
    arms = prepare_examples(config, cohort, quiet)
    _refuse_useless_prefix_cache(config, arms.examples)
    identity = config.model_dump(exclude=MAY_CHANGE) | {"cohort_hash": cohort.hash, "prompt_hash": prompt_hash(config.prompts)}
    identity["other_cohort_hashes"] = other_cohort_hashes(config)
    if config.wordings:
        identity["wordings_hash"] = content_hash([prompt_hash(condition.prompts) for condition in arms.conditions.values()])
    identity["weights_hash"] = weights_hash(config.model.name, config.model.revision)
    identity["batch_size"] = begun_with = batch_size_of_shards(config.batch_size, Path(out))
    with RunFolder(Path(out), "evaluate", identity, seed=config.seed, inputs=[cohort.folder / "cohort.parquet"]) as run:
        preflight(cohort, run, config.allow, config.seed, quiet, splits=[config.split])
        arms.write_references(config, cohort, run, quiet)
        what = "items" if cohort.questions is None else "questions"
        number, conditions = len(next(iter(arms.examples.values()))), plural(len(arms.examples), "condition")
        log(f"score {number} {what} in {conditions} with '{config.model.name}'", quiet)
        run.manifest |= {"batch_size_used": config.batch_size} | config.model_dump(include=MAY_CHANGE)
        run.save()

        def record_doctor(diagnosis: Diagnosis) -> None:  # immediately: once the scores exist, the doctor is not called again
            run.manifest["doctor"] = diagnosis.to_dict()["checks"]
            run.save()

        scorer = ShardScorer(config, cohort, run.path / SHARDS, quiet, shard_batch_size=begun_with, diagnosed=record_doctor)
        stamps = verify_images(cohort, arms.images(), run.path / SHARDS)
        scores = scorer.score_arms(arms.examples)
        save_stamps(stamps, run.path / SHARDS)
        tables = [_rows(config, cohort, one, arms.examples[name], scores[name]) for name, one in arms.conditions.items()]
        records = Records(pd.concat(tables, ignore_index=True), *_classes(cohort))
        not_scored = sum(not np.isfinite(list(logp.values())).all() for logp in records.table["logp"])
        run.count("not_scored", not_scored)
        if config.generate:
            run.count("unparsed", int((records.table["parsed"] == UNPARSED).sum()))
        write_records(run.path / "records.parquet", records)
        if report is not None:
            report(cohort, records, run)
    if not_scored:
        raise InputError(f"{out}: {not_scored} items have no finite score (see records.parquet); {_advice(config)}")
    return records


def _refuse_useless_prefix_cache(config: EvaluateConfig, examples: dict[str, list[Example]]) -> None:
    """Refuse a requested prefix cache where no prompts share a beginning."""
    from empirical.vlm.inference.prefix_cache import shared_prefix

    for name, shown in examples.items() if config.speed.prefix_cache else ():
        if shown[0].reference_ids and shared_prefix(shown[0]) is None:
            raise InputError(f"prefix_cache: arm '{name}' shows the query first, so prompts share no beginning; set prefix_cache: false")


def batch_size_of_shards(batch_size: int, out: Path) -> int:
    """Find the batch size that the shards of a run are cut by: its first one, if the run may continue with a smaller one.

    A run that ended out of memory continues with the batch size that the error advised, and keeps its shards: the batch size is part of its
    identity, so it must remain the old one. A larger batch size, or a smaller one in a finished folder that did not use it, is another
    run, which the folder refuses.
    """
    file = out / "manifest.json"
    before = read_json(file) if file.is_file() else {}
    settings = before.get("config") if isinstance(before, dict) else None
    begun_with = settings.get("batch_size") if isinstance(settings, dict) else None
    if not isinstance(begun_with, int) or begun_with <= batch_size:
        return batch_size
    return begun_with if not before.get("finished") or before.get("batch_size_used") == batch_size else batch_size


def training_columns(model: str) -> dict[str, Any]:
    """Columns of the records that say how a model was trained; for an off-the-shelf model an empty arm, no seed and no patients."""
    from empirical.vlm.model_id import training_record

    training = training_record(model)
    return {"train_arm": training.get("train_arm", ""), "train_seed": training.get("train_seed"), "n_train": training.get("n_train")}


def _classes(cohort: Cohort) -> tuple[tuple[str, ...], str, dict[str, tuple[str, ...]]]:
    """The labels to detect, the healthy one, and the scales of ordinal questions, as records name them."""
    if cohort.questions is None:
        return tuple(cohort.info.positive), cohort.info.healthy, {}
    answers = binary_answers(cohort.questions)
    positive, negative = ((), "") if answers is None else ((answers[0],), answers[1])
    return positive, negative, scales_of(cohort.questions)


def _rows(config: EvaluateConfig, cohort: Cohort, condition: Condition, examples: Sequence[Example], scores: pd.DataFrame) -> pd.DataFrame:
    """Put the scores and the items' own columns into the columns of the records."""
    import pandas as pd
    from scipy.special import logsumexp

    items, arm = cohort.table.set_index("item_id"), condition.arm
    queries = items.loc[[example.item_id for example in examples]]
    values = [np.asarray(row, dtype=np.float64).tolist() for row in scores["logp"]]  # a NaN in a list is null in Parquet
    shown = [dict(zip(example.answers, row, strict=True)) for example, row in zip(examples, values, strict=True)]
    answers, labels = [example.answer for example in examples], queries["label"].to_numpy()
    about: dict[str, Any] = {"question_id": "", "finding": cohort.info.finding, "scale": "binary"}
    choices = pd.Series([condition.prompts.answers] * len(examples))
    if cohort.questions is not None:
        asked = cohort.questions.set_index(["item_id", "question_id"]).loc[[example.key for example in examples]]
        about = {"question_id": [example.question_id for example in examples]}
        about |= {column: asked[column].to_numpy() for column in ("finding", "scale")}
        choices, labels = asked["choices"], np.array(answers, dtype=object)
    # in the order of the choices, whatever the order shown: the first is the positive one of a binary question
    logp = [{choice: row[choice] for choice in closed} for closed, row in zip(choices, shown, strict=True)]
    total = np.array([logsumexp(list(row.values())) for row in logp])
    first = np.array([next(iter(row.values())) for row in logp])
    p_positive = np.where(np.array(about["scale"]) == "binary", np.exp(first - total), np.nan)
    return pd.DataFrame(
        {
            "run_id": run_id(arm),
            "arm": arm.arm,
            **training_columns(config.model.name),
            "item_id": queries.index.to_numpy(),
            "patient_id": queries["patient_id"].to_numpy(),
            "site": queries["site"].to_numpy(),
            "label": labels,
            **about,
            "answer": answers,
            "wording": condition.wording,
            "reference_ids": [list(example.reference_ids) for example in examples],
            "reference_strategy": arm.strategy,
            "reference_patient_ids": [list(example.reference_patient_ids) for example in examples],
            "seed": config.seed,
            "p_positive": p_positive,
            "logp": logp,
            "mass_outside": np.maximum(0.0, -np.expm1(total)),
            "generated": scores["generated"].to_numpy(),
            "parsed": [
                None if text is None else parse_answer(text, example.answers)
                for text, example in zip(scores["generated"], examples, strict=True)
            ],
            "score_seconds": scores["score_seconds"].to_numpy(),
        }
    )[list(COLUMNS)].astype(dict.fromkeys(MAY_LACK, "Int64"))


def _advice(config: EvaluateConfig) -> str:
    """Say what may help against scores that are not finite."""
    from empirical.vlm.loading import dtype_of

    if str(dtype_of(config.model)) != "torch.float32":
        return "load the model with dtype: float32"
    return f"the model computes in float32 already, so its weights are not finite or too large: check the training of '{config.model.name}'"
