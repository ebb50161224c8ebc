"""Pictures that are too long and narrow for a model: found before a run, not in the middle of it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from empirical.arms.images import MARK, image_file, image_size
from see_in_pairs.errors import InputError, first_few, first_line

if TYPE_CHECKING:
    from empirical.cohorts import Cohort
    from empirical.prompts.example import Example
    from empirical.vlm.inference.encoder import Encoder


def refuse_odd_shapes(encoder: Encoder, cohort: Cohort, examples: Sequence[Example]) -> None:
    """Refuse pictures whose shape the model's image processor does not accept; the longest and narrowest are tried first."""
    shown = {image: example for example in examples for image in example.images if not image.startswith(MARK)}
    with ThreadPoolExecutor() as pool:
        sizes = dict(zip(shown, pool.map(partial(image_size, cohort), shown), strict=True))
    refused: list[str] = []
    reason = ""
    for image in sorted(shown, key=lambda name: max(sizes[name]) / max(1, min(sizes[name])), reverse=True):
        try:
            encoder.prompts([shown[image]])
        except InputError:
            raise
        except (ValueError, ArithmeticError, RuntimeError, IndexError, TypeError) as error:  # each family's processor has its own
            refused.append(f"{image_file(cohort, image)[0]} ({' x '.join(map(str, sizes[image]))} pixels)")
            reason = reason or first_line(error)
        else:
            break
    if refused:
        raise InputError(f"{first_few(refused)}: the model does not accept pictures of this shape ({reason}); crop them, or leave them out")
