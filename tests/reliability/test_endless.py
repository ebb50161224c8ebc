"""What a model folder or a user may give, and what never ends: templates, patterns, tokenizers. Each is one line within its limit."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from empirical.cohorts.readers import folder as folder_reader
from empirical.vlm import processors, weights
from empirical.vlm.config import ModelConfig
from empirical.vlm.loading import load_vlm
from empirical.vlm.model_id import resolve
from paper_figures.cli import app
from paper_figures.comparison.score_tables import read_arm
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from see_in_pairs.files import sha256
from see_in_pairs.limits import TimeLimit, time_limit

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}"
DEEP = "{% for a in messages %}" * 21 + "x" + "{% endfor %}" * 21


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(resolve("pocket"), tmp_path / "model"))


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (ENDLESS, "takes more than 0.2 s"),
        ("{{ 9 ** 9 ** 9 ** 9 }}", "computes powers"),
        ("{{ 'x' * 99999 * 99 }}", "characters for a question"),
        ("{{ 'x' * 99999 * 99999 }}", "cannot be used"),
        ("{% set n = namespace(x='xx') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}", "cannot be used"),
        (DEEP, "cannot be compiled"),
        ("{% if a %}" * 3000 + "{% endif %}" * 3000, "chat template"),
        ("x" * 2**21, "not a text of at most"),
        ("{% include '/etc/passwd' %}", "cannot be used"),
        ("{{ messages.__class__.__mro__ }}", "chat template"),
    ],
    ids=["loops", "powers", "long", "longer than memory", "doubled", "deep loops", "deep conditions", "long itself", "files", "insides"],
)  # fmt: skip
def test_an_endless_chat_template_is_one_line(model: Path, template: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if template == ENDLESS:
        monkeypatch.setattr(processors, "TEMPLATE_SECONDS", 0.2)
    (model / "chat_template.jinja").write_text(template)
    began = time.monotonic()
    with pytest.raises(InputError, match=said) as caught:
        load_vlm(ModelConfig(name=str(model)))
    assert "\n" not in str(caught.value) and time.monotonic() - began < 30


def test_a_template_that_is_endless_for_some_questions_only_is_stopped_in_any_thread(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = (model / "chat_template.jinja").read_text()
    (model / "chat_template.jinja").write_text(template + "{% if messages[0]['content'] | length > 2 %}" + ENDLESS + "{% endif %}")
    vlm = load_vlm(ModelConfig(name=str(model)))
    monkeypatch.setattr(processors, "TEMPLATE_SECONDS", 0.3)
    content = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "?"}]
    found: list[str] = []

    def ask() -> None:
        try:
            processors.chat_text(vlm.processor, content)
        except InputError as error:
            found.append(str(error))

    ask()
    (thread := threading.Thread(target=ask)).start()
    thread.join(30)
    assert len(found) == 2 and all("takes more than 0.3 s" in text for text in found)


def test_a_tokenizer_whose_pattern_never_ends_is_one_line(model: Path) -> None:
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    split = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
    tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, tokenizer["pre_tokenizer"]]}
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(InputError, match="its tokenizer cannot be used") as caught:
        load_vlm(ModelConfig(name=str(model)))
    assert "\n" not in str(caught.value)


def test_an_adapter_whose_pattern_never_ends_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from safetensors.torch import save_file

    monkeypatch.setattr(weights, "ADAPTER_SECONDS", 1.0)
    save_file({"base_model.model.lora_B.weight": torch.ones(1)}, tmp_path / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "base_model_name_or_path": "pocket-random", "target_modules": r"([\w.]+)+!", "r": 1}
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match="takes more than 1 s") as caught:
        load_vlm(ModelConfig(name=str(tmp_path)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("(a+)+$", "takes more than 0.5 s"), ("a{99999999999999999999}", "not a regular expression"), ("(" * 2000 + ")" * 2000, "not a")],
    ids=["exponential", "overflow", "deep"],
)  # fmt: skip
def test_a_pattern_that_never_ends_is_one_line(tmp_path: Path, pattern: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(folder_reader, "PATTERN_SECONDS", 0.5)
    for label in ("well", "ill"):
        (tmp_path / "set" / label).mkdir(parents=True)
        Image.new("L", (8, 8), 9).save(tmp_path / "set" / label / f"{'a' * 60}-{label}.png")
    words = ["cohort", "import", "--kind", "folder", "--root", str(tmp_path / "set"), "--healthy", "well", "--out", str(tmp_path / "out")]
    assert run_app(app, [*words, "--patient-pattern", pattern]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert said in error and len(error) < 1100


@pytest.mark.parametrize("name", ["log.eval", "log.json", "log.jsonl", "log.jsonl.gz", "table.csv", "table.parquet", "table.tsv"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_into_which_nobody_writes_is_one_line(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="not a regular file"), time_limit(5.0, "reading"):
        read_arm(tmp_path / name)
    with pytest.raises(InputError, match="not a regular file"), time_limit(5.0, "hashing"):
        sha256(tmp_path / name)


def test_limits_of_time_lie_within_each_other() -> None:
    with pytest.raises(TimeLimit, match=r"the outer one took more than 0\.6 s"), time_limit(0.6, "the outer one"):
        with pytest.raises(TimeLimit, match="the inner one"), time_limit(0.1, "the inner one"):
            while True:
                pass
        while True:
            pass
