"""Write a pocket VLM with random weights into a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from empirical.vlm.pocket.config import PocketConfig
from empirical.vlm.pocket.text import training_text
from see_in_pairs import __version__
from see_in_pairs.cache import cache_folder
from see_in_pairs.files import content_hash


def random_pocket_path(config: PocketConfig | None = None) -> Path:
    """Return the folder of a pocket VLM with random weights, which is made on first use.

    Parameters
    ----------
    config : PocketConfig, optional
        Architecture, shape and seed; by default those of ``PocketConfig()``.

    Returns
    -------
    Path
        A folder that ``from_pretrained`` accepts, under ``$SEE_IN_PAIRS_CACHE`` or the user's cache folder.
    """
    config = config or PocketConfig()
    root = cache_folder()
    folder = root / f"pocket-random-{content_hash({'config': config.model_dump(), 'version': __version__, 'text': training_text()})}"
    if not (folder / "config.json").is_file():
        from filelock import FileLock

        root.mkdir(parents=True, exist_ok=True)
        building = root / f".{folder.name}"
        with FileLock(f"{building}.lock"):  # one process builds, others wait
            if not (folder / "config.json").is_file():
                shutil.rmtree(building, ignore_errors=True)  # left by a process that was killed
                building.mkdir()
                build_pocket(building, config)
                building.rename(folder)
    return folder


def build_pocket(folder: Path | str, config: PocketConfig, text: str | None = None) -> None:
    """Write a pocket VLM with random weights.

    Parameters
    ----------
    folder : Path or str
        Folder to write into, which must exist.
    config : PocketConfig
        Architecture, shape and seed.
    text : str, optional
        Text that the tokenizer is trained on; by default `training_text`.
    """
    import torch
    from transformers import AutoModelForImageTextToText
    from transformers.utils import logging

    from empirical.vlm.pocket.idefics3 import idefics3
    from empirical.vlm.pocket.internvl import internvl

    logging.disable_progress_bar()
    architectures = {"idefics3": idefics3, "internvl": internvl}
    architecture, processor = architectures[config.architecture](config, training_text() if text is None else text)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = AutoModelForImageTextToText.from_config(architecture)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
