r"""Channelised Hotelling observers: what can be learned from n cases when an image is seen through a few channels.

The ideal observer knows all covariances; a network learns everything. Between them is the linear observer of image quality studies (Barrett
and Myers 2004, ch. 14). It reduces an image x to a few numbers :math:`v=Ux`; its rule is the plug-in linear discriminant of v.
`channel_profiles` makes U and `learn` the rule. `detectability` estimates how good the rule of infinitely many cases would be, without the
bias of a finite sample and with an interval. `gain` compares two observers. The three observers see the query alone, the query minus the
reference, or both together, as in `theory.models.ideal_observers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from theory.models.ideal_observers import RULES
from theory.numerics.gaussian import auc_of
from theory.numerics.validation import Floats, finite, non_negative, one_of, positive, require, whole

NODES = 400  # of the normal distribution of one area, in the interval of a difference
KINDS = ("laguerre_gauss", "gabor", "difference_of_gaussians")


def channel_profiles(
    shape: tuple[int, int],
    kind: str = "laguerre_gauss",
    *,
    width: float = 6.0,
    number: int = 6,
    centre: tuple[float, float] | None = None,
    orientations: int = 4,
) -> Floats:
    r"""Make the channels of an observer who knows where to look.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the images, in pixels.
    kind : {'laguerre_gauss', 'gabor', 'difference_of_gaussians'}, default 'laguerre_gauss'
        Round channels that together describe any smooth round lesion; oriented bands like those of the visual cortex; or round bands.
    width : float, default 6.0
        For 'laguerre_gauss' the width a; for the others the shortest scale: the wavelength of the finest band. In pixels.
    number : int, default 6
        Laguerre polynomials, or bands an octave apart.
    centre : tuple of float, optional
        Row and column of the place, in pixels; the middle of the image when not given.
    orientations : int, default 4
        Directions of each Gabor band, each with an even and an odd profile.

    Returns
    -------
    ndarray, shape (channels, rows * columns)
        A channel in each row, of length 1.

    Raises
    ------
    InputError
        When the kind is unknown or a number is out of range.

    Notes
    -----
    With r the distance to the centre (our normalisation: every row has length 1, which no linear observer sees):

    - Laguerre-Gauss (Gallas and Barrett 2003): :math:`e^{-\pi r^2/a^2}L_j(2\pi r^2/a^2)`, j = 0, 1, ...
    - Gabor (Eckstein and Whiting 1996): :math:`e^{-4\ln2\,r^2/\omega^2}\cos(2\pi f u+\beta)`, u the coordinate across the stripes,
      :math:`\beta` 0 or :math:`\pi/2`, and :math:`\omega=12\ln2/(2\pi f)`, which makes the band an octave wide.
    - Difference of Gaussians (Abbey and Barrett 2001, sparse form): :math:`e^{-\frac12(f/2\sigma)^2}-e^{-\frac12(f/\sigma)^2}` over
      frequency f, whose two Gaussians are Gaussians over pixels too.

    Examples
    --------
    >>> channel_profiles((32, 32), number=5).shape, channel_profiles((32, 32), "gabor", number=2, width=8).shape
    ((5, 1024), (16, 1024))
    """
    one_of(kind, "kind", KINDS)
    count, scale = int(whole(number, "number", 1)), float(positive(width, "width"))
    rows, columns = (int(whole(side, "shape", 2)) for side in shape)
    middle = ((rows - 1) / 2, (columns - 1) / 2) if centre is None else centre
    y, x = np.mgrid[:rows, :columns].astype(np.float64)
    y, x = y - middle[0], x - middle[1]
    squared = x**2 + y**2
    made: list[Floats] = []
    if kind == "laguerre_gauss":
        made = [np.exp(-np.pi * squared / scale**2) * special.eval_laguerre(j, 2 * np.pi * squared / scale**2) for j in range(count)]
    elif kind == "gabor":
        for band in range(count):
            frequency = 1 / (scale * 2**band)
            envelope = np.exp(-4 * np.log(2) * squared / (12 * np.log(2) / (2 * np.pi * frequency)) ** 2)
            for angle in np.pi * np.arange(int(whole(orientations, "orientations", 1))) / orientations:
                across = 2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle))
                made += [envelope * np.cos(across), envelope * np.sin(across)]
    else:
        for band in range(count):
            sigma = 1 / (2 * scale * 2**band)  # the upper Gaussian, of 2 sigma, has its half power near the wavelength `width`
            made.append(_gaussian_of_frequency(squared, 2 * sigma) - _gaussian_of_frequency(squared, sigma))
    profiles = np.stack([profile.ravel() for profile in made])
    return np.asarray(profiles / np.linalg.norm(profiles, axis=1, keepdims=True))


def _gaussian_of_frequency(squared: Floats, sigma: float) -> Floats:
    """The profile over pixels whose Fourier transform is exp(-f^2 / (2 sigma^2)), f in cycles per pixel."""
    return np.asarray(2 * np.pi * sigma**2 * np.exp(-2 * (np.pi * sigma) ** 2 * squared))


def seen(query: ArrayLike, reference: ArrayLike | None, observer: str) -> Floats:
    """What an observer sees of channel outputs: `query` and `reference` (..., p) to (..., p), or (..., 2 p) for 'joint'."""
    one_of(observer, "observer", RULES)
    outputs = finite(query, "query")
    require(outputs.ndim >= 2, "query: must be a table, one row of channel outputs per image")
    if observer == "single":
        return outputs
    require(reference is not None, f"reference: the observer '{observer}' needs the channel outputs of the references")
    beside = finite(reference, "reference")  # type: ignore[arg-type]
    require(beside.shape == outputs.shape, f"reference: shape {beside.shape} is not that of query, {outputs.shape}")
    return outputs - beside if observer == "difference" else np.concatenate([outputs, beside], axis=-1)


@dataclass(frozen=True)
class ChannelizedObserver:
    """A linear rule that was learned from channel outputs.

    Parameters
    ----------
    observer : str
        What it sees: ``'single'``, ``'difference'`` or ``'joint'``.
    template : ndarray, shape (p,) or (2 p,)
        Its weights; the score of an image is their product with what it sees.
    threshold : float
        The middle of the two learned class means: above it the call is 'diseased'.
    score_sd : float
        Standard deviation of the score within a class of the training set, in the score's own units.
    """

    observer: str
    template: Floats
    threshold: float
    score_sd: float

    def scores(
        self,
        query: ArrayLike,
        reference: ArrayLike | None = None,
        *,
        internal_noise: float = 0.0,
        seed: int | np.random.Generator | None = None,
    ) -> Floats:
        """Score images; a higher score means more like the diseased images.

        Parameters
        ----------
        query : array_like, shape (n, p) or (n, places, p)
            Channel outputs of the queries. With `places`, the channels were laid on each candidate place of an image, and the image's
            score is the largest (a scanning observer).
        reference : array_like, of the same shape, optional
            Channel outputs of the references, for observers who see them.
        internal_noise : float, default 0.0
            Standard deviation of noise added to each score, in units of `score_sd`: human observers do not repeat themselves.
        seed : int or numpy.random.Generator, optional
            Seed of the internal noise.

        Returns
        -------
        ndarray, shape (n,)
            Scores.

        Raises
        ------
        InputError
            When shapes do not fit the template, or internal noise is wanted without a seed.

        Examples
        --------
        >>> rule = ChannelizedObserver("single", np.array([1.0, -1.0]), 0.0, 1.0)
        >>> rule.scores([[3.0, 1.0], [0.0, 1.0]])
        array([ 2., -1.])
        """
        outputs = seen(query, reference, self.observer)
        require(
            outputs.shape[-1] == len(self.template),
            f"query: {outputs.shape[-1]} numbers per place, but the template has {len(self.template)}",
        )
        scores = outputs @ self.template
        if scores.ndim == 2:
            scores = scores.max(axis=1)
        noise = float(non_negative(internal_noise, "internal_noise"))
        if noise:
            require(seed is not None, "seed: internal noise is random; give a seed")
            scores = scores + noise * self.score_sd * np.random.default_rng(seed).standard_normal(len(scores))
        return np.asarray(scores)


def learn(
    query: ArrayLike, labels: ArrayLike, reference: ArrayLike | None = None, observer: str = "single", *, shrinkage: float | str = 0.0
) -> ChannelizedObserver:
    r"""Learn the linear rule of an observer from labelled channel outputs.

    Parameters
    ----------
    query : array_like, shape (n, p)
        Channel outputs of the queries. The centre of the channels is the place of the lesion, in healthy images too.
    labels : array_like of bool, shape (n,)
        Whether each query is diseased.
    reference : array_like, shape (n, p), optional
        Channel outputs of the references.
    observer : {'single', 'difference', 'joint'}, default 'single'
        What the observer sees; both images together are 2 p numbers.
    shrinkage : float or 'ledoit_wolf', default 0.0
        Weight, from 0 to 1, of a multiple of the identity in the covariance; 'ledoit_wolf' estimates it (Ledoit and Wolf 2004). Needed
        where there are more features than cases.

    Returns
    -------
    ChannelizedObserver
        The rule :math:`S^{-1}(\bar v_1-\bar v_0)`, S being the pooled covariance.

    Raises
    ------
    InputError
        When a class has fewer than two cases, or there are too many features for the cases without shrinkage.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(200) < 100
    >>> query = rng.standard_normal((200, 3)) + labels[:, None]
    >>> learn(query, labels).template.round(1)
    array([1. , 1. , 1.2])
    """
    features, flags = _cases(query, labels, reference, observer)
    means = np.stack([features[~flags].mean(axis=0), features[flags].mean(axis=0)])
    centred = features - means[flags.astype(int)]
    freedom, size = len(features) - 2, features.shape[1]
    covariance = centred.T @ centred / freedom
    if shrinkage == "ledoit_wolf":
        weight = ledoit_wolf(centred)
    else:
        require(
            not isinstance(shrinkage, str) and 0 <= shrinkage <= 1,
            f"shrinkage = {shrinkage!r}: give a number from 0 to 1, or 'ledoit_wolf'",
        )
        weight = float(shrinkage)
        require(
            weight > 0 or size < freedom,
            f"query: {size} features need more than {size + 2} cases, or shrinkage (there are {len(features)})",
        )
    covariance = (1 - weight) * covariance + weight * np.trace(covariance) / size * np.eye(size)
    require(
        np.linalg.matrix_rank(covariance, hermitian=True) == size,
        "query: some channels are linear combinations of others; use fewer channels, or shrinkage",
    )
    template = np.linalg.solve(covariance, means[1] - means[0])
    spread = float(np.sqrt(template @ covariance @ template))
    return ChannelizedObserver(observer, template, float(template @ means.mean(axis=0)), spread)


def _cases(query: ArrayLike, labels: ArrayLike, reference: ArrayLike | None, observer: str) -> tuple[Floats, np.ndarray]:
    features = seen(query, reference, observer)
    require(features.ndim == 2, "query: learning needs one place per image, shape (n, p)")
    flags = np.asarray(labels)
    require(flags.shape == (len(features),), f"labels: give one for each of the {len(features)} images")
    require(np.isin(flags, (0, 1)).all(), "labels: must be 0 (healthy) or 1 (diseased)")
    flags = flags.astype(bool)
    require(min(flags.sum(), (~flags).sum()) >= 2, "labels: each class needs at least two images")
    return features, flags


def ledoit_wolf(centred: Floats) -> float:
    """Estimate the best weight of the identity from deviations from class means, shape (n, p) (Ledoit and Wolf 2004)."""
    n, size = centred.shape
    covariance = centred.T @ centred / n
    scale = np.trace(covariance) / size
    distance = np.sum(covariance**2) - size * scale**2
    squares = centred**2
    spread = (np.sum(squares.T @ squares) / n - np.sum(covariance**2)) / n
    return float(min(1.0, spread / distance)) if distance > 0 else 1.0


@dataclass(frozen=True)
class ObserverEstimate:
    """How good the rule of infinitely many cases would be, estimated from a finite sample.

    Parameters
    ----------
    observer : str
        What it sees: ``'single'``, ``'difference'`` or ``'joint'``; for a gain, the two that are compared.
    auroc : float
        Estimated area under the ROC curve (for a gain, the difference of two).
    low, high : float
        Ends of its interval.
    detectability : float
        Index :math:`\\Delta`, 0 where the estimate of its square is negative; NaN for a gain.
    level : float
        Confidence level of the interval.
    method : str
        ``'exact'`` (noncentral F, independent normal cases) or ``'jackknife'`` (over clusters).
    n : tuple of int
        Healthy and diseased cases.
    """

    observer: str
    auroc: float
    low: float
    high: float
    detectability: float
    level: float
    method: str
    n: tuple[int, int]


def detectability(
    query: ArrayLike,
    labels: ArrayLike,
    reference: ArrayLike | None = None,
    observer: str = "single",
    *,
    clusters: Sequence[object] | ArrayLike | None = None,
    level: float = 0.95,
) -> ObserverEstimate:
    r"""Estimate the performance of the best linear rule in these channels, without the optimism of a finite sample.

    Parameters
    ----------
    query : array_like, shape (n, p)
        Channel outputs of the queries.
    labels : array_like of bool, shape (n,)
        Whether each query is diseased.
    reference : array_like, shape (n, p), optional
        Channel outputs of the references.
    observer : {'single', 'difference', 'joint'}, default 'single'
        What the observer sees.
    clusters : array_like, shape (n,), optional
        The patient of each query, where patients have several: the interval is then a jackknife over patients.
    level : float, default 0.95
        Share of samples in which the interval covers the true value, between 0 and 1.

    Returns
    -------
    ObserverEstimate
        Estimate and interval of the AUROC that this observer has in the limit of many training cases.

    Raises
    ------
    InputError
        When there are too few cases for the channels.

    Notes
    -----
    With p features, :math:`\nu=n_1+n_0-2` and :math:`D^2` the sample's squared Mahalanobis distance of the class means,

    .. math:: \hat\Delta^2 = \frac{\nu-p-1}{\nu}D^2-p\Big(\frac1{n_1}+\frac1{n_0}\Big)

    is unbiased, and :math:`\frac{\nu-p+1}{\nu p}\frac{n_1n_0}{n_1+n_0}D^2` has a noncentral F distribution with p and
    :math:`\nu-p+1` degrees of freedom and noncentrality :math:`\frac{n_1n_0}{n_1+n_0}\Delta^2`, whose inversion gives an exact interval
    (Wunderlich, Noo, Gallas and Heilbrun 2015) for independent normal cases. The jackknife leaves out one patient at a time on the scale
    of :math:`\Phi^{-1}(\mathrm{AUROC})`, since areas near 1 are skewed, with Student's t of one less than the number of patients.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> labels = np.arange(400) < 200
    >>> found = detectability(rng.standard_normal((400, 5)) + 0.5 * labels[:, None], labels)
    >>> round(found.auroc, 2), round(found.low, 2), round(found.high, 2)
    (0.74, 0.69, 0.79)
    """
    features, flags = _cases(query, labels, reference, observer)
    n1, n0 = int(flags.sum()), int((~flags).sum())
    freedom, size = n1 + n0 - 2, features.shape[1]
    require(size < freedom - 1, f"query: {size} features need more than {size + 3} cases (there are {n1 + n0})")
    tail = (1 - float(_level(level))) / 2
    squared = float(_mahalanobis(_Moments.of(features, flags))[()])
    unbiased = float(_unbiased(squared, size, n1, n0))
    index = float(np.sqrt(max(unbiased, 0.0)))
    if clusters is not None:
        probits, covariance = _jackknife([features], flags, clusters, level)
        low, high = _interval_of_area(float(probits[0]), float(covariance[0, 0]), level)
        return ObserverEstimate(observer, float(auc_of(index)), low, high, index, level, "jackknife", (n0, n1))
    weight = n1 * n0 / (n1 + n0)
    statistic = (freedom - size + 1) / (freedom * size) * weight * squared
    ends = [_noncentrality(statistic, size, freedom - size + 1, probability) for probability in (1 - tail, tail)]
    low, high = (float(auc_of(np.sqrt(end / weight))) for end in ends)
    return ObserverEstimate(observer, float(auc_of(index)), low, high, index, level, "exact", (n0, n1))


def gain(
    query: ArrayLike,
    labels: ArrayLike,
    reference: ArrayLike,
    observer: str = "joint",
    *,
    over: str = "single",
    clusters: Sequence[object] | ArrayLike | None = None,
    level: float = 0.95,
) -> ObserverEstimate:
    """Estimate the gain in AUROC of one observer over another, on the same images.

    Parameters
    ----------
    query : array_like, shape (n, p)
        Channel outputs of the queries.
    labels : array_like of bool, shape (n,)
        Whether each query is diseased.
    reference : array_like, shape (n, p)
        Channel outputs of the references.
    observer, over : {'single', 'difference', 'joint'}
        The observers: AUROC of the first minus AUROC of the second.
    clusters : array_like, shape (n,), optional
        The patient of each query; every image is its own cluster when not given.
    level : float, default 0.95
        Share of samples in which the interval covers the true value, between 0 and 1.

    Returns
    -------
    ObserverEstimate
        Difference of the two estimated areas with a jackknife interval over clusters.

    Raises
    ------
    InputError
        When there are too few cases for the channels.

    Notes
    -----
    The jackknife gives the covariance of both areas' probits; the interval holds the quantiles of the difference of the areas where
    these are normal. Its coverage, and that of `detectability`, was simulated (docs/results/error-rates, study ``channels``).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> labels, shared = np.arange(400) < 200, rng.standard_normal((400, 4))
    >>> query, reference = (0.9 * shared + 0.44 * rng.standard_normal((400, 4)) for _ in range(2))
    >>> found = gain(query + 0.5 * labels[:, None], labels, reference)
    >>> found.low > 0.05
    True
    """
    pairs = [_cases(query, labels, reference, name) for name in (observer, over)]
    flags = pairs[0][1]
    n1, n0 = int(flags.sum()), int((~flags).sum())
    for features, _ in pairs:
        require(features.shape[1] < n1 + n0 - 3, f"query: {features.shape[1]} features need more than {features.shape[1] + 3} cases")
    names = np.arange(n1 + n0) if clusters is None else clusters
    probits, covariance = _jackknife([features for features, _ in pairs], flags, names, level)
    low, high = _interval_of_difference(probits, covariance, level)
    estimate = float(np.subtract(*special.ndtr(probits)))
    return ObserverEstimate(f"{observer} minus {over}", estimate, low, high, float("nan"), level, "jackknife", (n0, n1))


@dataclass(frozen=True)
class _Moments:
    """Counts (..., 2), sums (..., 2, p) of the two classes, and the sum of squares and products (..., p, p), of one sample or of many."""

    counts: Floats
    sums: Floats
    products: Floats

    @classmethod
    def of(cls, features: Floats, flags: np.ndarray) -> _Moments:
        sides = [features[~flags], features[flags]]
        counts = np.array([len(side) for side in sides], dtype=np.float64)
        return cls(counts, np.stack([side.sum(axis=0) for side in sides]), features.T @ features)


def _mahalanobis(moments: _Moments) -> Floats:
    """Squared distance of the class means by the pooled covariance, for one sample or many."""
    counts, sums = moments.counts, moments.sums
    means = sums / counts[..., None]
    within = moments.products - np.einsum("...ci,...cj->...ij", means, sums)
    between = means[..., 1, :] - means[..., 0, :]
    solved = np.linalg.solve(within, between[..., None])[..., 0]
    return np.asarray((counts.sum(axis=-1) - 2) * np.einsum("...i,...i->...", between, solved))


def _unbiased(squared: Floats | float, size: int, n1: ArrayLike, n0: ArrayLike) -> Floats:
    n1, n0 = np.asarray(n1, dtype=np.float64), np.asarray(n0, dtype=np.float64)
    freedom = n1 + n0 - 2
    return np.asarray((freedom - size - 1) / freedom * squared - size * (1 / n1 + 1 / n0))


def _probit(squared: ArrayLike) -> Floats:
    """The area's probit, the index over root 2; below 0 where the squared index is negative, so that it has a slope for the jackknife."""
    squared = np.asarray(squared, dtype=np.float64)
    return np.asarray(np.sign(squared) * np.sqrt(np.abs(squared) / 2))


def _jackknife(parts: Sequence[Floats], flags: np.ndarray, clusters: ArrayLike | Sequence[object], level: float) -> tuple[Floats, Floats]:
    """Probits of the areas of `parts` (k features (n, p)), and their covariance (k, k), from leaving out one cluster at a time.

    Areas near 1 are too skewed for a jackknife of their own. The covariance is widened by the square of Student's quantile over the
    normal one, so that normal quantiles of `level` can be used with it.
    """
    names = np.asarray(clusters)
    require(names.shape == flags.shape, f"clusters: give one for each of the {len(flags)} images")
    _, codes = np.unique(names, return_inverse=True)
    groups = int(codes.max()) + 1
    require(groups >= 3, "clusters: a jackknife needs at least three patients")
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(groups))
    left = np.stack([np.bincount(codes, weights=~flags, minlength=groups), np.bincount(codes, weights=flags, minlength=groups)], axis=1)
    values, full = [], []
    for features in parts:
        whole_sample = _Moments.of(features, flags)
        counts = whole_sample.counts - left
        require(counts.min() >= 2, "clusters: without one of the patients a class has fewer than two images")
        size = features.shape[1]
        require(size < counts.sum(axis=1).min() - 3, f"clusters: without one of the patients there are too few images for {size} features")
        sides = np.stack([features * ~flags[:, None], features * flags[:, None]], axis=1)[order]
        sums = whole_sample.sums - np.add.reduceat(sides, starts, axis=0)
        found = np.empty(groups)
        for chosen in np.array_split(np.arange(groups), max(1, groups * size**2 // 2**22)):  # 32 MiB of products at a time
            rows = slice(starts[chosen[0]], starts[chosen[-1] + 1] if chosen[-1] + 1 < groups else len(order))
            outer = features[order[rows], :, None] * features[order[rows], None, :]
            products = whole_sample.products - np.add.reduceat(outer, starts[chosen] - starts[chosen[0]], axis=0)
            squared = _mahalanobis(_Moments(counts[chosen], sums[chosen], products))
            found[chosen] = _probit(_unbiased(squared, size, counts[chosen, 1], counts[chosen, 0]))
        values.append(found - found.mean())
        full.append(float(_probit(_unbiased(_mahalanobis(whole_sample), size, flags.sum(), (~flags).sum()))))
    upper = (1 + float(_level(level))) / 2
    wider = (stats.t.ppf(upper, groups - 1) / special.ndtri(upper)) ** 2
    together = np.stack(values)
    return np.array(full), np.asarray(wider * (groups - 1) / groups * together @ together.T)


def _interval_of_area(probit: float, variance: float, level: float) -> tuple[float, float]:
    reach = special.ndtri((1 + level) / 2) * np.sqrt(variance)
    return float(special.ndtr(probit - reach)), float(special.ndtr(probit + reach))


def _interval_of_difference(probits: Floats, covariance: Floats, level: float) -> tuple[float, float]:
    """Quantiles of the difference of two areas whose probits are normal: over nodes of the second, exact in the first given it."""
    (variance, shared), (_, other) = covariance
    slope = shared / other if other > 0 else 0.0
    nodes = probits[1] + np.sqrt(other) * special.ndtri((np.arange(NODES) + 0.5) / NODES)
    mean, area, rest = probits[0] + slope * (nodes - probits[1]), special.ndtr(nodes), variance - slope * shared
    tails = ((1 - level) / 2, (1 + level) / 2)
    if rest <= 1e-12 * max(variance, other):  # one observer with itself
        low, high = np.quantile(special.ndtr(mean) - area, tails)
        return float(low), float(high)

    def below(difference: float, probability: float) -> float:
        return float(special.ndtr((special.ndtri(np.clip(difference + area, 0.0, 1.0)) - mean) / np.sqrt(rest)).mean()) - probability

    low, high = (optimize.brentq(below, -1.0, 1.0, args=(tail,), xtol=1e-9) for tail in tails)
    return float(low), float(high)


def _noncentrality(statistic: float, numerator: int, denominator: int, probability: float) -> float:
    """Noncentrality at which F is at most `statistic` with the given probability; 0 where no noncentrality gives that."""

    def excess(noncentrality: float) -> float:
        return float(special.ncfdtr(numerator, denominator, noncentrality, statistic)) - probability

    if stats.f.cdf(statistic, numerator, denominator) <= probability:
        return 0.0
    above = numerator * statistic + 1.0
    while excess(above) > 0:
        above *= 2
    return float(optimize.brentq(excess, 0.0, above, xtol=1e-10))


def _level(level: float) -> float:
    require(0 < level < 1, "level: must be between 0 and 1, for example 0.95")
    return level
