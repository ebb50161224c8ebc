"""The whole chain: theory, phantom cohorts, finetuning and evaluation in every arm, tests, claims, figures, report."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import resources
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import Field

from empirical.prompts.templates import PromptConfig
from see_in_pairs.configs import StrictConfig, parse_config
from see_in_pairs.console import log
from see_in_pairs.files import write_json, write_parquet
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    from empirical.evaluation.records import Records

DEFAULT = "reproduce.yaml"


class TheoryPart(StrictConfig):
    """What of the theory is verified.

    Parameters
    ----------
    statements : list of str
        Statement ids.
    replicates : int, optional
        Monte Carlo replicates for each point; by default as many as the precision goal needs.
    """

    statements: list[str]
    replicates: int | None = Field(default=None, ge=1)


class SecondSeries(StrictConfig):
    """A phantom cohort whose relatives share some components more than others.

    Parameters
    ----------
    name : str
        What they share, in a word.
    shares : dict of str to float
        Correlation of each component; 0 where not named.
    """

    name: str
    shares: dict[str, float]


class ReproduceConfig(StrictConfig):
    """The settings of the whole chain.

    Parameters
    ----------
    theory : TheoryPart
        What is verified.
    phantom : dict
        Settings of the phantom cohort, all but ``rho``.
    rhos : list of float
        One cohort for each, with the same queries; the first is the arm named in advance.
    second_series : SecondSeries
        One more cohort, again with the same queries.
    model : str
        The model to start from.
    prompts : PromptConfig
        Wording and answers.
    training, evaluation : dict
        Settings of ``finetune`` and ``evaluate``, all but cohort, model and arm.
    resamples : int
        Bootstrap resamples of each comparison.
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
    """One set of records: a model, trained in one arm (or not at all), shown the test queries in one arm."""

    run_id: str
    arm: str  # the arm it is evaluated in
    strategy: str  # how references are chosen; '' where there are none
    # similarity of query and reference: the cohort's where references are relatives, 0 where random, None without a reference
    rho: float | None
    cohort: str  # name of the cohort it is evaluated on
    model_of: str  # the run whose model it uses; '' for the model off the shelf
    train_arm: str  # the arm that model was trained in
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
        content = {key: _merge(value, changes[key]) if key in changes else value for key, value in content.items()}
    return parse_config(ReproduceConfig, content, source=DEFAULT)


def plan_runs(rhos: list[float], series: str) -> list[PlannedRun]:
    """Lay down every run of the chain.

    Returns off the shelf, each arm trained as itself, and the controls that the pair-trained model is shown.
    """
    name = [f"pair-{rho:.2f}" for rho in rhos]
    cohort = [f"rho-{rho:.2f}" for rho in rhos]
    main = (rhos[0], cohort[0])
    runs = [
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
    return runs


def plan_comparisons(rhos: list[float], series: str) -> list[dict[str, Any]]:
    """Lay down every comparison, fixed before anything is run.

    Returns ``name``, ``run_a``, ``run_b`` (differences are a minus b), ``rho`` and the ``family`` of tests that share a Holm correction.
    """
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
        steps: list[tuple[str, Callable[[], None]]] = [
            ("verify the theory", chain.theory),
            (f"make {len(config.rhos) + 1} phantom cohorts", chain.cohorts),
            (f"finetune '{config.model}' in {len(chain.trained)} arms, {workers} at a time", chain.finetune),
            (f"evaluate {len(runs)} runs on the same test queries", chain.evaluate),
            ("compare the arms", chain.compare),
            ("look inside the models of the single image and of the main pair: alignment, attribution", chain.inside),
            ("judge the claims, draw the figures, write the report", chain.report),
        ]
        for number, (label, step) in enumerate(steps, start=1):
            log(f"[{number}/{len(steps)}] {label}", quiet)
            step()
        folder.count("not_scored", 0)  # an item without a score ends the evaluation with an error
    log(f"report: {out / 'report' / 'index.html'}", quiet)


class _Chain:
    def __init__(self, config: ReproduceConfig, out: Path, runs: list[PlannedRun], seed: int, workers: int, quiet: bool) -> None:
        self.config, self.out, self.runs, self.seed, self.workers, self.quiet = config, out, runs, seed, workers, quiet
        self.trained = [run for run in runs if run.model_of == run.run_id]

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

    def finetune(self) -> None:
        jobs = [(self.finetune_settings(run), str(self.out / "models" / run.run_id)) for run in self.trained]
        with ProcessPoolExecutor(self.workers, mp_context=get_context("spawn")) as pool:
            for run, _ in zip(self.trained, pool.map(_finetune, *zip(*jobs, strict=True)), strict=True):
                log(f"      finetuned {run.run_id}", self.quiet)

    def finetune_settings(self, run: PlannedRun) -> dict[str, Any]:
        places = {"cohort": str(self.out / "cohorts" / run.cohort), "model": {"name": self.config.model}, "seed": self.seed}
        return self.config.training | places | {"prompts": self.config.prompts, "arm": run.arm_config()}

    def evaluate(self) -> None:
        from empirical.evaluation.config import EvaluateConfig
        from empirical.evaluation.evaluate import evaluate
        from empirical.evaluation.records import concatenate, write_records

        parts = []
        for run in self.runs:
            settings = parse_config(EvaluateConfig, self.evaluate_settings(run), source=DEFAULT)
            parts.append(evaluate(settings, self.out / "evaluations" / run.run_id, quiet=True))
        write_records(self.out / "records" / "records.parquet", concatenate(parts))
        write_json(self.out / "records" / "runs.json", [self._describe(run, part) for run, part in zip(self.runs, parts, strict=True)])

    def evaluate_settings(self, run: PlannedRun) -> dict[str, Any]:
        model = str(self.out / "models" / run.model_of / "model") if run.model_of else self.config.model
        places = {"cohort": str(self.out / "cohorts" / run.cohort), "model": {"name": model}, "seed": self.seed}
        return self.config.evaluation | places | {"prompts": self.config.prompts, "arms": [run.arm_config()]}

    def _describe(self, run: PlannedRun, records: Records) -> dict[str, Any]:
        model = f"models/{run.model_of}/model" if run.model_of else self.config.model
        known = {name: getattr(run, name) for name in ("run_id", "arm", "train_arm", "strategy", "rho", "series")}
        return known | {
            "cohort": f"cohorts/{run.cohort}",
            "model": model,
            "n_train": int(records.table["n_train"].iloc[0]),
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

    def inside(self) -> None:
        main = f"pair-{self.config.rhos[0]:.2f}"
        shown = [run for run in self.trained if run.run_id in ("single", main)]
        jobs = [(self.evaluate_settings(run), str(self.out / "analysis"), run.run_id) for run in shown]
        with ProcessPoolExecutor(self.workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(_look_inside, *zip(*jobs, strict=True)))

    def report(self) -> None:
        from paper_figures.outputs import write_claims, write_figures, write_report

        write_claims(self.out, seed=self.seed)
        write_figures(self.out, seed=self.seed, quiet=self.quiet)
        write_report(self.out)


def _finetune(settings: dict[str, Any], out: str) -> str:
    """Finetune one arm in a process of its own."""
    from empirical.training.config import FinetuneConfig
    from empirical.training.finetune import finetune

    return str(finetune(parse_config(FinetuneConfig, settings, source=DEFAULT), Path(out), quiet=True))


def _look_inside(settings: dict[str, Any], out: str, run: str) -> None:
    """Leave the tables by which C6 and C8 are judged, in a process of its own; what is there already is kept."""
    from empirical.analysis.arms import report_alignment, report_attribution
    from empirical.evaluation.config import EvaluateConfig

    config = parse_config(EvaluateConfig, settings, source=DEFAULT)
    for name, last, report in (
        ("alignment", "alignment_draws.parquet", report_alignment),
        ("attribution", "attribution_summary.csv", report_attribution),
    ):
        folder = Path(out) / f"{name}-{run}"
        if not (folder / last).is_file():
            report(config, folder, quiet=True)


def _merge(base: Any, changes: Any) -> Any:
    return base | changes if isinstance(base, dict) else changes
