"""Cochran's Q: the formula written out, and McNemar's test where there are two arms."""

import numpy as np
import pytest
from scipy.stats import chi2

from paper_figures.statistics import cochran_q, mcnemar


def test_cochran_q_is_the_formula_written_out_and_mcnemar_for_two_arms() -> None:
    rng = np.random.default_rng(0)
    table = rng.random((4, 90)) < np.array([[0.5], [0.6], [0.7], [0.7]])
    arms, items, k = table.sum(axis=1), table.sum(axis=0), 4
    statistic = (k - 1) * (k * (arms**2).sum() - arms.sum() ** 2) / (k * items.sum() - (items**2).sum())
    ours = cochran_q(*table)
    assert (ours.statistic, ours.p, ours.df) == (pytest.approx(statistic), pytest.approx(chi2.sf(statistic, 3)), 3)
    n10, n01 = int((table[0] & ~table[1]).sum()), int((table[1] & ~table[0]).sum())
    assert cochran_q(table[0], table[1]).p == pytest.approx(mcnemar(n10, n01).asymptotic)
    assert cochran_q(table[0], table[0], table[0]).p == 1
