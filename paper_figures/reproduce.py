"""The whole chain: theory, phantom cohorts, finetuning and evaluation in every arm, tests, claims, figures, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import Field, field_validator

from empirical.prompts.templates import PromptConfig
from empirical.references.config import STRATEGIES
from paper_figures.study.cells import TrainingCell, attempt_rows, run_cell, with_weights
from paper_figures.study.config import Restarts
from see_in_pairs.configs import Count, SeedNumber, StrictConfig, parse_config
from see_in_pairs.console import log, progress
from see_in_pairs.files import write_json, write_parquet, write_text
from see_in_pairs.processes import run_in_processes
from see_in_pairs.runs import RunFolder, is_unfinished

if TYPE_CHECKING:
    from empirical.evaluation.config import EvaluateConfig
    from empirical.evaluation.records import Records

DEFAULT = "reproduce.yaml"
SHOWN: dict[str, tuple[str, str]] = {
    "duplicate": ("duplicate", "duplicate"),
    "random": ("pair", "random"),
    "embedding": ("pair", "embedding"),
    "cross-center": ("pair", "cross_center"),
    "reference-only": ("reference_only", "demographic"),
    "blank": ("blank", "blank"),
    "diseased": ("diseased", "random"),
    "text": ("text", ""),
    "reversed": ("reversed", "demographic"),
    "unlabelled": ("unlabelled", "demographic"),
}
"""What models of pairs can be shown instead of the query's relative: by name, the arm and the strategy of references."""

if TYPE_CHECKING:
    ShownName = str
else:
    ShownName = Literal[tuple(SHOWN)]  # so that a config refuses other names, and lists the known ones


class TheoryPart(StrictConfig):
    """Which statements of the theory are verified.

    Parameters
    ----------
    statements : list of str
        Ids of statements, as ``theory list`` shows them.
    replicates : int, optional
        Monte Carlo replicates at each checked point; by default as many as the precision goal needs.
    """

    statements: list[str]
    replicates: int | None = Field(default=None, ge=1)


class SecondSeries(StrictConfig):
    """A phantom cohort whose relatives share some components more than others.

    Parameters
    ----------
    name : str
        One word for what relatives share; it names the cohort and its run.
    shares : dict of str to float
        Correlation between relatives of each component of the phantom, 0 to 1; 0 if not named.
    """

    name: str
    shares: dict[str, float]


class ReproduceConfig(StrictConfig):
    """The settings of the whole chain.

    Parameters
    ----------
    theory : TheoryPart
        Statements to verify, and how precisely.
    phantom : dict
        Settings of the phantom cohorts, all but ``rho`` and ``shares``.
    phantom_seed : int
        Seed of the phantom cohorts, to which ``--seed`` is added.
    rhos : list of float
        Correlations of query and reference: a cohort for each, with the same queries. Models are finetuned on the first, the arm named in
        advance; at the others its models of pairs are evaluated.
    second_series : SecondSeries
        One more cohort with the same queries, whose relatives share some components only.
    model : str
        Name or folder of the model that every finetuning starts from.
    prompts : PromptConfig
        Wording of single and paired prompts, and the answers that are scored.
    train_seeds : int
        Trainings of each arm, each on its own sample of training patients.
    training, evaluation : dict
        Settings of ``finetune`` and ``evaluate``, all but cohort, model, prompts, arm and seed.
    restarts : Restarts
        When a training is started again, by the same rule in every arm.
    shown : list of str
        What the models of the main pair are evaluated on besides relatives, of each rho and of the second series: names of `SHOWN`.
    analysis : dict of dict
        Settings of ``analyse alignment`` and ``analyse attribution``, except those of the evaluation; only named analyses are run.
    resamples : int
        Bootstrap resamples of patients in each comparison of two arms.
    """

    theory: TheoryPart
    phantom: dict[str, Any]
    phantom_seed: SeedNumber
    rhos: list[float] = Field(min_length=1)
    second_series: SecondSeries
    model: str
    prompts: PromptConfig = PromptConfig()
    train_seeds: Count
    training: dict[str, Any]
    evaluation: dict[str, Any]
    restarts: Restarts | None = None
    shown: list[ShownName]
    analysis: dict[Literal["alignment", "attribution"], dict[str, Any]]
    resamples: int = Field(ge=99)

    @field_validator("rhos", "shown")
    @classmethod
    def _distinct(cls, values: list[Any]) -> list[Any]:
        names = [f"{value:.2f}" if isinstance(value, float) else value for value in values]  # as in the names of cohorts and runs
        if len(set(names)) < len(names):
            raise ValueError(f"{', '.join(names)}: name each once")
        return values


@dataclass(frozen=True)
class PlannedRun:
    """One evaluation: models finetuned on an arm (or the model off the shelf), scored on the test queries in an arm."""

    run_id: str
    arm: str  # of the evaluation
    strategy: str  # how its references are chosen; '' if there are none
    # correlation of query and reference in the cohort that was trained on (off the shelf: evaluated on), None without a reference
    rho: float | None
    evaluated_rho: float | None  # the same of what is shown at the evaluation; 0 where random, None without a reference or not known
    cohort: str  # of the evaluation
    model_of: str  # the run whose models it uses; '' for the model off the shelf
    train_arm: str  # the arm those models were finetuned on
    series: str = ""  # what relatives share, if they do not share all components equally

    def arm_config(self, model: str) -> dict[str, Any]:
        """Write out the arm for ``finetune`` and ``evaluate``; `model` finds references of ``embedding``, the same for all trainings."""
        keys: dict[str, Any] = {"embedding": {"model": {"name": model}}, "demographic": {"columns": ["family"], "caliper": {}}}
        chosen = {"strategy": self.strategy, **keys.get(self.strategy, {})} if self.strategy in STRATEGIES else None
        return {"arm": self.arm, "references": chosen, "run_id": self.run_id}


def load_reproduce_config(smoke: bool) -> ReproduceConfig:
    """Read the bundled settings."""
    content = yaml.safe_load((resources.files("paper_figures") / DEFAULT).read_text(encoding="utf-8"))
    changes = content.pop("smoke")
    if smoke:
        content |= {key: content[key] | change if isinstance(change, dict) else change for key, change in changes.items()}
    return parse_config(ReproduceConfig, content, source=DEFAULT)


def plan_runs(rhos: list[float], series: str, shown: Sequence[str]) -> list[PlannedRun]:
    """List every run: three arms off the shelf and finetuned, each shown its own arm; then what else the main pair's models are shown."""
    main, cohorts = f"pair-{rhos[0]:.2f}", {rho: f"rho-{rho:.2f}" for rho in rhos}
    rho, own = rhos[0], cohorts[rhos[0]]
    # run_id, arm, strategy, rho, evaluated_rho, cohort, model_of, train_arm, series
    trained = [
        PlannedRun("single", "single", "", None, None, own, "single", "single"),
        PlannedRun(main, "pair", "demographic", rho, rho, own, main, "pair"),
        PlannedRun("duplicate", "duplicate", "duplicate", None, None, own, "duplicate", "duplicate"),
    ]
    off = [replace(run, run_id=f"off-{run.run_id}", model_of="", train_arm="") for run in trained]
    others = [
        PlannedRun(f"{main}-shown-{other:.2f}", "pair", "demographic", rho, other, cohorts[other], main, "pair") for other in rhos[1:]
    ]
    others.append(PlannedRun(f"{main}-shown-{series}", "pair", "demographic", rho, None, f"shares-{series}", main, "pair", series))
    for name in shown:
        arm, strategy = SHOWN[name]
        evaluated = {"demographic": rho, "random": 0.0}.get(strategy)
        others.append(PlannedRun(f"{main}-shown-{name}", arm, strategy, rho, evaluated, own, main, "pair"))
    return [*off, *trained, *others]


def plan_comparisons(rhos: list[float], series: str, shown: Sequence[str]) -> list[dict[str, Any]]:
    """List every comparison, fixed before any run; differences are ``run_a`` minus ``run_b``; a ``family`` shares a correction."""
    main = f"pair-{rhos[0]:.2f}"
    others = [f"{rho:.2f}" for rho in rhos[1:]]
    strategies = [name for name in shown if SHOWN[name][0] == "pair"]
    controls = [name for name in shown if name not in strategies]
    rows = [
        (main, "single", rhos[0], "primary"),
        (main, "duplicate", rhos[0], "primary"),
        ("duplicate", "single", None, "controls"),
        *((main, f"{main}-shown-{name}", rhos[0], "controls") for name in controls),
        *((f"{main}-shown-{name}", "single", None, "strategies") for name in strategies),
        *((main, f"{main}-shown-{name}", rhos[0], "strategies against the relative") for name in strategies),
        *((f"{main}-shown-{other}", "single", rho, "second rho") for other, rho in zip(others, rhos[1:], strict=True)),
        (f"{main}-shown-{series}", "single", None, "second series"),
        *((f"{main}-shown-{series}", f"{main}-shown-{other}", None, "second series") for other in others),
        (f"off-{main}", "off-single", rhos[0], "off the shelf"),
        (f"off-{main}", "off-duplicate", rhos[0], "off the shelf"),
    ]
    return [{"name": f"{a} against {b}", "run_a": a, "run_b": b, "rho": rho, "family": family} for a, b, rho, family in rows]


def reproduce(out: Path, *, smoke: bool = False, seed: int = 0, workers: int = 2, quiet: bool = False) -> None:
    """Run the whole chain; called again after a kill, it continues."""
    config = load_reproduce_config(smoke)
    runs = plan_runs(config.rhos, config.second_series.name, config.shown)
    with RunFolder(out, "reproduce", config.model_dump() | {"smoke": smoke}, seed=seed) as folder:
        chain = _Chain(config, folder.path, runs, seed, workers, quiet)
        arms = len({run.model_of for run in runs} - {""})
        times = f"{config.train_seeds} times each" if config.train_seeds > 1 else "once"
        training = f"finetune '{config.model}' in {arms} arms, {times}, {workers} at a time; evaluate {len(runs)} conditions; analyse"
        steps: list[tuple[str, Callable[[], None]]] = [
            ("verify the theory", chain.theory),
            (f"make {len(config.rhos) + 1} phantom cohorts", chain.cohorts),
            (training, chain.train),
            ("compare the arms", chain.compare),
            ("judge the claims, draw the figures, write the report", chain.report),
        ]
        for number, (label, step) in enumerate(steps, start=1):
            log(f"[{number}/{len(steps)}] {label}", quiet)
            step()
        folder.count("not_scored", 0)  # an item without a score ends the evaluation with an error
    log(f"report: {out / 'report' / 'index.html'}", quiet)


class _Chain:
    """The steps; each keeps the finished work of an earlier call."""

    def __init__(self, config: ReproduceConfig, out: Path, runs: list[PlannedRun], seed: int, workers: int, quiet: bool) -> None:
        self.config, self.out, self.runs, self.seed, self.workers, self.quiet = config, out, runs, seed, workers, quiet

    def theory(self) -> None:
        from joblib.externals.loky import get_reusable_executor

        from theory.verification import verify

        file = self.out / "theory" / "verify.parquet"
        if not file.is_file():
            write_parquet(file, verify(self.config.theory.statements, replicates=self.config.theory.replicates, seed=self.seed))
            get_reusable_executor().shutdown(wait=True)  # its idle workers would share the cores with the finetuning

    def cohorts(self) -> None:
        from empirical.cohorts.phantom import PhantomConfig, make_phantom

        second, first = self.config.second_series, self.config.rhos[0]
        wanted: dict[str, dict[str, Any]] = {f"rho-{rho:.2f}": {"rho": rho} for rho in self.config.rhos}
        for name, likeness in (wanted | {f"shares-{second.name}": {"shares": second.shares}}).items():
            folder = self.out / "cohorts" / name
            if not (folder / "cohort.parquet").is_file():
                if name != f"rho-{first:.2f}":
                    likeness |= {"n_train": 0}  # models are finetuned on the first only
                settings = parse_config(PhantomConfig, self.config.phantom | likeness, source=DEFAULT)
                make_phantom(settings, folder, seed=self.config.phantom_seed + self.seed, quiet=self.quiet)

    def train(self) -> None:
        """Finetune, evaluate and analyse, and combine the records of all runs."""
        from empirical.evaluation.records import concatenate, read_records, write_records

        cells = self._cells()
        job = partial(_run_and_analyse, self.config.analysis, self.out / "analysis")
        for cell, seconds in run_in_processes(job, cells, self.workers):
            log(f"      {cell.name} ({seconds:.0f} s)", self.quiet)
        table = concatenate([read_records(file) for cell in cells for file in cell.records() or ()])
        parts = [table.of(run_id=run.run_id) for run in self.runs]
        write_records(self.out / "records" / "records.parquet", concatenate(parts))
        write_json(self.out / "records" / "runs.json", [self._describe(run, part) for run, part in zip(self.runs, parts, strict=True)])
        self._write_trainings(cells)

    def _cells(self) -> list[TrainingCell]:
        """List a cell for each model, with every run that is evaluated on it; the longest start first."""
        from empirical.training.config import FinetuneConfig

        cells = [TrainingCell("off the shelf", None, self.out / "models", self._evaluations("", None))]
        own = {run.run_id: run for run in self.runs if run.run_id == run.model_of}
        for seed in self._train_seeds():
            for model, run in sorted(own.items(), key=lambda entry: -sum(other.model_of == entry[0] for other in self.runs)):
                settings = self.config.training | self._common(run) | {"arm": run.arm_config(self.config.model), "seed": seed}
                finetuning = parse_config(FinetuneConfig, settings, DEFAULT)
                folder = self.out / "models" / model / f"seed{seed}"
                cells.append(
                    TrainingCell(f"{model}, seed {seed}", finetuning, folder, self._evaluations(model, seed), self.config.restarts)
                )
        return [*cells[1:], cells[0]]

    def _train_seeds(self) -> list[int]:
        """Training seeds, different for every ``--seed``."""
        return [self.seed * self.config.train_seeds + number for number in range(self.config.train_seeds)]

    def _evaluations(self, model: str, seed: int | None) -> dict[Path, EvaluateConfig]:
        """Plan an evaluation for each cohort: its arms share a query's vision features. The first run names the folder."""
        folder = Path() if seed is None else Path(f"seed{seed}")
        runs = [run for run in self.runs if run.model_of == model]
        groups = [[run for run in runs if run.cohort == cohort] for cohort in dict.fromkeys(run.cohort for run in runs)]
        return {self.out / "evaluations" / group[0].run_id / folder: self._evaluation(group) for group in groups}

    def _evaluation(self, runs: Sequence[PlannedRun]) -> EvaluateConfig:
        from empirical.evaluation.config import EvaluateConfig

        own = {"arms": [run.arm_config(self.config.model) for run in runs], "seed": self.seed}
        return parse_config(EvaluateConfig, self.config.evaluation | self._common(runs[0]) | own, DEFAULT)

    def _common(self, run: PlannedRun) -> dict[str, Any]:
        """Give the settings that finetuning and evaluation of a run share."""
        return {"cohort": str(self.out / "cohorts" / run.cohort), "model": {"name": self.config.model}, "prompts": self.config.prompts}

    def _describe(self, run: PlannedRun, records: Records) -> dict[str, Any]:
        known = {name: getattr(run, name) for name in ("run_id", "arm", "train_arm", "strategy", "rho", "evaluated_rho", "series")}
        return known | {
            "cohort": f"cohorts/{run.cohort}",
            "model": f"models/{run.model_of}" if run.model_of else self.config.model,
            "n_train": int(records.table["n_train"].fillna(0).iloc[0]),
            "train_seeds": sorted(map(int, records.table["train_seed"].dropna().unique())),
        }

    def _write_trainings(self, cells: list[TrainingCell]) -> None:
        """List every attempt of every training, to show which were started again."""
        import pandas as pd

        rows = [
            {"arm": cell.training.parent.name, "seed": cell.finetuning.seed} | row
            for cell in cells if cell.finetuning is not None for row in attempt_rows(cell)
        ]  # fmt: skip
        write_text(self.out / "trainings.csv", pd.DataFrame(rows).to_csv(index=False, float_format="%.6g"))

    def compare(self) -> None:
        plans = plan_comparisons(self.config.rhos, self.config.second_series.name, self.config.shown)
        arms = {run.run_id: run.arm for run in self.runs}
        records = self.out / "records" / "records.parquet"
        results = [
            plan | {"arm_a": arms[plan["run_a"]], "arm_b": arms[plan["run_b"]]}
            | {"result": _compare_runs(records, self.config.resamples, self.seed, (plan["run_a"], plan["run_b"]))}
            for plan in progress(plans, len(plans), "comparisons", self.quiet)
        ]  # fmt: skip
        write_json(self.out / "tests" / "comparisons.json", results)

    def report(self) -> None:
        from paper_figures.outputs import write_claims, write_figures, write_report

        write_claims(self.out)
        write_figures(self.out, seed=self.seed, quiet=self.quiet)
        write_report(self.out)


def _compare_runs(records: Path, resamples: int, seed: int, runs: tuple[str, str]) -> dict[str, Any]:
    """Compare two runs with all their trainings, as ``see-in-pairs compare`` does."""
    from paper_figures.comparison.compare_arms import compare_rows
    from paper_figures.comparison.item_table import ComparisonSettings
    from paper_figures.comparison.pairing import align
    from paper_figures.comparison.score_tables import read_arm

    a, b = (read_arm(records, runs=[run]) for run in runs)
    return compare_rows(align(a, b), ComparisonSettings(arms=runs, resamples=resamples, seed=seed)).to_dict()


def _run_and_analyse(settings: dict[Literal["alignment", "attribution"], dict[str, Any]], out: Path, cell: TrainingCell) -> float:
    """Run a cell, and write the tables for C6 and C8 of a finetuned model on its own arm; returns its seconds."""
    from empirical.analysis.arms import AlignmentConfig, AttributionConfig, report_alignment, report_attribution

    began = time.monotonic()
    run_cell(cell)
    attempt = cell.selected()
    if cell.finetuning is None or attempt is None:
        return time.monotonic() - began
    (own, *_) = cell.evaluations.values()  # the first run of the first evaluation is the model's own arm
    config = with_weights(own.model_copy(update={"arms": own.arms[:1]}), attempt.training / "model")
    kinds: dict[Literal["alignment", "attribution"], tuple[Any, str, Callable[..., object]]] = {
        "alignment": (AlignmentConfig, "alignment_draws.parquet", report_alignment),
        "attribution": (AttributionConfig, "attribution_summary.csv", report_attribution),
    }
    for kind in settings:
        kind_config, last_file, report = kinds[kind]
        folder = out / f"{kind}-{own.arms[0].run_id}-{attempt.training.name}"
        if not (folder / last_file).is_file() or is_unfinished(folder):
            report(parse_config(kind_config, config.model_dump() | settings[kind], DEFAULT), folder, quiet=True)
    return time.monotonic() - began
