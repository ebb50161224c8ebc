"""The settings of a pocket VLM."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from see_in_pairs.configs import SeedNumber, StrictConfig


class PocketConfig(StrictConfig):
    """Shape and seed of a pocket VLM.

    Parameters
    ----------
    architecture : {'idefics3', 'internvl'}
        Architecture of transformers that the model is a small instance of.
    image_size : int
        Side of the square image that the vision tower sees, in pixels; other images are resized to it.
    patch_size : int
        Side of a patch, in pixels.
    merge : int
        Side, in patches, of the square that becomes one image token (pixel shuffle).
    vision_width, vision_layers : int
        Width and depth of the vision tower.
    width, layers, heads : int
        Width, depth and attention heads of the language model; the vision tower has as many heads.
    vocabulary : int
        Largest size of the byte-level BPE vocabulary, trained on the package's own prompts.
    initializer_range : float
        Standard deviation of the random weights.
    seed : int
        Seed of the random weights.
    """

    architecture: Literal["idefics3", "internvl"] = "idefics3"
    image_size: int = Field(default=64, ge=1, le=4096)
    patch_size: int = Field(default=16, ge=1, le=4096)
    merge: int = Field(default=1, ge=1, le=4096)
    vision_width: int = Field(default=96, ge=1, le=16_384)
    vision_layers: int = Field(default=3, ge=1, le=1000)
    width: int = Field(default=128, ge=1, le=16_384)
    layers: int = Field(default=4, ge=1, le=1000)
    heads: int = Field(default=4, ge=1, le=16_384)
    vocabulary: int = Field(default=600, ge=300, le=1_000_000)
    initializer_range: float = Field(default=0.06, gt=0, le=1)  # transformers refuses more
    seed: SeedNumber = 0

    @model_validator(mode="after")
    def _check_divisibility(self) -> PocketConfig:
        if self.image_size % (self.patch_size * self.merge):
            raise ValueError(f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size} times merge {self.merge}")
        if self.width % self.heads or self.vision_width % self.heads:
            raise ValueError(f"width {self.width} and vision_width {self.vision_width} must be multiples of heads {self.heads}")
        return self

    @property
    def tokens_per_image(self) -> int:
        """Number of tokens an image becomes."""
        return (self.image_size // (self.patch_size * self.merge)) ** 2

    def language(self) -> dict[str, object]:
        """Return the language model's options, without vocabulary, for a Llama-like config of transformers."""
        return {
            "hidden_size": self.width,
            "intermediate_size": 2 * self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.heads,
            "max_position_embeddings": 2048,
            "initializer_range": self.initializer_range,
        }

    def vision(self) -> dict[str, object]:
        """Return the vision tower's options, without image sizes, for a ViT-like config of transformers."""
        return {
            "hidden_size": self.vision_width,
            "intermediate_size": 2 * self.vision_width,
            "num_hidden_layers": self.vision_layers,
            "num_attention_heads": self.heads,
        }
