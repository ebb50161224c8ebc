"""Train the pocket VLM from scratch on procedural questions: checkpoints, learning curves, evaluation, model card."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.pretraining.card import model_card
from empirical.pretraining.config import PretrainConfig
from empirical.pretraining.dataset import training_dataset, wordings
from empirical.pretraining.evaluation import EvalCondition, eval_conditions, evaluate_pretrained
from empirical.pretraining.questions import KINDS
from empirical.training.checkpoints import last_checkpoint
from empirical.training.determinism import deterministic_kernels
from empirical.training.distributed import check_launch
from empirical.training.setup import make_trainer, schedule
from empirical.vlm.pocket import build_pocket, training_text
from see_in_pairs.console import ProgressBar, log
from see_in_pairs.errors import InputError
from see_in_pairs.files import files_in, read_table, write_json, write_parquet, write_text
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    from transformers import Trainer

    from empirical.vlm.config import VisionLanguageModel

COARSER = 4
"""Evaluations during training ask this many times fewer questions than the final one."""


def pretrain(config: PretrainConfig, out: Path | str, *, quiet: bool = False) -> Path:
    """Train a pocket VLM from scratch; called again after a kill, it continues and ends with the same weights.

    Parameters
    ----------
    config : PretrainConfig
        Shape of the model, kinds of question, hardness and schedule.
    out : Path or str
        Folder for the model, its card, ``examination.csv``, ``learning_curve.csv`` and the manifest.
    quiet : bool, default False
        Print neither messages nor a progress bar.

    Returns
    -------
    Path
        The folder of the finished model, which ``finetune``, ``evaluate`` and ``doctor`` take as ``--model``.

    Raises
    ------
    InputError
        When `out` contains another run, or `start` does not have the shape of `model`.
    """
    from empirical.vlm.model_id import weights_hash

    check_launch()
    identity = config.model_dump() | {"wordings": wordings(), "kinds_known": list(KINDS)}
    if config.start is not None:
        identity["start_weights"] = weights_hash(config.start)
    with deterministic_kernels(config.deterministic), RunFolder(Path(out), "pretrain", identity, seed=config.seed) as run:
        model = run.path / "model"
        if (model / "README.md").is_file():
            log(f"{out}: already finished", quiet)
        else:
            _train(config, run, quiet)
    return model


def tokenizer_text(kinds: Collection[str]) -> str:
    """Text that the tokenizer is trained on: our prompts, the training wordings and all answers; no wording of the test."""
    training = [wording for kind, put in wordings().items() if kind in kinds for wording in put["train"]]
    answers = [f"Assistant: {answer}" for name, kind in KINDS.items() if name in kinds for answer in kind.answers]
    return "\n".join([training_text(), *training, *answers])


def _train(config: PretrainConfig, run: RunFolder, quiet: bool) -> None:
    import torch
    import transformers

    from empirical.training.callbacks import StepProgress
    from empirical.vlm.config import ModelConfig
    from empirical.vlm.flatten import SETTING
    from empirical.vlm.loading import load_vlm

    if config.threads is not None:
        torch.set_num_threads(config.threads)
    transformers.utils.logging.set_verbosity_error()
    transformers.set_seed(config.seed)
    shown = {SETTING: config.flatten} if config.flatten else {}  # saved with the model, so it is shown flattened images ever after
    vlm = load_vlm(ModelConfig(name=config.start or _built(config, run), dtype="float32", image_processor=shown))
    weights = sum(parameter.numel() for parameter in vlm.model.parameters())
    log(f"pretrain: {config.steps} steps of {config.batch_size} questions ({', '.join(config.kinds)}), {weights:,} weights", quiet)
    if config.start is not None:
        _check_shape(config, vlm)
    trainer = _trainer(config, vlm, run.path, quiet)
    trainer.add_callback(_timer(run))
    with ProgressBar(config.steps, "pretrain", "steps", quiet) as bar:
        trainer.add_callback(StepProgress(bar))
        trainer.train(resume_from_checkpoint=last_checkpoint(run.path / "checkpoints"))
    if trainer.is_world_process_zero():
        _finish(config, vlm, trainer, run, quiet)
    trainer.accelerator.wait_for_everyone()


def _built(config: PretrainConfig, run: RunFolder) -> str:
    start = run.path / "start"
    if not (start / "config.json").is_file():
        start.mkdir(exist_ok=True)
        build_pocket(start, config.model, tokenizer_text(config.kinds))
    return str(start)


def _check_shape(config: PretrainConfig, vlm: VisionLanguageModel) -> None:
    """Refuse to start from a model whose shape differs from the config, since card and pictures follow the config."""
    from empirical.vlm.config import ModelConfig
    from empirical.vlm.loading import load_vlm

    with tempfile.TemporaryDirectory() as folder:
        build_pocket(Path(folder), config.model, tokenizer_text(config.kinds))
        described = _shapes(load_vlm(ModelConfig(name=folder, dtype="float32")))
    found = _shapes(vlm)
    if others := sorted(name for name in described.keys() | found.keys() if described.get(name) != found.get(name)):
        raise InputError(
            f"start: '{config.start}' is not of the shape that 'model' describes (first difference: {others[0]}: "
            f"{found.get(others[0], 'none')} against {described.get(others[0], 'none')}); give 'model' its shape"
        )


def _shapes(vlm: VisionLanguageModel) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor. A start brings its own tokenizer, so the number of words is left out."""
    words = ("embed_tokens.weight", "lm_head.weight")
    return {name: tuple(tensor.shape[1 if name.endswith(words) else 0 :]) for name, tensor in vlm.model.state_dict().items()}


def _trainer(config: PretrainConfig, vlm: VisionLanguageModel, out: Path, quiet: bool) -> Trainer:
    from transformers import TrainingArguments

    from empirical.training.callbacks import MarkComplete, StopOnNonFinite
    from empirical.vlm.inference.encoder import Encoder

    dataset = training_dataset(config)
    gpu = next(vlm.model.parameters()).device.type == "cuda"
    arguments = TrainingArguments(**schedule(config, out, gpu), save_steps=config.save_every, report_to=[])
    vlm.model.train()
    encoder = Encoder(vlm.processor, vlm.family, dataset.image_of)
    callbacks = [MarkComplete(), StopOnNonFinite(), _evaluation_callback(config, vlm, out, quiet)]
    return make_trainer(vlm.model, encoder, dataset, arguments, callbacks=callbacks, quiet=quiet)


def _timer(run: RunFolder) -> Any:
    """Make a callback that counts the seconds of training up to each checkpoint, those of earlier starts included."""
    from transformers import TrainerCallback

    before, began = run.manifest["counts"].get("training_seconds", 0), time.monotonic()

    class Timer(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                run.count("training_seconds", before + round(time.monotonic() - began))
                run.save()

    return Timer()


def _evaluation_callback(config: PretrainConfig, vlm: VisionLanguageModel, out: Path, quiet: bool) -> Any:
    """Make a callback that evaluates every ``examine_every`` steps; a resumed run writes the same file again."""
    from transformers import TrainerCallback

    class EvaluationCallback(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step % config.examine_every == 0 and state.is_world_process_zero:
                conditions = (EvalCondition(kind, "pictures") for kind in config.kinds)
                table = evaluate_pretrained(vlm, config, conditions, max(20, config.questions // COARSER))
                write_parquet(out / "curve" / f"{state.global_step:07d}.parquet", table.assign(step=state.global_step))
                shown = ", ".join(f"{row.kind} {row.value:.2f}" for row in table.itertuples())
                log(f"step {state.global_step}: {shown}", quiet)

    return EvaluationCallback()


def _finish(config: PretrainConfig, vlm: VisionLanguageModel, trainer: Trainer, run: RunFolder, quiet: bool) -> None:
    """Evaluate, and write the model under a temporary name, then rename: a folder ``model`` is always whole."""
    import pandas as pd
    import torch

    history = pd.DataFrame([row for row in trainer.state.log_history if "loss" in row]).reindex(columns=["step", "loss", "learning_rate"])
    write_text(run.path / "history.csv", history.to_csv(index=False))
    curve = [read_table(path) for path in files_in(run.path / "curve", "*.parquet")]
    if curve:
        write_text(run.path / "learning_curve.csv", pd.concat(curve).to_csv(index=False))
    if config.saved_as != "float32":  # judge the weights that are written
        vlm.model.to(getattr(torch, config.saved_as)).to(torch.float32)
    log("evaluate the finished model", quiet)
    table = evaluate_pretrained(vlm, config, eval_conditions(tuple(config.kinds)), config.questions)
    write_text(run.path / "examination.csv", table.to_csv(index=False))
    building = run.path / ".model"
    shutil.rmtree(building, ignore_errors=True)
    vlm.model.to(getattr(torch, config.saved_as)).save_pretrained(str(building))
    vlm.processor.save_pretrained(str(building))
    write_text(
        building / "README.md", model_card(config, table, run.manifest, sum(parameter.numel() for parameter in vlm.model.parameters()))
    )
    write_json(building / "examination.json", table.to_dict("records"))
    run.save(durable=True)
    building.rename(run.path / "model")
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
