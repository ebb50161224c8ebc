"""What goes into the model: tokens, pixels, positions, labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from empirical.vlm.doctor.subject import ARMS, ModelUnderTest

if TYPE_CHECKING:
    import torch

    from empirical.prompts.example import Example

Outcome = tuple[bool, str]


def answers(subject: ModelUnderTest) -> Outcome:
    """No two answers may overlap, or their probabilities could not be told apart."""
    from empirical.vlm.inference.scoring import answer_forms

    forms = answer_forms(subject.encoder, subject.prompts.answers)
    return True, ", ".join(f"'{answer}' = {list(ways[0])}" for answer, ways in zip(subject.prompts.answers, forms, strict=True))


def needed(subject: ModelUnderTest) -> Outcome:
    """What the family goes wrong without, in silence, is made by the processor."""
    made = subject.encode(subject.example("square", "other"))
    missing = [name for name in (*subject.vlm.family.required_inputs, "attention_mask") if name not in made]
    return not missing, f"made {', '.join(made)}" + (f"; missing {', '.join(missing)}" if missing else "")


def features(subject: ModelUnderTest) -> Outcome:
    """A prompt holds as many image tokens as the vision tower makes features, for one image and for several of unlike shapes."""
    import torch

    from empirical.vlm.feature_cache.tower import flat, image_features

    counts = []
    for arm in ARMS:
        batch = subject.encode(subject.example(*arm))
        with torch.inference_mode():
            made = len(flat(image_features(subject.vlm.model, batch).pooler_output))
        counts.append((subject.image_tokens(batch["input_ids"]), made))
    return all(tokens == made for tokens, made in counts), ", ".join(f"{tokens} tokens for {made} features" for tokens, made in counts)


def same_query(subject: ModelUnderTest) -> Outcome:
    """The query reaches the model with the same pixels and the same number of tokens in every arm, whatever stands beside it.

    Otherwise a comparison of arms would be one of resolutions: LLaVA-OneVision as it comes gives a lone image five times the tokens.

    Returns `detail` The numbers of tokens, and whether the pixels are equal.
    """
    import torch

    seen = [_query(subject, subject.example(*arm)) for arm in ARMS]
    counts = [tokens for tokens, _ in seen]
    same = all(torch.equal(pixels, seen[0][1]) for _, pixels in seen)
    return len(set(counts)) == 1 and same, f"{', '.join(map(str, counts))} tokens of the query over the arms; pixels equal: {same}"


def _query(subject: ModelUnderTest, example: Example) -> tuple[int, torch.Tensor]:
    """Count the query's tokens (all, less the references': those of a prompt full of one, shared out), and give its pixels."""
    batch = subject.encode(example)
    size = len(example.images)
    full = [subject.example(*[name] * size) for name in example.reference_ids]
    others = sum(subject.image_tokens(subject.encode(each)["input_ids"]) // size for each in full)
    kinds = [part.kind for part in example.parts if part.kind != "text"]
    return subject.image_tokens(batch["input_ids"]) - others, subject.vlm.family.pixels(batch)[kinds.index("query")]


def reads(subject: ModelUnderTest) -> Outcome:
    """The encoded prompt decodes to what was meant: every word in its order, and at most one token for the beginning.

    Returns `detail` The prompt, without its image tokens.
    """
    example = subject.example("square", "other")
    ids = subject.encode(example)["input_ids"][0]
    tokenizer = subject.vlm.processor.tokenizer
    text = tokenizer.decode(ids, skip_special_tokens=False)
    wanted = ".*?".join(re.escape(word) for part in example.parts for word in part.text.split())
    begins = int((ids == tokenizer.bos_token_id).sum()) if tokenizer.bos_token_id is not None else 0
    expected = subject.encoder.text(example.parts).count(tokenizer.bos_token or "\0")
    token = tokenizer.decode([subject.vlm.model.config.image_token_id]) if hasattr(subject.vlm.model.config, "image_token_id") else "\0"
    shown = re.sub(f"({re.escape(token)})+", token, text)
    return bool(re.search(wanted, text, re.DOTALL)) and begins <= max(1, expected), f"{shown!r}"


def labels(subject: ModelUnderTest) -> Outcome:
    """The supervised tokens are the answer and the end of turn, and nothing else."""
    example = subject.example("square", "other")
    batch, tokens = subject.encoder.with_answers([example], [subject.prompts.positive], end=True)
    text = subject.vlm.processor.tokenizer.decode(tokens[0])
    prompt = subject.encoder.prompts([example])["input_ids"]
    wanted = subject.vlm.family.answer_prefix + subject.prompts.positive + subject.vlm.processor.tokenizer.eos_token
    return text == wanted and bool((batch["input_ids"][:, : prompt.shape[1]] == prompt).all()), repr(text)


def positions(subject: ModelUnderTest) -> Outcome:
    """In a padded batch with several images positions (or token types) are right."""
    from empirical.vlm.feature_cache.tower import base_of

    batch = subject.encode(subject.example("square"), subject.example("wide", "tall"), subject.example("tall", "large", "wide"))
    wrong = subject.vlm.family.positions(base_of(subject.vlm.model), batch)
    return not wrong, wrong or "as the family's rule has them, for 1, 2 and 3 images in a batch"


def whole(subject: ModelUnderTest) -> Outcome:
    """Nothing is cut off: a prompt with four images fits, and cutting through an image is an error."""
    config, tokenizer = subject.vlm.model.config, subject.vlm.processor.tokenizer
    longest = subject.encode(subject.example("large", "square", "wide", "tall"))["input_ids"].shape[1]
    room = min(getattr(config.get_text_config(), "max_position_embeddings", longest), tokenizer.model_max_length)
    raised = _cutting_raises(subject)
    return longest <= room and raised, f"{longest} tokens with four images, room for {room}; cutting through an image raises: {raised}"


def _cutting_raises(subject: ModelUnderTest) -> bool:
    example = subject.example("square", "other")
    ids = subject.encode(example)["input_ids"][0].tolist()
    last = max(place for place, token in enumerate(ids) if subject.image_tokens(_tensor([token])))
    options = subject.vlm.family.processor_options | {"text_kwargs": {"truncation": True, "max_length": last, "truncation_side": "right"}}
    images = [[subject.encoder.image_of(item) for item in example.images]]
    try:
        cut = subject.vlm.family.process(subject.vlm.processor, [subject.encoder.text(example.parts)], images, options)
    except (ValueError, TypeError):  # the latter from processors that look up where an image's tokens ended
        return True
    return cut["input_ids"].shape[1] == len(ids)  # the option was not heeded: nothing was cut


def _tensor(values: list[int]) -> torch.Tensor:
    import torch

    return torch.tensor(values)
