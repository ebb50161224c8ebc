"""The rule of the verdicts: every branch, their order, the borders of the intervals, and what no change of a finding may do."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from paper_figures.claims.ledger import GAIN, OVER_DUPLICATE, SHOWN, VERDICTS, ClaimFinding, Verdict, decide
from paper_figures.claims.registry import EACH, NO_EXPERIMENT, UNANIMOUS, Criterion
from paper_figures.results.estimates import Estimate, no_estimate

RULE = Criterion("gain in AUROC", "gain in AUROC", "AUROC", margin=0.02)
ALONE = replace(RULE, over_duplicate=False)
RATIO = Criterion("ratio of separations", "ratio of separations", "ratio", margin=1.05, null=1.0)


def gain(low: float, high: float, part: str = "", role: str = GAIN, trainings: int = 3, df: float = 10.0, **more: object) -> ClaimFinding:
    """A finding with this interval, whose standard error and degrees of freedom fit it."""
    middle = (low + high) / 2
    se = (high - low) / 2 / student.ppf(0.975, df)
    return ClaimFinding(part, role, middle, low, high, se, df, trainings=trainings, patients=90, unit="AUROC", **more)  # type: ignore[arg-type]


def ratio(low: float, high: float, df: float = 10.0, **more: object) -> ClaimFinding:
    """A ratio, symmetrical on the logarithm."""
    se = math.log(high / low) / 2 / student.ppf(0.975, df)
    return ClaimFinding(estimate=math.sqrt(low * high), low=low, high=high, se=se, df=df, trainings=3, **more)  # type: ignore[arg-type]


GOOD = gain(0.03, 0.09)
OVER = gain(0.01, 0.05, role=OVER_DUPLICATE)


@pytest.mark.parametrize(
    ("low", "high", "verdict", "words"),
    [
        (0.03, 0.09, "supported", "the interval lies above 0, and above duplicate by 0.030 [0.010, 0.050]"),
        (0.001, 0.02, "supported", "lies above 0"),  # the upper end is the margin itself
        (0.001, 0.0199, "contradicted", "no gain worth having"),  # above 0, and yet not worth having
        (0.0, 0.05, "inconclusive", "holds both 0 and gains worth having"),  # the lower end is no effect itself
        (-0.05, 0.02, "inconclusive", "holds both"),
        (-0.05, 0.0199, "contradicted", "no gain worth having"),
        (-0.05, 0.0, "contradicted", "no gain worth having"),  # the upper end is no effect itself: not yet harm
        (-0.05, -0.001, "contradicted", "harm: the interval lies below the margin of 0.02"),
        (-9e9, math.inf, "inconclusive", "holds both"),
        (0.01, math.inf, "supported", "lies above 0"),
    ],
)
def test_the_ends_of_the_interval_decide(low: float, high: float, verdict: str, words: str) -> None:
    found = decide(RULE, [gain(low, high) if math.isfinite(high) else replace(GOOD, low=low, high=high), OVER])
    assert found[0] == verdict and words in found[1]


@pytest.mark.parametrize(
    ("low", "high", "verdict", "words"),
    [
        (1.2, 1.6, "supported", "lies above 1"),
        (1.001, 1.05, "supported", "lies above 1"),
        (1.001, 1.049, "contradicted", "no gain worth having: the interval lies below the margin of 1.05"),
        (1.0, 1.3, "inconclusive", "holds both 1 and"),
        (0.6, 0.99, "contradicted", "harm"),
        (0.6, 1.0, "contradicted", "no gain worth having"),
    ],
)
def test_no_effect_of_a_ratio_is_one(low: float, high: float, verdict: str, words: str) -> None:
    found = decide(RATIO, [ratio(low, high), ratio(1.1, 1.2, role=OVER_DUPLICATE)])
    assert found[0] == verdict and words in found[1]


def test_what_is_lacking_comes_first_then_contradiction_then_support() -> None:
    harm, over_harm = gain(-0.09, -0.03), gain(-0.05, -0.01, role=OVER_DUPLICATE)
    assert decide(RULE, [replace(harm, lacking="too few"), OVER])[0] == "not tested"
    assert decide(RULE, [harm, replace(OVER, lacking="too few")])[0] == "not tested"
    assert decide(RULE, [harm, over_harm])[0] == "contradicted"
    assert decide(RULE, [gain(0.001, 0.019), OVER])[0] == "contradicted"  # the lower end is above 0 too: the margin is asked first
    assert decide(RULE, [GOOD, over_harm])[0] == "inconclusive"
    assert decide(RULE, [GOOD, OVER])[0] == "supported"


@pytest.mark.parametrize("low", [0.0, -0.01])
def test_a_gain_that_duplicate_has_too_supports_nothing(low: float) -> None:
    over = gain(low, 0.05, role=OVER_DUPLICATE)
    assert decide(RULE, [GOOD, over]) == ("inconclusive", f"above the single image, but not above duplicate: {over}")
    assert decide(ALONE, [GOOD, over])[0] == "supported"
    assert decide(RULE, [gain(-0.05, 0.01), over])[0] == "contradicted"  # it is no part of what contradicts


def test_without_duplicate_there_is_no_verdict_where_the_criterion_asks_for_it() -> None:
    assert decide(RULE, [GOOD])[0] == "not tested" and "no arm 'duplicate' to compare with" in decide(RULE, [GOOD])[1]
    assert decide(ALONE, [GOOD])[0] == "supported"
    two = [gain(0.03, 0.09, "a"), gain(0.03, 0.09, "b"), replace(OVER, part="a")]
    assert "no arm 'duplicate' to compare with for b" in decide(RULE, two)[1]
    assert decide(RULE, [*two, replace(OVER, part="b")])[0] == "supported"
    assert decide(RULE, [*two, gain(-0.01, 0.05, "b", OVER_DUPLICATE)])[0] == "inconclusive"


@pytest.mark.parametrize(("trainings", "words"), [(1, "one model an arm"), (2, "2 models an arm"), (0, "0 models an arm")])
@pytest.mark.parametrize("interval", [(0.03, 0.09), (-0.09, -0.03), (-0.05, 0.09)])
def test_few_trainings_give_the_number_and_no_verdict(trainings: int, words: str, interval: tuple[float, float]) -> None:
    few = gain(*interval, trainings=trainings)
    verdict, reason = decide(RULE, [few, OVER])
    assert verdict == "not tested" and reason.startswith(words) and "at least 3 trainings are needed" in reason
    assert decide(RULE, [gain(*interval), replace(OVER, trainings=trainings)])[0] == "not tested"
    assert decide(replace(RULE, trainings=0), [few, OVER])[0] != "not tested"
    main = Verdict("C3", "phantom", RULE, (few, OVER)).to_dict()
    assert main["estimate"] == few.estimate and main["interval"] == [few.low, few.high] and main["trainings"] == trainings


def test_five_trainings_may_be_asked_for() -> None:
    assert decide(replace(RULE, trainings=5), [GOOD, OVER])[0] == "not tested"
    assert decide(replace(RULE, trainings=5), [replace(one, trainings=5) for one in (GOOD, OVER)])[0] == "supported"


def test_parts_fixed_beforehand_must_all_be_there() -> None:
    rule = replace(ALONE, parts=("integrated_gradients", "occlusion"))
    one = gain(0.03, 0.09, "occlusion")
    assert decide(rule, [one])[0] == "not tested" and "no result for integrated gradients" in decide(rule, [one])[1]
    assert decide(rule, [one, gain(0.03, 0.09, "integrated_gradients")])[0] == "supported"
    assert decide(rule, [one, ClaimFinding("integrated_gradients", lacking="no masks")])[1].startswith("integrated gradients: no masks")


def test_an_inadmissible_design_or_no_number_is_not_judged() -> None:
    numbers = Estimate(0.06, 0.03, 0.09, 1e-3, "AUROC", "t", 90, 90, se=0.01, trainings=3, inadmissible="3 references are too few")
    assert decide(RULE, [ClaimFinding.of(numbers), OVER]) == ("not tested", "3 references are too few")
    assert decide(RULE, [ClaimFinding.of(replace(numbers, inadmissible="")), OVER])[0] == "supported"
    assert decide(RULE, [ClaimFinding.of(no_estimate("one class only")), OVER]) == ("not tested", "one class only")
    assert decide(RULE, [ClaimFinding(), OVER]) == ("not tested", "no estimate")
    assert decide(RULE, [GOOD, ClaimFinding.of(numbers, role=OVER_DUPLICATE)]) == (
        "not tested", "pair minus duplicate: 3 references are too few",
    )  # fmt: skip


def test_without_a_criterion_or_a_gain_nothing_is_judged() -> None:
    assert decide(None, [GOOD, OVER])[0] == "not tested"
    assert decide(RULE, []) == ("not tested", NO_EXPERIMENT)
    assert decide(RULE, [OVER])[0] == "not tested"
    assert decide(RULE, [replace(GOOD, role=SHOWN, context="shown beside"), OVER]) == ("not tested", f"{NO_EXPERIMENT}; shown beside")
    assert decide(RULE, [GOOD, OVER], "no cohort") == ("not tested", "no cohort")


def test_what_stands_beside_decides_nothing() -> None:
    beside = gain(-0.9, -0.8, "plain", SHOWN, trainings=1, lacking="x", context="and beside it")
    assert decide(RULE, [GOOD, OVER, beside])[0] == "supported"
    assert "and beside it" in decide(RULE, [GOOD, OVER, beside])[1]


def test_each_part_must_be_supported_and_one_that_is_contradicted_contradicts() -> None:
    parts = [gain(0.03, 0.09, name) for name in "abc"]
    assert decide(ALONE, parts)[0] == "supported"
    assert decide(ALONE, [*parts, gain(-0.03, 0.09, "d")])[0] == "inconclusive"
    assert decide(ALONE, [*parts, gain(-0.09, -0.03, "d")])[0] == "contradicted"
    assert decide(ALONE, [*parts, gain(-0.09, -0.03, "d")])[1].startswith("harm: the interval lies below the margin of 0.02; d −0.060")


def test_that_one_of_several_parts_does_harm_needs_holm_too() -> None:
    parts, loss = [gain(0.03, 0.09, name) for name in "abc"], gain(-0.06, -0.0005, "d")  # p .047 against no effect, .001 against the margin
    assert decide(ALONE, [loss])[1].startswith("harm")  # alone it needs no correction
    assert decide(ALONE, [*parts, loss])[0] == "contradicted"
    assert decide(ALONE, [*parts, loss])[1].startswith("no gain worth having: the interval lies below the margin of 0.02; d −0.030")


def test_unanimous_parts_contradict_only_together() -> None:
    rule = replace(ALONE, join=UNANIMOUS)
    good, bad, open_one = gain(0.03, 0.09, "a"), gain(-0.09, -0.03, "b"), gain(-0.03, 0.09, "c")
    assert decide(rule, [good, bad]) == ("inconclusive", "the parts do not agree; b −0.060 [−0.090, −0.030], a 0.060 [0.030, 0.090]")
    assert decide(rule, [bad, open_one])[0] == "inconclusive"
    assert decide(rule, [bad, replace(bad, part="d")])[0] == "contradicted"
    assert decide(rule, [good, replace(good, part="d")])[0] == "supported"
    assert decide(rule, [good, open_one])[0] == "inconclusive"


def test_one_part_of_several_contradicts_only_after_holm() -> None:
    """One of four below the margin at p .03, two-sided, is one of four tries: Holm's p is .12. At p .01 it is .04."""
    others = [gain(0.03, 0.09, name) for name in "abc"]

    def with_p(p: float) -> ClaimFinding:
        estimate, se = 0.0, 0.02 / student.ppf(1 - p / 2, 10)
        half = student.ppf(0.975, 10) * se
        return gain(estimate - half, estimate + half, "d")

    before, after = with_p(0.03), with_p(0.01)
    assert before.high < 0.02 and after.high < 0.02
    assert before.p_below(0.02, ratio=False) == pytest.approx(0.015) and after.p_below(0.02, ratio=False) == pytest.approx(0.005)
    verdict, reason = decide(ALONE, [*others, before])
    assert verdict == "inconclusive" and "not after Holm's correction over the parts" in reason
    assert decide(ALONE, [*others, after])[0] == "contradicted"
    assert decide(ALONE, [before])[0] == "contradicted"  # alone it is one try
    assert decide(ALONE, [*others, before, replace(with_p(0.001), part="e")])[0] == "contradicted"


def test_holm_over_ratios_is_on_the_logarithm() -> None:
    rule = replace(RATIO, over_duplicate=False)
    assert ratio(0.7, 1.05).p_below(1.05, ratio=True) == pytest.approx(0.025)
    below = replace(ratio(0.7, 1.04), part="d")
    others = [replace(ratio(1.2, 1.4), part=name) for name in "abc"]
    assert decide(rule, [*others, below])[0] == "inconclusive"
    assert decide(rule, [*others, replace(ratio(0.7, 0.9), part="d")])[0] == "contradicted"


def test_a_closed_form_has_no_error_and_is_judged_as_it_is() -> None:
    exact = lambda value, part: ClaimFinding(part, GAIN, value, value, value, se=0.0)
    rule = replace(ALONE, trainings=0)
    assert decide(rule, [exact(0.02, "a"), exact(0.5, "b")])[0] == "supported"
    assert decide(rule, [exact(0.0199, "a"), exact(0.5, "b")])[0] == "contradicted"
    assert decide(replace(rule, join=UNANIMOUS), [exact(0.0199, "a"), exact(0.5, "b")])[0] == "inconclusive"


def test_a_verdict_cannot_be_set() -> None:
    found = Verdict("C3", "phantom", RULE, (GOOD, OVER))
    assert found.verdict == "supported"
    for name in ("verdict", "reason", "findings", "criterion"):
        with pytest.raises((AttributeError, FrozenInstanceError)):
            setattr(found, name, "contradicted")
    with pytest.raises(TypeError):
        Verdict("C3", "phantom", RULE, (GOOD, OVER), verdict="contradicted")  # type: ignore[call-arg]
    assert replace(found, findings=(gain(-0.09, -0.03), OVER)).verdict == "contradicted"  # it follows its findings


def test_the_number_beside_a_verdict_is_the_smallest_gain() -> None:
    parts = (gain(0.03, 0.09, "a"), gain(0.02, 0.04, "b"), ClaimFinding("c"), gain(-0.9, -0.8, "d", OVER_DUPLICATE))
    assert Verdict("C4", "phantom", ALONE, parts).main == parts[1]
    assert Verdict("C4", "phantom", ALONE, parts[2:]).main is None


FINDINGS = st.builds(
    lambda middle, half, part, role, trainings, lacking: gain(middle - half, middle + half, part, role, trainings, lacking=lacking),
    st.floats(-0.2, 0.2), st.floats(1e-3, 0.2), st.sampled_from("ab"), st.sampled_from([GAIN, GAIN, OVER_DUPLICATE, SHOWN]),
    st.sampled_from([3, 3, 3, 2]), st.sampled_from(["", "", "", "x"]),
)  # fmt: skip
RULES = st.builds(
    lambda join, over, parts: replace(RULE, join=join, over_duplicate=over, parts=parts),
    st.sampled_from([EACH, UNANIMOUS]), st.booleans(), st.sampled_from([(), ("a",), ("a", "b")]),
)  # fmt: skip
ONE_OF_EACH = st.lists(FINDINGS, max_size=6, unique_by=lambda one: (one.part, one.role))


@given(RULES, ONE_OF_EACH, st.randoms(use_true_random=False))
def test_the_order_of_findings_does_not_matter(rule: Criterion, findings: list[ClaimFinding], random: object) -> None:
    mixed = list(findings)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert decide(rule, findings)[0] == decide(rule, mixed)[0]


def moved(one: ClaimFinding, by: float) -> ClaimFinding:
    return replace(one, estimate=one.estimate + by, low=one.low + by, high=one.high + by)


@given(RULES, st.lists(FINDINGS, min_size=1, max_size=6, unique_by=lambda one: (one.part, one.role)), st.data())
def test_a_finding_that_moves_up_takes_no_support_away_and_one_that_moves_down_no_contradiction(
    rule: Criterion, findings: list[ClaimFinding], data: st.DataObject
) -> None:
    which, by = data.draw(st.integers(0, len(findings) - 1)), data.draw(st.floats(0, 0.4))
    order = ("contradicted", "inconclusive", "supported")
    before = decide(rule, findings)[0]
    changed = [moved(one, by) if number == which else one for number, one in enumerate(findings)]
    after = decide(rule, changed)[0]
    assert (before == "not tested") == (after == "not tested")  # whether something is lacking, the numbers do not decide
    if before != "not tested":
        assert order.index(after) >= order.index(before)


@given(RULES, ONE_OF_EACH)
def test_every_decision_is_one_of_four_and_has_its_reason(rule: Criterion, findings: list[ClaimFinding]) -> None:
    verdict, reason = decide(rule, findings)
    gains = [one for one in findings if one.role == GAIN]
    assert verdict in VERDICTS and reason and "\n" not in reason
    if verdict == "supported":
        assert all(one.low > 0 and one.high >= rule.margin and one.trainings >= 3 and not one.lacking for one in gains)
        over = {one.part: one.low for one in findings if one.role == OVER_DUPLICATE}
        assert not rule.over_duplicate or all(over[one.part] > 0 for one in gains)
    if verdict == "contradicted":
        below = [one.high < rule.margin for one in gains]
        assert all(below) if rule.join == UNANIMOUS else any(below)
