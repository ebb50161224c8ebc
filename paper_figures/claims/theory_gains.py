"""Evidence of closed forms and raw simulation for C3, C4 and C5, from the rows of ``theory verify``: learning curves, strategies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.claims.ledger import SHOWN, ClaimFinding, Verdict, criterion_of, not_tested
from paper_figures.claims.registry import FEW_CASES
from paper_figures.claims.theory_separation import exact_or_simulated

if TYPE_CHECKING:
    import pandas as pd

LEARNED = {"difference": "the built-in difference", "concat": "concatenation"}
STRATEGIES = ("demographic", "random", "embedding", "cross_center")
MISSING = "no rows of {} to compare; run 'see-in-pairs theory verify {}'"
Row = dict[str, Any]


@dataclass(frozen=True)
class Gain:
    """Gain of a pair over the single image at a checked point."""

    name: str
    closed_form: float
    simulated: float
    mcse: float  # Monte Carlo standard error of the simulated gain
    agrees: bool  # whether its rows agree three ways
    unit: str


def from_theory(rows: pd.DataFrame) -> dict[str, Verdict]:
    """Judge C3, C4 and C5 by closed forms, whose rows must agree three ways."""
    return _verdicts(rows, "theory")


def from_simulation(rows: pd.DataFrame) -> dict[str, Verdict]:
    """Judge C3, C4 and C5 by raw simulation alone."""
    return _verdicts(rows, "simulation")


def _verdicts(rows: pd.DataFrame, source: str) -> dict[str, Verdict]:
    table: list[Row] = rows.to_dict("records")  # type: ignore[assignment]
    curves, strategies = learned_gains(table), strategy_gains(table)
    few = [gain for gain, params in curves if params["cov"] == "pooled" and params["n_per_class"] <= FEW_CASES]
    rival = _rival(table)
    return {
        "C3": _verdict("C3", source, few, "T4"),
        "C4": _verdict("C4", source, strategies, "T7 T11", () if rival is None else (rival,)),
        "C5": _verdict("C5", source, [gain for gain, _ in curves], "T4"),
    }


def _verdict(claim: str, source: str, gains: Sequence[Gain], statements: str, beside: Sequence[ClaimFinding] = ()) -> Verdict:
    if not gains:
        return not_tested(claim, source, MISSING.format(statements.replace(" ", " and "), statements))
    findings = []
    for gain in gains:
        lacking = "its rows do not agree three ways" if source == "theory" and not gain.agrees else ""
        found = exact_or_simulated(source, gain.closed_form, gain.simulated, gain.mcse, part=gain.name, unit=gain.unit, lacking=lacking)
        findings.append(found)
    return Verdict(claim, source, criterion_of(claim, source), (*findings, *beside))


def _rival(table: Sequence[Row]) -> ClaimFinding | None:
    """The alternative explanation for a gain from random references; the controls of T11 separate it."""
    rival = _control(table, "mean", "random_cross_site")
    if rival is None:
        return None
    half = 1.96 * rival.mcse
    explanation = f"an observer who does not know the population's mean would gain {rival.closed_form:+.4f} from any reference"
    return ClaimFinding(role=SHOWN, context=f"{explanation} (T11; simulated {rival.simulated:+.4f} +- {half:.4f})")


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
    """List the gains of the observer who knows the population, with references of each of the `STRATEGIES` that has a row (T7, T11)."""
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
    """Gains in AUROC with a retrieved reference at its best weight, without embeddings that are the image itself (T7)."""
    from theory.numerics.gaussian import auc_of

    gains = []
    for row in table:
        params = row["params"]
        if (row["statement"], row["quantity"]) == ("T7", "auc") and params["rule"] == "optimal" and params.get("w") != 1:
            single = float(auc_of(params["delta"] / np.sqrt(params["A"] + params["E"])))
            closed, simulated = row["closed_form"] - single, row["simulated"] - single
            gains.append(Gain("embedding", closed, simulated, row["mcse"], bool(row["agrees"]), "AUROC"))
    return gains
