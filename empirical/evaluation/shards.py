"""Scores arms piece by piece; finished pieces survive a kill, and each item in them carries the key of what its score stands on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.arms.images import image_source
from empirical.prompts.example import Example
from empirical.prompts.templates import PromptConfig, prompt_hash
from see_in_pairs.console import log, progress
from see_in_pairs.errors import InputError
from see_in_pairs.files import content_hash, read_table, write_parquet

if TYPE_CHECKING:
    import pandas as pd

    from empirical.cohorts import Cohort
    from empirical.evaluation.config import EvaluateConfig
    from empirical.vlm.config import ModelConfig
    from empirical.vlm.doctor import Diagnosis
    from empirical.vlm.inference.batch_scorer import BatchScorer

BATCHES_PER_SHARD = 8  # batches written together: little is lost in a kill, and the disk is not kept busy


class ShardScorer:
    """Scores arms; the model is loaded when the first missing piece asks for it."""

    def __init__(self, config: EvaluateConfig, cohort: Cohort, pieces: Path, quiet: bool, rows: int | None = None) -> None:
        self.config, self.cohort, self.pieces, self.quiet = config, cohort, pieces, quiet
        self.rows, self.kept = rows or config.batch_size, 0
        self._at: tuple[str, Sequence[Example]] | None = None
        self.diagnosis: Diagnosis | None = None
        refuse_other_prompts(config.model, config.prompts, config.allow_other_prompt)

    def arm(self, name: str, examples: Sequence[Example]) -> pd.DataFrame:
        """Score all items of an arm.

        Returns A column per answer, ``generated``, ``score_seconds``; in the order of the examples.
        """
        import pandas as pd

        from empirical.vlm.inference.batch_scorer import order_by_prefix

        size = self.config.batch_size * BATCHES_PER_SHARD
        order = order_by_prefix(examples, self.config.batch_size)
        starts = range(0, len(order), size)
        tables = [
            self._piece(f"{name}-{start}", [examples[place] for place in order[start : start + size]])
            for start in progress(starts, len(starts), name, self.quiet)
        ]
        table = pd.concat(tables, ignore_index=True)
        table.index = pd.Index(order)
        return table.sort_index()

    def again(self, rows: int) -> None:
        """Score the piece that was begun last, and keep it, with other batches."""
        if self._at is None:
            raise RuntimeError("no piece was begun")
        self._reader.set_batch_size(rows)
        self._piece(*self._at)

    @property
    def loaded(self) -> bool:
        """Whether the model was loaded, and found in order."""
        return "_reader" in self.__dict__

    def _piece(self, name: str, examples: Sequence[Example]) -> pd.DataFrame:
        self._at = (name, examples)
        table = self._kept_or_scored(name, examples)
        self.kept += len(table)
        return table

    def _kept_or_scored(self, name: str, examples: Sequence[Example]) -> pd.DataFrame:
        file = self.pieces / f"{name}.parquet"
        keys = [self.key(example) for example in examples]
        if file.is_file():
            table = _whole(file)
            if table is not None and list(table["key"]) == keys:
                return table
            why = "damaged" if table is None else "made from other images, prompts or weights"
            log(f"{file}: {why}; scored again", self.quiet)
        write_parquet(file, self._score(examples).assign(key=keys))
        return read_table(file)

    def key(self, example: Example) -> str:
        """Hash everything that an item's score stands on.

        Returns of the ordered image hashes, the prompt, and what is the same for all items: weights and adapter, template and pixel budget
        (the files of the model), number format, attention backend, answers.
        """
        words = [[part.kind, part.text] for part in example.parts]
        return content_hash([self._context, words, [self._image_hashes.get(image, image) for image in example.images]])

    @cached_property
    def _image_hashes(self) -> dict[str, str]:
        """Hash the cohort's images; what is not among them (noise, a blank) is made from its name, which then is its hash."""
        table = self.cohort.table
        return dict(zip(table["item_id"], table["sha256"], strict=True))

    @cached_property
    def _context(self) -> list[Any]:
        from empirical.vlm.loading import dtype_of, training_record
        from empirical.vlm.model_id import files_hash

        model, config = self.config.model, self.config
        files = [model.name, model.revision, files_hash(model.name, model.revision), training_record(model.name).get("parity", {})]
        numbers = [str(dtype_of(model)), model.attention, model.image_processor]
        return [files, numbers, config.prompts.answers, config.spaced, config.generate and config.max_new_tokens]

    def _score(self, examples: Sequence[Example]) -> pd.DataFrame:
        import pandas as pd

        values, seconds = self._reader.scores(examples)
        said = self._reader.generate(examples, self.config.max_new_tokens) if self.config.generate else [None] * len(examples)
        table = pd.DataFrame(values, columns=list(self.config.prompts.answers))
        return table.assign(generated=pd.Series(said, dtype=object), score_seconds=seconds)

    @cached_property
    def _reader(self) -> BatchScorer:
        import torch

        from empirical.vlm.doctor import diagnose_loaded, require
        from empirical.vlm.inference.batch_scorer import BatchScorer
        from empirical.vlm.inference.encoder import Encoder
        from empirical.vlm.loading import load_vlm

        config = self.config
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        vlm = load_vlm(config.model)
        if config.doctor:
            self.diagnosis = diagnose_loaded(vlm, config.prompts, thorough=False)
            require(self.diagnosis)
        encoder = Encoder(vlm.processor, vlm.family, image_source(self.cohort))
        return BatchScorer(vlm, encoder, config.prompts.answers, self.rows, config.speed, config.spaced)


def refuse_other_prompts(model: ModelConfig, prompts: PromptConfig, allow_other_prompt: bool = False) -> None:
    """Refuse a finetuned model that is to be asked otherwise than it was trained."""
    from empirical.vlm.input_spec import check_input_spec, image_order
    from empirical.vlm.loading import training_record

    record = training_record(model.name)
    check_input_spec(record.get("parity", {}), {"image_order": image_order(prompts)}, model.name, model.allow_mismatch)
    if record and record.get("prompt_hash") != prompt_hash(prompts) and not allow_other_prompt:
        raise InputError(f"model '{model.name}' was finetuned with other prompts or answers; use the same, or set allow_other_prompt: true")


def _whole(file: Path) -> pd.DataFrame | None:
    """Read a finished piece; None where it is cut short, or is none."""
    try:
        table = read_table(file)
    except InputError:
        return None
    return table if {"key", "generated", "score_seconds"} <= set(table.columns) else None
