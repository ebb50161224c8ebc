"""What every arm of an evaluation shows, on the same items, with which references."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from empirical.arms import ARMS, ArmConfig, assign_references, build_examples
from empirical.audit.preflight import save_alignment, save_references
from empirical.cohorts import Cohort
from empirical.evaluation.config import EvaluateConfig, run_id
from empirical.prompts.example import Example
from empirical.prompts.templates import PromptConfig, wordings_named
from see_in_pairs.console import log
from see_in_pairs.errors import InputError
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    from empirical.references import Assignment


@dataclass(frozen=True)
class Condition:
    """One arm in one wording and order of the choices."""

    arm: ArmConfig
    prompts: PromptConfig
    wording: str = ""  # as in the records
    choice_order: int = 0

    @property
    def name(self) -> str:
        """A name for files: that of the run, and of the wording where there are several."""
        return "@".join(filter(None, [run_id(self.arm), self.wording.replace("/", ".")]))


def conditions_of(config: EvaluateConfig, quiet: bool = True) -> list[Condition]:
    """List the arms in every wording and order."""
    wordings = wordings_named(config.wordings, config.prompts) if config.wordings else {"": (config.prompts, None)}
    found = []
    for arm in config.arms:
        for name, (prompts, texts) in wordings.items():
            if texts is not None and ARMS[arm.arm].wording not in texts:
                log(f"wording '{name}' has no text for arm '{arm.arm}', which is left out there", quiet)
                continue
            for order in range(config.choice_orders):
                told = "+".join(filter(None, [name, f"order{order + 1}" if order else ""]))
                found.append(Condition(arm, prompts, told, order))
    if lost := [run_id(arm) for arm in config.arms if all(condition.arm is not arm for condition in found)]:
        raise InputError(f"wordings: none has a text for '{lost[0]}'; add one, or leave the arm out")
    return found


@dataclass(frozen=True)
class ArmExamples:
    """Examples by condition, and references by the ``run_id`` of each arm; all conditions have the same items in the same order."""

    conditions: dict[str, Condition]
    examples: dict[str, list[Example]]
    references: dict[str, Assignment | None]  # None for an arm without references
    left_out: frozenset[str]  # queries without a reference in some arm, left out on request; no arm shows them

    def images(self) -> set[str]:
        """Name all images that are shown."""
        return {image for examples in self.examples.values() for example in examples for image in example.images}

    def write_references(self, config: EvaluateConfig, cohort: Cohort, run: RunFolder, quiet: bool) -> None:
        """Write the references into a run's folder, align them where asked, and count unmatched and left-out queries."""
        for name, assignment in self.references.items():
            save_references(cohort, config.split, assignment, run, name, quiet)
            shown = next(self.examples[key] for key, condition in self.conditions.items() if run_id(condition.arm) == name)
            save_alignment(cohort, (image for example in shown for image in example.images), run, name, quiet)
        run.count("left_out", len(self.left_out))


def prepare_examples(config: EvaluateConfig, cohort: Cohort, quiet: bool = True) -> ArmExamples:
    """Choose the references of every arm, and build the examples of all conditions on the same items."""
    references = {run_id(arm): assign_references(cohort, config.split, arm, seed=config.seed, model=config.model) for arm in config.arms}
    left_out = frozenset[str]().union(*(assignment.left_out for assignment in references.values() if assignment is not None))
    conditions = {condition.name: condition for condition in conditions_of(config, quiet)}
    examples = {}
    for name, condition in conditions.items():
        assignment, order = references[run_id(condition.arm)], condition.choice_order
        built = build_examples(
            cohort, config.split, condition.arm, condition.prompts, seed=config.seed, assignment=assignment, choice_order=order
        )
        examples[name] = [example for example in built if example.item_id not in left_out]
        if len({example.answer for example in examples[name]}) < 2:
            raise InputError(
                f"'leave_out' leaves {len(examples[name])} of {len(built)} queries, which are all of one class; relax the matching instead"
            )
    most = max(len(example.answers) for built in examples.values() for example in built)
    if config.choice_orders > most:
        raise InputError(f"choice_orders: {config.choice_orders} asked for, but no question has more than {most} answers to rotate")
    return ArmExamples(conditions, examples, references, left_out)


def other_cohort_hashes(config: EvaluateConfig) -> list[str]:
    """Hash the cohort of each arm that shows another cohort's images."""
    return [Cohort.load(Path(arm.other_cohort)).hash for arm in config.arms if arm.other_cohort is not None]
