"""The bundled sets of wordings: what each set must have, and that every text can be shown."""

from __future__ import annotations

from collections import Counter
from importlib import resources

import pytest

from empirical.prompts.templates import PromptConfig, prompt_hash, prompt_text, render, wordings_named
from empirical.prompts.wordings import KINDS, bundled_sets, read_set

WORDS = {"modality": "chest X-ray", "question": "Is it there?", "finding": "a nodule", "answers": "yes or no", "control": "healthy"}
REFERENCES = {"single": 0, "text": 0, "question_only": 0, "pair": 1, "reversed": 1, "unlabelled": 1}


def test_three_fields_have_five_wordings_of_every_kind() -> None:
    assert bundled_sets() == ["chest", "fundus", "skin"]
    for name in bundled_sets():
        kinds = Counter(one.kind for one in read_set(name).values())
        assert set(kinds) == set(KINDS) and min(kinds.values()) >= 5


@pytest.mark.parametrize("name", ["chest", "fundus", "skin"])
def test_every_text_can_be_shown_and_asks_the_question(name: str) -> None:
    for one in read_set(name).values():
        for place, text in one.texts.items():
            parts = render(text, WORDS, REFERENCES[place], query=place != "question_only")
            shown = " ".join(part.text for part in parts)
            assert "Is it there?" in shown and "yes or no" in shown
            kinds = [part.kind for part in parts if part.kind != "text"]
            assert kinds == {"pair": ["reference", "query"], "unlabelled": ["reference", "query"], "reversed": ["query", "reference"]}.get(
                place, [] if place == "question_only" else ["query"]
            )
            if place == "unlabelled":
                assert not any(word in shown for word in ("healthy", "harmless lesion, and judge", "standard"))


@pytest.mark.parametrize("name", ["chest", "fundus", "skin"])
def test_plain_words_do_not_ask_to_compare_and_the_controls_are_as_long(name: str) -> None:
    wordings = read_set(name)
    for key, one in wordings.items():
        if one.kind == "plain":
            assert not any(word in one.texts["pair"].lower() for word in ("compare", "against", "differ", "side by side"))
        if one.kind == "irrelevant":
            clinical = wordings[key.replace("irrelevant", "clinical")].texts["pair"]
            assert abs(len(one.texts["pair"]) - len(clinical)) <= 0.02 * len(clinical)
            assert not any(word in one.texts["pair"].lower() for word in ("lesion", "lung", "compare"))
        if one.kind == "words_only":
            told = wordings[key.replace("words_only", "clinical")].texts["text"]
            assert one.texts == {"single": told}  # the clinical words, reference and all, with the query alone


def test_the_sources_of_clinical_words_are_named() -> None:
    for name in bundled_sets():
        text = (resources.files("empirical.prompts") / "sets" / f"{name}.yaml").read_text(encoding="utf-8")
        assert ("none is the paper's" in text and "(19" in text) or "(20" in text


def test_wordings_are_found_by_set_kind_and_name() -> None:
    assert len(wordings_named(("chest",), PromptConfig())) == 25
    assert list(wordings_named(("chest/plain",), PromptConfig())) == [f"chest/plain-{number}" for number in range(1, 6)]
    ((prompts, own),) = wordings_named(("skin/clinical-2",), PromptConfig()).values()
    assert "pair" in own and "veil of blue and white" in prompt_text(prompts.pair)
    assert prompt_text(prompts.wording("question_only")) == prompt_text("question_only")  # not its own: as before
    assert prompt_hash(prompts) != prompt_hash(PromptConfig())
