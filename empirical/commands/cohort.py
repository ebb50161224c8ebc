"""The commands ``cohort phantom``, ``insert``, ``audit`` and ``show``; ``import`` is in `empirical.commands.cohort_import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from empirical.commands.cohort_import import import_cohort, new_cohort_run, split_lines
from empirical.commands.options import CONFIGS, config_path
from see_in_pairs.console import Changes, Json, Out, Quiet, Seed, emit_json, log, log_result, new_app
from see_in_pairs.errors import InputError
from see_in_pairs.runs import RunFolder

app = new_app("Make, import, audit or look at a cohort.")

CohortFolder = Annotated[Path, typer.Argument(metavar="COHORT", help="A folder with cohort.parquet.")]
DEFAULT_INSERTION = "insert-lesions"
DEFAULT_PHANTOM = CONFIGS / "default-phantom.yaml"


@app.command()
def phantom(
    out: Out,
    config: Annotated[
        str | None, typer.Argument(metavar="[CONFIG]", help="A packaged config, or a YAML file. [default: default-phantom]")
    ] = None,
    changes: Changes = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Make a phantom cohort: simulated images whose truth is known."""
    from empirical.cohorts.phantom import PhantomConfig, make_phantom
    from see_in_pairs.configs import load_config

    settings = load_config(PhantomConfig, config_path(config or DEFAULT_PHANTOM.stem, "cohort phantom"), changes or ())
    total = settings.n_train + settings.n_val + settings.n_test + settings.warmup.n
    log(f"making {total} families of {1 + settings.relatives} images, {settings.size} pixels wide, into {out}", quiet)
    with new_cohort_run(out, "cohort phantom", settings.model_dump(mode="json"), seed=seed) as run:
        cohort = make_phantom(settings, out, seed, quiet)
        run.count("items", len(cohort.table))
        run.count("clipped_pixels", cohort.info.counts["clipped_pixels"])
    log(f"{out}: {len(cohort.table)} items, {cohort.info.counts['clipped_pixels']} pixels clipped", quiet)
    log_result(split_lines(cohort), ["cohort", "audit", out], quiet)


@app.command()
def insert(
    cohort: CohortFolder,
    out: Out,
    config: Annotated[
        str | None, typer.Option("--config", metavar="CONFIG", help="A packaged config or a YAML file. [default: insert-lesions]")
    ] = None,
    changes: Changes = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Put lesions of known strength into healthy images.

    Half of the queries of the new cohort have one; references never do. Label, place and mask are known for every query.
    """
    from empirical.cohorts import Cohort
    from empirical.cohorts.insertion import InsertConfig, insert_lesions
    from see_in_pairs.configs import load_config

    source = Cohort.load(cohort)
    settings = load_config(InsertConfig, config_path(config or DEFAULT_INSERTION, "cohort insert"), changes or ())
    if out.exists() and out.resolve() == source.folder.resolve():
        raise InputError(f"--out {out}: is the cohort itself; choose another folder")
    log(f"lesions for the healthy images of {cohort}, into {out}", quiet)
    identity = settings.model_dump(mode="json") | {"cohort": source.hash}
    with new_cohort_run(out, "cohort insert", identity, seed=seed) as run:
        made = insert_lesions(source, settings, out, seed, quiet)
        for what, number in made.info.counts.items():
            run.count(what, number)
    known = made.info.parameters
    log(
        f"{out}: {len(made.table)} items; contrast {known['contrast']:.1f} gray levels; detectability in test images "
        f"{known['detectability_in_test_images']:.2f} (standard error {known['detectability_in_test_images_se']:.2f})",
        quiet,
    )
    log_result(split_lines(made), ["observers", out, "--config", "inserted-lesions", "--out", f"{out}-strategies"], quiet)


app.command("import")(import_cohort)


@app.command()
def audit(
    cohort: CohortFolder,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="NAME", help="Allow findings of this name; recorded in the manifest (with --out)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for the report: findings, their items, and every column against the class."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="Look for near duplicates by this vision model's embeddings too: 'pocket', a folder or a Hub id.",
        ),
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option("--embeddings", metavar="FILE.npz", help="The same with your own embeddings: arrays 'item_id' and 'vectors'."),
    ] = None,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Hash every image again, and stop if one has changed since it was imported.")
    ] = False,
    references: Annotated[
        list[Path] | None,
        typer.Option(
            "--references", metavar="CONFIG", help="A choice of references, to test whether they predict the class; may be repeated."
        ),
    ] = None,
    skip_references: Annotated[
        bool, typer.Option("--skip-references", help="Do not test whether references predict the class, for every strategy.")
    ] = False,
    seed: Seed = 0,
    quiet: Quiet = False,
    json: Json = None,
) -> None:
    """Check a cohort for leakage and confounds. Exit code 1 when a finding would stop a run."""
    from empirical.audit import audit as find
    from empirical.audit import check_allowed, stop_on_errors, summary
    from empirical.audit.embeddings import embeddings_of
    from empirical.audit.reference_leak import NOT_CHOSEN, audit_strategies, reference_findings, standard_strategies
    from empirical.audit.report import write_report
    from empirical.cohorts import Cohort
    from empirical.references import ReferenceConfig
    from see_in_pairs.configs import load_config

    loaded = Cohort.load(cohort)
    check_allowed(allow or ())
    if references and skip_references:
        raise InputError("--references and --skip-references: give only one of them")
    strategies = {path.stem: load_config(ReferenceConfig, config_path(str(path), "cohort references")) for path in references or ()}
    if len(strategies) < len(references or ()):
        raise InputError("--references: two configs have the same file name; rename one, since references are named after the file")
    vectors = embeddings_of(loaded, model, embeddings, quiet)
    findings = find(loaded, seed, vectors, rehash)
    leak = None
    if not skip_references and not any(one.severity == "error" and one.name not in (allow or ()) for one in findings):
        leak = audit_strategies(loaded, strategies or standard_strategies(loaded, vectors is not None), seed, vectors)
        for name, note in zip(leak["references"], leak["note"], strict=True):
            if name in strategies and note.startswith(NOT_CHOSEN):  # it was asked for by name: skipping it would look like a pass
                raise InputError(f"--references {name}: {note}")
        findings += reference_findings(leak)
    if out is not None:
        settings: dict[str, Any] = {"cohort": loaded.hash, "allow": allow or [], "model": model, "rehash": rehash}
        settings["embeddings"] = embeddings and str(embeddings)
        settings["references"] = "skipped" if skip_references else {name: one.model_dump() for name, one in strategies.items()}
        with RunFolder(out, "cohort audit", settings, seed=seed, inputs=[cohort / "cohort.parquet"]) as run:
            write_report(loaded, findings, run, allow or (), seed, leak)
    if json is not None:
        emit_json(findings, json)
    else:
        print(summary(findings, allow or ()))
    stop_on_errors(findings, allow or ())


@app.command()
def show(
    cohort: CohortFolder,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder of the page; by default COHORT/overview.")] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Make a contact sheet and a page of counts. Both are written as HTML and PNG."""
    from empirical.cohorts import Cohort
    from empirical.cohorts.overview.page import write_overview
    from empirical.cohorts.overview.summary import summary_tables

    loaded = Cohort.load(cohort)
    folder = out or cohort / "overview"
    with RunFolder(folder, "cohort show", {"cohort": loaded.hash}, seed=seed, inputs=[cohort / "cohort.parquet"]) as run:
        problems = write_overview(loaded, folder, seed)
        run.count("unreadable_pictures", len(problems))
    for problem in problems:
        log(f"warning: {problem}")
    print("\n\n".join(f"{title}\n{table.to_string(index=False)}" for title, table in summary_tables(loaded).items()))
    log(f"pictures: {folder / 'index.html'}", quiet)
