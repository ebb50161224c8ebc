"""Finetune one arm on transformers' Trainer: loss on the answer only, checkpoints, resume."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.arms import assign_references, build_examples
from empirical.arms.build import checked_queries, prompt_words, refuse_classes_without_cases
from empirical.audit.preflight import preflight, save_alignment, save_references
from empirical.cohorts import Cohort
from empirical.prompts.example import Example
from empirical.prompts.templates import prompt_hash
from empirical.training.batch_size_search import StepSettings, out_of_memory
from empirical.training.checkpointing_trial import record_shortage
from empirical.training.checkpoints import last_checkpoint, still_whole
from empirical.training.config import FinetuneConfig
from empirical.training.data_order import DataOrder, TrainingData, augmented_rows, planned_examples, split_by_difficulty
from empirical.training.determinism import deterministic_kernels
from empirical.training.distributed import check_launch, is_first, launched, refuse_mixed_formats, save_weights, sharding_wanted, world_size
from empirical.training.memory_estimate import check_fixed_memory, device_memory, fixed_memory
from empirical.training.model_card import run_card
from empirical.training.setup import (
    FeatureStorage,
    decide_checkpointing,
    longest_rows,
    make_encoder,
    make_trainer,
    require_trackers,
    training_arguments,
)
from empirical.training.trainable import make_trainable, refuse_adapter, vision_is_frozen
from empirical.vlm.out_of_memory import report_out_of_memory, runs_in_memory
from see_in_pairs.console import ProgressBar, log
from see_in_pairs.files import sha256, write_json, write_parquet, write_text
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    import pandas as pd
    from transformers import Trainer, TrainerCallback

    from empirical.training.trainer import AnswerTrainer
    from empirical.vlm.config import VisionLanguageModel


def finetune(config: FinetuneConfig, out: Path | str, *, quiet: bool = False) -> Path:
    """Finetune a model on one arm; called again after a kill, it continues and ends with the same weights.

    Parameters
    ----------
    config : FinetuneConfig
        Model, cohort, arm, what is trained, and schedule.
    out : Path or str
        Folder for the model, the plan (``plan.parquet``), the loss history (``history.csv``) and the manifest.
    quiet : bool, default False
        Print neither messages nor a progress bar.

    Returns
    -------
    Path
        The folder of the finished model, which ``evaluate`` and any transformers script can load.

    Raises
    ------
    InputError
        When cohort, model or config do not fit, a tracker is not installed, or `out` contains another run.
    CheckFailed
        When the audit of the cohort finds leakage.
    """
    from empirical.vlm.hub import pin_revision
    from empirical.vlm.model_id import weights_hash

    check_launch()
    require_trackers(config.report_to)
    refuse_adapter(config.model.name)
    config = config.model_copy(update={"model": pin_revision(config.model)})
    cohort = Cohort.load(Path(config.cohort))
    checked_queries(cohort, "train")
    refuse_classes_without_cases(cohort)
    identity = config.model_dump() | {"cohort_hash": cohort.hash, "prompt_hash": prompt_hash(config.prompts)}
    identity["weights_hash"] = weights_hash(config.model.name, config.model.revision)
    identity |= launched()
    quiet = quiet or not is_first()
    if config.arm.other_cohort is not None:
        identity["other_cohort_hash"] = Cohort.load(Path(config.arm.other_cohort)).hash
    inputs = [cohort.folder / "cohort.parquet"]
    with deterministic_kernels(config.deterministic), RunFolder(Path(out), "finetune", identity, seed=config.seed, inputs=inputs) as run:
        model_folder = run.path / "model"
        if (model_folder / "training.json").is_file():
            still_whole(model_folder)
            if not config.keep_checkpoints:  # a kill may have happened in between
                shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
            log(f"{out}: already finished", quiet)
            return model_folder
        preflight(cohort, run, config.allow, config.seed, quiet)
        with report_out_of_memory("outside of a step: the model itself hardly fits; use a smaller one"):
            _train(config, cohort, run, quiet)
    return model_folder


def _train(config: FinetuneConfig, cohort: Cohort, run: RunFolder, quiet: bool) -> None:
    import torch
    import transformers

    from empirical.training.callbacks import StepProgress
    from empirical.vlm.inference.picture_shapes import refuse_odd_shapes
    from empirical.vlm.loading import load_vlm
    from empirical.vlm.processors import refuse_special_tokens

    if config.threads is not None:
        torch.set_num_threads(config.threads)
    transformers.utils.logging.set_verbosity_error()  # its warnings about tied weights on resuming are harmless
    transformers.set_seed(config.seed)
    vlm = load_vlm(config.model)
    refuse_special_tokens(vlm.processor, config.prompts, prompt_words(cohort, config.prompts))
    _check_model(config, vlm, run)
    model = make_trainable(vlm, config.method, config.lora)
    check_fixed_memory(config.method, model, device_memory(model), shared=sharding_wanted())
    refuse_mixed_formats(model)
    order = DataOrder.of(config, world_size())
    data = planned_examples(cohort, order, config.arm, config.prompts, config.model)
    examples = data.examples
    save_references(cohort, "train", data.assignment, run, config.arm.arm, quiet)
    save_alignment(cohort, (image for example in examples for image in example.images), run, config.arm.arm, quiet)
    plan = _write_plan(config, cohort, run, data, model, quiet)
    gpu = next(model.parameters()).device.type == "cuda"
    if config.augmentation is not None and config.store_features and vision_is_frozen(config.method, config.lora):
        log("augmentation: every row shows new pictures, so features of the frozen vision tower are not stored", quiet)
    encoder, serving = make_encoder(vlm, cohort, FeatureStorage.of(config), new_pictures=config.augmentation is not None)
    validation = _validation_examples(config, cohort, run, data.validation)
    for name, rows in (("plateau_loss", examples), ("validation_plateau_loss", validation)):
        if rows is not None:
            answers: dict[str, Counter[str]] = {}
            for example in rows:
                answers.setdefault(example.question_id, Counter())[example.answer] += 1
            run.manifest[name] = plateau_loss(list(answers.values()), lambda answer: len(encoder.answer_ids(answer)) + 1)
    refuse_odd_shapes(getattr(encoder, "plain", encoder), cohort, [*examples, *(validation or ())])

    def longest() -> list[Example]:
        return longest_rows(examples, encoder, config.batch_size, cohort)

    def trial() -> tuple[AnswerTrainer, list[Example]]:
        rows = longest()
        without = config.model_copy(update={"gradient_checkpointing": False, "early_stopping": None})
        return make_trainer(model, encoder, examples, training_arguments(without, run.path, gpu)), rows

    with serving, ProgressBar(config.steps, "finetune", "steps", quiet) as bar:
        checkpointing = decide_checkpointing(config.gradient_checkpointing, model, trial, run, quiet)
        config = config.model_copy(update={"gradient_checkpointing": checkpointing})
        arguments = training_arguments(config, run.path, gpu)
        callbacks = [*_callbacks(config, run, quiet), StepProgress(bar)]
        shown = examples if config.augmentation is None else augmented_rows(examples, config.augmentation, config.seed)
        trainer = make_trainer(model, encoder, shown, arguments, validation=validation, callbacks=callbacks, quiet=quiet)
        start = last_checkpoint(run.path / "checkpoints")
        if not runs_in_memory(lambda: trainer.train(resume_from_checkpoint=start)):
            if run.manifest["gradient_checkpointing_by_trial"] and not checkpointing:
                raise record_shortage(run.path)
            trainer.model.zero_grad(set_to_none=True)
            alone = trainer.args.world_size == 1  # with several, a trial would wait for the others, which did not run out of memory
            step, rows = (trainer.try_step, longest()) if alone else (None, examples)
            raise out_of_memory(StepSettings.of(config), step, rows, fixed_memory(trainer.model, trainer.args.bf16))
    building = run.path / ".model"
    save_weights(trainer, building)
    if trainer.is_world_process_zero():  # under 'accelerate launch' every process comes here; only one writes
        _write_history(run.path, trainer.state.log_history)
        _finish(config, vlm, trainer, cohort, run, plan, building)
        if not config.keep_checkpoints:
            shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    trainer.accelerator.wait_for_everyone()


def plateau_loss(answers: Sequence[Mapping[str, int]], tokens: Callable[[str], int]) -> float:
    """Compute the loss of a model that knows how often each answer is right, but ignores the pictures: many trainings start there.

    `answers` counts the answers that are shown, for each question; `tokens` is the number of tokens with loss in an answer, its end
    included. The first of them has the answer's whole loss; the others follow from it at no loss.

    Examples
    --------
    >>> round(plateau_loss([{"yes": 16, "no": 16}], lambda answer: 2), 4)  # ln 2 / 2
    0.3466
    """
    surprise = sum(count * math.log(sum(of.values()) / count) for of in answers for count in of.values())
    return surprise / sum(count * tokens(answer) for of in answers for answer, count in of.items())


def _check_model(config: FinetuneConfig, vlm: VisionLanguageModel, run: RunFolder) -> None:
    """Record how the model's inputs are made, and run the doctor's checks."""
    from empirical.vlm.doctor import diagnose_loaded, require
    from empirical.vlm.input_spec import input_spec
    from empirical.vlm.model_id import weights_hash

    run.manifest["parity"] = input_spec(vlm, config.prompts) | {"base_weights": weights_hash(config.model.name, config.model.revision)}
    if config.doctor:
        diagnosis = diagnose_loaded(vlm, config.prompts, thorough=False)
        run.manifest["doctor"] = diagnosis.to_dict()["checks"]
        require(diagnosis)


def _validation_examples(config: FinetuneConfig, cohort: Cohort, run: RunFolder, share: list[Example]) -> list[Example] | None:
    """Take the share of the training patients, or build examples of the split ``val`` alike; None without early stopping."""
    if config.early_stopping is None:
        return None
    if config.early_stopping.share is not None:
        run.manifest["n_validation"] = len(share)
        return share
    checked_queries(cohort, "val")
    assignment = assign_references(cohort, "val", config.arm, seed=config.seed, model=config.model)
    examples = build_examples(cohort, "val", config.arm, config.prompts, seed=config.seed, assignment=assignment)
    left_out = frozenset[str]() if assignment is None else assignment.left_out
    kept = [example for example in examples if example.item_id not in left_out]
    run.manifest["n_validation"] = len(kept)
    return kept


def _callbacks(config: FinetuneConfig, run: RunFolder, quiet: bool) -> list[TrainerCallback]:
    from empirical.training.callbacks import MarkComplete, StopOnNonFinite, StopWithoutFall, trackers

    stop = config.early_stopping
    below = math.inf if stop is None or stop.within is None else (1 - stop.within) * run.manifest["validation_plateau_loss"]
    early = [StopWithoutFall(stop.patience, stop.least, below)] if stop else []
    reporting = trackers(config.report_to, config.model_dump(mode="json"), run.path, quiet)
    return [MarkComplete(), StopOnNonFinite(), *early, *reporting]


def _write_plan(config: FinetuneConfig, cohort: Cohort, run: RunFolder, data: TrainingData, model: Any, quiet: bool) -> pd.DataFrame:
    """Write the plan of all steps to ``plan.parquet``, its numbers to the manifest, and a line to the log."""
    import pandas as pd

    examples = data.examples
    item_ids = [example.item_id for example in examples]
    table = pd.DataFrame({"item_id": item_ids, "reference_ids": [list(example.reference_ids) for example in examples]})
    if cohort.questions is not None:
        table.insert(1, "question_id", [example.question_id for example in examples])
    table.insert(0, "step", table.index // max(1, len(table) // config.steps))
    write_parquet(run.path / "plan.parquet", table)
    queries = cohort.queries("train")
    easy, _ = split_by_difficulty(queries, config.curriculum)
    run.manifest["n_train"] = data.patients  # all that are used, including a curriculum's easy part and those that validate
    if data.extra_healthy:
        run.manifest["n_extra_healthy"] = data.extra_healthy
    run.manifest["n_easy"] = len(set(easy) & set(item_ids))
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    total = sum(parameter.numel() for parameter in model.parameters())
    run.manifest["weights"] = {"trainable": trainable, "total": total}
    run.save()
    rows, distinct = len(examples) // config.steps, len(set(item_ids))
    if rows > distinct:
        log(f"a step has {rows} rows and there are {distinct} items, so it shows some several times; a smaller batch would not", quiet)
    log(
        f"finetune '{config.model.name}', arm '{config.arm.arm}' {config.arm.strategy}: {config.steps} steps of "
        f"{len(examples) // config.steps} rows from {data.patients} patients, {trainable:,} of {total:,} weights",
        quiet,
    )
    return table


def _write_history(out: Path, history: list[dict[str, float]]) -> None:
    import pandas as pd

    table = pd.DataFrame([row for row in history if "loss" in row]).reindex(columns=["step", "loss", "learning_rate", "grad_norm"])
    write_text(out / "history.csv", table.to_csv(index=False))
    validation = pd.DataFrame([row for row in history if "eval_loss" in row]).reindex(columns=["step", "eval_loss"])
    if len(validation):
        write_text(out / "validation.csv", validation.to_csv(index=False))


def _finish(
    config: FinetuneConfig, vlm: VisionLanguageModel, trainer: Trainer, cohort: Cohort, run: RunFolder, plan: pd.DataFrame, building: Path
) -> None:
    """Write the files that belong beside the weights, then rename: a folder ``model`` is always complete."""
    (building / "training_args.bin").unlink(missing_ok=True)  # a pickle; the manifest contains the same as readable text
    vlm.processor.save_pretrained(str(building))
    record = {
        "train_arm": config.arm.arm,
        "train_strategy": config.arm.strategy,
        "references_per_query": config.references_per_query,
        "train_seed": config.seed,
        "n_train": run.manifest["n_train"],
        "base_model": config.model.name,
        "base_revision": config.model.revision,
        "method": config.method,
        "parity": run.manifest["parity"],
        "prompt_hash": prompt_hash(config.prompts),
        "cohort_hash": cohort.hash,
        "config_hash": run.manifest["config_hash"],
        "files": {file.name: sha256(file) for file in sorted(building.glob("*.safetensors"))},
    }
    if config.early_stopping is not None:
        run.manifest["weights_of_step"] = trainer.state.best_global_step
    write_text(building / "README.md", run_card(config, cohort, run.manifest, plan, trainer.state.log_history))
    write_json(building / "training.json", record)
    run.save(durable=True)  # before the rename: a run killed after it counts as finished, and records nothing more
    building.rename(run.path / "model")
