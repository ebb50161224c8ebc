"""Scores many examples with as little work as gives the same answers: stored features, shared prefixes, batches of like length."""

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
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.inference.generation import continued_answers, generate_answers
from empirical.vlm.inference.prefetch import thread_pool
from empirical.vlm.inference.prefetch_encoder import PrefetchEncoder
from empirical.vlm.inference.prefix_cache import PrefixCache, shared_prefix
from empirical.vlm.inference.scoring import answer_scores
from see_in_pairs.configs import StrictConfig
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Hashable

    import torch

Made = TypeVar("Made")


class SpeedConfig(StrictConfig):
    """Switches that save work. Scores are those of the plain path, up to rounding; the doctor checks that for the model at hand.

    Parameters
    ----------
    store_features : bool
        Put each distinct image through processor and vision tower once, not once per prompt.
    features_folder : str, optional
        Keep image features there between runs, too.
    features_memory : float
        GiB of main memory for features.
    prefix_cache : bool, optional
        Read a reference once for all queries that are shown beside it, and behind the prompts only the tokens of an answer or reply. By
        default where the family is known to allow it and the prompt shows the reference first; asked for elsewhere, it is refused.
    by_length : bool
        Put prompts of like length into one batch.
    """

    store_features: bool = True
    features_folder: str | None = None
    features_memory: float = Field(default=8, gt=0)
    prefix_cache: bool | None = None
    by_length: bool = True


PLAIN = SpeedConfig(store_features=False, prefix_cache=False, by_length=False)


@dataclass(frozen=True)
class ScoringChunk:
    """Examples that go through the model together."""

    places: tuple[int, ...]  # where they stand in the list that was asked about
    shared: bool  # whether they begin alike, and there are enough of them for the prefix cache to pay


def in_groups(examples: Sequence[Example], batch_size: int) -> list[int]:
    """Order examples so that those which begin alike stand together."""
    groups = _groups(examples, range(len(examples)))
    worth = {key for key, places in groups.items() if key is not None and _pays(len(places), batch_size)}
    together = [place for key, places in groups.items() if key in worth for place in places]
    rest = [place for place, example in enumerate(examples) if shared_prefix(example) not in worth]
    return together + rest


def chunks(examples: Sequence[Example], batch_size: int, lengths: Sequence[int] | None, share: bool) -> list[ScoringChunk]:
    """Cut a list into batches."""
    groups = _groups(examples, range(len(examples))) if share else {}
    shared = [places for key, places in groups.items() if key is not None and _pays(len(places), batch_size)]
    taken = {place for places in shared for place in places}
    rest = [place for place in range(len(examples)) if place not in taken]
    made = []
    for places, alike in [*((places, True) for places in shared), (rest, False)]:
        ordered = sorted(places, key=lambda place: lengths[place]) if lengths is not None else places
        made += [ScoringChunk(tuple(ordered[start : start + batch_size]), alike) for start in range(0, len(ordered), batch_size)]
    return made


def _pays(rows: int, batch_size: int) -> bool:
    """Tell whether a shared prefix is worth a forward pass that is not full: our rule, from the cost of a pass on a small GPU batch."""
    return rows >= max(2, batch_size // 4)


def _groups(examples: Sequence[Example], places: Sequence[int]) -> dict[Hashable, list[int]]:
    groups: dict[Hashable, list[int]] = {}
    for place in places:
        groups.setdefault(shared_prefix(examples[place]), []).append(place)
    return groups


class BatchScorer:
    """Scores examples with one model."""

    def __init__(
        self,
        vlm: VisionLanguageModel,
        encoder: Encoder,
        answers: Sequence[str],
        batch_size: int,
        speed: SpeedConfig | None = None,
        spaced: bool = False,
    ) -> None:
        self.vlm, self.plain, self.answers, self.batch_size, self.spaced = vlm, encoder, answers, batch_size, spaced
        self.speed = speed or SpeedConfig()
        folder = Path(self.speed.features_folder) if self.speed.features_folder else None
        self.store = FeatureCache(vlm, folder, batch_size, self.speed.features_memory) if self.speed.store_features else None
        self.encoder = CachedEncoder(encoder, self.store) if self.store else encoder
        self.prefix = self._prefix_reader()

    def set_batch_size(self, rows: int) -> None:
        """Put fewer rows into a forward pass, or more."""
        self.batch_size = rows
        if self.store is not None:
            self.store.batch_size = rows
        if self.prefix is not None:
            self.prefix.together = rows

    def _prefix_reader(self) -> PrefixCache | None:
        wanted = self.speed.prefix_cache
        if not isinstance(self.encoder, CachedEncoder):
            if wanted:
                raise InputError("prefix_cache: stands on stored features; set store_features: true too")
            return None
        possible = self.vlm.family.prefix is not None
        return PrefixCache(self.vlm, self.encoder, self.batch_size) if wanted or (wanted is None and possible) else None

    def scores(self, examples: Sequence[Example]) -> tuple[np.ndarray, np.ndarray]:
        """Score examples.

        Returns `log_probabilities` (examples, answers): In the order of the examples; `seconds` (examples,): Time spent on each, as its
        share of its batch.
        """
        values, seconds = np.empty((len(examples), len(self.answers))), np.empty(len(examples))
        began = time.perf_counter()
        for places, scores in self._lagged(self._scored(examples)):
            values[places] = scores.cpu().numpy()
            seconds[places] = (time.perf_counter() - began) / len(places)
            began = time.perf_counter()
        return values, seconds

    def _scored(self, examples: Sequence[Example]) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Score batch by batch; a device may not have finished what is given."""
        with self._batches(examples) as (encoder, batches):
            for chunk, rows in batches:
                read = self.prefix.read if self.prefix and chunk.shared else None
                yield list(chunk.places), answer_scores(self.vlm.model, encoder, rows, self.answers, spaced=self.spaced, read=read)

    def _lagged(self, made: Iterator[Made]) -> Iterator[Made]:
        """Give what is made once the next is under way: a device is at work while the next prompts are put together."""
        behind = 0 if self.vlm.model.device.type == "cpu" else 1
        waiting: deque[Made] = deque()
        for one in made:
            waiting.append(one)
            if len(waiting) > behind:
                yield waiting.popleft()
        yield from waiting

    def generate(self, examples: Sequence[Example], max_new_tokens: int) -> list[str]:
        """Let the model answer in its own words.

        Returns what it said, in the order of the examples.
        """
        said = [""] * len(examples)
        with self._batches(examples) as (encoder, batches):
            for chunk, rows in batches:
                for place, text in zip(chunk.places, self._replies(rows, encoder, chunk.shared, max_new_tokens), strict=True):
                    said[place] = text
        return said

    @contextmanager
    def _batches(self, examples: Sequence[Example]) -> Iterator[tuple[Encoder, list[tuple[ScoringChunk, list[Example]]]]]:
        """Cut examples into batches, and give an encoder that looks their features up, or has the next ones ready."""
        made = chunks(examples, self.batch_size, self._lengths(examples), self.prefix is not None)
        batches = [[examples[place] for place in chunk.places] for chunk in made]
        if self.prefix is not None:
            self.prefix.expect(rows[0] for chunk, rows in zip(made, batches, strict=True) if chunk.shared)
        with self.store.serving() if self.store else thread_pool() as pool:
            encoder = self.encoder if pool is None else PrefetchEncoder(self.encoder, pool, batches)
            yield encoder, list(zip(made, batches, strict=True))

    def _replies(self, rows: list[Example], encoder: Encoder, shared: bool, max_new_tokens: int) -> list[str]:
        import torch

        if self.prefix and shared:
            with torch.inference_mode():
                reading = self.prefix.read(rows)
                if reading.exact:
                    return continued_answers(self.vlm.model, encoder, reading, max_new_tokens)
        return generate_answers(self.vlm.model, encoder, rows, max_new_tokens)

    def _lengths(self, examples: Sequence[Example]) -> list[int] | None:
        """Compare lengths where images are stored; elsewhere it would be the very work to be saved."""
        return self.encoder.lengths(examples) if self.speed.by_length and isinstance(self.encoder, CachedEncoder) else None
