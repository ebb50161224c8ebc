"""Studies: many finetunings of one model (arms, numbers of patients, seeds, cohorts) from one YAML, and what they say together.

``config`` the settings, ``cells`` one finetuning and evaluation each, ``run`` the order and the resume, ``tables`` areas and
comparisons over training seeds and patients, ``limits`` the ideal observers, ``figure`` the curves.
"""

from paper_figures.study.config import StudyConfig
from paper_figures.study.run import study

__all__ = ["StudyConfig", "study"]
