"""What closed forms and raw simulation say of C1, from the rows of ``theory verify``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figures.claims.ledger import Verdict, not_tested
from paper_figures.claims.registry import LEVEL, MAIN_RHO, SIMULATED_RHO

if TYPE_CHECKING:
    import pandas as pd

STATEMENTS = ("T1", "T1b", "T2")
NO_ROWS = "no row of T1 compares the optimal rule with the single image; run 'see-in-pairs theory verify T1'"


@dataclass(frozen=True)
class SeparationPoint:
    """The optimal rule and the single image in the same population."""

    d: float  # separation of the classes on the single image
    rho: float
    optimal: dict[str, Any]  # row of ``theory verify``
    single: dict[str, Any]  # row of ``theory verify``

    def gain(self) -> tuple[float, float]:
        """Simulated error rate of the single image minus that of the optimal rule, and its MCSE."""
        mcse = float(np.hypot(self.optimal["mcse"], self.single["mcse"]))
        return self.single["simulated"] - self.optimal["simulated"], mcse

    def variance(self, error: float) -> float:
        r"""Variance of the score behind an error rate, :math:`v = (d / D)^2` with :math:`D = -2 \Phi^{-1}(error)`."""
        from scipy.special import ndtri

        return float((self.d / (-2 * ndtri(error))) ** 2)


def from_theory(rows: pd.DataFrame) -> dict[str, Verdict]:
    """Judge C1 by closed forms: all rows must agree, and the variance of the optimal comparison v(w*) be below 1.

    The estimate is v(w*) at the largest checked rho up to that of the arm named in advance; its interval is the raw simulation's.
    """
    used, points = rows[rows["statement"].isin(STATEMENTS)], comparable_points(rows)
    if not points:
        return {"C1": not_tested(NO_ROWS)}
    agree = int(used["agrees"].sum())
    shown = max(points, key=lambda point: (point.rho if point.rho <= MAIN_RHO else -1.0, -point.d))
    variance, simulated, mcse = shown.variance(shown.optimal["closed_form"]), shown.optimal["simulated"], shown.optimal["mcse"]
    low, high = (shown.variance(simulated - sign * 1.96 * mcse) for sign in (1, -1))
    numbers: dict[str, Any] = {
        "estimate": variance, "interval": (low, high), "unit": "v(w*), in units of the query's variance", "n": len(used),
        "mcse": (high - low) / (2 * 1.96), "test": "symbolic = closed form = raw simulation",
        "family": "all rows (bound on z of the family)",
    }  # fmt: skip
    if agree < len(used):
        reason = f"{len(used) - agree} of {len(used)} rows of {', '.join(STATEMENTS)} do not agree three ways"
        return {"C1": Verdict("inconclusive", reason, **numbers)}
    falls = sum(point.variance(point.optimal["closed_form"]) < 1 for point in points)
    reason = f"all {len(used)} rows agree; v(w*) = 1 - rho^2 is below 1 at {falls} of {len(points)} points (given: at rho {shown.rho:g})"
    return {"C1": Verdict("supported" if falls == len(points) else "contradicted", f"{reason}{_difference_rule(rows)}", **numbers)}


def from_simulation(rows: pd.DataFrame) -> dict[str, Verdict]:
    """Judge C1 by raw simulation alone: the optimal comparison must have the lower error wherever theory predicts a noticeable gain.

    The estimate is the gain with the smallest z.
    """
    from theory.numerics.gaussian import two_sided_bound

    points = [point for point in comparable_points(rows) if abs(point.rho) >= SIMULATED_RHO]
    if not points:
        return {"C1": not_tested(NO_ROWS)}
    bound = two_sided_bound(LEVEL, len(points))
    weakest = min(points, key=lambda point: point.gain()[0] / point.gain()[1])
    gain, mcse = weakest.gain()
    verdict = "supported" if gain / mcse > bound else "contradicted" if gain / mcse < -bound else "inconclusive"
    reason = f"fewer errors than the single image at {sum(point.gain()[0] > 0 for point in points)} of {len(points)} points; "
    reason += f"weakest at d {weakest.d:g}, rho {weakest.rho:g} (z {gain / mcse:.1f}, bound {bound:.1f})"
    interval = (gain - 1.96 * mcse, gain + 1.96 * mcse)
    test, family = "difference of simulated error rates", f"all points (Bonferroni over {len(points)})"
    return {"C1": Verdict(verdict, reason, gain, interval, mcse, "error rate", len(points), test, family)}


def comparable_points(rows: pd.DataFrame) -> list[SeparationPoint]:
    """Find the rows of T1 where the optimal rule can be compared with the single image: equal priors, rho other than 0."""
    errors: list[dict[str, Any]] = rows[(rows["statement"] == "T1") & (rows["quantity"] == "error")].to_dict("records")  # type: ignore[assignment]
    errors = [row for row in errors if row["params"].get("pi", 0.5) == 0.5]
    single = {row["params"]["d"]: row for row in errors if row["params"]["rule"] == "single"}  # it does not depend on rho
    optimal = [row for row in errors if row["params"]["rule"] == "optimal" and row["params"]["rho"] != 0]
    return [SeparationPoint(d, row["params"]["rho"], row, single[d]) for row in optimal if (d := row["params"]["d"]) in single]


def _difference_rule(rows: pd.DataFrame) -> str:
    """Add where the plain difference does harm, which the claim does not mention."""
    known = [params for params in rows.loc[rows["statement"] == "T1", "params"] if params.get("rule") == "difference"]
    harmful = sorted({params["rho"] for params in known if params["rho"] < 0.5})
    if not harmful:
        return ""
    checked = ", ".join(f"{rho:g}" for rho in harmful)
    return f"; the plain difference X_q - X_r raises the variance when rho is below 1/2 (checked at {checked})"
