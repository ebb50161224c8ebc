"""The rule of the verdicts: from findings to supported, contradicted, inconclusive or not tested; `Ledger` contains them.

A verdict is never entered: `Verdict` computes it from its findings and the criterion, and a file with another verdict is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figures.claims.registry import (
    CLAIMS,
    EACH,
    LEVEL,
    NO_EXPERIMENT,
    RULE,
    SOURCES,
    TUNED,
    UNANIMOUS,
    VERSION,
    Claim,
    Criterion,
    amendments,
    registry_hash,
)
from paper_figures.number_format import short, with_interval
from paper_figures.results.estimates import Estimate
from paper_figures.statistics.multiplicity import holm
from see_in_pairs.display import html_frame, plural
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json, read_table, to_json, write_json, write_text

if TYPE_CHECKING:
    import pandas as pd

VERDICTS = ("supported", "contradicted", "inconclusive", "not tested")
GAIN, OVER_DUPLICATE, SHOWN = "gain", "over duplicate", "shown"
"""Roles of findings: judged; pair minus duplicate, which support needs too; shown but not judged."""
TABLE = "claims.csv"


@dataclass(frozen=True)
class ClaimFinding:
    """One estimate for a verdict, with everything that the rule uses.

    Parameters
    ----------
    part : str
        Part of the claim that it is about; ``''`` if there is only one.
    role : str
        ``'gain'`` (judged), ``'over duplicate'`` (support needs it too) or ``'shown'`` (shown, not judged).
    estimate, low, high : float
        The estimate with its 95 % interval; for a closed form all three are equal.
    se, df : float
        Standard error and degrees of freedom of its t distribution, on the scale of `estimate` (of ratios: of its logarithm); infinite
        if the interval is normal.
    mcse : float
        Monte Carlo standard error of a simulation; NaN otherwise.
    trainings, patients : int, optional
        The smallest number of trainings of a trained arm, and the number of patients; 0 if there are none.
    references : float
        Effective number of shared references, by how evenly they are used; NaN if none is shared.
    unit, test : str
        Its unit, and the method of the interval.
    context : str
        Further numbers for the reader.
    lacking : str
        Why it cannot be judged; ``''`` if it can.
    """

    part: str = ""
    role: str = GAIN
    estimate: float = math.nan
    low: float = math.nan
    high: float = math.nan
    se: float = math.nan
    df: float = math.inf
    mcse: float = math.nan
    trainings: int = 0
    patients: int = 0
    references: float = math.nan
    unit: str = ""
    test: str = ""
    context: str = ""
    lacking: str = ""

    @classmethod
    def of(cls, found: Estimate, *, part: str = "", role: str = GAIN, context: str = "", lacking: str = "") -> ClaimFinding:
        """Convert an estimate; it is lacking if it has no number or its design is not admissible."""
        return cls(
            part, role, found.value, found.low, found.high, found.se, found.df, math.nan, found.trainings, found.patients,
            found.references, found.unit, found.test, context, lacking or found.reason or found.inadmissible,
        )  # fmt: skip

    @property
    def known(self) -> bool:
        """Whether there is a number."""
        return self.estimate == self.estimate

    def __str__(self) -> str:
        return with_interval(self.estimate, self.low, self.high, 3) if self.known else "no estimate"

    def p_below(self, bound: float, ratio: bool) -> float:
        """One-sided p-value of the hypothesis that the effect is at least a bound."""
        from scipy.special import stdtr

        distance = math.log(self.estimate / bound) if ratio else self.estimate - bound
        if not self.se > 0:
            return float(distance >= 0)
        return float(stdtr(self.df if math.isfinite(self.df) else 1e12, distance / self.se))


@dataclass(frozen=True, repr=False)
class Verdict:
    """The verdict of one source of evidence on a claim: computed from its findings by the rule, never set.

    Parameters
    ----------
    claim, source : str
        Id of the claim, and the source of evidence.
    criterion : Criterion, optional
        The criterion; None if the source cannot test the claim.
    findings : tuple of ClaimFinding
        The estimates; those of the role ``'gain'`` are judged.
    lacking : str
        Why nothing could be judged, if no finding says so.
    """

    claim: str
    source: str
    criterion: Criterion | None
    findings: tuple[ClaimFinding, ...] = ()
    lacking: str = ""

    @cached_property
    def _decision(self) -> tuple[str, str]:
        return decide(self.criterion, self.findings, self.lacking)

    @property
    def verdict(self) -> str:
        """One of ``'supported'``, ``'contradicted'``, ``'inconclusive'`` and ``'not tested'``."""
        return self._decision[0]

    @property
    def reason(self) -> str:
        """The reason, in one line, with further numbers for the reader."""
        return self._decision[1]

    @property
    def main(self) -> ClaimFinding | None:
        """The finding whose number represents the verdict: the smallest gain; None if nothing was estimated."""
        known = [one for one in self.findings if one.role == GAIN and one.known]
        return min(known, key=lambda one: one.estimate) if known else None

    def __repr__(self) -> str:
        return f"{self.claim} ({self.source}): {one_line(self)}"

    def to_frame(self) -> pd.DataFrame:
        """Return the verdict as a table.

        Returns
        -------
        pandas.DataFrame
            One row; the estimate is that of the smallest gain, NaN if nothing was estimated.
        """
        import pandas as pd

        main = self.main or ClaimFinding()
        row = {"claim": self.claim, "source": self.source, "verdict": self.verdict, "estimate": main.estimate, "low": main.low}
        row |= {"high": main.high, "unit": main.unit, "margin": self.criterion.margin if self.criterion else math.nan}
        return pd.DataFrame([{**row, "trainings": main.trainings, "patients": main.patients, "reason": self.reason}])

    def to_dict(self) -> dict[str, Any]:
        """The verdict as in ``claims.json``."""
        main, rule = self.main, self.criterion
        found: dict[str, Any] = {"verdict": self.verdict, "reason": self.reason, "lacking": self.lacking}
        found |= {"margin": rule and rule.margin, "null": rule and rule.null, "unit": rule.unit if rule else ""}
        if main is None:
            empty = dict.fromkeys(("estimate", "interval", "mcse", "n", "trainings", "patients", "references"))
            return found | empty | {"test": "", "findings": [_plain(one) for one in self.findings]}
        return found | {
            "estimate": main.estimate, "interval": [main.low, main.high], "mcse": _none(main.mcse), "n": main.patients or None,
            "trainings": main.trainings, "patients": main.patients or None, "references": _none(main.references), "test": main.test,
            "findings": [_plain(one) for one in self.findings],
        }  # fmt: skip


def decide(criterion: Criterion | None, findings: Sequence[ClaimFinding], lacking: str = "") -> tuple[str, str]:
    """Apply `RULE`; returns the verdict and the reason.

    Examples
    --------
    >>> criterion = CLAIMS[1].criteria["phantom"]
    >>> gain, over = (ClaimFinding(role=role, estimate=0.06, low=0.03, high=0.09) for role in (GAIN, OVER_DUPLICATE))
    >>> decide(criterion, [gain, over])[0]
    'supported'
    """
    gains = [one for one in findings if one.role == GAIN]
    said = [*gains, *(one for one in findings if one.role == SHOWN)]
    if criterion is None or lacking or not gains:
        return "not tested", _with_numbers(lacking or NO_EXPERIMENT, said)
    if why := _what_is_lacking(criterion, gains, [one for one in findings if one.role == OVER_DUPLICATE]):
        return "not tested", _with_numbers(why, said)
    below = _below(criterion, gains, criterion.margin)
    if below and (criterion.join == EACH or len(below) == len(gains)):
        harm = _below(criterion, gains, criterion.null)
        words = f"{'harm' if harm else 'no gain worth having'}: the interval lies below the margin of {criterion.margin:g}"
        return "contradicted", _with_numbers(words, said, [*harm, *(one for one in below if one not in harm)])
    above = [one for one in gains if one.low > criterion.null and one.high >= criterion.margin]
    if len(above) == len(gains):
        over = {one.part: one for one in findings if one.role == OVER_DUPLICATE}
        short_of = [one for one in over.values() if not one.low > criterion.null] if criterion.over_duplicate else []
        if not short_of:
            beside = f", and above duplicate by {next(iter(over.values()))}" if over and criterion.over_duplicate else ""
            return "supported", _with_numbers(f"the interval lies above {criterion.null:g}{beside}", said)
        return "inconclusive", _with_numbers(f"above the single image, but not above duplicate: {short_of[0]}", said)
    open_ones = [one for one in gains if one not in above]
    words = f"the interval holds both {criterion.null:g} and gains worth having"
    if below:
        words = "the parts do not agree"
    elif any(one.high < criterion.margin for one in gains):
        words = "a part lies below the margin, but not after Holm's correction over the parts"
    return "inconclusive", _with_numbers(words, said, open_ones)


def _what_is_lacking(criterion: Criterion, gains: Sequence[ClaimFinding], over: Sequence[ClaimFinding]) -> str:
    """Why nothing is judged: a missing part, number, trainings or pair minus duplicate; '' if nothing is missing."""
    if missing := [part for part in criterion.parts if part not in {one.part for one in gains}]:
        return f"no result for {', '.join(part.replace('_', ' ') for part in missing)}"
    needed = [*gains, *(over if criterion.over_duplicate else ())]
    for one in needed:
        if one.lacking or not one.known:
            which = " ".join(word for word in (one.part.replace("_", " "), "pair minus duplicate" if one.role != GAIN else "") if word)
            return f"{which}: {one.lacking}" if which else one.lacking or "no estimate"
    fewest = min(one.trainings for one in needed)
    if fewest < criterion.trainings:
        models = "one model" if fewest == 1 else f"{fewest} models"
        return f"{models} an arm: at least {criterion.trainings} trainings are needed to speak of the procedure that made them"
    if criterion.over_duplicate and (bare := {one.part for one in gains} - {one.part for one in over}):
        return f"no arm 'duplicate' to compare with{' for ' + ', '.join(sorted(bare)) if bare != {''} else ''}"
    return ""


def _below(criterion: Criterion, gains: Sequence[ClaimFinding], bound: float) -> list[ClaimFinding]:
    """The parts below a bound; if one of several is enough to contradict, with Holm's correction over them."""
    below = [one for one in gains if one.high < bound]
    if criterion.join == UNANIMOUS or len(gains) == 1 or not below:
        return below
    p = [2 * one.p_below(bound, criterion.null == 1) for one in gains]
    adjusted = holm([min(1.0, one) for one in p]).adjusted.tolist()
    return [one for one, value in zip(gains, adjusted, strict=True) if one in below and value <= LEVEL]


def _with_numbers(words: str, said: Sequence[ClaimFinding], named: Sequence[ClaimFinding] = ()) -> str:
    """Add the numbers of the parts, the deciding ones first, then the ones that are only shown."""
    shown = [*named, *(one for one in said if one not in named)]
    parts = [f"{one.part.replace('_', ' ')} {one}" for one in shown if one.part and one.known]
    context = dict.fromkeys(one.context for one in shown if one.context)
    return "; ".join([words, *([", ".join(parts)] if parts else []), *context])


def _plain(one: ClaimFinding) -> dict[str, Any]:
    return {key: _none(value) if isinstance(value, float) else value for key, value in asdict(one).items()}


def _none(value: float) -> float | None:
    return None if math.isnan(value) else value


@dataclass(frozen=True, repr=False)
class LedgerEntry:
    """A claim with its verdicts."""

    claim: Claim
    verdicts: Mapping[str, Verdict]  # one for each of `SOURCES`

    def to_dict(self) -> dict[str, Any]:
        """The entry as in ``claims.json``."""
        return {
            "id": self.claim.id,
            "claim": self.claim.text,
            "source_of_claim": "from the abstracts, in our words",
            "criterion": {source: one.words for source, one in self.claim.criteria.items()},
            "rule": RULE,
            "registry": {"version": VERSION, "hash": registry_hash(), "tuned": TUNED, "amendments": amendments(self.claim.id)},
            "verdicts": {source: verdict.to_dict() for source, verdict in self.verdicts.items()},
        }


@dataclass(frozen=True)
class Ledger:
    """All claims with their verdicts, and the controls that tell the cause of a gain.

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

    def __repr__(self) -> str:
        table = self.to_frame().pivot(index="claim", columns="source", values="verdict")[list(SOURCES)]
        return f"Verdicts on {plural(len(self.entries), 'claim')}\n{table.rename_axis(None, axis='columns').to_string()}"

    def _repr_html_(self) -> str:
        columns = ["claim", "source", "verdict", "estimate", "low", "high", "unit", "reason"]
        return html_frame(f"Verdicts on {plural(len(self.entries), 'claim')}", self.to_frame()[columns])

    def to_frame(self) -> pd.DataFrame:
        """Tabulate the verdicts.

        Returns
        -------
        pandas.DataFrame
            One row per claim and source of evidence: ``claim, source, verdict, estimate, low, high, unit, margin, trainings, patients,
            reason``.
        """
        import pandas as pd

        return pd.concat([found.to_frame() for entry in self.entries for found in entry.verdicts.values()], ignore_index=True)

    def verdict(self, claim: str, source: str) -> Verdict:
        """Look up the verdict of one source of evidence on a claim.

        Parameters
        ----------
        claim : str
            Id of the claim, for example ``'C1'``.
        source : str
            Source of evidence, one of `SOURCES`.

        Returns
        -------
        Verdict
            With its reason; ``'not tested'`` if the source does not test the claim.
        """
        return next(entry for entry in self.entries if entry.claim.id == claim).verdicts[source]

    def to_list(self) -> list[dict[str, Any]]:
        """List the claims as in ``claims.json``.

        Returns
        -------
        list of dict
            For each claim ``id, claim, source_of_claim, criterion, rule, registry`` and its ``verdicts`` by source.
        """
        return [entry.to_dict() for entry in self.entries]

    def save(self, out: Path | str) -> None:
        """Write ``claims.json``, ``claims.csv`` (every finding, from which the verdicts follow) and ``controls.json``.

        Parameters
        ----------
        out : Path or str
            Folder to write them into; existing files are replaced.
        """
        folder = Path(out)
        write_json(folder / "claims.json", self.to_list())
        write_text(folder / TABLE, findings_csv(self))
        write_json(folder / "controls.json", list(self.controls))


def findings_csv(ledger: Ledger) -> str:
    """Every finding as CSV, a row each, with its verdict."""
    import pandas as pd

    rows = [
        {
            "claim": entry.claim.id, "source": source, "verdict": verdict.verdict, "margin": verdict.criterion and verdict.criterion.margin,
            "null": verdict.criterion and verdict.criterion.null, **asdict(finding), "because": verdict.lacking,
        }
        for entry in ledger.entries
        for source, verdict in entry.verdicts.items()
        for finding in verdict.findings or (ClaimFinding(role=SHOWN),)
    ]  # fmt: skip
    return pd.DataFrame(rows).to_csv(index=False)  # all digits: a verdict can depend on the last


def read_verdicts(path: Path) -> dict[tuple[str, str], tuple[Verdict, str]]:
    """Judge the content of a ``claims.csv`` again: by claim and source, the verdict that follows from its findings and the recorded one."""
    table = read_table(path, as_text=True).fillna("")
    texts = {"part", "role", "unit", "test", "context", "lacking"}
    names = [one.name for one in fields(ClaimFinding)]
    if lost := [name for name in ("claim", "source", "verdict", "because", *names) if name not in table.columns]:
        raise InputError(f"{path}: lacks the column(s) {', '.join(lost)}; write it with 'see-in-pairs claims'")
    known = {claim.id: claim for claim in CLAIMS}
    found: dict[tuple[str, str], tuple[Verdict, str]] = {}
    for (claim, source), rows in table.groupby(["claim", "source"], sort=False):
        findings = tuple(
            ClaimFinding(**{name: str(row[name]) if name in texts else _number(row[name], name, path) for name in names})  # type: ignore[arg-type]
            for row in rows.to_dict("records")
        )
        if claim not in known or source not in SOURCES:
            raise InputError(f"{path}: no claim '{claim}' with evidence '{source}' in this version's registry")
        criterion = known[claim].criteria.get(source)
        verdict = Verdict(str(claim), str(source), criterion, findings, str(rows["because"].iloc[0]))
        found[str(claim), str(source)] = verdict, str(rows["verdict"].iloc[0])
    return found


def _number(text: object, name: str, path: Path) -> float | int:
    try:
        value = float(str(text)) if str(text) else math.nan
    except ValueError:
        raise InputError(f"{path}: column '{name}' contains '{text}', which is not a number") from None
    return (0 if math.isnan(value) else int(value)) if name in ("trainings", "patients") else value


def check_claims(path: Path) -> list[dict[str, Any]]:
    """Read ``claims.json`` and refuse a verdict, or a number beside it, that does not follow by the rule from the findings."""
    content, anew = read_json(path), "write it again with 'see-in-pairs claims'"
    try:
        for entry in content:
            claim = next(one for one in CLAIMS if one.id == entry["id"])
            current = entry["registry"]["hash"] == registry_hash()
            for source in SOURCES:
                said = entry["verdicts"][source]
                findings = tuple(_read_finding(one) for one in said["findings"])
                verdict = Verdict(claim.id, source, claim.criteria.get(source), findings, said["lacking"])
                if current and verdict.verdict != said["verdict"]:
                    words = f"says '{said['verdict']}' of {claim.id} ({source}), but its numbers give '{verdict.verdict}' by the rule"
                    raise InputError(f"{path}: {words}; {anew}")
                follows: dict[str, Any] = json.loads(to_json(verdict.to_dict()))
                if current and (wrong := [name for name in follows if said[name] != follows[name]]):
                    raise InputError(f"{path}: {', '.join(wrong)} of {claim.id} ({source}) do not follow from its findings; {anew}")
        if not content:
            raise KeyError
    except InputError:  # also a ValueError
        raise
    except (KeyError, TypeError, AttributeError, StopIteration, ValueError):
        raise InputError(f"{path}: not the claims file of this version; {anew}") from None
    return list(content)


def _read_finding(content: Mapping[str, Any]) -> ClaimFinding:
    """A finding as JSON has it, where NaN and infinities are null: beside an estimate, a missing end or number of df is infinite."""
    infinite = {"low": -math.inf, "high": math.inf, "df": math.inf} if content["estimate"] is not None else {"df": math.inf}
    known: dict[str, Any] = {name: infinite.get(name, math.nan) if value is None else value for name, value in content.items()}
    return ClaimFinding(**known)


def assemble(verdicts: Mapping[str, Mapping[str, Verdict]], controls: Sequence[dict[str, Any]] = ()) -> Ledger:
    """Put verdicts (by source and claim) into a ledger; a claim without evidence is 'not tested', with its own reason."""
    entries = [
        LedgerEntry(claim, {source: verdicts.get(source, {}).get(claim.id) or _silent(claim, source) for source in SOURCES})
        for claim in CLAIMS
    ]
    return Ledger(tuple(entries), tuple(controls))


def not_tested(claim: str, source: str, reason: str) -> Verdict:
    """The verdict of a claim without estimates, with the reason."""
    return Verdict(claim, source, criterion_of(claim, source), (), reason)


def criterion_of(claim: str, source: str) -> Criterion | None:
    """The criterion of a claim for a source of evidence; None if that source does not test it."""
    return next(one for one in CLAIMS if one.id == claim).criteria.get(source)


def _silent(claim: Claim, source: str) -> Verdict:
    return not_tested(claim.id, source, claim.silent.get(source) or claim.silent.get("") or NO_EXPERIMENT)


def one_line(verdict: Verdict) -> str:
    """A verdict for a terminal."""
    main = verdict.main
    number = "" if main is None else f"{main} {main.unit}".rstrip()
    margin = "" if main is None or verdict.criterion is None else f" (margin {short(verdict.criterion.margin)})"
    return f"{verdict.verdict:<13} {number}{margin}{': ' if number else ''}{verdict.reason}"
