from __future__ import annotations

from pathlib import Path

import pytest

from empirical.prompts.templates import Part, PromptConfig, prompt_hash, prompt_text, render
from see_in_pairs.errors import InputError

WORDS = {"modality": "chest X-ray", "finding": "a nodule", "answers": "yes or no", "control": "healthy"}


def test_bundled_prompts_show_the_reference_first_by_default() -> None:
    kinds = [part.kind for part in render(prompt_text("pair"), WORDS, references=1) if part.kind != "text"]
    assert kinds == ["reference", "query"]
    kinds = [part.kind for part in render(prompt_text("pair_query_first"), WORDS, references=1) if part.kind != "text"]
    assert kinds == ["query", "reference"]


def test_words_are_filled_and_neighbouring_text_is_one_part() -> None:
    parts = render("{query}Is there {finding}? {answers}.", WORDS, references=0)
    assert parts == (Part("query"), Part("text", "Is there a nodule? yes or no."))


@pytest.mark.parametrize(
    ("template", "references", "message"),
    [
        ("no image", 0, "exactly once"),
        ("{query}{query}", 0, "exactly once"),
        ("{query}", 1, "places {reference}"),
        ("{query}{reference}", 0, "places {reference}"),
        ("{query}{age}", 0, "unknown place {age}"),
    ],
)
def test_a_prompt_that_does_not_fit_the_arm_is_refused(template: str, references: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        render(template, WORDS, references)


def test_ones_own_prompt_file_and_its_hash(tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text(prompt_text("single") + "\n")
    assert prompt_hash(PromptConfig(single=str(own))) == prompt_hash(PromptConfig())  # the wording counts, not the file
    own.write_text("{query}?")
    assert prompt_hash(PromptConfig(single=str(own))) != prompt_hash(PromptConfig())
    with pytest.raises(InputError, match="neither a file nor a bundled prompt"):
        prompt_text("nowhere")
