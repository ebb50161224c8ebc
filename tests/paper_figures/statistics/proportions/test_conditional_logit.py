"""The odds ratio within items: statsmodels as a twin."""

import math

import numpy as np
import pytest
from statsmodels.discrete.conditional_models import ConditionalLogit

from paper_figures.statistics import conditional_logit
from see_in_pairs.errors import InputError


def test_conditional_logit_is_the_maximum_of_the_conditional_likelihood() -> None:
    a, b = [1] * 12 + [0] * 5, [0] * 12 + [1] * 5
    right, arm, item = np.array(a + b), np.repeat([1.0, 0.0], 17)[:, None], np.tile(np.arange(17), 2)
    fit = ConditionalLogit(right, arm, groups=item).fit(disp=False)
    ours = conditional_logit(12, 5)  # statsmodels' optimiser stops at about 1e-4
    assert ours.log_odds_ratio == pytest.approx(math.log(12 / 5))
    assert (ours.log_odds_ratio, ours.se) == (pytest.approx(float(fit.params[0]), abs=1e-4), pytest.approx(float(fit.bse[0]), rel=1e-3))


def test_an_infinite_odds_ratio_is_refused() -> None:
    with pytest.raises(InputError):
        conditional_logit(3, 0)
