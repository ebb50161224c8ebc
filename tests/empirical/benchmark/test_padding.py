"""The share of padding in training batches: against the batches themselves, from the command line, and where there is none."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from empirical.benchmark import padding as module
from empirical.benchmark.padding import count_padding, padding_share
from empirical.cohorts import Cohort
from empirical.prompts.example import Example
from empirical.training.config import FinetuneConfig
from empirical.training.data_order import DataOrder, planned_examples
from empirical.vlm.config import ModelConfig
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.loading import load_vlm
from see_in_pairs.console import run_app
from tests.helpers.configs import finetune_config
from tests.helpers.tiny_models import save_tiny

settings = partial(finetune_config, arm={"arm": "pair", "references": {"strategy": "random"}}, steps=5, references_per_query=2)


def planned(cohort: Cohort, config: FinetuneConfig) -> list[Example]:
    return planned_examples(cohort, DataOrder.of(config), config.arm, config.prompts, config.model).examples


def picture(name: str) -> Image.Image:
    """A picture whose size follows from its name."""
    rng = np.random.default_rng([ord(letter) for letter in name])
    return Image.new("RGB", tuple(int(side) for side in rng.integers(32, 65, 2)))


def test_it_is_the_padding_of_the_batches_that_training_sees(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(phantom, model={"name": str(save_tiny("qwen2_5_vl", tmp_path))})
    monkeypatch.setattr(module, "image_source", lambda cohort: picture)
    found = count_padding(config, 18, quiet=True)
    vlm, examples = load_vlm(config.model), planned(phantom, config)
    encoder, masks = Encoder(vlm.processor, vlm.family, picture), []
    for start in range(0, 18, 4):
        rows = examples[start : min(start + 4, 18)]
        masks.append(encoder.with_answers(rows, [row.answer for row in rows], end=True)[0]["attention_mask"].numpy())
    assert found["padding"] == pytest.approx(1 - sum(mask.sum() for mask in masks) / sum(mask.size for mask in masks))
    assert (found["rows"], found["batch_size"]) == (18, 4) and found["fewest_tokens"] < found["most_tokens"]
    assert 0 < found["padding_by_length"] < found["padding"]


def test_rows_of_one_length_have_none_and_the_command_says_so(phantom: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from paper_figures.cli import app

    (tmp_path / "config.yaml").write_text(json.dumps(settings(phantom).model_dump(exclude_none=True)))
    command = ["benchmark", "padding", str(tmp_path / "config.yaml"), "--set", "steps=3", "--rows", "10", "--quiet"]
    assert run_app(app, command) == 0
    vlm = load_vlm(ModelConfig())
    encoder = Encoder(vlm.processor, vlm.family, phantom.image)
    (example, *_) = planned(phantom, settings(phantom))
    tokens = encoder.with_answers([example], [example.answer], end=True)[0]["input_ids"].shape[1]
    shown = capsys.readouterr().out
    assert f"10 rows of {tokens} to {tokens} tokens, 4 to a batch" in shown and "0.00% of all positions in the plan's order" in shown
    assert run_app(app, [*command, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["padding"] == 0


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 8))
def test_whole_batches_of_like_length_have_no_more_than_others(lengths: list[int], batch_size: int) -> None:
    whole = lengths[: len(lengths) // batch_size * batch_size] or lengths[:1] * batch_size
    assert 0 <= padding_share(sorted(whole), batch_size) <= padding_share(whole, batch_size) < 1
