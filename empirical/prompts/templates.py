"""Prompts: text files with placeholders for words and images, one for each wording of the arms. The wordings are ours, not the paper's."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from pydantic import Field, model_validator

from see_in_pairs.configs import StrictConfig
from see_in_pairs.errors import InputError, did_you_mean, first_few
from see_in_pairs.files import content_hash, read_text

PLACEHOLDER = re.compile(r"\{(\w+)\}")
WORDS = ("modality", "finding", "answers", "control")
IMAGES = ("query", "reference")

LONGEST_PROMPT, LONGEST_ANSWER = 20_000, 500
"""Characters; a model reads them once for every item."""


class PromptConfig(StrictConfig):
    """Which prompt files to use, and the closed set of answers.

    Parameters
    ----------
    single : str
        Prompt of the arms with one image: the name of a bundled file (without ``.txt``) or a path.
    pair : str
        Prompt of the arms with references. ``pair`` shows the reference first, ``pair_query_first`` the query.
    reversed : str
        Prompt of the arm ``reversed``: the other order of the images than in `pair`.
    unlabelled : str
        Prompt of the arm ``unlabelled``: as `pair`, but without saying that the reference is healthy.
    text : str
        Prompt of the arm ``text``: the comparative wording without a reference.
    positive, negative : str
        The answers for 'the finding is present' and 'it is absent'.
    """

    single: str = "single"
    pair: str = "pair"
    reversed: str = "pair_query_first"
    unlabelled: str = "unlabelled"
    text: str = "text"
    positive: str = Field(default="yes", max_length=LONGEST_ANSWER)
    negative: str = Field(default="no", max_length=LONGEST_ANSWER)

    @model_validator(mode="after")
    def _answers_differ(self) -> PromptConfig:
        words = [normalised_answer(answer) for answer in self.answers]
        if "" in words or words[0] == words[1]:
            raise ValueError(
                f"the answers {self.positive!r} and {self.negative!r} must be words that differ in more than case, spaces and dots"
            )
        return self

    @property
    def answers(self) -> tuple[str, str]:
        """The closed set of answers, the positive one first."""
        return (self.positive, self.negative)


def normalised_answer(text: str) -> str:
    """Remove differences that do not change an answer: case, spaces and dots around it, the encoding of its accents.

    Examples
    --------
    >>> normalised_answer(" Yes. ") == normalised_answer("yes")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).strip().rstrip(".").strip()


@dataclass(frozen=True)
class Part:
    """A piece of a prompt: text, or the position of an image."""

    kind: str  # ``'text'``, ``'query'`` or ``'reference'``
    text: str = ""  # of a text part


def prompt_text(name: str) -> str:
    """Read a prompt file, bundled or by its path; keep placeholders, remove the final newline."""
    bundled = resources.files("empirical.prompts") / "texts"
    known = sorted(entry.name.removesuffix(".txt") for entry in bundled.iterdir() if entry.name.endswith(".txt"))
    if name in known:
        return (bundled / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")
    if not os.path.exists(name):
        raise InputError(
            f"prompt '{name[:200]}': neither a file nor a bundled prompt ({', '.join(known)}){did_you_mean(name[:200], known)}"
        )
    text = read_text(name).rstrip("\n")
    if "\0" in text:
        raise InputError(f"{name}: not a text file (it contains a null byte); save the prompt as UTF-8")
    if len(text) > LONGEST_PROMPT:
        raise InputError(f"{name}: has {len(text):,} characters, but a prompt may have at most {LONGEST_PROMPT:,}; is it the right file?")
    return text


def render(template: str, words: Mapping[str, str], references: int) -> tuple[Part, ...]:
    """Fill in a prompt's words and split it at its images: parts in the order in which the model reads them.

    Examples
    --------
    >>> [part.kind for part in render("{reference}Now {query}, {finding}?", {"finding": "a nodule"}, references=2)]
    ['reference', 'reference', 'text', 'query', 'text']
    """
    parts: list[Part] = []
    for index, piece in enumerate(PLACEHOLDER.split(template)):
        if index % 2 == 0:
            _add_text(parts, piece)
        elif piece in IMAGES:
            parts += [Part(piece)] * (references if piece == "reference" else 1)
        elif piece in words:
            _add_text(parts, words[piece])
        else:
            raise InputError(f"prompt has an unknown place {{{piece}}}; known: {first_few([*IMAGES, *WORDS], limit=9)}")
    queries = sum(part.kind == "query" for part in parts)
    if queries != 1:
        raise InputError(f"a prompt shows the query exactly once; this one has {queries} places {{query}}")
    places = template.count("{reference}")
    if places != (references > 0):
        raise InputError(f"the prompt has {places} places {{reference}}, the arm shows {references} reference image(s)")
    return tuple(parts)


def _add_text(parts: list[Part], text: str) -> None:
    if parts and parts[-1].kind == "text":
        parts[-1] = Part("text", parts[-1].text + text)
    elif text:
        parts.append(Part("text", text))


def prompt_hash(config: PromptConfig) -> str:
    """Hash the prompt texts and answers of a config, but not the file names, so that training and evaluation can be compared."""
    texts = [config.single, config.pair, config.reversed, config.unlabelled, config.text]
    return content_hash([*map(prompt_text, texts), *config.answers])
