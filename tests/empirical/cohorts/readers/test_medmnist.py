"""MedMNIST files: labels by number and name, splits, images unpacked, and files that are something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from empirical.cohorts import Cohort
from empirical.cohorts.readers.medmnist import import_medmnist
from see_in_pairs.errors import InputError

SIZES = {"train": 12, "val": 4, "test": 6}


def arrays(shape: tuple[int, ...] = (28, 28), classes: int = 2, dtype: type = np.uint8) -> dict[str, np.ndarray]:
    rng, made = np.random.default_rng(0), {}
    for split, n in SIZES.items():
        made[f"{split}_images"] = rng.integers(0, 255, (n, *shape)).astype(dtype)
        made[f"{split}_labels"] = (np.arange(n) % classes)[:, None].astype(np.uint8)
    return made


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3), (64, 64)])
def test_splits_labels_and_pixels_are_those_of_the_file(shape: tuple[int, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = arrays(shape)
    np.savez(tmp_path / "pneumoniamnist_64.npz", **content)
    cohort = import_medmnist(tmp_path, tmp_path / "out", healthy="normal", quiet=True)
    assert cohort.table["split"].value_counts().to_dict() == SIZES
    assert (cohort.info.positive, cohort.info.modality, cohort.info.finding) == (["pneumonia"], "chest X-ray", "pneumonia")
    assert "names no patients" in capsys.readouterr().err
    shown = np.asarray(Cohort.load(tmp_path / "out").image("test-000003"))
    expected = content["test_images"][3]
    np.testing.assert_array_equal(shown, expected if len(shape) == 3 else np.repeat(expected[..., None], 3, axis=2))
    assert cohort.table.set_index("item_id").loc["test-000003", "label"] == "pneumonia"


def test_numbers_serve_as_labels_and_others_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "organ.npz"
    np.savez(path, **arrays(classes=3))
    cohort = import_medmnist(path, tmp_path / "out", healthy="0", positive=["2"], quiet=True)
    assert set(cohort.table["label"]) == {"0", "2"}
    assert "warning: prompts will ask for '2', which is only a number" in capsys.readouterr().err
    assert cohort.info.counts["items_of_other_labels"] + len(cohort.table) == sum(SIZES.values())
    assert len(list((tmp_path / "out" / "images").iterdir())) == len(cohort.table)
    named = import_medmnist(path, tmp_path / "named", healthy="liver", label_names={"0": "liver", "1": "spleen"}, quiet=True)
    assert named.info.positive == ["2", "spleen"]
    by_number = import_medmnist(
        path, tmp_path / "numbered", healthy="0", positive=["1"], label_names={"0": "liver", "1": "spleen"}, quiet=True
    )
    assert (by_number.info.healthy, by_number.info.positive) == ("liver", ["spleen"])


BAD = {
    "volumes": ({**arrays((28, 28, 28))}, "not volumes"),
    "floating point": (arrays(dtype=np.float32), "8-bit"),
    "half the labels": (arrays() | {"train_labels": np.zeros((6, 14), dtype=np.uint8)}, "one label for each"),
    "no indicators": (arrays() | {"train_labels": np.full((12, 14), 2, dtype=np.uint8)}, "168 are neither 0 nor 1"),
    "several labels in one split": (arrays() | {"train_labels": np.zeros((12, 14), dtype=np.uint8)}, "have 1 and 14 labels for each image"),
    "other arrays": ({"x": np.zeros(3)}, "is it a file of MedMNIST"),
    "pickles": (arrays() | {"train_labels": np.array([{}] * 12, dtype=object)}, "contains pickles, which are not loaded"),
}


@pytest.mark.parametrize("case", BAD)
def test_other_files_are_one_line(case: str, tmp_path: Path) -> None:
    content, words = BAD[case]
    np.savez(tmp_path / "set.npz", **content)
    with pytest.raises(InputError, match=words) as caught:
        import_medmnist(tmp_path, tmp_path / "out", healthy="0", quiet=True)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_cut_file_no_file_and_two_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.npz file"):
        import_medmnist(tmp_path, tmp_path / "out", healthy="0", quiet=True)
    np.savez(tmp_path / "a.npz", **arrays())
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:3000])
    with pytest.raises(InputError, match=r"2 \.npz files in it"):
        import_medmnist(tmp_path, tmp_path / "out", healthy="0", quiet=True)
    with pytest.raises(InputError, match=r"b\.npz: cannot be read"):
        import_medmnist(tmp_path / "b.npz", tmp_path / "out", healthy="0", quiet=True)


def test_chestmnist_has_an_array_of_labels_for_each_image(tmp_path: Path) -> None:
    content = arrays()
    for split, n in SIZES.items():
        labels = np.zeros((n, 14), dtype=np.uint8)
        labels[1::3, 6] = labels[2::3, 7] = labels[2::6, 2] = labels[3::6, 2] = 1  # pneumonia; pneumothorax, here and there with effusion
        content[f"{split}_labels"] = labels
    np.savez(tmp_path / "chestmnist.npz", **content)
    cohort = import_medmnist(tmp_path, tmp_path / "out", healthy="no finding", positive=["pneumonia", "7"], quiet=True)
    assert (cohort.info.positive, cohort.info.modality) == (["pneumonia", "pneumothorax"], "chest X-ray")
    for item, split, label in cohort.table[["item_id", "split", "label"]].itertuples(index=False):
        row = content[f"{split}_labels"][int(item[-6:])]
        assert (label == "pneumonia", label == "pneumothorax", label == "no finding") == (row[6] == 1, row[7] == 1, not row.any())
    alone = sum(int((content[f"{split}_labels"].nonzero()[1] == 2).sum()) for split in SIZES)
    both = import_medmnist(
        tmp_path, tmp_path / "both", healthy="normal", no_label="normal", positive=["effusion", "pneumothorax"], quiet=True
    )
    several = sum(int((content[f"{split}_labels"][:, [2, 7]].sum(axis=1) == 2).sum()) for split in SIZES)
    assert both.info.counts["images_with_several_labels_to_detect"] == several > 0
    assert cohort.info.counts["items_of_other_labels"] == (both.table["label"] == "effusion").sum() == alone - several


def test_several_labels_to_detect_may_be_one_class(tmp_path: Path) -> None:
    np.savez(tmp_path / "octmnist.npz", **arrays(classes=4))
    cohort = import_medmnist(tmp_path, tmp_path / "out", healthy="normal", positive_name="abnormal", quiet=True)
    assert cohort.table["label"].value_counts().to_dict() == {"abnormal": 17, "normal": 5}
    with pytest.raises(InputError, match=r"--no-label: is for sets with several labels per image; octmnist\.npz has one per image"):
        import_medmnist(tmp_path, tmp_path / "none", healthy="normal", no_label="x", quiet=True)
