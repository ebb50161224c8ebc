"""Does subtracting a reference estimate an effect better than the query alone?"""

import numpy as np
from scipy.special import stdtrit

from theory.sweeps import estimand, generator, method


@generator("patients with references")
def patients(*, rng, n, rho, delta):
    """Query and reference of a patient, with correlation rho; half are diseased."""
    diseased = rng.random(n) < 0.5
    shared = rng.normal(0, np.sqrt(rho), n)
    query = shared + rng.normal(0, np.sqrt(1 - rho), n) + delta * diseased
    reference = shared + rng.normal(0, np.sqrt(1 - rho), n)
    return {"query": query, "reference": reference, "diseased": diseased}


@method("single")
def single(data):
    return welch(data["query"], data["diseased"])


@method("pair")
def pair(data):
    return welch(data["query"] - data["reference"], data["diseased"])


@estimand("effect")
def effect(*, delta):
    return delta


def welch(values, diseased):
    """The difference of two means with Welch's 95 % interval."""
    groups = values[diseased], values[~diseased]
    if min(map(len, groups)) < 2:
        raise ValueError("fewer than two patients of a class were drawn")
    shares = [group.var(ddof=1) / len(group) for group in groups]
    estimate, se = groups[0].mean() - groups[1].mean(), np.sqrt(sum(shares))
    pairs = zip(shares, groups, strict=True)
    parts = [share**2 / (len(group) - 1) for share, group in pairs]
    freedom = sum(shares) ** 2 / sum(parts)
    margin = stdtrit(freedom, 0.975) * se
    lower, upper = estimate - margin, estimate + margin
    return {"estimate": estimate, "se": se, "lower": lower, "upper": upper}
