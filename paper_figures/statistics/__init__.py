"""Paired statistics that remain valid when items share patients and references: one test per file, arrays in, frozen dataclasses out.

``proportions``, ``equivalence`` and ``power`` are for accuracies of independent items, ``clustered`` for items of patients, ``roc`` for
AUROCs, ``diagnostic`` for the results in a paper on a diagnostic test, ``multireader`` for several trainings or readers, ``bootstrap``
with ``metrics`` for every measure, ``multiplicity`` for families of tests.
`paper_figures.comparison.compare_arms` runs them all. Differences are A minus B everywhere. Nothing heavier than scipy.special is imported
before use.
"""

from paper_figures.statistics.bootstrap.multinomial import multinomial_bootstrap
from paper_figures.statistics.bootstrap.paired import paired_bootstrap
from paper_figures.statistics.clustered.chi_squared import durkalski, obuchowski, yang
from paper_figures.statistics.clustered.difference import clustered_difference
from paper_figures.statistics.clustered.gee import gee
from paper_figures.statistics.clustered.gee_interaction import gee_interaction
from paper_figures.statistics.clustered.sign_flip import sign_flip
from paper_figures.statistics.clustered.two_way import two_way
from paper_figures.statistics.diagnostic.flips import flip_table
from paper_figures.statistics.diagnostic.net_benefit import net_benefit
from paper_figures.statistics.diagnostic.operating_point import measures_at_specificity, measures_at_threshold
from paper_figures.statistics.diagnostic.partial_area import partial_auroc
from paper_figures.statistics.diagnostic.roc_band import roc_bands
from paper_figures.statistics.equivalence import equivalence, tost
from paper_figures.statistics.multiplicity import benjamini_hochberg, holm
from paper_figures.statistics.multireader.agreement import reader_agreement
from paper_figures.statistics.multireader.mrmc import mrmc
from paper_figures.statistics.multireader.planning import ContrastVariance, patients_for, planned_power
from paper_figures.statistics.multireader.procedure import procedure, procedure_auroc, procedure_contrast
from paper_figures.statistics.multireader.random_factors import random_factors_contrast
from paper_figures.statistics.power import paired_power, patients_needed
from paper_figures.statistics.proportions.cochran_q import cochran_q
from paper_figures.statistics.proportions.conditional_logit import conditional_logit
from paper_figures.statistics.proportions.mcnemar import mcnemar
from paper_figures.statistics.proportions.paired_difference import paired_difference
from paper_figures.statistics.roc.adjusted import covariate_adjusted_auroc, within_stratum_auroc
from paper_figures.statistics.roc.cluster_jackknife import clustered_auroc_difference, two_way_delong
from paper_figures.statistics.roc.clustered_delong import clustered_delong
from paper_figures.statistics.roc.delong import delong
from paper_figures.statistics.roc.leak import estimate_leak
from paper_figures.statistics.roc.permutation import auroc_permutation

__all__ = [
    "ContrastVariance",
    "auroc_permutation",
    "benjamini_hochberg",
    "clustered_auroc_difference",
    "clustered_delong",
    "clustered_difference",
    "cochran_q",
    "conditional_logit",
    "covariate_adjusted_auroc",
    "delong",
    "durkalski",
    "equivalence",
    "estimate_leak",
    "flip_table",
    "gee",
    "gee_interaction",
    "holm",
    "mcnemar",
    "measures_at_specificity",
    "measures_at_threshold",
    "mrmc",
    "multinomial_bootstrap",
    "net_benefit",
    "obuchowski",
    "paired_bootstrap",
    "paired_difference",
    "paired_power",
    "partial_auroc",
    "patients_for",
    "patients_needed",
    "planned_power",
    "procedure",
    "procedure_auroc",
    "procedure_contrast",
    "random_factors_contrast",
    "reader_agreement",
    "roc_bands",
    "sign_flip",
    "tost",
    "two_way",
    "two_way_delong",
    "within_stratum_auroc",
    "yang",
]


def __dir__() -> list[str]:
    return sorted(__all__)
