"""Inserted lesions: where they are, how detectable they are, and that references and patients stay what they were."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from empirical.audit import audit
from empirical.cohorts import Cohort, CohortInfo
from empirical.cohorts.importing import assemble
from empirical.cohorts.insertion import InsertConfig, insert_lesions
from empirical.cohorts.insertion.calibration import jackknife, laguerre_gauss, signal_outputs
from empirical.cohorts.insertion.lesions import add_lesion, allowed_places, colour_weights, draw_lesion, envelope
from empirical.references import ReferenceConfig, choose_references
from empirical.references.rules import audit_references
from paper_figures.cli import app
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from theory.models.channelized import channel_profiles

SIZE, GRAIN, SPREAD = 64, 1.5, 60.0
SMALL = {"size": SIZE, "width": 2, "lesions_per_image": 4, "fractions": (0.4, 0.0, 0.3, 0.3)}


def films(folder: Path, patients: int = 60, each: int = 2, level: float = 120, ill: int = 0, mask: bool = False) -> Cohort:
    """A cohort of smoothed white noise, of which the covariance is known; the last `ill` patients are diseased."""
    rng, rows = np.random.default_rng(4), []
    for sub in ("images", "masks"):
        (folder / sub).mkdir(parents=True)
    half = np.zeros((SIZE, SIZE), dtype=np.uint8)
    half[: SIZE // 2] = 255
    for patient in range(patients):
        for number in range(each):
            field = ndimage.gaussian_filter(SPREAD * rng.standard_normal((SIZE, SIZE)), GRAIN, mode="wrap")
            name = f"images/{patient:03d}-{number}.png"
            Image.fromarray(np.rint(level + field).clip(0, 255).astype(np.uint8)).save(folder / name)
            Image.fromarray(half).save(folder / "masks" / f"{patient}.png")
            label = "ill" if patient >= patients - ill else "well"
            rows.append({"item_id": f"{patient:03d}/{number}", "image": name, "patient_id": f"p{patient}", "label": label,
                         "split": "train", "age": 40.0 + patient % 7, "mask": f"masks/{patient}.png" if mask else ""})  # fmt: skip
    info = CohortInfo("noise", "folder", "well", ["ill"], "noise", "a spot", licence="ours")
    return assemble(folder, info, pd.DataFrame(rows))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return films(tmp_path_factory.mktemp("noise") / "cohort", ill=5)


@pytest.fixture(scope="module")
def made(source: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return insert_lesions(source, InsertConfig(**SMALL), tmp_path_factory.mktemp("made") / "cohort", seed=1)


def pixels(cohort: Cohort, item: str) -> np.ndarray:
    return np.asarray(cohort.image(item).convert("L"), dtype=int)


def test_channels_are_those_of_the_theory() -> None:
    ours = laguerre_gauss(21, 8.0, 5)
    assert ours.reshape(5, -1) == pytest.approx(channel_profiles((21, 21), width=8.0, number=5))


@pytest.mark.parametrize("wanted", [1.0, 2.5])
def test_the_detectability_is_the_stated_one_by_the_true_covariance(source: Cohort, tmp_path: Path, wanted: float) -> None:
    config = InsertConfig(**SMALL, detectability=wanted)
    known = insert_lesions(source, config, tmp_path / "cohort", seed=3).info.parameters
    channels = laguerre_gauss(config.channel_side, config.channel_width, config.channels)
    signal = signal_outputs(envelope(config), channels)
    wide = np.pad(channels, ((0, 0), (20, 20), (20, 20)))
    filtered = SPREAD * np.stack([ndimage.gaussian_filter(channel, GRAIN) for channel in wide]).reshape(len(channels), -1)
    covariance = filtered @ filtered.T + np.eye(len(channels)) / 12  # rounding
    true = known["contrast"] * np.sqrt(signal @ np.linalg.solve(covariance, signal))
    error = wanted * known["contrast_relative_se"]
    assert 0 < error < 0.2 * wanted
    assert abs(true - wanted) < 4 * error
    found, se = known["detectability_in_test_images"], known["detectability_in_test_images_se"]
    assert abs(found - true) < 4 * se < wanted
    from scipy.stats import norm

    assert abs(known["auroc_in_test_images"] - norm.cdf(true / np.sqrt(2))) < 4 * known["auroc_in_test_images_se"]


def test_half_of_the_queries_of_each_split_have_a_lesion_at_its_place(made: Cohort, source: Cohort) -> None:
    for split in ("train", "test"):
        queries = made.queries(split)
        assert (queries["label"] == "inserted lesion").mean() == 0.5
        assert queries.groupby(["patient_id", "film"])["label"].apply(lambda labels: (labels == "inserted lesion").mean()).eq(0.5).all()
        for row in queries.itertuples():
            changed = pixels(made, row.item_id) - pixels(source, row.item_id.split("#")[0])
            mask = made.mask(row.item_id)
            if row.label == "well":
                assert not changed.any() and mask is None
            else:
                assert np.unravel_index(changed.argmax(), changed.shape) == (row.row, row.column)
                assert changed.min() >= 0 and mask is not None
                assert ndimage.center_of_mass(mask) == pytest.approx((row.row, row.column))
                assert np.argwhere(changed)[:, 0].min() >= row.row - 6


def test_references_are_the_untouched_images_of_other_patients(made: Cohort, source: Cohort) -> None:
    table = made.table
    kept = table[table["split"] == "reference"]
    assert set(kept["label"]) == {"well"} and set(kept["mask"]) == {""}
    for item in kept["item_id"]:
        assert np.array_equal(pixels(made, item), pixels(source, item))
    patients = {split: set(rows["patient_id"]) for split, rows in table.groupby(table["split"] + table["serves"])}
    assert patients["referenceprior"] <= patients["train"] | patients["test"]
    assert not patients["train"] & patients["test"] and not patients["reference"] & (patients["train"] | patients["test"])
    assert not {f"p{number}" for number in range(55, 60)} & set(table["patient_id"])  # the diseased
    assert made.info.licence == "ours" and made.info.parameters["source"] == source.hash


STRATEGIES = [
    ReferenceConfig(),
    ReferenceConfig(strategy="demographic", columns=(), caliper={"age": 1}),
    ReferenceConfig(strategy="prior", order="film", unmatched="leave_out"),
]


@pytest.mark.parametrize("config", STRATEGIES)
def test_no_strategy_gives_a_query_its_own_film(made: Cohort, config: ReferenceConfig) -> None:
    for split in ("train", "test"):
        assignment = choose_references(made, split, config, seed=0)
        assert not audit_references(made, split, assignment, order="film")
        items = made.table.set_index("item_id")
        query, reference = items.loc[assignment.table["item_id"]], items.loc[assignment.table["reference_id"]]
        own = query["patient_id"].to_numpy() == reference["patient_id"].to_numpy()
        assert own.all() if config.strategy == "prior" else not own.any()
        assert (query["film"].to_numpy() != reference["film"].to_numpy())[own].all()
        assert len(assignment.table) == len(made.queries(split)) // (2 if config.strategy == "prior" else 1)


RHO = 0.8
OWN_PART = ReferenceConfig(strategy="demographic", columns=("family",), caliper={})


@pytest.fixture(scope="module")
def with_control(source: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    config = InsertConfig(**SMALL, made={"rho": RHO, "each": 3})
    return insert_lesions(source, config, tmp_path_factory.mktemp("control") / "cohort", seed=1)


def test_made_references_share_the_stated_part_with_their_query_s_own_image(with_control: Cohort, source: Cohort) -> None:
    table, mean = with_control.table, np.full((SIZE, SIZE), 120.0)  # of this noise
    made = table[table["serves"] == "family"]
    found, spread = [], []
    for row in made.itertuples():
        shown, own = (pixels(cohort, item) - mean for cohort, item in ((with_control, row.item_id), (source, row.item_id.split("#")[0])))
        found.append((shown * own).sum() / np.sqrt((shown**2).sum() * (own**2).sum()))
        spread.append(shown.std() / own.std())
    assert len(made) == 3 * len(with_control.queries("train")[["patient_id", "film"]].drop_duplicates()) + 3 * len(
        with_control.queries("test")[["patient_id", "film"]].drop_duplicates()
    )
    assert np.mean(found) == pytest.approx(RHO, abs=4 * np.std(found) / np.sqrt(len(found)) + 0.01)  # the mean image is of 20 patients
    assert np.mean(spread) == pytest.approx(1, abs=0.02)
    assert with_control.info.parameters["made_correlation"] == pytest.approx(np.mean(found), abs=0.02)
    assert 0 <= with_control.info.parameters["made_clipped"] < 0.01


def test_only_the_own_family_is_given_made_references(with_control: Cohort) -> None:
    items = with_control.table.set_index("item_id")
    for split in ("train", "test"):
        assignment = choose_references(with_control, split, OWN_PART, seed=0)
        assert not audit_references(with_control, split, assignment, order="film")
        query, reference = items.loc[assignment.table["item_id"]], items.loc[assignment.table["reference_id"]]
        assert set(reference["serves"]) == {"family"} and reference["patient_id"].str.startswith("made with ").all()
        assert (query["film"].to_numpy() == reference["film"].to_numpy()).all()
        films_of = (assignment.table[name].str.split("#").str[0] for name in ("item_id", "reference_id"))
        assert next(films_of).equals(next(films_of))
        for config in [*STRATEGIES, ReferenceConfig(strategy="demographic", columns=("family",), caliper={}, unmatched="leave_out", m=3)]:
            others = choose_references(with_control, split, config, seed=0)
            served = items.loc[others.table["reference_id"], "serves"]
            assert (served == "family").all() if config.within_family else (served != "family").all()
    swapped = choose_references(with_control, "test", OWN_PART, seed=0)
    swapped.table["reference_id"] = np.roll(swapped.table["reference_id"], 8)  # of other films
    assert [finding.name for finding in audit_references(with_control, "test", swapped, order="film")] == ["reference_from_evaluation"]


def test_made_references_change_nothing_else(with_control: Cohort, made: Cohort) -> None:
    same = ["item_id", "label", "split", "patient_id", "sha256", "row", "column"]
    before, after = (cohort.table[cohort.table["serves"] != "family"][same].reset_index(drop=True) for cohort in (made, with_control))
    pd.testing.assert_frame_equal(before, after)
    assert [finding.name for finding in audit(with_control) if finding.severity == "error"] == []


def test_families_of_the_source_are_not_overwritten(source: Cohort, tmp_path: Path) -> None:
    kin = Cohort(source.folder, source.info, source.table.assign(family=source.table["patient_id"]))
    with pytest.raises(InputError, match="has families of its own"):
        insert_lesions(kin, InsertConfig(**SMALL, made={"rho": RHO}), tmp_path / "out", seed=1)


def test_with_only_the_last_image_every_query_has_an_earlier_one(tmp_path: Path) -> None:
    source = films(tmp_path / "in", 60, 2)
    few = source.table.drop(index=source.table.index[source.table["item_id"].str.endswith("/0")][:12])
    cohort = insert_lesions(Cohort(source.folder, source.info, few), InsertConfig(**SMALL, only_last=True), tmp_path / "out", seed=1)
    assert cohort.info.counts["patients_of_one_image"] == 12
    for split in ("train", "test"):
        queries, prior = cohort.queries(split), choose_references(cohort, split, STRATEGIES[2], seed=0)
        assert set(queries["film"]) == {2} and len(prior.table) == len(queries) and not len(prior.unmatched)
    single = {f"p{number}" for number in range(12)}
    assert single <= set(cohort.table.loc[(cohort.table["split"] == "reference") & (cohort.table["serves"] == ""), "patient_id"])


def test_the_audit_finds_nothing_that_stops(made: Cohort) -> None:
    assert [finding.name for finding in audit(made) if finding.severity == "error"] == []


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(source: Cohort, made: Cohort, tmp_path: Path) -> None:
    def content(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.png"))}

    again = insert_lesions(source, InsertConfig(**SMALL), tmp_path / "again", seed=1)
    assert again.hash == made.hash and content(again.folder) == content(made.folder)
    assert insert_lesions(source, InsertConfig(**SMALL), tmp_path / "other", seed=2).hash != made.hash
    assert insert_lesions(source, InsertConfig(**SMALL), tmp_path / "again", seed=1).hash == made.hash  # into the same folder


def test_an_odd_number_of_queries_is_balanced_over_images(source: Cohort, tmp_path: Path) -> None:
    cohort = insert_lesions(source, InsertConfig(**(SMALL | {"lesions_per_image": 1})), tmp_path / "cohort", seed=1)
    for split in ("train", "test"):
        ill = (cohort.queries(split)["label"] == "inserted lesion").sum()
        assert abs(ill - len(cohort.queries(split)) / 2) <= 0.5


def test_places_are_in_the_region_and_off_the_border() -> None:
    image = np.full((SIZE, SIZE), 100, dtype=np.uint8)
    image[:, :10] = 0
    config = InsertConfig(**SMALL)
    places = allowed_places(image, None, config)
    assert places[:, 1].min() >= 10 + config.reach and places.max() == SIZE - 1 - config.reach
    nearer = allowed_places(image, None, InsertConfig(**SMALL, margin=5))
    assert nearer[:, 1].min() == places[:, 1].min() + 5
    places = allowed_places(image, None, InsertConfig(**SMALL, region=(0.25, 0.5, 0.5, 0.75)))
    assert places.min(axis=0).tolist() == [16, 32] and places.max(axis=0).tolist() == [31, 47]
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[30, 40] = True
    assert allowed_places(image, mask, InsertConfig(**SMALL, region="mask")).tolist() == [[30, 40]]


def test_masks_of_the_source_are_the_region(tmp_path: Path) -> None:
    cohort = insert_lesions(films(tmp_path / "in", 40, 1, mask=True), InsertConfig(**SMALL, region="mask"), tmp_path / "out", seed=0)
    rows = cohort.table.loc[cohort.table["split"] != "reference", "row"]
    assert 0 < rows.min() <= rows.max() < SIZE // 2


def test_a_texture_has_mean_zero_and_its_stated_spread() -> None:
    config = InsertConfig(size=64, width=6, profile="textured", texture=0.5)
    drawn = np.stack([draw_lesion(config, np.random.default_rng(seed)) for seed in range(400)]) / envelope(config)
    assert drawn.mean(axis=0) == pytest.approx(1, abs=4.5 * 0.5 / 20)
    assert drawn.std() == pytest.approx(0.5, rel=0.03)


def test_colours_change_the_gray_level_by_the_contrast_and_nothing_is_clipped() -> None:
    image = np.full((SIZE, SIZE, 3), 100, dtype=np.uint8)
    lesion = np.zeros((9, 9))
    lesion[4, 4] = -20
    changed = add_lesion(image, np.array([30, 30]), lesion, colour_weights((0, 1, 0)))
    assert changed is not None and changed[30, 30].tolist() == [100, 66, 100]
    assert np.asarray(Image.fromarray(changed).convert("L"))[30, 30] == 80
    assert add_lesion(image, np.array([30, 30]), 6 * lesion, colour_weights((1, 1, 1))) is None


def test_the_jackknife_of_a_mean_is_its_standard_error_over_patients() -> None:
    values, names = np.random.default_rng(0).standard_normal(40), np.repeat([str(n) for n in range(20)], 2)
    found = jackknife(lambda kept: float(values[kept].mean()), names)
    assert found.value == pytest.approx(values.mean())
    assert found.se == pytest.approx(values.reshape(20, 2).mean(axis=1).std(ddof=1) / np.sqrt(20))


@pytest.mark.parametrize(("change", "words"), [
    ("detectability=19", "no room between 0 and 255"),
    ("detectability=0.01", "rounding would spoil"),
    ("region=[0, 0, 0.05, 0.05]", "no training image has a place"),
    ("region=[0.5, 0.5, 0.4, 0.9]", "region: give top, left, bottom and right"),
    ("region=mask", "has no mask"),
    ("fractions=[0.9, 0, 0.05, 0.05]", "at least 5 are needed"),
    ("fractions=[0.5, 0, 0.5, 0.5]", "add up to 1"),
    ("width=40", "larger than an image"),
    ("texture=0.7", "is for the profile 'textured'"),
    ("tint=[0, 1, 0]", "is for colours: rgb"),
    ("made.rho=0", "made.rho: Input should be greater than 0"),
    ("made.rho=1", "made.rho: Input should be less than 1"),
    ("made={rho: 0.5, each: 100}", "patients of references; lower it"),
    ("depth=3", "depth"),
])  # fmt: skip
def test_a_wrong_setting_is_one_line(source: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, words: str) -> None:
    typed = ["cohort", "insert", str(source.folder), "--out", str(tmp_path / "out"), "--quiet", "--set", f"size={SIZE}", "--set", change]
    assert run_app(app, typed) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
    assert not (tmp_path / "out" / "cohort.parquet").exists()


def test_a_cohort_without_enough_healthy_patients_is_refused(tmp_path: Path) -> None:
    few = films(tmp_path / "few", 12, 1)
    with pytest.raises(InputError, match=r"12 patients with healthy images give \d+ for"):
        insert_lesions(few, InsertConfig(**SMALL), tmp_path / "out", seed=0)
    with pytest.raises(InputError, match="12 of them with one image, which only_last makes references, give 0 for 'train'"):
        insert_lesions(few, InsertConfig(**SMALL, only_last=True), tmp_path / "out", seed=0)
    none = Cohort(few.folder, few.info, few.table.assign(label="ill"))
    with pytest.raises(InputError, match="no image of the healthy class"):
        insert_lesions(none, InsertConfig(**SMALL), tmp_path / "out", seed=0)


def test_the_command_says_what_it_made(source: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["cohort", "insert", str(source.folder), "--out", str(tmp_path / "out"), "--set", f"size={SIZE}"]
    assert run_app(app, typed) == 0
    assert "detectability in test images" in capsys.readouterr().err
    assert run_app(app, typed) == 0  # the same once more
    assert run_app(app, [*typed, "--set", "width=2"]) == 2
    assert run_app(app, ["cohort", "insert", str(source.folder), "--out", str(source.folder)]) == 2


@pytest.mark.skipif("SEE_IN_PAIRS_DATA" not in os.environ, reason="needs real images")
def test_lesions_in_real_films(tmp_path: Path) -> None:
    from empirical.cohorts.readers.registry import import_kind

    root = Path(os.environ["SEE_IN_PAIRS_DATA"]) / "nih-chestxray14"
    films = import_kind("nih", root, tmp_path / "nih", {"only_present": True, "quiet": True})
    config = InsertConfig(size=64, width=2, region=(0.2, 0.2, 0.6, 0.8), lesions_per_image=2)
    known = insert_lesions(films, config, tmp_path / "lesions", seed=0).info
    assert known.counts["images_without_room"] == 0
    assert abs(known.parameters["detectability_in_test_images"] - 1.5) < 5 * known.parameters["detectability_in_test_images_se"]
