"""Embeddings for the check of near duplicates: from a file, or by a vision model; always (items, dimensions) in the table's order."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from empirical.cohorts import Cohort
from see_in_pairs.errors import InputError, first_few, first_line


def embeddings_of(cohort: Cohort, model: str | None, path: Path | None, quiet: bool = False) -> NDArray[np.floating[Any]] | None:
    """Get the embeddings that were asked for; None where neither option was given."""
    if model is not None and path is not None:
        raise InputError("--model and --embeddings: give only one of them")
    if path is not None:
        return read_embeddings(path, cohort)
    return None if model is None else embed(cohort, model, quiet)


def read_embeddings(path: Path, cohort: Cohort) -> NDArray[np.floating[Any]]:
    """Read embeddings that were computed elsewhere."""
    try:
        with np.load(path, allow_pickle=False) as content:
            names, vectors = [str(name) for name in content["item_id"]], np.asarray(content["vectors"])
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:  # TypeError: a .npy file
        raise InputError(f"{path}: not a .npz file with 'item_id' and 'vectors' ({first_line(error)})") from None
    if vectors.ndim != 2 or len(vectors) != len(names) or vectors.dtype.kind != "f" or not np.isfinite(vectors).all():
        raise InputError(f"{path}: 'vectors' must be finite numbers, a row for each 'item_id'")
    row_of = {name: row for row, name in enumerate(names)}
    missing = [item for item in cohort.table["item_id"] if item not in row_of]
    if missing:
        raise InputError(f"{path}: lacks {len(missing)} of {len(cohort.table)} items: {first_few(missing)}")
    return vectors[[row_of[item] for item in cohort.table["item_id"]]]


def embed(cohort: Cohort, model: str, quiet: bool = False) -> NDArray[np.floating[Any]]:
    """Embed every image of a cohort, through the cache that the strategy ``embedding`` uses."""
    from empirical.references.embeddings.cache import embedder
    from empirical.references.embeddings.towers import released_after
    from empirical.vlm.config import ModelConfig

    with released_after():
        return embedder(cohort, ModelConfig(name=model), quiet)(list(cohort.table["item_id"]))
