"""Public layouts that the readers of tables express, each as a small set of its shape; sources in `empirical.cohorts.readers.findings`."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from empirical.cohorts import Cohort
from empirical.cohorts.readers.dicom import import_dicom
from empirical.cohorts.readers.table import import_table
from empirical.commands.cohort import app
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from tests.empirical.cohorts.readers.test_dicom import write

N = 12


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(sum(str(path).encode())).integers(0, 255, (8, 8), dtype=np.uint8)).save(path)


def csv(path: Path, rows: dict[str, list[object]] | list[dict[str, object]]) -> None:
    pd.DataFrame(rows).to_csv(path, index=False)


def mimic(root: Path) -> Path:
    """MIMIC-CXR-JPG: a row an image in split and metadata, a row a study in chexpert, all packed; images by patient and study."""
    studies = [{"subject_id": 10000032 + k // 2, "study_id": 50000000 + k} for k in range(N)]
    images = [study | {"dicom_id": f"{k:08x}-0a1b-{view}"} for k, study in enumerate(studies) for view in ("pa", "lat")]
    for image in images:
        picture(root / "files" / "p10" / f"p{image['subject_id']}" / f"s{image['study_id']}" / f"{image['dicom_id']}.jpg")
    splits = [image | {"split": ["train", "validate", "test"][k % 3]} for k, image in enumerate(images)]
    views = [image | {"ViewPosition": ("PA", "LATERAL")[k % 2], "Rows": 8} for k, image in enumerate(images)]
    values = {"Edema": [1.0, None, 0.0, -1.0], "No Finding": [None, 1.0, 1.0, None], "Support Devices": [1.0, 1.0, None, None]}
    labels = [study | {name: cells[k % 4] for name, cells in values.items()} for k, study in enumerate(studies[:-1])]
    for name, rows in {"split": splits, "metadata": views, "chexpert": labels}.items():
        pd.DataFrame(rows).to_csv(root / f"mimic-cxr-2.0.0-{name}.csv.gz", index=False)
    return root


MIMIC = {
    "columns": {"image": "dicom_id", "patient_id": "subject_id", "view": "ViewPosition"},
    "join": ["mimic-cxr-2.0.0-metadata.csv.gz", "mimic-cxr-2.0.0-chexpert.csv.gz"],
    "join_on": ["dicom_id", "subject_id,study_id"],
    "label_columns": ["Edema", "No Finding"],
    "healthy": "No Finding",
}


@pytest.mark.parametrize(("uncertain", "ill"), [("ignore", 3), ("positive", 5), ("negative", 3)])
def test_mimic_cxr_jpg(uncertain: str, ill: int, tmp_path: Path) -> None:
    root = mimic(tmp_path / "set")
    cohort = import_table(root, tmp_path / "out", table="mimic-cxr-2.0.0-split.csv.gz", uncertain=uncertain, quiet=True, **MIMIC)  # type: ignore[arg-type]
    counts, table = cohort.info.counts, cohort.table
    assert table["label"].value_counts().to_dict() == {"No Finding": 12, "Edema": 2 * ill}
    assert counts["rows_without_match_in_mimic-cxr-2.0.0-chexpert.csv.gz"] == 2
    assert counts["rows_without_match_in_mimic-cxr-2.0.0-metadata.csv.gz"] == 0
    assert counts.get("images_of_uncertain_label", 0) == (4 if uncertain == "ignore" else 0)
    assert (
        counts["images_found_by_name"] == len(table) == 2 * N - counts.get("images_of_uncertain_label", 0) - counts["items_of_other_labels"]
    )
    assert set(table["split"]) == {"train", "val", "test"}
    assert (set(table["view"]), set(table["patient_id"].str.len())) == ({"PA", "LATERAL"}, {8})
    assert cohort.info.parameters["join_on"] == MIMIC["join_on"]


def test_isic_2019(tmp_path: Path) -> None:
    """One-hot diagnoses beside a table of facts, whose lesion is not always named."""
    names = [f"ISIC_{k:07d}" for k in range(N)]
    classes = ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"]
    for name in names:
        picture(tmp_path / "ISIC_2019_Training_Input" / f"{name}.jpg")
    hot = {label: [float(k % 3 == place) for k in range(N)] for place, label in enumerate(classes)}
    csv(tmp_path / "ISIC_2019_Training_GroundTruth.csv", {"image": names, **hot})
    lesions = [f"L{k // 2}" if k > 1 else None for k in range(N)]
    facts = {"age_approx": [55.0] * N, "anatom_site_general": ["head"] * N, "lesion_id": lesions, "sex": ["female"] * N}
    csv(tmp_path / "ISIC_2019_Training_Metadata.csv", {"image": names, **facts})
    options = {
        "table": "ISIC_2019_Training_GroundTruth.csv", "join": ["ISIC_2019_Training_Metadata.csv"], "join_on": ["image"], "quiet": True,
        "columns": {"patient_id": "lesion_id", "age": "age_approx"}, "label_columns": classes, "healthy": "NV", "positive": ["MEL"],
    }  # fmt: skip
    with pytest.raises(InputError, match=r"2 rows name no patient.*--unnamed-patients"):
        import_table(tmp_path, tmp_path / "out", **options)
    cohort = import_table(tmp_path, tmp_path / "out", unnamed_patients=True, **options)
    assert cohort.table["label"].value_counts().to_dict() == {"MEL": 4, "NV": 4}
    assert (cohort.info.counts["items_of_other_labels"], cohort.info.counts["files_taken_as_patients"]) == (4, 2)
    assert (set(cohort.table["sex"]), set(cohort.table["age"])) == ({"F"}, {55.0})
    assert set(classes).isdisjoint(cohort.table.columns)


def votes(k: int) -> list[str]:
    """The findings of three readers of an image."""
    return [["No finding"] * 3, ["Cardiomegaly"] * 3, ["Cardiomegaly", "Cardiomegaly", "No finding"]][k % 3]


def vindr(root: Path) -> Path:
    """VinDr-CXR: DICOM files by id; a row for each image and reader, or on Kaggle for each box."""
    wide, boxes = [], []
    for k in range(N):
        write(root / "train" / f"{k:032x}.dicom", np.random.default_rng(k).integers(0, 4095, (8, 8), dtype=np.uint16))
        for reader, finding in zip("ABC", votes(k), strict=True):
            facts = {"image_id": f"{k:032x}", "rad_id": f"R{reader}"}
            wide.append(facts | {name: int(name == finding) for name in ("Cardiomegaly", "Nodule/Mass", "No finding")})
            boxes += [facts | {"class_name": finding, "x_min": box} for box in range(2)]
    csv(root / "image_labels_train.csv", wide)
    csv(root / "train.csv", boxes)
    return root


WIDE = {"columns": {"image": "image_id"}, "label_columns": ["Cardiomegaly", "Nodule/Mass", "No finding"], "table": "image_labels_train.csv"}
LONG = {"columns": {"image": "image_id", "label": "class_name", "reader": "rad_id"}, "table": "train.csv"}


@pytest.mark.parametrize("reader", [import_table, import_dicom])
@pytest.mark.parametrize("layout", [WIDE, LONG])
@pytest.mark.parametrize(("rule", "ill"), [("any", 8), ("majority", 8), ("all", 4)])
def test_vindr_cxr(reader, layout: dict[str, object], rule: str, ill: int, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    root = vindr(tmp_path / "set")
    cohort = reader(root, tmp_path / "out", healthy="No finding", positive=["Cardiomegaly"], aggregate=rule, quiet=True, **layout)
    assert cohort.table["label"].value_counts().to_dict() == {"Cardiomegaly": ill, "No finding": 4}
    counts = cohort.info.counts
    assert counts["images_whose_rows_disagree"] == 4
    assert counts["repeated_rows"] == counts["rows_in_table"] - N
    assert counts["columns_that_differ_between_rows"] >= 1
    assert not {"rad_id", "reader", "x_min", "Cardiomegaly"} & set(cohort.table)


def test_readings_that_differ_ask_for_a_rule(tmp_path: Path) -> None:
    root = vindr(tmp_path / "set")
    for reader, words in (
        (import_dicom, "4 images have two labels.*--aggregate"),
        (import_table, "12 images stand in several rows.*--aggregate"),
    ):
        with pytest.raises(InputError, match=words):
            reader(root, tmp_path / "out", healthy="No finding", quiet=True, **LONG)  # type: ignore[operator]


def test_padchest(tmp_path: Path) -> None:
    """Labels as a Python list in a cell, a first column without a name, images in numbered folders."""
    rows = []
    for k in range(N):
        labels = [["normal"], ["pneumonia", " pleural effusion"], ["pneumonia"], ["scoliosis"], ["normal", "unchanged"], ["normal"]][k % 6]
        picture(tmp_path / str(k % 3) / f"2168403{k}_0-141.png")
        facts = {"PatientID": f"P{k}", "PatientSex_DICOM": "F", "Projection": "PA"}
        rows.append({"": k, "ImageID": f"2168403{k}_0-141.png", "ImageDir": k % 3, **facts, "Labels": str(labels) if k else None})
    with gzip.open(tmp_path / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz", "wt") as stream:
        pd.DataFrame(rows).to_csv(stream, index=False)
    columns = {"image": "ImageID", "patient_id": "PatientID", "label": "Labels", "sex": "PatientSex_DICOM", "view": "Projection"}
    name = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"
    options = {"table": name, "columns": columns, "healthy": "normal", "positive": ["pneumonia"], "quiet": True}
    with pytest.raises(InputError, match="pass --label-list"):
        import_table(tmp_path, tmp_path / "out", **options)
    cohort = import_table(tmp_path, tmp_path / "out", label_list="list", **options)
    assert cohort.table["label"].value_counts().to_dict() == {"normal": 3, "pneumonia": 4}
    assert (cohort.info.counts["healthy_rows_with_other_labels"], cohort.info.counts["items_of_other_labels"]) == (2, 5)


def test_lists_in_parquet_and_a_column_for_the_healthy(tmp_path: Path) -> None:
    for k in range(N):
        picture(tmp_path / f"{k}.png")
    labels = [[] if k % 2 else ["edema"] for k in range(N)]
    table = pd.DataFrame({"image": [f"{k}.png" for k in range(N)], "label": labels, "normal": [k % 4 == 1 for k in range(N)]})
    table.to_parquet(tmp_path / "a.parquet")
    options = {"table": "a.parquet", "healthy": "none", "label_list": "list", "quiet": True}
    cohort = import_table(tmp_path, tmp_path / "out", healthy_column="normal", **options)
    assert cohort.table["label"].value_counts().to_dict() == {"edema": 6, "none": 3}
    assert import_table(tmp_path, tmp_path / "out2", no_label="none", **options).table["label"].tolist() == ["edema", "none"] * 6


def own(root: Path, names: list[str] | None = None) -> Path:
    for k in range(N):
        picture(root / "deep" / ("x", "y")[k % 2] / f"{k}.png")
    csv(root / "a.csv", {"image": names or [f"{k}.png" for k in range(N)], "label": ["well", "ill"] * 6})
    return root


def test_images_are_found_by_name_anywhere_below_the_root(tmp_path: Path) -> None:
    windows = [f"deep\\{'xy'[k % 2]}\\{k}.png" for k in range(N)]
    for number, names in enumerate([None, [f"{'xy'[k % 2]}/{k}" for k in range(N)], windows, [f".{name}" for name in windows]]):
        if number == 3:
            names = [name.replace(".deep", ".\\deep") for name in names or ()]
        cohort = import_table(own(tmp_path / str(number), names), tmp_path / "out", table="a.csv", healthy="well", quiet=True)
        assert cohort.table["image"].tolist() == [f"deep/{'xy'[k % 2]}/{k}.png" for k in range(N)]
        assert cohort.info.counts.get("images_found_by_name", 0) == (N if number < 2 else 0)


def test_a_name_of_several_files_is_an_error_that_names_them(tmp_path: Path) -> None:
    root = own(tmp_path / "set")
    picture(root / "masks" / "3.png")
    with pytest.raises(InputError, match=r"'3.png' fits deep/y/3.png, masks/3.png; give paths below --root, or leave files out"):
        import_table(root, tmp_path / "out", table="a.csv", healthy="well", quiet=True)
    cohort = import_table(root, tmp_path / "out", table="a.csv", healthy="well", exclude=["masks/*"], quiet=True)
    assert (len(cohort.table), cohort.info.counts["left_out_by_exclude"]) == (N, 1)
    csv(root / "a.csv", {"image": ["masks/4.png", *(f"{k}.png" for k in (0, 1, 2, 5))], "label": ["well", "well", "ill", "well", "ill"]})
    with pytest.raises(InputError, match=r"1 of 5 rows have no image: masks/4.png"):  # that of another folder is another image
        import_table(root, tmp_path / "out", table="a.csv", healthy="well", quiet=True)


def test_a_table_without_a_header(tmp_path: Path) -> None:
    root = own(tmp_path / "set")
    lines = (root / "a.csv").read_text().splitlines()[1:]
    (root / "a.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())  # from Windows: a byte-order mark and CRLF
    options = ["--kind", "table", "--root", str(root), "--table", "a.csv", "--healthy", "well", "--quiet", "--out", str(tmp_path / "out")]
    assert run_app(app, ["import", *options, "--header", "image,label"]) == 0
    table = Cohort.load(tmp_path / "out").table
    assert (table["item_id"][0], table["label"].tolist()) == ("0.png", ["well", "ill"] * 6)
    with pytest.raises(InputError, match=r"--header names 3 columns, its first row has 2 fields \(0.png, well\)"):
        import_table(root, tmp_path / "out", table="a.csv", healthy="well", header=["image", "label", "age"], quiet=True)


def test_ids_such_as_007_stay_text_everywhere(tmp_path: Path) -> None:
    root = own(tmp_path / "set")
    ids = [f"{k:03d}" for k in range(N)]
    csv(
        root / "a.csv",
        {"image": [f"{k}.png" for k in range(N)], "label": ["well", "ill"] * 6, "patient_id": ids, "ward": ids, "dose": range(N)},
    )
    csv(root / "b.csv", {"patient_id": [*ids[:-1], "12"], "age": range(20, 20 + N)})
    cohort = import_table(root, tmp_path / "out", table="a.csv", join=["b.csv"], join_on=["patient_id"], healthy="well", quiet=True)
    table = Cohort.load(tmp_path / "out").table
    assert (table["patient_id"].tolist(), table["ward"].tolist(), table["dose"].tolist()) == (ids, ids, list(range(N)))
    assert table["age"].isna().tolist() == [False] * (N - 1) + [True]
    assert (cohort.info.counts["rows_without_match_in_b.csv"], cohort.info.counts["rows_of_b.csv_not_used"]) == (1, 1)


JOINS = {
    "two rows of a key": ({"patient_id": ["1", "1"], "x": [1, 2]}, "patient_id", "several rows have the key 1"),
    "no such key": ({"who": ["1"]}, "patient_id", "has no column patient_id"),
    "nothing fits": ({"patient_id": ["p1"], "x": [1]}, "patient_id", "no row fits the table by patient_id .there p1; in the table 0, 1"),
    "two values": ({"who": ["1"], "label": ["odd"]}, "patient_id=who", "column 'label' differs from the table in 1 rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", JOINS)
def test_joins_that_do_not_fit_are_one_line(case: str, tmp_path: Path) -> None:
    content, key, words = JOINS[case]
    root = own(tmp_path / "set")
    csv(root / "a.csv", {"image": [f"{k}.png" for k in range(N)], "label": ["well", "ill"] * 6, "patient_id": range(N)})
    csv(root / "b.csv", content)
    with pytest.raises(InputError, match=words) as caught:
        import_table(root, tmp_path / "out", table="a.csv", join=["b.csv"], join_on=[key], healthy="well", quiet=True)
    assert "\n" not in str(caught.value)


OPTIONS = {
    "half a join": (["--join", "a.csv"], "give --join-on KEY once for all tables"),
    "both": (["--label-list", "|", "--label-columns", "label"], "--label-list with --label-columns"),
    "odd cell": (["--label-columns", "label,image"], "holds 'well', 'ill'; a label column has only 1, 0, -1"),
    "same name": (["--positive-name", "well"], "--positive-name well: is the healthy label"),
    "no text": (["--positive-name", "\ud800"], "--positive-name '\\ud800': is not UTF-8"),
    "no such table": (["--join", "c.csv", "--join-on", "image"], "--join c.csv: no such file"),
    "line in a name": (["--header", "a\rb,c"], "--header: is not a list of names separated by commas"),
    "name without end": (["--label-columns", "x" * 140_000], "--label-columns: is not a list of names"),
}  # fmt: skip


@pytest.mark.parametrize("case", OPTIONS)
def test_options_that_do_not_fit_exit_with_2_and_one_line(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, words = OPTIONS[case]
    root = own(tmp_path / "set")
    given = ["--kind", "table", "--root", str(root), "--table", "a.csv", "--healthy", "well", "--quiet", "--out", str(tmp_path / "out")]
    assert run_app(app, ["import", *given, *options]) == 2
    error = capsys.readouterr().err.strip()
    assert words in error
    assert "\n" not in error


@pytest.mark.parametrize(("label", "said"), [("ill|odd", "6 have several labels to detect (--positive"), ("-1", "6 are of an uncertain")])
def test_where_all_images_of_a_class_are_left_out_the_line_says_why(label: str, said: str, tmp_path: Path) -> None:
    root = own(tmp_path / "set")
    options: dict[str, object] = {"label_list": "|"} if label != "-1" else {"label_columns": ["label", "no"]}
    csv(root / "a.csv", {"image": [f"{k}.png" for k in range(N)], "label": ["well" if label != "-1" else 0, label] * 6, "no": [1, 0] * 6})
    healthy = "well" if label != "-1" else "no"
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        import_table(root, tmp_path / "out", table="a.csv", healthy=healthy, quiet=True, **options)  # type: ignore[arg-type]
    assert "is left" in str(caught.value) and not (tmp_path / "out").exists()


def test_a_packed_table_that_is_damaged_or_endless_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = own(tmp_path / "set")
    content = gzip.compress(b"image,label\n" + b"a.png,well\n" * 1000)
    for bad, words in ((content[:-9], "cannot be read as CSV"), (b"hello", "cannot be read as CSV"), (content, "unpacks to more than")):
        (root / "b.csv.gz").write_bytes(bad)
        monkeypatch.setattr("empirical.cohorts.csv_io.MOST_UNPACKED", 1000 if bad == content else 10**9)
        with pytest.raises(InputError, match=words):
            import_table(root, tmp_path / "out", table="b.csv.gz", healthy="well", quiet=True)


def test_dicom_files_in_folders_of_labels_take_facts_from_a_table(tmp_path: Path) -> None:
    rows = []
    for k in range(N):
        facts = {"PatientID": f"H{k}", "PatientSex": "F", "PatientAge": "030Y", "Manufacturer": "Maker"}
        write(
            tmp_path / "set" / ("well", "ill")[k % 2] / f"{k}.dcm",
            np.random.default_rng(k).integers(0, 4095, (8, 8), dtype=np.uint16),
            **facts,
        )
        rows.append({"image": f"{k}.dcm", "who": f"P{k // 4}", "part": ("train", "test")[k // 8], "age": "" if k else "50", "ward": "007"})
    csv(tmp_path / "set" / "facts.csv", [*rows[:-1], {"image": "none.dcm", "who": "P9", "part": "test"}])
    columns = {"patient_id": "who", "split": "part"}
    with pytest.raises(InputError, match="have no split"):
        import_dicom(tmp_path / "set", tmp_path / "out", healthy="well", table="facts.csv", columns=columns, quiet=True)
    csv(tmp_path / "set" / "facts.csv", [*rows, {"image": "none.dcm", "who": "P9", "part": "test"}])
    cohort = import_dicom(tmp_path / "set", tmp_path / "out", healthy="well", table="facts.csv", columns=columns, quiet=True)
    table = cohort.table.set_index("item_id")
    assert table.loc["ill/11.dcm", ["patient_id", "split", "age", "sex", "ward", "manufacturer"]].tolist() == [
        "P2",
        "test",
        30,
        "F",
        "007",
        "Maker",
    ]
    assert (table.loc["well/0.dcm", "age"], table.loc["well/0.dcm", "split"]) == (50, "train")
    assert (cohort.info.counts["rows_without_file"], cohort.info.counts["patients_other_than_in_headers"]) == (1, N)
    assert json.loads((tmp_path / "out" / "cohort.json").read_text())["parameters"]["columns"] == columns
