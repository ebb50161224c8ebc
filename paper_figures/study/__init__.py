"""Training studies: many finetunings of one model (cohorts, arms, numbers of patients, seeds) from one YAML, compared over seeds.

To read in this order: `config` the settings, `design` the cells that they ask for, `restarts` and `cells` how one cell is trained and
evaluated (`reproduce` runs on the same cells), `run` the whole study and its resume, `outputs` what it leaves, `tables` areas and
comparisons over training seeds and patients, `figure` the curves.
"""

from paper_figures.study.config import StudyConfig
from paper_figures.study.run import study

__all__ = ["StudyConfig", "study"]


def __dir__() -> list[str]:
    return sorted(__all__)
