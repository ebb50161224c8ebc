"""A run's numbers for a paper: methods paragraph, item sheet and LaTeX macros, each number traced to its cell."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from see_in_pairs.errors import InputError, first_line
from see_in_pairs.files import read_json_object, read_text, sha256, write_text
from see_in_pairs.runs import RunFolder

MOST_ROWS = 400
"""In a table with more rows the numbers are data of a curve, not results to quote."""

CLAIMS = "claims.csv"
TRACE, MACROS, PARAGRAPH, SHEET = "numbers.csv", "numbers.tex", "methods.md", "checklist.csv"
COLUMNS = ("macro", "printed", "format", "file", "row", "column", "sha256")
DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
MARKED = re.compile(r"<!--(\w+)-->(.*?)<!--/-->")
MACRO = re.compile(r"^\\newcommand\{\\(\w+)\}\{(.*)\} % ", re.MULTILINE)
P_VALUES = ("p", "p_value", "adjusted")
AUTHOR = "to be written by the author"


@dataclass(frozen=True)
class Number:
    """One printed number, and its cell."""

    macro: str
    printed: str
    format: str  # 'p', 'd', or digits after the point such as '.3f'
    file: str  # relative to the folder of the numbers
    row: str  # of a CSV counted from 1 below the head; of a manifest the path of keys
    column: str  # 'value' of a manifest
    sha256: str  # of the file


def write_methods(run: Path, out: Path) -> list[Path]:
    """Write trace, macros, paragraph and item sheet of a finished run's folder into another folder; return the written files."""
    manifest_file = run / "manifest.json"
    if not manifest_file.is_file():
        raise InputError(f"{run}: no manifest.json; give the folder that a command wrote with --out")
    manifest = _json(manifest_file)
    if manifest.get("package") != "see-in-pairs" or not manifest.get("finished"):
        raise InputError(f"{manifest_file}: not of a finished run of see-in-pairs; finish the run first")
    tables, drawn = sorted(run.glob("*.csv")), sorted(run.glob("figures/*.csv"))
    if manifest["command"] == "reproduce" or not tables:
        tables = [*tables, *drawn]
    if not tables:
        raise InputError(f"{run}: contains no CSV table, so there is no number to quote")
    numbers = [*_of_manifest(manifest, manifest_file, out)]
    for table in tables:
        numbers += _of_table(table, out, {number.macro for number in numbers})
    known = {(number.file, number.row, number.column): number for number in numbers}

    def cite(file: Path, row: str, column: str) -> str:
        number = known.get((os.path.relpath(file, out), row, column))
        return "-" if number is None else f"<!--{number.macro}-->{number.printed}<!--/-->"

    written = {
        TRACE: _csv([COLUMNS, *([getattr(number, column) for column in COLUMNS] for number in numbers)]),
        MACROS: "".join(
            f"\\newcommand{{\\{one.macro}}}{{{_latex(one.printed)}}} % {one.file} row {one.row} column {one.column}\n" for one in numbers
        ),
        PARAGRAPH: _paragraph(run, manifest, cite),
        SHEET: _csv([("topic", "item", "answer", "from"), *_sheet(run, manifest)]),
    }
    with RunFolder(out, "methods", {"run": os.path.relpath(run, out), "of": manifest["config_hash"]}, 0, [manifest_file, *tables]):
        for name, text in written.items():
            write_text(out / name, text)
    return [out / name for name in written]


def check_numbers(folder: Path) -> tuple[int, list[str]]:
    """Compare every number of a folder that `write_methods` wrote with its cell; return their count, and the differences, a line each."""
    trace = _rows(folder / TRACE)
    if not trace or set(COLUMNS) - set(trace[0]):
        raise InputError(f"{folder / TRACE}: not a table of traced numbers; write it with 'see-in-pairs methods'")
    wrong, tables, printed = [], {}, {}
    for row in trace:
        file = folder / row["file"]
        if file not in tables:
            tables[file] = (_cells(file), sha256(file)) if file.is_file() else (None, "")
            if tables[file][0] is None:
                wrong.append(f"{row['file']}: is missing")
            elif tables[file][1] != row["sha256"]:
                wrong.append(f"{row['file']}: has changed since the numbers were written")
        cells, _ = tables[file]
        if cells is None:
            continue
        cell = cells.get((row["row"], row["column"]))
        now = None if cell is None else _print(cell, row["format"])
        if now != row["printed"]:
            wrong.append(
                f"{TRACE}: {row['macro']} says {row['printed']}; {row['file']} row {row['row']} column {row['column']} gives {now}"
            )
        printed[row["macro"]] = now
    for name, pattern in ((MACROS, MACRO), (PARAGRAPH, MARKED)):
        found = pattern.findall(_text(folder / name))
        if name == MACROS and (lacking := sorted(set(printed) - {macro for macro, _ in found})):
            wrong.append(f"{name}: lacks {', '.join(lacking[:3])}")
        for macro, text in found:
            expected = printed.get(macro)
            if expected is None or text != (_latex(expected) if name == MACROS else expected):
                wrong.append(f"{name}: {macro} says {text}; its cell gives {expected}")
    wrong += _changed_answers(folder, trace)
    return len(trace), wrong


def _changed_answers(folder: Path, trace: Sequence[Mapping[str, str]]) -> list[str]:
    """Answers of the item sheet that came from a run and have changed since."""
    manifests = {row["file"] for row in trace if row["file"].endswith("manifest.json")}
    if len(manifests) != 1 or not (folder / SHEET).is_file() or not (file := folder / manifests.pop()).is_file():
        return []
    given = {(row["topic"], row["item"]): row["answer"] for row in _rows(folder / SHEET)}
    return [
        f"{SHEET}: {item!r} says {given[topic, item]}; the run gives {answer}"
        for topic, item, answer, origin in _sheet(file.parent, _json(file))
        if origin and given.get((topic, item), answer) != answer
    ]


def _json(file: Path) -> dict[str, Any]:
    return read_json_object(file)


def _text(file: Path) -> str:
    return read_text(file) if file.is_file() else ""


def _rows(file: Path) -> list[dict[str, str]]:
    try:
        return list(csv.DictReader(io.StringIO(read_text(file))))
    except csv.Error as error:
        raise InputError(f"{file}: cannot be read as a table ({first_line(error)})") from None


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cells(file: Path) -> dict[tuple[str, str], str]:
    """Every cell of a CSV table, or every number of a manifest, by row and column."""
    if file.suffix == ".json":
        return {(path, "value"): text for path, text in _leaves(_json(file))}
    return {(str(number), column): text for number, row in enumerate(_rows(file), start=1) for column, text in row.items() if column}


def _leaves(content: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(content, (int, float)) and not isinstance(content, bool):
        yield path, repr(content)


def _value(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _format(text: str, column: str) -> str:
    """Format of a cell: p-values as p-values, whole numbers without decimals, small ones with enough digits."""
    value = float(text)
    if column in P_VALUES:
        return "p"
    if re.fullmatch(r"[+-]?\d+", text.strip()):
        return "d"
    return ".3f" if value == 0 or abs(value) >= 0.01 else ".5f"


def _print(text: str, form: str) -> str:
    value = _value(text)
    if value is None or form == "text":
        return text
    if form == "p":
        return "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0")
    return f"{value:.0f}" if form == "d" else f"{value:{form}}"


def _latex(text: str) -> str:
    """A minus sign and a smaller-than sign as mathematics."""
    return f"\\ensuremath{{{text}}}" if text[:1] in ("-", "<") else text


def _name(*parts: str) -> str:
    """A name of letters only, as LaTeX requires."""
    words = re.findall(r"[A-Za-z]+|\d", " ".join(parts))
    return "Sip" + "".join(DIGITS[int(word)] if word.isdigit() else word[:1].upper() + word[1:] for word in words)


def _unique(name: str, taken: set[str]) -> str:
    found, count = name, 1
    while found in taken:
        count += 1
        found = name + _name(str(count))[3:]
    taken.add(found)
    return found


def _of_manifest(manifest: Mapping[str, Any], file: Path, out: Path) -> list[Number]:
    kept = {key: manifest.get(key) for key in ("config", "seed", "counts")}
    where, digest, taken = os.path.relpath(file, out), sha256(file), set[str]()
    return [
        Number(_unique(_name("run", path), taken), _print(text, form := _format(text, "")), form, where, path, "value", digest)
        for path, text in _leaves(kept)
        if _value(text) is not None
    ]


def _of_table(file: Path, out: Path, taken: set[str]) -> list[Number]:
    rows = _rows(file)
    if len(rows) > MOST_ROWS:
        return []
    where, digest, found = os.path.relpath(file, out), sha256(file), []
    for number, row in enumerate(rows, start=1):
        words = [text for text in row.values() if text and _value(text) is None and text not in ("True", "False")]
        if row.get("recommended") == "True":  # a name that does not change with the degrees of freedom
            words[1:2] = ["recommended"]
        for column, text in row.items():
            if column and text and _value(text) is not None:
                form = _format(text, column)
                macro = _unique(_name(file.stem, *words[:2], column), taken)
                found.append(Number(macro, _print(text, form), form, where, str(number), column, digest))
            elif column == "test" and row.get("recommended") == "True":
                found.append(Number(_unique(_name(file.stem, *words[:2], column), taken), text, "text", where, str(number), column, digest))
    return found


Cite = Callable[[Path, str, str], str]


def _paragraph(run: Path, manifest: Mapping[str, Any], cite: Cite) -> str:
    """The methods paragraph, and for a comparison the results in the form of a paper; every number is marked with its macro."""
    commit, file = manifest.get("git_commit"), run / "manifest.json"
    code = f"see-in-pairs {manifest['version']}" + (f", commit {commit}" if commit else "")
    libraries = ", ".join(f"{name} {version}" for name, version in (manifest.get("libraries") or {}).items() if version)
    lines = [
        "# Methods", "",
        f"The analysis was made by `see-in-pairs {manifest['command']}` ({code}; {libraries}), from a configuration with hash "
        f"{manifest['config_hash']} and seed {cite(file, 'seed', 'value')}. Inputs, with SHA-256: "
        + ("; ".join(f"`{name}` ({digest})" for name, digest in (manifest.get("inputs") or {}).items()) or "none") + ".",
    ]  # fmt: skip
    if manifest["command"] == "compare" and (run / "comparison.json").is_file():
        lines += _comparison(run, cite)
    if (run / CLAIMS).is_file():
        lines += _verdicts(run / CLAIMS, cite)
    return "\n".join(lines) + "\n"


def _verdicts(table: Path, cite: Cite) -> list[str]:
    """A line for each judged claim and source of evidence: the verdict, and the estimate that represents it."""
    judged: dict[tuple[str, str], list[tuple[int, dict[str, str]]]] = {}
    for number, row in enumerate(_rows(table), start=1):
        if row["verdict"] != "not tested" and row["role"] == "gain":
            judged.setdefault((row["claim"], row["source"]), []).append((number, row))
    lines = ["", "# Verdicts", "", "By the rule and the margins of the registry of claims; the smallest of several parts is given.", ""]
    for (claim, source), rows in judged.items():
        number, row = min(rows, key=lambda one: float(one[1]["estimate"]))
        value, low, high, margin = (cite(table, str(number), name) for name in ("estimate", "low", "high", "margin"))
        part = f" ({row['part'].replace('_', ' ')})" if row["part"] else ""
        lines.append(f"- {claim}, {source}: {row['verdict']}{part}; {row['unit']} {value} [{low}, {high}], margin {margin}.")
    return lines if judged else []


def _comparison(run: Path, cite: Cite) -> list[str]:
    content, table = _json(run / "comparison.json"), run / "comparison.csv"
    arms, rows = content.get("arms") or ["A", "B"], _rows(table)
    lines = [
        "", f"Arms {arms[0]} (A) and {arms[1]} (B) were compared on the same items; items are clustered by "
        f"{', '.join(content.get('cluster_columns') or ['item'])}. A score of at least "
        f"{cite(run / 'manifest.json', 'config.threshold', 'value')} counted as positive. Which test is reported follows from the design "
        "alone, by a rule fixed in the software. Differences are A minus B.",
    ]  # fmt: skip
    chosen = content.get("recommended") or {}
    lines += ["", "# Results", ""]
    for number, row in enumerate(rows, start=1):
        if row.get("recommended") != "True":
            continue
        at = lambda column, number=number: cite(table, str(number), column)
        why = (chosen.get(row["measure"]) or {}).get("why", "")
        interval = f"interval {at('low')} to {at('high')}" if row["low"] else "no interval"
        p = f", p {at('p')}" if row["p"] else ", no verdict"
        lines.append(
            f"- {row['measure']}: A {at('a')}, B {at('b')}, difference {at('difference')} ({interval}{p}); {at('test')}, because {why}."
        )
    return lines


def _sheet(run: Path, manifest: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Items that reporting guidelines for studies of diagnostic AI ask for, in our words; those known from the run are filled in."""
    content = _json(run / "comparison.json") if (run / "comparison.json").is_file() else {}
    config, inputs, counts = (manifest.get(name) or {} for name in ("config", "inputs", "counts"))
    chosen, ours, known = content.get("recommended") or {}, "comparison.json", "manifest.json"
    facts = lambda value: "; ".join(f"{key} {one}" for key, one in value.items())
    levels = {name: one.get("levels") for name, one in ((chosen.get("auroc") or {}).get("factors") or {}).items()}
    paired = f"paired: both arms on the same {content.get('items')} items of {content.get('clusters')} clusters" if content else ""
    code = f"see-in-pairs {manifest['version']}, commit {manifest.get('git_commit')}; {facts(manifest.get('libraries') or {})}"
    command = f"{' '.join(manifest.get('command_line') or [])}; hash {manifest['config_hash']}; seed {manifest['seed']}"
    asked = [
        ("title", "Names the study as one of diagnostic accuracy of an AI model, and the task", "", ""),
        ("introduction", "Intended use, and place of the model in care", "", ""),
        ("design", "Prospective or retrospective; how arms are compared", paired, ours),
        ("participants", "Eligibility, setting, dates, how items were sampled", "", ""),
        ("participants", "Data sources, with what identifies their version", facts(inputs), known),
        ("index test", "Model, its version, inputs and prompts of each arm", ", ".join(content.get("arms") or ()), ours),
        ("index test", "Cut-off, and whether it was fixed beforehand", str(config.get("threshold", "")), known),
        ("reference standard", "How the truth was established, by whom, blinded to what", "", ""),
        ("training", "Training data, and their separation from the test set by patient", "", ""),
        ("training", "Trainings, references and wordings that were compared", facts(levels), ours),
        ("analysis", "Measures and tests, chosen before the results", facts({k: one.get("test") for k, one in chosen.items()}), ours),
        ("analysis", "Clusters, repeated readings and shared references", ", ".join(content.get("cluster_columns") or ()), ours),
        ("analysis", "Missing and unusable results, and how they count", facts(counts) or "none counted", known),
        ("analysis", "Sample size, and how it was planned", "", ""),
        ("results", "Estimates with intervals", f"{TRACE}, {PARAGRAPH}", TRACE),
        ("results", "Cross tables, predictive values, likelihood ratios", "block diagnostic" if content.get("diagnostic") else "", ours),
        ("results", "Failure cases and subgroups", "", ""),
        ("discussion", "Limits: bias, uncertainty, to whom results apply", "; ".join(content.get("warnings") or ()), ours),
        ("other", "Code and software versions", code, known),
        ("other", "Command, configuration and seed", command, known),
        ("other", "Availability of data, registration, ethics, funding", "", ""),
    ]  # fmt: skip
    return [(topic, item, answer or AUTHOR, origin if answer else "") for topic, item, answer, origin in asked]
