"""Public sets of medical questions and answers: where their tables lie, and which of their columns is which of ours.

Layouts as their own pages and readers describe them:

- VQA-RAD (osf.io/89kps; Lau et al. 2018, doi 10.1038/sdata.2018.251): ``VQA_RAD Dataset Public.json``, whose ``phrase_type`` begins with
  ``test`` in the test part, and whose ``image_case_url`` is the case of an image;
- SLAKE (med-vqa.com/slake; Liu et al. 2021, arXiv 2102.09542): ``train.json, validate.json, test.json`` in two languages, ``imgs/``; the
  copy of its authors at huggingface.co/datasets/BoKelvin/SLAKE calls the second ``validation.json``;
- PathVQA (github.com/UCSD-AI4H/PathVQA; He et al. 2020, arXiv 2003.10286): ``qas/train/train_qa.pkl`` and so on, pickles with image (a
  name without its ending), question and answer, which must be saved again as JSON or CSV, since opening a pickle runs code;
- OmniMedVQA (huggingface.co/datasets/foreverbeliever/OmniMedVQA; Hu et al. 2024, arXiv 2402.09181): ``QA_information/**/*.json`` with
  ``option_A`` to ``option_D`` and ``gt_answer``, ``Images/``;
- Medical-Diff-VQA (physionet.org/content/medical-diff-vqa; Hu et al. 2023, arXiv 2307.11986): ``mimic_pair_questions.csv`` names studies,
  ``mimic_all.csv`` the image of each; its questions of type ``difference`` are about a pair;
- MS-CXR-T (physionet.org/content/ms-cxr-t; Bannur et al. 2023, arXiv 2301.04558): a row for each pair of images, a column
  ``FINDING_progression`` for each of five findings;
- MMXU (github.com/LinjieMu/MMXU; Mu et al. 2025, arXiv 2502.11651): JSON lines with ``cur_image_path``, ``prior_image_path`` and options.

The images of the last three are those of MIMIC-CXR-JPG (physionet.org/content/mimic-cxr-jpg). Its study numbers are drawn at random, so
only the dates of ``mimic-cxr-2.0.0-metadata.csv`` tell which of two studies came first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.cohorts.csv_io import read_any_table, require_columns
from empirical.cohorts.readers.folder import files_below
from see_in_pairs.errors import InputError, did_you_mean, first_few

if TYPE_CHECKING:
    import pandas as pd

PROGRESSION = ("improving", "stable", "worsening")
"""The scale of change, from better to worse."""
METADATA = ("mimic-cxr-2.0.0-metadata.csv", "mimic-cxr-2.0.0-metadata.csv.gz", "mimic-cxr-2.1.0-metadata.csv.gz")
MIMIC_PATIENT = r"(?:^|/)(p\d{8})/"


@dataclass(frozen=True)
class Layout:
    """How one public set is laid out."""

    title: str
    tables: tuple[str, ...]  # patterns of paths below the root, which tell the set
    columns: Mapping[str, str]  # our column: theirs
    licence: str
    modality: str = "medical image"
    patients: str = ""  # pattern that finds the patient in an image's path
    # from the rows and the root to rows with our columns
    prepare: Callable[[pd.DataFrame, Path], pd.DataFrame] | None = None


def _vqa_rad(rows: pd.DataFrame, root: Path) -> pd.DataFrame:
    if "phrase_type" not in rows:
        return rows
    test = rows["phrase_type"].map(lambda text: str(text).strip().lower().startswith("test"))
    return rows.assign(split=test.map({True: "test", False: "train"}))


def _progressions(rows: pd.DataFrame, root: Path) -> pd.DataFrame:
    """One row for each pair and finding whose change is known."""
    import pandas as pd

    ending = "_progression"
    names = [str(column) for column in rows if str(column).lower().endswith(ending)]
    if not names:
        raise InputError(f"MS-CXR-T: no column FINDING{ending} (found: {first_few(list(rows), 6)})")
    parts = []
    for name in names:
        finding = name[: -len(ending)].replace("_", " ").lower()
        known = rows[rows[name].map(lambda cell: str(cell).strip().lower() not in ("", "nan", "none"))]
        part = known.drop(columns=names).assign(
            question=f"How has the {finding} changed since the reference, an earlier image of the same patient?",
            answer=known[name].map(lambda cell: str(cell).strip().lower()),
            finding=finding,
            scale="ordinal",
            question_type="progression",
        )
        part["choices"] = [list(PROGRESSION)] * len(part)
        parts.append(part)
    return _with_dates(pd.concat(parts, ignore_index=True), root)


def _studies(rows: pd.DataFrame, root: Path) -> pd.DataFrame:
    """The images of studies that are named by their numbers, by the set's own ``mimic_all.csv``."""
    path = _one(root, ("mimic_all.csv",))
    if path is None:
        raise InputError(f"{root}: no mimic_all.csv, which names the image of each study; it comes with the set")
    known = read_any_table(path)
    require_columns(known, ["study_id", "dicom_id"], str(path))
    image_of = dict(zip(known["study_id"][::-1], known["dicom_id"][::-1], strict=True))  # the first of a study
    require_columns(rows, ["study_id", "ref_id", "question_type"], "mimic_pair_questions.csv")
    rows = rows.assign(**{column: rows[column].map(_plain) for column in ("study_id", "ref_id")})
    if lost := [study for study in rows["study_id"] if study not in image_of]:
        raise InputError(f"{path}: {len(lost)} questions are of studies that it does not name: {first_few(lost)}")
    pair = rows["question_type"].map(lambda text: str(text).strip().lower() == "difference")
    prior = rows["ref_id"].map(lambda study: image_of.get(study, study)).where(pair, "")
    return _with_dates(rows.assign(image=rows["study_id"].map(image_of), given_reference=prior), root)


def _with_dates(rows: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Add the dates of both images, where the metadata of MIMIC-CXR-JPG lies beside them."""
    path = _one(root, METADATA)
    if path is None:
        return rows
    known = read_any_table(path)
    require_columns(known, ["dicom_id", "StudyDate"], str(path))
    time = known["StudyTime"].str.partition(".")[0].str.zfill(6) if "StudyTime" in known else ""
    order = dict(zip(known["dicom_id"], known["StudyDate"] + time, strict=True))
    image, prior = ("image" if "image" in rows else "dicom_id", "given_reference" if "given_reference" in rows else "previous_dicom_id")
    names = {ours: next((name for name in names if name in rows), None) for ours, names in {
        "order": (image, "cur_image_path"), "prior_order": (prior, "prior_image_path")}.items()}  # fmt: skip
    return rows.assign(**{ours: rows[name].map(lambda cell: order.get(_stem(cell), "")) for ours, name in names.items() if name})


def _plain(cell: Any) -> str:
    text = str(cell).strip()
    return text.removesuffix(".0")


def _stem(cell: Any) -> str:
    first = (cell[0] if len(cell) else "") if isinstance(cell, (list, tuple)) else cell
    return Path(str(first)).name.partition(".")[0]


def _one(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((path for path in files_below(root) if path.name in names), None)


PHYSIONET = "PhysioNet Credentialed Health Data License 1.5.0, not for sharing on"
LAYOUTS = {
    "vqa-rad": Layout(
        "VQA-RAD",
        ("VQA_RAD Dataset Public.json",),
        {"image": "image_name", "patient_id": "image_case_url"},
        "VQA-RAD: CC0 1.0; cite Lau et al., Scientific Data 5:180251 (2018).",
        "radiology image",
        prepare=_vqa_rad,
    ),
    "slake": Layout(
        "SLAKE",
        ("train.json", "validate.json", "validation.json", "test.json"),
        {"image": "img_name", "language": "q_lang", "question_type": "content_type"},
        "SLAKE: CC BY 4.0; cite Liu et al., ISBI 2021.",
        "radiology image",
    ),
    "pathvqa": Layout(
        "PathVQA",
        ("*pathvqa*", "qas/*/*.json", "qas/*/*.jsonl", "qas/*/*.csv"),
        {},
        "PathVQA: MIT; cite He et al., arXiv 2003.10286 (2020).",
        "pathology image",
    ),
    "omnimedvqa": Layout(
        "OmniMedVQA",
        ("QA_information/*.json",),
        {"image": "image_path", "answer": "gt_answer", "choices": "option_A,option_B,option_C,option_D"},
        "OmniMedVQA: each part has the licence of its own set; cite Hu et al., CVPR 2024.",
    ),
    "diff-vqa": Layout(
        "Medical-Diff-VQA",
        ("mimic_pair_questions.csv",),
        {"patient_id": "subject_id"},
        f"Medical-Diff-VQA: {PHYSIONET}; cite Hu et al., KDD 2023.",
        "chest X-ray",
        prepare=_studies,
    ),
    "ms-cxr-t": Layout(
        "MS-CXR-T",
        ("MS_CXR_T_temporal_image_classification*.csv",),
        {"image": "dicom_id", "given_reference": "previous_dicom_id", "patient_id": "subject_id"},
        f"MS-CXR-T: {PHYSIONET}; cite Bannur et al., CVPR 2023.",
        "chest X-ray",
        prepare=_progressions,
    ),
    "mmxu": Layout(
        "MMXU",
        ("MMXU*.jsonl",),
        {"image": "cur_image_path", "given_reference": "prior_image_path", "choices": "options", "question_type": "content_type"},
        f"MMXU: its images are under the {PHYSIONET}; cite Mu et al., Findings of ACL 2025.",
        "chest X-ray",
        patients=MIMIC_PATIENT,
        prepare=_with_dates,
    ),
}
"""By the name of ``--layout``."""


def find_layout(root: Path, name: str) -> tuple[Layout, list[Path]]:
    """The tables of a layout that was asked for."""
    if name not in LAYOUTS:
        raise InputError(f"--layout {name}: must be one of {', '.join(LAYOUTS)} for --kind vqa{did_you_mean(name, LAYOUTS)}")
    layout = LAYOUTS[name]
    tables = [path for path in files_below(root) if _fits(path.relative_to(root).as_posix(), layout.tables)]
    if not tables:
        raise InputError(f"--layout {name}: no {' or '.join(layout.tables)} below {root}; name the table with --table and --column")
    return layout, tables


def detect_layout(root: Path) -> str:
    """The only layout whose tables lie below the root."""
    names = [path.relative_to(root).as_posix() for path in files_below(root)]
    found = [key for key, layout in LAYOUTS.items() if any(_fits(name, layout.tables) for name in names)]
    if len(found) != 1:
        what = f"files of several layouts ({', '.join(found)})" if found else "no table of a known layout"
        raise InputError(f"{root}: {what}; give --layout ({', '.join(LAYOUTS)}), or --table with --column")
    return found[0]


def _fits(below: str, patterns: tuple[str, ...]) -> bool:
    if not below.lower().endswith((".json", ".jsonl", ".csv", ".tsv", ".parquet", ".csv.gz", ".tsv.gz")):
        return False
    return any(fnmatchcase(below.lower() if "/" in text else Path(below).name.lower(), text.lower()) for text in patterns)
