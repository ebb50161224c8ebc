"""The tables of ``see-in-pairs analyse`` in an output folder's ``analysis/``, and the two arms in them that are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paper_figures.claims.evidence import Evidence
from see_in_pairs.errors import InputError, first_few
from see_in_pairs.files import files_in, read_table

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "analysis"
IDENTITY = ("arm", "strategy", "train_arm", "train_strategy", "train_seed", "cohort_hash")
STRATEGY = "demographic"
"""How the references of the main pair are chosen, on phantoms (where relatives are matched) and on real images."""


@dataclass(frozen=True)
class Analysis:
    """A table that a command of ``analyse`` writes; its columns beside `IDENTITY`."""

    command: str
    file: str
    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    key: tuple[str, ...]  # identify a row of one model on one arm
    gaps: tuple[str, ...]  # numeric columns that may have missing values


ALIGNMENT = Analysis(
    "alignment",
    "alignment_draws.parquet",
    ("measure", "drawn_from"),
    ("layer", "draw", "value", "items", "patients"),
    ("layer", "measure", "draw"),
    ("value",),
)
ATTRIBUTION = Analysis(
    "attribution",
    "attribution.csv",
    ("item_id", "patient_id", "method", "lesion", "place", "mask_of"),
    ("share", "expected", "reference_share"),
    ("item_id", "method"),
    ("share", "reference_share"),
)


ARMS = ("pair", "single", "duplicate")


def arms_of(evidence: Evidence, analysis: Analysis) -> dict[str, pd.DataFrame] | str:
    """Read the rows of an analysis by arm, each of the models finetuned on it; or say why there are none. `duplicate` may be missing."""
    table = _read(evidence, analysis)
    if isinstance(table, str):
        return table
    own = table[(table["train_arm"] == table["arm"]) & (table["train_strategy"] == table["strategy"])]
    own = own[(own["arm"] != "pair") | (own["strategy"] == STRATEGY)]
    arms = {name: rows for name in ARMS if len(rows := own[own["arm"] == name])}
    if lost := [name for name in ("single", "pair") if name not in arms]:
        return f"no analysis of a model finetuned and shown: {', '.join(lost)}; {_how(analysis)}"
    for rows in arms.values():
        _refuse_repeats(rows, analysis)
        if set(rows["cohort_hash"]) != set(arms["pair"]["cohort_hash"]):
            raise InputError(f"{FOLDER}/**/{analysis.file}: pair and {rows['arm'].iloc[0]} are not of the same cohort; analyse both alike")
    return arms


def _read(evidence: Evidence, analysis: Analysis) -> pd.DataFrame | str:
    """Read all tables; if the main pair's cohort is known, its rows only: a study may have pairs on several cohorts."""
    import pandas as pd

    folder = evidence.results.folder / FOLDER
    paths = files_in(folder, analysis.file, deep=True)
    if not paths:
        return f"no {FOLDER}/**/{analysis.file}; {_how(analysis)}"
    table = pd.concat(
        [_checked(read_table(path, as_text=True), path.relative_to(evidence.results.folder).as_posix(), analysis) for path in paths]
    )
    known = _cohort_hash(evidence)
    return table if known is None else table[table["cohort_hash"] == known]


def _how(analysis: Analysis) -> str:
    return (
        f"make it with 'see-in-pairs analyse {analysis.command} CONFIG.yaml --out OUT/{FOLDER}/{analysis.command}-ARM', "
        "once for the model finetuned on each arm, shown that arm"
    )


def _cohort_hash(evidence: Evidence) -> str | None:
    run, results = evidence.run("pair"), evidence.results
    known = run is not None and run.cohort and (results.folder / run.cohort / "cohort.parquet").is_file()
    return results.cohort(run).hash if known and run is not None else None


def _checked(table: pd.DataFrame, path: str, analysis: Analysis) -> pd.DataFrame:
    """Check the columns of a table and their types; identifiers become text, empty if missing."""
    import pandas as pd

    needed, anew = [*IDENTITY, *analysis.texts, *analysis.numbers], f"make it again with 'see-in-pairs analyse {analysis.command}'"
    if lost := [name for name in needed if name not in table.columns]:
        raise InputError(f"{path}: lacks the column(s) {first_few(lost)}; {anew}")
    numbers = table[list(analysis.numbers)].apply(pd.to_numeric, errors="coerce")
    for name in analysis.numbers:
        gap = table[name].isna() if name in analysis.gaps else False
        if not (np.isfinite(numbers[name]) | gap).all():
            raise InputError(f"{path}: column '{name}' contains a value that is not a number; {anew}")
    return table[[*IDENTITY, *analysis.texts]].astype(object).fillna("").astype(str).join(numbers)


def _refuse_repeats(rows: pd.DataFrame, analysis: Analysis) -> None:
    twice = rows.duplicated(["train_seed", *analysis.key])
    if twice.any():
        arm, seed = rows.loc[twice, ["arm", "train_seed"]].iloc[0]
        words = f"the model finetuned on '{arm}' (seed {seed}) is there more than once; keep one of its analyses"
        raise InputError(f"{FOLDER}/**/{analysis.file}: {words}")
