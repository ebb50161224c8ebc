"""Preflight checks of a model: whether it reads several images, pads and is supervised as this package takes for granted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.arms import Example
from empirical.prompts import Part, PromptConfig, prompt_text, render
from empirical.vlm.loading import ModelConfig, VisionLanguageModel, load_vlm
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from empirical.vlm.encoding import Encoder

WORDS = {"modality": "chest X-ray", "finding": "a nodule", "answers": "yes or no"}


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Parameters
    ----------
    name : str
        What was checked.
    passed : bool
        Whether it holds.
    detail : str
        The numbers behind it.
    """

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Diagnosis:
    """All checks of a model.

    Parameters
    ----------
    model : str
        Its name.
    checks : tuple of Check
        In the order in which they ran.
    """

    model: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Give the content of ``doctor --json``.

        Returns
        -------
        dict
            Keys ``model``, ``passed``, ``checks``.
        """
        return {"model": self.model, "passed": self.passed, "checks": [asdict(check) for check in self.checks]}


def diagnose(config: ModelConfig, prompts: PromptConfig | None = None) -> Diagnosis:
    """Run every check on a model.

    Parameters
    ----------
    config : ModelConfig
        The model.
    prompts : PromptConfig, optional
        Wording and answers.

    Returns
    -------
    Diagnosis
        One outcome per check; a check that raises has failed, with its message as detail.
    """
    from empirical.vlm.encoding import Encoder

    prompts = prompts or PromptConfig()
    vlm = load_vlm(config)
    patient = _Patient(vlm, Encoder(vlm.processor, vlm.family, _pictures().__getitem__), prompts)
    return Diagnosis(config.name, tuple(_run(name, check) for name, check in patient.checks()))


def _run(name: str, check: Callable[[], tuple[bool, str]]) -> Check:
    try:
        passed, detail = check()
    except (ValueError, RuntimeError, KeyError, IndexError) as error:
        return Check(name, False, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    return Check(name, bool(passed), detail)


def _pictures() -> dict[str, Image]:
    """Make four unlike pictures; what they show does not matter, that they differ does."""
    from PIL import Image

    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (4, 8, 8), dtype=np.uint8)
    return {f"picture-{i}": Image.fromarray(array).resize((224, 224)).convert("RGB") for i, array in enumerate(coarse)}


class _Patient:
    def __init__(self, vlm: VisionLanguageModel, encoder: Encoder, prompts: PromptConfig) -> None:
        self.vlm, self.encoder, self.prompts = vlm, encoder, prompts

    def checks(self) -> Iterator[tuple[str, Callable[[], tuple[bool, str]]]]:
        yield "answers are distinct token sequences", self.answers
        yield "the processor makes every input the family needs", self.inputs
        yield "the query has as many tokens and the same pixels alone and in a pair", self.same_query
        yield "labels are the answer and the end of turn, nothing else", self.labels
        yield "a padded batch scores as its rows alone", self.padding
        yield "the order of images matters", self.order
        yield "a text answer of several tokens scores as its single-token twin", self.two_ways
        yield "adapters would reach the language model only", self.adapters

    def example(self, query: str, *references: str) -> Example:
        template = prompt_text(self.prompts.pair if references else self.prompts.single)
        parts: tuple[Part, ...] = render(template, WORDS, len(references))
        rest = iter(references)
        images = tuple(query if part.kind == "query" else next(rest) for part in parts if part.kind != "text")
        return Example(query, parts, images, self.prompts.positive, references)

    def scores(self, *examples: Example) -> np.ndarray:
        from empirical.vlm.scoring import answer_log_probabilities

        return answer_log_probabilities(self.vlm.model, self.encoder, examples, self.prompts.answers)

    @property
    def tolerance(self) -> float:
        """Rounding of a few hundred accumulated operations in the model's number format, in nats."""
        import torch

        return 1e3 * torch.finfo(self.vlm.model.dtype).eps

    def answers(self) -> tuple[bool, str]:
        from empirical.vlm.scoring import check_answers

        check_answers(self.encoder, self.prompts.answers)
        return True, ", ".join(f"'{answer}' = {self.encoder.answer_ids(answer)}" for answer in self.prompts.answers)

    def inputs(self) -> tuple[bool, str]:
        made = self.encoder.prompts([self.example("picture-0", "picture-1")])
        missing = [name for name in self.vlm.family.required_inputs if name not in made]
        return not missing, f"made {', '.join(made)}" + (f"; missing {', '.join(missing)}" if missing else "")

    def same_query(self) -> tuple[bool, str]:
        alone, pair = self.example("picture-0"), self.example("picture-0", "picture-1")
        counts = [int(self._image_tokens(example)) for example in (alone, pair)]
        same_pixels = self._query_pixels_equal(alone, pair)
        return counts[1] == 2 * counts[
            0
        ] and same_pixels, f"{counts[0]} image tokens alone, {counts[1]} in a pair; pixels equal: {same_pixels}"

    def _image_tokens(self, example: Example) -> int:
        config = self.vlm.model.config
        token = getattr(config, "image_token_id", None)
        token = config.image_token_index if token is None else token
        return (self.encoder.prompts([example])["input_ids"] == token).sum().item()

    def _query_pixels_equal(self, alone: Example, pair: Example) -> bool:
        single, double = (self.encoder.prompts([example])["pixel_values"].flatten() for example in (alone, pair))
        place = pair.images.index(alone.images[0])
        return bool((double[place * single.numel() : (place + 1) * single.numel()] == single).all())

    def labels(self) -> tuple[bool, str]:
        example = self.example("picture-0", "picture-1")
        batch, labels = self.encoder.with_answers([example], [self.prompts.positive], end=True)
        text = self.vlm.processor.tokenizer.decode(labels[0])
        prompt = self.encoder.prompts([example])["input_ids"]
        wanted = self.vlm.family.answer_prefix + self.prompts.positive + self.vlm.processor.tokenizer.eos_token
        return text == wanted and bool((batch["input_ids"][:, : prompt.shape[1]] == prompt).all()), repr(text)

    def padding(self) -> tuple[bool, str]:
        rows = [self.example("picture-0"), self.example("picture-1", "picture-2")]
        together, alone = self.scores(*rows), np.concatenate([self.scores(row) for row in rows])
        gap = float(np.abs(together - alone).max())
        return gap <= self.tolerance, f"largest difference {gap:.1e}, allowed {self.tolerance:.1e}"

    def order(self) -> tuple[bool, str]:
        there, back = self.scores(self.example("picture-0", "picture-1"), self.example("picture-1", "picture-0"))
        gap = float(np.abs(there - back).max())
        return gap > 0, f"log-probabilities move by {gap:.1e}"

    def two_ways(self) -> tuple[bool, str]:
        import torch

        from empirical.vlm.scoring import next_token_log_probabilities, to_device, token_log_probabilities

        example = self.example("picture-0", "picture-1")
        batch, labels = self.encoder.with_answers([example], [self.prompts.positive], end=False)
        with torch.inference_mode():
            forced = token_log_probabilities(self.vlm.model, to_device(batch, self.vlm.model), labels.to(self.vlm.model.device))[0, 0]
            direct = next_token_log_probabilities(self.vlm.model, self.encoder, [example])[0, labels[0, 0]]
        gap = abs(float(forced) - float(direct))
        return gap <= self.tolerance, f"first answer token: {float(forced):.5f} under teacher forcing, {float(direct):.5f} from the prompt"

    def adapters(self) -> tuple[bool, str]:
        matched = [name for name, _ in self.vlm.model.named_modules() if re.fullmatch(self.vlm.family.lora_language, name)]
        vision = [name for name in matched if re.search(r"\.(visual|vision_tower|vision_model)\.", name)]
        return bool(matched) and not vision, f"{len(matched)} layers matched, {len(vision)} of them in the vision tower"


def require(diagnosis: Diagnosis) -> None:
    """Stop when a model failed its checks.

    Parameters
    ----------
    diagnosis : Diagnosis
        What `diagnose` found.

    Raises
    ------
    InputError
        Naming the first check that failed.
    """
    for check in diagnosis.checks:
        if not check.passed:
            raise InputError(f"model '{diagnosis.model}' fails the check '{check.name}': {check.detail}")
