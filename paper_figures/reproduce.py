"""The whole chain: theory, phantom cohorts, finetuning and evaluation in every arm, tests, claims, figures, report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import Field

from empirical.prompts.templates import PromptConfig
from paper_figures.study.cells import TrainingCell, run_cell, with_weights
from see_in_pairs.configs import StrictConfig, parse_config
from see_in_pairs.console import log
from see_in_pairs.files import write_json, write_parquet
from see_in_pairs.processes import run_in_processes
from see_in_pairs.runs import RunFolder, is_unfinished

if TYPE_CHECKING:
    from empirical.evaluation.config import EvaluateConfig
    from empirical.evaluation.records import Records

DEFAULT = "reproduce.yaml"


class TheoryPart(StrictConfig):
    """What of the theory is verified.

    Parameters
    ----------
    statements : list of str
        Ids of statements, as ``theory list`` shows them.
    replicates : int, optional
        Monte Carlo replicates at each checked point; by default as many as its precision goal needs.
    """

    statements: list[str]
    replicates: int | None = Field(default=None, ge=1)


class SecondSeries(StrictConfig):
    """A phantom cohort whose relatives share some components more than others.

    Parameters
    ----------
    name : str
        What relatives share, in a word; it names the cohort and its run.
    shares : dict of str to float
        Correlation between relatives of each component of the phantom, 0 to 1; 0 where not named.
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
    rhos : list of float
        Correlations of query and reference: a cohort for each, with the same queries. The first is that of the arm named in advance.
    second_series : SecondSeries
        One more cohort with the same queries, whose relatives share some components only.
    model : str
        Name or folder of the model that every finetuning starts from.
    prompts : PromptConfig
        Wording of single and paired prompts, and the answers that are scored.
    training, evaluation : dict
        Settings of ``finetune`` and ``evaluate``, all but cohort, model, prompts, arm and seed.
    resamples : int
        Bootstrap resamples of patients in each comparison of two arms.
    """

    theory: TheoryPart
    phantom: dict[str, Any]
    rhos: list[float] = Field(min_length=1)
    second_series: SecondSeries
    model: str
    prompts: PromptConfig = PromptConfig()
    training: dict[str, Any]
    evaluation: dict[str, Any]
    resamples: int = Field(ge=99)


@dataclass(frozen=True)
class PlannedRun:
    """One evaluation of one model: finetuned on an arm (or off the shelf), scored on the test queries in an arm."""

    run_id: str
    arm: str  # of the evaluation
    strategy: str  # how references are chosen; '' where there are none
    # correlation of query and reference: the cohort's where references are relatives, 0 where random, None without a reference
    rho: float | None
    cohort: str
    model_of: str  # the run whose model it uses; '' for the model off the shelf
    train_arm: str  # the arm that model was finetuned on
    series: str = ""  # what relatives share, where it is not everything alike

    def arm_config(self) -> dict[str, Any]:
        """Spell out the arm for ``finetune`` and ``evaluate``."""
        columns = {"columns": ["family"], "caliper": {}} if self.strategy == "demographic" else {}
        references = {"strategy": self.strategy, **columns} if self.arm == "pair" else None
        return {"arm": self.arm, "references": references, "run_id": self.run_id}


def load_reproduce_config(smoke: bool) -> ReproduceConfig:
    """Read the bundled settings."""
    content = yaml.safe_load((resources.files("paper_figures") / DEFAULT).read_text(encoding="utf-8"))
    changes = content.pop("smoke")
    if smoke:
        content |= {key: content[key] | change if isinstance(change, dict) else change for key, change in changes.items()}
    return parse_config(ReproduceConfig, content, source=DEFAULT)


def plan_runs(rhos: list[float], series: str) -> list[PlannedRun]:
    """List every run: off the shelf, each arm finetuned and evaluated as itself, and the model of the main pair on two controls."""
    name = [f"pair-{rho:.2f}" for rho in rhos]
    cohort = [f"rho-{rho:.2f}" for rho in rhos]
    main = (rhos[0], cohort[0])
    # run_id, arm, strategy, rho, cohort, model_of, train_arm, series
    return [
        PlannedRun("off-single", "single", "", None, main[1], "", ""),
        PlannedRun(f"off-{name[0]}", "pair", "demographic", *main, "", ""),
        PlannedRun("single", "single", "", None, main[1], "single", "single"),
        *(PlannedRun(n, "pair", "demographic", rho, c, n, "pair") for n, rho, c in zip(name, rhos, cohort, strict=True)),
        PlannedRun(f"pair-{series}", "pair", "demographic", None, f"shares-{series}", f"pair-{series}", "pair", series),
        PlannedRun("pair-random", "pair", "random", 0.0, main[1], "pair-random", "pair"),
        PlannedRun("pair-embedding", "pair", "embedding", None, main[1], "pair-embedding", "pair"),
        PlannedRun("pair-cross-center", "pair", "cross_center", None, main[1], "pair-cross-center", "pair"),
        PlannedRun("duplicate", "duplicate", "duplicate", None, main[1], "duplicate", "duplicate"),
        PlannedRun(f"{name[0]}-eval-duplicate", "duplicate", "duplicate", None, main[1], name[0], "pair"),
        PlannedRun(f"{name[0]}-eval-random", "pair", "random", 0.0, main[1], name[0], "pair"),
    ]


def plan_comparisons(rhos: list[float], series: str) -> list[dict[str, Any]]:
    """List every comparison, fixed before anything is run; differences are ``run_a`` minus ``run_b``, a ``family`` shares a correction."""
    main = f"pair-{rhos[0]:.2f}"
    pairs = [(f"pair-{rho:.2f}", "single", rho, "primary") for rho in rhos]
    rows = [
        *pairs,
        ("pair-random", "single", 0.0, "primary"),
        (main, "duplicate", rhos[0], "primary"),
        ("pair-embedding", "single", None, "strategies"),
        ("pair-cross-center", "single", None, "strategies"),
        ("duplicate", "single", None, "controls"),
        (main, f"{main}-eval-duplicate", rhos[0], "controls"),
        (main, f"{main}-eval-random", rhos[0], "controls"),
        (f"off-{main}", "off-single", rhos[0], "off the shelf"),
        (f"pair-{series}", "single", None, "second series"),
        (f"pair-{series}", f"pair-{rhos[-1]:.2f}", None, "second series"),
    ]
    return [{"name": f"{a} against {b}", "run_a": a, "run_b": b, "rho": rho, "family": family} for a, b, rho, family in rows]


def reproduce(out: Path, *, smoke: bool = False, seed: int = 0, workers: int = 2, quiet: bool = False) -> None:
    """Run the whole chain; run again after a kill, it goes on."""
    config = load_reproduce_config(smoke)
    runs = plan_runs(config.rhos, config.second_series.name)
    with RunFolder(out, "reproduce", config.model_dump() | {"smoke": smoke}, seed=seed) as folder:
        chain = _Chain(config, folder.path, runs, seed, workers, quiet)
        trained = len({run.model_of for run in runs} - {""})
        training = f"finetune '{config.model}' in {trained} arms, {workers} at a time; evaluate {len(runs)} runs on the same queries"
        steps: list[tuple[str, Callable[[], None]]] = [
            ("verify the theory", chain.theory),
            (f"make {len(config.rhos) + 1} phantom cohorts", chain.cohorts),
            (training, chain.train),
            ("compare the arms", chain.compare),
            ("analyse the models of the single image and of the main pair: alignment, attribution", chain.analyse),
            ("judge the claims, draw the figures, write the report", chain.report),
        ]
        for number, (label, step) in enumerate(steps, start=1):
            log(f"[{number}/{len(steps)}] {label}", quiet)
            step()
        folder.count("not_scored", 0)  # an item without a score ends the evaluation with an error
    log(f"report: {out / 'report' / 'index.html'}", quiet)


class _Chain:
    """The steps, each of which keeps what an earlier call finished."""

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

        second = self.config.second_series
        wanted: dict[str, dict[str, Any]] = {f"rho-{rho:.2f}": {"rho": rho} for rho in self.config.rhos}
        for name, likeness in (wanted | {f"shares-{second.name}": {"shares": second.shares}}).items():
            folder = self.out / "cohorts" / name
            if not (folder / "cohort.parquet").is_file():
                settings = parse_config(PhantomConfig, self.config.phantom | likeness, source=DEFAULT)
                make_phantom(settings, folder, seed=self.seed, quiet=self.quiet)

    def train(self) -> None:
        """Finetune and evaluate, and put the records of all runs together."""
        from empirical.evaluation.records import concatenate, read_records, write_records

        for cell, seconds in run_in_processes(run_cell, self._cells(), self.workers):
            log(f"      {cell.name} ({seconds:.0f} s)", self.quiet)
        parts = [read_records(self.out / "evaluations" / run.run_id) for run in self.runs]
        write_records(self.out / "records" / "records.parquet", concatenate(parts))
        write_json(self.out / "records" / "runs.json", [self._describe(run, part) for run, part in zip(self.runs, parts, strict=True)])

    def _cells(self) -> list[TrainingCell]:
        """List a cell for each model, with every run that is evaluated on it."""
        from empirical.training.config import FinetuneConfig

        cells = []
        for model in dict.fromkeys(run.model_of for run in self.runs):
            evaluations = {self.out / "evaluations" / run.run_id: self._evaluation(run) for run in self.runs if run.model_of == model}
            finetuning = None
            if model:
                own = next(run for run in self.runs if run.run_id == model)
                finetuning = parse_config(FinetuneConfig, self.config.training | self._common(own) | {"arm": own.arm_config()}, DEFAULT)
            cells.append(TrainingCell(model or "off the shelf", finetuning, self.out / "models" / model, evaluations))
        return cells

    def _evaluation(self, run: PlannedRun) -> EvaluateConfig:
        from empirical.evaluation.config import EvaluateConfig

        return parse_config(EvaluateConfig, self.config.evaluation | self._common(run) | {"arms": [run.arm_config()]}, DEFAULT)

    def _common(self, run: PlannedRun) -> dict[str, Any]:
        """Give what finetuning and evaluation of a run have in common."""
        cohort = str(self.out / "cohorts" / run.cohort)
        return {"cohort": cohort, "model": {"name": self.config.model}, "prompts": self.config.prompts, "seed": self.seed}

    def _describe(self, run: PlannedRun, records: Records) -> dict[str, Any]:
        model = f"models/{run.model_of}/model" if run.model_of else self.config.model
        known = {name: getattr(run, name) for name in ("run_id", "arm", "train_arm", "strategy", "rho", "series")}
        return known | {
            "cohort": f"cohorts/{run.cohort}",
            "model": model,
            "n_train": int(records.table["n_train"].fillna(0).iloc[0]),
            "evaluated_rho": run.rho,
        }

    def compare(self) -> None:
        from empirical.evaluation.records import read_records
        from paper_figures.comparison import compare_arms

        records = read_records(self.out / "records" / "records.parquet")
        arms = {run.run_id: run.arm for run in self.runs}
        results = []
        for plan in plan_comparisons(self.config.rhos, self.config.second_series.name):
            a, b = (records.of(run_id=plan[key]) for key in ("run_a", "run_b"))
            scores_a, scores_b = a.table["p_positive"].to_numpy(), b.table["p_positive"].to_numpy()
            result = compare_arms(
                scores_a, scores_b, a.is_positive().to_numpy(), clusters=a.table["patient_id"].to_numpy(),
                resamples=self.config.resamples, seed=self.seed, arms=(plan["run_a"], plan["run_b"]),
            )  # fmt: skip
            results.append(plan | {"arm_a": arms[plan["run_a"]], "arm_b": arms[plan["run_b"]], "result": result.to_dict()})
        write_json(self.out / "tests" / "comparisons.json", results)

    def analyse(self) -> None:
        """Leave the tables by which C6 and C8 are judged."""
        main = f"pair-{self.config.rhos[0]:.2f}"
        models = {run.run_id: self.out / "models" / run.run_id / "model" for run in self.runs if run.run_id in ("single", main)}
        jobs = [(with_weights(self._evaluation(run), models[run.run_id]), self.out / "analysis", run.run_id)
                for run in self.runs if run.run_id in models]  # fmt: skip
        list(run_in_processes(_analyse_model, jobs, self.workers))

    def report(self) -> None:
        from paper_figures.outputs import write_claims, write_figures, write_report

        write_claims(self.out, seed=self.seed)
        write_figures(self.out, seed=self.seed, quiet=self.quiet)
        write_report(self.out)


def _analyse_model(job: tuple[EvaluateConfig, Path, str]) -> None:
    from empirical.analysis.arms import report_alignment, report_attribution

    config, out, run_id = job
    for name, last_file, report in (
        ("alignment", "alignment_draws.parquet", report_alignment),
        ("attribution", "attribution_summary.csv", report_attribution),
    ):
        folder = out / f"{name}-{run_id}"
        if not (folder / last_file).is_file() or is_unfinished(folder):
            report(config, folder, quiet=True)
