"""What closed forms and raw simulation say of C3, C4 and C5, from the rows of ``theory verify``: learning curves, reference strategies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.claims.ledger import Verdict, not_tested
from paper_figures.claims.registry import FEW_CASES, LEVEL

if TYPE_CHECKING:
    import pandas as pd

LEARNED = {"difference": "the built-in difference", "concat": "concatenation"}
STRATEGIES = ("demographic", "random", "embedding", "cross_center")
MISSING = "no rows of {} to compare; run 'see-in-pairs theory verify {}'"
TEST = "symbolic = closed form = raw simulation"
Row = dict[str, Any]


@dataclass(frozen=True)
class Gain:
    """What a pair gains over the single image at a checked point."""

    name: str
    closed_form: float
    simulated: float
    mcse: float  # Monte Carlo standard error of the simulated gain
    agrees: bool  # whether the rows it comes from agree three ways
    unit: str

    @property
    def z(self) -> float:
        """The simulated gain in Monte Carlo standard errors."""
        return self.simulated / self.mcse if self.mcse > 0 else 0.0


def from_theory(rows: pd.DataFrame) -> dict[str, Verdict]:
    """Judge C3, C4 and C5 by closed forms; the estimate is the weakest gain, its interval the raw simulation's."""
    return _verdicts(rows, _by_closed_form)


def from_simulation(rows: pd.DataFrame) -> dict[str, Verdict]:
    """Judge C3, C4 and C5 by raw simulation alone; the estimate is the gain with the smallest z."""
    return _verdicts(rows, _by_simulation)


def _verdicts(rows: pd.DataFrame, judge: Callable[[list[Gain], bool], Verdict]) -> dict[str, Verdict]:
    table: list[Row] = rows.to_dict("records")  # type: ignore[assignment]
    curves, strategies = learned_gains(table), strategy_gains(table)
    few = [gain for gain, params in curves if params["cov"] == "pooled" and params["n_per_class"] <= FEW_CASES]
    complete = len(strategies) == len(STRATEGIES)
    return {
        "C3": judge(few, False) if few else not_tested(MISSING.format("T4", "T4")),
        "C4": _with_rival(judge(strategies, True), table) if complete else not_tested(MISSING.format("T7 and T11", "T7 T11")),
        "C5": judge([gain for gain, _ in curves], False) if curves else not_tested(MISSING.format("T4", "T4")),
    }


def _with_rival(verdict: Verdict, table: Sequence[Row]) -> Verdict:
    """Add the rival explanation by which random references may still help; the controls of T11 tell it apart."""
    rival = _control(table, "mean", "random_cross_site")
    if rival is None:
        return verdict
    half = 1.96 * rival.mcse
    explanation = f"an observer who does not know the population's mean would gain {rival.closed_form:+.4f} from any reference"
    return replace(verdict, reason=f"{verdict.reason}; {explanation} (T11; simulated {rival.simulated:+.4f} +- {half:.4f})")


def learned_gains(table: Sequence[Row]) -> list[tuple[Gain, Row]]:
    """Compare the trained pair with the single image trained on as many cases (T4); each gain with the parameters of the single's row."""
    errors = {_setting(row["params"], row["params"]["rep"]): row for row in table if (row["statement"], row["quantity"]) == ("T4", "error")}
    found = []
    for row in [row for row in errors.values() if row["params"]["rep"] == "single"]:
        for rep, words in LEARNED.items():
            pair = errors.get(_setting(row["params"], rep))
            if pair is not None:
                found.append((_less(f"{words} ({_where(row['params'])})", row, pair, "error rate"), row["params"]))
    return found


def _setting(params: Row, rep: str) -> tuple[Any, ...]:
    return (*(params[name] for name in ("p", "n_per_class", "Delta2", "rho", "cov")), rep)


def _where(params: Row) -> str:
    return f"p {params['p']:g}, n {params['n_per_class']:g} per class, rho {params['rho']:g}, covariance {params['cov']}"


def _less(name: str, one: Row, other: Row, unit: str) -> Gain:
    """Gain as a difference of two rows, which were simulated independently."""
    closed, simulated = (one[column] - other[column] for column in ("closed_form", "simulated"))
    return Gain(name, closed, simulated, float(np.hypot(one["mcse"], other["mcse"])), bool(one["agrees"] and other["agrees"]), unit)


def strategy_gains(table: Sequence[Row]) -> list[Gain]:
    """List what the observer who knows the population gains with references of each of the `STRATEGIES` that has a row (T7, T11)."""
    found = {
        "demographic": _control(table, "matched", "matched_same_site"),
        "random": _control(table, "matched", "random_same_site"),
        "embedding": min(_retrieved(table), key=lambda gain: gain.closed_form, default=None),
        "cross_center": _control(table, "site", "random_cross_site"),
    }
    return [replace(gain, name=name) for name, gain in found.items() if gain is not None]


def _control(table: Sequence[Row], model: str, control: str) -> Gain | None:
    """Gain in accuracy that a model of T11 predicts for a control experiment."""
    for row in table:
        params = row["params"]
        if (row["statement"], row["quantity"]) == ("T11", "gain") and (params["model"], params["control"]) == (model, control):
            return Gain(control, row["closed_form"], row["simulated"], row["mcse"], bool(row["agrees"]), "error rate")
    return None


def _retrieved(table: Sequence[Row]) -> list[Gain]:
    """Gains in AUROC with a retrieved reference at its best weight, embeddings that are the image itself left out (T7)."""
    from theory.numerics.gaussian import auc_of

    gains = []
    for row in table:
        params = row["params"]
        if (row["statement"], row["quantity"]) == ("T7", "auc") and params["rule"] == "optimal" and params.get("w") != 1:
            single = float(auc_of(params["delta"] / np.sqrt(params["A"] + params["E"])))
            closed, simulated = row["closed_form"] - single, row["simulated"] - single
            gains.append(Gain("embedding", closed, simulated, row["mcse"], bool(row["agrees"]), "AUC"))
    return gains


def _by_closed_form(gains: list[Gain], one_fails_all: bool) -> Verdict:
    """Judge by the criterion in the registry.

    A claim of every strategy is contradicted by one that fails (`one_fails_all`); a claim of pairs is inconclusive where representations
    differ.
    """
    weakest = min(gains, key=lambda gain: gain.closed_form)
    half = 1.96 * weakest.mcse
    numbers: Row = {
        "estimate": weakest.closed_form, "interval": (weakest.simulated - half, weakest.simulated + half), "mcse": weakest.mcse,
        "unit": weakest.unit, "n": len(gains), "test": TEST, "family": "all rows (bound on z of the family)",
    }  # fmt: skip
    wrong = [gain.name for gain in gains if not gain.agrees]
    if wrong:
        return Verdict("inconclusive", f"rows do not agree three ways: {', '.join(wrong)}", **numbers)
    up, none = [gain for gain in gains if gain.closed_form > 0], [gain for gain in gains if gain.closed_form <= 0]
    if not none:
        return Verdict("supported", f"a gain at all {len(gains)} points; weakest: {_named(weakest)}", **numbers)
    verdict = "contradicted" if one_fails_all or not up else "inconclusive"
    return Verdict(verdict, f"a gain at {len(up)} of {len(gains)} points; none: {'; '.join(map(_named, none))}", **numbers)


def _named(gain: Gain) -> str:
    return f"{gain.name} {gain.closed_form:+.4f}"


def _by_simulation(gains: list[Gain], one_fails_all: bool) -> Verdict:
    from theory.numerics.gaussian import two_sided_bound

    bound, weakest = two_sided_bound(LEVEL, len(gains)), min(gains, key=lambda gain: gain.z)
    half = 1.96 * weakest.mcse
    up, down = [gain for gain in gains if gain.z > bound], [gain for gain in gains if gain.z < -bound]
    fails = bool(down) if one_fails_all else len(down) == len(gains)
    verdict = "supported" if len(up) == len(gains) else "contradicted" if fails else "inconclusive"
    reason = f"a gain at {len(up)} of {len(gains)} points, a loss at {len(down)} (bound on z {bound:.1f}); weakest: {weakest.name} "
    return Verdict(
        verdict, reason + f"{weakest.simulated:+.4f} (z {weakest.z:.1f})", weakest.simulated,
        (weakest.simulated - half, weakest.simulated + half), weakest.mcse, weakest.unit, len(gains),
        "raw simulation", f"all points (Bonferroni over {len(gains)})",
    )  # fmt: skip
