"""The cost of critical values: rules for an estimate whose variance has a part of few degrees of freedom, in an idealised normal model.

``python -m paper_figures.error_rates.critical_values DIR`` writes ``critical_values.csv``. Nothing is drawn: probabilities are integrals.

The model: an estimate is normal with variance A + c. Patients' part c is known. Trainings' part A is estimated by a mean square, of three
trainings that both arms share (2 degrees of freedom), or of three of each arm, whose mean squares add up (Welch). A is at least A0, which
patients alone explain and which is known. *ratio* is c / A0, *spread* A / A0, by arm.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from paper_figures.statistics.multireader.random_factors import critical_of, critical_square
from paper_figures.statistics.validation import Floats

if TYPE_CHECKING:
    import pandas as pd

LEVEL, SHIFT = 0.05, float(special.ndtri(0.975))
RATIOS, SPREADS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0), (1.0, 2.0, 5.0, 20.0, 100.0)
DESIGNS = {"shared": 1, "independent": 2}
"""Mean squares of two degrees of freedom: one of three trainings that both arms share, two where each arm has three of its own."""

NODES = {1: 4000, 2: 160}  # of each mean square: equally likely values; a finer grid moves sizes by less than .0005
OURS, MOST_POWERFUL = "ours", "most powerful test"
NAMES = {
    "Satterthwaite": r"Satterthwaite ($\lambda=0$)",
    OURS: r"ours ($\lambda=4/\nu^3$)",
    "harmonic": r"$\lambda=1/\nu$",
    "Banerjee": r"Banerjee's bound ($\lambda=1$)",
    "procedure": "Satterthwaite, with the floor of [`procedure`](#training-is-random-too) in its degrees of freedom",
    "Obuchowski-Rockette": "Obuchowski and Rockette's variance, without the floor, with Hillis's degrees of freedom",
    MOST_POWERFUL: "the most powerful test of size .05 at every spread (ratio 1)",
}


def mean_squares(spreads: tuple[float, ...]) -> Floats:
    """Equally likely values of the trainings' part of each group of arms, A0 being 1; shape (groups, M)."""
    number = NODES[len(spreads)]
    quantiles = -np.log1p(-(np.arange(number) + 0.5) / number)  # chi-squared with 2 degrees of freedom over 2: exponential
    values = [spread / len(spreads) * quantiles for spread in spreads]
    return np.stack([grid.ravel() for grid in np.meshgrid(*values, indexing="ij")])


def squared_bounds(rule: str, squares: Floats, patients: float) -> Floats:
    """Squared estimate from which a rule rejects, A0 being 1. Shapes: `squares` (groups, M); returns (M,)."""
    plain = squares.sum(axis=0)
    dfs = 2 * plain**2 / (squares**2).sum(axis=0)
    raised, many, known = np.maximum(plain, 1.0), np.full_like(plain, 1e9), np.full_like(plain, patients)
    if rule == "procedure":
        return np.asarray(critical_of(np.minimum((raised + known) ** 2 * dfs / raised**2, 1e9)) * (raised + known))
    if rule == "Obuchowski-Rockette":
        return np.asarray(critical_of(np.minimum((plain + known) ** 2 * dfs / plain**2, 1e9)) * (plain + known))
    used, rows = np.stack([raised, known]), np.stack([plain, known])
    at = lambda few: critical_square(rows, used, np.stack([dfs, many]), few, math.inf)
    if rule == OURS:
        return np.asarray(at(dfs) * used.sum(axis=0))
    share = {"Satterthwaite": np.zeros_like(dfs), "harmonic": 1 / dfs, "Banerjee": np.ones_like(dfs)}[rule]
    # the estimator's own function at lambda 0 and 1
    return np.asarray(((1 - share) * at(np.full_like(dfs, np.inf)) + share * at(np.ones_like(dfs))) * used.sum(axis=0))


def rejection(rule: str, spreads: tuple[float, ...], ratio: float, shift: float = 0.0) -> float:
    """Probability that a rule rejects if the estimate has an expectation of `shift` standard errors."""
    error = math.sqrt(sum(spreads) / len(spreads) + ratio)
    bound = np.sqrt(squared_bounds(rule, mean_squares(spreads), ratio)) / error
    return float((special.ndtr(shift - bound) + special.ndtr(-shift - bound)).mean())


def settings(groups: int) -> list[tuple[float, ...]]:
    """Spreads of the arms: equal, and for arms with their own trainings also one arm that varies and one that does not."""
    alike = [(spread,) * groups for spread in SPREADS]
    return alike if groups == 1 else alike + [(1.0, spread) for spread in SPREADS[1:]]


def most_power(degrees: int, cells: int = 90) -> float:
    """Power of the most powerful test at ratio 1 and spread 1 whose size is at most .05 at every spread from 1 to 300.

    A linear programme over tests of the estimate's size and of one mean square with these degrees of freedom: a probability to reject in
    every cell of a grid.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    sizes = np.concatenate([np.linspace(0, 12, cells), [14, 18, 24, 34, 50, np.inf]])  # of the estimate; A0 = c = 1
    edges = np.concatenate([[0.0], np.geomspace(0.02, 3000, cells), [np.inf]])  # of the mean square

    def law(spread: float, shift: float) -> Floats:
        error = math.sqrt(spread + 1)
        inside = np.diff(special.ndtr(sizes / error - shift)) + np.diff(special.ndtr(sizes / error + shift))
        return np.asarray(np.outer(inside, np.diff(special.chdtr(degrees, degrees * edges / spread))).ravel())

    spreads = np.geomspace(1, 300, 40)
    found = linprog(  # type: ignore[call-overload]  # the stubs know of no sparse matrix
        -law(1.0, SHIFT), A_ub=csr_array(np.stack([law(spread, 0.0) for spread in spreads])), b_ub=np.full(len(spreads), LEVEL),
        bounds=(0, 1), method="highs",
    )  # fmt: skip
    return -float(found.fun)


def rows() -> Iterator[dict[str, object]]:
    """Size of every rule at every ratio and spread, and its power at ratio 1 without variance between trainings."""
    for design, groups in DESIGNS.items():
        for rule in [name for name in NAMES if name != MOST_POWERFUL]:
            one: dict[str, object] = {"trainings": design, "rule": rule}
            for ratio in RATIOS:
                for spreads in settings(groups):
                    at = {"ratio": ratio, "spread": spreads[-1], "arms_alike": len(set(spreads)) == 1}
                    yield one | at | {"measure": "size", "value": rejection(rule, spreads, ratio)}
            power = rejection(rule, (1.0,) * groups, 1.0, SHIFT)
            yield one | {"ratio": 1.0, "spread": 1.0, "arms_alike": True, "measure": "power", "value": power}
        best = {"trainings": design, "rule": MOST_POWERFUL, "ratio": 1.0, "spread": 1.0, "arms_alike": True}
        yield best | {"measure": "power", "value": most_power(2 * groups)}  # arms that vary alike: their mean squares pool


def summary(table: pd.DataFrame) -> str:
    """The table of the statistics page: largest size and power of each rule, for trainings that both arms share or not."""
    head = " | ".join(f"{design} trainings: largest size | power" for design in DESIGNS)
    lines = [f"| critical value | {head} |", "|" + "---|" * 5]
    for rule, name in NAMES.items():
        cells = []
        for design in DESIGNS:
            here = table[(table["trainings"] == design) & (table["rule"] == rule)]
            sizes, power = (here.loc[here["measure"] == measure, "value"] for measure in ("size", "power"))
            cells += [f"{sizes.max():.3f}" if len(sizes) else f"{LEVEL:.3f}", f"{power.iloc[0]:.3f}"]
        lines.append(f"| {name} | " + " | ".join(cell.replace("0.", ".", 1) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def write(folder: Path) -> pd.DataFrame:
    """Write ``critical_values.csv``."""
    import pandas as pd

    from see_in_pairs.files import write_text

    table = pd.DataFrame(rows()).round({"value": 5})
    write_text(folder / "critical_values.csv", table.to_csv(index=False))
    return table


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("error: give the folder for critical_values.csv, for example docs/results/factors")
    sys.stdout.write(summary(write(Path(sys.argv[1]))))
