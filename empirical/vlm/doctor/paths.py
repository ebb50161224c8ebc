"""Different ways to the same score: padding, batches, teacher forcing, generation, attention backends, caches."""

from __future__ import annotations

import numpy as np

from empirical.vlm.doctor.inputs import Outcome
from empirical.vlm.doctor.subject import ModelUnderTest, in_both_formats


@in_both_formats
def padding(subject: ModelUnderTest) -> Outcome:
    """A batch scores as its rows alone, padded on the left and on the right."""
    rows = [subject.example("square"), subject.example("other", "wide"), subject.example("tall", "square", "large")]
    alone = [np.hstack([subject.scores(row), _right_padded(subject, [row])]) for row in rows]
    return subject.compare(np.hstack([subject.scores(*rows), _right_padded(subject, rows)]), np.concatenate(alone))


def _right_padded(subject: ModelUnderTest, rows: list) -> np.ndarray:
    """Score the first token of each answer behind prompts that are padded on the right, if there is anything to pad."""
    import torch

    from empirical.vlm.inference.scoring import answer_forms

    batch = subject.encode(*rows, side="right")
    last = batch["attention_mask"].sum(dim=1) - 1
    tokens = [ways[0][0] for ways in answer_forms(subject.encoder, subject.prompts.answers)]
    with torch.inference_mode():
        logits = subject.vlm.model(**batch, use_cache=False).logits
        return logits[torch.arange(len(rows), device=logits.device), last].float().log_softmax(dim=-1)[:, tokens].cpu().numpy()


def order(subject: ModelUnderTest) -> Outcome:
    """Which image is the query and which the reference matters to the model."""
    there, back = subject.scores(subject.example("square", "other"), subject.example("other", "square"))
    gap = float(np.abs(there - back).max())
    return gap > 0, f"log-probabilities move by {gap:.1e}"


@in_both_formats
def forced(subject: ModelUnderTest) -> Outcome:
    """The first token of an answer scores the same under teacher forcing and straight from the prompt."""
    import torch

    from empirical.vlm.inference.scoring import next_token_log_probabilities, to_device, token_log_probabilities

    example, model = subject.example("square", "other"), subject.vlm.model
    batch, labels = subject.encoder.with_answers([example], [subject.prompts.positive], end=False)
    with torch.inference_mode():
        taught = token_log_probabilities(model, to_device(batch, model), labels.to(model.device))[0, 0]
        direct = next_token_log_probabilities(model, subject.encoder, [example])[0, labels[0, 0]]
    return subject.compare([float(taught)], [float(direct)])


@in_both_formats
def generated(subject: ModelUnderTest) -> Outcome:
    """What the model generates step by step, through its cache, has the log-probabilities of one pass over the whole."""
    import torch

    from empirical.vlm.inference.scoring import token_log_probabilities

    model, steps = subject.vlm.model, 3
    prompts = subject.encode(subject.example("square"), subject.example("other", "wide"))
    with torch.inference_mode():
        made = model.generate(
            **prompts,
            do_sample=False,
            num_beams=1,
            min_new_tokens=steps,
            max_new_tokens=steps,
            output_logits=True,
            return_dict_in_generate=True,
        )
        chosen = made.sequences[:, -steps:]
        stepwise = torch.stack(made.logits, dim=1).float().log_softmax(dim=-1).gather(-1, chosen[..., None])[..., 0]
        batch, labels = subject.encoder.append(prompts, chosen.tolist())
        at_once = token_log_probabilities(model, batch, labels)
    return subject.compare(stepwise.cpu().numpy(), at_once.cpu().numpy())


@in_both_formats
def attention(subject: ModelUnderTest) -> Outcome:
    """Every attention backend that this machine has gives the same scores.

    Returns `detail` Which were tried, and the largest difference.
    """
    from empirical.vlm.feature_cache.tower import base_of

    model = base_of(subject.vlm.model)
    chosen, scores = model.config._attn_implementation, {}
    rows = [subject.example("square"), subject.example("other", "wide")]
    try:
        for backend in _backends(model, subject.exact):
            model.set_attn_implementation(backend)
            scores[backend] = subject.scores(*rows)
    finally:
        model.set_attn_implementation(chosen)
    same, detail = subject.compare(np.stack(list(scores.values())), np.stack([scores["eager"]] * len(scores)))
    return same, f"{', '.join(scores)}: {detail}"


def _backends(model: object, exact: bool) -> list[str]:
    import torch
    from transformers.utils import is_flash_attn_2_available

    flash = not exact and torch.cuda.is_available() and is_flash_attn_2_available() and getattr(model, "dtype", None) != torch.float32
    return ["eager", "sdpa", *(["flash_attention_2"] if flash else [])]


@in_both_formats
def stored(subject: ModelUnderTest) -> Outcome:
    """Stored image features give the scores of the plain path, and each distinct image is computed once."""
    from empirical.vlm.feature_cache.cache import FeatureCache
    from empirical.vlm.feature_cache.encoder import CachedEncoder
    from empirical.vlm.inference.scoring import answer_log_probabilities

    store = FeatureCache(subject.vlm)
    rows = [subject.example("square"), subject.example("other", "wide"), subject.example("wide", "square")]
    with store.serving():
        fast = answer_log_probabilities(subject.vlm.model, CachedEncoder(subject.encoder, store), rows, subject.prompts.answers)
    same, detail = subject.compare(fast, subject.scores(*rows))
    return same and store.computed == 3, f"{detail}; {store.computed} of 3 images computed for 5 places"


@in_both_formats
def prefixed(subject: ModelUnderTest) -> Outcome:
    """Several references read in one pass, once for all their queries, give the plain scores, also for an answer of several tokens."""
    from empirical.vlm.feature_cache.cache import FeatureCache
    from empirical.vlm.feature_cache.encoder import CachedEncoder
    from empirical.vlm.inference.prefix_cache import PrefixCache, shared_prefix
    from empirical.vlm.inference.scoring import answer_log_probabilities

    rows = [subject.example(query, "other") for query in ("square", "wide", "large")]
    beside_another = [subject.example("large", "square")]
    if subject.vlm.family.prefix is None or shared_prefix(rows[0]) is None:
        return True, "not used: the family or the prompt (query first) does not allow it"
    store = FeatureCache(subject.vlm)
    encoder = CachedEncoder(subject.encoder, store)
    reader = PrefixCache(subject.vlm, encoder, together=2)
    reader.expect([*rows, *beside_another])
    model, several = subject.vlm.model, " ".join(subject.prompts.answers)
    asked = [(part, answers) for part in (rows[:2], rows[2:], beside_another) for answers in (subject.prompts.answers, (several,))]
    plain = [answer_log_probabilities(model, subject.encoder, part, answers) for part, answers in asked]
    with store.serving():
        fast = [answer_log_probabilities(model, encoder, part, answers, read=reader.read) for part, answers in asked]
    one, other = (np.concatenate([scores.ravel() for scores in way]) for way in (fast, plain))
    same, detail = subject.compare(one, other, tokens=len(subject.encoder.answer_ids(several)))
    return same and reader.read_anew == 2, detail
