"""The content of an output folder: runs, records, theory checks and cohorts, each read once, when needed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.evaluation.records import Records, read_records
from see_in_pairs.display import html_frame, html_table, plural
from see_in_pairs.errors import InputError, first_few
from see_in_pairs.files import read_json, read_json_object, read_table

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from empirical.cohorts import Cohort

REMAKE = "make it with 'see-in-pairs reproduce --out {folder}'"


@dataclass(frozen=True)
class Run:
    """One model, evaluated on one arm."""

    run_id: str
    arm: str  # of the evaluation
    train_arm: str  # of the finetuning; ``''`` off the shelf
    strategy: str = ""  # how the references of the evaluation were chosen
    # Correlation of query and reference in the cohort the model was trained on (off the shelf: evaluated on); 0 for random references,
    # None without a reference
    rho: float | None = None
    evaluated_rho: float | None = None  # the same for the references it was shown at evaluation
    cohort: str = ""  # folder, relative to the output folder
    model: str = ""  # folder, relative to the output folder, or the name of the model off the shelf
    n_train: int = 0  # patients the model was finetuned on, including those of a warm-up
    series: str = ""  # what the cohort's relatives share, if they do not share all components equally

    @property
    def off_the_shelf(self) -> bool:
        """Whether the model was not finetuned."""
        return self.train_arm == ""

    @property
    def own_arm(self) -> bool:
        """Whether the model is evaluated on the condition that it was finetuned on.

        The arm alone does not tell: a model of pairs may be shown pairs of another strategy, and then its folder has another run's name.
        """
        return self.train_arm == self.arm and (self.model == "" or self.run_id in PurePosixPath(self.model).parts)


@dataclass(frozen=True)
class RunScores:
    """The scores of one run: every training of its model on the same items, S trainings (1 off the shelf) by n items.

    Shapes: `items` (n,), `patients` (n,), `positive` (n,), `logit` (S, n), `references` n tuples.
    """

    run: Run
    items: NDArray[np.str_]  # item ids, sorted; with the seed of the evaluation where a training was scored with several
    patients: NDArray[np.str_]
    positive: NDArray[np.bool_]
    logit: NDArray[np.float64]  # log-odds of the positive answer; NaN where the model gave none
    references: tuple[tuple[str, ...], ...] = ()  # shown beside each item in any training; empty without references
    seeds: tuple[str, ...] = ()  # of the trainings, sorted; empty where not known

    @property
    def trainings(self) -> int:
        """Number of trained models; 0 off the shelf, where nothing was trained."""
        return 0 if self.run.off_the_shelf else len(self.logit)

    @property
    def failed(self) -> int:
        """Number of missing scores, over all trainings."""
        return int(np.isnan(self.logit).sum())

    @property
    def ranked(self) -> NDArray[np.float64]:
        """Log-odds for ranking; an item without a score ranks below all (above all, if healthy), and so counts as wrong."""
        return np.where(np.isnan(self.logit), np.where(self.positive, -np.inf, np.inf), self.logit)


class RunResults:
    """The content of an output folder of ``see-in-pairs reproduce``, or of a folder of real runs.

    Parameters
    ----------
    folder : Path or str
        Folder with records (``records.parquet`` and, optionally, ``runs.json``) in ``records/`` or in the folder itself.

    Raises
    ------
    InputError
        When there is no such folder. A missing file inside it raises when it is needed.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise InputError(f"{folder}: no such output folder; {REMAKE.format(folder=folder)}")

    def __repr__(self) -> str:
        try:
            table = self.to_frame()
        except InputError:  # a folder may contain theory checks only
            return f"RunResults of {self.folder}: no records"
        return f"RunResults of {self.folder}: {plural(len(table), 'run')}; arms {', '.join(dict.fromkeys(table['arm']))}"

    def _repr_html_(self) -> str:
        try:
            return html_frame(repr(self), self.to_frame())
        except InputError:
            return html_table(repr(self), [])

    def to_frame(self) -> pd.DataFrame:
        """List the runs.

        Returns
        -------
        pandas.DataFrame
            One row per run, in the order of `runs`; a column for each field of a run.

        Raises
        ------
        InputError
            When the folder contains no records.
        """
        import pandas as pd

        return pd.DataFrame([vars(run) for run in self.runs], columns=[field.name for field in fields(Run)])

    @cached_property
    def records_folder(self) -> Path:
        """Folder of ``records.parquet`` and ``runs.json``."""
        inner = self.folder / "records"
        return inner if inner.is_dir() else self.folder

    @cached_property
    def records(self) -> Records:
        """All rows of all runs."""
        path = self.records_folder / "records.parquet"
        if not path.is_file():
            raise InputError(f"{path}: no such records; {REMAKE.format(folder=self.folder)}")
        return read_records(path)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The runs, in the order of ``runs.json`` (without it: of the records)."""
        path = self.records_folder / "runs.json"
        return _listed_runs(path) if path.is_file() else runs_of(self.records.table)

    @cached_property
    def theory(self) -> pd.DataFrame:
        """The rows of ``theory verify``, with ``params`` as dicts."""
        path = self.folder / "theory" / "verify.parquet"
        if not path.is_file():
            raise InputError(f"{path}: no theory checks; {REMAKE.format(folder=self.folder)}")
        table = read_table(path)
        missing = {"statement", "quantity", "params", "closed_form", "simulated", "mcse", "z", "agrees"} - set(table.columns)
        if missing:
            raise InputError(f"{path}: lacks the column(s) {first_few(sorted(missing))}; {REMAKE.format(folder=self.folder)}")
        return table.assign(params=table["params"].map(_parameters))

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """How the folder was made; empty if it has no manifest."""
        path = self.folder / "manifest.json"
        return read_json_object(path) if path.is_file() else {}

    @property
    def is_smoke(self) -> bool:
        """Whether it was made by ``reproduce --smoke``, at toy size."""
        config = self.manifest.get("config")
        return isinstance(config, dict) and bool(config.get("smoke"))

    @property
    def config_hash(self) -> str:
        """Hash of the config that made the folder; ``''`` when not known."""
        return str(self.manifest.get("config_hash", ""))

    @property
    def records_sources(self) -> list[Path]:
        """The files with scores and runs."""
        return [path for name in ("records.parquet", "runs.json") if (path := self.records_folder / name).is_file()]

    def cohort(self, run: Run) -> Cohort:
        """Read the cohort that a run was evaluated on.

        Parameters
        ----------
        run : Run
            One of `runs` whose ``cohort`` is known.

        Returns
        -------
        Cohort
            Items, labels and images, read again at each call.

        Raises
        ------
        InputError
            When the folder contains no such cohort.
        """
        from empirical.cohorts import Cohort

        return Cohort.load(self.folder / run.cohort)

    def truth_path(self, run: Run) -> Path | None:
        """Find the true covariances of the phantom that a run was evaluated on.

        Parameters
        ----------
        run : Run
            The run, one of `runs`.

        Returns
        -------
        Path or None
            The file ``truth.npz``; None if the cohort is not known or is not a phantom.
        """
        path = self.folder / run.cohort / "truth.npz"
        return path if run.cohort and path.is_file() else None

    def scores(self, run: Run) -> RunScores:
        """Read the scores of a run.

        Parameters
        ----------
        run : Run
            The run, one of `runs`.

        Returns
        -------
        RunScores
            One column per item, sorted, and one row per training, sorted by its seed; an item without a score is kept with a log-odds of
            NaN.

        Raises
        ------
        InputError
            When the run is not in the records, or its trainings were scored on different items.
        """
        if run not in self._scores:
            self._scores[run] = scores_of(self.records, run)
        return self._scores[run]

    @cached_property
    def _scores(self) -> dict[Run, RunScores]:
        """Cache of scores: claims and figures need the same few runs again and again."""
        return {}

    def aligned(self, runs: Sequence[Run]) -> list[RunScores]:
        """Read the scores of several runs, which must be about identical items.

        Parameters
        ----------
        runs : sequence of Run
            At least one of `runs`.

        Returns
        -------
        list of RunScores
            In the order asked for; row by row about the same items, labels and patients.

        Raises
        ------
        InputError
            When items, labels or patients differ, or trainings of the same models.
        """
        return check_aligned([self.scores(run) for run in runs])

    def find(self, **values: object) -> Run | None:
        """Find a run by its properties.

        Parameters
        ----------
        **values : object
            Values of fields or properties of `Run`, all of which must match (floats to 1e-9).

        Returns
        -------
        Run or None
            The first match, in the order of `runs`; None without a match.
        """
        matching = [run for run in self.runs if all(_same(getattr(run, name), value) for name, value in values.items())]
        return matching[0] if matching else None


def check_aligned(scores: list[RunScores]) -> list[RunScores]:
    """Return the scores if they are about identical items, labels, patients and, of the same models, trainings; else say what differs."""
    first = scores[0]
    for other in scores[1:]:
        lost = sorted(set(first.items) ^ set(other.items))
        if lost:
            raise InputError(f"runs '{first.run.run_id}' and '{other.run.run_id}' are not about the same items ({first_few(lost)})")
        if not (np.array_equal(first.positive, other.positive) and np.array_equal(first.patients, other.patients)):
            raise InputError(f"runs '{first.run.run_id}' and '{other.run.run_id}' disagree on labels or patients")
    for one, other in combinations([one for one in scores if one.trainings and one.run.model], 2):
        # seed by seed these are the same models, so they are compared seed by seed
        if one.run.model == other.run.model and one.seeds != other.seeds:
            raise InputError(
                f"runs '{one.run.run_id}' and '{other.run.run_id}' are of the same models, but not of the same trainings "
                f"({first_few(sorted(set(one.seeds) ^ set(other.seeds)))}); evaluate each of them in both"
            )
    return scores


def scores_of(records: Records, run: Run) -> RunScores:
    """Read the scores of a run: one column per item, sorted, and one row per training, sorted by its seed."""
    chosen = records.of(run_id=run.run_id)
    _refuse_several(chosen.table, run)
    table = chosen.table.assign(positive=chosen.is_positive())
    # trainings often have different evaluation seeds: only if one of them was scored with several do seeds tell rows apart
    several = table.groupby("train_seed", dropna=False)["seed"].nunique().max() > 1
    keys = table["item_id"] + "|" + table["seed"].astype(str) if several else table["item_id"]
    table = table.assign(key=keys).sort_values("key", kind="stable")
    logit = np.array([_logit(answers) for answers in table["logp"]])
    logit[table["p_positive"].isna()] = np.nan
    first, rows, seeds = None, [], []
    for seed, part in table.assign(logit=logit).groupby("train_seed", dropna=False, sort=True):
        first = part if first is None else first
        if not np.array_equal(part["key"], first["key"]):
            lost = sorted(set(part["key"]) ^ set(first["key"])) or [part["key"][part["key"].duplicated()].iloc[0]]
            raise InputError(f"run '{run.run_id}': training {seed} is not about the same items as the first ({first_few(lost)})")
        rows.append(part["logit"].to_numpy())
        seeds.append(str(seed))
    assert first is not None  # `of` refuses a run without rows
    shown: dict[str, set[str]] = {key: set() for key in first["key"]}
    for key, item, names in zip(table["key"], table["item_id"], table["reference_ids"], strict=True):
        shown[key].update(str(name) for name in names if name != item)  # the item itself (arm `duplicate`) is not a reference
    references = tuple(tuple(sorted(names)) for names in shown.values())
    return RunScores(
        run, _text(first["key"]), _text(first["patient_id"]), first["positive"].to_numpy(dtype=bool), np.stack(rows),
        references if any(references) else (), tuple(seeds),
    )  # fmt: skip


def _refuse_several(table: pd.DataFrame, run: Run) -> None:
    """Refuse rows that are not one score of a class for each item."""
    for column, what in (("question_id", "questions"), ("wording", "wordings")):
        if column in table.columns and table[column].nunique() > 1:
            raise InputError(f"run '{run.run_id}': {table[column].nunique()} {what}; choose one with records.of({column}=...)")
    if "scale" in table.columns and table["scale"].isin(["nominal", "ordinal"]).any():
        raise InputError(f"run '{run.run_id}': its question is not binary, so there is no score of a class; see 'compare'")


def _same(value: object, wanted: object) -> bool:
    if isinstance(value, float) and isinstance(wanted, float):
        return abs(value - wanted) < 1e-9
    return value == wanted


def _logit(answers: dict[str, float]) -> float:
    """Log-odds of the first answer (the positive one) against all others."""
    first, *others = answers.values()
    return float(first - np.logaddexp.reduce(others))


def _text(column: pd.Series) -> NDArray[np.str_]:
    return column.to_numpy(dtype=str)


def _parameters(value: Any) -> dict[str, Any]:
    """Read parameters written as JSON text or as an Arrow struct (whose absent keys come back as None)."""
    content = json.loads(value) if isinstance(value, str) else value
    return {key: item for key, item in dict(content or {}).items() if item is not None}


def _listed_runs(path: Path) -> tuple[Run, ...]:
    known, listed = {field.name for field in fields(Run)}, read_json(path)
    try:
        return tuple(Run(**{key: value for key, value in entry.items() if key in known}) for entry in listed)
    except (TypeError, AttributeError):
        raise InputError(f"{path}: not a list of runs (each needs run_id, arm, train_arm)") from None


def runs_of(table: pd.DataFrame) -> tuple[Run, ...]:
    """The runs in a table of records, in its order."""
    columns = ["run_id", "arm", "train_arm", "reference_strategy", "n_train"]
    rows: list[dict[str, Any]] = table.drop_duplicates("run_id")[columns].fillna({"n_train": 0}).to_dict("records")  # type: ignore[assignment]
    return tuple(Run(strategy=row.pop("reference_strategy"), **row) for row in rows)
