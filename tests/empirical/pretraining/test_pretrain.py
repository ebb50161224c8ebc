from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import load_file
from sklearn.metrics import roc_auc_score

from empirical.pretraining.card import model_card
from empirical.pretraining.config import PretrainConfig
from empirical.pretraining.dataset import test_dataset as dataset_of
from empirical.pretraining.evaluation import EvalCondition, eval_conditions, evaluate_pretrained, measured
from empirical.pretraining.pretrain import pretrain
from empirical.pretraining.questions import KINDS
from empirical.vlm.config import ModelConfig, VisionLanguageModel
from empirical.vlm.inference.encoder import Encoder
from empirical.vlm.inference.scoring import answer_log_probabilities
from empirical.vlm.loading import load_vlm
from paper_figures.cli import app
from see_in_pairs.console import run_app
from see_in_pairs.errors import InputError
from see_in_pairs.files import read_json

TINY = {"vision_width": 32, "vision_layers": 1, "width": 32, "layers": 1, "heads": 2, "image_size": 32, "patch_size": 16}
CONFIG = PretrainConfig.model_validate(
    {"model": TINY, "steps": 24, "batch_size": 4, "questions": 20, "examine_every": 12, "save_every": 4, "threads": 1}
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrain(CONFIG, tmp_path_factory.mktemp("pretrained") / "run", quiet=True)


@pytest.fixture(scope="module")
def vlm(trained: Path) -> VisionLanguageModel:
    return load_vlm(ModelConfig(name=str(trained), dtype="float32"))


def test_a_run_leaves_model_card_results_and_curves(trained: Path) -> None:
    run = trained.parent
    table = pd.read_csv(run / "examination.csv", keep_default_na=False)
    expected = [(s.kind, s.test, s.change) for s in eval_conditions(tuple(KINDS))]
    assert list(zip(table["kind"], table["test"], table["change"], strict=True)) == expected
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    assert list(pd.read_csv(run / "learning_curve.csv")["step"].unique()) == [12, 24]
    assert len(pd.read_csv(run / "history.csv")) == CONFIG.steps
    card = (trained / "README.md").read_text()
    assert "| new | pictures | swapped | AUROC |" in card
    assert "{{" not in card
    assert not (run / "checkpoints").exists()
    assert read_json(run / "manifest.json")["counts"]["training_seconds"] >= 0


def test_a_pretrained_model_goes_through_doctor_like_any_other(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(app, ["doctor", "--model", str(trained)]) == 0, capsys.readouterr()


def test_training_changes_every_weight_that_is_used(trained: Path) -> None:
    before, after = (load_file(next(folder.glob("*.safetensors"))) for folder in (trained.parent / "start", trained))
    unchanged = [name for name in before if np.array_equal(before[name], after[name])]
    assert not unchanged


def test_a_killed_run_resumes_to_the_same_weights(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(CONFIG.model_dump_json())
    script = (
        "import sys; from pathlib import Path;"
        "from empirical.pretraining.config import PretrainConfig; from empirical.pretraining.pretrain import pretrain;"
        "pretrain(PretrainConfig.model_validate_json(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), quiet=True)"
    )
    out = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "config.json"), str(out)])
    deadline = time.monotonic() + 120
    while not list(out.glob("checkpoints/checkpoint-*/complete")) and time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "model").exists()
    resumed = pretrain(CONFIG, out, quiet=True)
    whole, again = (load_file(next(folder.glob("*.safetensors"))) for folder in (trained, resumed))
    assert all(np.array_equal(whole[name], again[name]) for name in whole)
    for table in ("history.csv", "learning_curve.csv", "examination.csv"):
        assert (out / table).read_text() == (trained.parent / table).read_text()


def test_another_config_in_the_same_folder_is_refused_and_a_finished_run_is_kept(trained: Path) -> None:
    written = (trained / "README.md").stat().st_mtime_ns
    assert pretrain(CONFIG, trained.parent, quiet=True) == trained
    assert (trained / "README.md").stat().st_mtime_ns == written
    with pytest.raises(InputError, match="steps: 24 there, 25 now"):
        pretrain(CONFIG.model_copy(update={"steps": 25}), trained.parent, quiet=True)


def test_a_card_does_not_name_the_folder_of_its_run(trained: Path) -> None:
    manifest = read_json(trained.parent / "manifest.json") | {"command_line": ["see-in-pairs", "pretrain", "c.yaml", "--out", "/home/me/x"]}
    card = model_card(CONFIG, pd.read_csv(trained.parent / "examination.csv", keep_default_na=False), manifest, 7)
    assert "`see-in-pairs pretrain c.yaml --out DIR`" in card


def test_an_unknown_key_of_the_config_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.yaml").write_text("steps: 3\ncolour: red\n")
    assert run_app(app, ["pretrain", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "o")]) == 2
    error = capsys.readouterr().err.strip()
    assert "colour" in error
    assert "\n" not in error


@pytest.mark.parametrize(("change", "shown"), [("", "01"), ("swapped", "10"), ("duplicate", "00"), ("blank", "-1")])
def test_changes_show_what_they_say(vlm: VisionLanguageModel, change: str, shown: str) -> None:
    """The scores of a condition are those of pictures that were swapped, blanked or duplicated by hand."""
    dataset = dataset_of(CONFIG, "new", "pictures", 20)

    def by_hand(name: str) -> Image.Image:
        number, place = name.split("/")
        source = shown[int(place)]
        return Image.new("RGB", (32, 32), (128, 128, 128)) if source == "-" else dataset.image_of(f"{number}/{source}")

    answers = KINDS["new"].answers
    examples = [dataset[number] for number in range(20)]
    scores = answer_log_probabilities(vlm.model, Encoder(vlm.processor, vlm.family, by_hand), examples, answers)
    kept = {"swapped": [dataset.draw(number)[0].swapped for number in range(20)], "duplicate": ["no"] * 20}
    right = np.array([answers.index(answer) for answer in kept.get(change, [example.answer for example in examples])])
    row = evaluate_pretrained(vlm, CONFIG, iter([EvalCondition("new", "pictures", change)]), 20).iloc[0]  # type: ignore[arg-type]
    assert row[["measure", "value", "low", "high"]].to_dict() == pytest.approx(
        {k: v for k, v in measured(scores, right).items() if k != "chance"}
    )
    assert not vlm.model.training


def test_measures_are_those_of_scikit_learn_and_hand() -> None:
    rng = np.random.default_rng(1)
    right = rng.integers(0, 2, 300)
    scores = np.column_stack([rng.normal(size=300) + (right == 0), np.zeros(300)])
    found = measured(scores, right)
    assert found["value"] == pytest.approx(roc_auc_score(right == 0, scores[:, 0]))
    assert found["low"] < found["value"] < found["high"]
    several = measured(np.eye(4)[[0, 1, 2, 3, 0, 0]], np.array([0, 1, 2, 3, 1, 0]))
    assert (several["measure"], several["value"], several["chance"]) == ("accuracy", pytest.approx(5 / 6), 0.25)


def test_it_goes_on_from_a_model(trained: Path, tmp_path: Path) -> None:
    """With a rate of next to nothing the weights stay those of the start; another start in the same folder is refused."""
    config = CONFIG.model_copy(update={"start": str(trained), "steps": 2, "learning_rate": 1e-12, "weight_decay": 0.0, "questions": 20})
    model = pretrain(config, tmp_path / "on", quiet=True)
    before, after = load_file(trained / "model.safetensors"), load_file(model / "model.safetensors")
    assert max(float(np.abs(before[name] - after[name]).max()) for name in before) < 1e-9
    assert f"went on from `{trained}`" in (model / "README.md").read_text()
    with pytest.raises(InputError, match="start"):
        pretrain(config.model_copy(update={"start": "pocket"}), tmp_path / "on", quiet=True)
    with pytest.raises(InputError, match="not of the shape that 'model' describes"):
        pretrain(config.model_copy(update={"start": "pocket"}), tmp_path / "other", quiet=True)


def test_likeness_and_edge_come_with_hardness() -> None:
    hardness = CONFIG.hardness.model_copy(update={"likeness": 0.6, "edge": 2.8})
    easy, half, hard = (hardness.difficulty(value) for value in (0.0, 0.5, 1.0))
    assert (easy.likeness, easy.edge) == (1.0, 0.8)
    assert (half.likeness, half.edge) == (pytest.approx(0.8), pytest.approx(1.8))
    assert (hard.likeness, hard.edge) == (pytest.approx(0.6), pytest.approx(2.8))


def test_a_model_trained_on_flattened_pictures_brings_the_setting_and_half_as_many_bytes(trained: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"steps": 2, "flatten": 0.2, "saved_as": "float16", "kinds": {"mark": 1.0, "new": 1.0}})
    model = pretrain(config, tmp_path / "run", quiet=True)
    loaded = load_vlm(ModelConfig(name=str(model), dtype="float32"))
    assert loaded.processor.image_processor.flatten == 0.2
    weights = load_file(model / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {np.dtype(np.float16)}
    assert {value.dtype for value in load_file(trained / "model.safetensors").values()} == {np.dtype(np.float32)}
    table = pd.read_csv(tmp_path / "run" / "examination.csv", keep_default_na=False)
    again = evaluate_pretrained(loaded, config, eval_conditions(("mark", "new")), config.questions)
    assert np.allclose(table["value"], again["value"])  # what was examined is what was written
