r"""Ideal observers of questions with K answers: which finding, where, of which grade, with and without a healthy reference.

A hypothesis h says which signals a query shows, with what weights :math:`a_h`; an answer is a set of hypotheses. With the signals S (rows)
and the covariance R of what the observer sees (the query, or the query minus its prediction from the reference), the scores
:math:`t=SR^{-1}y` are sufficient, :math:`\log p(y\mid h)=a_h^\top t-\frac12a_h^\top Ga_h` up to a constant with
:math:`G=SR^{-1}S^\top`, and :math:`t\sim N(Ga_h,G)`. So scores are drawn in place of images, jointly for all observers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtr

from see_in_pairs.roc import placements
from theory.models.ideal_observers import RULES, score_covariance
from theory.numerics.montecarlo import MonteCarloEstimate, covariance_root
from theory.numerics.validation import Floats, finite, require, whole

MEASURES = ("accuracy", "macro_auroc", "grade_error")
CHUNK = 2**22  # numbers in the largest array of a step: 32 MiB


@dataclass(frozen=True)
class Scores:
    """Joint normal law of the scores of the observers `RULES`, who see the query, the difference, or query and reference."""

    grams: Floats  # (3, B, B): covariance of the scores of each observer, and their means per unit of weight
    joint: Floats  # (3 B, 3 B): covariance of all scores

    @classmethod
    def of(cls, signals: Floats, covariance: Floats, cross_covariance: Floats) -> Scores:
        """Law of the scores of images (P,) with covariance (P, P) and cross-covariance (P, P) of query and reference; signals (B, P)."""
        return cls(*score_covariance(finite(signals, "signals"), covariance, cross_covariance, None))

    @classmethod
    def proportional(cls, gram: Floats, rho: float) -> Scores:
        """The same from the single image's G (B, B) alone, if the cross-covariance is rho times the covariance (T1b)."""
        require(-1 < rho < 1, f"rho: must be between -1 and 1, not {rho:g}")
        difference, joint = gram / (2 * (1 - rho)), gram / (1 - rho**2)
        return cls(
            np.stack([gram, difference, joint]),
            np.block([[gram, gram / 2, gram], [gram / 2, difference, difference], [gram, difference, joint]]),
        )


@dataclass(frozen=True)
class ClosedQuestion:
    """A question about what a query shows, and what the observer knows beside the images."""

    weights: Floats  # (H, B): of the signals under each hypothesis
    prior: Floats  # (H,): of those that are asked about
    answers: np.ndarray  # (H,): number of the answer, from 0
    known: np.ndarray | None = None  # (H,): the observer knows in which group the truth is, for example at which place
    ordered: bool = False  # answers are grades; then the expected grade is judged too


@dataclass(frozen=True)
class Performance:
    """What one observer reaches in one measure, and its gain over the single image on the same patients."""

    observer: str  # one of `RULES`
    measure: str  # one of `MEASURES`
    value: MonteCarloEstimate
    gain: MonteCarloEstimate  # value minus that of the single image


def log_likelihoods(scores: Floats, weights: Floats, gram: Floats) -> Floats:
    """Log-likelihood of each hypothesis (n, H) from scores (n, B), up to a constant of the image; weights (H, B), gram (B, B)."""
    return scores @ weights.T - np.einsum("hb,bc,hc->h", weights, gram, weights) / 2


def answer_question(
    question: ClosedQuestion, scores: Scores, *, replicates: int = 80_000, seed: int | np.random.Generator = 0
) -> list[Performance]:
    """Find how well the ideal observers answer: exactly for one hypothesis against another, else from so many simulated patients.

    Measures: accuracy of the most probable answer; mean over answers of the AUROC of its probability, one against the rest; for grades the
    root mean squared error of the expected grade (numbers from 0), of which less is better. Exact values have an MCSE of 0.
    """
    number = int(whole(replicates, "replicates", 2))
    prior = finite(question.prior, "prior")
    require(bool((prior > 0).all()) and len(prior) == len(question.weights), "prior: must be above 0, one for each hypothesis")
    answers = np.asarray(question.answers)
    require(set(answers) == set(range(answers.max() + 1)) and answers.max() > 0, "answers: must be numbered from 0, two or more")
    if len(answers) == 2 and question.known is None and not question.ordered:
        return _two_hypotheses(question, scores)
    rng = np.random.default_rng(seed)
    truth = rng.choice(len(prior), size=number, p=prior / prior.sum())
    posteriors = _log_posteriors(question, scores, truth, rng)
    right: list[tuple[str, Floats, Floats]] = []  # measure, values (3,), and influence of each patient on them (3, n)
    label = answers[truth]
    hit = (posteriors.argmax(axis=2) == label).astype(np.float64)
    right.append(("accuracy", hit.mean(axis=1), hit - hit.mean(axis=1, keepdims=True)))
    areas = [_macro_auroc(table, label) for table in posteriors]
    right.append(("macro_auroc", np.array([value for value, _ in areas]), np.stack([influence for _, influence in areas])))
    if question.ordered:
        expected = np.exp(posteriors) @ np.arange(answers.max() + 1)
        squares = (expected - label) ** 2
        error = np.sqrt(squares.mean(axis=1, keepdims=True))
        right.append(("grade_error", error[:, 0], (squares - error**2) / (2 * error)))

    def estimate(value: float, influence: Floats) -> MonteCarloEstimate:
        return MonteCarloEstimate(float(value), float(influence.std() / np.sqrt(number)), number)

    return [
        Performance(rule, measure, estimate(value[i], influence[i]), estimate(value[i] - value[0], influence[i] - influence[0]))
        for measure, value, influence in right
        for i, rule in enumerate(RULES)
    ]


def _two_hypotheses(question: ClosedQuestion, scores: Scores) -> list[Performance]:
    """Closed forms for one hypothesis against another (T1): the separation decides, and the odds move the threshold."""
    apart = question.weights[1] - question.weights[0]
    separation = np.sqrt(np.einsum("b,kbc,c->k", apart, scores.grams, apart))
    share = question.prior / question.prior.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        move = np.nan_to_num(np.log(share[0] / share[1]) / separation, nan=0.0)
    accuracy = share[0] * ndtr(separation / 2 + move) + share[1] * ndtr(separation / 2 - move)
    table = {"accuracy": accuracy, "macro_auroc": ndtr(separation / np.sqrt(2))}
    return [
        Performance(rule, measure, MonteCarloEstimate(float(values[i]), 0.0, 1), MonteCarloEstimate(float(values[i] - values[0]), 0.0, 1))
        for measure, values in table.items()
        for i, rule in enumerate(RULES)
    ]


def _log_posteriors(question: ClosedQuestion, scores: Scores, truth: np.ndarray, rng: np.random.Generator) -> Floats:
    """Log-probability of each answer by each observer, (3, patients, K)."""
    root, size = covariance_root(scores.joint), scores.grams.shape[1]
    answers, log_prior = np.asarray(question.answers), np.log(question.prior)
    of_answer = (answers[:, None] == np.arange(answers.max() + 1)).astype(np.float64)
    parts = []
    for part in np.array_split(truth, max(1, len(truth) * max(len(root), len(answers)) // CHUNK)):
        noise = (rng.standard_normal((len(part), len(root))) @ root.T).reshape(len(part), 3, size)
        observers = []
        for i, gram in enumerate(scores.grams):
            logs = log_likelihoods(noise[:, i] + question.weights[part] @ gram, question.weights, gram) + log_prior
            if question.known is not None:
                logs = np.where(question.known[part][:, None] == question.known, logs, -np.inf)
            likelihood = np.exp(logs - logs.max(axis=1, keepdims=True)) @ of_answer
            by_answer = np.log(np.maximum(likelihood, np.finfo(float).tiny))  # an answer that cannot be keeps finite odds
            observers.append(by_answer - logsumexp(by_answer, axis=1, keepdims=True))
        parts.append(np.stack(observers))
    return np.concatenate(parts, axis=1)


def _macro_auroc(log_posterior: Floats, label: np.ndarray) -> tuple[float, Floats]:
    """Mean over answers of the AUROC of the answer's probability, one against the rest, and each patient's influence on it (n,)."""
    count = log_posterior.shape[1]
    influence, total = np.zeros(len(label)), 0.0
    for k in range(count):
        # log-odds, since a probability rounds to 1 long before its odds do
        odds = log_posterior[:, k] - logsumexp(np.delete(log_posterior, k, axis=1), axis=1)
        positive = label == k
        require(bool(positive.any()) and not bool(positive.all()), "replicates: an answer was never true; simulate more patients")
        placed = placements(odds, positive)
        area = float(placed[positive].mean())
        total += area / count
        share = np.where(positive, positive.mean(), 1 - positive.mean())
        influence += (placed - area) / share / count
    return total, influence


def grouped(
    weights: Floats, prior: Floats, answers: Sequence[int], known: Sequence[int | None]
) -> tuple[Floats, Floats, np.ndarray, np.ndarray]:
    """Spread hypotheses without a group (healthy images have no place) over the groups by their frequency: arrays of a `ClosedQuestion`."""
    groups = sorted({group for group in known if group is not None})
    frequency = {g: sum(p for p, group in zip(prior, known, strict=True) if group == g) for g in groups}
    whole_share = sum(frequency.values())
    rows = [
        (row, p if group is not None else p * frequency[g] / whole_share, answer, g)
        for row, p, answer, group in zip(weights, prior, answers, known, strict=True)
        for g in ([group] if group is not None else groups)
    ]
    columns = list(zip(*rows, strict=True))
    return np.stack(columns[0]), np.array(columns[1]), np.array(columns[2]), np.array(columns[3])
