"""The parameters of one query with its references, validated once and used everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from see_in_pairs.errors import InputError
from theory.numerics import validation
from theory.numerics.gaussian import auc_of, error_of
from theory.numerics.validation import Floats
from theory.statements.t2_several_references import images_covariance, mean_variance

RULES = ("single", "difference", "optimal")


@dataclass(frozen=True, init=False)
class PairedModel:
    r"""A query and m healthy references whose scores are jointly normal given the label.

    Parameters
    ----------
    d : float
        Shift of a diseased query in standard deviations within a class, zero or more; or give `delta`.
    sigma : float, default 1
        Standard deviation within a class, of query and reference alike.
    rho : float, default 0
        Correlation of query and reference given the label, strictly between -1 and 1.
    m, rho_rr : int, default 1, and float, optional
        Number of references, and their correlation with each other (`rho` when not given).
    prevalence : float, default 0.5
        Probability of disease, strictly between 0 and 1.
    delta : float
        The shift in the unit of the score, ``d * sigma``, instead of `d`.

    Raises
    ------
    InputError
        When no images can have these parameters (T2.4).

    Notes
    -----
    The rules are ``'single'`` (the query alone), ``'difference'`` (minus the mean reference) and ``'optimal'`` (minus
    :math:`w^* = \rho/g_m` times it, the Bayes rule), or a number: the weight on the mean reference. With
    :math:`g_m = (1+(m-1)\rho_{rr})/m` the variance of the score is :math:`\sigma^2 (1 - 2w\rho + w^2 g_m)`.

    Examples
    --------
    >>> model = PairedModel(d=1.0, rho=0.7)
    >>> round(model.error("single"), 4), round(model.error("difference"), 4), round(model.error("optimal"), 4)
    (0.3085, 0.2593, 0.2419)
    """

    delta: float
    sigma: float = 1.0
    rho: float = 0.0
    m: int = 1
    rho_rr: float | None = None
    prevalence: float = 0.5

    def __init__(
        self,
        *,
        d: float | None = None,
        sigma: float = 1.0,
        rho: float = 0.0,
        m: int = 1,
        rho_rr: float | None = None,
        prevalence: float = 0.5,
        delta: float | None = None,
    ) -> None:
        if (d is None) == (delta is None):
            raise InputError("PairedModel: give d (in standard deviations) or delta (in the unit of the score)")
        validation.positive(sigma, "sigma")
        shift = delta if d is None else float(validation.non_negative(d, "d")) * sigma
        given = {"delta": shift, "sigma": sigma, "rho": rho, "m": m, "rho_rr": rho_rr, "prevalence": prevalence}
        for name, value in given.items():
            object.__setattr__(self, name, value)
        validation.non_negative(self.delta, "delta")
        validation.prevalence(self.prevalence, "prevalence")
        self.reference_variance()

    @property
    def d(self) -> float:
        """Effect in standard deviations, delta / sigma."""
        return self.delta / self.sigma

    @property
    def reference_correlation(self) -> float:
        """Correlation of the references with each other: `rho_rr`, or `rho` where that was not given."""
        return self.rho if self.rho_rr is None else self.rho_rr

    def reference_variance(self) -> float:
        """Compute the variance of the mean reference.

        Returns
        -------
        float
            The variance g_m, in units of sigma squared.
        """
        return float(mean_variance(self.m, self.reference_correlation, self.rho))

    def weight(self, rule: str | float) -> float:
        """Look up the weight of a rule on the mean reference.

        Parameters
        ----------
        rule : {'single', 'difference', 'optimal'} or float
            Rule, or its weight on the mean reference.

        Returns
        -------
        float
            The weight, in units of the query's.

        Raises
        ------
        InputError
            When the rule is unknown.
        """
        if not isinstance(rule, str):
            return float(validation.finite(rule, "rule"))
        if rule not in RULES:
            raise InputError(f"rule = {rule!r}: must be one of {', '.join(RULES)}, or a number (the weight)")
        g = self.reference_variance()
        return {"single": 0.0, "difference": 1.0, "optimal": self.rho / g if g > 0 else 0.0}[rule]

    def variance(self, rule: str | float) -> float:
        """Compute the variance of a rule's score within a class.

        Parameters
        ----------
        rule : {'single', 'difference', 'optimal'} or float
            Rule, or its weight on the mean reference.

        Returns
        -------
        float
            The variance, in the squared unit of the score.
        """
        w = self.weight(rule)
        return max(self.sigma**2 * (1 - 2 * w * self.rho + w**2 * self.reference_variance()), 0.0)

    def separation(self, rule: str | float) -> float:
        """Compute the shift of the mean in standard deviations of the rule's score.

        Parameters
        ----------
        rule : {'single', 'difference', 'optimal'} or float
            Rule, or its weight on the mean reference.

        Returns
        -------
        float
            The separation D; infinite where the references determine a healthy query.
        """
        variance = self.variance(rule)
        return self.delta / float(np.sqrt(variance)) if variance > 0 else float("inf")

    def error(self, rule: str | float) -> float:
        """Compute the Bayes error at the model's prevalence.

        Parameters
        ----------
        rule : {'single', 'difference', 'optimal'} or float
            Rule, or its weight on the mean reference.

        Returns
        -------
        float
            The error rate.
        """
        return float(error_of(self.separation(rule), self.prevalence))

    def auc(self, rule: str | float) -> float:
        """Compute the area under the ROC curve.

        Parameters
        ----------
        rule : {'single', 'difference', 'optimal'} or float
            Rule, or its weight on the mean reference.

        Returns
        -------
        float
            The AUROC.
        """
        return float(auc_of(self.separation(rule)))

    def covariance(self) -> Floats:
        """Assemble the covariance of the query and its references.

        Returns
        -------
        ndarray of float64, shape (m + 1, m + 1)
            The covariance, query first.
        """
        return self.sigma**2 * images_covariance(self.rho, self.reference_correlation, self.m)
