"""References aligned to their queries, as named images: each is made once for its pair and settings, and kept on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from empirical.cohorts import Cohort
from empirical.references.config import ReferenceConfig
from empirical.references.registration import AlignedReference, align, settings_key
from empirical.vlm.inference.prefetch import prefetch_map, thread_count, thread_pool
from see_in_pairs.cache import cache_folder
from see_in_pairs.console import progress
from see_in_pairs.files import atomic_path, content_hash, sha256

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from PIL.Image import Image

PREFIX = "//aligned//"
"""How the name of an aligned image begins; no item id does."""
COLUMNS = ("item_id", "reference_id", "asked", "reached", "correlation_before", "correlation_after")


@dataclass(frozen=True)
class AlignedName:
    """What the name of an aligned image says: which reference, how it is aligned, and to which query."""

    kind: str
    detail: float | None
    reference: str
    query: str

    @classmethod
    def parse(cls, name: str) -> AlignedName | None:
        """Read a name; None where it is of another image."""
        if not name.startswith(PREFIX):
            return None
        settings, reference, query = name.removeprefix(PREFIX).split("//", 2)
        kind, detail = settings.split(",")
        return cls(kind, float(detail) if detail else None, reference, query)

    def __str__(self) -> str:
        detail = "" if self.detail is None else repr(self.detail)
        return f"{PREFIX}{self.kind},{detail}//{self.reference}//{self.query}"


def shown_references(query: str, references: Sequence[str], config: ReferenceConfig | None) -> tuple[str, ...]:
    """Name the images that are shown for the references of a query: the items themselves, or, as configured, aligned ones."""
    if config is None or config.align == "none":
        return tuple(references)
    return tuple(str(AlignedName(config.align, config.detail, reference, query)) for reference in references)


def image_key(cohort: Cohort, name: str) -> str:
    """Hash what an image is made of: the file of an item, or both files and the settings of an aligned reference."""
    asked = AlignedName.parse(name)
    if asked is None:
        number = cohort.frame(name)
        return (cohort.imported_as(name) or sha256(cohort.image_path(name))) + (f"#{number}" if number else "")
    return content_hash([*settings_key(asked.kind, asked.detail), image_key(cohort, asked.reference), image_key(cohort, asked.query)])


def read_image(cohort: Cohort, name: str) -> Image:
    """Read an item's image, or an aligned reference, as RGB."""
    asked = AlignedName.parse(name)
    return cohort.image(name) if asked is None else aligned(cohort, asked).image


def aligned(cohort: Cohort, asked: AlignedName) -> AlignedReference:
    """Align a reference, or read it from ``$SEE_IN_PAIRS_CACHE/aligned``."""
    key = image_key(cohort, str(asked))
    file = cache_folder() / "aligned" / key[:2] / f"{key}.png"
    if (found := _read(file)) is None:
        found = align(cohort.image(asked.query), cohort.image(asked.reference), asked.kind, asked.detail)
        _write(file, found)
    return found


def align_all(cohort: Cohort, names: Iterable[str], label: str, quiet: bool) -> pd.DataFrame:
    """Align all references among some images, several at a time, with a progress bar; a row each, with `COLUMNS`."""
    import pandas as pd

    plain = dict.fromkeys(name[max(0, name.find(PREFIX)) :] for name in names)  # without what an augmentation puts before a name
    asked = [found for name in plain if (found := AlignedName.parse(name)) is not None]

    def work(one: AlignedName) -> tuple[object, ...]:
        found = aligned(cohort, one)
        return one.query, one.reference, one.kind, found.reached, found.before, found.after

    def rows() -> Iterator[tuple[object, ...]]:
        with thread_pool() as pool:
            yield from progress(prefetch_map(pool, work, asked, 2 * thread_count()), len(asked), label, quiet)

    return pd.DataFrame(list(rows()) if asked else [], columns=list(COLUMNS))


def _read(file: Path) -> AlignedReference | None:
    from PIL import Image

    from empirical.cohorts.images import BROKEN

    try:
        with Image.open(file) as image:
            image.load()
            facts = json.loads(image.info["alignment"])
            return AlignedReference(image.convert("RGB"), str(facts["reached"]), float(facts["before"]), float(facts["after"]))
    except BROKEN:  # missing, or damaged: it is made again
        return None


def _write(file: Path, made: AlignedReference) -> None:
    from PIL.PngImagePlugin import PngInfo

    facts = PngInfo()
    facts.add_text("alignment", json.dumps({"reached": made.reached, "before": made.before, "after": made.after}))
    with atomic_path(file) as temporary:
        made.image.save(temporary, format="PNG", pnginfo=facts, compress_level=1)
