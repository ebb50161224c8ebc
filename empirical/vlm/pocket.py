"""The pocket VLM: a small model of a real transformers architecture (Idefics3), made on the spot from a seed.

It has the parts a Hub checkpoint has (config, safetensors weights, tokenizer, processor, chat template) in one folder and is loaded
from there by the code that loads any checkpoint. In this version its weights are random: it knows nothing before finetuning.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from see_in_pairs import __version__
from see_in_pairs.configs import StrictConfig
from see_in_pairs.files import content_hash

if TYPE_CHECKING:
    from transformers import Idefics3Config, PreTrainedTokenizerFast

IMAGE_TOKEN = "<image>"
END_OF_TURN = "<end_of_utterance>"
PAD = "<|endoftext|>"
BEGIN = "<|im_start|>"


class PocketConfig(StrictConfig):
    """Shape and seed of a pocket VLM.

    Parameters
    ----------
    image_size : int
        Side of the square image the vision tower sees, in pixels; other images are resized to it.
    patch_size : int
        Side of a patch, in pixels; every patch is one image token.
    vision_width, vision_layers : int
        Width and depth of the vision tower.
    width, layers, heads : int
        Width, depth and attention heads of the language model.
    vocabulary : int
        Largest size of the byte-level BPE vocabulary, trained on the package's own prompts.
    initializer_range : float
        Standard deviation of the random weights.
    seed : int
        Seed of the random weights.
    """

    image_size: int = 64
    patch_size: int = 16
    vision_width: int = 96
    vision_layers: int = 3
    width: int = 128
    layers: int = 4
    heads: int = 4
    vocabulary: int = 600
    initializer_range: float = 0.06
    seed: int = 0


def pocket_path(config: PocketConfig | None = None) -> Path:
    """Give the folder of the pocket VLM, making it on first use.

    Parameters
    ----------
    config : PocketConfig, optional
        By default the bundled shape.

    Returns
    -------
    Path
        A folder that ``from_pretrained`` accepts, under ``$SEE_IN_PAIRS_CACHE`` or the user's cache folder.
    """
    config = config or PocketConfig()
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "see-in-pairs"
    root = Path(os.environ.get("SEE_IN_PAIRS_CACHE", default))
    folder = root / f"pocket-{content_hash({'config': config.model_dump(), 'version': __version__, 'text': training_text()})}"
    if not (folder / "config.json").is_file():
        root.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=root, prefix=".pocket-"))
        build_pocket(building, config)
        try:
            building.rename(folder)
        except OSError:  # another process made it meanwhile, to the same bytes
            shutil.rmtree(building)
    return folder


def build_pocket(folder: Path, config: PocketConfig, text: str | None = None) -> None:
    """Write a pocket VLM with random weights.

    Parameters
    ----------
    folder : Path
        Where to write; it must exist.
    config : PocketConfig
        Shape and seed.
    text : str, optional
        What its tokenizer is trained on; by default the package's own prompts.
    """
    import torch
    from transformers import Idefics3ForConditionalGeneration, Idefics3ImageProcessorPil, Idefics3Processor
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = train_tokenizer(config.vocabulary, training_text() if text is None else text)
    model_config = architecture(config, tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = Idefics3ForConditionalGeneration(model_config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    edge = {"longest_edge": config.image_size}
    image_processor = Idefics3ImageProcessorPil(size=edge, max_image_size=edge, do_image_splitting=False)
    tokens_per_image = (config.image_size // config.patch_size) ** 2
    template = (resources.files("empirical.vlm") / "pocket.jinja").read_text(encoding="utf-8").replace("\n", "").replace("\\n", "\n")
    processor = Idefics3Processor(
        image_processor=image_processor, tokenizer=tokenizer, image_seq_len=tokens_per_image, chat_template=template
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def architecture(config: PocketConfig, tokenizer: PreTrainedTokenizerFast) -> Idefics3Config:
    """Spell out the Idefics3 config of a pocket VLM.

    Parameters
    ----------
    config : PocketConfig
        The shape.
    tokenizer : PreTrainedTokenizerFast
        Gives the vocabulary size and the special token ids.

    Returns
    -------
    Idefics3Config
        The architecture.
    """
    from transformers import Idefics3Config

    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    language = {
        "model_type": "llama",
        "hidden_size": config.width,
        "intermediate_size": 2 * config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.heads,
        "max_position_embeddings": 2048,
        "vocab_size": len(tokenizer),
        "initializer_range": config.initializer_range,
        **special,
    }
    vision = {
        "hidden_size": config.vision_width,
        "intermediate_size": 2 * config.vision_width,
        "num_hidden_layers": config.vision_layers,
        "num_attention_heads": config.heads,
        "image_size": config.image_size,
        "patch_size": config.patch_size,
    }
    return Idefics3Config(
        text_config=language,
        vision_config=vision,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        scale_factor=1,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )


@cache
def training_text() -> str:
    """Give the text that the pocket tokenizer is trained on: our prompts as they read when filled, with answers.

    Returns
    -------
    str
        A few lines; words that are not in them are spelled in pieces, down to bytes.
    """
    return (resources.files("empirical.vlm") / "vocabulary.txt").read_text(encoding="utf-8")


def train_tokenizer(vocabulary: int, text: str) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer.

    Parameters
    ----------
    vocabulary : int
        Largest number of tokens; all 256 bytes are among them, so no text is unknown.
    text : str
        What it is trained on.

    Returns
    -------
    PreTrainedTokenizerFast
        The tokenizer, padding on the left.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    grid = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]  # the processor looks these up
    extra = [IMAGE_TOKEN, "<fake_token_around_image>", "<global-img>", *grid]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END_OF_TURN, BEGIN, *extra],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([text] * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END_OF_TURN, pad_token=PAD, padding_side="left", extra_special_tokens=extra
    )
