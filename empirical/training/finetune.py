"""Finetune one arm on transformers' Trainer: loss on the answer only, checkpoints, resume."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.arms import Example, build_with_draws, picture_source, queries_of
from empirical.cohorts import Cohort
from empirical.preflight import keep_references, preflight
from empirical.prompts import prompt_hash
from empirical.training.checkpoints import last_checkpoint
from empirical.training.config import FinetuneConfig
from empirical.training.plan import draws_of, split_by_difficulty, training_plan
from see_in_pairs.console import say
from see_in_pairs.errors import InputError
from see_in_pairs.files import write_json, write_parquet, write_text
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, Trainer

    from empirical.vlm.loading import VisionLanguageModel


def finetune(config: FinetuneConfig, out: Path, *, quiet: bool = False) -> Path:
    """Finetune a model on one arm; called again after a kill, it goes on and ends in the same weights.

    Parameters
    ----------
    config : FinetuneConfig
        Model, cohort, arm and schedule.
    out : Path
        Folder for the model, the plan, the loss history and the manifest.
    quiet : bool, default False
        No messages, no progress bar.

    Returns
    -------
    Path
        The folder of the finished model, which ``evaluate`` and any transformers script can load.

    Raises
    ------
    InputError
        When cohort, model or config do not fit, or `out` holds another run.
    CheckFailed
        When the audit of the cohort finds leakage.
    """
    from empirical.vlm.loading import weights_hash

    cohort = Cohort.load(Path(config.cohort))
    queries_of(cohort, "train")
    identity = config.model_dump() | {"cohort_hash": cohort.hash, "prompt_hash": prompt_hash(config.prompts)}
    identity["weights_hash"] = weights_hash(config.model.name)
    if config.arm.other_cohort is not None:
        identity["other_cohort_hash"] = Cohort.load(Path(config.arm.other_cohort)).hash
    with RunFolder(out, "finetune", identity, seed=config.seed, inputs=[cohort.folder / "cohort.parquet"]) as run:
        model_folder = run.path / "model"
        if (model_folder / "training.json").is_file():
            say(f"{out}: already finished", quiet)
            return model_folder
        preflight(cohort, run, config.allow, config.seed, quiet)
        _train(config, cohort, run, quiet)
    return model_folder


def _train(config: FinetuneConfig, cohort: Cohort, run: RunFolder, quiet: bool) -> None:
    import torch
    import transformers

    from empirical.vlm.doctor import diagnose_loaded, require
    from empirical.vlm.encoding import Encoder
    from empirical.vlm.loading import load_vlm, weights_hash
    from empirical.vlm.parity import parity

    if config.threads is not None:
        torch.set_num_threads(config.threads)
    transformers.utils.logging.set_verbosity_error()  # its warnings on resuming tied weights alarm without cause
    transformers.set_seed(config.seed)
    vlm = load_vlm(config.model)
    run.manifest["parity"] = parity(vlm, config.prompts) | {"base_weights": weights_hash(config.model.name)}
    if config.doctor:
        diagnosis = diagnose_loaded(vlm, config.prompts, thorough=False)
        run.manifest["doctor"] = diagnosis.to_dict()["checks"]
        require(diagnosis)
    model = prepare(vlm, config)
    draws = config.references_per_query
    assignment, built = build_with_draws(cohort, config.arm, config.prompts, seed=config.seed, draws=draws, model=config.model)
    keep_references(cohort, "train", assignment, run, config.arm.arm, quiet)
    plan = training_plan(cohort, config, world_size=_world_size(), left_out=frozenset() if assignment is None else assignment.left_out)
    examples = [built[draw][item_id] for item_id, draw in zip(plan, draws_of(plan, draws), strict=True)]
    _describe(config, cohort, run, examples, model, quiet)
    trainer = _trainer(config, model, Encoder(vlm.processor, vlm.family, picture_source(cohort)), examples, run.path, quiet)
    trainer.train(resume_from_checkpoint=last_checkpoint(run.path / "checkpoints"))
    if trainer.is_world_process_zero():  # under 'accelerate launch' every process comes by here; one writes
        _write_history(run.path, trainer.state.log_history)
        _save(config, vlm, trainer, cohort, run)
        if not config.keep_checkpoints:
            shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    trainer.accelerator.wait_for_everyone()


def prepare(vlm: VisionLanguageModel, config: FinetuneConfig) -> PreTrainedModel:
    """Make a loaded model trainable: all of it, or adapters on it.

    Parameters
    ----------
    vlm : VisionLanguageModel
        The loaded model.
    config : FinetuneConfig
        Method and adapter settings.

    Returns
    -------
    transformers.PreTrainedModel
        The model for the Trainer.

    Raises
    ------
    InputError
        When no layer of the model matches the family's pattern for adapters.
    """
    model = vlm.model
    model.train()
    if config.method == "full":
        return model.float()  # the optimiser needs float32 weights; mixed precision computes in bfloat16 on a GPU
    import re

    import peft

    pattern = vlm.family.lora_language + (f"|{vlm.family.lora_vision}" if config.lora.vision else "")
    if not any(re.fullmatch(pattern, name) for name, _ in model.named_modules()):
        raise InputError(
            f"lora: no layer of '{config.model.name}' matches the pattern of family '{vlm.family.model_type}'; use method: full"
        )
    settings = peft.LoraConfig(
        r=config.lora.rank, lora_alpha=config.lora.alpha, lora_dropout=config.lora.dropout, target_modules=pattern, bias="none"
    )
    return peft.get_peft_model(model, settings)


def _describe(config: FinetuneConfig, cohort: Cohort, run: RunFolder, examples: list[Example], model: Any, quiet: bool) -> None:
    import pandas as pd

    item_ids = [example.item_id for example in examples]
    table = pd.DataFrame({"item_id": item_ids, "reference_ids": [list(example.reference_ids) for example in examples]})
    table.insert(0, "step", table.index // max(1, len(table) // config.steps))
    write_parquet(run.path / "plan.parquet", table)
    queries = cohort.queries("train")
    easy, _ = split_by_difficulty(queries, config.curriculum)
    patients = queries[queries["item_id"].isin(item_ids)]["patient_id"].nunique()
    run.manifest["n_train"] = int(patients)  # all that were seen, those of a curriculum's easy part included
    run.manifest["n_easy"] = len(set(easy) & set(item_ids))
    run.save()
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    total = sum(parameter.numel() for parameter in model.parameters())
    say(
        f"finetune '{config.model.name}', arm '{config.arm.arm}' {config.arm.strategy}: {config.steps} steps of "
        f"{len(examples) // config.steps} rows from {patients} patients, {trainable:,} of {total:,} weights",
        quiet,
    )


def _trainer(config: FinetuneConfig, model: Any, encoder: Any, examples: list[Example], out: Path, quiet: bool) -> Trainer:
    import torch
    from transformers import TrainingArguments

    from empirical.training.trainer import AnswerTrainer, Bar, MarkComplete, collate

    gpu = next(model.parameters()).device.type == "cuda"
    arguments = TrainingArguments(
        output_dir=str(out / "checkpoints"),
        max_steps=config.steps,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(config.warmup * config.steps),
        weight_decay=config.weight_decay,
        adam_beta2=config.adam_beta2,
        max_grad_norm=config.max_grad_norm,
        **_checkpointing(config.gradient_checkpointing),
        bf16=gpu and torch.cuda.is_bf16_supported(),
        use_cpu=not gpu,
        save_steps=config.save_every,
        save_total_limit=2,
        logging_steps=1,  # the Trainer forgets a running mean when it resumes; single steps come out the same
        logging_nan_inf_filter=False,
        seed=config.seed,
        data_seed=config.seed,
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
    )
    callbacks = [MarkComplete(), *([] if quiet else [Bar(config.steps)])]
    return AnswerTrainer(model=model, args=arguments, train_dataset=examples, data_collator=collate(encoder), callbacks=callbacks)


def _checkpointing(wanted: bool) -> dict[str, Any]:
    """Ask for gradient checkpointing by the name that the installed transformers knows it by (renamed within version 5)."""
    from transformers import TrainingArguments

    new = "activation_checkpointing" in TrainingArguments.__dataclass_fields__
    name = "activation_checkpointing" if new else "gradient_checkpointing"
    return {name: True, f"{name}_kwargs": {"use_reentrant": False}} if wanted else {}


def _write_history(out: Path, history: list[dict[str, float]]) -> None:
    import pandas as pd

    table = pd.DataFrame([row for row in history if "loss" in row]).reindex(columns=["step", "loss", "learning_rate", "grad_norm"])
    write_text(out / "history.csv", table.to_csv(index=False))


def _save(config: FinetuneConfig, vlm: VisionLanguageModel, trainer: Trainer, cohort: Cohort, run: RunFolder) -> None:
    """Write the model under a temporary name, then rename: a folder ``model`` is always whole."""
    building = run.path / ".model"
    shutil.rmtree(building, ignore_errors=True)
    trainer.save_model(str(building))
    (building / "training_args.bin").unlink(missing_ok=True)  # a pickle; the manifest says the same in the open
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
    }
    write_json(building / "training.json", record)
    building.rename(run.path / "model")


def _world_size() -> int:
    import os

    return int(os.environ.get("WORLD_SIZE", "1"))
