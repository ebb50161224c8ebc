"""The options of ``cohort import`` and ``cohort audit``, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

Kind = Literal["nih", "chexpert", "ham10000", "folder", "medmnist", "table", "dicom"]
FREE = "folder, medmnist, table, dicom"  # the kinds whose labels and words the user names


def _option(name: str, help_text: str, metavar: str | None = None) -> Any:
    return typer.Option(name, help=help_text, metavar=metavar)


KindOption = Annotated[Kind, _option("--kind", "Layout of the image set.")]
Root = Annotated[Path, _option("--root", "Folder of the image set (medmnist: or the .npz file).")]
Out = Annotated[Path, _option("--out", "Folder of the new cohort.")]
Positive = Annotated[
    list[str] | None,
    _option("--positive", f"What to detect. {FREE}: may be repeated; by default every label but the healthy one.", "LABEL"),
]
Healthy = Annotated[str | None, _option("--healthy", f"{FREE}: the healthy label.", "LABEL")]
PatientPattern = Annotated[
    str | None,
    _option(
        "--patient-pattern",
        "folder: finds the patient in a file name, e.g. 'person[0-9]+|IM-[0-9]+'; of a pattern with one group, the group is the patient.",
        "REGEX",
    ),
]
Table = Annotated[Path | None, _option("--table", "table, dicom: CSV, TSV or Parquet with a row for each image.", "FILE")]
Columns = Annotated[
    list[str] | None,
    _option(
        "--column",
        "table, dicom: the table's name of one of our columns (item_id, image, label, patient_id, family, site, split, sex, age, view), "
        "e.g. --column image=path --column label=dx; may be repeated.",
        "OURS=THEIRS",
    ),
]
Delimiter = Annotated[str | None, _option("--delimiter", "table, dicom: what separates the columns of a CSV; a comma by default.")]
LabelNames = Annotated[
    list[str] | None,
    _option("--label-name", "medmnist: the name of a numbered label, where the set is not a known one; may be repeated.", "NUMBER=NAME"),
]
Uncertain = Annotated[
    Literal["ignore", "positive", "negative"] | None,
    _option("--uncertain", "chexpert: rows whose finding is uncertain are left out and counted (ignore, the default), positive, or not."),
]
Lateral = Annotated[bool, _option("--lateral", "chexpert: keep lateral views too.")]
Priors = Annotated[bool, _option("--priors", "nih: keep earlier normal films of positive patients, for the strategy 'prior'.")]
Name = Annotated[str | None, _option("--name", f"{FREE}: what to call the set.")]
Modality = Annotated[str | None, _option("--modality", f"{FREE}: what the images are, in the prompt's words, e.g. 'chest X-ray'.")]
Finding = Annotated[str | None, _option("--finding", f"{FREE}: what to look for, in the prompt's words, e.g. 'pneumonia'.")]
OnlyPresent = Annotated[bool, _option("--only-present", "Count and skip rows of a table that have no image.")]
SkipBroken = Annotated[bool, _option("--skip-broken", "Count, list (broken.csv) and skip images that cannot be read.")]
Where = Annotated[
    list[str] | None,
    _option("--where", "Keep only such items and count the others: 'view=AP,PA', 'sex!=M', 'age>=18'; may be repeated.", "CONDITION"),
]
FractionsOption = Annotated[
    str, _option("--fractions", "Shares of patients for train,val,test; a fourth number: of healthy patients for a pool of references.")
]
Stratify = Annotated[
    list[str] | None, _option("--stratify", "Let every split have a column's shares too, e.g. site; may be repeated.", "COLUMN")
]
Resplit = Annotated[bool, _option("--resplit", "Split anew by patient although the set comes with splits.")]

Allow = Annotated[list[str] | None, _option("--allow", "Let findings of this name pass; recorded in the manifest (with --out).", "NAME")]
ReportFolder = Annotated[Path | None, _option("--out", "Folder for the report: findings, their items, and every column against the class.")]
VisionModel = Annotated[
    str | None, _option("--model", "Look for near duplicates by this vision model's embeddings too: 'pocket', a folder or a Hub id.")
]
Rehash = Annotated[bool, _option("--rehash", "Hash every image again, and stop where it is not the one that was imported.")]
Embeddings = Annotated[
    Path | None, _option("--embeddings", "The same by embeddings of your own: arrays 'item_id' and 'vectors'.", "FILE.npz")
]
