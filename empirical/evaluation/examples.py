"""What every arm of an evaluation shows, on the same items, with which references."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from empirical.arms import assign_references, build_examples
from empirical.audit.preflight import save_alignment, save_references
from empirical.cohorts import Cohort
from empirical.evaluation.config import EvaluateConfig, run_id
from empirical.prompts.example import Example
from see_in_pairs.errors import InputError
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    from empirical.references import Assignment


@dataclass(frozen=True)
class ArmExamples:
    """Examples and references by the ``run_id`` of each arm; all arms have the same items in the same order."""

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
            save_alignment(cohort, (image for example in self.examples[name] for image in example.images), run, name, quiet)
        run.count("left_out", len(self.left_out))


def prepare_examples(config: EvaluateConfig, cohort: Cohort) -> ArmExamples:
    """Choose the references of every arm, and build the examples of all on the same items."""
    references = {run_id(arm): assign_references(cohort, config.split, arm, seed=config.seed, model=config.model) for arm in config.arms}
    left_out = frozenset[str]().union(*(assignment.left_out for assignment in references.values() if assignment is not None))
    examples = {}
    for arm in config.arms:
        name = run_id(arm)
        built = build_examples(cohort, config.split, arm, config.prompts, seed=config.seed, assignment=references[name])
        examples[name] = [example for example in built if example.item_id not in left_out]
        if len({example.answer for example in examples[name]}) < 2:
            raise InputError(
                f"'leave_out' leaves {len(examples[name])} of {len(built)} queries, which are all of one class; relax the matching instead"
            )
    return ArmExamples(examples, references, left_out)


def other_cohort_hashes(config: EvaluateConfig) -> list[str]:
    """Hash the cohort of each arm that shows another cohort's images."""
    return [Cohort.load(Path(arm.other_cohort)).hash for arm in config.arms if arm.other_cohort is not None]
