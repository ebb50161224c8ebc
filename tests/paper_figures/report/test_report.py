"""The report: complete, self-contained, and its words follow the numbers."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paper_figures.claims.registry import AMENDMENTS, RULE, VERSION, registry_hash
from paper_figures.cli import app
from paper_figures.figures import FIGURES
from paper_figures.outputs import write_claims, write_figures, write_report
from paper_figures.report.sentences import headline
from paper_figures.results.predicted_gain import ABOVE_IDEAL
from paper_figures.results.runs import RunResults
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json, write_json
from tests.paper_figures.conftest import TRAININGS, rescored


class Page(HTMLParser):
    """Collects addresses, and checks that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: set[str] = set()
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        self.ids |= {value or "" for name, value in attrs if name == "id"}
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words.append(data)


@pytest.fixture(scope="session")
def page(complete: Path) -> Page:
    """The parsed report."""
    return Page(write_report(complete).read_text(encoding="utf-8"))


def test_needs_nothing_else(page: Page) -> None:
    assert page.open == []
    assert sum(address.startswith("data:image/png;base64,") for address in page.addresses) == len(FIGURES)
    inside = [address for address in page.addresses if not address.startswith("data:")]
    assert all(address[0] == "#" and address[1:] in page.ids for address in inside), inside


def test_no_part_of_it_can_ask_for_an_external_resource(complete: Path) -> None:
    """No address in style or script, nothing that fetches, and a policy by which a browser refuses the network anyway."""
    text = write_report(complete).read_text(encoding="utf-8")
    (script,), (style,) = (re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL) for tag in ("script", "style"))
    for word in ("url(", "@import", "@font-face"):
        assert word not in style, word
    for word in (
        "fetch",
        "XMLHttpRequest",
        "import",
        "WebSocket",
        "sendBeacon",
        "http",
        "//cdn",
        "src",
        "href",
        "localStorage",
        "innerHTML",
    ):
        assert word not in script, word
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'" in text
    assert not re.findall(r"<(?:link|iframe|object|embed|base|form|audio|video)\b", text)
    assert text.count("<script") == 1


def test_first_come_the_verdicts_in_words_then_the_main_figure(page: Page, complete: Path) -> None:
    text = write_report(complete).read_text(encoding="utf-8")
    places = [text.index(part) for part in ('<ul class="verdicts">', "<img ", '<table class="ledger">', 'id="figures"')]
    assert places == sorted(places)
    first = text[places[0] : places[1]]
    for claim in read_json(complete / "claims.json"):
        said = {verdict["verdict"] for verdict in claim["verdicts"].values()} - {"not tested"}
        assert f'<span class="id">{claim["id"]}</span>' in first or claim["id"] in first[first.index("Not tested here") :]
        item = re.search(rf'<li><span class="id">{claim["id"]}</span>.*?</li>', first)
        assert not said or (item is not None and all(f">{verdict}</span>" in item[0] for verdict in said))
    assert "Figure 1. Predicted and observed gain of a reference" in " ".join(page.words)
    assert "log Γ predicted" not in text and "ratio observed" in text


def test_tables_show_all_without_the_script_and_can_be_sorted_with_it(complete: Path) -> None:
    text = write_report(complete).read_text(encoding="utf-8")
    html = text[: text.index("<script>")]
    assert html.count('class="sortable"') + html.count("findings sortable") >= 8
    assert "hidden" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)  # no row waits for the script
    for word in ("aria-sort", "button", "row.hidden", 'classList.contains("group")'):
        assert word in text[text.index("<script>") :], word


def test_says_what_came_out(page: Page, complete: Path) -> None:
    text = " ".join(" ".join(page.words).split())
    for claim in read_json(complete / "claims.json"):
        assert claim["claim"].rstrip(".") in text
    for words in (
        "240 test items",
        "better than chance",
        "it knows no medicine",
        "Each arm was finetuned 3 times",
        "Only the abstracts",
        "phantoms",
        "pair-0.90 against single",
        "3 trainings an arm",
        "margin 1.05",
        "Shown to the models finetuned on relatives, a random stranger as the reference",
    ):
        assert words in text, words
    assert "nan" not in re.findall(r"[a-z]+", text.lower())
    assert "None" not in text


def test_paired_tests_are_those_that_the_rule_of_compare_chooses(page: Page, complete: Path) -> None:
    text = [word.strip() for word in page.words]
    for entry in read_json(complete / "tests" / "comparisons.json"):
        for chosen in entry["result"]["recommended"].values():
            assert chosen["test"] in text


def test_every_auroc_has_its_interval(page: Page) -> None:
    cells = [word.strip() for word in page.words if re.fullmatch(r"0\.\d{3} \[.*\]", word.strip())]
    assert len(cells) >= 12  # one for each run


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.6, 0.8, "better than chance"), (0.4, 0.8, "not distinguishable from chance"), (0.1, 0.4, "worse than chance")],
)
def test_words_follow_the_numbers(low: float, high: float, said: str) -> None:
    row = {
        "group": "finetuned on its own arm",
        "arm": "pair",
        "strategy": "demographic",
        "rho": 0.9,
        "auroc": (low + high) / 2,
        "low": low,
        "high": high,
    }
    assert said in headline([row | {"gain": None, "ideal_gain": None}], 0.9)[0]


def test_an_area_above_the_ideal_observers_is_flagged_wherever_it_is_shown(complete: Path, tmp_path: Path) -> None:
    """In the reason of C1, in the figure's data and in the report; and nowhere in a folder without such an area."""
    out = tmp_path / "out"
    shutil.copytree(complete, out, ignore=shutil.ignore_patterns("masks"))
    before = " ".join(Page(write_report(out).read_text(encoding="utf-8")).words)
    assert ABOVE_IDEAL not in before
    results = RunResults(out)
    positive = results.scores(results.runs[3]).positive
    rescored(out, {"pair-0.90": 4 * positive + np.random.default_rng(0).standard_normal((TRAININGS, len(positive)))})
    reason = write_claims(out).verdict("C1", "phantom").reason
    assert ABOVE_IDEAL in reason
    write_figures(out, only=["auroc_by_arm"], quiet=True)
    flags = pd.read_csv(out / "figures" / "auroc_by_arm.csv").set_index("run_id")["flag"]
    assert flags["pair-0.90"] == ABOVE_IDEAL and flags.drop("pair-0.90").isna().all()
    words = Page(write_report(out).read_text(encoding="utf-8")).words
    assert ABOVE_IDEAL in [word.strip() for word in words]  # in the table of arms
    assert any(reason in word for word in words)


def test_a_number_that_does_not_follow_is_not_printed(complete: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    shutil.copytree(complete, out, ignore=shutil.ignore_patterns("masks", "images"))
    claims = read_json(out / "claims.json")
    claims[0]["verdicts"]["phantom"]["estimate"] += 0.001  # the verdict would stay
    write_json(out / "claims.json", claims)
    assert run_app(app, ["report", "--out", str(out), "--quiet"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "estimate of C1 (phantom) do not follow from its findings" in line


def test_every_estimate_of_the_ledger_shows_its_margin_trainings_and_patients(page: Page, complete: Path) -> None:
    text = " ".join(" ".join(page.words).split())
    for claim in read_json(complete / "claims.json"):
        for said in claim["verdicts"].values():
            if said["estimate"] is not None:
                assert f"margin {said['margin']}" in text
                assert not said["trainings"] or f"{said['trainings']} trainings an arm" in text
                assert not said["patients"] or f"{said['patients']} patients" in text
    for one in (registry_hash(), f"version {VERSION}", RULE.split(";")[0], *(change.what.split(":")[0] for change in AMENDMENTS)):
        assert " ".join(one.split()) in text, one


def test_smoke_is_said(complete: Path) -> None:
    manifest = read_json(complete / "manifest.json")
    write_json(complete / "manifest.json", manifest | {"config": {"smoke": True}})
    text = write_report(complete).read_text(encoding="utf-8")
    write_json(complete / "manifest.json", manifest)
    assert "Its numbers mean nothing" in text


def test_text_is_escaped(complete: Path) -> None:
    claims = read_json(complete / "claims.json")
    changed = [claims[0] | {"claim": "<script>alert(1)</script>"}, *claims[1:]]
    write_json(complete / "claims.json", changed)
    text = write_report(complete).read_text(encoding="utf-8")
    write_json(complete / "claims.json", claims)
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_order_of_commands_is_told(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["report", "--out", str(out)]) == 2
    assert "see-in-pairs claims --out" in capsys.readouterr().err
    write_claims(out)
    assert run_app(app, ["report", "--out", str(out)]) == 2
    assert "see-in-pairs figures --out" in capsys.readouterr().err
    assert run_app(app, ["report", "--out", str(out / "nowhere")]) == 2
    for command in ("claims", "figures", "report", "verify"):
        assert run_app(app, [command, "--help"]) == 0
        assert {"--seed", "--quiet"} <= set(re.findall(r"--\w+", capsys.readouterr().out))


@pytest.mark.parametrize("name", ["claims.json", "controls.json"])
def test_claims_and_controls_that_are_not_ours_are_one_line(complete: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(complete, tmp_path / "out", ignore=shutil.ignore_patterns("masks"))
    whole = (tmp_path / "out" / name).read_text()
    said = rf"{name}: (is not what 'see-in-pairs claims' writes|not the claims file of this version; write it again)"
    for content in ("null", '"x"', "{}", "[1e999]", '[{"id": 1}]', whole.replace('"reason"', '"other"')):
        (tmp_path / "out" / name).write_text(content)
        with pytest.raises(InputError, match=said):
            write_report(tmp_path / "out")
