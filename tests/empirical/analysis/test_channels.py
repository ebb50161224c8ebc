"""Channel outputs of a cohort's images: against a plain sum over pixels."""

from __future__ import annotations

import numpy as np
import pytest

from empirical.analysis.channels import channel_outputs, gray_image, patch_outputs
from empirical.cohorts.phantom import PhantomConfig, make_phantom
from empirical.references import ReferenceConfig, choose_references
from see_in_pairs.errors import InputError


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    config = PhantomConfig(size=24, n_train=6, n_val=2, n_test=6, lesion={"width": 1.5})
    return make_phantom(config, tmp_path_factory.mktemp("phantom") / "cohort", seed=1)


def test_a_patch_is_summed_pixel_by_pixel():
    rng = np.random.default_rng(0)
    image, profiles = rng.normal(size=(9, 11)), rng.normal(size=(2, 5, 5))
    found = patch_outputs(image, profiles, np.array([[4, 5], [0, 10]]))
    inside = sum(profiles[1, a, b] * image[2 + a, 3 + b] for a in range(5) for b in range(5))
    assert found[0, 1] == pytest.approx(inside)

    def mirrored(row, column):  # ... 1 0 | 0 1 ...
        row, column = (-row - 1 if row < 0 else row), (2 * 11 - 1 - column if column >= 11 else column)
        return image[row, column]

    corner = sum(profiles[0, a, b] * mirrored(a - 2, 8 + b) for a in range(5) for b in range(5))
    assert found[1, 0] == pytest.approx(corner)


def test_query_and_reference_stand_side_by_side(phantom):
    profiles, places = np.random.default_rng(1).normal(size=(3, 7, 7)), np.array([[12, 12], [5, 20]])
    chosen = choose_references(phantom, "test", ReferenceConfig(strategy="demographic", columns=["family"]), 0).references()
    item = phantom.queries("test")["item_id"][2]
    table = channel_outputs(phantom, "test", profiles, places, chosen, lesions={item: (8, 9)})
    assert len(table) == 6 * 2 + 1 and table.attrs["left_out"] == 0
    own = table[(table["item_id"] == item) & (table["place"] == -1)].iloc[0]
    assert (own["row"], own["column"], own["reference_id"]) == (8, 9, chosen[item][0])
    for letter, name in (("q", item), ("r", chosen[item][0])):
        expected = patch_outputs(gray_image(phantom, name), profiles, np.array([[8, 9]]))[0]
        assert own[[f"{letter}{number}" for number in range(3)]].to_numpy(float) == pytest.approx(expected)
    labels = phantom.queries("test").set_index("item_id")["label"]
    assert (table["diseased"] == (table["item_id"].map(labels) != phantom.info.healthy)).all()


def test_queries_without_a_reference_are_counted(phantom):
    chosen = choose_references(phantom, "test", ReferenceConfig(strategy="random"), 0).references()
    lost = next(iter(chosen))
    table = channel_outputs(phantom, "test", np.ones((1, 3, 3)), np.array([[12, 12]]), {k: v for k, v in chosen.items() if k != lost})
    assert table.attrs["left_out"] == 1 and lost not in set(table["item_id"])
    with pytest.raises(InputError, match="no query of split 'test' has a reference"):
        channel_outputs(phantom, "test", np.ones((1, 3, 3)), np.array([[12, 12]]), {})
    with pytest.raises(InputError, match="odd side"):
        channel_outputs(phantom, "test", np.ones((1, 4, 4)), np.array([[12, 12]]), chosen)


def test_images_are_scaled_to_a_square(phantom):
    item = phantom.queries("test")["item_id"][0]
    assert gray_image(phantom, item, 12).shape == (12, 12)
    assert gray_image(phantom, item, 12)[0, 0] == pytest.approx(gray_image(phantom, item)[:2, :2].mean(), abs=0.75)  # whole gray levels
