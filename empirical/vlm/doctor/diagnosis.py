"""The list of checks, and what they found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from empirical.prompts.templates import PromptConfig
from empirical.vlm.config import ModelConfig, VisionLanguageModel
from empirical.vlm.doctor import adapters, inputs, paths, vision
from empirical.vlm.doctor.subject import ModelUnderTest
from empirical.vlm.loading import load_vlm
from see_in_pairs.errors import InputError

READING: dict[str, Callable[[ModelUnderTest], tuple[bool, str]]] = {
    "answers are distinct token sequences": inputs.answers,
    "the processor makes every input the family needs": inputs.needed,
    "as many image tokens as image features": inputs.features,
    "the query has the same tokens and pixels in every arm": inputs.same_query,
    "the prompt decodes to what was meant": inputs.reads,
    "labels are the answer and the end of turn, nothing else": inputs.labels,
    "positions are right for several images": inputs.positions,
    "nothing is cut off, least of all an image": inputs.whole,
    "the fast vision tower makes the features of transformers' own": vision.fast,
    "a batch scores as its rows alone, padded left or right": paths.padding,
    "the order of images matters": paths.order,
    "teacher forcing scores as the prompt alone does": paths.forced,
    "an adapter that comes with the model does something": adapters.loaded,
    "stored image features score as the plain path": paths.stored,
    "a shared prefix read once scores as the plain path": paths.prefixed,
}
THOROUGH: dict[str, Callable[[ModelUnderTest], tuple[bool, str]]] = {
    "generation steps have the log-probabilities of one pass": paths.generated,
    "attention backends agree": paths.attention,
    "adapters reach the layers they are meant for": adapters.places,
    "every trainable weight gets a gradient, no frozen one does": adapters.gradients,
    "a saved adapter loads to the same scores and does something": adapters.saved,
}


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
    """Load a model and run every check on it.

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
    return diagnose_loaded(load_vlm(config), prompts)


def diagnose_loaded(vlm: VisionLanguageModel, prompts: PromptConfig | None = None, *, thorough: bool = True) -> Diagnosis:
    """Run the checks on a model that is loaded already; it is left as it was.

    Parameters
    ----------
    vlm : VisionLanguageModel
        The model.
    prompts : PromptConfig, optional
        Wording and answers.
    thorough : bool, default True
        Also what takes a backward pass, generation or another attention backend; before a run it is left out.

    Returns
    -------
    Diagnosis
        One outcome per check.
    """
    import torch

    subject = ModelUnderTest(vlm, prompts or PromptConfig())
    checks = READING | (THOROUGH if thorough else {})
    with torch.random.fork_rng():  # libraries draw where we do not; what comes after must not depend on a check
        return Diagnosis(vlm.config.name, tuple(_run(name, check, subject) for name, check in checks.items()))


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


def _run(name: str, check: Callable[[ModelUnderTest], tuple[bool, str]], subject: ModelUnderTest) -> Check:
    try:
        passed, detail = check(subject)
    except (ValueError, RuntimeError, KeyError, IndexError, TypeError, InputError) as error:
        return Check(name, False, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    return Check(name, bool(passed), detail)
