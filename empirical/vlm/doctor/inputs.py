"""The model's inputs: tokens, pixels, positions, labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from empirical.vlm.doctor.model_under_test import ARMS, ModelUnderTest, Outcome

if TYPE_CHECKING:
    import torch

    from empirical.prompts.example import Example


def answers(subject: ModelUnderTest) -> Outcome:
    """No two answers are the same tokens; where one begins with another, their end is scored too (`answer_forms`)."""
    from empirical.vlm.inference.scoring import answer_forms

    forms = answer_forms(subject.encoder, subject.prompts.answers)
    return True, ", ".join(f"'{answer}' = {list(ways[0])}" for answer, ways in zip(subject.prompts.answers, forms, strict=True))


def required_inputs(subject: ModelUnderTest) -> Outcome:
    """The processor makes every input without which the family silently computes something else."""
    batch = subject.encode(subject.example("square", "other"))
    missing = [name for name in (*subject.vlm.family.required_inputs, "attention_mask") if name not in batch]
    return not missing, f"made {', '.join(batch)}" + (f"; missing {', '.join(missing)}" if missing else "")


def features(subject: ModelUnderTest) -> Outcome:
    """A prompt has as many image tokens as the vision tower makes features, for one image and for several of different shapes."""
    import torch

    from empirical.vlm.feature_cache.tower import flatten_features, image_features

    counts = []
    for arm in ARMS:
        batch = subject.encode(subject.example(*arm))
        with torch.inference_mode():
            n_features = len(flatten_features(image_features(subject.vlm.model, batch).pooler_output))
        counts.append((subject.image_tokens(batch["input_ids"]), n_features))
    return all(tokens == made for tokens, made in counts), ", ".join(f"{tokens} tokens for {made} features" for tokens, made in counts)


def same_query(subject: ModelUnderTest) -> Outcome:
    """The query reaches the model with the same pixels and the same number of tokens in every arm, whatever the other images.

    Otherwise a comparison of arms would compare resolutions: LLaVA-OneVision by default gives a single image five times the tokens.
    """
    import torch

    seen = [_query(subject, subject.example(*arm)) for arm in ARMS]
    counts = [tokens for tokens, _ in seen]
    same = all(torch.equal(pixels, seen[0][1]) for _, pixels in seen)
    return len(set(counts)) == 1 and same, f"{', '.join(map(str, counts))} tokens of the query over the arms; pixels equal: {same}"


def _query(subject: ModelUnderTest, example: Example) -> tuple[int, torch.Tensor]:
    """Return the query's number of tokens and its pixels.

    Its tokens are those of the prompt minus those of the references. A reference's are those of a prompt with it in every place, divided by
    the number of places.
    """
    batch = subject.encode(example)
    n = len(example.images)
    repeated = [subject.example(*[name] * n) for name in example.reference_ids]
    others = sum(subject.image_tokens(subject.encode(prompt)["input_ids"]) // n for prompt in repeated)
    kinds = [part.kind for part in example.parts if part.kind != "text"]
    return subject.image_tokens(batch["input_ids"]) - others, subject.vlm.family.image_pixels(batch)[kinds.index("query")]


def decoded_prompt(subject: ModelUnderTest) -> Outcome:
    """The encoded prompt decodes to every word in its order, with at most one begin-of-sequence token."""
    example = subject.example("square", "other")
    ids = subject.encode(example)["input_ids"][0]
    tokenizer = subject.vlm.processor.tokenizer
    text = tokenizer.decode(ids, skip_special_tokens=False)
    begins = int((ids == tokenizer.bos_token_id).sum()) if tokenizer.bos_token_id is not None else 0
    expected = subject.encoder.text(example.parts).count(tokenizer.bos_token or "\0")
    token = tokenizer.decode([subject.vlm.model.config.image_token_id]) if hasattr(subject.vlm.model.config, "image_token_id") else "\0"
    shown = re.sub(f"({re.escape(token)})+", token, text)
    place = 0
    for word in (word for part in example.parts for word in part.text.split()):  # no regular expression: it could search forever
        found = text.find(word, place)
        if found < 0:
            return False, f"{shown!r}"
        place = found + len(word)
    return begins <= max(1, expected), f"{shown!r}"


def labels(subject: ModelUnderTest) -> Outcome:
    """The supervised tokens are the answer and the end of turn, and nothing else."""
    example = subject.example("square", "other")
    batch, tokens = subject.encoder.with_answers([example], [subject.prompts.positive], end=True)
    text = subject.vlm.processor.tokenizer.decode(tokens[0])
    prompt = subject.encoder.prompts([example])["input_ids"]
    wanted = subject.vlm.family.answer_prefix + subject.prompts.positive + subject.vlm.processor.tokenizer.eos_token
    return text == wanted and bool((batch["input_ids"][:, : prompt.shape[1]] == prompt).all()), repr(text)


def positions(subject: ModelUnderTest) -> Outcome:
    """Positions (or token types) are right in a padded batch with several images."""
    from empirical.vlm.feature_cache.tower import base_of

    batch = subject.encode(subject.example("square"), subject.example("wide", "tall"), subject.example("tall", "large", "wide"))
    wrong = subject.vlm.family.check_positions(base_of(subject.vlm.model), batch)
    return not wrong, wrong or "as in the family's rule, for 1, 2 and 3 images in a batch"


def no_truncation(subject: ModelUnderTest) -> Outcome:
    """A prompt with four images fits, and truncation within an image is an error."""
    config, tokenizer = subject.vlm.model.config, subject.vlm.processor.tokenizer
    longest = subject.encode(subject.example("large", "square", "wide", "tall"))["input_ids"].shape[1]
    limit = min(getattr(config.get_text_config(), "max_position_embeddings", longest), tokenizer.model_max_length)
    raised = _truncation_raises(subject)
    return longest <= limit and raised, f"{longest} tokens with four images, room for {limit}; cutting through an image raises: {raised}"


def _truncation_raises(subject: ModelUnderTest) -> bool:
    import torch

    example = subject.example("square", "other")
    ids = subject.encode(example)["input_ids"][0].tolist()
    last = max(index for index, token in enumerate(ids) if subject.image_tokens(torch.tensor([token])))
    options = subject.vlm.family.processor_options | {"text_kwargs": {"truncation": True, "max_length": last, "truncation_side": "right"}}
    images = [[subject.encoder.image_of(item) for item in example.images]]
    try:
        cut = subject.vlm.family.process(subject.vlm.processor, [subject.encoder.text(example.parts)], images, options)
    except (ValueError, TypeError):  # TypeError from processors that look up where an image's tokens ended
        return True
    return cut["input_ids"].shape[1] == len(ids)  # the option was ignored: nothing was cut
