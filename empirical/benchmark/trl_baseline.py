"""TRL's SFTTrainer, set up to do what ours does: the same rows, answers and weights, and a loss on the same tokens."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import Trainer
from transformers.trainer_callback import PrinterCallback

from empirical.prompts.example import Example
from empirical.training.config import FinetuneConfig
from empirical.training.distributed import one_device
from empirical.training.setup import schedule
from empirical.vlm.config import VisionLanguageModel
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.out_of_memory import is_out_of_memory
from empirical.vlm.weights import ignore_peft_deprecation
from see_in_pairs.errors import first_line

if TYPE_CHECKING:
    from PIL.Image import Image

NEEDED = ("trl", "datasets", "peft")


def missing() -> str:
    """Names of missing packages that TRL's row needs, separated by commas; empty where all are installed."""
    return ", ".join(name for name in NEEDED if find_spec(name) is None)


def or_why_not(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run TRL's code; if it fails, the row has the error as its ``status``, and the other rows continue. Out of memory is raised."""
    try:
        return work()
    except Exception as error:  # TRL, in any version, may raise anything
        if is_out_of_memory(error):
            raise
        return {"status": f"failed: {first_line(error)[:200]}"}


def sft_trainer(
    vlm: VisionLanguageModel, config: FinetuneConfig, examples: list[Example], pictures: dict[str, Image], out: Path
) -> Trainer:
    """Make TRL's Trainer for a run of ours; the data pass through TRL's own collator."""
    datasets, trl = import_module("datasets"), import_module("trl")
    encoder, end = Encoder(vlm.processor, vlm.family, pictures.__getitem__), vlm.processor.tokenizer.eos_token
    rows = [
        {"prompt": encoder.text(row.parts), "completion": vlm.family.answer_prefix + row.answer + end, "images": list(row.images)}
        for row in examples
    ]
    data = datasets.Dataset.from_list(rows).with_transform(
        lambda few: few | {"images": [[pictures[name] for name in row] for row in few["images"]]}
    )
    arguments = trl.SFTConfig(**_arguments(config, out, vlm.model.device.type == "cuda"))
    one_device(arguments)
    trainer = trl.SFTTrainer(model=_trainable(vlm, config), args=arguments, train_dataset=data, processing_class=vlm.processor)
    trainer.remove_callback(PrinterCallback)  # it prints on standard output, which is for results
    return trainer


def _arguments(config: FinetuneConfig, out: Path, gpu: bool) -> dict[str, Any]:
    """TRL's arguments: those of our schedule; where TRL's own defaults differ from what we do, ours."""
    renamed = "activation_checkpointing" in import_module("trl").SFTConfig.__dataclass_fields__
    name = "activation_checkpointing" if renamed else "gradient_checkpointing"
    checkpointing = {name: bool(config.gradient_checkpointing)} | (
        {f"{name}_kwargs": {"use_reentrant": False}} if config.gradient_checkpointing else {}
    )
    ours = schedule(config, out, gpu) | checkpointing | {"bf16": gpu and torch.cuda.is_bf16_supported(), "report_to": []}
    return ours | {"save_strategy": "no", "train_sampling_strategy": "sequential", "max_length": None, "completion_only_loss": True}


def _trainable(vlm: VisionLanguageModel, config: FinetuneConfig) -> Any:
    """Make all weights trainable, or put the same adapters on the model, as a user of TRL would: through peft alone."""
    vlm.model.train()
    if config.method == "full":
        return vlm.model.float()
    import peft

    lora = config.lora
    pattern = vlm.family.lora_language + (f"|{vlm.family.lora_vision}" if lora.vision else "")
    torch.manual_seed(config.seed)  # the same adapters as ours, number by number
    options = peft.LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=pattern, bias="none")
    with ignore_peft_deprecation():
        return peft.get_peft_model(vlm.model, options)
