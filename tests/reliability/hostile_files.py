"""Hostile files under the name of every kind of file that a command reads: each is refused in one line, or read as what it is.

``make reliability`` runs it and writes its table. A command first runs on files that nothing is wrong with; then one of them is replaced.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shutil
import textwrap
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.reliability.cases import AS_IT_IS, Case, Lister, Try, in_rounds, in_this_process, main, spread, table


def truncated(path: Path, content: bytes) -> None:
    path.write_bytes(content[: len(content) // 2])


def turned(path: Path, content: bytes) -> None:
    """Bits turned here and there, the same every time."""
    changed = bytearray(content)
    for place in np.random.default_rng(0).integers(0, max(len(content), 1), 40) if content else ():
        changed[place] ^= 0x5A
    path.write_bytes(bytes(changed))


def without_end(path: Path, content: bytes) -> None:
    path.write_bytes(content[:-7])


def zeroed(path: Path, content: bytes) -> None:
    path.write_bytes(content[: len(content) // 3] + bytes(len(content) // 3) + content[2 * len(content) // 3 :])


def sparse(path: Path, content: bytes) -> None:
    with open(path, "wb") as stream:
        stream.truncate(2**38)


def link_to(target: str) -> Callable[[Path, bytes], None]:
    return lambda path, content: path.symlink_to(target)


def text(words: str | bytes) -> Callable[[Path, bytes], object]:
    return lambda path, content: path.write_bytes(words if isinstance(words, bytes) else words.encode())


def columns_of(kind: str) -> Callable[[Path, bytes], None]:
    """The same table in Parquet, its columns of another kind (where the file is a table)."""

    def write(path: Path, content: bytes) -> None:
        try:
            rows = pd.read_parquet(io.BytesIO(content)) if content[:4] == b"PAR1" else pd.read_csv(io.BytesIO(content))
        except (ValueError, UnicodeDecodeError):
            rows = pd.DataFrame({"item_id": ["a", "b"], "label": [0, 1], "score": [0.1, 0.9]})
        makers: dict[str, Callable[[Any], Any]] = {"lists": lambda value: [value, value], "structures": lambda value: {"a": value}}
        numeric = pd.api.types.is_numeric_dtype
        plain = rows.head(200).apply(lambda column: column.astype(float) if numeric(column.dtype) else column.astype(str)).astype(object)
        rows = plain.map(makers[kind]) if kind in makers else rows.head(0) if kind == "no rows" else rows.iloc[:, :1]
        rows.to_parquet(path)

    return write


def unpacks_to_much(path: Path, content: bytes) -> None:
    """A .npz of 300 kB that holds arrays of the right names with 300 MB each, and one that claims more than there is."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("item_id", "vectors", "train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"):
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 10**9)})
            archive.writestr(f"{name}.npy", header.getvalue() + bytes(3 * 10**7))


def huge_picture(path: Path, content: bytes) -> None:
    """A PNG of a few bytes that says that it has 60,000 x 60,000 pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))

FILES: dict[str, Callable[[Path, bytes], object]] = {
    "empty": text(""),
    "one line": text("\n"),
    "null bytes": text(bytes(4096)),
    "noise": text(np.random.default_rng(1).bytes(4096)),
    "half of it": truncated,
    "all but its end": without_end,
    "bits turned": turned,
    "a third of it zero": zeroed,
    "twice": lambda path, content: path.write_bytes(content * 2),
    "byte-order mark": lambda path, content: path.write_bytes(b"\xef\xbb\xbf" + content),
    "UTF-16": lambda path, content: path.write_bytes(content.decode("latin-1").encode("utf-16")),
    "Latin-1": lambda path, content: path.write_bytes(content.replace(b"e", b"\xe9")),
    "line ends of Windows": lambda path, content: path.write_bytes(content.replace(b"\n", b"\r\n")),
    "terminal escapes": lambda path, content: path.write_bytes(content.replace(b"a", b"\x1b[31ma\x07")),
    "folder": lambda path, content: path.mkdir(),
    "pipe": lambda path, content: os.mkfifo(path),
    "endless device": link_to("/dev/zero"),
    "link to nothing": link_to("nowhere"),
    "link to itself": lambda path, content: path.symlink_to(path.name),
    "256 GiB of nothing": sparse,
    "JSON list": text("[]"),
    "JSON mapping": text("{}"),
    "JSON null": text("null"),
    "JSON text": text('"x"'),
    "JSON numbers": text("[1e999, -1e999, 123456789012345678901234567890, NaN]"),
    "JSON in itself": text("[" * 100_000 + "]" * 100_000),
    "JSON mapping in itself": text('{"a":' * 50_000 + "1" + "}" * 50_000),
    "JSON surrogate": text('{"\\ud800": "\\udfff", "item_id": "\\ud800"}'),
    "JSON lines of lists": text("[1]\n" * 20),
    "endless integer": text("9" * 10_000),
    "YAML bomb": text(BOMB),
    "YAML in itself": text("[" * 20_000),
    "YAML that calls": text("!!python/object/apply:os.system ['touch called']\n"),
    "a word": text("banana\n"),
    "one long line": text("x," * 500_000 + "\n"),
    "header only": text("item_id,label,score,image,patient_id\n"),
    "header twice": text("item_id,label,score,item_id\na,1,.5,b\n"),
    "longer rows": text("item_id,label,score\n" + "a,1,.5,7,8,9\n" * 3),
    "quote that stays open": text('item_id,label,score\n"a,1,.5\n' * 50),
    "words for numbers": text("item_id,label,score\na,1,inf\nb,0,high\nc,2,1e999\n"),
    "Parquet of lists": columns_of("lists"),
    "Parquet of structures": columns_of("structures"),
    "Parquet without rows": columns_of("no rows"),
    "Parquet of one column": columns_of("one column"),
    "archive that unpacks to much": unpacks_to_much,
    "picture that unpacks to much": huge_picture,
}
"""What stands where a file was; a function of the path, where nothing is, and of what was there."""

if hasattr(os, "geteuid") and os.geteuid() != 0:  # root may read everything
    FILES["unreadable"] = lambda path, content: (path.write_bytes(content), path.chmod(0))


@dataclass
class Reader:
    """A command, and the files that it reads."""

    words: list[str]
    files: list[str]
    resumes: str = ""  # a finished run, a copy of which is --out at the beginning of each case


FEW = ["--set", "items=4", "--set", "steps=4", "--set", "grid=2"]
"""So that an attribution takes a second."""

RESUMED = "out"
"""The folder of --out; a file below it is one of a copy of a finished run."""


def readers(folder: Path) -> dict[str, Reader]:
    """Every command that reads files that others may have made."""
    out = ["--out", str(folder / "out"), "--quiet"]
    imports = {
        "nih": (["--root", "nih"], ["nih/Data_Entry_2017_v2020.csv", "nih/images_001/images/00000001.png"]),
        "ham10000": (["--root", "ham"], ["ham/HAM10000_metadata.csv", "ham/HAM10000_images_part_1/ISIC_1.JPG"]),
        "chexpert": (
            ["--root", "chexpert", "--positive", "Edema"],
            ["chexpert/train.csv", "chexpert/train/patient00001/study1/view1_frontal.jpg"],
        ),
        "folder": (
            ["--root", "pictures", "--healthy", "well"],
            ["pictures/ill/1.png", "pictures/ill/2.jpg", "pictures/ill/3.tif", "pictures/ill/4.gif"],
        ),
        "table": (["--root", ".", "--table", "table.csv", "--healthy", "well"], ["table.csv"]),
        "table (Parquet)": (["--root", ".", "--table", "table.parquet", "--healthy", "well"], ["table.parquet"]),
        "dicom": (["--root", "dicom", "--table", "dicom.csv", "--healthy", "well"], ["dicom/1.dcm", "dicom.csv"]),
        "medmnist": (["--root", "mnist.npz", "--healthy", "0"], ["mnist.npz"]),
    }
    everything = {
        f"cohort import, {kind}": Reader(["cohort", "import", "--kind", kind.split()[0], *words, *out], files)
        for kind, (words, files) in imports.items()
    }
    model = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "processor_config.json", "chat_template.jinja"]
    cohort = ["cohort/cohort.parquet", "cohort/cohort.json", "cohort/images/test-00001.png"]
    swept = ["study.yaml", "cells.parquet", "manifest.json", "looks.json", "blocks/00000001.parquet"]
    whole = ["manifest.json", "claims.json", "controls.json", "records/records.parquet", "theory/verify.parquet", "runs.json"]
    output = [f"whole/{name}" for name in whole if (folder / "whole" / name).is_file()]

    def again(finished: str, patterns: tuple[str, ...], *words: str) -> Reader:
        """A command that has finished, once more; with hostile files in its own folder."""
        found = [sorted((folder / finished).glob(pattern))[:1] for pattern in patterns]
        return Reader([*words, *out], [f"{RESUMED}/{file.relative_to(folder / finished)}" for one in found for file in one], finished)

    adapter = ["adapter_config.json", "adapter_model.safetensors", "training.json"]
    studied = ["manifest.json", "study.json", "trainings.csv", "limits.json", "audit.csv", "cells/*/*/*/*.json", "cells/*/*/*/*/*.parquet"]
    return everything | {
        "compare, tables": Reader(["compare", "a.csv", "b.csv", "--items", "items.csv", *out], ["a.csv", "items.csv"]),
        "compare, logs": Reader(["compare", "a.jsonl", "b.jsonl", *out], ["a.jsonl"]),
        "compare, records": Reader(
            ["compare", "runs", "runs/records.parquet", "--run-a", "pair", "--run-b", "single", *out], ["runs/records.parquet"]
        ),
        "plan": Reader(["plan", "--records", "pilot", "--arm-single", "single", "--arm-pair", "pair", *out], ["pilot/records.parquet"]),
        "evaluate": Reader(
            ["evaluate", "evaluate.yaml", *out], ["evaluate.yaml", "prompt.txt", *cohort, *(f"model/{name}" for name in model)]
        ),
        "finetune": Reader(["finetune", "finetune.yaml", *out], ["finetune.yaml", *cohort[:2], "model/config.json", "model/training.json"]),
        "doctor": Reader(["doctor", "--model", "model", "--quiet"], [f"model/{name}" for name in (*model, "training.json")]),
        "cohort audit": Reader(["cohort", "audit", "cohort", "--embeddings", "vectors.npz", "--quiet"], [*cohort, "vectors.npz"]),
        "cohort show": Reader(["cohort", "show", "cohort", *out], cohort),
        "cohort references": Reader(
            ["cohort", "references", "cohort", "--config", "references.yaml", *out], [*cohort[:2], "references.yaml"]
        ),
        "analyse components": Reader(["analyse", "components", "crossed", "--quiet"], ["crossed/crossed.parquet", "crossed/manifest.json"]),
        "sweep": Reader(["sweep", "sweep.yaml", *out], ["sweep.yaml", "pieces.py"]),
        "sweep performance": Reader(["sweep", "performance", "swept", *out], [f"swept/{name}" for name in swept]),
        "sweep status": Reader(["sweep", "status", "swept"], [f"swept/{name}" for name in swept]),
        "sweep replay": Reader(["sweep", "replay", "swept"], [f"swept/{name}" for name in swept]),
        "verify, PNG": Reader(["verify", "swept/figures/bias.png", "--quiet"], ["swept/figures/bias.png"]),
        "verify, PDF": Reader(["verify", "swept/figures/bias.pdf", "--quiet"], ["swept/figures/bias.pdf"]),
        "claims": Reader(["claims", "--out", "whole", "--quiet"], output),
        "figures": Reader(["figures", "--out", "whole", "--only", "when_comparison_helps", "--quiet"], output),
        "report": Reader(["report", "--out", "whole", "--quiet"], output),
        "study": Reader(["study", "study.yaml", *out], ["study.yaml"]),
        "compare, inspect_ai": Reader(["compare", "a.eval", "b.json", *out], ["a.eval", "b.json"]),
        "compare, VLMEvalKit": Reader(["compare", "a.tsv", "b.tsv", *out], ["a.tsv"]),
        "compare, JSON lines packed": Reader(["compare", "a.jsonl.gz", "b.jsonl", *out], ["a.jsonl.gz"]),
        "methods": Reader(["methods", "studied", *out], ["studied/manifest.json", "studied/study.csv", "studied/comparisons.csv"]),
        "pretrain": Reader(["pretrain", "pretrain.yaml", *out], ["pretrain.yaml", "model/config.json", "model/model.safetensors"]),
        "analyse attribution": Reader(["analyse", "attribution", "evaluate.yaml", *FEW, *out], ["cohort/truth.npz", "model/config.json"]),
        "evaluate, adapter": Reader(["evaluate", "adapter.yaml", *out], [f"trained/model/{name}" for name in adapter]),
        "evaluate again": again(
            "runs",
            ("manifest.json", "records.parquet", "pieces/*.parquet", "pieces/*.json", "references/*.parquet"),
            "evaluate",
            "evaluate.yaml",
        ),
        "finetune again": again(
            "trained",
            ("manifest.json", "plan.parquet", "model/adapter_config.json", "model/training.json", "*.json"),
            "finetune",
            "finetune.yaml",
        ),
        "sweep again": again("swept", ("study.yaml", "cells.parquet", "manifest.json", "blocks/*.parquet"), "sweep", "sweep.yaml"),
        "analyse crossed again": again("crossed", ("manifest.json", "crossed.parquet", "*/*"), "analyse", "crossed", "crossed.yaml"),
        "study again": again("studied", tuple(studied), "study", "study.yaml"),
    }


def make_inputs(folder: Path) -> None:
    """Make every file that a command reads."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import yaml
    from PIL import Image

    from empirical.vlm.model_id import resolve
    from paper_figures.cli import app
    from see_in_pairs.console import run_app
    from tests.empirical.cohorts.readers.test_dicom import write
    from tests.paper_figures.comparison.formats import test_inspect_logs, test_vlmevalkit
    from tests.reliability import fuzz

    fuzz.make_inputs(folder)
    (folder / "pieces.py").write_text(fuzz.PIECES)
    pixels = np.random.default_rng(0)

    def picture(name: str) -> str:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.integers(0, 255, (16, 16), dtype=np.uint8)).save(path)
        return name

    def rows(name: str, **columns: Any) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(columns).to_csv(folder / name, index=False)

    count, half = 12, ["well", "ill"] * 6
    for number in range(count):
        picture(f"nih/images_001/images/{number:08d}.png")
        picture(f"ham/HAM10000_images_part_1/ISIC_{number}.JPG")
        picture(f"chexpert/train/patient{number:05d}/study1/view1_frontal.jpg")
        picture(f"pictures/{half[number]}/{number}{('.png', '.png', '.jpg', '.tif', '.gif')[number % 5]}")
        (folder / "dicom").mkdir(exist_ok=True)
        write(folder / "dicom" / f"{number}.dcm", PatientID=f"P{number}", SOPInstanceUID=f"1.2.{number}")
    for number, ending in enumerate((".png", ".jpg", ".tif", ".gif"), start=1):
        picture(f"pictures/ill/{number}{ending}")
    names = [f"{number:08d}.png" for number in range(count)]
    findings = ["Pneumonia" if number % 2 else "No Finding" for number in range(count)]
    rows("nih/Data_Entry_2017_v2020.csv", **{"Image Index": names, "Finding Labels": findings, "Patient ID": range(count)})
    rows("ham/HAM10000_metadata.csv", image_id=[f"ISIC_{n}" for n in range(count)], lesion_id=range(count), dx=["nv", "mel"] * 6)
    paths = [f"CheXpert-v1.0-small/train/patient{n:05d}/study1/view1_frontal.jpg" for n in range(count)]
    frontal = {"Sex": "Female", "Age": 50, "Frontal/Lateral": "Frontal", "AP/PA": "PA"}
    rows("chexpert/train.csv", Path=paths, **frontal, **{"No Finding": [1.0, None] * 6, "Edema": [None, 1.0] * 6})
    images = [f"nih/images_001/images/{name}" for name in names]
    rows("table.csv", image=images, label=half, patient_id=range(count))
    pd.read_csv(folder / "table.csv").to_parquet(folder / "table.parquet")
    rows("dicom.csv", image=[f"{n}.dcm" for n in range(count)], label=half)
    parts = {f"{split}_images": pixels.integers(0, 255, (6, 8, 8), dtype=np.uint8) for split in ("train", "val", "test")}
    np.savez(folder / "mnist.npz", **parts, **{f"{split}_labels": np.arange(6)[:, None] % 2 for split in ("train", "val", "test")})
    items = [f"i{number}" for number in range(40)]
    for name in "ab":
        rows(f"{name}.csv", item_id=items, label=[0, 1] * 20, score=pixels.random(40))
        lines = [{"doc_id": n, "target": "yes", "acc": float(pixels.random() < 0.7), "doc_hash": str(n)} for n in range(40)]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with gzip.open(folder / "a.jsonl.gz", "wb") as stream:
        stream.write((folder / "a.jsonl").read_bytes())
    for name in ("a.eval", "b.json"):
        asked = test_inspect_logs.samples([int(pixels.random() < 0.7) for _ in range(40)])
        (test_inspect_logs.write_eval if name == "a.eval" else test_inspect_logs.write_json)(folder / name, asked)
    for name in "ab":
        scored = test_vlmevalkit.table(hit=[int(pixels.random() < 0.7) for _ in range(6)])
        test_vlmevalkit.write(folder / f"{name}.tsv", scored)
    rows("items.csv", item_id=items, patient_id=[f"p{number // 2}" for number in range(40)])
    ids = pd.read_parquet(folder / "cohort" / "cohort.parquet")["item_id"].to_numpy().astype(str)
    np.savez(folder / "vectors.npz", item_id=ids, vectors=pixels.normal(size=(len(ids), 64)))
    shutil.copytree(resolve("pocket"), folder / "model")
    (folder / "model" / "training.json").write_text(json.dumps({"train_seed": 0, "train_arm": "pair"}))
    (folder / "prompt.txt").write_text("{reference}{query} Is there {finding}? Answer {answers}.\n")
    relative = {"strategy": "demographic", "columns": ["family"], "caliper": {}}
    arms = [{"arm": "pair", "references": relative, "run_id": "pair"}, {"arm": "single", "run_id": "single"}]
    common = {"cohort": "cohort", "threads": 1, "doctor": False, "model": {"name": "./model"}, "prompts": {"pair": "prompt.txt"}}
    short = {"steps": 1, "batch_size": 2}
    configs: dict[str, Any] = {
        "evaluate": common | {"arms": arms, "allow_other_prompt": True},
        "finetune": common | {"arm": arms[0]} | short,
        "references": relative,
        "crossed": {"cohort": "cohort", "models": [{"name": "pocket"}, {"name": "pocket-random"}], "patients": 3, "references": 3,
                    "threads": 1},
        "sweep": {"name": "s", "pieces": ["pieces.py"], "generate": "fuzzed draws",
                  "methods": [{"name": "m", "use": "fuzzed mean", "trim": 0.1}],
                  "estimand": 0.0, "fixed": {"mu": 0.0}, "grid": {"n": [5, 6]}, "replicates": 20, "block": 10,
                  "stop": {"measure": "bias", "mcse": 0.01, "cap": 20}},
        "study": {"cohorts": {"a": {"folder": "cohort"}}, "arms": {"single": {"arm": "single"}}, "model": {"name": "pocket"},
                  "evaluation": {"threads": 1, "doctor": False}, "blocks": [{"n_train": [0], "seeds": [0]}]},
        "pretrain": {"start": "./model", "steps": 1, "batch_size": 2, "questions": 20, "examine_every": 1, "save_every": 1, "threads": 1,
                     "kinds": {"new": 1.0}},
        "adapter": common | {"arms": arms, "allow_other_prompt": True, "model": {"name": "./trained/model"}},
    }  # fmt: skip
    for name, content in configs.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    made = [["evaluate", "evaluate.yaml", "--out", "runs"], ["analyse", "crossed", "crossed.yaml", "--out", "crossed"]]
    made += [
        ["finetune", "finetune.yaml", "--out", "trained"],
        ["study", "study.yaml", "--out", "studied"],
        ["sweep", "sweep.yaml", "--out", "swept"],
        ["sweep", "plot", "swept", "--kind", "lolly", "--name", "bias"],
        ["reproduce", "--smoke", "--out", "whole"],
    ]
    for words in made:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.chdir(folder):
            if code := run_app(app, [*words, "--quiet"]):
                raise SystemExit(f"see-in-pairs {' '.join(words)} fails, exit code {code}")
    records = pq.read_table(folder / "runs" / "records.parquet")  # a pilot's model sees something
    ill = records["label"].to_numpy() != "healthy"
    scores = (0.4 + 0.2 * ill + 0.1 * pixels.normal(size=len(ill))).clip(0.01, 0.99)
    answers = [[("yes", float(np.log(score))), ("no", float(np.log1p(-score)))] for score in scores]
    for name, values in (("p_positive", scores), ("logp", answers)):
        place = records.schema.get_field_index(name)
        records = records.set_column(place, name, pa.array(values, type=records.schema.field(place).type))
    (folder / "pilot").mkdir()
    pq.write_table(records, folder / "pilot" / "records.parquet")


def prepare(folder: Path) -> dict[str, Lister]:
    """Make the inputs where they are not there yet, and list every hostile file in place of every file of every command."""
    in_this_process()
    if not (folder / "pilot").is_dir():
        make_inputs(folder)
    return {command: partial(tries, one, folder) for command, one in readers(folder).items()}


FULL = (0, 300, 5_000, 100_000)
"""Bytes that a file may have on a disk that is full."""


def tries(one: Reader, folder: Path) -> list[Try]:
    """The files as they are, a disk that is full, then each hostile file in each place."""
    at_first = partial(copy_finished, folder, one.resumes) if one.resumes else partial(put_all_back, folder)
    found = [Try("", AS_IT_IS, one.words, at_first)]
    for size in FULL:
        begin, end = partial(fill_disk, size, at_first), partial(fill_disk, -1)
        found.append(Try("(the disk)", f"full at {size} bytes", one.words, begin, end, writes=True))
    places = []
    for number, name in enumerate(one.files):
        replaced = partial(replace_in_copy if one.resumes else replace, folder, name)
        writes = "whole" in one.words  # and may write the other files anew
        end = partial(put_back, folder, [] if one.resumes else one.files if writes else [name])
        places.append(
            [
                Try(name, wrong, one.words, partial(replaced, FILES[wrong], one.resumes), end, writes)
                for wrong in spread(list(FILES), number)
            ]
        )
    return found + in_rounds(places)


def fill_disk(size: int, before: Callable[[], object] = lambda: None) -> None:
    """Let a write fail that makes a file larger, as on a disk that is full; -1 ends it."""
    import resource

    before()
    resource.setrlimit(resource.RLIMIT_FSIZE, (size if size >= 0 else resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def copy_finished(folder: Path, finished: str) -> None:
    """Let --out be a copy of a finished run."""
    put_all_back(folder)
    shutil.rmtree(folder / RESUMED, ignore_errors=True)
    shutil.copytree(folder / finished, folder / RESUMED)


def replace_in_copy(folder: Path, name: str, make: Callable[[Path, bytes], object], finished: str) -> None:
    """Let --out be a copy of a finished run, in which one file is hostile."""
    copy_finished(folder, finished)
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    make(folder / name, content)


def replace(folder: Path, name: str, make: Callable[[Path, bytes], object], _: str) -> None:
    """Put a hostile file in the place of one."""
    put_back(folder, [name])
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    make(folder / name, content)


def kept_in(folder: Path) -> Path:
    """Where files are kept as they were, since a process that is killed leaves a hostile one."""
    return folder.parents[1] / "home" / "kept"


def put_all_back(folder: Path) -> None:
    """Put every file in its place again, after a process that was killed in the middle of a case."""
    kept = kept_in(folder)
    put_back(folder, [str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()])


def put_back(folder: Path, names: list[str]) -> None:
    """Put files in their places as they were, or keep them where this was not done yet."""
    for name in names:
        path, kept = folder / name, kept_in(folder) / name
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, kept)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        shutil.copyfile(kept, path)


def page(found: dict[str, list[Case]], counts: dict[str, int]) -> str:
    """The table of hostile files, as Markdown."""
    sizes, names = ", ".join(f"{size:,}" for size in FULL), textwrap.fill(", ".join(FILES), 80)
    return (
        table(found, "files", counts)
        + f"\nThe {len(FILES)} files:\n\n```text\n{names}\n```\n\nThe disk is full at {sizes} bytes of a file.\n"
    )


if __name__ == "__main__":
    main("tests.reliability.hostile_files", "Files", prepare, page, minutes=13)
