"""Configs that refuse unknown keys: a YAML file, changed by ``--set key=value``, checked by pydantic."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from see_in_pairs.errors import InputError, did_you_mean
from see_in_pairs.files import parse_yaml, read_yaml

# One rule for upper bounds, here and beside the fields of all configs. A setting has a bound where a larger value would pass every other
# check and then overflow deep in a library, take all memory or never end. The bound is far above useful values. A value that merely gives
# bad results (a learning rate at which training diverges) is allowed, since the run itself shows that.
MOST = 10**9
"""Bound of settings that count something."""

Count = Annotated[int, Field(ge=1, le=MOST)]
"""A setting that counts something, at least 1."""

Threads = Annotated[int, Field(ge=1, le=1024)]
"""Threads of torch; too many for the machine would end the process."""

SeedNumber = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""A seed that NumPy and torch both take."""

LARGEST_INTEGER = 2**63 - 1
"""Largest integer of arrays and files; a larger one would fail deep in a library."""


def unset(value: Any) -> bool:
    """For ``Field(exclude_if=unset)``: leave a key that is not set out of a run's identity, which then stays that of earlier versions."""
    return value is None


class StrictConfig(BaseModel):
    """Base of every config: immutable; an unknown key is an error, and so is a value that cannot be computed with or saved.

    Such values are: a number that is NaN or infinite, an integer of more than 64 bits (except in the fields of `any_integer`), text with a
    null byte or half a surrogate pair, true where a number is expected, and YAML's bytes and sets, which only look like text and lists.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    any_integer: ClassVar[tuple[str, ...]] = ()

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        parts = [value, *(value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple, set)) else ())]
        if odd := next((part for part in parts if isinstance(part, (bytes, bytearray, set))), None):
            raise ValueError(f"{'a set' if isinstance(odd, set) else 'bytes'}; write {'a list' if isinstance(odd, set) else 'text'}")
        field = cls.model_fields.get(info.field_name or "")
        if field is not None and any(isinstance(part, bool) for part in parts) and _is_of_numbers(field.annotation):
            raise ValueError("true or false instead of a number (YAML also reads yes, no, on and off so)")
        return value

    @field_validator("*")
    @classmethod
    def _usable(cls, value: Any, info: ValidationInfo) -> Any:
        if info.field_name not in cls.any_integer and (fault := _fault(value)):
            raise ValueError(fault)
        return value


def _is_of_numbers(annotation: Any) -> bool:
    """Whether a field takes only a number, or numbers in a list or mapping, but not text, a truth value or a section."""
    inner = [part for part in get_args(annotation) if part is not type(None)]
    if get_origin(annotation) is dict:
        inner = inner[1:]
    if get_origin(annotation) is Annotated:
        inner = inner[:1]
    return all(map(_is_of_numbers, inner)) if inner else annotation in (int, float, ...)


def _fault(value: Any) -> str | None:
    """Say why a value, or a value inside it, cannot be used."""
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        return f"an integer of {len(str(abs(value)))} digits; the largest is {LARGEST_INTEGER}"
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value)):
        return f"{value[:40]!r} is not valid text: it contains a null byte or half a surrogate pair"
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, (list, tuple, set)) else ()
    return next((fault for part in inner if (fault := _fault(part))), None)


Config = TypeVar("Config", bound=StrictConfig)


def load_config(kind: type[Config], path: Path | str, changes: Sequence[str] = ()) -> Config:
    """Read a config from a YAML file.

    Parameters
    ----------
    kind : type
        Class of the config, for example `empirical.FinetuneConfig`.
    path : Path or str
        The YAML file, whose keys are the fields of the class.
    changes : sequence of str
        Changes to the file's keys, each as ``key=value`` or ``outer.inner=value``, as ``--set`` takes them.

    Returns
    -------
    StrictConfig
        A config of the class `kind`, checked whole.

    Raises
    ------
    InputError
        When the file is missing, has an unknown key, or a value is not possible.

    Examples
    --------
    >>> import tempfile
    >>> class Settings(StrictConfig):
    ...     steps: int
    >>> file = Path(tempfile.mkdtemp()) / "settings.yaml"
    >>> _ = file.write_text("steps: 3")
    >>> load_config(Settings, file, ["steps=5"]).steps
    5
    """
    path = Path(path)
    if not path.exists() or path.is_dir():
        raise InputError(f"{path}: no such config file")
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: a config is a mapping of keys to values")
    for change in changes:
        _apply(content, change)
    return parse_config(kind, content, source=str(path))


def parse_config(kind: type[Config], content: dict[str, Any], source: str) -> Config:
    """Validate a mapping as a config."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{source}: {describe(error, kind)}") from None


def describe(error: ValidationError, kind: type[BaseModel]) -> str:
    """Say in one line what pydantic found wrong."""
    lines = []
    for detail in error.errors()[:3]:
        key = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "extra_forbidden":
            section = _section(kind, detail["loc"][:-1])
            lines.append(
                f"unknown key '{key}' (known: {', '.join(section.model_fields)}){did_you_mean(detail['loc'][-1], section.model_fields)}"
            )
        elif detail["type"] == "string_type" and isinstance(detail["input"], (bool, int, float)):
            lines.append(f"{key}: YAML reads this as {detail['input']!r}, not as a word; put it in quotes (also yes, no, on and off)")
        else:
            # the word is not one of the allowed words, which the error lists in quotes
            choices = [*detail.get("ctx", {}).values()] if detail["type"] in ("literal_error", "union_tag_invalid") else []
            known = re.findall(r"'([^']*)'", str(choices[-1])) if choices else []
            word = detail.get("ctx", {}).get("tag", detail["input"])
            lines.append((f"{key}: " if key else "") + detail["msg"] + did_you_mean(word, known))  # no key: about the whole config
    return "; ".join(lines)


def _section(kind: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    """Find the config class of a section by the keys that lead there; numbers of list entries and tags of unions are skipped."""
    for part in path:
        field = kind.model_fields.get(str(part))
        inner = next(_classes(field.annotation), None) if field is not None else None
        kind = inner or kind
    return kind


def _classes(annotation: Any) -> Iterator[type[BaseModel]]:
    """List the config classes in an annotation such as ``list[ArmConfig] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _classes(inner)


def _apply(content: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise InputError(f"--set {change}: write key=value")
    *outer, last = key.split(".")
    place = content
    for part in outer:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise InputError(f"--set {change}: '{part}' is not a section of the config")
    place[last] = parse_yaml(text, f"--set {change}")
