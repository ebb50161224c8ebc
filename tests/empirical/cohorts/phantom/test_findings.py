"""A phantom with several findings: what was drawn is what is asked, at the detectability that was stated; without them nothing moved."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from empirical.cohorts import Cohort
from empirical.cohorts.phantom import LesionConfig, PhantomConfig, PhantomTruth, make_phantom
from empirical.cohorts.phantom.draws import FamilySampler
from empirical.cohorts.phantom.findings import FindingsTruth, build_findings
from empirical.cohorts.phantom.model import build_model
from empirical.evaluation.records import read_records
from paper_figures.cli import app
from see_in_pairs.configs import parse_config
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError

KINDS = {
    "nodule": {"profile": "gaussian", "width": 2.0, "detectability": 1.5},
    "cavity": {"profile": "ring", "width": 3.0, "detectability": 1.2},
    "dark band": {"profile": "line", "width": 1.0, "detectability": 1.5, "dark": True},
}
FINDINGS = {"kinds": KINDS, "severity": {"mild": 0.7, "marked": 1.3}}


def config(**changes: object) -> PhantomConfig:
    findings = FINDINGS | changes.pop("findings", {})  # type: ignore[operator]
    plain = {"size": 40, "n_train": 0, "n_val": 2, "n_test": 32, "prevalence": 0.75, "findings": findings}
    return parse_config(PhantomConfig, plain | changes, "phantom.yaml")


def queries_of(cohort: Cohort) -> pd.DataFrame:
    """Queries with what they show."""
    shown = cohort.questions.drop_duplicates("item_id").rename(columns=lambda name: name.removeprefix("shown_"))
    return cohort.table.merge(shown[["item_id", "kinds", "regions", "severity"]], on="item_id").set_index("item_id")


def test_a_phantom_of_one_lesion_is_what_it_was_before_there_were_findings(tmp_path: Path) -> None:
    settings = PhantomConfig(size=32, n_train=6, n_val=2, n_test=4, lesion=LesionConfig(width=2.0))
    cohort = make_phantom(settings, str(tmp_path), seed=7)
    digest = hashlib.sha256()
    for file in sorted(cohort.folder.rglob("*.png")):
        digest.update(file.name.encode() + np.asarray(Image.open(file)).tobytes())
    table = cohort.table.drop(columns="sha256")  # of the files, which depends on the compressor
    digest.update(table.to_csv(index=False).encode() + json.dumps(settings.model_dump(mode="json"), sort_keys=True).encode())
    assert digest.hexdigest() == "de20cfcc6f2df99a8227e57cbde9f4277393ba62ca815d27ab67a6769ff6f0d4"
    assert {file.name for file in cohort.folder.iterdir()} == {"cohort.json", "cohort.parquet", "images", "masks", "truth.npz"}


@pytest.mark.parametrize("modality", ["chest", "fundus"])
def test_every_kind_has_its_detectability_in_every_region(modality: str) -> None:
    settings = config(modality=modality)
    truth = build_model(settings)
    found = build_findings(settings, truth)
    assert [column[2] for column in found.columns()] == [0] * 12
    sigma = truth.covariance()
    for (kind, _, _), signal in zip(found.columns(), found.signals(truth.shape), strict=True):
        look = [*found.kinds.values()][kind]
        assert np.sqrt(signal @ np.linalg.solve(sigma, signal)) == pytest.approx(look["detectability"], rel=1e-7)
        assert np.sign(signal[np.abs(signal).argmax()]) == (-1 if look["dark"] else 1)


def test_a_fundus_has_the_covariances_its_truth_says() -> None:
    truth = build_model(config(modality="fundus", size=32, rho=0.6, findings={"kinds": {"spot": {"width": 2.0}}}))
    sampler, families = FamilySampler(truth, seed=2), 1500
    drawn = np.stack([np.rint(sampler.sample(0, number, 1).images) for number in range(families)]).reshape(families, 2, -1) - truth.mean
    factors = np.vstack([truth.demographic, truth.site])
    features = np.vstack([factors / np.linalg.norm(factors, axis=1, keepdims=True), np.eye(32 * 32)[:: 33 * 5]])
    reduced = drawn @ features.T
    sigma = features @ truth.covariance() @ features.T
    bound = stats.norm.isf(1e-6 / sigma.size)
    for a, b, expected in ((0, 0, sigma), (1, 1, sigma), (0, 1, 0.6 * sigma)):
        error = reduced[:, a].T @ reduced[:, b] / families - expected
        mcse = np.sqrt((np.outer(np.diag(sigma), np.diag(sigma)) + expected**2) / families)
        assert np.abs(error / mcse).max() < bound
    corner = np.array([0, 31, 32 * 31, 32 * 32 - 1])
    assert (truth.mean[corner] < truth.mean[16 * 32 + 16] - 30).all()  # outside of the circular field
    assert len(truth.demographic) == 4 + 12  # the modes, and the vessels


def test_what_is_asked_is_what_was_drawn(tmp_path: Path) -> None:
    several = {"several": 0.25, "place": "random", "places": 5}
    with_them = make_phantom(config(findings=several), f"{tmp_path}/with", seed=3)
    faint = {"kinds": {name: kind | {"detectability": 0.0} for name, kind in KINDS.items()}}
    without = make_phantom(config(findings=several | faint), f"{tmp_path}/without", seed=3)
    cohort = Cohort.load(with_them.folder)
    truth, found = PhantomTruth.load(cohort.folder / "truth.npz"), FindingsTruth.load(cohort.folder)
    answers = cohort.questions.pivot(index="item_id", columns="question_id", values="answer")
    queries = queries_of(cohort)
    assert not {"kinds", "severity"} & set(cohort.table.columns)  # references must not be matched on it
    assert set(answers.index) == set(queries.index) == set(cohort.table.loc[cohort.table["split"] != "reference", "item_id"])
    assert set(cohort.table.loc[cohort.table["split"] == "reference", "label"]) == {"healthy"}
    for item, row in queries.iterrows():
        kinds, regions = ([part for part in row[name].split("; ") if part] for name in ("kinds", "regions"))
        assert (row["label"] == "healthy") == (not kinds) and len(kinds) == len(regions) == len(set(regions)) == len(set(kinds))
        assert {name for name in KINDS if answers.loc[item, name] == "yes"} == set(kinds)
        assert answers.loc[item, "severity"] == (row["severity"] or "none")
        assert answers.loc[item, "kind"] == ((kinds or ["none"])[0] if len(kinds) < 2 else np.nan) or len(kinds) == 2
        if len(kinds) == 1:
            assert answers.loc[item, "location"] == regions[0] and answers.loc[item, "laterality"] == regions[0].split()[0]
        else:
            assert pd.isna(answers.loc[item, "location"]) and pd.isna(answers.loc[item, "kind"]) == (len(kinds) == 2)
        # the picture differs from that without findings by the stated signals, each at one of the places of its region
        gain = (_pixels(with_them, item) - _pixels(without, item)).ravel()
        numbers = [([*found.kinds].index(kind), [*found.regions].index(region)) for kind, region in zip(kinds, regions, strict=True)]
        factor = found.severity[row["severity"]] if kinds else 0.0
        options = itertools.product(*([found.signal(truth.shape, *number, place) for place in range(5)] for number in numbers))
        assert min(np.abs(gain - factor * sum(option, np.zeros(gain.size))).max() for option in options) <= 1 + 1e-9  # rounded twice
        mask = cohort.mask(item)
        assert (mask is None) == (not kinds) and (mask is None or np.abs(gain[np.asarray(mask).ravel()]).max() > 0)
    weights, prior, cases = found.hypotheses()
    number = np.array([len(case.kinds) for case in cases])
    assert len(weights) == 1 + 24 * 5 + 3 * 12 * 2 * 25
    assert [prior[number == n].sum() for n in range(3)] == pytest.approx([0.25, 0.75 * 0.75, 0.75 * 0.25])
    one = queries["kinds"].map(lambda text: text.count(";") + bool(text)) == 1
    assert cohort.info.counts["queries_not_asked_location"] == (~one).sum()
    assert (queries["kinds"].str.contains(";")).sum() == int(0.25 * 24)


def _pixels(cohort: Cohort, item: str) -> np.ndarray:
    return np.asarray(Image.open(cohort.image_path(item)), dtype=float)


def test_splits_are_balanced_and_prior_and_cases_agree(tmp_path: Path) -> None:
    cohort = make_phantom(config(n_val=0, n_test=64), str(tmp_path), seed=1)  # 48 diseased: each of 24 cases twice
    table = queries_of(cohort)
    assert set(table[table["kinds"] != ""].groupby(["kinds", "regions", "severity"]).size()) == {2}
    weights, prior, cases = FindingsTruth.load(cohort.folder).hypotheses()
    assert prior.sum() == pytest.approx(1) and len(weights) == len(cases) == 25 and prior[0] == 0.25
    assert not weights[0].any() and set(weights[1:].sum(axis=1).round(9)) == {0.7, 1.3}
    assert len(set(cases)) == 25


def test_more_families_or_another_rho_change_no_query(tmp_path: Path) -> None:
    first, longer = (make_phantom(config(n_test=n, rho=rho), f"{tmp_path}/{n}", seed=1) for n, rho in ((8, 0.2), (20, 0.8)))
    columns = ["sha256", "kinds", "regions", "severity"]
    here, there = (queries_of(cohort).query("split == 'test'")[columns] for cohort in (first, longer))
    pd.testing.assert_frame_equal(here, there.head(8))


def test_regions_keep_their_own_places() -> None:
    settings = config(findings={"place": "random", "places": 9})
    found = build_findings(settings, build_model(settings))
    centres = {name: np.array(region["places"][0]) for name, region in found.regions.items()}
    for name, region in found.regions.items():
        places = np.array(region["places"])
        assert len({tuple(place) for place in places}) == 9
        assert all(min(centres, key=lambda other: np.hypot(*(place - centres[other]))) == name for place in places)
    weights, prior, _ = found.hypotheses()
    assert len(weights) == 1 + 3 * 4 * 2 * 9 and prior.sum() == pytest.approx(1)


BAD = {
    "a kind called none": ({"kinds": {"None.": {}}}, "stands for no finding"),
    "names alike": ({"kinds": {"spot": {}, "Spot ": {}}}, "differ in more than case"),
    "a kind called like a question": ({"kinds": {"kind": {}, "spot": {}}}, "names of questions"),
    "grades that fall": ({"severity": {"marked": 2.0, "mild": 1.0}}, "lowest to the highest"),
    "a region outside": ({"regions": {"top": {"centre": [0.02, 0.5], "side": "left"}}}, "clear part"),
    "a centre off the picture": ({"regions": {"top": {"centre": [1.2, 0.5], "side": "left"}}}, "between 0 and 1"),
    "two findings of one kind": ({"kinds": {"spot": {}}, "several": 0.5}, "two kinds and two regions"),
    "more places than there are": ({"place": "random", "places": 100}, "ask for fewer"),
    "too bright": ({"kinds": {"spot": {"width": 1.0, "detectability": 60.0}}}, "beyond 0 to 255"),
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_findings_are_refused_in_one_line(case: str, tmp_path: Path) -> None:
    changes, words = BAD[case]
    with pytest.raises(InputError, match=words) as caught:
        make_phantom(config(findings=changes), str(tmp_path), seed=0)
    assert "\n" not in str(caught.value)


def test_findings_of_something_else_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only phantoms"):
        FindingsTruth.load(tmp_path)
    (tmp_path / "findings.json").write_text('{"colour": 1}')
    with pytest.raises(InputError, match="make the cohort again"):
        FindingsTruth.load(tmp_path)


@pytest.mark.parametrize("modality", ["chest", "fundus"])
def test_the_pocket_model_answers_every_question_of_the_packaged_config(modality: str, tmp_path: Path) -> None:
    sizes = [f"--set={name}" for name in ("n_train=8", "n_val=2", "n_test=12", "findings.several=0.3", f"modality={modality}")]
    assert run_app(app, ["cohort", "phantom", "findings-phantom", "--out", str(tmp_path / "cohort"), *sizes, "--quiet"]) == 0
    family = {"strategy": "demographic", "columns": ["family"], "caliper": {}}
    config = {
        "cohort": str(tmp_path / "cohort"), "model": {"name": "pocket"}, "threads": 1, "doctor": False,
        "arms": [{"arm": "single"}, {"arm": "pair", "references": family}],
    }  # fmt: skip
    (tmp_path / "evaluate.yaml").write_text(json.dumps(config))  # JSON is YAML
    assert run_app(app, ["evaluate", str(tmp_path / "evaluate.yaml"), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    cohort, records = Cohort.load(tmp_path / "cohort"), read_records(tmp_path / "run")
    asked = cohort.questions[cohort.questions["item_id"].isin(cohort.queries("test")["item_id"])]
    kinds = {"nodule", "cavity", "band"}
    assert set(records.table["question_id"]) == kinds | {"kind", "location", "laterality", "severity"}
    for arm in ("single", "pair"):
        answers = records.table[records.table["arm"] == arm].set_index(["item_id", "question_id"])["answer"]
        assert answers.to_dict() == asked.set_index(["item_id", "question_id"])["answer"].to_dict()
    pairs = records.table[records.table["arm"] == "pair"]
    assert all(references[0].startswith(item) for item, references in zip(pairs["item_id"], pairs["reference_ids"], strict=True))
    assert records.scales == {"severity": ("none", "mild", "marked")}
