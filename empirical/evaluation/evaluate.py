"""Score one or more arms on identical items; finished pieces survive a kill, and running again goes on from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.arms import ArmConfig, assign_references, build_examples
from empirical.audit.preflight import preflight, save_references
from empirical.cohorts import Cohort
from empirical.evaluation.config import MAY_CHANGE, EvaluateConfig, run_id
from empirical.evaluation.image_integrity import save_stamps, verify_images
from empirical.evaluation.records import COLUMNS, Records, write_records
from empirical.evaluation.shards import ShardScorer
from empirical.prompts.example import Example
from empirical.prompts.templates import prompt_hash
from empirical.vlm.inference.generation import UNPARSED, parse_answer
from empirical.vlm.loading import dtype_of
from empirical.vlm.out_of_memory import largest_that_fits, reduce_memory_advice, runs_in_memory
from see_in_pairs.console import log
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json, write_json
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from empirical.references import Assignment


def evaluate(config: EvaluateConfig, out: Path, *, quiet: bool = False) -> Records:
    """Score every query of a split in every arm.

    Parameters
    ----------
    config : EvaluateConfig
        Model, cohort and arms.
    out : Path
        Folder for ``records.parquet`` and the manifest.
    quiet : bool, default False
        No messages, no progress bar.

    Returns
    -------
    Records
        One row per (arm, item).

    Raises
    ------
    InputError
        When cohort, model or config do not fit, or `out` holds another run.
    CheckFailed
        When the audit of the cohort finds leakage.
    """
    import pandas as pd

    from empirical.vlm.hub import pin_revision
    from empirical.vlm.model_id import weights_hash

    config = config.model_copy(update={"model": pin_revision(config.model)})
    cohort = Cohort.load(Path(config.cohort))
    references, left_out, examples = prepare_examples(config, cohort)
    validate_before_scoring(config, cohort, examples)
    identity = config.model_dump(exclude=MAY_CHANGE) | {"cohort_hash": cohort.hash, "prompt_hash": prompt_hash(config.prompts)}
    identity["other_cohort_hashes"] = other_cohorts(config)
    identity["weights_hash"] = weights_hash(config.model.name, config.model.revision)
    begun = identity["batch_size"] = resume_batch_size(config, out)
    with RunFolder(out, "evaluate", identity, seed=config.seed, inputs=[cohort.folder / "cohort.parquet"]) as run:
        preflight(cohort, run, config.allow, config.seed, quiet)
        write_references(config, cohort, references, left_out, run, quiet)
        log(f"score {len(next(iter(examples.values())))} items in {len(examples)} arm(s) with '{config.model.name}'", quiet)
        run.manifest |= {"batch_size_used": config.batch_size} | config.model_dump(include=MAY_CHANGE)
        run.save()
        scorer = ShardScorer(config.model_copy(update={"batch_size": begun}), cohort, run.path / "pieces", quiet, config.batch_size)
        marks = verify_images(
            cohort, {name for prepare_examples in examples.values() for one in prepare_examples for name in one.images}, scorer.pieces
        )
        scores = _scores(scorer, examples)
        save_stamps(marks, scorer.pieces)
        tables = [_rows(config, cohort, arm, examples[run_id(arm)], scores[run_id(arm)]) for arm in config.arms]
        records = Records(pd.concat(tables, ignore_index=True), tuple(cohort.info.positive), cohort.info.healthy)
        failed = int(records.table["p_positive"].isna().sum())
        run.count("not_scored", failed)
        if scorer.diagnosis is not None:
            run.manifest["doctor"] = scorer.diagnosis.to_dict()["checks"]
        write_records(run.path / "records.parquet", records)
        write_reports(config, cohort, records, run, quiet)
    if failed:
        raise InputError(f"{out}: {failed} items have no finite score (see records.parquet); {_advice(config)}")
    return records


def prepare_examples(
    config: EvaluateConfig, cohort: Cohort
) -> tuple[dict[str, Assignment | None], frozenset[str], dict[str, list[Example]]]:
    """Find the references of every arm, and build the examples of all on the same items.

    Returns `left_out` Queries for which some arm has no reference, on request; no arm has them.
    """
    references = {run_id(arm): assign_references(cohort, config.split, arm, seed=config.seed, model=config.model) for arm in config.arms}
    left_out = frozenset[str]().union(*(assignment.left_out for assignment in references.values() if assignment is not None))
    examples = {run_id(arm): _examples(config, cohort, arm, references[run_id(arm)], left_out) for arm in config.arms}
    return references, left_out, examples


def write_references(
    config: EvaluateConfig, cohort: Cohort, references: dict[str, Assignment | None], left_out: frozenset[str], run: RunFolder, quiet: bool
) -> None:
    """Write the references beside a run, and count who could not be matched and who is left out."""
    for name, assignment in references.items():
        save_references(cohort, config.split, assignment, run, name, quiet)
    run.count("left_out", len(left_out))


def other_cohorts(config: EvaluateConfig) -> list[str]:
    """Hash the other cohorts of which arms show pictures.

    Returns A hash for each arm that shows one.
    """
    return [Cohort.load(Path(arm.other_cohort)).hash for arm in config.arms if arm.other_cohort is not None]


def validate_before_scoring(config: EvaluateConfig, cohort: Cohort, examples: dict[str, list[Example]]) -> None:
    """Refuse before the scoring what could not be carried out after it, or not be carried out as asked."""
    from empirical.analysis.reports import calibration_records
    from empirical.vlm.inference.prefix_cache import shared_prefix

    if config.calibrate_on is not None:
        calibration_records(Path(config.calibrate_on), cohort, list(examples), _trained(config))
    if config.speed.prefix_cache:
        for name, prepare_examples in examples.items():
            if prepare_examples[0].reference_ids and shared_prefix(prepare_examples[0]) is None:
                raise InputError(
                    f"prefix_cache: arm '{name}' shows the query first, so that no prompts begin alike; set prefix_cache: false"
                )


def _advice(config: EvaluateConfig) -> str:
    """Say what may help against scores that are no numbers."""
    if str(dtype_of(config.model)) != "torch.float32":
        return "load the model with dtype: float32"
    return (
        f"the model computes in float32 already, so its weights are no numbers or too large: look at the training of '{config.model.name}'"
    )


def resume_batch_size(config: EvaluateConfig, out: Path) -> int:
    """Tell with which batch size a run was begun: the pieces were cut by it, and it may go on with a smaller one."""
    file = out / "manifest.json"
    before = read_json(file) if file.is_file() else {}
    settings = before.get("config") if isinstance(before, dict) else None
    begun = settings.get("batch_size") if isinstance(settings, dict) else None
    if not isinstance(begun, int) or begun <= config.batch_size:
        return config.batch_size
    return begun if not before.get("finished") or before.get("batch_size_used") == config.batch_size else config.batch_size


def _scores(scorer: ShardScorer, examples: dict[str, list[Example]]) -> dict[str, pd.DataFrame]:
    """Score all arms; where memory runs out, end with the batch size that fits."""
    tables: dict[str, pd.DataFrame] = {}

    def every_arm() -> None:
        tables.update((name, scorer.arm(name, prepare_examples)) for name, prepare_examples in examples.items())

    if runs_in_memory(every_arm):
        return tables
    if not scorer.loaded:
        raise InputError("out of memory before the first item: the model itself hardly fits; take a smaller one, or model.dtype: bfloat16")
    rows, found = scorer.rows, largest_that_fits(scorer.again, scorer.rows // 2)
    kept = f"{scorer.kept} of {sum(map(len, examples.values()))} scores are kept"
    if not found:
        raise InputError(f"out of memory even with batch_size 1; {reduce_memory_advice()} ({kept})")
    how = f"run again with --set batch_size={found} and the same --out ({kept})"
    raise InputError(f"out of memory with batch_size {rows}; {found} fits: {how}")


def _examples(
    config: EvaluateConfig, cohort: Cohort, arm: ArmConfig, assignment: Assignment | None, left_out: frozenset[str]
) -> list[Example]:
    """Build the examples of an arm, without the queries that some arm has no reference for: all arms are scored on the same items."""
    built = build_examples(cohort, config.split, arm, config.prompts, seed=config.seed, assignment=assignment)
    kept = [example for example in built if example.item_id not in left_out]
    if len({example.answer for example in kept}) < 2:
        raise InputError(f"'leave_out' leaves {len(kept)} of {len(built)} queries, not of both classes; relax the matching instead")
    return kept


def write_reports(config: EvaluateConfig, cohort: Cohort, records: Records, run: RunFolder, quiet: bool) -> None:
    """Report what is read off the records: agreement of the scorers, calibration."""
    from empirical.analysis.agreement import scorer_agreement
    from empirical.analysis.reports import WRITTEN, report_calibration

    if config.generate:
        run.count("unparsed", int((records.table["parsed"] == UNPARSED).sum()))
        found = scorer_agreement(records)
        write_json(run.path / "agreement.json", found)
        for name, one in found.items():
            agree = f"both scorers agree on {one.share:.1%} ({one.low:.1%} to {one.high:.1%})"
            log(f"{name}: {agree}; unparsed {one.unparsed:.1%} ({one.unparsed_low:.1%} to {one.unparsed_high:.1%})", quiet)
    for name in WRITTEN:  # of an earlier run, which may have been calibrated on something else
        (run.path / name).unlink(missing_ok=True)
    if config.calibrate_on is not None and records.table["p_positive"].isna().any():
        log("calibration: not reported, since items have no score", quiet)
    elif config.calibrate_on is not None:
        report_calibration(records, Path(config.calibrate_on), cohort, run.path, seed=config.seed, quiet=quiet)


def _trained(config: EvaluateConfig) -> dict[str, Any]:
    """Say what the records tell of a model's training."""
    from empirical.vlm.loading import training_record

    training = training_record(config.model.name)
    return {"train_arm": training.get("train_arm", ""), "train_seed": training.get("train_seed", 0), "n_train": training.get("n_train", 0)}


def _rows(config: EvaluateConfig, cohort: Cohort, arm: ArmConfig, examples: Sequence[Example], scores: pd.DataFrame) -> pd.DataFrame:
    """Put scores and what is known of the items into the columns of the records."""
    import pandas as pd
    from scipy.special import logsumexp, softmax

    items = cohort.table.set_index("item_id")
    queries = items.loc[[example.item_id for example in examples]]
    logp = scores[list(config.prompts.answers)].to_numpy()
    table = pd.DataFrame(
        {
            "run_id": run_id(arm),
            "arm": arm.arm,
            **_trained(config),
            "item_id": queries.index.to_numpy(),
            "patient_id": queries["patient_id"].to_numpy(),
            "site": queries["site"].to_numpy(),
            "label": queries["label"].to_numpy(),
            "reference_ids": [list(example.reference_ids) for example in examples],
            "reference_strategy": arm.strategy,
            "reference_patient_ids": [list(example.reference_patient_ids) for example in examples],
            "seed": config.seed,
            "p_positive": softmax(logp, axis=1)[:, 0],
            "logp": [dict(zip(config.prompts.answers, row, strict=True)) for row in logp.tolist()],
            "mass_outside": np.maximum(0.0, -np.expm1(logsumexp(logp, axis=1))),
            "generated": scores["generated"].to_numpy(),
            "parsed": [None if text is None else parse_answer(text, config.prompts.answers) for text in scores["generated"]],
            "score_seconds": scores["score_seconds"].to_numpy(),
        }
    )
    return table[list(COLUMNS)]
