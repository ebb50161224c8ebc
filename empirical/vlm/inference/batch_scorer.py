"""Scores many examples with little work and the same scores: cached features, shared prefixes, batches of similar length."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from pydantic import Field

from empirical.prompts.example import Example
from empirical.vlm.config import VisionLanguageModel
from empirical.vlm.feature_cache.cache import FeatureCache
from empirical.vlm.feature_cache.encoder import CachedEncoder
from empirical.vlm.inference.encoder import Encoder, PrefetchEncoder
from empirical.vlm.inference.generation import generate_answers, generate_from_state
from empirical.vlm.inference.prefetch import thread_pool
from empirical.vlm.inference.prefix_cache import PrefixCache, shared_prefix
from empirical.vlm.inference.scoring import answer_scores
from see_in_pairs.configs import StrictConfig
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Hashable

    import torch

Result = TypeVar("Result")


class SpeedConfig(StrictConfig):
    """Switches that save work. Scores are those of the plain path up to rounding; the doctor checks this for each model.

    Parameters
    ----------
    store_features : bool
        Put each distinct image through processor and vision tower once, instead of once per prompt.
    features_folder : str, optional
        Folder that keeps image features between runs. Without it they are kept in memory only.
    features_memory : float
        Limit of main memory for image features, in GiB; the least recently used are dropped first.
    prefix_cache : bool, optional
        Read a reference once for all queries that are shown with it, and after a prompt only the tokens of an answer or reply. By
        default it is on when the family is known to allow it and the prompt shows the reference first; true is an error elsewhere.
    by_length : bool
        Sort prompts by length, so that a batch has little padding.
    """

    store_features: bool = True
    features_folder: str | None = None
    features_memory: float = Field(default=8, gt=0, le=1e6)
    prefix_cache: bool | None = None
    by_length: bool = True


PLAIN = SpeedConfig(store_features=False, prefix_cache=False, by_length=False)
"""The plain path, without any of the switches."""


@dataclass(frozen=True)
class ScoringBatch:
    """Examples that go through the model together."""

    indices: tuple[int, ...]  # into the list of examples
    shares_prefix: bool  # whether they share a prefix, and are enough for the prefix cache to save time


def order_by_prefix(examples: Sequence[Example], batch_size: int) -> list[int]:
    """Return indices of examples in an order that puts those with a shared prefix together."""
    grouped = _prefix_groups(examples, batch_size)
    return [index for group in grouped for index in group] + _remaining(examples, grouped)


def make_batches(examples: Sequence[Example], batch_size: int, lengths: Sequence[int] | None, share: bool) -> list[ScoringBatch]:
    """Cut examples into batches: with `share` those of one prefix together, and each group sorted by length if lengths are given."""
    grouped = _prefix_groups(examples, batch_size) if share else []
    batches = []
    for group, shares_prefix in [*((group, True) for group in grouped), (_remaining(examples, grouped), False)]:
        ordered = sorted(group, key=lambda index: lengths[index]) if lengths is not None else group
        batches += [ScoringBatch(tuple(ordered[start : start + batch_size]), shares_prefix) for start in range(0, len(ordered), batch_size)]
    return batches


def _prefix_groups(examples: Sequence[Example], batch_size: int) -> list[list[int]]:
    """Group indices of examples by shared prefix, and keep the groups that are worth a separate forward pass.

    A group that fills less than a quarter of a batch is not: a rule of thumb, from the cost of a small batch on a GPU.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, example in enumerate(examples):
        groups.setdefault(shared_prefix(example), []).append(index)
    return [group for prefix, group in groups.items() if prefix is not None and len(group) >= max(2, batch_size // 4)]


def _remaining(examples: Sequence[Example], grouped: Sequence[Sequence[int]]) -> list[int]:
    taken = {index for group in grouped for index in group}
    return [index for index in range(len(examples)) if index not in taken]


class BatchScorer:
    """Scores examples with one model, by `answers`, or where that is None by the closed set of each example."""

    def __init__(
        self,
        vlm: VisionLanguageModel,
        encoder: Encoder,
        answers: Sequence[str] | None,
        batch_size: int,
        speed: SpeedConfig | None = None,
        spaced: bool = False,
    ) -> None:
        self.vlm, self.answers, self.batch_size, self.spaced = vlm, answers, batch_size, spaced
        self.speed = speed or SpeedConfig()
        folder = Path(self.speed.features_folder) if self.speed.features_folder else None
        self.feature_cache = FeatureCache(vlm, folder, batch_size, self.speed.features_memory) if self.speed.store_features else None
        self.encoder = CachedEncoder(encoder, self.feature_cache) if self.feature_cache else encoder
        self.prefix_cache = self._make_prefix_cache()

    def _make_prefix_cache(self) -> PrefixCache | None:
        wanted = self.speed.prefix_cache
        if not isinstance(self.encoder, CachedEncoder):
            if wanted:
                raise InputError("prefix_cache: needs stored features; set store_features: true too")
            return None
        possible = self.vlm.family.split_inputs is not None
        return PrefixCache(self.vlm, self.encoder, self.batch_size) if wanted or (wanted is None and possible) else None

    def set_batch_size(self, batch_size: int) -> None:
        """Change the number of rows in a forward pass."""
        self.batch_size = batch_size
        if self.feature_cache is not None:
            self.feature_cache.batch_size = batch_size
        if self.prefix_cache is not None:
            self.prefix_cache.batch_size = batch_size

    def scores(self, examples: Sequence[Example]) -> tuple[np.ndarray, np.ndarray]:
        """Score examples: log-probabilities (examples, most answers), and the seconds spent on each as its share of its batch.

        A row of fewer answers than the longest ends with NaN.
        """
        most = max((len(self._answers_of(example)) for example in examples), default=0)
        log_probabilities, seconds = np.full((len(examples), most), np.nan), np.empty(len(examples))
        began = time.perf_counter()
        for indices, scores in self._pipelined(self._score_batches(examples)):
            log_probabilities[indices, : scores.shape[1]] = scores.cpu().numpy()
            seconds[indices] = (time.perf_counter() - began) / len(indices)
            began = time.perf_counter()
        return log_probabilities, seconds

    def _answers_of(self, example: Example) -> Sequence[str]:
        return example.answers if self.answers is None else self.answers

    def _score_batches(self, examples: Sequence[Example]) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Yield indices and scores batch by batch; the device may still be computing the scores."""
        with self._batches(examples) as (encoder, batches):
            for batch, rows in batches:
                prefill = self.prefix_cache.prefill if self.prefix_cache and batch.shares_prefix else None
                answers = [self._answers_of(row) for row in rows]
                scores = answer_scores(self.vlm.model, encoder, rows, answers, spaced=self.spaced, prefill=prefill)
                yield list(batch.indices), scores

    def _pipelined(self, results: Iterator[Result]) -> Iterator[Result]:
        """Yield each result of a GPU only after the next was started: otherwise the device would be idle while it is fetched."""
        lag = 0 if self.vlm.model.device.type == "cpu" else 1
        pending: deque[Result] = deque()
        for result in results:
            pending.append(result)
            if len(pending) > lag:
                yield pending.popleft()
        yield from pending

    def generate(self, examples: Sequence[Example], max_new_tokens: int) -> list[str]:
        """Generate a reply to each example."""
        replies = [""] * len(examples)
        with self._batches(examples) as (encoder, batches):
            for batch, rows in batches:
                for index, reply in zip(batch.indices, self._replies(rows, encoder, batch.shares_prefix, max_new_tokens), strict=True):
                    replies[index] = reply
        return replies

    def _replies(self, rows: list[Example], encoder: Encoder, shares_prefix: bool, max_new_tokens: int) -> list[str]:
        import torch

        if self.prefix_cache and shares_prefix:
            with torch.inference_mode():
                state = self.prefix_cache.prefill(rows)
                if state.exact:
                    return generate_from_state(self.vlm.model, encoder, state, max_new_tokens)
        return generate_answers(self.vlm.model, encoder, rows, max_new_tokens)

    @contextmanager
    def _batches(self, examples: Sequence[Example]) -> Iterator[tuple[Encoder, list[tuple[ScoringBatch, list[Example]]]]]:
        """Cut examples into batches, and yield an encoder that looks up their features or prepares the next ones in threads."""
        # without the feature cache, finding the lengths would cost the work that it should save
        lengths = self.encoder.lengths(examples) if self.speed.by_length and isinstance(self.encoder, CachedEncoder) else None
        batches = make_batches(examples, self.batch_size, lengths, self.prefix_cache is not None)
        rows = [[examples[index] for index in batch.indices] for batch in batches]
        if self.prefix_cache is not None:
            self.prefix_cache.schedule(batch_rows[0] for batch, batch_rows in zip(batches, rows, strict=True) if batch.shares_prefix)
        with self.feature_cache.patch_model() if self.feature_cache else thread_pool() as pool:
            encoder = self.encoder if pool is None else PrefetchEncoder(self.encoder, pool, rows)
            yield encoder, list(zip(batches, rows, strict=True))
