"""Different ways to a score agree: padding, batches, teacher forcing, generation, attention backends, caches."""

from __future__ import annotations

import numpy as np

from empirical.vlm.doctor.model_under_test import ModelUnderTest, Outcome, in_both_precisions


@in_both_precisions
def padding(subject: ModelUnderTest) -> Outcome:
    """A batch scores as its rows alone, padded on the left and on the right."""
    rows = [subject.example("square"), subject.example("other", "wide"), subject.example("tall", "square", "large")]
    alone = [np.hstack([subject.scores(row), _right_padded(subject, [row])]) for row in rows]
    return subject.compare(np.hstack([subject.scores(*rows), _right_padded(subject, rows)]), np.concatenate(alone))


def _right_padded(subject: ModelUnderTest, rows: list) -> np.ndarray:
    """Score the first token of each answer behind prompts that are padded on the right."""
    import torch

    from empirical.vlm.inference.scoring import answer_forms

    batch = subject.encode(*rows, side="right")
    last = batch["attention_mask"].sum(dim=1) - 1
    tokens = [ways[0][0] for ways in answer_forms(subject.encoder, subject.prompts.answers)]
    with torch.inference_mode():
        logits = subject.vlm.model(**batch, use_cache=False).logits
        return logits[torch.arange(len(rows), device=logits.device), last].float().log_softmax(dim=-1)[:, tokens].cpu().numpy()


def image_order(subject: ModelUnderTest) -> Outcome:
    """The model's scores depend on which image is the query and which the reference."""
    one, reversed_order = subject.scores(subject.example("square", "other"), subject.example("other", "square"))
    difference = float(np.abs(one - reversed_order).max())
    return difference > 0, f"log-probabilities move by {difference:.1e}"


@in_both_precisions
def teacher_forcing(subject: ModelUnderTest) -> Outcome:
    """The first token of an answer scores the same under teacher forcing and straight from the prompt."""
    import torch

    from empirical.vlm.inference.scoring import next_token_log_probabilities, to_device, token_log_probabilities

    example, model = subject.example("square", "other"), subject.vlm.model
    batch, labels = subject.encoder.with_answers([example], [subject.prompts.positive], end=False)
    with torch.inference_mode():
        forced = token_log_probabilities(model, to_device(batch, model), labels.to(model.device))[0, 0]
        direct = next_token_log_probabilities(model, subject.encoder, [example])[0, labels[0, 0]]
    return subject.compare([float(forced)], [float(direct)])


@in_both_precisions
def generation(subject: ModelUnderTest) -> Outcome:
    """Tokens generated step by step, through the model's cache, have the log-probabilities of one pass over the whole."""
    import torch

    from empirical.vlm.inference.scoring import token_log_probabilities

    model, steps = subject.vlm.model, 3
    prompts = subject.encode(subject.example("square"), subject.example("other", "wide"))
    with torch.inference_mode():
        output = model.generate(
            **prompts,
            do_sample=False,
            num_beams=1,
            min_new_tokens=steps,
            max_new_tokens=steps,
            output_logits=True,
            return_dict_in_generate=True,
        )
        tokens = output.sequences[:, -steps:]
        stepwise = torch.stack(output.logits, dim=1).float().log_softmax(dim=-1).gather(-1, tokens[..., None])[..., 0]
        batch, labels = subject.encoder.append(prompts, tokens.tolist())
        at_once = token_log_probabilities(model, batch, labels)
    return subject.compare(stepwise.cpu().numpy(), at_once.cpu().numpy())


@in_both_precisions
def attention_backends(subject: ModelUnderTest) -> Outcome:
    """All attention backends of this machine give the same scores."""
    from empirical.vlm.feature_cache.tower import base_of

    model = base_of(subject.vlm.model)
    chosen, scores = model.config._attn_implementation, {}
    rows = [subject.example("square"), subject.example("other", "wide")]
    try:
        for backend in _backends(model, subject.computes_in_float32):
            model.set_attn_implementation(backend)
            scores[backend] = subject.scores(*rows)
    finally:
        model.set_attn_implementation(chosen)
    same, detail = subject.compare(np.stack(list(scores.values())), np.stack([scores["eager"]] * len(scores)))
    return same, f"{', '.join(scores)}: {detail}"


def _backends(model: object, float32: bool) -> list[str]:
    import torch
    from transformers.utils import is_flash_attn_2_available

    half = not float32 and getattr(model, "dtype", None) != torch.float32  # flash attention computes in half formats only
    flash = half and torch.cuda.is_available() and is_flash_attn_2_available()
    return ["eager", "sdpa", *(["flash_attention_2"] if flash else [])]


@in_both_precisions
def cached_features(subject: ModelUnderTest) -> Outcome:
    """Cached image features give the scores of the plain path, and each distinct image is computed once."""
    from empirical.vlm.feature_cache.cache import FeatureCache
    from empirical.vlm.feature_cache.encoder import CachedEncoder
    from empirical.vlm.inference.scoring import answer_log_probabilities

    cache = FeatureCache(subject.vlm)
    rows = [subject.example("square"), subject.example("other", "wide"), subject.example("wide", "square")]
    with cache.patch_model():
        fast = answer_log_probabilities(subject.vlm.model, CachedEncoder(subject.encoder, cache), rows, subject.prompts.answers)
    same, detail = subject.compare(fast, subject.scores(*rows))
    return same and cache.computed == 3, f"{detail}; {cache.computed} of 3 images computed for 5 places"


@in_both_precisions
def prefix_cache(subject: ModelUnderTest) -> Outcome:
    """References read once for all their queries, several in one pass, give the plain scores, also for answers of several tokens."""
    from empirical.vlm.feature_cache.cache import FeatureCache
    from empirical.vlm.feature_cache.encoder import CachedEncoder
    from empirical.vlm.inference.prefix_cache import PrefixCache, shared_prefix
    from empirical.vlm.inference.scoring import answer_log_probabilities

    rows = [subject.example(query, "other") for query in ("square", "wide", "large")]
    with_other = [subject.example("large", "square")]
    if subject.vlm.family.split_inputs is None or shared_prefix(rows[0]) is None:
        return True, "not used: the family or the prompt (query first) does not allow it"
    features = FeatureCache(subject.vlm)
    encoder = CachedEncoder(subject.encoder, features)
    prefixes = PrefixCache(subject.vlm, encoder, batch_size=2)
    prefixes.schedule([*rows, *with_other])
    model, several = subject.vlm.model, " ".join(subject.prompts.answers)
    batches = [(part, answers) for part in (rows[:2], rows[2:], with_other) for answers in (subject.prompts.answers, (several,))]
    plain = [answer_log_probabilities(model, subject.encoder, part, answers) for part, answers in batches]
    with features.patch_model():
        fast = [answer_log_probabilities(model, encoder, part, answers, prefill=prefixes.prefill) for part, answers in batches]
    one, other = (np.concatenate([scores.ravel() for scores in way]) for way in (fast, plain))
    same, detail = subject.compare(one, other, tokens=len(subject.encoder.answer_ids(several)))
    return same and prefixes.n_prefilled == 2, detail
