"""Evidence of studies with several trainings for C3 (after finetuning), C4 (strategies), C5 (learning curves) and C7 (several cohorts)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paper_figures.claims.ledger import GAIN, OVER_DUPLICATE, ClaimFinding, Verdict, criterion_of, not_tested
from paper_figures.claims.registry import CURVE_GRID, LITTLE_DATA, STUDY_RHO
from paper_figures.claims.strategies import ROLES
from paper_figures.number_format import with_interval
from paper_figures.study import tables
from paper_figures.study.config import SETTINGS
from see_in_pairs.errors import InputError, first_few
from see_in_pairs.files import read_json_object, read_table

TEST = "trainings, patients and references random at once, t"
COLUMNS = {"kind", "cohort", "a", "b", "n_train", "n_train_b", "seeds", "items", "patients", "difference", "low", "high", "p"}
DESIGN = {"se", "df", "admissible", "reason", "references"}
"""Columns that say whether a design is admissible; a table without them is from a version that did not allow for shared references."""
OLD_TABLE = "its tables do not say whether the design is admissible, and their intervals ignore shared references: run the study again"


class _Study:
    """The tables of a study and its design, as far as claims need them."""

    def __init__(self, folder: Path) -> None:
        settings, table = folder / SETTINGS, folder / "comparisons.csv"
        if not (settings.is_file() and table.is_file()):
            raise InputError(f"{folder}: contains no study with comparisons; make it with 'see-in-pairs study STUDY.yaml --out {folder}'")
        self.folder, self.config, self.gains = folder, read_json_object(settings), read_table(table)
        if "kind" in self.gains:
            self.gains["kind"] = self.gains["kind"].replace("gain after less before finetuning", tables.AFTER)  # its former name
        if missing := COLUMNS - set(self.gains.columns):
            words = f"lacks the column(s) {first_few(sorted(missing))}"
            raise InputError(f"{table}: {words}; run the study again: it keeps its finished cells")
        self.old = bool(DESIGN - set(self.gains.columns))
        sources = {"real" if source["phantom"] is None else "phantom" for source in self.config["cohorts"].values()}
        if len(sources) > 1:
            raise InputError(f"{folder}: mixes phantoms and real cohorts; judge them by separate studies")
        (self.source,) = sources

    def arm(self, name: str, strategy: str = "") -> str | None:
        """The first arm of this kind, by its name in the study."""

        def fits(arm: dict[str, Any]) -> bool:
            references = arm.get("references") or {}
            return arm["arm"] == name and (not strategy or references.get("strategy") == strategy)

        return next((own for own, arm in self.config["arms"].items() if fits(arm)), None)

    def cohort(self) -> str | None:
        """The cohort of a criterion: of phantoms the one with `STUDY_RHO`, of real ones the first."""
        for name, source in self.config["cohorts"].items():
            if source["phantom"] is None or abs(source["phantom"]["rho"] - STUDY_RHO) < 1e-9:
                return str(name)
        return None

    def rows(self, kind: str, a: str | None, b: str | None, cohort: str | None) -> list[dict[str, Any]]:
        """Rows of a kind of comparison, by rising number of training patients."""
        table = self.gains
        found = table[(table["kind"] == kind) & (table["a"] == a) & (table["b"] == b) & (table["cohort"] == cohort)]
        return [{str(key): value for key, value in row.items()} for row in found.sort_values("n_train").to_dict("records")]

    def finding(
        self, row: dict[str, Any] | None, lost: str, *, part: str = "", role: str = GAIN, context: str = "", why: str = ""
    ) -> ClaimFinding:
        """A row of ``comparisons.csv`` as a finding; `lost` says what is missing if there is no row."""
        if row is None:
            return ClaimFinding(part, role, lacking=lost)
        known = {name: row[name] for name in ("se", "df", "references") if name in row}
        lacking = why or (OLD_TABLE if self.old else _why_inadmissible(row))
        trainings = int(row["seeds"]) if max(row["n_train"], row["n_train_b"]) > 0 else 0
        return ClaimFinding(
            part, role, float(row["difference"]), float(row["low"]), float(row["high"]), **known, trainings=trainings,
            patients=int(row["patients"]), unit="AUROC", test=TEST, context=context, lacking=lacking,
        )  # fmt: skip


def _why_inadmissible(row: dict[str, Any]) -> str:
    """Why a row of ``comparisons.csv`` is not admissible; '' if it is."""
    if str(row["admissible"]).lower() in ("true", "1", "1.0"):
        return ""
    return next((str(row[name]) for name in ("reason", "note") if not _blank(row.get(name))), "the design is not admissible")


def study_verdicts(folder: Path) -> tuple[str, dict[str, Verdict]]:
    """Judge the claims that a study tests: C3 and C5, in a real study also C7; C4 if each strategy of choosing references was finetuned.

    Returns the source of evidence, ``'phantom'`` or ``'real'``, and verdicts by claim.
    """
    study = _Study(folder)
    pair, single = study.arm("pair", "demographic"), study.arm("single")
    if pair is None or single is None:
        reason = "the study has no arm of references matched (demographic), or no single arm"
        return study.source, {claim: not_tested(claim, study.source, reason) for claim in ("C3", "C5")}
    found = {"C3": _after(study, pair, single), "C5": _curve(study, pair, single)} | _strategies(study, single)
    return study.source, found if study.source == "phantom" else found | {"C7": _cohorts(study, pair, single)}


def _after(study: _Study, pair: str, single: str) -> Verdict:
    """Judge C3 at the largest number of patients that counts as little data."""
    cohort, duplicate = study.cohort(), study.arm("duplicate")
    few = [row for row in study.rows(tables.AFTER, pair, single, cohort) if row["n_train"] <= LITTLE_DATA]
    if not few:
        words = (
            f"needs a cohort{f' of rho {STUDY_RHO}' if study.source == 'phantom' else ''} scored off the shelf (n_train 0), and finetuned"
        )
        return not_tested("C3", study.source, f"{words} on at most {LITTLE_DATA} patients: 'see-in-pairs study'")
    row = few[-1]
    over = [one for one in study.rows(tables.AFTER, pair, duplicate, cohort) if one["n_train"] == row["n_train"]]
    context = f"gains after finetuning: {_by_size(study.rows(tables.GAIN, pair, single, cohort))}"
    findings = (
        study.finding(row, "", context=context, why=_at_chance(study, single, cohort)),
        study.finding(over[-1] if over else None, "no comparison with the arm 'duplicate'", role=OVER_DUPLICATE),
    )
    return Verdict("C3", study.source, criterion_of("C3", study.source), findings)


def _at_chance(study: _Study, single: str, cohort: str | None) -> str:
    """Say if the model off the shelf is at chance on the single image, by ``study.csv``; '' if it is above."""
    areas = read_table(study.folder / "study.csv")
    rows = areas[(areas["cohort"] == cohort) & (areas["arm"] == single) & (areas["n_train"] == 0)].to_dict("records")
    if not rows or not rows[0]["low"] > 0.5:
        area = with_interval(rows[0]["auroc"], rows[0]["low"], rows[0]["high"]) if rows else "unknown"
        return f"the model off the shelf is not above chance on the single image (AUROC {area}), so that it had nothing to gain before"
    return ""


def _curve(study: _Study, pair: str, single: str) -> Verdict:
    """Judge C5 by the mean gain over the numbers of patients that the criterion names."""
    cohort, duplicate = study.cohort(), study.arm("duplicate")
    gains = [row for row in study.rows(tables.GAIN, pair, single, cohort) if row["n_train"] > 0]
    sizes = tuple(int(row["n_train"]) for row in gains)
    where = f" at rho {STUDY_RHO}" if study.source == "phantom" else ""
    grid, own = (", ".join(map(str, numbers)) for numbers in (CURVE_GRID, sizes))
    wrong = "" if sizes == CURVE_GRID else f"the grid is fixed: {grid} training patients{where}; this study has {own or 'none'}"
    rows, over = study.rows(tables.CURVE, pair, single, cohort), study.rows(tables.CURVE, pair, duplicate, cohort)
    over_sizes = tuple(int(row["n_train"]) for row in study.rows(tables.GAIN, pair, duplicate, cohort) if row["n_train"] > 0)
    findings = (
        study.finding(
            rows[0] if rows else None, wrong or "no learning curve", context=f"gains: {_by_size(gains)}" if gains else "", why=wrong
        ),
        study.finding(
            over[0] if over and over_sizes == CURVE_GRID else None,
            "no learning curve of the arm 'duplicate' on this grid",
            role=OVER_DUPLICATE,
        ),
    )
    return Verdict("C5", study.source, criterion_of("C5", study.source), findings)


def _strategies(study: _Study, single: str) -> dict[str, Verdict]:
    """Judge C4 at the largest number of patients at which each strategy was finetuned; no verdict if one never was."""
    cohort, duplicate = study.cohort(), study.arm("duplicate")
    arms = {strategy: study.arm("pair", strategy) for strategy in ROLES}
    by_size = {
        strategy: {int(row["n_train"]): row for row in study.rows(tables.GAIN, arm, single, cohort) if row["n_train"] > 0}
        for strategy, arm in arms.items()
    }
    common = set.intersection(*(set(rows) for rows in by_size.values()))
    if not common:
        return {}
    size, findings = max(common), []
    for strategy, rows in by_size.items():
        over = [row for row in study.rows(tables.GAIN, arms[strategy], duplicate, cohort) if row["n_train"] == size]
        findings.append(study.finding(rows[size], "", part=strategy, context=f"finetuned on {size:,} patients with each strategy"))
        findings.append(
            study.finding(over[0] if over else None, "no comparison with the arm 'duplicate'", part=strategy, role=OVER_DUPLICATE)
        )
    return {"C4": Verdict("C4", study.source, criterion_of("C4", study.source), tuple(findings))}


def _cohorts(study: _Study, pair: str, single: str) -> Verdict:
    """Judge C7: the gain in each cohort at its largest number of patients."""
    duplicate, findings = study.arm("duplicate"), []
    for cohort in study.config["cohorts"]:
        trained = [row for row in study.rows(tables.GAIN, pair, single, cohort) if row["n_train"] > 0]
        over = {row["n_train"]: row for row in study.rows(tables.GAIN, pair, duplicate, cohort)}
        row = trained[-1] if trained else None
        findings.append(study.finding(row, "was not finetuned", part=cohort))
        beside = None if row is None else over.get(row["n_train"])
        findings.append(study.finding(beside, "no comparison with the arm 'duplicate'", part=cohort, role=OVER_DUPLICATE))
    lacking = "" if len(study.config["cohorts"]) > 1 else "needs several cohorts, each finetuned with several trainings"
    return Verdict("C7", study.source, criterion_of("C7", study.source), tuple(findings), lacking)


def _by_size(gains: list[dict[str, Any]]) -> str:
    """Gains by number of patients, in words."""
    return ", ".join(
        f"{with_interval(row['difference'], row['low'], row['high'])} with {int(row['n_train']):,} patients"
        for row in gains
        if row["n_train"] > 0
    )


def _blank(value: object) -> bool:
    return value is None or value != value or str(value).strip() == ""
