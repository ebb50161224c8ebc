"""The list of checks, and their outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from empirical.prompts.templates import PromptConfig
from empirical.vlm.config import ModelConfig, VisionLanguageModel
from empirical.vlm.doctor import adapters, inputs, scoring_paths, vision
from empirical.vlm.doctor.model_under_test import ModelUnderTest, Outcome
from empirical.vlm.loading import load_vlm
from see_in_pairs.display import html_frame
from see_in_pairs.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

SCORING_CHECKS: dict[str, Callable[[ModelUnderTest], Outcome]] = {
    "answers are distinct token sequences": inputs.answers,
    "the processor makes every input the family needs": inputs.required_inputs,
    "as many image tokens as image features": inputs.features,
    "the query has the same tokens and pixels in every arm": inputs.same_query,
    "the prompt decodes to what was meant": inputs.decoded_prompt,
    "labels are the answer and the end of turn, nothing else": inputs.labels,
    "positions are right for several images": inputs.positions,
    "nothing is cut off, least of all an image": inputs.no_truncation,
    "the fast vision tower makes the features of transformers' own": vision.fast_vision,
    "a batch scores as its rows alone, padded left or right": scoring_paths.padding,
    "the order of images matters": scoring_paths.image_order,
    "teacher forcing scores as the prompt alone does": scoring_paths.teacher_forcing,
    "an adapter that comes with the model does something": adapters.loaded_adapter,
    "stored image features score as the plain path": scoring_paths.cached_features,
    "a shared prefix read once scores as the plain path": scoring_paths.prefix_cache,
}
THOROUGH_CHECKS: dict[str, Callable[[ModelUnderTest], Outcome]] = {
    "generation steps have the log-probabilities of one pass": scoring_paths.generation,
    "attention backends agree": scoring_paths.attention_backends,
    "adapters reach the layers they are meant for": adapters.lora_layers,
    "every trainable weight gets a gradient, no frozen one does": adapters.gradients,
    "a saved adapter loads to the same scores and does something": adapters.saved_adapter,
}


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Parameters
    ----------
    name : str
        The statement that was checked, for example "attention backends agree".
    passed : bool
        Whether the statement holds for the model.
    detail : str
        The numbers behind the outcome, or the error that the check ended with.
    """

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """All checks of a model.

    Parameters
    ----------
    model : str
        Name of the model, as in its config.
    checks : tuple of Check
        One outcome per check, in the order in which they ran.
    """

    model: str
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        lines = [f"  {'passed' if check.passed else 'FAILED'}  {check.name}: {check.detail}" for check in self.checks]
        passed = sum(check.passed for check in self.checks)
        return "\n".join([f"Diagnosis of '{self.model}': {passed} of {len(lines)} checks passed", *lines])

    def _repr_html_(self) -> str:
        return html_frame(f"Diagnosis of '{self.model}'", self.to_frame())

    def to_frame(self) -> pd.DataFrame:
        """Tabulate the checks.

        Returns
        -------
        pandas.DataFrame
            One row per check: ``name, passed, detail``.
        """
        import pandas as pd

        return pd.DataFrame([asdict(check) for check in self.checks], columns=["name", "passed", "detail"])

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``doctor --json``.

        Returns
        -------
        dict
            Keys ``model``, ``passed`` and ``checks``, the latter a list of dictionaries with the fields of `Check`.
        """
        return {"model": self.model, "passed": self.passed, "checks": [asdict(check) for check in self.checks]}


def diagnose(config: ModelConfig, prompts: PromptConfig | None = None) -> Diagnosis:
    """Load a model and run every check on it.

    Parameters
    ----------
    config : ModelConfig
        The settings to load the model with.
    prompts : PromptConfig, optional
        Wording of the prompts and the answers to score; by default those of an evaluation.

    Returns
    -------
    Diagnosis
        One outcome per check. A check that raises has failed, with the error's message as detail.
    """
    return diagnose_loaded(load_vlm(config), prompts)


def diagnose_loaded(vlm: VisionLanguageModel, prompts: PromptConfig | None = None, *, thorough: bool = True) -> Diagnosis:
    """Run the checks on a loaded model, which is left as it was.

    Parameters
    ----------
    vlm : VisionLanguageModel
        The loaded model, with processor and family.
    prompts : PromptConfig, optional
        Wording of the prompts and the answers to score; by default those of an evaluation.
    thorough : bool, default True
        Run also the checks that take a backward pass, generation or another attention backend. Runs leave them out.

    Returns
    -------
    Diagnosis
        One outcome per check. A check that raises has failed, with the error's message as detail.
    """
    import torch

    subject = ModelUnderTest(vlm, prompts or PromptConfig())
    checks = SCORING_CHECKS | (THOROUGH_CHECKS if thorough else {})
    with torch.random.fork_rng():  # libraries draw random numbers; later results must not depend on a check
        return Diagnosis(vlm.config.name, tuple(_run(name, check, subject) for name, check in checks.items()))


def require(diagnosis: Diagnosis) -> None:
    """Raise an error when a model failed a check.

    Parameters
    ----------
    diagnosis : Diagnosis
        Outcomes of `diagnose` or `diagnose_loaded`.

    Raises
    ------
    InputError
        When a check failed; the message names the first one and its detail.
    """
    for check in diagnosis.checks:
        if not check.passed:
            raise InputError(f"model '{diagnosis.model}' fails the check '{check.name}': {check.detail}")


def _run(name: str, check: Callable[[ModelUnderTest], Outcome], subject: ModelUnderTest) -> Check:
    try:
        passed, detail = check(subject)
    except (ValueError, RuntimeError, KeyError, IndexError, TypeError, InputError) as error:
        return Check(name, False, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    return Check(name, bool(passed), detail)
