"""One variance estimator for a contrast of arms whose seeds, patients, references and wordings are random, in any combination.

A *reader* is one trained model with one wording of the prompt: it scores every item, so readers are crossed with items. Patients and
references group the items. What an item contributes to the contrast of one reader beyond its mean is its *influence* u (for the AUROC the
centred placements of DeLong). The variance of the mean contrast is then a sum of parts, each with its own degrees of freedom:

- *seeds*: the variance between the contrasts of different trainings, over their number;
- *wordings*: the same between wordings;
- *patients* and *references*: the covariance between the contrasts of **different** readers, a sum of products of influences over pairs of
  items that share a patient or a reference. Products of one reader with itself are left out: they include the reader's own part.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from scipy import special

from paper_figures.statistics.clustered.two_way import by_count, membership_sets, subsets
from paper_figures.statistics.distributions import student_p, student_quantile
from paper_figures.statistics.proportions.bonett_price import bonett_price_standard_error
from paper_figures.statistics.result import Interval, Result
from paper_figures.statistics.validation import Bools, Codes, Floats, NotEstimable, as_codes, as_flags, as_level
from see_in_pairs.errors import InputError
from see_in_pairs.roc import placements

if TYPE_CHECKING:
    from scipy import sparse

MEASURES = ("auroc", "accuracy", "mean")
FACTORS = ("seeds", "wordings", "patients", "references")
_ROUNDING = 1e-18  # variances below this are rounding: an area moves in steps of 1 / (2 positives negatives)
_ALPHA = 0.05  # the level at which the degrees of freedom are matched


@dataclass(frozen=True, repr=False)
class Factor(Result):
    """A factor of the design, and its part of the variance."""

    levels: int
    effective: float  # (sum of uses)^2 / sum of squared uses: effective number of levels under unequal use
    random: bool  # False: the result is about these levels only
    variance: float = 0.0  # part of the squared standard error
    df: float = math.inf  # degrees of freedom of that part


@dataclass(frozen=True, repr=False)
class ContrastResult(Result):
    """A contrast of arms with an interval for new levels of every random factor."""

    measure: str
    estimate: float  # mean over seeds and wordings
    se: float
    df: float  # degrees of freedom of the t distribution
    interval: Interval  # lower and upper end, within the range of the measure
    p: float  # two-sided, of no difference
    factors: Mapping[str, Factor]
    by_seed: tuple[float, ...]  # the contrast in each training seed, if the arms are crossed
    training_sd: float  # standard deviation between trainings of the contrast beyond what patients explain
    note: str = ""  # a note on this result for the reader; '' if there is none

    def to_dict(self) -> dict[str, Any]:
        """Fields by name."""
        return super().to_dict() | {"factors": {name: factor.to_dict() for name, factor in self.factors.items()}}


def random_factors_contrast(
    scores: Sequence[npt.ArrayLike],
    labels: npt.ArrayLike | None,
    patients: npt.ArrayLike | None = None,
    references: npt.ArrayLike | Sequence[Sequence[object]] | None = None,
    *,
    measure: str = "auroc",
    weights: Sequence[float] = (1.0, -1.0),
    models: Sequence[Hashable] | None = None,
    fixed: Sequence[str] = (),
    confidence_level: float = 0.95,
    clusters: npt.ArrayLike | None = None,
) -> ContrastResult:
    r"""Estimate a weighted sum of the arms' AUROC, accuracy or mean score, with seeds, patients, references and wordings all random.

    Parameters
    ----------
    scores : sequence of array_like, each of shape (S, n), (S, W, n) or (n,)
        One array per arm: the score of each of n items by each of S trained models with each of W wordings. Arms may have different S; W
        is the same in all. For accuracy, whether the arm is right (0 or 1); for the mean, any finite number per item.
    labels : array_like of bool, shape (n,), or None
        Whether each item is positive; needed for the AUROC only.
    patients : array_like, shape (n,), optional
        The patient of each item; by default each item is its own patient.
    references : array_like, shape (n,), or sequence of n sequences, optional
        The reference or references of each item, by name; items that share any are correlated. None without references.
    measure : {'auroc', 'accuracy', 'mean'}
        The measure of an arm; accuracy and mean differ only in the bounds of the interval.
    weights : sequence of float, default (1, -1)
        Factor of each arm in the contrast; (1,) gives one arm with its interval, (1, -1, -1, 1) the difference of two gains.
    models : sequence of hashable, optional
        Name of the trained models of each arm. Arms of one name share them: seed s is the same model, or the same training sample, in
        each, so they are crossed with the seeds. By default every arm has its own models, trained independently.
    fixed : sequence of {'seeds', 'patients', 'references', 'wordings'}
        Factors with fixed levels: the result is about these levels only.
    confidence_level : float, default 0.95
        Share of repetitions in which the interval covers the true value, between 0 and 1.
    clusters : array_like, shape (n,), optional
        The same as `patients`, under the name that the tests of single models use.

    Returns
    -------
    ContrastResult
        The contrast with its standard error, degrees of freedom, interval, p-value and the part of each factor.

    Raises
    ------
    InputError
        When inputs do not fit, or a random factor has one level only where it must have several.

    Notes
    -----
    With :math:`\hat\theta_{sw}` the contrast with training s and wording w, :math:`u_{swi}` the influences, and for a set F of pairs of
    items :math:`\hat C_F = \overline{\sum_{(i,j) \in F} u_{swi} u_{tvj}}`, averaged over :math:`s \ne t, w \ne v`:

    .. math:: \hat V = \hat V_\text{seeds} + \hat V_\text{wordings} + \hat C_{pr} + (\hat C_p - \hat C_{pr})_+ + (\hat C_r - \hat C_{pr})_+

    over pairs that share a patient (p), a reference (r) or both (pr): the inclusion and exclusion of Cameron, Gelbach and Miller (2011).
    Sums over a group are divided by one minus the group's share of the items, class by class: the delete-one-group jackknife
    (CR3), which avoids the bias of the plain sums when few references are used unequally. :math:`\hat V_\text{seeds}` is the
    variance between trainings over their number, not below the patients' part (:math:`a_0`), summed over groups of arms with
    their own models.

    The degrees of freedom of a part with unequal groups are :math:`(\operatorname{tr} G)^2 / \operatorname{tr} G^2` of the quadratic form
    G that the part is in independent group effects (Bell and McCaffrey 2002). Satterthwaite's rule over the parts rejects up to .078 of
    true null hypotheses if a part of 2 degrees of freedom is as large as the rest; Banerjee's (1960) bound
    :math:`h_B^2 = \sum_f t_f^2 \hat V_f`, with each part's own quantile, never more than .05, at a loss of power. The squared critical
    value here is :math:`(1 - \lambda) h_S^2 + \lambda h_B^2` with :math:`\lambda = \min(1, 4 / \nu^3)` and :math:`\nu` the smallest degrees
    of freedom of a part of few levels: a half with three trainings in common, little with five (our choice; the error-rate study shows
    its size). ``df`` is that of the t distribution with this critical value at .05, so that estimate, se and df are sufficient.

    References
    ----------
    Obuchowski and Rockette (1995), Communications in Statistics B 24:285. Cameron, Gelbach and Miller (2011), Journal of Business and
    Economic Statistics 29:238. Bell and McCaffrey (2002), Survey Methodology 28:169. Banerjee (1960), Sankhya 22:355. Satterthwaite (1946),
    Biometrics Bulletin 2:110.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels, references = np.arange(200) % 2, rng.integers(0, 25, size=200)
    >>> pair, single = rng.normal(size=(2, 3, 200)) + labels * np.array([1.5, 0.5])[:, None, None]  # three trainings of each
    >>> result = random_factors_contrast([pair, single], labels, references=references)
    >>> result.p < 0.001, result.factors["seeds"].levels, round(result.factors["references"].effective)
    (True, 3, 23)
    """
    if measure not in MEASURES:
        raise InputError(f"measure: give one of {', '.join(MEASURES)}, not {measure!r}")
    if clusters is not None:
        if patients is not None:
            raise InputError("clusters: is the same as patients; give one of them")
        patients = clusters
    if unknown := [name for name in fixed if name not in FACTORS]:
        raise InputError(f"fixed: give some of {', '.join(FACTORS)}, not {unknown[0]!r}")
    arms, factors = [_readers(one, f"scores of arm {number}") for number, one in enumerate(scores)], np.asarray(weights, dtype=np.float64)
    items = arms[0].shape[-1] if arms else 0
    if not arms or factors.shape != (len(arms),) or not np.isfinite(factors).all():
        raise InputError(f"weights: give {len(arms)} finite numbers, one for each arm (scores is a list with one array per arm: [A, B])")
    if len({one.shape[1:] for one in arms}) > 1:
        raise InputError("scores: all arms need the same items and wordings")
    flags = np.ones(items, dtype=np.bool_) if labels is None else as_flags(labels)
    if len(flags) != items:
        raise InputError(f"labels: {len(flags)}, but {items} items")
    classes = (flags, ~flags) if measure == "auroc" else (np.ones(items, dtype=np.bool_),)
    if measure == "auroc" and (labels is None or flags.all() or not flags.any()):
        raise NotEstimable("one class only: no ROC curve")
    design = ItemDesign.of(classes, patients, references)
    trained = _crossed(arms, factors, models, lambda one: _merits(one, flags, measure))
    bounds = {"auroc": (0.0, 1.0), "accuracy": (0.0, 1.0)}.get(measure, (-math.inf, math.inf))
    limits = tuple(sum(sorted((w * bounds[0], w * bounds[1]))[end] if w else 0.0 for w in factors) for end in (0, 1))
    null = float(factors.sum()) / 2 if measure == "auroc" else 0.0
    return _analyse(trained, design, measure, frozenset(fixed), as_level(confidence_level), cast(Interval, limits), null)


def _readers(values: npt.ArrayLike, name: str) -> Floats:
    """Check the scores of one arm and give them the shape (S, W, n)."""
    try:
        scores = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}: not numbers, or not every item has a score from every model and wording") from None
    if not 1 <= scores.ndim <= 3 or not scores.size:
        raise InputError(f"{name}: give an array of shape (models, wordings, items), not {scores.shape}")
    if np.isnan(scores).any():
        raise InputError(f"{name}: {int(np.isnan(scores).sum())} are NaN")
    return scores.reshape({1: (1, 1, -1), 2: (len(scores), 1, -1), 3: scores.shape}[scores.ndim])


def _merits(scores: Floats, flags: Bools, measure: str) -> tuple[Floats, Floats]:
    """Merit of every reader (S, W), and the influences (S, W, n), which sum to 0 within a class."""
    if measure == "auroc":
        placed = placements(scores, flags)
        merit = placed[..., flags].mean(axis=-1)
        return merit, (placed - merit[..., None]) / np.where(flags, flags.sum(), (~flags).sum())
    if not np.isfinite(scores).all():
        raise InputError("scores: some are infinite, so there is no mean")
    merit = scores.mean(axis=-1)
    return merit, (scores - merit[..., None]) / scores.shape[-1]


@dataclass(frozen=True)
class _Trained:
    """Arms that share their trained models, as one contrast: merits (S, W), influences (S, W, n)."""

    merits: Floats
    influences: Floats


def _crossed(arms: Sequence[Floats], weights: Floats, models: Sequence[Hashable] | None, merits: Any) -> list[_Trained]:
    """Combine the arms that share their models, seed by seed."""
    names: Sequence[Hashable] = list(range(len(arms))) if models is None else models
    if len(names) != len(arms):
        raise InputError(f"models: give {len(arms)} names, one for each arm")
    found: dict[Hashable, _Trained] = {}
    for name, arm, weight in zip(names, arms, weights, strict=True):
        merit, influence = (weight * part for part in merits(arm))
        before = found.get(name)
        if before is not None and len(before.merits) != len(merit):
            raise InputError("arms that share their trained models need equally many of them")
        found[name] = _Trained(merit, influence) if before is None else _Trained(before.merits + merit, before.influences + influence)
    return list(found.values())


@dataclass(frozen=True)
class Grouping:
    """Pairs of items that share a group, as a quadratic form: features of the influences, and the weight of each feature.

    Shapes: `features` (f, n), sparse; `weights` (f,). `by_class` holds the features and weights of the one-class parts of the form.
    """

    features: Floats | sparse.csr_array
    weights: Floats
    by_class: tuple[tuple[slice, float], ...]
    levels: int
    effective: float
    df: tuple[float, ...]  # of each class, then of all items

    @classmethod
    def of(cls, rows: Codes, groups: Codes, signs: Floats, single: int, classes: Sequence[Bools], items: int) -> Grouping:
        """Prepare the form: items `rows` are in `groups`, which count with their sign; the first `single` of them are the levels."""
        number = len(signs)
        blocks, kappas, dfs, slices = [], [], [], []
        for members in classes:
            inside = members[rows]
            counts = np.bincount(groups[inside], minlength=number).astype(np.float64)
            share = counts / members.sum()
            if (share > 1 - 1e-9).any():
                raise NotEstimable("one group has every item of a class: the variation between groups cannot be estimated")
            values = 1 / (1 - np.minimum(share, 1 - 1e-9))[groups[inside]]
            blocks.append(_matrix(values, groups[inside], rows[inside], (number, items)))
            held = int((counts[:single] > 0).sum())
            kappas.append((held - 1) / held)
            dfs.append(_trace_df(counts[:single] / counts[:single].sum()))
        counts = np.bincount(groups, minlength=number).astype(np.float64)[:single]
        held = int((counts > 0).sum())
        kappa = (held - 1) / held
        whole = _trace_df(counts / counts.sum())
        effective = float(counts.sum() ** 2 / (counts**2).sum())
        if len(classes) == 1:
            features, weights = blocks[0], kappas[0] * signs
            slices = [(slice(0, number), kappas[0])]
        else:  # kappa_1 x1 y1 + kappa_2 x2 y2 + kappa (x1 y2 + x2 y1), as three sums of squares
            features = _below([*blocks, blocks[0] + blocks[1]])
            weights = np.concatenate([(kappas[0] - kappa) * signs, (kappas[1] - kappa) * signs, kappa * signs])
            slices = [(slice(c * number, (c + 1) * number), kappas[c]) for c in range(2)]
        return cls(features, weights, tuple(slices), held, effective, (*dfs, whole))

    def of_influences(self, influences: Floats) -> Floats:
        """Features of influences (..., n); shape (..., f)."""
        flat = influences.reshape(-1, influences.shape[-1])
        found: Floats = (self.features @ flat.T).T
        return found.reshape(*influences.shape[:-1], -1)


def _matrix(values: Floats, rows: Codes, columns: Codes, shape: tuple[int, int]) -> Any:
    if shape[0] * shape[1] > 100_000:
        from scipy import sparse

        return sparse.csr_array((values, (rows, columns)), shape=shape)
    dense = np.zeros(shape)  # ten times as fast for a hundred items
    dense[rows, columns] = values
    return dense


def _below(blocks: Sequence[Any]) -> Any:
    if isinstance(blocks[0], np.ndarray):
        return np.concatenate(blocks)
    from scipy import sparse

    return sparse.csr_array(sparse.vstack(blocks))


def _trace_df(shares: Floats) -> float:
    """Degrees of freedom of the jackknife's sum of squares if there are only independent effects of groups with these shares."""
    w = shares[shares > 0]
    if len(w) < 2:
        return 0.0
    leverage = (w / (1 - w)) ** 2
    p2 = float((w**2).sum())
    a, b1, b2 = (float((leverage * w**power).sum()) for power in (0, 1, 2))
    trace = float((leverage * (1 - 2 * w + p2)).sum())
    # sum over g, h of l_g^2 l_h^2 (p2 - w_g - w_h)^2, and what the identity adds on its diagonal
    square = p2**2 * a**2 + 2 * a * b2 - 4 * p2 * a * b1 + 2 * b1**2
    square += float((leverage**2 * ((1 + p2 - 2 * w) ** 2 - (p2 - 2 * w) ** 2)).sum())
    return trace**2 / square


@dataclass(frozen=True)
class ItemDesign:
    """How items are grouped: by patient, by reference, and by both."""

    items: int
    patients: Grouping
    references: Grouping | None = None
    both: Grouping | None = None

    @classmethod
    def of(
        cls, classes: Sequence[Bools], patients: npt.ArrayLike | None, references: npt.ArrayLike | Sequence[Sequence[object]] | None
    ) -> ItemDesign:
        """Check the names of patients and references, and prepare their pairs."""
        items = len(classes[0])
        codes = np.arange(items) if patients is None else as_codes(patients, items, "patients")
        if codes.max() == 0:
            raise NotEstimable("one cluster only: the variation between clusters cannot be estimated")
        number = int(codes.max()) + 1
        who = Grouping.of(np.arange(items), codes, np.ones(number), number, classes, items)
        if references is None:
            return cls(items, who)
        by_number = _memberships(references, items)
        forms = []
        for column in (None, codes):
            parts = [subsets(by_number, size, column) for size in range(1, max(by_number) + 1)]
            rows, groups, signs, start = [], [], [], 0
            for size, (where, which) in enumerate(parts, start=1):
                rows.append(where)
                groups.append(which + start)
                number = int(which.max(initial=-1)) + 1
                signs.append(np.full(number, (-1.0) ** (size + 1)))
                start += number
            forms.append(Grouping.of(np.concatenate(rows), np.concatenate(groups), np.concatenate(signs), len(signs[0]), classes, items))
        return cls(items, who, forms[0], forms[1])


def _memberships(references: npt.ArrayLike | Sequence[Sequence[object]], items: int) -> dict[int, tuple[Codes, Codes]]:
    """References as `by_count` gathers them; one name for each item needs no sets."""
    if isinstance(references, np.ndarray) and references.ndim == 1 and references.dtype.kind in "iuUS":
        return {1: (np.arange(items), as_codes(references, items, "references")[:, None])}
    return by_count(membership_sets(references, items))


@dataclass
class _Part:
    """A part of the variance, and the sum of squares with `df` degrees of freedom that it was estimated from."""

    variance: float = 0.0
    df: float = math.inf
    spread: float = 0.0  # for seeds, before it is raised to the patients' part; for references, with all that pairs of items share
    training: float = 0.0  # of the seeds: the variance between trainings beyond what patients explain


def _analyse(
    trained: Sequence[_Trained], design: ItemDesign, measure: str, fixed: frozenset[str], level: float, limits: Interval, null: float
) -> ContrastResult:
    seeds = [len(one.merits) for one in trained]
    wordings = trained[0].merits.shape[1]
    over_seeds = "seeds" not in fixed and max(seeds) > 1
    over_words = "wordings" not in fixed and wordings > 1
    if not over_seeds and not over_words and "patients" in fixed and (design.references is None or "references" in fixed):
        raise InputError("fixed: every factor is fixed, so nothing varies; leave one random")
    estimate = float(sum(one.merits.mean() for one in trained))
    features = {"p": [design.patients.of_influences(one.influences) for one in trained]}
    seed = _seed_part(trained, features["p"], design.patients, over_words) if over_seeds else _Part()
    word = _word_part(trained, features["p"], design.patients, over_seeds) if over_words else _Part()
    items, reference = _item_parts(trained, features, design, fixed, over_seeds, over_words)
    parts = {"seeds": seed, "wordings": word, "patients": items, "references": reference}
    variance = sum(part.variance for part in parts.values())
    effect, note = estimate - null, ""
    df = _matched_df(parts, variance)
    if variance <= _ROUNDING and abs(effect) > 1e-12:
        if measure == "mean":  # without bounds, a number of items does not determine the spread
            raise NotEstimable("every reader and every cluster shows the same difference: its variation cannot be estimated")
        size = int(min([design.patients.levels] + [number for number in seeds if number > 1 and over_seeds]))
        size = size if design.references is None else min(size, design.references.levels)
        variance = bonett_price_standard_error(size * max(effect, 0.0), size * max(-effect, 0.0), size) ** 2
        df, note = float(size - 1), "every cluster shows the same difference; each is counted as one item"
    se = math.sqrt(max(variance, 0.0))
    half = student_quantile(level, df) * se
    interval = max(limits[0], estimate - half), min(limits[1], estimate + half)
    p = student_p(effect / se, df) if se > math.sqrt(_ROUNDING) else 1.0
    by_seed = tuple(trained[0].merits.mean(axis=1).tolist()) if len(trained) == 1 else ()
    spread = math.sqrt(seed.training)
    return ContrastResult(measure, estimate, se, df, interval, p, _factors(seeds, wordings, design, fixed, parts), by_seed, spread, note)


def influence_contrast(merits: Floats, influences: Floats, design: ItemDesign, level: float) -> ContrastResult:
    """Analyse any measure of S trainings from its influences, all factors random. Shapes: `merits` (S,), `influences` (S, n)."""
    trained = [_Trained(merits[:, None], influences[:, None, :])]
    return _analyse(trained, design, "mean", frozenset(), level, (-math.inf, math.inf), 0.0)


def influences_contrast(
    arms: Sequence[tuple[Floats, Floats]], classes: Sequence[Bools], patients: npt.ArrayLike, level: float
) -> ContrastResult:
    """Analyse the sum of measures of arms trained apart from their influences, trainings and patients random.

    Each arm has merits (S,) and influences (S, n), which sum to 0 within each of the classes.
    """
    trained = [_Trained(merits[:, None], influences[:, None, :]) for merits, influences in arms]
    return _analyse(trained, ItemDesign.of(classes, patients, None), "mean", frozenset(), level, (-math.inf, math.inf), 0.0)


def _factors(
    seeds: Sequence[int], wordings: int, design: ItemDesign, fixed: frozenset[str], parts: Mapping[str, _Part]
) -> dict[str, Factor]:
    several = [number for number in seeds if number > 1]
    fewest = min(several, default=1)
    found = {"seeds": (fewest, float(fewest), bool(several)), "patients": (design.patients.levels, design.patients.effective, True)}
    if design.references is not None:
        found["references"] = design.references.levels, design.references.effective, True
    if wordings > 1:
        found["wordings"] = wordings, float(wordings), True
    return {
        name: Factor(levels, effective, several and name not in fixed, parts[name].variance, parts[name].df)
        for name, (levels, effective, several) in found.items()
    }


def _products(x: Floats, y: Floats, weights: Floats, apart: tuple[bool, bool]) -> float:
    """Mean over pairs of readers of the form, pairs of equal seed or of equal wording left out where `apart` says so.

    Shapes: `x` (S, W, f), `y` (S', W, f); pairs of equal seed are left out only where both have the same models.
    """
    seeds, words = apart
    total = float((x.sum((0, 1)) * y.sum((0, 1)) * weights).sum())
    if seeds:
        total -= float(np.einsum("sf,sf,f->", x.sum(1), y.sum(1), weights))
    if words:
        total -= float(np.einsum("wf,wf,f->", x.sum(0), y.sum(0), weights))
    if seeds and words:
        total += float(np.einsum("swf,swf,f->", x, y, weights))
    pairs = len(x) * (len(y) - seeds) * x.shape[1] * (x.shape[1] - words)
    return total / pairs


def _covariance(features: Sequence[Floats], weights: Floats, over_seeds: bool, over_words: bool) -> float:
    """Covariance of the contrasts of different readers, summed over groups of arms."""
    total = 0.0
    for i, x in enumerate(features):
        total += _products(x, x, weights, (over_seeds and len(x) > 1, over_words))
        total += 2 * sum(_products(x, y, weights, (False, over_words)) for y in features[i + 1 :])
    return total


def _seed_part(trained: Sequence[_Trained], features: Sequence[Floats], patients: Grouping, over_words: bool) -> _Part:
    """Variance between trainings over their number; not below the part explained by patients."""
    plain, least, spread, training = 0.0, 0.0, 0.0, 0.0
    for one, x in zip(trained, features, strict=True):
        number = len(one.merits)
        if number < 2:
            continue
        variance = float(one.merits.mean(axis=1).var(ddof=1))
        mean = x.mean(axis=1, keepdims=True)  # over wordings
        own = float(np.einsum("swf,swf,f->", mean, mean, patients.weights)) / number
        explained = max(own - _products(mean, mean, patients.weights, (True, False)), 0.0)
        plain, least, spread = plain + variance / number, least + explained / number, spread + (variance / number) ** 2 / (number - 1)
        training += max(variance - explained, 0.0)
    few = min(len(one.merits) - 1 for one in trained if len(one.merits) > 1)
    df = plain**2 / spread if spread > 0 else float(few)
    return _Part(max(plain, least), df, plain, training)


def _word_part(trained: Sequence[_Trained], features: Sequence[Floats], patients: Grouping, over_seeds: bool) -> _Part:
    """Variance between wordings over their number, without what is already in the seeds' part."""
    merits = np.sum([one.merits.mean(axis=0) for one in trained], axis=0)  # (W,)
    number = len(merits)
    x = np.sum([part.mean(axis=0) for part in features], axis=0)[None]  # (1, W, f)
    own = float(np.einsum("swf,swf,f->", x, x, patients.weights)) / number
    explained = max(own - _products(x, x, patients.weights, (False, True)), 0.0) / number
    plain, twice = float(merits.var(ddof=1)) / number, 0.0
    for one in trained if over_seeds else ():
        seeds = len(one.merits)
        if seeds > 1:  # the seed by wording interaction is in both parts
            rest = one.merits - one.merits.mean(0) - one.merits.mean(1, keepdims=True) + one.merits.mean()
            twice += float((rest**2).sum()) / ((seeds - 1) * (number - 1)) / (seeds * number)
    return _Part(max(plain - twice, explained - twice, 0.0), number - 1.0, plain)


def _item_parts(
    trained: Sequence[_Trained],
    features: dict[str, list[Floats]],
    design: ItemDesign,
    fixed: frozenset[str],
    over_seeds: bool,
    over_words: bool,
) -> tuple[_Part, _Part]:
    """Parts of patients (including the items' own variation) and of references."""
    covariance = lambda x, form: _covariance(x, form.weights, over_seeds, over_words)
    alone = covariance(features["p"], design.patients)
    df = _class_df(features["p"], design.patients, over_seeds, over_words)
    if design.references is None or design.both is None:
        if alone <= _ROUNDING and not over_seeds and not over_words:
            alone = _whole(features["p"], design.patients)
        return _Part() if "patients" in fixed else _Part(max(alone, 0.0), df, max(alone, 0.0)), _Part()
    references = [design.references.of_influences(one.influences) for one in trained]
    shared = covariance([design.both.of_influences(one.influences) for one in trained], design.both)
    gained = max(covariance(references, design.references) - shared, 0.0)
    few = _class_df(references, design.references, over_seeds, over_words)
    patients = max(shared, 0.0) + max(alone - shared, 0.0)
    if patients + gained <= _ROUNDING and not over_seeds and not over_words:
        patients = _whole(features["p"], design.patients)
    # if references add variance, pairs of equal patient and reference are part of the sum of squares by reference
    by_patient = max(alone - shared, 0.0) if gained and "references" not in fixed else patients
    return (
        _Part() if "patients" in fixed else _Part(patients, df, by_patient),
        _Part() if "references" in fixed else _Part(gained, few, gained + max(shared, 0.0) if gained else 0.0),
    )


def _whole(features: Sequence[Floats], form: Grouping) -> float:
    """The jackknife with one factor for both classes, which cannot be negative; used if those of the classes cancel."""
    total = np.sum([x.mean(axis=(0, 1)) for x in features], axis=0)
    kept = total[-len(form.weights) // 3 :] if len(form.by_class) > 1 else total
    return float((kept**2).sum()) * (form.levels - 1) / form.levels


def _class_df(features: Sequence[Floats], form: Grouping, over_seeds: bool, over_words: bool) -> float:
    """Satterthwaite's rule over the classes, at most the degrees of freedom of all items together."""
    if len(form.by_class) == 1:
        return form.df[0]
    variances = []
    for where, kappa in form.by_class:
        weights = kappa * np.sign(form.weights[-(where.stop - where.start) :])
        variances.append(max(_covariance([x[..., where] for x in features], weights, over_seeds, over_words), 0.0))
    spread = sum(v**2 / max(df, 1e-9) for v, df in zip(variances, form.df[:-1], strict=True))
    return min(sum(variances) ** 2 / spread, form.df[-1]) if spread > _ROUNDING**2 else min(form.df)


def _matched_df(parts: Mapping[str, _Part], variance: float) -> float:
    """Degrees of freedom whose t quantile gives the critical value between Satterthwaite's and Banerjee's; see the notes above."""
    there = {name: part for name, part in parts.items() if math.isfinite(part.df)}
    if variance <= _ROUNDING:
        return max(min(part.df for part in there.values()), 1.0) if there else 1.0
    # the estimated part of the seeds, not the raised one, tells how uncertain the sum is
    column = lambda values: np.array(list(values))[:, None]
    dfs = {name: part.df for name, part in there.items()}
    few = min((df for name, df in dfs.items() if name != "patients"), default=math.inf)
    plain = column(min(part.spread, part.variance) if name == "seeds" else part.spread for name, part in there.items())
    # the part shared by pairs of equal patient and reference is in one of the two sums of squares
    used = column(part.spread if name in ("patients", "references") else part.variance for name, part in there.items())
    wanted = float(critical_square(plain, used, column(dfs.values()), few, parts["patients"].df)[0])
    return min(float(special.stdtridf(1 - _ALPHA / 2, math.sqrt(wanted))), 1e9) if wanted > critical_of(1e9) else 1e9


def critical_of(df: npt.ArrayLike) -> Floats:
    """Squared critical value of Student's t at .05."""
    found: Floats = special.stdtrit(np.maximum(df, 0.5), 1 - _ALPHA / 2) ** 2
    return found


def critical_square(plain: Floats, used: Floats, dfs: Floats, few: npt.ArrayLike, items: float) -> Floats:
    """Squared critical value at .05 of an estimate over the standard error of `used`, between Satterthwaite's and Banerjee's.

    Shapes: `plain` (parts, M) as estimated, `used` as raised, `dfs` their degrees of freedom; `few` (M,) the smallest of parts of few
    levels, infinite where there are none; `items` those of the patients' part. Returns (M,).
    """
    variance = used.sum(axis=0)
    spread = (plain**2 / np.maximum(dfs, 1e-9)).sum(axis=0)
    satterthwaite = critical_of(np.divide(variance**2, spread, out=np.full_like(variance, 1e9), where=spread > 0))
    mixed = np.where(np.isfinite(few), np.minimum(1.0, 4 / np.asarray(few, dtype=np.float64) ** 3), 0.0)
    if not mixed.any():
        return satterthwaite
    bound = np.maximum(critical_of(dfs) * plain, critical_of(items if math.isfinite(items) else 1e9) * used).sum(axis=0)
    return (1 - mixed) * satterthwaite + mixed * bound / variance
