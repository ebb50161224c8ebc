"""Prompts: text files with placeholders for words and images, one for each wording of the arms. The wordings are ours, not the paper's."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from pydantic import Field, model_validator

from empirical.prompts.wordings import LONGEST_PROMPT, find_wordings, wording_text
from see_in_pairs.configs import StrictConfig, unset
from see_in_pairs.errors import InputError, did_you_mean, first_few
from see_in_pairs.files import content_hash, read_text

PLACEHOLDER = re.compile(r"\{(\w+)\}")
WORDS = ("modality", "question", "finding", "answers", "control")
IMAGES = ("query", "reference")

QUESTION = "Does the query show {finding}?"
"""What stands for ``{question}`` where a cohort asks for one finding."""

LONGEST_ANSWER = 500  # characters


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
    question_only : str, optional
        Prompt of the arm ``question_only``, without any image; by default the bundled ``question_only``.
    positive, negative : str
        The answers for 'the finding is present' and 'it is absent'. Where a cohort asks several questions, each has its own answers.
    """

    single: str = "single"
    pair: str = "pair"
    reversed: str = "pair_query_first"
    unlabelled: str = "unlabelled"
    text: str = "text"
    question_only: str | None = Field(default=None, exclude_if=unset)
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

    def wording(self, name: str) -> str:
        """Name the prompt of one of the wordings of arms (`empirical.arms.catalogue.Wording`)."""
        found: str | None = getattr(self, name)
        return name if found is None else found


def listed(answers: Sequence[str]) -> str:
    """List answers in words, as a prompt does.

    Examples
    --------
    >>> listed(["yes", "no"]), listed(["none", "mild", "severe"]), listed(["left, upper", "right"])
    ('yes or no', 'none, mild or severe', 'one of: left, upper; right')
    """
    if (len(answers) > 2 and any(" or " in answer for answer in answers)) or any("," in answer for answer in answers):
        return f"one of: {'; '.join(answers)}"
    return f"{', '.join(answers[:-1])} or {answers[-1]}"


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
    """Read a prompt: a bundled file, a path, or a text of a wording (``SET/NAME:PLACE``); keep placeholders, remove the final newline."""
    if (text := wording_text(name)) is not None:
        return text
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


def wordings_named(names: tuple[str, ...], prompts: PromptConfig) -> dict[str, tuple[PromptConfig, frozenset[str]]]:
    """Find wordings by ``SET/NAME``, ``SET/KIND`` or ``SET``: for each its prompts, and which texts are its own.

    Places without a text of its own keep that of `prompts`, and no arm that needs it is shown in this wording.
    """
    found: dict[str, tuple[PromptConfig, frozenset[str]]] = {}
    for key, one in (pair for asked in names for pair in find_wordings(asked)):
        told = prompts.model_copy(update={place: f"{key}:{place}" for place in one.texts}), frozenset(one.texts)
        if found.setdefault(one.name, told) != told:
            raise InputError(f"wordings: two files have a wording '{one.name}'; rename one of the files")
    return found


def render(template: str, words: Mapping[str, str], references: int, query: bool = True) -> tuple[Part, ...]:
    """Fill in a prompt's words and split it at its images: parts in the order in which the model reads them.

    Without ``question`` among the words, `QUESTION` is asked.

    Examples
    --------
    >>> [part.kind for part in render("{reference}Now {query}, {finding}?", {"finding": "a nodule"}, references=2)]
    ['reference', 'reference', 'text', 'query', 'text']
    """
    parts: list[Part] = []
    words = {"question": QUESTION.replace("{finding}", words.get("finding", ""))} | dict(words)
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
    if queries != query:
        times = "exactly once" if query else "not at all in this arm"
        raise InputError(f"a prompt shows the query {times}; this one has {queries} places {{query}}")
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
    names = [config.single, config.pair, config.reversed, config.unlabelled, config.text]
    texts = [prompt_text(name).replace("{question}", QUESTION) for name in names]  # as before prompts had this place
    own = [] if config.question_only is None else [prompt_text(config.question_only)]
    return content_hash([*texts, *own, *config.answers])
