"""The key-value cache of a shared beginning: the reference is read once, and many queries after it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from empirical.prompts.example import Example
from empirical.prompts.templates import Part
from empirical.vlm.config import VisionLanguageModel
from empirical.vlm.feature_cache.encoder import CachedEncoder
from empirical.vlm.feature_cache.tower import base_of
from empirical.vlm.inference.kv_cache import CachedDecoding, copy_cache
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from empirical.vlm.inference.encoder import Batch


def shared_prefix(example: Example) -> Hashable | None:
    """Name what a prompt shows before its query.

    Returns equal for examples that share text and images up to the query; None where no reference stands before the query.
    """
    kinds = [part.kind for part in example.parts]
    before, after = example.parts[: kinds.index("query")], kinds[kinds.index("query") + 1 :]
    if "reference" not in kinds[: len(before)] or "reference" in after:
        return None
    return before, example.images[:-1]


class PrefixCache:
    """Reads examples that share their beginning: each beginning once, the rest in a batch."""

    def __init__(self, vlm: VisionLanguageModel, encoder: CachedEncoder, together: int = 1) -> None:
        if vlm.family.prefix is None:
            raise InputError(f"prefix cache: not valid for family '{vlm.family.model_type}'; set prefix_cache: false")
        self.vlm = vlm
        self.further = vlm.family.prefix
        self.encoder, self.together = encoder, together
        self.read_anew = 0
        self._coming: dict[Hashable, Example] = {}
        self._held: dict[Hashable, tuple[Any, int]] = {}  # keys and values of several beginnings, and which row is this one's
        self._used: set[Hashable] = set()

    def expect(self, examples: Iterable[Example]) -> None:
        """Say what will be read, in order; a beginning alone would leave a large device idle.

        What was held is let go, so that what comes out depends on these examples only, to the last bit.
        """
        self._held, self._coming, self._used = {}, {}, set()
        for example in examples:
            self._coming.setdefault(shared_prefix(example), example)

    def read(self, examples: Sequence[Example]) -> CachedDecoding:
        """Read prompts that begin alike.

        Returns with the distribution of the first token of each reply; longer replies are read behind the cache.
        """
        import torch

        from empirical.vlm.inference.scoring import to_device

        model, rows = self.vlm.model, len(examples)
        batch = self.encoder.prompts(examples, side="right")  # stays off the device: to ask that for a number is to wait for it
        cut = query_start(batch, model, len(examples[0].images))
        _, second = self.further(base_of(model), batch, cut)
        images = batch.pop("pixel_values").reshape(rows, -1)
        cache = self._cache(examples[0], rows)
        last = batch["attention_mask"].sum(dim=1) - 1
        kept = batch["input_ids"].shape[1] - int(last.min())  # logits from the shortest prompt's last token on
        rest = to_device({"input_ids": batch["input_ids"][:, cut:], "attention_mask": batch["attention_mask"], **second}, model)
        logits = model(**rest, pixel_values=images[:, -1], past_key_values=cache, use_cache=True, logits_to_keep=kept).logits
        place = last - (batch["input_ids"].shape[1] - kept)
        following = logits[torch.arange(rows, device=logits.device), place.to(logits.device)].float().log_softmax(dim=-1)
        return CachedDecoding(self.vlm, self.encoder, examples, batch, cache, following)

    def _cache(self, example: Example, rows: int) -> Any:
        """Give a cache of so many rows, in each of which an example's beginning was read."""
        import torch

        key = shared_prefix(example)
        if key not in self._held:
            self._read_beginnings(self._like(key, example))
        self._used.add(key)
        read, row = self._held[key]
        cache = copy_cache(read)
        cache.batch_select_indices(torch.full((rows,), row, device=self.vlm.model.device))
        return cache

    def _like(self, key: Hashable, example: Example) -> list[Example]:
        """Take an example, and of those to come the next whose beginnings have its words and as many tokens: a batch without padding."""
        self._coming.pop(key, None)
        others = [other for other in self._coming.values() if _words(other) == _words(example)] if self.together > 1 else []
        tokens = self.encoder.image_tokens([_beginning(one) for one in (example, *others)])
        alike = [other for other, length in zip(others, tokens[1:], strict=True) if length == tokens[0]]
        return [example, *alike[: self.together - 1]]

    def _read_beginnings(self, examples: Sequence[Example]) -> None:
        """Read several beginnings in one pass; those that were used are let go."""
        from empirical.vlm.inference.scoring import to_device

        model = self.vlm.model
        batch = self.encoder.prompts(examples, side="right")
        try:
            cut = query_start(batch, model, len(examples[0].images))
        except InputError:
            if len(examples) == 1:
                raise
            self._read_beginnings(examples[:1])  # as many tokens, but not the same: tiles of an image in rows and columns, say
            return
        first, _ = self.further(base_of(model), batch, cut)
        images = batch["pixel_values"].reshape(len(examples), -1)
        start = to_device({"input_ids": batch["input_ids"][:, :cut], "attention_mask": batch["attention_mask"][:, :cut], **first}, model)
        read = model(**start, pixel_values=images[:, :-1], use_cache=True, logits_to_keep=1).past_key_values
        waiting = {key: held for key, held in self._held.items() if key not in self._used}
        self._held = waiting | {shared_prefix(example): (read, row) for row, example in enumerate(examples)}
        self._coming = {key: example for key, example in self._coming.items() if key not in self._held}
        self.read_anew += len(examples)


def _beginning(example: Example) -> Example:
    """Cut an example off before its query."""
    kinds = [part.kind for part in example.parts]
    return replace(example, parts=example.parts[: kinds.index("query")], images=example.images[:-1])


def _words(example: Example) -> tuple[Part, ...]:
    return _beginning(example).parts


def query_start(batch: Batch, model: Any, images: int) -> int:
    """Find where the query's image tokens begin, in prompts that show it last.

    Returns the place of the first token, the same in all rows.
    """
    import torch

    from empirical.vlm.inference.encoder import image_token

    ids = batch["input_ids"]
    is_image = ids == image_token(model)
    begins = is_image.clone()
    begins[:, 1:] &= ~is_image[:, :-1]
    if not bool((begins.sum(dim=1) == images).all()):
        raise InputError("prefix cache: the prompt shows images without text between them; set prefix_cache: false")
    starts = (begins * torch.arange(ids.shape[1], device=ids.device)).amax(dim=1)  # of each row's last image
    cut = int(starts[0])
    if not bool((starts == cut).all() & (ids[:, :cut] == ids[:1, :cut]).all()):
        raise InputError("prefix cache: the prompts do not begin alike; set prefix_cache: false")
    return cut
