"""Sets of wordings: one question in several words, so that what the words do can be told from what the pictures do. All are our own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePath
from typing import Any

from see_in_pairs.errors import InputError, did_you_mean, first_few
from see_in_pairs.files import parse_yaml, read_yaml

PLACES = ("single", "pair", "reversed", "unlabelled", "text", "question_only")
KINDS = ("plain", "comparative", "clinical", "words_only", "irrelevant")
"""What a wording is for: plain words, words that ask for a comparison, clinically informed ones; and as controls clinical words without a
reference, and a text of the same length that has nothing to do with the task."""

LONGEST_PROMPT = 20_000  # characters; a model reads them once for every item


@dataclass(frozen=True)
class Wording:
    """One wording of a set."""

    name: str  # SET/NAME, as in records; of a file SET is its name, since its folder says nothing about the words
    kind: str  # one of `KINDS`
    texts: dict[str, str]  # by place, those that it has


def bundled_sets() -> list[str]:
    """Names of the sets that come with the package."""
    folder = resources.files("empirical.prompts") / "sets"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


@cache
def read_set(name: str) -> dict[str, Wording]:
    """Read a set of wordings by the name of a bundled one or a YAML file: its wordings by NAME."""
    if name in bundled_sets():
        text = (resources.files("empirical.prompts") / "sets" / f"{name}.yaml").read_text(encoding="utf-8")
        content: Any = parse_yaml(text, name)
    elif name.endswith((".yaml", ".yml")):
        content = read_yaml(name)
    else:
        raise InputError(
            f"wordings '{name[:200]}': no bundled set ({', '.join(bundled_sets())}) and no YAML file{did_you_mean(name, bundled_sets())}"
        )
    wordings = content.get("wordings") if isinstance(content, dict) else None
    if not isinstance(wordings, dict) or not wordings:
        raise InputError(f"{name}: the set has no wordings; it needs a mapping 'wordings' from names to texts")
    stem = PurePath(name).stem
    return {str(key): _wording(f"{stem}/{key}", value) for key, value in wordings.items()}


def _wording(name: str, content: Any) -> Wording:
    if not isinstance(content, dict) or content.get("kind") not in KINDS:
        raise InputError(f"{name}: needs a kind ({', '.join(KINDS)}) and texts for some of {', '.join(PLACES)}")
    texts = {key: value for key, value in content.items() if key not in ("kind", "source")}
    if unknown := [key for key in texts if key not in PLACES]:
        raise InputError(f"{name}: unknown text '{unknown[0]}' (known: {', '.join(PLACES)}){did_you_mean(str(unknown[0]), PLACES)}")
    wrong = [key for key, text in texts.items() if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_PROMPT]
    if wrong or not texts:
        raise InputError(f"{name}: {first_few(wrong) or 'no text'}: must be text of at most {LONGEST_PROMPT:,} characters")
    return Wording(name, content["kind"], texts)


def find_wordings(asked: str) -> list[tuple[str, Wording]]:
    """Find the wordings of ``SET/NAME``, ``SET/KIND`` or ``SET``, each with the key by which `wording_text` finds its texts."""
    first, _, last = asked.rpartition("/")
    whole = asked in bundled_sets() or asked.endswith((".yaml", ".yml"))
    where, which = (asked, "") if whole or not first else (first, last)
    wordings = read_set(where)
    chosen = [(f"{where}/{key}", one) for key, one in wordings.items() if which in ("", key, one.kind)]
    if not chosen:
        known = [*wordings, *dict.fromkeys(one.kind for one in wordings.values())]
        raise InputError(f"wordings '{asked}': {where} has no '{which}' (it has {first_few(known, 12)}){did_you_mean(which, known)}")
    return chosen


def wording_text(name: str) -> str | None:
    """Text of one place of a wording, ``SET/NAME:PLACE``; None where the name is of another form."""
    key, separator, place = name.rpartition(":")
    where, _, which = key.rpartition("/")
    if not separator or place not in PLACES or not (where in bundled_sets() or where.endswith((".yaml", ".yml"))):
        return None
    one = read_set(where).get(which)
    if one is None or place not in one.texts:
        raise InputError(f"prompt '{name}': {where} has no such wording or text")
    return one.texts[place].rstrip("\n")
