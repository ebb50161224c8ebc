r"""Power analysis of a paired reader study: the expected gain, its interval, and the cases needed to show it.

Everything follows from three numbers, the `Separations`: :math:`D_1` of the single image, :math:`D_2` of the pair, and the
correlation r of the two scores within a class. They come from a `PlanningEvidence` (see `theory.power.evidence`): a
correlation of query and reference (T1, T2, T10), variance components (T10), or a pilot's scores.

=========== ==================================== =====================================================
measure     value at separation D                 test that shows the gain
=========== ==================================== =====================================================
auc         :math:`\Phi(D/\sqrt2)`               DeLong's, first order (T12.8)
sensitivity :math:`\Phi(D-z)` at a specificity   McNemar's, diseased cases, thresholds known
accuracy    :math:`1-\mathrm{err}_\pi(D)` (T1.4) McNemar's, each rule at its Bayes threshold (T12.8)
=========== ==================================== =====================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from see_in_pairs.display import Result, html_frame
from theory.numerics.gaussian import auc_of, error_of, normal_density
from theory.numerics.quadrature import bivariate_normal_cdf
from theory.numerics.validation import Floats, finite, positive, prevalence, require, whole

if TYPE_CHECKING:
    import pandas as pd

Values = float | Floats

MEASURES = ("auc", "sensitivity", "accuracy")
SMALLEST_EFFECT = 1e-12  # a smaller gain is rounding error, which no number of cases shows


@dataclass(frozen=True)
class Separations:
    """How far each score separates the classes, and the correlation of the two scores within a class.

    Parameters
    ----------
    single, pair : float or ndarray
        Separation of the single-image and of the paired score, in within-class standard deviations of the score; above 0.
    correlation : float or ndarray
        Correlation of the two scores within a class; NaN where it is not known.

    Raises
    ------
    InputError
        When a separation is not above 0, or the correlation is not between -1 and 1.

    Examples
    --------
    >>> Separations(1.0, 1.25, 0.8).pair
    1.25
    """

    single: Values
    pair: Values
    correlation: Values

    def __post_init__(self) -> None:
        positive(self.single, "d")
        positive(self.pair, "separation of the pair")
        known = np.asarray(self.correlation)[~np.isnan(self.correlation)]
        require(np.abs(known) <= 1, "score correlation: must be between -1 and 1")


@dataclass(frozen=True, kw_only=True)
class StudyDesign:
    """Design of the reader study whose power is analysed.

    Parameters
    ----------
    prevalence : float, default 0.5
        Share of diseased cases in the study, strictly between 0 and 1.
    images_per_patient : float, default 1
        Images of each patient (clusters), 1 or more; a mean where it varies.
    icc : float, default 0
        Intraclass correlation of the differences (pair minus single) of one patient's images.
    specificity : float, default 0.9
        Specificity at which sensitivities are compared.
    power : float, default 0.8
        Probability that the test shows the gain, if it is as large as expected; above `alpha`.
    alpha : float, default 0.05
        Two-sided level of the test, strictly between 0 and 1.

    Raises
    ------
    InputError
        When a value is outside its range.
    """

    prevalence: float = 0.5
    images_per_patient: float = 1.0
    icc: float = 0.0
    specificity: float = 0.9
    power: float = 0.8
    alpha: float = 0.05

    def __post_init__(self) -> None:
        prevalence(self.prevalence, "prevalence")
        for name in ("specificity", "power", "alpha"):
            value = finite(getattr(self, name), name)
            require((value > 0) & (value < 1), f"{name} = {value}: must be strictly between 0 and 1")
        require(self.power > self.alpha, f"power = {self.power}: must exceed alpha = {self.alpha}")
        require(
            finite(self.images_per_patient, "clusters") >= 1,
            f"clusters = {self.images_per_patient}: must be at least one image per patient",
        )
        lowest = -1 / (self.images_per_patient - 1) if self.images_per_patient > 1 else -1.0
        require(lowest < finite(self.icc, "icc") <= 1, f"icc = {self.icc}: must be between {lowest:.3g} and 1")

    @property
    def design_effect(self) -> float:
        """Factor by which clustering inflates the variance of the gain: 1 + (images per patient - 1) icc (Kish 1965)."""
        return 1 + (self.images_per_patient - 1) * self.icc

    def patients(self, cases: float) -> float:
        """Turn independent cases into patients.

        Parameters
        ----------
        cases : float
            Number of independent cases needed; infinite where no number suffices.

        Returns
        -------
        float
            Number of patients, rounded up.
        """
        return float(np.ceil(cases * self.design_effect / self.images_per_patient - 1e-9))


@dataclass(frozen=True)
class EffectMeasure:
    """A measure of how good a diagnosis is, as a function of the separation."""

    name: str
    value: Callable[[ArrayLike], Floats]  # of the separation
    slope: Callable[[ArrayLike], Floats]  # its derivative

    def gain(self, separations: Separations) -> Floats:
        """Value of the pair minus value of the single image."""
        return self.value(separations.pair) - self.value(separations.single)


def measures(design: StudyDesign) -> dict[str, EffectMeasure]:
    """Measures of a study, by name.

    Examples
    --------
    >>> found = measures(StudyDesign())
    >>> float(found["auc"].value(1.25) - found["auc"].value(1.0))
    0.05137
    """
    z, log_odds = float(ndtri(design.specificity)), float(np.log1p(-design.prevalence) - np.log(design.prevalence))

    def _accuracy(d: ArrayLike) -> Floats:
        return 1 - error_of(d, design.prevalence)

    def _accuracy_slope(d: ArrayLike) -> Floats:
        return (1 - design.prevalence) * normal_density(np.asarray(d) / 2 + log_odds / np.asarray(d))

    return {
        "auc": EffectMeasure("auc", auc_of, lambda d: normal_density(np.asarray(d) / np.sqrt(2)) / np.sqrt(2)),
        "sensitivity": EffectMeasure("sensitivity", lambda d: ndtr(np.asarray(d) - z), lambda d: normal_density(np.asarray(d) - z)),
        "accuracy": EffectMeasure("accuracy", _accuracy, _accuracy_slope),
    }


# Power


@dataclass(frozen=True)
class Contrast:
    r"""An estimated gain from N independent cases: its expectation, and :math:`\sqrt N` times its standard deviation."""

    effect: Floats
    null_sd: Floats  # root-N standard deviation that the test assumes under no gain
    sd: Floats  # the same under the gain

    def cases(self, power: float, alpha: float) -> Floats:
        r"""Independent cases needed, not rounded: :math:`\big((z_{1-\alpha/2}s_0+z_{\rm power}s_1)/\mathrm{effect}\big)^2`; infinite for no
        effect."""
        reach = np.maximum(ndtri(1 - alpha / 2) * self.null_sd + ndtri(power) * self.sd, 0)
        exists = ~(np.abs(self.effect) <= SMALLEST_EFFECT)  # NaN stays NaN
        return np.where(exists, np.square(reach / np.where(exists, self.effect, 1.0)), np.inf)

    def power(self, cases: ArrayLike, alpha: float) -> Floats:
        """Probability that the test rejects, in either direction."""
        shift, bound = np.abs(self.effect) * np.sqrt(cases), ndtri(1 - alpha / 2) * self.null_sd
        sd = np.maximum(self.sd, 1e-300)  # 0 where both scores rank every pair alike: the power is then 0 or 1
        return ndtr((shift - bound) / sd) + ndtr((-shift - bound) / sd)


def contrast(measure: str, separations: Separations, design: StudyDesign) -> Contrast:
    """How a gain is estimated, per independent case (diseased and healthy together).

    Examples
    --------
    About 142 cases per class for the AUROC, but 765 in all for the accuracy.

    >>> alike = Separations(1.0, 1.25, 0.8)
    >>> round(float(contrast("auc", alike, StudyDesign()).cases(0.8, 0.05)) / 2, 1)
    141.9
    >>> round(float(contrast("accuracy", alike, StudyDesign()).cases(0.8, 0.05)), 1)
    765.3
    """
    return {"auc": _auc_contrast, "sensitivity": _sensitivity_contrast, "accuracy": _accuracy_contrast}[measure](separations, design)


def _auc_contrast(separations: Separations, design: StudyDesign) -> Contrast:
    """DeLong's first order (T12.8): the same bracket for both classes, over n1 and over n0."""
    first, second = (np.asarray(value) / np.sqrt(2) for value in (separations.single, separations.pair))
    effect = ndtr(second) - ndtr(first)
    own = bivariate_normal_cdf(first, first, 0.5) + bivariate_normal_cdf(second, second, 0.5)
    bracket = own - 2 * bivariate_normal_cdf(first, second, np.asarray(separations.correlation) / 2) - effect**2
    sd = np.sqrt(np.maximum(bracket, 0) / (design.prevalence * (1 - design.prevalence)))
    return Contrast(effect, sd, sd)


def _accuracy_contrast(separations: Separations, design: StudyDesign) -> Contrast:
    log_odds = np.log1p(-design.prevalence) - np.log(design.prevalence)
    won: Values = 0.0
    lost: Values = 0.0
    for share, side in ((1 - design.prevalence, 1), (design.prevalence, -1)):
        margins = [np.asarray(d) / 2 + side * log_odds / np.asarray(d) for d in (separations.single, separations.pair)]
        pair_only, single_only = _discordant(margins[0], margins[1], separations.correlation)
        won, lost = won + share * pair_only, lost + share * single_only
    return _mcnemar(won, lost)


def _sensitivity_contrast(separations: Separations, design: StudyDesign) -> Contrast:
    z = ndtri(design.specificity)
    found = _mcnemar(*_discordant(np.asarray(separations.single) - z, np.asarray(separations.pair) - z, separations.correlation))
    per_case = 1 / np.sqrt(design.prevalence)  # sensitivity is measured on diseased cases only
    return Contrast(found.effect, found.null_sd * per_case, found.sd * per_case)


def _discordant(single: Floats, pair: Floats, correlation: Values) -> tuple[Floats, Floats]:
    """Probabilities that only the pair, and only the single image, is right; each is right when a normal is below its margin."""
    both = bivariate_normal_cdf(single, pair, correlation)
    return np.maximum(ndtr(pair) - both, 0), np.maximum(ndtr(single) - both, 0)


def _mcnemar(won: ArrayLike, lost: ArrayLike) -> Contrast:
    """Contrast of McNemar's test: without a gain, a discordant case favours either score with equal probability (Miettinen 1968)."""
    won, lost = np.asarray(won), np.asarray(lost)
    effect = won - lost
    return Contrast(effect, np.sqrt(won + lost), np.sqrt(np.maximum(won + lost - effect**2, 0)))


# Patients needed


class PlanningEvidence(Protocol):
    """What is known about the separations before the study."""

    @property
    def separations(self) -> Separations:
        """Best values."""

    def interval(self, measure: EffectMeasure) -> tuple[float, float, str]:
        """95 % interval of the gain (NaN where nothing was measured), and how it was found."""

    def spread(self, quantity: Callable[[Separations], Floats]) -> tuple[float, float]:
        """Range of a quantity that follows from the separations, over their plausible values; NaN where nothing was measured."""


@dataclass(frozen=True, repr=False)
class Expected(Result):
    """Expected value of one measure, and the patients that show the gain; `plan_study` returns one for each measure.

    Parameters
    ----------
    single, pair, gain : float
        Value of the single image, of the pair, and pair minus single.
    gain_interval : tuple of float
        95 % interval of the gain; NaN where nothing was measured.
    interval_method : str
        How the interval was found, in a few words.
    cases : float
        Independent cases needed, not rounded.
    patients : float
        Cases times the design effect, over images per patient, rounded up; infinite where there is no gain to show, NaN where the
        correlation of the scores is not known.
    patients_interval : tuple of float
        Patients needed at the two ends of the plausible range.

    Examples
    --------
    >>> from theory.power.evidence import Correlation
    >>> plan_study(Correlation(d=1.0, rho=0.6), StudyDesign())["accuracy"].gain
    0.04255
    """

    single: float
    pair: float
    gain: float
    gain_interval: tuple[float, float]
    interval_method: str
    cases: float
    patients: float
    patients_interval: tuple[float, float]


def expect(measure: EffectMeasure, evidence: PlanningEvidence, design: StudyDesign) -> Expected:
    """Expected value of one measure, and the patients that show its gain."""
    best = evidence.separations
    effect = float(measure.gain(best))

    def _needed(separations: Separations) -> Floats:
        cases = contrast(measure.name, separations, design).cases(design.power, design.alpha)
        return np.where(measure.gain(separations) * effect > 0, cases, np.inf)  # a gain of the other sign does not count

    low, high, method = evidence.interval(measure)
    cases, (fewest, most) = float(_needed(best)), evidence.spread(_needed)
    return Expected(
        float(measure.value(best.single)), float(measure.value(best.pair)), effect, (low, high), method,
        cases, design.patients(cases), (design.patients(fewest), design.patients(most)),
    )  # fmt: skip


class Plan(dict[str, Expected]):
    """Expected results of every measure, by its name; `plan_study` returns it."""

    def __init__(self, expected: Mapping[str, Expected], evidence: PlanningEvidence, design: StudyDesign) -> None:
        super().__init__(expected)
        self.evidence, self.design = evidence, design

    def to_frame(self) -> pd.DataFrame:
        """One row per measure: single image, pair, gain with its interval, cases and patients."""
        import pandas as pd

        return pd.concat({name: found.to_frame() for name, found in self.items()}, names=["measure"]).reset_index(0).reset_index(drop=True)

    def power(self, patients: ArrayLike) -> pd.DataFrame:
        """Power at numbers of patients: columns ``patients, measure, power``."""
        import pandas as pd

        counts, best = np.atleast_1d(np.asarray(patients)), self.evidence.separations
        rows = [pd.DataFrame({"patients": counts, "measure": name, "power": power_curve(name, best, self.design, counts)}) for name in self]
        return pd.concat(rows, ignore_index=True)

    def __repr__(self) -> str:
        return f"Plan at {self.design.power:.0%} power, two-sided {self.design.alpha:g}\n{self._shown().to_string(index=False)}"

    def _repr_html_(self) -> str:
        return html_frame(f"Plan at {self.design.power:.0%} power, two-sided {self.design.alpha:g}", self._shown())

    def _shown(self) -> pd.DataFrame:
        columns = ["measure", "single", "pair", "gain", "gain_interval_low", "gain_interval_high", "patients"]
        return self.to_frame()[columns].round(4).rename(columns={"gain_interval_low": "low", "gain_interval_high": "high"})


def plan_study(evidence: PlanningEvidence, design: StudyDesign | None = None) -> Plan:
    """Compute the expected gain of every measure, and the patients that show it.

    Parameters
    ----------
    evidence : PlanningEvidence
        What is known about the separations: a `Correlation`, variance components (`known_components`) or a `Pilot`.
    design : StudyDesign, optional
        Prevalence, clusters, specificity, power and level of the study; the defaults of `StudyDesign` when not given.

    Returns
    -------
    Plan, a dict of str to Expected
        Expected values, gain with its interval, and numbers of cases and patients, by measure: ``auc``, ``sensitivity``, ``accuracy``.
        `to_frame` gives a table of it, and ``power(patients)`` a table of the power at numbers of patients.

    Examples
    --------
    >>> from theory.power.evidence import Correlation
    >>> plan_study(Correlation(d=1.0, rho=0.6), StudyDesign())["auc"].patients
    284.0
    >>> plan_study(Correlation(d=1.0, rho=0.6)).power([200, 300])["power"].round(2).tolist()[:2]
    [0.65, 0.82]
    """
    design = design or StudyDesign()
    return Plan({name: expect(measure, evidence, design) for name, measure in measures(design).items()}, evidence, design)


def power_curve(measure: str, separations: Separations, design: StudyDesign, patients: ArrayLike) -> Floats:
    """Compute the power of a study at given numbers of patients.

    Parameters
    ----------
    measure : {'auc', 'sensitivity', 'accuracy'}
        Measure in which the arms are compared.
    separations : Separations
        Separations of the single-image and of the paired score, and their correlation.
    design : StudyDesign
        Prevalence, clusters, specificity and level of the study; its wanted power is not used.
    patients : array_like
        Numbers of patients in the study, 1 or more.

    Returns
    -------
    ndarray of float64
        Probability that the test rejects, in the shape of `patients`.
    """
    cases = whole(patients, "patients", 1) * design.images_per_patient / design.design_effect
    return contrast(measure, separations, design).power(cases, design.alpha)
