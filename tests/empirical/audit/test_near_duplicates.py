"""Near duplicates: copies are found whatever was done to them, strangers are not, and never all pairs in memory."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance
from scipy.ndimage import gaussian_filter

from empirical.audit import audit, stop_on_errors
from empirical.audit.embeddings import read_embeddings
from empirical.audit.similarity_clusters import similarity_clusters
from empirical.cohorts import Cohort, CohortInfo
from empirical.cohorts.importing import assemble
from empirical.cohorts.perceptual_hash import signature
from see_in_pairs.errors import CheckFailed, InputError


def anatomy(seed: int, size: int = 96) -> Image.Image:
    """A body that all share, and structure of one's own on every scale."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((size, size)) / size
    shared = 120 * np.exp(-((x - 0.5) ** 2 + (y - 0.5) ** 2) * 6)
    own = sum(scale * 12 * gaussian_filter(rng.normal(size=(size, size)), scale) for scale in (2, 4, 8, 16))
    return Image.fromarray(np.clip(60 + shared + own, 0, 255).astype(np.uint8))


def recompressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return Image.open(buffer)


CHANGES = {
    "JPEG": recompressed,
    "half the size": lambda image: image.resize((48, 48)),
    "other shape": lambda image: image.resize((120, 80)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "colour": lambda image: image.convert("RGB"),
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Sixty strangers, healthy and ill, half of them in each split."""
    folder = tmp_path_factory.mktemp("strangers")
    for seed in range(60):
        anatomy(seed).save(folder / f"{seed}.png")
    return written(folder, [f"{seed}.png" for seed in range(60)])


def written(folder: Path, images: list[str], **changes: object) -> Cohort:
    import hashlib

    n = len(images)
    table = pd.DataFrame(
        {
            "item_id": images,
            "image": images,
            "label": np.where(np.arange(n) // 2 % 2 == 0, "ill", "well"),
            "patient_id": [f"p{k}" for k in range(n)],
            "split": np.where(np.arange(n) % 2 == 0, "train", "test"),
            "sha256": [hashlib.sha256((folder / image).read_bytes()).hexdigest() for image in images],
        }
    )
    return assemble(folder, CohortInfo("toy", "table", "well", ["ill"], "image", "x"), table.assign(**changes))


def names(cohort: Cohort, **options: object) -> dict[str, tuple[str, ...]]:
    return {finding.name: finding.rows for finding in audit(cohort, **options)}


def test_strangers_are_not_alike(cohort: Cohort) -> None:
    assert names(cohort) == {}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_in_the_other_split_stops(change: str, cohort: Cohort, tmp_path: Path) -> None:
    for seed in range(60):
        anatomy(seed).save(tmp_path / f"{seed}.png")
    CHANGES[change](anatomy(7)).save(tmp_path / "60.png")
    leaky = written(tmp_path, [f"{seed}.png" for seed in range(61)])
    assert names(leaky) == {"near_duplicate_across_splits": ("7.png", "60.png")}
    with pytest.raises(CheckFailed, match="1 group of nearly identical images are used in several splits"):
        stop_on_errors(audit(leaky))
    stop_on_errors(audit(leaky), allow=["near_duplicate_across_splits"])


def test_a_copy_under_another_patient_in_one_split_warns_and_a_patients_own_does_not(cohort: Cohort, tmp_path: Path) -> None:
    for seed in range(60):
        anatomy(seed).save(tmp_path / f"{seed}.png")
    recompressed(anatomy(8)).save(tmp_path / "60.png")
    copied = written(tmp_path, [f"{seed}.png" for seed in range(61)])
    (finding,) = audit(copied)
    assert (finding.name, finding.severity, finding.rows) == ("near_duplicates", "warn", ("8.png", "60.png"))
    same_patient = copied.table["patient_id"].replace("p60", "p8")
    assert names(replace(copied, table=copied.table.assign(patient_id=same_patient))) == {}
    family = copied.table["patient_id"].isin(["p60", "p8"]).map({True: "f", False: ""})
    assert names(replace(copied, table=copied.table.assign(family=family))) == {}


def test_blank_and_unreadable_images_are_findings(cohort: Cohort, tmp_path: Path) -> None:
    for seed in range(20):
        anatomy(seed).save(tmp_path / f"{seed}.png")
    Image.new("L", (96, 96), 7).save(tmp_path / "3.png")
    written(tmp_path, [f"{seed}.png" for seed in range(20)])
    (tmp_path / "5.png").write_bytes((tmp_path / "5.png").read_bytes()[:200])
    (tmp_path / "6.png").unlink()
    findings = {finding.name: finding for finding in audit(Cohort.load(tmp_path))}
    assert {name: finding.rows for name, finding in findings.items()} == {
        "unreadable_images": ("5.png",), "missing_files": ("6.png",), "blank_images": ("3.png",)
    }  # fmt: skip
    assert "5.png: cannot be read" in findings["unreadable_images"].message


def test_images_that_were_exchanged_are_found_when_asked(cohort: Cohort, tmp_path: Path) -> None:
    for seed in range(20):
        anatomy(seed).save(tmp_path / f"{seed}.png")
    kept = written(tmp_path, [f"{seed}.png" for seed in range(20)])
    assert names(kept, rehash=True) == {}
    anatomy(99).save(tmp_path / "4.png")
    assert names(kept) == {}
    assert names(kept, rehash=True) == {"changed_files": ("4.png",)}


def test_the_same_bytes_are_left_to_the_other_checks(cohort: Cohort, tmp_path: Path) -> None:
    for seed in range(20):
        anatomy(seed % 19).save(tmp_path / f"{seed}.png")
    found = names(written(tmp_path, [f"{seed}.png" for seed in range(20)]))
    assert set(found) == {"duplicate_across_splits", "duplicates", "contradictory_duplicates"}


def test_embeddings_are_another_way_to_find_copies(cohort: Cohort, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 16)) + 5
    vectors[31] = vectors[4] + 0.01
    assert names(cohort, embeddings=vectors) == {"near_duplicate_across_splits_by_embedding": ("4.png", "31.png")}
    order = np.random.default_rng(1).permutation(60)
    np.savez(tmp_path / "e.npz", item_id=cohort.table["item_id"].to_numpy(str)[order], vectors=vectors[order])
    np.testing.assert_array_equal(read_embeddings(tmp_path / "e.npz", cohort), vectors)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"x": np.zeros(3)}, "not a .npz file with 'item_id' and 'vectors'"),
        ({"item_id": np.array(["0.png"]), "vectors": np.zeros((1, 4))}, "lacks 59 of 60 items: 1.png, 2.png, 3.png"),
        ({"item_id": np.array(["0.png"]), "vectors": np.zeros((2, 4))}, "a row for each"),
        ({"item_id": np.array(["0.png"]), "vectors": np.full((1, 4), np.nan)}, "finite"),
    ],
)
def test_bad_embeddings_are_one_line(content: dict[str, np.ndarray], words: str, cohort: Cohort, tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", **content)
    with pytest.raises(InputError, match=words):
        read_embeddings(tmp_path / "e.npz", cohort)
    with pytest.raises(InputError, match="no such file"):
        read_embeddings(tmp_path / "none.npz", cohort)
    np.save(tmp_path / "e.npy", np.zeros((60, 4)))
    with pytest.raises(InputError, match=r"with .item_id. and"):
        read_embeddings(tmp_path / "e.npy", cohort)


def brute_force(vectors: np.ndarray, least: float) -> set[frozenset[int]]:
    centred = vectors - np.median(vectors, axis=0)
    scaled = centred / np.where(centred.std(axis=0) > 0, centred.std(axis=0), 1)
    norms = np.linalg.norm(scaled, axis=1)
    group = list(range(len(vectors)))
    for i in range(len(vectors)):
        for j in range(i):
            cosine = scaled[i] @ scaled[j] / (norms[i] * norms[j]) if norms[i] * norms[j] > 0 else 0
            if cosine >= least or (vectors[i] == vectors[j]).all():
                group = [group[j] if g == group[i] else g for g in group]
    return {frozenset(k for k, g in enumerate(group) if g == one) for one in set(group)}


@given(st.integers(2, 40), st.integers(1, 7), st.integers(0, 1000), st.floats(0.3, 0.99))
def test_groups_are_those_of_all_pairs_whatever_the_tile(n: int, tile: int, seed: int, least: float) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 5)).astype(np.float32)
    copies = rng.integers(0, n, n // 3)
    vectors[rng.integers(0, n, n // 3)] = vectors[copies] + rng.choice([0, 0.05, 0.3], size=(n // 3, 1)).astype(np.float32)
    groups = similarity_clusters(vectors, least, tile)
    assert {frozenset(np.flatnonzero(groups == one).tolist()) for one in set(groups)} == brute_force_on_distinct(vectors, least)


def brute_force_on_distinct(vectors: np.ndarray, least: float) -> set[frozenset[int]]:
    """Equal vectors count once in the cohort's median."""
    distinct, place = np.unique(vectors, axis=0, return_inverse=True)
    groups = brute_force(distinct.astype(float), least)
    return {frozenset(np.flatnonzero(np.isin(place.reshape(-1), list(group))).tolist()) for group in groups}


def test_components_tell_strangers_apart_where_dimensions_do_not() -> None:
    """An embedding whose dimensions nearly repeat each other: 64 dimensions, of which 8 differ."""
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(200, 8)) * [30, 1, 1, 1, 1, 1, 1, 1]) @ rng.normal(size=(8, 64))
    vectors[100] = vectors[3] * 1.001
    by_dimension = similarity_clusters(vectors, 0.95)
    by_component = similarity_clusters(vectors, 0.95, components=8)
    assert len(set(by_dimension)) < 100  # strangers taken for copies
    assert by_component[100] == by_component[3]
    assert len(set(by_component)) > 190  # 8 dimensions: a few strangers may meet by chance


def test_a_signature_has_unit_length_and_a_blank_image_none() -> None:
    assert np.linalg.norm(signature(anatomy(0)).astype(float)) == pytest.approx(1, abs=2**-10)  # float16
    assert not signature(Image.new("RGB", (50, 40), (9, 9, 9))).any()
