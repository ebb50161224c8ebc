"""Scores arms shard by shard; finished shards survive a kill, and each item in them has a key of everything its score depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.arms.build import prompt_words
from empirical.arms.images import content_key, image_source
from empirical.cohorts import Cohort
from empirical.evaluation.config import EvaluateConfig
from empirical.evaluation.examples import conditions_of
from empirical.prompts.example import Example
from empirical.prompts.templates import PromptConfig, prompt_hash
from empirical.vlm.out_of_memory import largest_that_fits, reduce_memory_advice, runs_in_memory
from see_in_pairs.cache import PartCache
from see_in_pairs.console import progress
from see_in_pairs.errors import InputError
from see_in_pairs.files import content_hash

if TYPE_CHECKING:
    import pandas as pd

    from empirical.vlm.config import ModelConfig
    from empirical.vlm.doctor import Diagnosis
    from empirical.vlm.inference.batch_scorer import BatchScorer

SHARDS = "pieces"
"""Folder of the shards in a run's folder; with this name, evaluations begun by earlier versions continue."""

BATCHES_PER_SHARD = 8  # a kill loses little, and the disk is not kept busy


class ItemKeys:
    """Hashes of everything that the scores of items depend on."""

    def __init__(self, config: EvaluateConfig, cohort: Cohort) -> None:
        self.config, self.cohort = config, cohort
        for condition in conditions_of(config):
            refuse_other_prompts(config.model, condition.prompts, config.allow_other_prompt)

    def key(self, example: Example) -> str:
        """Hash the ordered image hashes, the prompt, and everything that all items share (`context`)."""
        words = [[part.kind, part.text] for part in example.parts]
        return content_hash([self.context, words, [self._content_of(image) for image in example.images], example.answers])

    @cached_property
    def context(self) -> list[Any]:
        """Weights and adapter, template and pixel budget (the files of the model), number format, attention backend, scorer."""
        from empirical.vlm.loading import dtype_of
        from empirical.vlm.model_id import files_hash, training_record

        model, config = self.config.model, self.config
        files = [model.name, model.revision, files_hash(model.name, model.revision), training_record(model.name).get("parity", {})]
        numbers = [str(dtype_of(model)), model.attention, model.image_processor]
        return [files, numbers, config.spaced, config.generate and config.max_new_tokens]

    def _content_of(self, image: str) -> str:
        """The hash of an image; a synthetic one (noise, a blank) is made from its name, which then serves as its hash."""
        return self._image_hashes[image] if image in self._image_hashes else content_key(self.cohort, image)

    @cached_property
    def _image_hashes(self) -> dict[str, str]:
        """Hashes of the cohort's images."""
        table = self.cohort.table
        return dict(zip(table["item_id"], table["sha256"], strict=True))


class ShardScorer:
    """Scores arms; the model is loaded when the first missing shard asks for it.

    `shard_batch_size` is the batch size that shards were cut by at the start of the run; forward passes use the config's, which may
    be smaller. `diagnosed` is called with the doctor's findings, before anything is scored.
    """

    def __init__(
        self,
        config: EvaluateConfig,
        cohort: Cohort,
        folder: Path,
        quiet: bool,
        shard_batch_size: int | None = None,
        diagnosed: Callable[[Diagnosis], None] | None = None,
    ) -> None:
        self.config, self.cohort, self.quiet = config, cohort, quiet
        self.shard_batch_size = shard_batch_size or config.batch_size
        self.keys = ItemKeys(config, cohort)
        self._diagnosed = diagnosed
        self._shards = PartCache(folder, quiet, again="scored again")
        self._current: tuple[str, Sequence[Example]] | None = None
        self._scored = 0
        self._shown: list[Example] = []  # of all arms

    def score_arms(self, examples: Mapping[str, Sequence[Example]]) -> dict[str, pd.DataFrame]:
        """Score all arms; where memory runs out, end with the batch size that fits."""
        tables: dict[str, pd.DataFrame] = {}
        self._shown = [example for shown in examples.values() for example in shown]

        def every_arm() -> None:
            tables.update((name, self.score_arm(name, shown)) for name, shown in examples.items())

        if runs_in_memory(every_arm):
            return tables
        if "_batch_scorer" not in self.__dict__:
            raise InputError(
                "out of memory before the first item: the model itself hardly fits; take a smaller one, or model.dtype: bfloat16"
            )
        # Try the shard that failed: others may have shorter prompts. Finished scores are kept, and no shard is scored twice.
        fits = largest_that_fits(self._retry_shard, self.config.batch_size // 2)
        kept = f"{self._scored} of {sum(map(len, examples.values()))} scores are kept"
        if not fits:
            raise InputError(f"out of memory even with batch_size 1; {reduce_memory_advice()} ({kept})")
        advice = f"run again with --set batch_size={fits} and the same --out ({kept})"
        raise InputError(f"out of memory with batch_size {self.config.batch_size}; {fits} fits: {advice}")

    def score_arm(self, name: str, examples: Sequence[Example]) -> pd.DataFrame:
        """Score all items of an arm, in the order of the examples: ``logp`` (of its answers), ``generated``, ``score_seconds``."""
        import pandas as pd

        from empirical.vlm.inference.batch_scorer import order_by_prefix

        # Cut by the batch size of the run's start: shards keep their items, and so their files, when it continues with a smaller one.
        size = self.shard_batch_size * BATCHES_PER_SHARD
        order = order_by_prefix(examples, self.shard_batch_size)
        starts = range(0, len(order), size)
        tables = [
            self._shard(f"{name}-{start}", [examples[place] for place in order[start : start + size]])
            for start in progress(starts, len(starts), name, self.quiet)
        ]
        table = pd.concat(tables, ignore_index=True)
        table.index = pd.Index(order)
        return table.sort_index()

    def _retry_shard(self, batch_size: int) -> None:
        assert self._current is not None  # memory ran out in a shard
        self._batch_scorer.set_batch_size(batch_size)
        self._shard(*self._current)

    def _shard(self, name: str, examples: Sequence[Example]) -> pd.DataFrame:
        self._current = (name, examples)
        table = self._shards.table(name, [self.keys.key(example) for example in examples], lambda: self._score(examples))
        self._scored += len(table)
        return table

    def _score(self, examples: Sequence[Example]) -> pd.DataFrame:
        import pandas as pd

        values, seconds = self._batch_scorer.scores(examples)
        replies = self._batch_scorer.generate(examples, self.config.max_new_tokens) if self.config.generate else [None] * len(examples)
        logp = [list(row[: len(example.answers)]) for row, example in zip(values, examples, strict=True)]
        return pd.DataFrame({"logp": logp, "generated": pd.Series(replies, dtype=object), "score_seconds": seconds})

    @cached_property
    def _batch_scorer(self) -> BatchScorer:
        import torch

        from empirical.vlm.doctor import diagnose_loaded, require
        from empirical.vlm.inference.batch_scorer import BatchScorer
        from empirical.vlm.inference.encoder import Encoder
        from empirical.vlm.inference.picture_shapes import refuse_odd_shapes
        from empirical.vlm.loading import load_vlm
        from empirical.vlm.processors import refuse_special_tokens

        config = self.config
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        vlm = load_vlm(config.model)
        for condition in conditions_of(config):
            refuse_special_tokens(vlm.processor, condition.prompts, prompt_words(self.cohort, condition.prompts))
        encoder = Encoder(vlm.processor, vlm.family, image_source(self.cohort))
        refuse_odd_shapes(encoder, self.cohort, self._shown)
        if config.doctor:
            diagnosis = diagnose_loaded(vlm, config.prompts, thorough=False)
            require(diagnosis)
            if self._diagnosed is not None:
                self._diagnosed(diagnosis)
        return BatchScorer(vlm, encoder, None, config.batch_size, config.speed, config.spaced)


def refuse_other_prompts(model: ModelConfig, prompts: PromptConfig, allow_other_prompt: bool = False) -> None:
    """Refuse to score a finetuned model with prompts that differ from its training."""
    from empirical.vlm.input_spec import check_input_spec, image_order
    from empirical.vlm.model_id import training_record

    record = training_record(model.name)
    check_input_spec(record.get("parity", {}), {"image_order": image_order(prompts)}, model.name, model.allow_mismatch)
    if record and record.get("prompt_hash") != prompt_hash(prompts) and not allow_other_prompt:
        raise InputError(f"model '{model.name}' was finetuned with other prompts or answers; use the same, or set allow_other_prompt: true")
