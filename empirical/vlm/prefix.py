"""The key-value cache of a shared beginning: the reference is read once, and many queries after it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from empirical.arms import Example
from empirical.vlm.continuation import Continuation, forked
from empirical.vlm.features import base_of
from empirical.vlm.loading import VisionLanguageModel
from empirical.vlm.store import StoredEncoder
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import torch

    from empirical.vlm.encoding import Batch


def shared_prefix(example: Example) -> Hashable | None:
    """Name what a prompt shows before its query.

    Parameters
    ----------
    example : Example
        The item as its arm shows it.

    Returns
    -------
    tuple or None
        Equal for examples that share text and images up to the query; None where no reference stands before the query.
    """
    kinds = [part.kind for part in example.parts]
    before, after = example.parts[: kinds.index("query")], kinds[kinds.index("query") + 1 :]
    if "reference" not in kinds[: len(before)] or "reference" in after:
        return None
    return before, example.images[:-1]


class PrefixReader:
    """Reads examples that share their beginning: the beginning once, the rest in a batch.

    Parameters
    ----------
    vlm : VisionLanguageModel
        The model; its family must be known to read a prompt in two parts exactly.
    encoder : StoredEncoder
        With stored image features; its store must be serving.

    Attributes
    ----------
    read_anew : int
        How many beginnings went through the model so far.

    Raises
    ------
    InputError
        When the model's family is not known to allow it.
    """

    def __init__(self, vlm: VisionLanguageModel, encoder: StoredEncoder) -> None:
        if vlm.family.prefix is None:
            raise InputError(f"prefix cache: not valid for family '{vlm.family.model_type}'; set prefix_cache: false")
        self.vlm = vlm
        self.further = vlm.family.prefix
        self.encoder = encoder
        self.read_anew = 0
        self._held: tuple[Hashable, Any] = (None, None)

    def read(self, examples: Sequence[Example]) -> Continuation:
        """Read prompts that begin alike.

        Parameters
        ----------
        examples : sequence of Example
            One batch, all with the same `shared_prefix`.

        Returns
        -------
        Continuation
            With the distribution of the first token of each reply; longer replies are read behind the cache.

        Raises
        ------
        InputError
            When the prompts do not begin alike up to the query's first token.
        """
        import torch

        from empirical.vlm.scoring import to_device

        model, rows = self.vlm.model, len(examples)
        batch = self.encoder.prompts(examples, side="right")  # stays off the device: to ask that for a number is to wait for it
        cut = query_start(batch, model, len(examples[0].images))
        first, second = self.further(base_of(model), batch, cut)
        images = batch.pop("pixel_values").reshape(rows, -1)
        cache = forked(self._prefix(examples[0], batch, images, cut, first))
        cache.batch_repeat_interleave(rows)
        last = batch["attention_mask"].sum(dim=1) - 1
        kept = batch["input_ids"].shape[1] - int(last.min())  # logits from the shortest prompt's last token on
        rest = to_device({"input_ids": batch["input_ids"][:, cut:], "attention_mask": batch["attention_mask"], **second}, model)
        logits = model(**rest, pixel_values=images[:, -1], past_key_values=cache, use_cache=True, logits_to_keep=kept).logits
        place = last - (batch["input_ids"].shape[1] - kept)
        following = logits[torch.arange(rows, device=logits.device), place.to(logits.device)].float().log_softmax(dim=-1)
        return Continuation(self.vlm, self.encoder, examples, batch, cache, following)

    def _prefix(self, example: Example, batch: Batch, images: torch.Tensor, cut: int, further: dict[str, Any]) -> Any:
        """Read the beginning, unless it is the one that was read last, and give what it left in the cache."""
        from empirical.vlm.scoring import to_device

        key = shared_prefix(example)
        if self._held[0] != key:
            start = {"input_ids": batch["input_ids"][:1, :cut], "attention_mask": batch["attention_mask"][:1, :cut], **further}
            read = self.vlm.model(**to_device(start, self.vlm.model), pixel_values=images[0, :-1], use_cache=True, logits_to_keep=1)
            self._held = key, read.past_key_values
            self.read_anew += 1
        return self._held[1]


def query_start(batch: Batch, model: Any, images: int) -> int:
    """Find where the query's image tokens begin, in prompts that show it last.

    Parameters
    ----------
    batch : dict of str to torch.Tensor
        Prompts padded on the right.
    model : transformers.PreTrainedModel
        Knows its image token.
    images : int
        Number of images in each prompt.

    Returns
    -------
    int
        The place of the first token, the same in all rows.

    Raises
    ------
    InputError
        When the rows differ before it, or images stand so close that their tokens cannot be told apart.
    """
    import torch

    from empirical.vlm.encoding import image_token

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
