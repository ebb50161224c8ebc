"""The commands ``configs list``, ``configs copy`` and ``configs wordings``."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from empirical.commands.options import CONFIGS as OF_MODELS
from paper_figures.commands.observers import CONFIGS as OF_OBSERVERS
from paper_figures.commands.study import CONFIGS as OF_STUDIES
from see_in_pairs.console import Json, Quiet, emit_json, log, new_app
from see_in_pairs.errors import InputError, did_you_mean
from see_in_pairs.packaged import PackagedConfig, packaged_config, packaged_paths
from theory.sweeps.packaged import FOLDER as OF_SWEEPS

app = new_app("Configs to start from, which commands take by name.")


def all_configs() -> dict[str, PackagedConfig]:
    """Every packaged config by its name."""
    return {
        name: packaged_config(path)
        for folder in (OF_MODELS, OF_STUDIES, OF_OBSERVERS, OF_SWEEPS)
        for name, path in packaged_paths(folder).items()
    }


@app.command("list")
def list_configs(json: Json = None, quiet: Quiet = False) -> None:
    """List the packaged configs: name, command and what each is.

    Commands take such a name wherever they take a config. A word with a suffix or a slash is a file; any other word is a packaged config's
    name, or else a file without a suffix.
    """
    found = sorted(all_configs().values(), key=lambda config: (config.command, config.name))
    if json is not None:
        rows = [{"name": one.name, "command": one.command, "summary": one.summary, "path": str(one.path)} for one in found]
        return emit_json(rows, json)
    for one in found:
        print(f"{one.name:<20} {one.command:<18} {one.summary}")
    log("see-in-pairs configs copy NAME copies one into a file of your own", quiet)


@app.command("copy")
def copy_config(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a packaged config.")],
    destination: Annotated[Path | None, typer.Argument(metavar="[DEST]", help="File or folder. [default: NAME.yaml here]")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    quiet: Quiet = False,
) -> None:
    """Copy a packaged config into a file of your own."""
    from see_in_pairs.files import write_text

    known = all_configs()
    if name not in known:
        raise InputError(f"no packaged config is called '{name}'{did_you_mean(name, known)} (see 'configs list')")
    found, target = known[name], destination or Path()
    if target.is_dir():
        target = target / found.path.name
    if target.exists() and not force:
        raise InputError(f"{target}: exists already; choose another name, or overwrite it with --force")
    write_text(target, found.path.read_text(encoding="utf-8"))
    print(target)
    word = str(target) if target.suffix or os.sep in str(target) else f"./{target}"  # otherwise it could be a packaged config's name
    log(f"change it, then give {shlex.quote(word)} to 'see-in-pairs {found.command}' instead of {name}", quiet)


@app.command("wordings")
def wordings(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="SET, SET/KIND or SET/NAME; its texts are shown. [default: list all]")
    ] = None,
    json: Json = None,
    quiet: Quiet = False,
) -> None:
    """List the wordings that 'evaluate' can ask in.

    With a name, show the texts. A set is bundled, or a YAML file of yours. All bundled words are written for this package.
    """
    from empirical.prompts.wordings import bundled_sets, find_wordings

    found = [one for asked in ((name,) if name else bundled_sets()) for _, one in find_wordings(asked)]
    if json is not None:
        return emit_json([{"name": one.name, "kind": one.kind, "texts": dict(sorted(one.texts.items()))} for one in found], json)
    for one in found:
        print(f"{one.name:<24} {one.kind:<12} {', '.join(sorted(one.texts))}")
        for place, text in sorted(one.texts.items()) if name else ():
            print(f"  {place}: {text}")
    log("ask in them with 'see-in-pairs evaluate ... --set wordings=[NAME, ...]'", quiet)
