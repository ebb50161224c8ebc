"""Cohorts, references, vision-language models, finetuning and evaluation: from images on disk to one score per arm and item.

`cohorts` and `audit` say what the images are and whether they can be believed; `references` chooses the healthy image beside a query,
`arms` and `prompts` put both before a model; `vlm` loads and scores it, `training` finetunes it, `evaluation` writes the records, and
`analysis` looks inside. `pretraining` made the bundled model, `benchmark` times everything. Imports neither theory nor paper_figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from see_in_pairs.lazy import lazy_exports

if TYPE_CHECKING:
    from empirical.analysis.crossed import CrossedConfig, crossed_scores
    from empirical.analysis.reports import evaluate_with_reports
    from empirical.arms import ARMS, ArmConfig, assign_references, build_examples
    from empirical.cohorts import Cohort, CohortInfo
    from empirical.cohorts.insertion import InsertConfig, insert_lesions
    from empirical.cohorts.phantom import LesionConfig, PhantomConfig, PhantomTruth, Shares, make_phantom
    from empirical.cohorts.readers.registry import import_cohort
    from empirical.evaluation.config import EvaluateConfig
    from empirical.evaluation.evaluate import evaluate
    from empirical.evaluation.records import Records, read_records, write_records
    from empirical.pretraining.config import PretrainConfig
    from empirical.pretraining.pretrain import pretrain
    from empirical.prompts.templates import PromptConfig
    from empirical.references import Assignment, ReferenceConfig, choose_references
    from empirical.training.config import FinetuneConfig
    from empirical.training.finetune import finetune
    from empirical.vlm.config import ModelConfig, VisionLanguageModel
    from empirical.vlm.doctor import Diagnosis, diagnose
    from empirical.vlm.loading import load_vlm

__all__ = [
    "ARMS", "ArmConfig", "Assignment", "Cohort", "CohortInfo", "CrossedConfig", "Diagnosis", "EvaluateConfig", "FinetuneConfig",
    "InsertConfig", "LesionConfig", "ModelConfig", "PhantomConfig", "PhantomTruth", "PretrainConfig", "PromptConfig", "Records",
    "ReferenceConfig", "Shares", "VisionLanguageModel", "assign_references", "build_examples", "choose_references", "crossed_scores",
    "diagnose", "evaluate", "evaluate_with_reports", "finetune", "import_cohort", "insert_lesions", "load_vlm", "make_phantom", "pretrain",
    "read_records", "write_records",
]  # fmt: skip

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "analysis.crossed": ["CrossedConfig", "crossed_scores"],
        "analysis.reports": ["evaluate_with_reports"],
        "arms": ["ARMS", "ArmConfig", "assign_references", "build_examples"],
        "cohorts": ["Cohort", "CohortInfo"],
        "cohorts.insertion": ["InsertConfig", "insert_lesions"],
        "cohorts.phantom": ["LesionConfig", "PhantomConfig", "PhantomTruth", "Shares", "make_phantom"],
        "cohorts.readers.registry": ["import_cohort"],
        "evaluation.config": ["EvaluateConfig"],
        "evaluation.evaluate": ["evaluate"],
        "evaluation.records": ["Records", "read_records", "write_records"],
        "pretraining.config": ["PretrainConfig"],
        "pretraining.pretrain": ["pretrain"],
        "prompts.templates": ["PromptConfig"],
        "references": ["Assignment", "ReferenceConfig", "choose_references"],
        "training.config": ["FinetuneConfig"],
        "training.finetune": ["finetune"],
        "vlm.config": ["ModelConfig", "VisionLanguageModel"],
        "vlm.doctor": ["Diagnosis", "diagnose"],
        "vlm.loading": ["load_vlm"],
    },
)
