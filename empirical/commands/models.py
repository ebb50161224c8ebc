"""The commands that train, score and check models: ``finetune``, ``evaluate``, ``doctor``, ``pretrain`` and ``pretrain-grid``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from empirical.commands.options import config_path, with_seed
from see_in_pairs.console import Changes, Config, Json, Out, Quiet, SeedChange, Workers, emit_json, log, log_result
from see_in_pairs.errors import CheckFailed

if TYPE_CHECKING:
    from pathlib import Path

    from empirical.evaluation.records import Records
    from empirical.training.config import FinetuneConfig


class ListingArms(TyperCommand):
    """A command whose help ends with the list of arms, and the explanation that each isolates."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the list; arms are imported only when help is shown."""
        from empirical.arms import ARMS

        with formatter.section("Arms (the numerals are the rival explanations of statement T11)"):
            formatter.write_dl([(arm.name, f"{arm.shows}; isolates {arm.isolates}") for arm in ARMS.values()])


def finetune(config: Config, out: Out, changes: Changes = None, seed: SeedChange = None, quiet: Quiet = False) -> None:
    """Finetune a model on one arm. Run again to resume."""
    from empirical.training.config import FinetuneConfig
    from empirical.training.distributed import is_first
    from empirical.training.finetune import finetune as run
    from see_in_pairs.configs import load_config

    settings = load_config(FinetuneConfig, config_path(config, "finetune"), with_seed(changes, seed))
    folder = run(settings, out, quiet=quiet)
    log(f"model: {folder}", quiet or not is_first())
    log_result([], _evaluation_of(settings, folder, out), quiet or not is_first())


def _evaluation_of(settings: FinetuneConfig, model: Path, out: Path) -> list[object]:
    """The command that scores a finetuned model on its own arm, with the prompts of its training."""
    import json

    from empirical.evaluation.config import EvaluateConfig
    from see_in_pairs.configs import load_config

    name = "single-test" if settings.arm.arm == "single" else "pair-test"
    packaged = load_config(EvaluateConfig, config_path(name, "evaluate"))
    changes = {"cohort": settings.cohort, "model.name": str(model)}
    if list(packaged.arms) != [settings.arm]:
        changes["arms"] = json.dumps([settings.arm.model_dump(mode="json", exclude_defaults=True) | {"arm": settings.arm.arm}])
    if packaged.prompts != settings.prompts:
        changes["prompts"] = json.dumps(settings.prompts.model_dump(mode="json", exclude_defaults=True))
    if settings.model.trust_remote_code:
        changes["model.trust_remote_code"] = "true"
    words = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    return ["evaluate", name, *words, "--out", f"{out}-test"]


def evaluate(config: Config, out: Out, changes: Changes = None, seed: SeedChange = None, quiet: Quiet = False) -> None:
    """Score one or more arms on identical items. Run again to resume."""
    from empirical.analysis.reports import evaluate_with_reports
    from empirical.evaluation.config import EvaluateConfig
    from see_in_pairs.configs import load_config

    settings = load_config(EvaluateConfig, config_path(config, "evaluate"), with_seed(changes, seed))
    records = evaluate_with_reports(settings, out, quiet=quiet)
    log(f"{len(records.table)} rows: {out / 'records.parquet'}", quiet)
    arms = list(dict.fromkeys(records.table["arm"]))
    if len(arms) > 1 and records.table["run_id"].nunique() == len(arms):
        chosen = [word for arm in arms for word in ("--arm", arm)]
        log_result(_areas(records), ["compare", out, *chosen], quiet, most=24)
    elif len(arms) > 1 or records.table["run_id"].nunique() > 1:
        first, second = list(dict.fromkeys(records.table["run_id"]))[:2]
        log_result(_areas(records), ["compare", out, out, "--run-a", first, "--run-b", second], quiet, most=24)
    else:
        for line in _areas(records):
            log(line, quiet)
        log("next: score another arm on the same items, and give both folders to 'see-in-pairs compare'", quiet)


def _areas(records: Records) -> list[str]:
    """Items and AUROC of each run; '-' where a class is absent or a score is missing, or an item has several rows."""
    import numpy as np

    from see_in_pairs.roc import auroc

    lines = [f"{'run':<24} {'arm':<16} {'items':>6}  AUROC"]
    for (run, arm), rows in records.table.groupby(["run_id", "arm"], sort=False):
        positive, scores = records.of(run_id=run).is_positive().to_numpy(), rows["p_positive"].to_numpy(dtype=float)
        usable = np.isfinite(scores).all() and 0 < positive.sum() < len(positive) and not rows["item_id"].duplicated().any()
        lines.append(f"{run:<24} {arm:<16} {len(rows):>6}  {f'{auroc(scores, positive):.3f}' if usable else '-'}")
    return lines


def pretrain(config: Config, out: Out, changes: Changes = None, seed: SeedChange = None, quiet: Quiet = False) -> None:
    """Train a pocket model from random weights. It learns from procedural pictures. Run again to resume."""
    from empirical.pretraining.config import PretrainConfig
    from empirical.pretraining.pretrain import pretrain as run
    from see_in_pairs.configs import load_config

    settings = load_config(PretrainConfig, config_path(config, "pretrain"), with_seed(changes, seed))
    folder = run(settings, out, quiet=quiet)
    log(f"model: {folder} (its README.md has the results)", quiet)


def pretrain_grid(
    config: Config,
    out: Out,
    changes: Changes = None,
    workers: Workers = 1,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="Use only this seed; default: the config's seeds.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Pretrain pocket models of several shapes, rates and seeds. Writes one table. Run again to resume."""
    from empirical.pretraining.grid import GridConfig
    from empirical.pretraining.grid import pretrain_grid as run
    from see_in_pairs.configs import load_config

    only = [] if seed is None else [f"seeds=[{seed}]"]
    run(load_config(GridConfig, config_path(config, "pretrain-grid"), [*(changes or []), *only]), out, workers=workers, quiet=quiet)
    log(f"table: {out / 'summary.csv'}", quiet)


def doctor(
    model: Annotated[
        str, typer.Option("--model", metavar="MODEL", help="'pocket' (the bundled model), 'pocket-random', a folder, or a Hub id.")
    ] = "pocket",
    revision: Annotated[str | None, typer.Option("--revision", metavar="COMMIT", help="Commit of a Hub repository.")] = None,
    trust_remote_code: Annotated[bool, typer.Option("--trust-remote-code", help="Run code that comes with the repository.")] = False,
    json: Json = None,
    seed: SeedChange = None,
    quiet: Quiet = False,
) -> None:
    """Check a model before you trust it.

    Looks at tokens, pixels, positions, padding, labels, gradients and caches. Exit code 1 when a check fails.
    """
    from empirical.vlm.config import ModelConfig
    from empirical.vlm.doctor import diagnose

    log(f"check '{model}' on made-up pictures (no check uses random numbers; --seed is accepted but has no effect)", quiet)
    diagnosis = diagnose(ModelConfig(name=model, revision=revision, trust_remote_code=trust_remote_code))
    if json is not None:
        emit_json(diagnosis.to_dict(), json)
    else:
        for check in diagnosis.checks:
            print(f"{'ok  ' if check.passed else 'FAIL'}  {check.name}: {check.detail}")
    if not diagnosis.passed:
        raise CheckFailed(
            f"model '{model}': {sum(not check.passed for check in diagnosis.checks)} of {len(diagnosis.checks)} checks failed"
        )
