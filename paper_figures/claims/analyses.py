"""The tables that ``see-in-pairs analyse`` left in an output folder's ``analysis/``, and in them the two arms that are compared."""

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
    gaps: str  # the one numeric column that may have missing values


ALIGNMENT = Analysis(
    "alignment",
    "alignment_draws.parquet",
    ("measure", "drawn_from"),
    ("layer", "draw", "value", "items", "patients"),
    ("layer", "measure", "draw"),
    "value",
)
ATTRIBUTION = Analysis(
    "attribution", "attribution.csv", ("item_id", "patient_id", "method"), ("share", "expected"), ("item_id", "method"), "share"
)


def arms_of(evidence: Evidence, analysis: Analysis) -> tuple[pd.DataFrame, pd.DataFrame] | str:
    """Read the rows of an analysis of the pair and of the single arm, each of the model finetuned on it; or say why there are none."""
    table = _read(evidence, analysis)
    if isinstance(table, str):
        return table
    own = table[(table["train_arm"] == table["arm"]) & (table["train_strategy"] == table["strategy"])]
    single = own[own["arm"] == "single"]
    pair = own[(own["arm"] == "pair") & (own["strategy"] == STRATEGY)]
    if lost := [name for name, rows in (("single", single), ("pair", pair)) if rows.empty]:
        return f"no analysis of a model finetuned and shown: {', '.join(lost)}; {_how(analysis)}"
    for rows in (single, pair):
        _refuse_repeats(rows, analysis)
    for column, words in (("cohort_hash", "cohort"), ("train_seed", "training seeds")):
        if set(pair[column]) != set(single[column]):
            raise InputError(f"{FOLDER}/**/{analysis.file}: pair and single are not of the same {words}; analyse both alike")
    return pair, single


def _read(evidence: Evidence, analysis: Analysis) -> pd.DataFrame | str:
    """Read all tables; where the main pair's cohort is known, its rows only: a study may hold pairs on several cohorts."""
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
    """Check the columns of a table and their types; identifiers become text, empty where there is none."""
    import pandas as pd

    needed, anew = [*IDENTITY, *analysis.texts, *analysis.numbers], f"make it anew with 'see-in-pairs analyse {analysis.command}'"
    if lost := [name for name in needed if name not in table.columns]:
        raise InputError(f"{path}: lacks the column(s) {first_few(lost)}; {anew}")
    numbers = table[list(analysis.numbers)].apply(pd.to_numeric, errors="coerce")
    for name in analysis.numbers:
        gap = table[name].isna() if name == analysis.gaps else False
        if not (np.isfinite(numbers[name]) | gap).all():
            raise InputError(f"{path}: column '{name}' holds what is no number; {anew}")
    return table[[*IDENTITY, *analysis.texts]].astype(object).fillna("").astype(str).join(numbers)


def _refuse_repeats(rows: pd.DataFrame, analysis: Analysis) -> None:
    twice = rows.duplicated(["train_seed", *analysis.key])
    if twice.any():
        arm, seed = rows.loc[twice, ["arm", "train_seed"]].iloc[0]
        words = f"the model finetuned on '{arm}' (seed {seed}) is there more than once; keep one of its analyses"
        raise InputError(f"{FOLDER}/**/{analysis.file}: {words}")
