"""The phantom against its own truth: covariances, ideal observers on the PNG files, and what must not move."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from empirical.cohorts import Cohort
from empirical.cohorts.phantom import LesionConfig, PhantomConfig, PhantomTruth, Shares, make_phantom
from empirical.cohorts.phantom.config import COMPONENTS
from empirical.cohorts.phantom.draws import FamilySampler
from empirical.cohorts.phantom.make import disease_status
from empirical.cohorts.phantom.model import build_model, smooth_kernel
from empirical.cohorts.phantom.template import MODES, Anatomy, clear_lung, draw_template
from see_in_pairs.configs import parse_config
from see_in_pairs.errors import InputError

SMALL = {"size": 32, "lesion": LesionConfig(width=2.0)}
SERIES = {"main": {"rho": 0.7}, "second": {"shares": Shares(demographic=0.9, site=0.2, field=0.6, noise=0.4)}}


def config(**changes: object) -> PhantomConfig:
    return PhantomConfig(**{**SMALL, "n_train": 6, "n_val": 2, "n_test": 4, **changes})


def pixels(cohort: Cohort, items: list[str]) -> np.ndarray:
    return np.stack([np.asarray(Image.open(cohort.image_path(item)), dtype=float).ravel() for item in items])


def area(positive: np.ndarray, negative: np.ndarray) -> tuple[float, float]:
    """The Mann-Whitney AUC with DeLong's standard error, by counting."""
    wins = (positive[:, None] > negative).astype(float) + 0.5 * (positive[:, None] == negative)
    return wins.mean(), np.sqrt(wins.mean(1).var(ddof=1) / len(positive) + wins.mean(0).var(ddof=1) / len(negative))


@pytest.mark.parametrize("series", SERIES)
def test_images_have_the_covariances_the_truth_says(series: str) -> None:
    truth, families, block = build_model(config(**SERIES[series])), 1200, 8
    sampler = FamilySampler(truth, seed=3)
    drawn = np.stack([np.rint(sampler.sample(0, number, 2).images) for number in range(families)])
    blocks = np.kron(np.eye(32 // block), np.full((1, block), 1 / block))
    # block means, and single pixels along a diagonal so that the white noise shows
    features = np.vstack([np.kron(blocks, blocks), np.eye(32 * 32)[:: 33 * 4]])
    reduced = (drawn.reshape(families, 3, -1) - truth.mean) @ features.T
    sigma, cross = (features @ matrix @ features.T for matrix in (truth.covariance(), truth.cross_covariance()))
    bound = stats.norm.isf(1e-6 / reduced[0].size ** 2)
    for a, b in ((0, 0), (1, 1), (0, 1), (1, 2)):
        expected = sigma if a == b else cross
        error = reduced[:, a].T @ reduced[:, b] / families - expected
        mcse = np.sqrt((np.outer(np.diag(sigma), np.diag(sigma)) + expected**2) / families)
        assert np.abs(error / mcse).max() < bound


@pytest.mark.parametrize("series", SERIES)
def test_ideal_observers_reach_their_limits_on_the_written_files(series: str, tmp_path: object) -> None:
    cohort = make_phantom(config(n_train=0, n_val=0, n_test=1400, **SERIES[series]), str(tmp_path), seed=11)
    truth = PhantomTruth.load(cohort.folder / "truth.npz")
    queries = cohort.queries("test")
    x = pixels(cohort, list(queries["item_id"])) - truth.mean
    y = pixels(cohort, [f"{item}-r1" for item in queries["item_id"]]) - truth.mean
    sigma, cross = truth.covariance(), truth.cross_covariance()
    prediction = np.linalg.solve(sigma, cross).T
    residual = sigma - prediction @ cross.T
    diseased = (queries["label"] == "nodule").to_numpy()
    for covariance, data in ((sigma, x), (residual, x - y @ prediction.T)):
        template = np.linalg.solve(covariance, truth.signal)
        detectability = np.sqrt(template @ truth.signal)
        found, error = area(data[diseased] @ template, data[~diseased] @ template)
        assert abs(found - stats.norm.cdf(detectability / np.sqrt(2))) < 4 * error
        if covariance is sigma:
            assert detectability == pytest.approx(0.95, rel=1e-9)
        elif series == "main":
            assert detectability == pytest.approx(0.95 / np.sqrt(1 - 0.7**2), rel=1e-9)  # THEORY.md, T1b, proportional case


def test_main_series_is_proportional_and_the_second_sums_its_components() -> None:
    main = build_model(config(rho=0.7))
    np.testing.assert_allclose(main.cross_covariance(), 0.7 * main.covariance(), rtol=1e-12)
    second = build_model(config(**SERIES["second"]))
    expected = sum(second.shares[name] * second.component(name) for name in COMPONENTS)
    np.testing.assert_array_equal(second.cross_covariance(), expected)
    np.testing.assert_array_equal(second.covariance(), main.covariance())


def test_whitening_by_structure_is_the_dense_solution() -> None:
    truth = build_model(config())
    image = np.random.default_rng(0).standard_normal(truth.mean.size)
    np.testing.assert_allclose(truth.covariance() @ truth.whiten(image), image, atol=1e-8)


def test_queries_are_the_same_bytes_whatever_is_shared(tmp_path: object) -> None:
    cohorts = [
        make_phantom(config(relatives=r, **s), f"{tmp_path}/{k}", seed=5)
        for k, (r, s) in enumerate([(1, {"rho": 0.0}), (2, SERIES["second"])])
    ]
    hashes = [
        cohort.table[cohort.table["split"] != "reference"].set_index("item_id")[["sha256", "label", "patient_id"]] for cohort in cohorts
    ]
    assert hashes[0].equals(hashes[1])
    relatives = [set(cohort.table.loc[cohort.table["split"] == "reference", "sha256"]) for cohort in cohorts]
    assert not relatives[0] & relatives[1]


def test_same_seed_same_bytes_and_more_families_change_nobody(tmp_path: object) -> None:
    first, again, longer, other = (
        make_phantom(config(n_train=n), f"{tmp_path}/{name}", seed=seed)
        for name, n, seed in [("a", 6, 1), ("b", 6, 1), ("c", 12, 1), ("d", 6, 2)]
    )
    assert (first.folder / "cohort.parquet").read_bytes() == (again.folder / "cohort.parquet").read_bytes()
    assert (first.folder / "truth.npz").read_bytes() == (again.folder / "truth.npz").read_bytes()
    merged = first.table.merge(longer.table, how="left", on=list(first.table.columns), indicator=True)
    assert (merged["_merge"] == "both").all()
    assert not set(first.table["sha256"]) & set(other.table["sha256"])


def test_a_picture_is_whole_or_absent_and_the_table_is_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def stop(file: Path, content: bytes) -> int:
        if "train-00002" not in file.name:
            return write(file, content)
        write(file, content[: len(content) // 2])
        raise RuntimeError("killed")

    monkeypatch.setattr(Path, "write_bytes", stop)
    with pytest.raises(RuntimeError, match="killed"):
        make_phantom(config(), tmp_path, seed=0)
    written = sorted((tmp_path / "images").iterdir())
    assert len(written) == 4  # two queries, each with its relative
    for file in written:
        Image.open(file).load()
    monkeypatch.undo()
    with monkeypatch.context() as full, pytest.raises(RuntimeError, match="killed"):
        full.setattr("empirical.cohorts.cohort.write_json", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
        make_phantom(config(), tmp_path, seed=0)
    assert not (tmp_path / "cohort.parquet").exists()  # by which a study tells whether a cohort is there


def test_families_keep_together_and_share_age_sex_and_site(tmp_path: object) -> None:
    cohort = make_phantom(config(relatives=2, rho=0.0), str(tmp_path), seed=1)
    table = cohort.table.assign(home=lambda t: t["serves"].where(t["split"] == "reference", t["split"]))
    for column in ("home", "age", "sex", "site", "view"):
        assert (table.groupby("family")[column].nunique() == 1).all(), column
    assert table["patient_id"].is_unique
    assert table["age"].between(20, 90).all()
    assert set(table["sex"]) == {"F", "M"}
    assert (table.loc[table["split"] == "reference", "label"] == "healthy").all()
    assert table["split"].value_counts().to_dict() == {"reference": 24, "train": 6, "test": 4, "val": 2}


@pytest.mark.parametrize("place", ["fixed", "random"])
def test_masks_mark_where_the_lesion_exceeds_half_its_peak(place: str, tmp_path: object) -> None:
    wide = {"lesion": LesionConfig(width=2.0, place=place, detectability=3.0)}
    cohort = make_phantom(config(n_train=12, **wide), str(tmp_path), seed=4)
    truth = PhantomTruth.load(cohort.folder / "truth.npz")
    masks = [cohort.mask(item) for item in cohort.queries("train")["item_id"]]
    found = {tuple(np.argwhere(mask).mean(0)) for mask in masks if mask is not None}
    assert sum(mask is None for mask in masks) == 6
    assert found <= {tuple(place) for place in truth.places}
    assert len(found) == (1 if place == "fixed" else 6)
    lung = clear_lung(32) > 0.5
    for mask in masks:
        assert mask is None or (lung[mask].all() and mask.sum() == (truth.signal > truth.amplitude / 2).sum())


def test_a_lesion_is_what_a_diseased_image_has_more(tmp_path: object) -> None:
    none, plain = (make_phantom(config(lesion=LesionConfig(width=2.0, detectability=d)), f"{tmp_path}/{d}", seed=4) for d in (0.0, 5.0))
    truth = PhantomTruth.load(plain.folder / "truth.npz")
    gain = pixels(plain, ["train-00001"]) - pixels(none, ["train-00001"])
    assert np.abs(gain - truth.signal).max() <= 0.5 + 1e-9 + 0.5  # each file is rounded once


def test_truth_survives_the_disk(tmp_path: object) -> None:
    truth = build_model(config(lesion=LesionConfig(width=2.0, place="random", profile="disc")))
    truth.save(tmp_path / "truth.npz")
    back = PhantomTruth.load(tmp_path / "truth.npz")
    for name, value in vars(truth).items():
        np.testing.assert_array_equal(getattr(back, name), value)
    assert back.signals().shape == (len(back.places), 32 * 32)


@pytest.mark.parametrize("content", [b"", b"not an archive", None])
def test_a_broken_truth_is_one_line(content: bytes | None, tmp_path: object) -> None:
    if content is not None:
        (tmp_path / "truth.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"truth\.npz"):
        PhantomTruth.load(tmp_path / "truth.npz")


@given(st.integers(0, 400), st.floats(0, 1))
def test_every_beginning_of_a_split_is_stratified(count: int, prevalence: float) -> None:
    assert abs(sum(disease_status(number, prevalence) for number in range(count)) - count * prevalence) < 1 + 1e-6


def test_the_template_looks_like_a_chest() -> None:
    picture = draw_template(64)
    places = {"air": (2, 2), "right lung": (20, 15), "left lung": (20, 50), "shoulder": (14, 5), "abdomen": (60, 12)}
    level = {name: picture[place] for name, place in (places | {"heart": (41, 38), "spine": (58, 31)}).items()}
    assert level["air"] < min(level["right lung"], level["left lung"]) < level["shoulder"] < level["heart"]
    assert level["abdomen"] > level["shoulder"]
    assert level["spine"] > level["abdomen"]
    assert picture.min() > 40
    assert picture.max() < 215


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_is_the_tangent_of_the_anatomy_over_one_standard_deviation(mode: str) -> None:
    settings = PhantomConfig()
    step = getattr(settings, f"{mode}_sd")
    row = build_model(settings).demographic[MODES.index(mode)]
    moved = draw_template(64, Anatomy(**{mode: step})).ravel() - draw_template(64).ravel()
    assert row @ moved / np.sqrt((row @ row) * (moved @ moved)) > 0.9


def test_the_kernel_is_that_of_smoothed_white_noise() -> None:
    place = np.arange(-60, 61)
    smoother = np.exp(-((place[:, None] - place[None]) ** 2) / (2 * 2.5**2))
    product = (smoother @ smoother.T)[50:71, 50:71]
    np.testing.assert_allclose(smooth_kernel(21, 2.5), product / product[10, 10], atol=1e-6)


BAD = {
    "unknown key": ({"colour": 1}, "unknown key 'colour'"),
    "rho of one": ({"rho": 1.0}, "rho"),
    "lesion outside": ({"lesion": {"centre": [0.05, 0.05]}}, "not be within a lung"),
    "lesion off the picture": ({"lesion": {"centre": [0.4, 1.5]}}, "between 0 and 1"),
    "lesion too wide": ({"lesion": {"width": 30}}, "too wide"),
    "too much variation": ({"field_sd": 60}, "beyond 0 to 255"),
    "noise that rounding forbids": ({"noise_sd": 1.0, "rho": 0.95}, "rounding"),
    "nothing to make": ({"n_train": 0, "n_val": 0, "n_test": 0}, "nothing to make"),
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_configs_are_refused_in_one_line(case: str, tmp_path: object) -> None:
    content, words = BAD[case]
    with pytest.raises(InputError, match=words) as caught:
        make_phantom(parse_config(PhantomConfig, content, "phantom.yaml"), str(tmp_path), seed=0)
    assert "\n" not in str(caught.value)
