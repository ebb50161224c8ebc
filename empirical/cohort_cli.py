"""The commands ``cohort phantom``, ``import``, ``audit`` and ``show``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from see_in_pairs.configs import load_config
from see_in_pairs.console import Json, Quiet, Seed, emit_json, new_app, say
from see_in_pairs.errors import InputError
from see_in_pairs.runs import RunFolder

if TYPE_CHECKING:
    from empirical.cohorts import Cohort
    from empirical.cohorts.splits import Fractions

app = new_app("Make, import, audit or look at a cohort.")

CohortFolder = Annotated[Path, typer.Argument(metavar="COHORT", help="A folder with cohort.parquet.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the new cohort.")]
Changes = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the config, e.g. --set rho=0.5.")]
DEFAULT_PHANTOM = Path(__file__).parent / "cohorts" / "phantom" / "default.yaml"
Kind = Literal["nih", "ham10000", "folder"]


@app.command()
def phantom(
    out: Out,
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG.yaml]", help="Settings; without it the defaults.")] = None,
    changes: Changes = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Make a phantom cohort: simulated chest images whose truth is known."""
    from empirical.cohorts.phantom import PhantomConfig, make_phantom

    settings = load_config(PhantomConfig, config or DEFAULT_PHANTOM, changes or ())
    total = settings.n_train + settings.n_val + settings.n_test + settings.warmup.n
    say(f"making {total} families of {1 + settings.relatives} images, {settings.size} pixels wide, into {out}", quiet)
    with _new_run(out, "cohort phantom", settings.model_dump(mode="json"), seed=seed) as run:
        cohort = make_phantom(settings, out, seed, quiet)
        run.count("items", len(cohort.table))
        run.count("clipped_pixels", cohort.info.counts["clipped_pixels"])
    say(f"{out}: {len(cohort.table)} items, {cohort.info.counts['clipped_pixels']} pixels clipped", quiet)


@app.command("import")
def import_cohort(
    kind: Annotated[Kind, typer.Option("--kind", help="Layout of the image set.")],
    root: Annotated[Path, typer.Option("--root", help="Folder of the image set.")],
    out: Out,
    positive: Annotated[list[str] | None, typer.Option("--positive", help="What to detect (folder: may be repeated).")] = None,
    healthy: Annotated[str | None, typer.Option("--healthy", help="Folder sets: the label of the healthy images.")] = None,
    patient_pattern: Annotated[
        str | None, typer.Option("--patient-pattern", metavar="REGEX", help="Folder sets: the patient in a name.")
    ] = None,
    only_present: Annotated[bool, typer.Option("--only-present", help="Count and skip rows of the table that have no image.")] = False,
    modality: Annotated[str, typer.Option("--modality", help="Folder sets: what the images are, for the prompt.")] = "medical image",
    finding: Annotated[str, typer.Option("--finding", help="Folder sets: what to look for, for the prompt.")] = "",
    fractions: Annotated[str, typer.Option("--fractions", help="Shares of patients for train,val,test.")] = "0.6,0.1,0.3",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Import an image set; images stay where they are."""
    from empirical.cohorts.splits import parse_fractions

    shares = parse_fractions(fractions)
    settings: dict[str, Any] = {
        "kind": kind,
        "root": str(root.resolve()),
        "positive": positive,
        "healthy": healthy,
        "patient_pattern": patient_pattern,
    }
    settings |= {"only_present": only_present, "modality": modality, "finding": finding, "fractions": list(shares)}
    _refuse_misplaced(kind, settings)
    if not root.is_dir():
        raise InputError(f"--root {root}: no such folder")
    say(f"reading {root}; its images are opened once and stay where they are", quiet)
    with _new_run(out, "cohort import", settings, seed=seed) as run:
        if kind == "folder":
            cohort = _import_folder(root, out, healthy, positive, patient_pattern, modality, finding, shares, seed, quiet)
        else:
            cohort = _import_table(kind, root, out, positive, only_present, shares, seed, quiet)
        for name, number in cohort.info.counts.items():
            run.count(name, number)
    say(
        f"{out}: {len(cohort.table)} items of {cohort.table['patient_id'].nunique()} patients; next: see-in-pairs cohort audit {out}", quiet
    )


@app.command()
def audit(
    cohort: CohortFolder,
    allow: Annotated[list[str] | None, typer.Option("--allow", metavar="NAME", help="Let findings of this name pass.")] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
    json: Json = None,
) -> None:
    """Check a cohort for leakage and confounds; exit code 1 when something stops."""
    from empirical.audit import audit as find
    from empirical.audit import stop_on_errors, summary
    from empirical.cohorts import Cohort

    findings = find(Cohort.load(cohort), seed)
    if json is not None:
        emit_json(findings, json)
    else:
        print(summary(findings))
    stop_on_errors(findings, allow or ())


@app.command()
def show(
    cohort: CohortFolder,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the page; COHORT/overview by default.")] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Make a contact sheet and a page of counts."""
    from empirical.cohorts import Cohort
    from empirical.cohorts.show import summary_tables, write_overview

    loaded = Cohort.load(cohort)
    folder = out or cohort / "overview"
    with RunFolder(folder, "cohort show", {"cohort": loaded.hash}, seed=seed, inputs=[cohort / "cohort.parquet"]):
        write_overview(loaded, folder, seed)
    print("\n\n".join(f"{title}\n{table.to_string(index=False)}" for title, table in summary_tables(loaded).items()))
    say(f"pictures: {folder / 'index.html'}", quiet)


def _import_folder(
    root: Path,
    out: Path,
    healthy: str | None,
    positive: list[str] | None,
    pattern: str | None,
    modality: str,
    finding: str,
    shares: Fractions,
    seed: int,
    quiet: bool,
) -> Cohort:
    from empirical.cohorts.folder import import_folder

    if healthy is None:
        raise InputError("--kind folder: name the healthy label with --healthy LABEL")
    words = {"modality": modality, "finding": finding}
    return import_folder(
        root, out, healthy=healthy, positive=positive or (), patient_pattern=pattern, fractions=shares, seed=seed, quiet=quiet, **words
    )


def _import_table(
    kind: str, root: Path, out: Path, positive: list[str] | None, only_present: bool, shares: Fractions, seed: int, quiet: bool
) -> Cohort:
    from empirical.cohorts.ham10000 import import_ham10000
    from empirical.cohorts.nih import import_nih

    if positive is not None and len(positive) > 1:
        raise InputError(f"--kind {kind}: takes one --positive")
    reader, usual = (import_nih, "Pneumonia") if kind == "nih" else (import_ham10000, "mel")
    finding = positive[0] if positive else usual
    return reader(root, out, positive=finding, only_present=only_present, fractions=shares, seed=seed, quiet=quiet)


def _refuse_misplaced(kind: str, settings: dict[str, object]) -> None:
    """Refuse options that the kind would ignore."""
    if kind == "folder" and settings["only_present"]:
        raise InputError("--only-present: is for sets with a table; an image folder has none")
    unused = {"healthy": None, "patient_pattern": None, "modality": "medical image", "finding": ""}
    for name, default in unused.items():
        if kind != "folder" and settings[name] != default:
            raise InputError(f"--{name.replace('_', '-')}: is for --kind folder; --kind {kind} knows it")


@contextmanager
def _new_run(out: Path, command: str, settings: dict[str, Any], seed: int) -> Iterator[RunFolder]:
    """Open a run folder, and leave none behind when the input was at fault, so that the corrected command may use the same folder."""
    was_there, had_manifest = out.exists(), (out / "manifest.json").exists()
    with RunFolder(out, command, settings, seed=seed) as run:
        try:
            yield run
        except InputError:
            if not had_manifest:
                (out / "manifest.json").unlink()
            if not was_there and not any(out.iterdir()):
                out.rmdir()
            raise
