"""References by the likeness of images: nearest and banded choices against a search of all pairs, and what is kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from empirical.cohorts import Cohort, CohortInfo
from empirical.references import ReferenceConfig, choose_references
from empirical.references.embeddings import cache
from empirical.references.embeddings.cache import embedder, model_key
from empirical.references.strategies import embedding
from empirical.references.strategies.embedding import nearest, rows_of_cosines, unit_length
from empirical.vlm.config import ModelConfig
from see_in_pairs.errors import InputError

INFO = CohortInfo("toy", "table", "healthy", ["sick"], "image", "a finding")
POCKET = ModelConfig(name="pocket")


def toy(n: int = 90) -> Cohort:
    """Pool and queries; every third query's patient has an image in the pool."""
    table = pd.DataFrame({"item_id": [f"i{k}" for k in range(n)], "image": "x.png", "label": ["healthy", "sick"] * (n // 2)})
    table["split"] = np.where(table.index < 2 * n // 3, "train", "test")
    table["patient_id"] = [f"p{k if k < 2 * n // 3 or k % 3 else k - 2 * n // 3}" for k in range(n)]
    return Cohort(Path("toy"), INFO, table.assign(mask="", family="", site="", serves="", sex="", view="", sha256="", age=np.nan))


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Made-up embeddings of the toy cohort's items."""
    drawn = unit_length(np.random.default_rng(0).normal(size=(90, 6)).astype(np.float32))
    found = {f"i{k}": drawn[k] for k in range(90)}

    def fake(*_: object) -> Callable[[Sequence[str]], np.ndarray]:
        return lambda items: np.stack([found[item] for item in items])

    monkeypatch.setattr("empirical.references.selection.embedder", fake)
    return found


def ranked(cohort: Cohort, places: dict[str, np.ndarray], query: str) -> list[str]:
    """List the pool by likeness to a query, one by one, the nearest first."""
    rows = cohort.table.to_dict("records")
    own = next(row["patient_id"] for row in rows if row["item_id"] == query)
    others = [row["item_id"] for row in rows if row["split"] == "train" and row["label"] == "healthy" and row["patient_id"] != own]
    return sorted(others, key=lambda item: -float(places[query] @ places[item]))


@pytest.mark.parametrize("m", [1, 4])
@pytest.mark.parametrize("cells", [1, 100, 2**25])
def test_the_nearest_are_those_of_a_search_of_all_pairs(
    places: dict[str, np.ndarray], m: int, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "CELLS", cells)  # whatever the size of the blocks
    cohort = toy()
    found = choose_references(cohort, "test", ReferenceConfig(strategy="embedding", m=m), seed=0).table
    for query, rows in found.groupby("item_id"):
        assert list(rows["reference_id"]) == ranked(cohort, places, str(query))[:m]
        cosine = float(places[str(query)] @ places[rows["reference_id"].iloc[0]])
        assert rows["note"].iloc[0].startswith(f"embedding: cosine {cosine:.4f}, rank 1 of ")


def test_a_band_of_quantiles_is_a_range_of_ranks(places: dict[str, np.ndarray]) -> None:
    cohort, drawn = toy(), set()
    for seed in range(12):
        config = ReferenceConfig(strategy="embedding", band=(0.5, 0.7))
        for row in choose_references(cohort, "test", config, seed).table.itertuples():
            order = ranked(cohort, places, str(row.item_id))[::-1]  # the least alike first
            drawn.add((row.item_id, row.reference_id))
            assert int(0.5 * len(order)) <= order.index(row.reference_id) < int(np.ceil(0.7 * len(order)))
    assert len(drawn) > 3 * 30  # drawn from the band, not always the same one


def test_a_band_of_cosines_and_what_is_outside(places: dict[str, np.ndarray]) -> None:
    cohort = toy()
    config = {"strategy": "embedding", "band": (0.75, 0.95), "band_of": "cosine"}
    with pytest.raises(InputError, match=r"0 of 1 references in the band.*widen the band"):
        choose_references(cohort, "test", ReferenceConfig.model_validate(config), seed=0)
    relaxed = choose_references(cohort, "test", ReferenceConfig.model_validate(config | {"unmatched": "relax"}), seed=0)
    out = choose_references(cohort, "test", ReferenceConfig.model_validate(config | {"unmatched": "leave_out"}), seed=0)
    for row in relaxed.table.itertuples():
        order, cosine = ranked(cohort, places, str(row.item_id)), float(places[str(row.item_id)] @ places[row.reference_id])
        inside = any(0.75 <= float(places[str(row.item_id)] @ places[item]) <= 0.95 for item in order)
        assert 0.75 <= cosine <= 0.95 if inside else row.reference_id == order[0]
        assert (row.item_id in out.left_out) == (not inside) == (row.item_id in set(relaxed.unmatched["item_id"]))


def test_with_a_limit_each_is_served_in_turn_with_the_best_that_is_left(places: dict[str, np.ndarray]) -> None:
    cohort = toy()
    config = ReferenceConfig(strategy="embedding", reuse=2)
    table = choose_references(cohort, "test", config, seed=0).table.set_index("item_id")["reference_id"]
    assert table.value_counts().max() == 2
    used = table.value_counts()
    for query, reference in table.items():
        order = ranked(cohort, places, str(query))
        assert all(used[item] == 2 for item in order[: order.index(reference)])  # whoever is nearer serves two others


def test_equals_come_in_the_order_of_the_pool_and_barred_ones_never() -> None:
    cosines = np.array([0.5, 0.9, -np.inf, 0.9, 0.1], dtype=np.float32)
    assert nearest(cosines, 1).tolist() == [1]
    assert nearest(cosines, 3).tolist() == [1, 3, 0]
    assert nearest(cosines, 9).tolist() == [1, 3, 0, 4]
    assert nearest(np.full(3, -np.inf, dtype=np.float32), 1).tolist() == []


def test_cosines_do_not_depend_on_length_and_a_zero_vector_is_like_nothing() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 4)).astype(np.float32), rng.normal(size=(7, 4)).astype(np.float32)
    a[2] = 0
    found = np.stack(list(rows_of_cosines(unit_length(3 * a), unit_length(b))))
    expected = a @ b.T / (np.where(a.any(axis=1), np.linalg.norm(a, axis=1), 1)[:, None] * np.linalg.norm(b, axis=1))
    assert found == pytest.approx(expected, abs=8 * float(np.finfo(np.float32).eps))


def test_images_are_embedded_once_for_each_model(phantom: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "cache_folder", lambda: tmp_path)
    done: list[int] = []
    plain = cache._embed
    monkeypatch.setattr(cache, "_embed", lambda model, images: done.append(len(images)) or plain(model, images))
    items = list(phantom.table["item_id"][:5])
    first = embedder(phantom, POCKET)(items[:3])
    both = embedder(phantom, POCKET)([*items, items[0]])
    assert done == [3, 2] and first.shape[0] == 3
    assert np.array_equal(both[:3], first) and np.array_equal(both[5], both[0])
    assert len(list((tmp_path / "embeddings" / model_key(POCKET)).glob("*.npz"))) == 2
    assert model_key(ModelConfig(name="pocket", dtype="bfloat16")) != model_key(POCKET)


def test_a_picture_has_the_same_embedding_alone_and_in_company(phantom: Cohort) -> None:
    items = list(phantom.table["item_id"][:4])
    pictures = [phantom.image(item) for item in items]
    together = cache._embed(POCKET, pictures)
    alone = np.concatenate([cache._embed(POCKET, [picture]) for picture in pictures])
    assert together == pytest.approx(alone, rel=1e-4, abs=1e-5)  # float32 sums in another order
    assert np.linalg.norm(together[0] - together[1]) > 100 * 1e-5


def test_a_plain_vision_model_from_a_folder(phantom: Cohort, tmp_path: Path) -> None:
    import torch
    import transformers

    torch.manual_seed(0)
    shape = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "image_size": 32,
        "patch_size": 8,
    }
    transformers.ViTModel(transformers.ViTConfig(**shape), add_pooling_layer=False).save_pretrained(tmp_path)
    transformers.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    model = ModelConfig(name=str(tmp_path))
    picture = phantom.image(phantom.table["item_id"][0])
    found = cache._embed(model, [picture, picture.rotate(90)])
    loaded = transformers.ViTModel.from_pretrained(tmp_path, add_pooling_layer=False).eval()
    pixels = transformers.ViTImageProcessorPil.from_pretrained(tmp_path)(images=[picture], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        expected = loaded(pixel_values=pixels).last_hidden_state[0].mean(dim=0).numpy()
    assert found.shape == (2, 16) and found[0] == pytest.approx(expected, abs=1e-5)
    key = model_key(model)
    transformers.ViTModel(transformers.ViTConfig(**shape), add_pooling_layer=False).save_pretrained(tmp_path)  # other random weights
    assert model_key(model) != key


def test_the_model_that_is_evaluated_is_used_when_none_is_named(phantom: Cohort) -> None:
    config = ReferenceConfig(strategy="embedding")
    named = ReferenceConfig(strategy="embedding", model=POCKET)
    tables = [choose_references(phantom, "test", config, 0, model=POCKET).table, choose_references(phantom, "test", named, 0).table]
    pd.testing.assert_frame_equal(*tables)
    with pytest.raises(InputError, match=r"name the vision model \(references\.model\.name"):
        choose_references(phantom, "test", config, 0)


@pytest.mark.parametrize("words", ["no such folder", "contains no weights", "cannot be loaded"])
def test_models_that_are_not_there_are_one_line(phantom: Cohort, tmp_path: Path, words: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    if words == "cannot be loaded":
        save_file({"weight": np.zeros(1, np.float32)}, tmp_path / "model.safetensors")
    name = "./none" if words == "no such folder" else str(tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        embedder(phantom, ModelConfig(name=name))(list(phantom.table["item_id"][:1]))
    assert "\n" not in str(caught.value)
