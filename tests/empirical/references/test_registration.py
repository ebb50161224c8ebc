"""References aligned to their queries: known warps are undone, lesions stay, and every arm and cache sees the right image."""

from __future__ import annotations

import json
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError
from scipy import ndimage

from empirical.arms import ARMS, ArmConfig, build_examples
from empirical.arms.images import augmented_name, content_key, image_area, image_source, source_files
from empirical.cohorts import Cohort
from empirical.prompts.templates import PromptConfig
from empirical.references import ReferenceConfig, registration
from empirical.references.aligned import PREFIX, AlignedName, align_all, image_key, read_image, shown_references
from empirical.references.registration import align
from empirical.training.finetune import finetune
from see_in_pairs.cache import cache_folder
from see_in_pairs.errors import InputError
from tests.helpers.configs import finetune_config
from tests.helpers.processes import start

Floats = NDArray[np.float64]
SIDE, LESION = 64, (30, 36)
COLUMNS = np.arange(SIDE)
RELATIVE: dict[str, Any] = {"strategy": "demographic", "columns": ["family"], "caliper": {}}


def picture(seed: int = 0) -> Floats:
    """Coarse structure with some fine detail, gray levels about 120."""
    rng = np.random.default_rng(seed)
    coarse, fine = (ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), width) for width in (5, 1.5))
    return 120 + 30 * coarse / coarse.std() + 4 * fine / fine.std()


def moved(pixels: Floats, rows: Floats | float, columns: Floats | float) -> Floats:
    row, column = np.indices(pixels.shape)
    return np.asarray(ndimage.map_coordinates(pixels, [row + rows, column + columns], order=3, mode="nearest"))


def image(pixels: Floats) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def smooth_warp(peak: float, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    field = np.stack([ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), SIDE / 4, mode="wrap") for _ in range(2)])
    return np.asarray(field * peak / np.hypot(*field).max())


def error(found: Image.Image, truth: Floats) -> float:
    """Root mean squared error away from the edge, where pixels are unknown."""
    return float(np.sqrt(np.mean((np.asarray(found, float) - truth)[8:-8, 8:-8] ** 2)))


def test_a_shift_is_undone_whatever_the_gain_and_offset_of_the_session() -> None:
    query = picture()
    reference = 0.7 * moved(query, 3.0, -4.0) + 30
    found = align(image(query), image(reference), "translation", detail=6)
    assert found.reached == "translation" and found.after > 0.97 > found.before
    assert error(found.image, 0.7 * query + 30) < 0.15 * error(image(reference), 0.7 * query + 30)


def test_a_rotation_and_scale_are_undone_by_affine_but_not_by_translation() -> None:
    query = picture(1)
    row, column = np.indices(query.shape) - (SIDE - 1) / 2
    turned = moved(query, 0.05 * row + 0.1 * column, -0.1 * row + 0.05 * column)
    errors = [error(align(image(query), image(turned), kind, detail=6).image, query) for kind in ("translation", "affine")]
    assert errors[1] < 0.25 * errors[0]


def test_a_smooth_warp_of_four_pixels_is_undone_by_deformable_only() -> None:
    query, field = picture(2), smooth_warp(4.0, 3)
    errors = [error(align(image(query), image(moved(query, *field)), kind, detail=6).image, query) for kind in ("affine", "deformable")]
    assert errors[1] < 0.4 * errors[0] and errors[1] < 4


def test_the_same_pair_gives_the_same_bits() -> None:
    query, reference = image(picture(2)), image(moved(picture(2), *smooth_warp(4.0, 3)))
    first, second = (align(query, reference, "deformable", detail=6) for _ in range(2))
    assert first.image.tobytes() == second.image.tobytes() and first.after == second.after


def kept_contrast(detail: float, near: bool = False, leave_out: bool = True) -> float:
    """Share of a lesion's contrast in query minus reference that is left by aligning to the query *with* the lesion.

    With `near` the reference has such a spot of its own, five pixels away: what a fit without smoothing takes for the lesion.
    """
    row, column = np.indices((SIDE, SIDE))
    radius = np.hypot(row - LESION[0], column - LESION[1])
    lesion, mask, ring = 25 * np.exp(-((radius / 3) ** 2) / 2), radius <= 4, (radius > 9) & (radius <= 13)
    spot = 25 * np.exp(-((np.hypot(row - LESION[0] - 3, column - LESION[1] + 4) / 3) ** 2) / 2)
    shares = []
    for seed in (1, 2, 3):
        query = picture(seed)
        reference = moved(query + 10 * np.random.default_rng(seed).standard_normal(query.shape), 2.0, 1.0) + spot * near
        shown = [image(query + lesion), image(query)]
        with_and_without = [align(one, image(reference), "deformable", detail, leave_out=leave_out).image for one in shown]
        change = np.subtract(*[np.asarray(found, float) for found in with_and_without])
        shares.append(1 - (change[mask].mean() - change[ring].mean()) / (lesion[mask].mean() - lesion[ring].mean()))
    return float(np.mean(shares))


def test_a_lesion_keeps_its_contrast_since_each_place_is_predicted_from_its_surroundings() -> None:
    assert all(0.95 < kept_contrast(7, near) < 1.03 for near in (False, True))
    assert kept_contrast(7, leave_out=False) < 0.9


def test_the_deformation_of_simpleitk_is_the_one_that_is_predicted() -> None:
    sitk = registration.require_simpleitk()
    fitted = sitk.BSplineTransformInitializer(sitk.Image(50, 40, sitk.sitkFloat32), [3, 2], 3)
    fitted.SetParameters(np.random.default_rng(0).standard_normal(2 * 6 * 5))
    starts, lengths = fitted.GetTransformDomainOrigin(), fitted.GetTransformDomainPhysicalDimensions()
    across, down = (registration._cubic_basis(np.array([4.0, 31.5]), starts[axis], lengths[axis], (3, 2)[axis]) for axis in (0, 1))
    weights = np.reshape(fitted.GetParameters(), (2, 5, 6))
    for place in range(2):
        column, row = fitted.TransformPoint(((4.0, 31.5)[place],) * 2)
        expected = [down[place] @ part @ across[place] for part in weights]
        assert [column - (4.0, 31.5)[place], row - (4.0, 31.5)[place]] == pytest.approx(expected, abs=1e-9)


def test_what_cannot_be_aligned_is_left_in_its_place_and_counted() -> None:
    flat, query = image(np.full((SIDE, SIDE), 90.0)), image(picture())
    found = align(query, flat, "deformable")
    assert (found.reached, found.before, found.after) == ("none", 0.0, 0.0)
    assert found.image.tobytes() == flat.tobytes()
    noise = image(120 + 40 * np.random.default_rng(1).standard_normal((SIDE, SIDE)))
    assert align(noise, image(picture(5)), "translation").after >= align(noise, image(picture(5)), "translation").before


@pytest.mark.parametrize(
    ("matrix", "shift", "plausible"),
    [
        ((1, 0, 0, 1), (15, 0), True), ((1, 0, 0, 1), (0, 17), False),  # a quarter of the side is 16 pixels
        ((1.2, 0, 0, 1), (0, 0), True), ((0.8, -0.1, 0.1, 0.8), (0, 0), True),
        ((0.44, 0, 0, 0.44), (0, 0), False), ((-1, 0, 0, 1), (0, 0), False),
    ],
)  # fmt: skip
def test_a_far_shift_and_a_mirror_are_not_taken_for_anatomy(matrix: tuple[float, ...], shift: tuple[int, int], plausible: bool) -> None:
    sitk, pixels = registration.require_simpleitk(), picture().astype(np.float32)
    transform = sitk.AffineTransform(matrix, shift, [(SIDE - 1) / 2] * 2)
    assert registration._Fit(sitk, pixels, pixels, 7.0).plausible(transform) is plausible


@pytest.mark.parametrize(
    ("shifts", "plausible"),
    [
        (np.sin(2 * np.pi * COLUMNS / 16), True),  # least slope -.39
        (5 * np.sin(2 * np.pi * COLUMNS / 16), False),  # -1.96: folded
        (np.interp(COLUMNS, [0, 29, 34, 63], [0, -5, 5, 0]), True),  # largest slope 2: areas three times as large
        (np.interp(COLUMNS, [0, 30, 33, 63], [0, -8, 8, 0]), False),  # 5.3: torn
    ],
)
def test_a_fold_and_a_tear_are_not_taken_for_anatomy(shifts: Floats, plausible: bool) -> None:
    sitk, pixels = registration.require_simpleitk(), picture().astype(np.float32)
    field = np.zeros((SIDE, SIDE, 2))
    field[..., 0] = shifts
    transform = sitk.DisplacementFieldTransform(sitk.GetImageFromArray(field, isVector=True))
    assert registration._Fit(sitk, pixels, pixels, 7.0).plausible(transform) is plausible


def test_a_colour_reference_of_another_size_lands_on_the_grid_of_the_query() -> None:
    query = picture(4)
    large = image(moved(query, 2.0, 2.0)).resize((2 * SIDE, 2 * SIDE), Image.Resampling.BICUBIC)
    colour = Image.merge("RGB", [large, large.point(lambda level: level // 2), large])
    found = align(image(query).convert("RGB"), colour, "translation", detail=6)
    red, green, _ = found.image.split()
    assert found.image.size == (SIDE, SIDE) and found.image.mode == "RGB"
    assert error(red, query) < 4 and error(green, query / 2) < 3


def test_without_simpleitk_one_line_says_what_to_install(phantom: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    arm = ArmConfig.model_validate({"arm": "pair", "references": RELATIVE | {"align": "affine"}})
    with pytest.raises(InputError, match=r"pip install 'see-in-pairs\[registration\]'"):
        build_examples(phantom, "test", arm, PromptConfig(), seed=0)


@pytest.mark.parametrize("wrong", [{"align": "rigid"}, {"detail": 5.0}, {"align": "affine", "detail": 0.5}])
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"align|detail"):
        ReferenceConfig.model_validate(wrong)


def test_an_unknown_kind_is_one_line() -> None:
    with pytest.raises(InputError, match="rigid"):
        align(image(picture()), image(picture()), "rigid")


@pytest.mark.parametrize("sides", [((3, SIDE), (SIDE, SIDE)), ((SIDE, SIDE), (SIDE, 1))])
def test_an_image_of_a_few_pixels_is_one_line(sides: tuple[tuple[int, int], tuple[int, int]]) -> None:
    with pytest.raises(InputError, match=r"^references.align: an image of (3 x 64|64 x 1) pixels is too small; at least 4 a side$"):
        align(*(Image.new("L", side) for side in sides), "affine")


def test_a_detail_as_wide_as_the_image_is_taken_and_a_wider_one_is_one_line() -> None:
    query, reference = image(picture()[:, :40]), image(moved(picture(), 1.0, 1.0)[:, :40])
    assert align(query, reference, "deformable", 40.0).after > 0.9
    with pytest.raises(InputError, match=r"^references.detail: 41 pixels are wider than an image of 40 x 64$"):
        align(query, reference, "deformable", 41.0)


def test_a_deformation_that_cannot_be_predicted_leaves_the_affine_transform(monkeypatch: pytest.MonkeyPatch) -> None:
    def singular(*_: object) -> None:
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(np.linalg, "solve", singular)
    assert align(image(picture(2)), image(moved(picture(2), *smooth_warp(4.0, 3))), "deformable", 6).reached == "affine"


@pytest.mark.parametrize("arm", sorted(ARMS))
def test_every_arm_that_shows_a_real_reference_shows_it_aligned_and_no_other_does(phantom: Cohort, arm: str) -> None:
    settings = RELATIVE | {"align": "translation", "detail": 7.0}
    real = {"pair", "multi", "fixed", "diseased", "reversed", "unlabelled", "reference_only"}
    if arm not in real:
        with pytest.raises(ValidationError, match="does not take references"):
            ArmConfig.model_validate({"arm": arm, "references": settings, **({"other_cohort": "x"} if arm == "wrong_modality" else {})})
        return
    settings |= {"m": 2} if arm == "multi" else {}
    settings = {"align": "translation", "detail": 7.0} if arm in ("fixed", "diseased") else settings
    config = ArmConfig.model_validate({"arm": arm, "references": settings})
    plain = config.model_copy(update={"references": None if arm == "fixed" else config.references.model_copy(update={"align": "none"})})  # type: ignore[union-attr]
    pairs = [build_examples(phantom, "test", one, PromptConfig(), seed=3) for one in (config, plain)]
    for example, before in zip(*pairs, strict=True):
        names = [str(AlignedName("translation", 7.0, reference, example.item_id)) for reference in example.reference_ids]
        assert example.reference_ids == before.reference_ids  # the choice of references does not change
        assert sorted(example.images) == sorted([*names, *(set(before.images) - set(before.reference_ids))])
    assert config.strategy.endswith("+translation") and not plain.strategy.endswith("+translation")


def test_fixed_reads_only_how_to_align() -> None:
    with pytest.raises(ValidationError, match="reads only align and detail"):
        ArmConfig.model_validate({"arm": "fixed", "references": {"align": "affine", "strategy": "demographic"}})


def test_aligned_images_are_kept_and_made_again_where_damaged(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEE_IN_PAIRS_CACHE", str(tmp_path))
    query, reference = phantom.queries("test")["item_id"][0], phantom.table["item_id"].iloc[-1]
    names = shown_references(query, [reference], ReferenceConfig(align="translation", detail=7))
    table = align_all(phantom, [*names, *names, query], "align", quiet=True)
    assert table[["item_id", "reference_id", "asked"]].to_numpy().tolist() == [[query, reference, "translation"]]
    made = read_image(phantom, names[0])
    direct = align(phantom.image(query), phantom.image(reference), "translation", 7)
    assert made.tobytes() == direct.image.tobytes() and table["reached"][0] == direct.reached
    (file,) = (cache_folder() / "aligned").rglob("*.png")
    monkeypatch.setattr("empirical.references.aligned.align", lambda *_: pytest.fail("made again"))
    assert image_source(phantom)(names[0]).tobytes() == made.tobytes()
    pd.testing.assert_frame_equal(align_all(phantom, names, "align", quiet=True), table, check_exact=True)
    monkeypatch.undo()
    monkeypatch.setenv("SEE_IN_PAIRS_CACHE", str(tmp_path))
    whole = file.read_bytes()
    foreign = BytesIO()
    Image.new("RGB", (SIDE, SIDE)).save(foreign, format="PNG")  # a whole image, without what the alignment reached
    for damaged in (b"", whole[:500], whole[:-200], bytes(500), foreign.getvalue()):
        file.write_bytes(damaged)
        assert read_image(phantom, names[0]).tobytes() == made.tobytes()
        assert file.read_bytes() == whole


def test_processes_that_align_the_same_pairs_at_once_leave_whole_images(
    phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEE_IN_PAIRS_CACHE", str(tmp_path))
    reference = phantom.table["item_id"].iloc[-1]
    names = [str(AlignedName("translation", 7.0, reference, query)) for query in phantom.queries("test")["item_id"]]
    processes = [start(align_all, phantom, names, "align", True) for _ in range(2)]
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    files = sorted(path.name for path in (tmp_path / "aligned").rglob("*") if path.is_file())  # no temporary file is left either
    assert files == sorted(f"{image_key(phantom, name)}.png" for name in names)
    monkeypatch.setattr("empirical.references.aligned.align", lambda *_: pytest.fail("made again"))
    assert len(align_all(phantom, names, "align", quiet=True)) == len(names)


def test_finetuning_lists_its_alignments_and_learns_from_the_aligned_images(phantom: Cohort, tmp_path: Path) -> None:
    arms = [{"arm": "pair", "references": RELATIVE | how} for how in ({}, {"align": "affine", "detail": 7.0})]
    for name, arm in zip(("plain", "aligned"), arms, strict=True):
        finetune(finetune_config(phantom, method="full", steps=2, arm=arm), tmp_path / name, quiet=True)
    losses = [pd.read_csv(tmp_path / name / "history.csv")["loss"].to_numpy() for name in ("plain", "aligned")]
    assert not np.array_equal(*losses)
    table = pd.read_csv(tmp_path / "aligned" / "references" / "pair-alignment.csv")
    manifest = json.loads((tmp_path / "aligned" / "manifest.json").read_text("utf-8"))
    reached = int((table["reached"] == "affine").sum())
    assert manifest["counts"]["aligned:pair"] == reached > 0
    assert manifest["counts"]["not_aligned_as_asked:pair"] == len(table) - reached
    assert not list((tmp_path / "plain" / "references").glob("*-alignment.csv"))


def test_an_augmentation_of_training_sees_the_aligned_reference(phantom: Cohort) -> None:
    query, reference = phantom.queries("train")["item_id"][0], phantom.table["item_id"].iloc[-1]
    name = str(AlignedName("translation", 7.0, reference, query))
    shown = augmented_name(name, 1, 0.0, (1, 0))
    assert len(align_all(phantom, [shown], "align", quiet=True)) == 1
    moved_down = np.asarray(image_source(phantom)(shown))[1:]
    assert np.array_equal(moved_down, np.asarray(read_image(phantom, name))[:-1])


def test_keys_tell_apart_whatever_decides_an_aligned_image(phantom: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    query, other = phantom.queries("test")["item_id"][:2]
    reference = phantom.table["item_id"].iloc[-1]
    names = [
        str(AlignedName(*settings)) for settings in (
            ("affine", 7.0, reference, query), ("affine", None, reference, query), ("translation", 7.0, reference, query),
            ("affine", 7.0, other, query), ("affine", 7.0, reference, other),
        )
    ]  # fmt: skip
    keys = [image_key(phantom, name) for name in (*names, query, reference)]
    assert len(set(keys)) == len(keys) and all(name.startswith(PREFIX) and str(AlignedName.parse(name)) == name for name in names)
    for name, changed in (("METHOD", registration.METHOD + 1), ("version", lambda package: "0.0")):
        with monkeypatch.context() as patch:
            patch.setattr(registration, name, changed)
            assert image_key(phantom, names[0]) not in keys


def test_what_an_aligned_image_is_made_from_is_checked_and_measured(phantom: Cohort) -> None:
    query, reference = phantom.queries("test")["item_id"][0], phantom.table["item_id"].iloc[-1]
    name = str(AlignedName("affine", None, reference, query))
    assert [path for path, _ in source_files(phantom, name)] == [phantom.image_path(reference), phantom.image_path(query)]
    assert image_area(phantom, name) == image_area(phantom, query)
    assert content_key(phantom, name) == image_key(phantom, name) and content_key(phantom, query) == phantom.imported_as(query)
