"""Training studies: many finetunings of one model (cohorts, arms, numbers of patients, seeds) from one YAML, compared over seeds.

Read in this order: `config` has the settings, `design` the cells that they ask for, `restarts` and `cells` train and
evaluate one cell (`reproduce` uses the same cells), `parts` has its named parts and their times, `run` is the whole study and its
resume, `outputs` its files, `tables` areas and comparisons over training seeds and patients, `figure` the curves.
"""

from paper_figures.study.config import StudyConfig
from paper_figures.study.run import study

__all__ = ["StudyConfig", "study"]


def __dir__() -> list[str]:
    return sorted(__all__)
