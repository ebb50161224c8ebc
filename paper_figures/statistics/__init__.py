"""Paired statistics that stay right when items share patients and references: one test per file, arrays in, frozen dataclasses out.

`compare_arms` runs them all. Differences are A minus B everywhere. Nothing heavier than scipy.special is imported before it is needed.
"""

from paper_figures.statistics.auroc_difference import clustered_auroc_difference, two_way_delong
from paper_figures.statistics.clustered_delong import clustered_delong
from paper_figures.statistics.clustered_difference import clustered_difference
from paper_figures.statistics.cochran_q import cochran_q
from paper_figures.statistics.compare_arms import compare_arms
from paper_figures.statistics.comparison import Comparison
from paper_figures.statistics.conditional_logit import conditional_logit
from paper_figures.statistics.delong import delong
from paper_figures.statistics.durkalski import durkalski
from paper_figures.statistics.equivalence import equivalence, tost
from paper_figures.statistics.gee import gee
from paper_figures.statistics.gee_interaction import gee_interaction
from paper_figures.statistics.mcnemar import mcnemar
from paper_figures.statistics.multinomial_bootstrap import multinomial_bootstrap
from paper_figures.statistics.multiplicity import benjamini_hochberg, holm
from paper_figures.statistics.obuchowski import obuchowski
from paper_figures.statistics.paired_bootstrap import paired_bootstrap
from paper_figures.statistics.paired_difference import paired_difference
from paper_figures.statistics.planning import paired_power, patients_needed
from paper_figures.statistics.procedure import procedure, procedure_auroc, procedure_contrast
from paper_figures.statistics.sign_flip import sign_flip
from paper_figures.statistics.two_way import two_way
from paper_figures.statistics.yang import yang

__all__ = [
    "Comparison",
    "benjamini_hochberg",
    "clustered_auroc_difference",
    "clustered_delong",
    "clustered_difference",
    "cochran_q",
    "compare_arms",
    "conditional_logit",
    "delong",
    "durkalski",
    "equivalence",
    "gee",
    "gee_interaction",
    "holm",
    "mcnemar",
    "multinomial_bootstrap",
    "obuchowski",
    "paired_bootstrap",
    "paired_difference",
    "paired_power",
    "patients_needed",
    "procedure",
    "procedure_auroc",
    "procedure_contrast",
    "sign_flip",
    "tost",
    "two_way",
    "two_way_delong",
    "yang",
]
