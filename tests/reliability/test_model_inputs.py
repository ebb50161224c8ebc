"""What a model is asked and shown: words, templates, pictures and seeds that cannot work are named before the run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from empirical.analysis.arms import report_alignment, report_attribution
from empirical.analysis.crossed import CrossedConfig, crossed_scores
from empirical.cohorts import Cohort
from empirical.cohorts.phantom import PhantomConfig, make_phantom
from empirical.evaluation.config import EvaluateConfig
from empirical.evaluation.evaluate import evaluate
from empirical.prompts.templates import PromptConfig, prompt_text
from empirical.training.finetune import finetune
from empirical.vlm.config import ModelConfig
from empirical.vlm.loading import load_vlm
from empirical.vlm.model_id import resolve
from see_in_pairs.errors import InputError
from tests.helpers.configs import PAIR, finetune_config
from tests.helpers.tiny_models import save_tiny


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    settings = {"n_train": 4, "n_val": 0, "n_test": 4, "relatives": 1}
    return make_phantom(PhantomConfig.model_validate(settings), tmp_path_factory.mktemp("cohort"), seed=1)


def evaluation(cohort: Cohort, **changes: object) -> EvaluateConfig:
    base: dict[str, object] = {"cohort": str(cohort.folder), "arms": [PAIR], "threads": 1, "doctor": False}
    return EvaluateConfig.model_validate(base | changes)


@pytest.mark.parametrize("content", ["{reference}{query} é {finding}?".encode("latin-1"), b"\xff\xfe{\x00q\x00", b"a\0{query}"])
def test_a_prompt_file_that_is_no_text_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "prompt.txt"
    file.write_bytes(content)
    with pytest.raises(InputError, match=str(file)) as caught:
        prompt_text(str(file))
    assert "UTF-8" in str(caught.value) and "\n" not in str(caught.value)


def test_a_book_is_no_prompt_and_no_answer(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("{query}" + "word " * 10_000)
    with pytest.raises(InputError, match=r"book.txt: has 50,007 characters"):
        prompt_text(str(tmp_path / "book.txt"))
    with pytest.raises(ValidationError, match="at most 500 characters"):
        PromptConfig(positive="x" * 501)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "", ".", "/dev/zero"])
def test_a_prompt_that_is_no_file_is_one_short_line(name: str) -> None:
    with pytest.raises(InputError) as caught:
        prompt_text(name)
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)


@pytest.mark.parametrize("doctor", [True, False])
@pytest.mark.parametrize("token", ["<image>", "<end_of_utterance>", "<|im_start|>"])
def test_a_token_of_the_model_in_a_prompt_is_laid_to_the_prompt(cohort: Cohort, tmp_path: Path, token: str, doctor: bool) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text(f"{{reference}}{{query}} {token} {{finding}}? {{answers}}\n")
    with pytest.raises(InputError, match=f"prompts.pair: '{file}' contains the model's special token") as caught:
        evaluate(evaluation(cohort, prompts={"pair": str(file)}, doctor=doctor), tmp_path / "run", quiet=True)
    assert token in str(caught.value)
    if not doctor:
        with pytest.raises(InputError, match=f"prompts.pair: '{file}'"):
            finetune(finetune_config(cohort, prompts={"pair": str(file)}), tmp_path / "trained", quiet=True)


def test_a_token_of_the_model_in_the_finding_or_an_answer_is_named(cohort: Cohort, tmp_path: Path) -> None:
    marked = Cohort(
        folder=tmp_path / "cohort", table=cohort.table, info=replace(cohort.info, finding="<image>", image_root=str(cohort.root))
    )
    marked.save()
    with pytest.raises(InputError, match="the cohort's finding"):
        evaluate(evaluation(marked), tmp_path / "run", quiet=True)
    with pytest.raises(InputError, match=r"the answer prompts\.positive"):
        evaluate(evaluation(cohort, prompts={"positive": "yes<image>"}), tmp_path / "other", quiet=True)


@pytest.mark.parametrize(
    "template",
    [
        "{% for %}",
        "{{ 1 / 0 }}",
        "{{ raise_exception('no') }}",
        "{{ messages[7]['content'] }}",
        "{{ messages + 1 }}",
        "{{ nothing.there }}",
        " ",
    ],
)
def test_a_chat_template_that_fails_is_one_line(tmp_path: Path, template: str) -> None:
    folder = Path(shutil.copytree(resolve("pocket"), tmp_path / "model"))
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(InputError, match="chat template") as caught:
        load_vlm(ModelConfig(name=str(folder)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("family", ["pocket", "qwen2_vl"])
def test_a_model_without_a_tokenizer_is_one_line(tmp_path: Path, family: str) -> None:
    folder = tmp_path / "model"
    if family == "pocket":
        shutil.copytree(resolve("pocket"), folder)
    else:
        save_tiny(family, folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(InputError, match="contains no tokenizer"):
        load_vlm(ModelConfig(name=str(folder)))


def test_a_picture_that_a_family_does_not_take_is_named_before_the_run(cohort: Cohort, tmp_path: Path) -> None:
    shutil.copytree(cohort.folder, tmp_path / "cohort")
    thin = Cohort.load(tmp_path / "cohort")
    image = thin.root / thin.table.set_index("item_id").loc["test-00003", "image"]
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (4, 1000), dtype=np.uint8)).save(image)
    thin = replace(thin, table=thin.table.assign(sha256="", family=""))
    thin.save()
    model = {"name": str(save_tiny("qwen2_vl", tmp_path / "model"))}
    with pytest.raises(InputError, match=rf"{image.name} \(1000 x 4 pixels\): the model does not accept") as caught:
        evaluate(evaluation(thin, model=model, arms=[{"arm": "single"}]), tmp_path / "run", quiet=True)
    assert "\n" not in str(caught.value) and not list((tmp_path / "run").glob("pieces/*.parquet"))
    crossed = {"cohort": str(thin.folder), "models": [model], "patients": 2, "references": 2, "threads": 1}
    analyses = {
        "alignment": lambda out: report_alignment(evaluation(thin, model=model), out, quiet=True),
        "attribution": lambda out: report_attribution(evaluation(thin, model=model), out, quiet=True),
        "crossed": lambda out: crossed_scores(CrossedConfig.model_validate(crossed), out, quiet=True),
    }
    for name, analyse in analyses.items():
        with pytest.raises(InputError, match="pixels\\): the model does not accept"):
            analyse(tmp_path / name)


@pytest.mark.parametrize("seed", [2**32, 2**64])
def test_a_seed_that_libraries_do_not_take_is_refused(cohort: Cohort, seed: int) -> None:
    for make in (lambda: evaluation(cohort, seed=seed), lambda: finetune_config(cohort, seed=seed)):
        with pytest.raises(ValidationError, match="less than or equal to 4294967295"):
            make()


def test_a_batch_larger_than_the_data_set_is_said(cohort: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finetune(finetune_config(cohort, steps=1, batch_size=6), tmp_path / "run")
    assert "a step has 6 rows and there are 4 items" in capsys.readouterr().err
    capsys.readouterr()
    finetune(finetune_config(cohort, steps=1, batch_size=4), tmp_path / "other")
    assert "several times" not in capsys.readouterr().err
