"""Power and interval width of a study with trainings, patients and references, for the estimator that analyses it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paper_figures.statistics.diagnostic.factors import FEWEST_PATIENTS, FEWEST_REFERENCES
from paper_figures.statistics.diagnostic.factors import FEWEST_TRAININGS as FEWEST_SHARED
from paper_figures.statistics.multireader.random_factors import ContrastResult, critical_of, critical_square
from paper_figures.statistics.result import Result
from paper_figures.statistics.validation import Floats, NotEstimable, as_count
from see_in_pairs.errors import InputError

DRAWS = 4000
MOST_PATIENTS = 1_000_000
FEWEST_TRAININGS = 3  # of each arm; with fewer there is no statement about a procedure
COMPONENTS = ("training", "patient", "rest", "reference")


@dataclass(frozen=True, repr=False)
class ContrastVariance(Result):
    r"""Variance components of a contrast of arms, for example a difference of AUROC.

    With S trainings, P patients and R references the mean contrast has variance

    .. math:: V = \frac{\sigma_\text{training}^2}{S} + \frac{\sigma_\text{patient}^2}{P} + \frac{\sigma_\text{rest}^2}{S P}
              + \frac{\sigma_\text{reference}^2}{R}

    Parameters
    ----------
    training : float
        Variance between trainings of the true contrast.
    patient : float
        P times the variance due to patients that all trainings share.
    rest : float, default 0
        P times the variance due to patients that is specific to one training.
    reference : float, default 0
        R times the variance due to references; R counts evenly used references.
    patient_df : float, default 1
        Degrees of freedom of the patients' part for each patient: below 1 if classes or patients are unequal.
    groups : {1, 2}
        1: the arms share their trainings, seed by seed. 2: each arm has its own.

    Raises
    ------
    InputError
        When a component is negative or not a number, or all are 0.
    """

    training: float
    patient: float
    rest: float = 0.0
    reference: float = 0.0
    patient_df: float = 1.0
    groups: int = 2

    def __post_init__(self) -> None:
        for name in (*COMPONENTS, "patient_df"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
                raise InputError(f"variance components: {name} must be a number of 0 or more, not {value!r}")
        if self.patient + self.rest <= 0:
            raise InputError("variance components: patient and rest are both 0; one patient would be enough")
        if not 0 < self.patient_df <= 1 or self.groups not in (1, 2):
            raise InputError("variance components: patient_df must be in (0, 1], groups 1 or 2")

    @classmethod
    def of(cls, pilot: ContrastResult, groups: int = 2) -> ContrastVariance:
        """Take the components from the analysis of a pilot.

        Parameters
        ----------
        pilot : ContrastResult
            The result of `random_factors_contrast` with several trainings, without fixed factors and with one wording.
        groups : {1, 2}
            1 if the arms share their trainings, seed by seed; 2 if each has its own.

        Returns
        -------
        ContrastVariance
            Each part of the pilot's variance times its number of levels.
        """
        factors = pilot.factors
        if "wordings" in factors:
            raise NotEstimable("a pilot with several wordings: plan from one of them")
        patients = factors["patients"]
        part = patients.variance * patients.levels
        share = min(1.0, patients.df / max(patients.levels - 1, 1)) if math.isfinite(patients.df) else 1.0
        reference = factors.get("references")
        shared = reference.variance * reference.effective if reference is not None else 0.0
        seeds = factors["seeds"]
        if not seeds.random:
            return cls(0.0, part, 0.0, shared, share, groups)
        training = pilot.training_sd**2
        rest = max(seeds.variance * seeds.levels - training, 0.0) * patients.levels
        return cls(training, part, rest, shared, share, groups)

    def variance(self, trainings: int, patients: float, references: int) -> float:
        """Compute the variance of the mean contrast of a study.

        Parameters
        ----------
        trainings : int
            Number of trainings of each arm.
        patients : float
            Number of patients in the study.
        references : int
            Number of references that patients share; 0 if none are shared.

        Returns
        -------
        float
            Its squared standard error.
        """
        shared = self.reference / references if references else 0.0
        return (self.training + self.rest / patients) / trainings + self.patient / patients + shared


@dataclass(frozen=True, repr=False)
class PlannedStudy(Result):
    """The expected precision and power of a study of a given size."""

    trainings: int
    patients: int
    references: int  # 0: no shared references
    se: float
    power: float
    power_mcse: float  # its Monte Carlo standard error
    half_width: float  # of the interval, on average
    note: str = ""  # a note for the reader; '' if there is none


def planned_power(
    components: ContrastVariance,
    effect: float,
    trainings: int,
    patients: int,
    references: int = 0,
    *,
    confidence_level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> PlannedStudy:
    r"""Compute the power, and the width of the interval, of a study that `random_factors_contrast` will analyse.

    Parameters
    ----------
    components : ContrastVariance
        Variance components, from a pilot or known.
    effect : float
        The true contrast, in the unit of the components.
    trainings : int
        Trainings of each arm. With one, the study is about these models, and the variance between trainings is not included.
    patients : int
        Number of patients, 4 or more.
    references : int, default 0
        References that all patients share, used evenly; 0 if none are shared.
    confidence_level : float, default 0.95
        Of the interval; the test is two-sided at one minus it.
    draws : int, default 4000
        Number of simulated studies.
    seed : int, default 0
        Seed of the draws, shared by designs of all sizes, so that power is smooth over them.

    Returns
    -------
    PlannedStudy
        Standard error, power with its Monte Carlo error, and mean half width of the interval.

    Raises
    ------
    InputError
        When a number does not fit, or there are two trainings, for which the estimator gives no verdict.

    Notes
    -----
    The simulation draws the estimator's parts, not records: the estimate, normal with variance V; the variance between trainings,
    a multiple of :math:`\chi^2` with S - 1 degrees of freedom in each group, not below :math:`\sigma_\text{rest}^2 / (S P)`; the
    patients' part, normal with its own sampling variance and not below 0; the references' part, the mean square between references minus
    that within, not below 0. Critical values are those of `random_factors_contrast`. A test compares power and width with simulated studies
    analysed by this estimator.

    Examples
    --------
    >>> components = ContrastVariance(training=0.0004, patient=0.09, rest=0.09, reference=0.002)
    >>> few, many = (planned_power(components, 0.06, 5, patients, 20) for patients in (100, 400))
    >>> few.power < many.power, round(many.se, 4)
    (True, 0.021)
    """
    sizes = [as_count(value, name) for value, name in ((trainings, "trainings"), (patients, "patients"), (references, "references"))]
    if sizes[0] < 1 or sizes[0] == FEWEST_TRAININGS - 1:
        raise InputError(f"trainings: give 1 (these models) or at least {FEWEST_TRAININGS}; with two the estimator gives no verdict")
    if sizes[1] < 4 or sizes[2] == 1 or sizes[2] > sizes[1]:
        raise InputError("patients: 4 or more; references: 0 (none shared), or from 2 to as many as patients")
    if (drawn := as_count(draws, "draws")) < 1:
        raise InputError("draws: give at least 1")
    if not math.isfinite(effect) or not 0 < confidence_level < 1:
        raise InputError("effect: give a finite number; confidence_level: between 0 and 1")
    estimate, plain, used, dfs, se = _draw(components, effect, (sizes[0], sizes[1], sizes[2]), drawn, seed)
    few = dfs[[row for row in (0, 2) if row < len(dfs) and np.isfinite(dfs[row]).all()]].min(axis=0, initial=math.inf)
    there = np.isfinite(dfs).all(axis=1)
    critical = critical_square(plain[there], used[there], dfs[there], few, float(dfs[1].mean()))
    if confidence_level != 0.95:
        critical = _at_level(critical, confidence_level)
    total = used.sum(axis=0)
    power = float((estimate**2 > critical * total).mean())
    half = float(np.sqrt(critical * total).mean())
    return PlannedStudy(sizes[0], sizes[1], sizes[2], se, power, math.sqrt(power * (1 - power) / drawn), half, _note(components, sizes))


def _note(components: ContrastVariance, sizes: Sequence[int]) -> str:
    """What the power refers to, and whether `compare` would give the interval without a verdict."""
    notes = ["one training: power to tell these models apart, not the procedures"] if sizes[0] == 1 else []
    few = [f"{sizes[0]} trainings that both arms share"] if components.groups == 1 and 1 < sizes[0] < FEWEST_SHARED else []
    few += [f"{sizes[2]} references"] if 0 < sizes[2] < FEWEST_REFERENCES else []
    few += [f"{sizes[1]} patients"] if (sizes[0] > 1 or sizes[2]) and sizes[1] < FEWEST_PATIENTS else []
    return "; ".join([*notes, *(f"{one}: too few for a verdict, compare gives the interval alone" for one in few)])


def _at_level(critical: Floats, level: float) -> Floats:
    """Squared critical values at another level, of the degrees of freedom that they have at .05."""
    from scipy import special

    df = np.where(critical > critical_of(1e9), special.stdtridf(0.975, np.sqrt(np.maximum(critical, 3.8415))), 1e9)
    found: Floats = np.asarray(special.stdtrit(df, (1 + level) / 2), dtype=np.float64) ** 2
    return found


def _draw(
    components: ContrastVariance, effect: float, size: tuple[int, int, int], draws: int, seed: int
) -> tuple[Floats, Floats, Floats, Floats, float]:
    """Draw estimates and the parts of their variance (seeds, patients, references) as the estimator would find them."""
    trainings, patients, references = size
    rng = np.random.default_rng(seed)
    normal, sampled, uniform_references = rng.normal(size=draws), rng.normal(size=draws), rng.random(draws)
    uniform_seeds = rng.random((2, draws))
    one = trainings == 1
    own = components.patient + (components.rest if one else 0.0)  # with one training the whole variance due to patients belongs to it
    rest = 0.0 if one else components.rest
    training = 0.0 if one else components.training
    # the mean over pairs of trainings of products of influences: parts of a single training cancel, except for noise
    pairs = own**2 + (0.0 if one else 2 * own * rest / trainings + rest**2 / (trainings * (trainings - 1)))
    patient_df = components.patient_df * (patients - 1)
    patient = np.maximum(own / patients + sampled * math.sqrt(2 * pairs / patient_df) / patients, 0.0)
    if own and not rest:  # a sum of squares
        patient = own / patients * _chi_square(sampled, patient_df) / patient_df
    infinite, zero = np.full(draws, math.inf), np.zeros(draws)
    seeds = seeds_used = zero
    seeds_df = infinite
    if not one:
        each = [_chi_square_of(uniform, trainings - 1) for uniform in uniform_seeds[: components.groups]]
        sizes = np.stack(each) / ((trainings - 1) * components.groups)  # of each group of arms that share their trainings
        seeds = (training + rest / patients) / trainings * sizes.sum(axis=0)
        seeds_used, seeds_df = (
            np.maximum(seeds, rest / patients / trainings),
            (trainings - 1) * sizes.sum(axis=0) ** 2 / (sizes**2).sum(axis=0),
        )
    reference, reference_df = zero, infinite
    if references:
        within = math.sqrt(pairs) / patients
        between = components.reference / references + within
        reference = np.maximum(between * _chi_square_of(uniform_references, references - 1) / (references - 1) - within, 0.0)
        reference_df = np.full(draws, references - 1.0)
    total = (
        training / trainings + rest / (trainings * patients) + own / patients + (components.reference / references if references else 0.0)
    )
    # if references add variance, the sum of squares by reference includes that of its patients: `random_factors._item_parts`
    by_patient, by_reference = np.where(reference > 0, 0.0, patient), np.where(reference > 0, reference + patient, 0.0)
    plain = np.stack([np.minimum(seeds, seeds_used), by_patient, by_reference])
    used = np.stack([seeds_used, by_patient, by_reference])
    dfs = np.stack([seeds_df, np.full(draws, float(patient_df)), reference_df])
    return effect + math.sqrt(total) * normal, plain, used, dfs, math.sqrt(total)


def _chi_square_of(uniform: Floats, df: float) -> Floats:
    from scipy import special

    found: Floats = 2 * np.asarray(special.gammaincinv(df / 2, uniform), dtype=np.float64)
    return found


def _chi_square(normal: Floats, df: float) -> Floats:
    from scipy import special

    return _chi_square_of(special.ndtr(normal), df)


def patients_for(
    components: ContrastVariance,
    effect: float,
    trainings: int,
    references: int = 0,
    *,
    power: float | None = None,
    half_width: float | None = None,
    confidence_level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> PlannedStudy | None:
    """Find the fewest patients with which a study reaches a power, or an interval of a half width.

    Parameters
    ----------
    components : ContrastVariance
        Variance components, from a pilot or known.
    effect : float
        The true contrast; it does not affect the width.
    trainings : int
        Number of trainings of each arm.
    references : int, default 0
        References that all patients share; 0 if none are shared.
    power : float, optional
        Power to reach, between 0 and 1; give this or `half_width`.
    half_width : float, optional
        Mean half width of the interval to reach, above 0.
    confidence_level : float, default 0.95
        Of the interval; the test is two-sided at one minus it.
    draws : int, default 4000
        Number of simulated studies for each number of patients.
    seed : int, default 0
        Seed of the draws.

    Returns
    -------
    PlannedStudy or None
        The study; None if no number of patients is enough, since trainings and references alone leave too much variation.

    Raises
    ------
    InputError
        When a number does not fit.

    Examples
    --------
    >>> components = ContrastVariance(training=0.0004, patient=0.09, rest=0.09)
    >>> patients_for(components, 0.06, 3, power=0.99), patients_for(components, 0.06, 10, power=0.8).patients < 300
    (None, True)
    """
    if (power is None) == (half_width is None):
        raise InputError("give either power or half_width")
    if (power is not None and not 0 < power < 1) or (half_width is not None and not half_width > 0):
        raise InputError("power: between 0 and 1; half_width: above 0")

    def at(patients: int) -> PlannedStudy:
        return planned_power(components, effect, trainings, patients, references, confidence_level=confidence_level, draws=draws, seed=seed)

    def reached(study: PlannedStudy) -> bool:
        return study.power >= power if power is not None else study.half_width <= float(half_width or 0.0)

    low, high = max(4, references) - 1, max(8, references)
    while not reached(found := at(high)):
        if high >= MOST_PATIENTS:
            return None
        low, high = high, min(4 * high, MOST_PATIENTS)
    while high - low > 1:
        middle = (low + high) // 2
        if reached(study := at(middle)):
            high, found = middle, study
        else:
            low = middle
    return found


def power_table(
    components: ContrastVariance, effect: float, trainings: Sequence[int], patients: Sequence[int], references: Sequence[int] = (0,),
    confidence_level: float = 0.95, seed: int = 0,
) -> list[PlannedStudy]:  # fmt: skip
    """Studies of every combination of sizes, trainings slowest; those with more references than patients are left out."""
    return [
        planned_power(components, effect, s, p, r, confidence_level=confidence_level, seed=seed)
        for s in trainings
        for r in references
        for p in patients
        if r <= p
    ]
