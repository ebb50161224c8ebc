"""The rule of the verdicts: from an estimate with its interval to supported, contradicted, inconclusive or not tested; and the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paper_figures.claims.registry import CLAIMS, LEVEL, NO_EXPERIMENT, RULE, SOURCES, Claim
from paper_figures.results.estimates import Estimate
from see_in_pairs.files import write_json

VERDICTS = ("supported", "contradicted", "inconclusive", "not tested")


@dataclass(frozen=True)
class Verdict:
    """What one source of evidence says of a claim.

    Parameters
    ----------
    verdict : str
        One of ``'supported'``, ``'contradicted'``, ``'inconclusive'`` and ``'not tested'``.
    reason : str
        Why it is so, in a line, with the numbers that a reader needs beside the estimate.
    estimate : float, optional
        The number the verdict rests on; None where nothing could be estimated.
    interval : tuple of (float, float), optional
        95 % interval of the estimate; an end is infinite where unbounded.
    mcse : float, optional
        Monte Carlo standard error, where the estimate comes from a simulation.
    unit : str
        What the estimate is measured in.
    n : int, optional
        Number of patients; of theory and simulation, the number of checked points.
    test : str
        How interval and p were found.
    family : str
        The tests that share a Holm correction with this one.
    p, p_holm : float, optional
        Two-sided p-value, as it is and adjusted over the family.
    """

    verdict: str
    reason: str
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    mcse: float | None = None
    unit: str = ""
    n: int | None = None
    test: str = ""
    family: str = ""
    p: float | None = None
    p_holm: float | None = None


@dataclass(frozen=True)
class ClaimFinding:
    """An estimate on its way to a verdict."""

    estimate: Estimate  # of a quantity that the claim says is above 0
    context: str = ""  # numbers that a reader needs beside it
    unless_above: str = ""  # why a value above 0 would not support the claim; ``''`` where it would
    unless_below: str = ""  # why a value below 0 would not contradict it


@dataclass(frozen=True)
class LedgerEntry:
    """A claim with its verdicts."""

    claim: Claim
    verdicts: Mapping[str, Verdict]  # one for each of `SOURCES`

    def to_dict(self) -> dict[str, Any]:
        """The entry as it stands in ``claims.json``."""
        return {
            "id": self.claim.id,
            "claim": self.claim.text,
            "source_of_claim": "from the abstracts, in our words",
            "criterion": self.claim.criteria,
            "rule": RULE,
            "verdicts": dict(self.verdicts),
        }


@dataclass(frozen=True)
class Ledger:
    """All claims with their verdicts, and the controls that say what a gain is due to.

    Parameters
    ----------
    entries : tuple of LedgerEntry
        Each claim with its verdicts, in the order of `CLAIMS`.
    controls : tuple of dict
        A row for each control, as in ``controls.json``: what is compared, the estimate with its interval and p-values, and what an ideal
        observer would show.
    """

    entries: tuple[LedgerEntry, ...]
    controls: tuple[dict[str, Any], ...] = ()

    def verdict(self, claim: str, source: str) -> Verdict:
        """Look up what one source of evidence says of a claim.

        Parameters
        ----------
        claim : str
            Id of the claim, such as ``'C1'``.
        source : str
            Source of evidence, one of `SOURCES`.

        Returns
        -------
        Verdict
            With its reason; ``'not tested'`` where the source does not speak to the claim.
        """
        return next(entry for entry in self.entries if entry.claim.id == claim).verdicts[source]

    def to_list(self) -> list[dict[str, Any]]:
        """List the claims as they stand in ``claims.json``.

        Returns
        -------
        list of dict
            For each claim ``id, claim, source_of_claim, criterion, rule`` and its ``verdicts`` by source.
        """
        return [entry.to_dict() for entry in self.entries]

    def save(self, out: Path) -> None:
        """Write ``claims.json`` and ``controls.json``.

        Parameters
        ----------
        out : Path
            Folder to write them into; what is there is replaced.
        """
        write_json(out / "claims.json", self.to_list())
        write_json(out / "controls.json", list(self.controls))


def judge(finding: ClaimFinding, p_holm: float, family: str) -> Verdict:
    """Turn a finding into a verdict by the rule that is written down in `RULE`.

    Examples
    --------
    >>> judge(ClaimFinding(Estimate(0.1, 0.05, 0.15, 0.001)), 0.002, "claims").verdict
    'supported'
    """
    found = finding.estimate
    if found.reason:
        return Verdict("inconclusive", found.reason, unit=found.unit, n=found.patients, test=found.test, family=family)
    above = found.value > 0
    obstacle = finding.unless_above if above else finding.unless_below
    if p_holm > LEVEL:
        verdict, reason = "inconclusive", f"not distinguishable from 0 (Holm-adjusted p {p_holm:.2g})"
    elif obstacle:
        verdict, reason = "inconclusive", obstacle
    else:
        verdict, reason = ("supported", "above 0") if above else ("contradicted", "below 0")
        reason += f" (Holm-adjusted p {p_holm:.2g})"
    reason = f"{reason}; {finding.context}" if finding.context else reason
    return Verdict(verdict, reason, found.value, found.interval, None, found.unit, found.patients, found.test, family, found.p, p_holm)


def judge_family(findings: Mapping[str, ClaimFinding | str], family: str) -> dict[str, Verdict]:
    """Judge the tests of a family together; what could not be tested counts as p = 1, so that the family stays as it was planned."""
    from paper_figures.statistics.multiplicity import holm

    names = list(findings)
    raw = [1.0 if isinstance(item := findings[name], str) or item.estimate.reason else item.estimate.p for name in names]
    adjusted = dict(zip(names, holm(raw, family).adjusted.tolist(), strict=True))
    label = f"{family} ({', '.join(names)}; Holm)"
    return {name: not_tested(item) if isinstance(item, str) else judge(item, adjusted[name], label) for name, item in findings.items()}


def not_tested(reason: str, estimate: Estimate | None = None) -> Verdict:
    """The verdict of a claim that was not tested, with the reason and, where there is one, an estimate that is not enough."""
    plain = Verdict("not tested", reason)
    if estimate is None or estimate.reason:
        return plain
    found = {
        "estimate": estimate.value,
        "interval": estimate.interval,
        "unit": estimate.unit,
        "n": estimate.patients,
        "test": estimate.test,
    }
    return replace(plain, p=estimate.p, **found)  # type: ignore[arg-type]


def assemble(verdicts: Mapping[str, Mapping[str, Verdict]], controls: Sequence[dict[str, Any]] = ()) -> Ledger:
    """Put verdicts (by source and claim) into a ledger; what no source spoke to is 'not tested', with the claim's own reason."""
    entries = [
        LedgerEntry(claim, {source: verdicts.get(source, {}).get(claim.id) or _silent(claim, source) for source in SOURCES})
        for claim in CLAIMS
    ]
    return Ledger(tuple(entries), tuple(controls))


def _silent(claim: Claim, source: str) -> Verdict:
    return not_tested(claim.silent.get(source) or claim.silent.get("") or NO_EXPERIMENT)
