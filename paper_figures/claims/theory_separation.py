"""Evidence of closed forms and raw simulation for C1, from the rows of ``theory verify``: separation and spread, which differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.claims.ledger import ClaimFinding, Verdict, criterion_of, not_tested
from paper_figures.claims.registry import MAIN_RHO

if TYPE_CHECKING:
    import pandas as pd

STATEMENTS = ("T1", "T1b", "T2")
D = 1.0
NO_ROWS = f"no rows of T1 at rho {MAIN_RHO:g} and d {D:g} to compare; run 'see-in-pairs theory verify T1'"
TEST = "symbolic = closed form = raw simulation"
Row = dict[str, Any]


def from_theory(rows: pd.DataFrame) -> dict[str, Verdict]:
    """Judge C1 by closed forms, whose rows must agree three ways; the simulation's interval is shown too."""
    return {"C1": _verdict(rows, "theory")}


def from_simulation(rows: pd.DataFrame) -> dict[str, Verdict]:
    """Judge C1 by raw simulation alone."""
    return {"C1": _verdict(rows, "simulation")}


def _verdict(rows: pd.DataFrame, source: str) -> Verdict:
    used = rows[rows["statement"].isin(STATEMENTS)]
    parts = {"separation": separation_rows(rows), "spread": spread_row(rows)}
    if any(part is None for part in parts.values()):
        return not_tested("C1", source, NO_ROWS)
    wrong = int((~used["agrees"]).sum())
    lacking = f"{wrong} of {len(used)} rows of {', '.join(STATEMENTS)} do not agree three ways" if wrong and source == "theory" else ""
    findings = []
    for name, (closed, simulated, mcse) in ((name, part) for name, part in parts.items() if part is not None):
        context = f"{name} by simulation {simulated:.3f} (MCSE {mcse:.4f})" if source == "theory" else ""
        findings.append(exact_or_simulated(source, closed, simulated, mcse, part=name, unit="ratio", context=context, lacking=lacking))
    harmful = _difference_rule(rows)
    if harmful and source == "theory":
        findings.append(ClaimFinding(role="shown", context=harmful))
    return Verdict("C1", source, criterion_of("C1", source), tuple(findings))


def exact_or_simulated(source: str, closed: float, simulated: float, mcse: float, **words: str) -> ClaimFinding:
    """A finding of theory, which is exact, or of simulation, with the normal interval of its Monte Carlo standard error.

    Both are of a difference or of a ratio (then `mcse` is that of the ratio).
    """
    if source == "theory":
        return ClaimFinding(estimate=closed, low=closed, high=closed, se=0.0, mcse=0.0, test=TEST, **words)  # type: ignore[arg-type]
    half = 1.959964 * mcse
    scale = mcse / simulated if words.get("unit") == "ratio" else mcse
    ends = {"estimate": simulated, "low": simulated - half, "high": simulated + half}
    return ClaimFinding(**ends, se=scale, mcse=mcse, test="raw simulation", **words)  # type: ignore[arg-type]


def separation_rows(rows: pd.DataFrame) -> tuple[float, float, float] | None:
    """The d_a of the optimal rule over that of the single image (T1): closed form, simulated, and the MCSE of the simulated ratio."""
    from scipy.special import ndtri
    from scipy.stats import norm

    single, optimal = (_row(rows, "auc", d=D, rule=rule, rho=rho) for rule, rho in (("single", None), ("optimal", MAIN_RHO)))
    if single is None or optimal is None:
        return None
    closed, simulated = (float(ndtri(optimal[name]) / ndtri(single[name])) for name in ("closed_form", "simulated"))
    parts = [row["mcse"] / (norm.pdf(ndtri(row["simulated"])) * ndtri(row["simulated"])) for row in (single, optimal)]
    return closed, simulated, simulated * float(np.hypot(*parts))


def spread_row(rows: pd.DataFrame) -> tuple[float, float, float] | None:
    """The standard deviation between patients of the single image over that of the optimal comparison (T1)."""
    found = _row(rows, "variance", rule="optimal", rho=MAIN_RHO)
    if found is None:
        return None
    closed, simulated = (float(found[name] ** -0.5) for name in ("closed_form", "simulated"))
    return closed, simulated, simulated * found["mcse"] / (2 * found["simulated"])


def _row(rows: pd.DataFrame, quantity: str, **values: object) -> Row | None:
    """The row of T1 with these parameters; a value of None is ignored (the single image does not depend on rho)."""
    wanted = {name: value for name, value in values.items() if value is not None}
    for row in rows[(rows["statement"] == "T1") & (rows["quantity"] == quantity)].to_dict("records"):
        if all(row["params"].get(name) == value for name, value in wanted.items()):
            return {str(name): value for name, value in row.items()}
    return None


def _difference_rule(rows: pd.DataFrame) -> str:
    """Say when the plain difference does harm, which the claim does not mention."""
    known = [params for params in rows.loc[rows["statement"] == "T1", "params"] if params.get("rule") == "difference"]
    harmful = sorted({params["rho"] for params in known if params["rho"] < 0.5})
    checked = ", ".join(f"{rho:g}" for rho in harmful)
    return f"the plain difference X_q - X_r raises the variance when rho is below 1/2 (checked at {checked})" if harmful else ""
