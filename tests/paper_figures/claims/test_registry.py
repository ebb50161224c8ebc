"""The registry: who changes what decides a verdict must say so; every change has its date and names claims that there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date
from importlib import import_module

import pytest

from paper_figures.claims import registry
from paper_figures.claims.registry import AMENDMENTS, CLAIMS, HASHES, SOURCES, VERSION, Claim, Criterion, amendments, registry_hash


def test_the_registry_is_the_one_that_its_version_says() -> None:
    """Where this fails: raise `VERSION`, add an `Amendment` with its date, and put the hash beside the new version in `HASHES`."""
    assert HASHES[VERSION] == registry_hash()


def changed(monkeypatch: pytest.MonkeyPatch, claim: str, source: str, change: Callable[[Criterion], Criterion]) -> str:
    """The hash of a registry in which one criterion is another."""
    others = [
        replace(one, criteria=one.criteria | {source: change(one.criteria[source])}) if one.id == claim else one for one in registry.CLAIMS
    ]
    with monkeypatch.context() as patch:
        patch.setattr(registry, "CLAIMS", tuple(others))
        return registry_hash()


@pytest.mark.parametrize(("claim", "source"), [(claim.id, source) for claim in CLAIMS for source in claim.criteria])
def test_a_change_of_any_criterion_changes_the_hash(claim: str, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changes: dict[str, Callable[[Criterion], object]] = {
        "words": lambda one: one.words + ",", "measure": lambda one: one.measure + "s", "unit": lambda one: one.unit + "s",
        "margin": lambda one: one.margin + 1e-4, "null": lambda one: one.null + 1e-4, "trainings": lambda one: one.trainings + 1,
        "over_duplicate": lambda one: not one.over_duplicate, "parts": lambda one: (*one.parts, "x"), "join": lambda one: one.join + "x",
    }  # fmt: skip
    assert set(changes) == {one.name for one in fields(Criterion)}
    found = {
        changed(monkeypatch, claim, source, lambda one, name=name, change=change: replace(one, **{name: change(one)}))  # type: ignore[misc]
        for name, change in changes.items()
    }
    assert len(found | {registry_hash()}) == len(changes) + 1


@pytest.mark.parametrize("name", ["RULE", "LEVEL", "CLAIMS"])
def test_the_rule_the_level_and_the_words_of_a_claim_are_in_the_hash(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, changes = registry_hash(), {"RULE": registry.RULE + " ", "LEVEL": 0.049}
    monkeypatch.setattr(registry, name, changes.get(name, (replace(CLAIMS[0], text=CLAIMS[0].text + " "), *CLAIMS[1:])))
    assert registry_hash() != before


def test_amendments_have_their_dates_and_name_claims_that_there_are() -> None:
    versions = {one.version for one in AMENDMENTS}
    assert VERSION in versions and versions <= set(HASHES)  # a change without a version that has it is none
    dates = [date.fromisoformat(one.date) for one in AMENDMENTS]
    assert dates == sorted(dates)
    known = {claim.id for claim in CLAIMS}
    for one in AMENDMENTS:
        assert set(one.claims) <= known and len(one.what) > 20
    for claim in CLAIMS:
        concerned = [one for one in AMENDMENTS if not one.claims or claim.id in one.claims]
        assert [one["what"] for one in amendments(claim.id)] == [one.what for one in concerned]


@pytest.mark.parametrize("claim", CLAIMS, ids=[claim.id for claim in CLAIMS])
def test_every_criterion_is_complete(claim: Claim) -> None:
    assert claim.criteria and set(claim.criteria) <= set(SOURCES)
    for source, one in claim.criteria.items():
        assert one.words and one.measure and one.unit
        assert one.margin > one.null in (0.0, 1.0)
        assert one.join in (registry.EACH, registry.UNANIMOUS)
        # nothing is trained in theory, nor where a model is judged as it is distributed (C2); else three trainings at least
        assert one.trainings == 0 if source in ("theory", "simulation") or claim.id == "C2" else one.trainings >= 3
    silent = set(SOURCES) - set(claim.criteria)
    assert all(claim.silent.get(source) or claim.silent.get("") for source in silent)
    for module in claim.judged_by:
        found = import_module(f"paper_figures.claims.{module}")
        assert any(hasattr(found, name) for name in ("from_theory", "from_simulation", "from_runs"))


def test_the_margins_are_those_that_were_fixed() -> None:
    gains = {claim.id: claim.criteria["real"].margin for claim in CLAIMS[:8]}
    assert gains == {"C1": 1.05, "C2": 0.02, "C3": 0.02, "C4": 0.02, "C5": 0.02, "C6": 0.02, "C7": 0.02, "C8": 0.05}
    for claim in CLAIMS:
        if "phantom" in claim.criteria:  # phantoms and real images are judged alike
            alike = [replace(claim.criteria[source], words="") for source in ("phantom", "real")]
            assert alike[0] == alike[1]


def test_the_claims_of_the_abstracts_come_first() -> None:
    assert [claim.id for claim in CLAIMS[:8]] == [f"C{n}" for n in range(1, 9)]
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
