from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage, stats

from empirical.pretraining.backgrounds import HELD_OUT, IRREGULAR, REGULAR, parameter
from empirical.pretraining.questions import CENTRES, CONTRAST, KINDS, NOISE, SESSION, Difficulty, ask
from empirical.pretraining.shapes import OUTLINES, PlacedShape, scattered

SEEDS = st.integers(0, 2**32)
FALSE_ALARM = 1e-6  # of each test of chance below


@given(seed=SEEDS, low=st.floats(-5, 5), width=st.floats(0.1, 10))
def test_training_and_test_draw_from_disjoint_bands(seed: int, low: float, width: float) -> None:
    start, stop = (low + width * share for share in HELD_OUT)
    slack = 1e-9 * max(1.0, abs(low) + width)
    seen, kept = (parameter(np.random.default_rng(seed), low, low + width, held_out) for held_out in (False, True))
    assert seen <= start + slack or seen >= stop - slack
    assert start - slack <= kept <= stop + slack
    assert low - slack <= seen <= low + width + slack


@pytest.mark.parametrize("name", [*REGULAR, *IRREGULAR])
@pytest.mark.parametrize("held_out", [False, True])
def test_a_background_has_mean_0_and_deviation_1_and_is_the_same_for_the_same_seed(name: str, held_out: bool) -> None:
    paint = (REGULAR | IRREGULAR)[name]
    one, again = (paint(np.random.default_rng(3), 48, held_out) for _ in range(2))
    assert np.array_equal(one, again)
    assert abs(one.mean()) < 1e-9
    assert one.std() == pytest.approx(1)


@given(seed=SEEDS, number=st.integers(1, 4))
def test_scattered_marks_are_as_many_as_asked_apart_and_inside(seed: int, number: int) -> None:
    marks = scattered(np.random.default_rng(seed), 64, number, 2.0)
    assert len(marks) == number
    painted = sum((np.abs(mark.paint(64)) for mark in marks), np.zeros((64, 64)))
    assert ndimage.label(painted > 1.2, np.ones((3, 3)))[1] >= number  # two marks never grow together
    border = np.concatenate([painted[0], painted[-1], painted[:, 0], painted[:, -1]])
    assert border.max() < 1.0
    assert len({np.sign(mark.amplitude) for mark in marks}) == 1


@pytest.mark.parametrize("shape", OUTLINES)
def test_a_mark_stands_at_its_place_with_its_amplitude(shape: str) -> None:
    painted = PlacedShape(shape, 20.0, 30.0, 6.0, -1.5).paint(64)
    assert painted.min() == pytest.approx(-1.5, abs=0.25)  # a ring is thinner than two soft edges
    assert ndimage.center_of_mass(painted) == pytest.approx((20, 30), abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_is_equally_likely_and_pictures_are_made_again_from_the_seed(kind: str) -> None:
    asked = [ask(kind, np.random.default_rng(seed), 32, Difficulty(2.0), held_out=False) for seed in range(800)]
    counts = [sum(question.answer == answer for question in asked) for answer in KINDS[kind].answers]
    assert sum(counts) == len(asked)
    if kind != "where":  # its mark may fall anywhere; the quarters are alike by symmetry but for the lattice of pixels
        assert stats.chisquare(counts).pvalue > FALSE_ALARM
    again = ask(kind, np.random.default_rng(5), 32, Difficulty(2.0), held_out=False)
    assert all(np.array_equal(a, b) for a, b in zip(again.pictures, asked[5].pictures, strict=True))
    assert {picture.dtype for picture in again.pictures} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("kind", ["same", "new", "where"])
def test_two_pictures_differ_by_noise_alone_where_the_answer_says_so(kind: str) -> None:
    """At a large amplitude the largest difference of two pictures tells whether a mark came, went or did neither."""
    for seed in range(60):
        question = ask(kind, np.random.default_rng(seed), 64, Difficulty(8.0), held_out=False)
        before, after = (picture.astype(float) for picture in question.pictures)
        largest = np.abs(ndimage.gaussian_filter(after - before, 1)).max() / 255 / CONTRAST
        nothing = question.answer == "same" or (kind == "new" and question.answer == question.swapped == "no")
        assert (largest < 6 * NOISE) == nothing, (seed, question.answer, largest)


def test_where_names_the_quarter_in_which_the_pictures_differ() -> None:
    for seed in range(60):
        question = ask("where", np.random.default_rng(seed), 64, Difficulty(8.0), held_out=False)
        first, second = (picture.astype(float) for picture in question.pictures)
        change = ndimage.gaussian_filter(np.abs(second - first), 2)
        row, column = (np.array(ndimage.center_of_mass(change > 0.5 * change.max())) + 0.5) / 64 - 0.5
        if abs(abs(row) - abs(column)) < 0.05:
            continue  # on a diagonal either answer would do
        quarter = ("south" if row > 0 else "north") if abs(row) > abs(column) else ("east" if column > 0 else "west")
        assert quarter == question.answer


def test_the_second_picture_of_new_says_nothing_alone() -> None:
    """Its law does not depend on the answer: compare brightness, deviation and number of spots between the answers."""
    asked = [ask("new", np.random.default_rng(seed), 32, Difficulty(4.0), held_out=False) for seed in range(2000)]
    gained = np.array([question.answer == "yes" for question in asked])
    second = np.array([question.pictures[1] for question in asked]).astype(float) / 255 - 0.5
    for measure in (second.mean(axis=(1, 2)), second.std(axis=(1, 2)), np.abs(second).max(axis=(1, 2)), second.max(axis=(1, 2))):
        assert stats.mannwhitneyu(measure[gained], measure[~gained]).pvalue > FALSE_ALARM


HARD = Difficulty(1.6, clutter=0.5, likeness=0.6, edge=3.0, contrast=0.35, scene=1.8, movement=0.6, session=1.0)


@pytest.mark.parametrize("kind", ["mark", "new"])
def test_in_hard_pictures_no_simple_measure_of_the_query_tells_new_from_nothing(kind: str) -> None:
    """For ``mark`` the measures may tell something (the shape is there or not); for ``new`` with other shapes they must not."""
    difficulty = HARD if kind == "mark" else replace(HARD, clutter=1.0)
    asked = [ask(kind, np.random.default_rng(seed), 32, difficulty, held_out=False) for seed in range(1500)]
    yes = np.array([question.answer == "yes" for question in asked])
    query = np.array([question.pictures[-1] for question in asked]).astype(float)
    for measure in (query.mean(axis=(1, 2)), query.std(axis=(1, 2)), np.abs(query - 128).max(axis=(1, 2))):
        area = stats.mannwhitneyu(measure[yes], measure[~yes]).statistic / yes.sum() / (~yes).sum()
        assert abs(area - 0.5) < (0.1 if kind == "mark" else 4 * np.sqrt(1 / 12 * (1 / yes.sum() + 1 / (~yes).sum())))


def test_a_scene_is_shared_and_its_movement_is_what_parts_the_pictures() -> None:
    """Without shapes, noise apart: the pictures are the same without movement, and part more the more it moves."""
    apart = []
    for movement in (0.0, 0.5, 2.0):
        difficulty = Difficulty(0.0, background=0.0, clutter=0.0, scene=1.5, movement=movement)
        pairs = [ask("new", np.random.default_rng(seed), 48, difficulty, held_out=False).pictures for seed in range(60)]
        difference = np.array([after.astype(float) - before.astype(float) for before, after in pairs]) / 255 / CONTRAST
        scene = np.array([before.astype(float) for before, _ in pairs]) / 255 / CONTRAST
        assert scene.std() > 0.7
        apart.append(float(difference.std()))
    assert apart[0] == pytest.approx(np.sqrt(2) * NOISE, rel=0.03)
    assert apart[0] < apart[1] < apart[2]


def test_a_session_changes_brightness_and_contrast_of_each_picture_by_itself() -> None:
    difficulty = Difficulty(0.0, background=0.0, clutter=0.0, session=3.0)
    pairs = [ask("new", np.random.default_rng(seed), 24, difficulty, held_out=False).pictures for seed in range(400)]
    levels = np.array([[picture.mean() for picture in pair] for pair in pairs]) / 255 / CONTRAST
    assert levels.std(axis=0) == pytest.approx(3.0 * SESSION[1], rel=0.15)
    assert abs(np.corrcoef(levels.T)[0, 1]) < 4 / np.sqrt(len(levels))


def test_a_picture_without_nuisances_is_the_one_it_was() -> None:
    """The bundled pictures of `pocket` were painted before there were nuisances: their random numbers must not have moved."""
    question = ask("new", np.random.default_rng(3), 32, Difficulty(2.0), held_out=False)
    found = [int(picture.astype(np.int64).sum()) for picture in question.pictures]
    assert found == [131519, 131440]


def _profile(patch: np.ndarray) -> np.ndarray:
    """Share of a patch that is covered, by distance from the centre of what covers it: how a disk, a square, a cross and a ring differ."""
    centre = ndimage.center_of_mass(patch)
    distance = np.hypot(*(np.indices(patch.shape).T - centre).T)
    return np.array([patch[(distance >= inner) & (distance < inner + 2)].mean() for inner in range(0, 16, 2)])


def test_the_odd_mark_is_where_the_answer_says() -> None:
    for seed in range(40):
        question = ask("odd", np.random.default_rng(seed), 96, Difficulty(6.0), held_out=False)
        covered = np.abs(question.pictures[0].astype(float) - 128) > 255 * CONTRAST * 3  # half of a mark: its outline
        corners = {name: (round(row * 96) - 16, round(column * 96) - 16) for name, (row, column) in CENTRES.items()}
        profiles = {name: _profile(covered[top : top + 32, left : left + 32]) for name, (top, left) in corners.items()}
        unlike = {name: sum(np.abs(profile - other).sum() for other in profiles.values()) for name, profile in profiles.items()}
        assert max(unlike, key=lambda name: unlike[name]) == question.answer


@pytest.mark.parametrize("likeness", [0.0, 0.5, 0.8])
def test_backgrounds_that_are_alike_correlate_as_asked(likeness: float) -> None:
    """Without marks, each background's variance is that of irregular backgrounds cut off; own noise comes on top of both."""
    difficulty = Difficulty(amplitude=0.0, clutter=0.0, likeness=likeness)
    rng = np.random.default_rng(0)
    pairs = [KINDS["new"].paint(rng, 48, difficulty, False).pictures for _ in range(300)]
    values = [np.stack(pair).reshape(2, -1).astype(float) for pair in pairs]
    found = np.array([np.corrcoef(pair)[0, 1] for pair in values])
    expected = likeness / (1 + NOISE**2)
    # a picture has few independent places, and cutting off takes about 3 % of a background's variance
    assert found.mean() == pytest.approx(expected, abs=4 * found.std() / np.sqrt(len(found)) + 0.02)


def test_a_soft_mark_is_the_same_mark_with_a_wider_edge() -> None:
    sharp, soft = (PlacedShape("disk", 24, 24, 6, 2.0, edge).paint(48) for edge in (0.8, 2.5))
    assert sharp[24, 30] == pytest.approx(soft[24, 30]) == pytest.approx(1.0)  # half way at the outline, whatever the edge
    assert soft[24, 36] > 10 * sharp[24, 36]
    assert {mark.edge for mark in scattered(np.random.default_rng(0), 48, 3, 1.0, edge=2.5)} == {2.5}
