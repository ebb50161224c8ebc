"""The claims under test, in our words from the abstracts, with criteria written down before the results that they judge.

A claim names the modules of this package that judge it; `paper_figures.claims.evaluate_claims` says what these offer. Whoever changes a
claim, a criterion, a margin or the rule raises `VERSION`, notes the change in `AMENDMENTS`, and renews `HASHES`: a test compares.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from see_in_pairs.files import content_hash

SOURCES = ("theory", "simulation", "phantom", "real")
"""Sources of evidence, each with a verdict of its own on every claim."""

MAIN_RHO = 0.9
"""Within-family correlation of the main phantom pair, and the one at which theory and simulation are judged."""

STUDY_RHO = 0.8
"""Within-family correlation of the phantom in a study of learning curves and strategies."""

LITTLE_DATA = 200
"""Most training patients that count as little data. How little is little, the abstracts do not say."""

FEW_CASES = 20
"""Training cases per class that count as little data in the learning curves of T4."""

CURVE_GRID = (25, 50, 100, 200, 500)
"""Numbers of training patients over which learning curves are compared: the mean gain depends on them."""

LEVEL = 0.05
"""Two-sided level of every test: intervals are at 95 %."""

RULE = (
    "in this order. Not tested: arms, trainings or the admissibility of the design are lacking. Contradicted: the upper end of the 95 % "
    "interval lies below the margin; 'harm' where it lies below no effect, else 'no gain worth having'. Supported: the lower end lies "
    "above no effect, the upper end is at least the margin, and, where the criterion asks for it, the lower end of pair minus duplicate "
    "lies above no effect. Inconclusive: the rest. Of several parts, 'each': all must be supported (intersection-union), and one that is "
    "contradicted contradicts (Holm over the parts, for 'harm' as well); 'unanimous': all must be supported to support, all contradicted "
    "to contradict"
)

EACH, UNANIMOUS = "each", "unanimous"
"""How several parts are joined."""


@dataclass(frozen=True)
class Criterion:
    """By what one source of evidence judges a claim.

    Parameters
    ----------
    words : str
        What is estimated, on which data, fixed by name.
    measure, unit : str
        The measure, and the unit of its estimate and margin.
    margin : float
        Smallest effect that is worth having: an interval wholly below it contradicts.
    null : float, default 0
        No effect: 0 for differences, 1 for ratios.
    trainings : int, default 3
        Fewest trainings of each trained arm; 0 where a model is judged as it comes, or nothing is trained.
    over_duplicate : bool, default True
        Whether support also needs pair minus `duplicate` above no effect.
    parts : tuple of str, optional
        Names of the parts, where they are fixed beforehand; any that is lacking leaves the claim not tested.
    join : str, default 'each'
        How several parts are joined, `EACH` or `UNANIMOUS`.
    """

    words: str
    measure: str
    unit: str
    margin: float
    null: float = 0.0
    trainings: int = 3
    over_duplicate: bool = True
    parts: tuple[str, ...] = ()
    join: str = EACH


@dataclass(frozen=True)
class Claim:
    """A claim, and what would support or contradict it.

    Parameters
    ----------
    id : str
        Its name, ``C1`` and so on.
    text : str
        What is claimed, in our words, from the abstracts.
    criteria : dict of str to Criterion
        For each source of evidence that can speak to it (a key of `SOURCES`), the criterion by which it is judged.
    judged_by : tuple of str
        Names of the modules in ``paper_figures/claims/`` with its evidence, beside ``studies``, which is used wherever a study is given.
    silent : dict of str to str
        For a source without a verdict, why it has none; the key ``''`` stands for all sources that are not named.
    """

    id: str
    text: str
    criteria: dict[str, Criterion] = field(default_factory=dict)
    judged_by: tuple[str, ...] = ()
    silent: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Amendment:
    """A change of the registry.

    Parameters
    ----------
    version : str
        The first version that has it.
    date : str
        When it was made, as in ``'2026-11-30'``.
    claims : tuple of str
        Ids of the claims that it concerns; empty where all.
    what : str
        What was changed, and why.
    """

    version: str
    date: str
    claims: tuple[str, ...]
    what: str


NO_EXPERIMENT = "no experiment on it in this version"
NO_REAL_RUN = "no folder of real runs was given (--real DIR)"
NO_MODEL = "there is no trained model to look into"

_GAIN = "AUROC(pair) minus AUROC(single) on the same items; trainings, patients and shared references random at once"
_IN_WHICH = f"phantom with references of rho {MAIN_RHO}"
_MATCHED = "references matched on demographics"


def _gain(words: str, **changes: object) -> Criterion:
    """A criterion on a gain in AUROC, with the margin of all of them."""
    settings: dict[str, object] = {"words": words, "measure": "gain in AUROC", "unit": "AUROC", "margin": 0.02}
    return Criterion(**(settings | changes))  # type: ignore[arg-type]


def _of_theory(words: str, simulated: bool = False, **changes: object) -> Criterion:
    """A criterion on closed forms, or on raw simulation alone; nothing is trained, and a duplicate shows an observer nothing (T11)."""
    of_simulation = "the same by raw simulation alone: "
    settings: dict[str, object] = {
        "words": of_simulation + words if simulated else words, "measure": "gain of the observer", "unit": "accuracy or AUROC",
        "margin": 0.02, "trainings": 0, "over_duplicate": False,
    }  # fmt: skip
    return Criterion(**(settings | changes))  # type: ignore[arg-type]


_SEPARATION: dict[str, Any] = {"measure": "ratio of separations d_a by ranks", "unit": "ratio", "margin": 1.05, "null": 1.0}
_C1_THEORY = (
    f"T1 at rho {MAIN_RHO} and d 1, two parts that are not the same: 'separation', the d_a of the optimal comparison over that of the "
    "single image; 'spread', the standard deviation between patients of the single image over that of the comparison, 1/sqrt(v(w*))"
)
_C1_AGREE = f"{_C1_THEORY}. Every row of T1, T1b and T2 must agree three ways"
_C3_THEORY = (
    f"T4 at {FEW_CASES} training cases per class or fewer, everything learned (covariance pooled): the exact error of the trained single "
    "image minus that of the trained pair, which off the shelf, nothing learned, is 0; the parts are the two representations of a pair, "
    "the built-in difference and concatenation"
)
_C4_THEORY = (
    "what the ideal observer who knows the population gains with each of the four: matched and random references (T11, a family's part "
    "unknown), retrieved ones (T7, the weakest of the checked embeddings that are not the image itself, optimal weight) and references of "
    "another site (T11, the site's offset unknown)"
)
_C5_THEORY = (
    "T4, covariance known or pooled: the exact error of the single image minus that of the pair (built-in difference, concatenation) "
    "trained on as many cases, at every checked setting that has both"
)
_STRATEGIES = ("demographic", "random", "embedding", "cross_center")

CLAIMS = (
    Claim(
        "C1",
        "Comparing with a healthy reference reduces the variation between patients.",
        {
            "theory": _of_theory(_C1_AGREE, **_SEPARATION, parts=("separation", "spread")),
            "simulation": _of_theory(_C1_THEORY, True, **_SEPARATION, parts=("separation", "spread")),
            "phantom": Criterion(
                f"d_a of the models finetuned on pairs over that of the models finetuned on the single image, {_IN_WHICH}; of a model only "
                "the separation is seen, not the spread. Not judged unless the single arm separates the classes",
                **_SEPARATION,
            ),
            "real": Criterion(f"the same, {_MATCHED}", **_SEPARATION),
        },
        judged_by=("theory_separation", "experiments"),
        silent={"real": NO_REAL_RUN},
    ),
    Claim(
        "C2",
        "Query, reference and a comparative prompt beat the single image off the shelf.",
        {
            "phantom": _gain(
                f"{_GAIN}, of the model as it is distributed (nothing is trained), {_IN_WHICH}. Not judged unless an arm is above chance",
                trainings=0,
            ),
            "real": _gain(f"the same, {_MATCHED}", trainings=0),
        },
        judged_by=("experiments",),
        silent={
            "theory": "theory bounds what an observer can gain; it says nothing of what a given model does with a prompt",
            "simulation": "simulated Gaussian scores have no prompt",
            "real": NO_REAL_RUN,
        },
    ),
    Claim(
        "C3",
        "The gain is larger after supervised finetuning, with little data.",
        {
            "phantom": _gain(
                f"the gain after finetuning on at most {LITTLE_DATA} patients minus the gain off the shelf, same items, {_IN_WHICH}; "
                f"in a study ('claims --study') the cohort of rho {STUDY_RHO}, at its largest number of patients up to {LITTLE_DATA}. Not "
                "judged where the model off the shelf is at chance: it had nothing to gain before, and any gain after is one by training"
            ),
            "real": _gain(f"the same, {_MATCHED}"),
            "theory": _of_theory(_C3_THEORY, join=UNANIMOUS),
            "simulation": _of_theory(_C3_THEORY, True, join=UNANIMOUS),
        },
        judged_by=("theory_gains", "experiments"),
        silent={"real": NO_REAL_RUN},
    ),
    Claim(
        "C4",
        "The gain holds for random, demographic-matched, embedding-retrieved and cross-center references (version 2).",
        {
            "phantom": _gain(
                f"the gain with references of each of the four strategies, {_IN_WHICH}: models finetuned on the strategy where there are "
                "such, else the models finetuned on relatives, shown the strategy. In a study where each strategy was finetuned ('claims "
                f"--study'), the cohort of rho {STUDY_RHO} at its largest number of patients",
                parts=_STRATEGIES,
            ),
            "real": _gain("the same", parts=_STRATEGIES),
            "theory": _of_theory(_C4_THEORY, parts=_STRATEGIES),
            "simulation": _of_theory(_C4_THEORY, True, parts=_STRATEGIES),
        },
        judged_by=("theory_gains", "strategies"),
        silent={"real": NO_REAL_RUN},
    ),
    Claim(
        "C5",
        "Comparison is more sample-efficient (version 2).",
        {
            "phantom": _gain(
                "a study ('claims --study'): mean of AUROC(pair) - AUROC(single) over the numbers of training patients "
                f"{', '.join(map(str, CURVE_GRID))} (the area between the learning curves), cohort of rho {STUDY_RHO}; trainings, patients "
                "and shared references random at once",
                measure="area between the learning curves",
            ),
            "real": _gain(f"the same, {_MATCHED}", measure="area between the learning curves"),
            "theory": _of_theory(_C5_THEORY, join=UNANIMOUS),
            "simulation": _of_theory(_C5_THEORY, True, join=UNANIMOUS),
        },
        judged_by=("theory_gains",),
        silent={"": "needs models finetuned on several numbers of patients: 'see-in-pairs study', then 'claims --study'"},
    ),
    Claim(
        "C6",
        "Comparison aligns visual and textual representations more tightly (version 2).",
        {
            "phantom": Criterion(
                "linear CKA (without the bias of few items) of the query's image tokens and the true answer's tokens after the last layer "
                "of the language model, the class means removed from both, pair minus duplicate: with the class means in, CKA rises with "
                "the separation of the classes and only says again that a model is right. Each model finetuned and shown its own arm, on "
                "the same items; trainings random, patients by halves. Read from the tables of 'see-in-pairs analyse alignment'",
                "residual CKA, pair minus duplicate", "linear CKA", 0.02, trainings=5, over_duplicate=False,
            ),
            "real": Criterion(
                f"the same, {_MATCHED}", "residual CKA, pair minus duplicate", "linear CKA", 0.02, trainings=5, over_duplicate=False
            ),
        },
        judged_by=("interpretability",),
        silent={"theory": NO_MODEL, "simulation": NO_MODEL, "real": NO_REAL_RUN},
    ),
    Claim(
        "C7",
        "It holds over several tasks and modalities.",
        {
            "real": _gain(
                "a study ('claims --study'): the gain at the largest number of training patients in each of its cohorts, at least two; "
                f"{_MATCHED}; trainings, patients and shared references random at once"
            )
        },
        silent={"phantom": "one phantom, one task", "": "needs several real cohorts: 'see-in-pairs study', then 'claims --study'"},
    ),
    Claim(
        "C8",
        "Attribution moves to the pathology (summaries of version 2).",
        {
            "phantom": Criterion(
                "share of the positive attribution on the lesion of diseased queries, beyond that of the same map shifted at random, minus "
                "the same on a sham place of healthy queries; pair minus single, each model finetuned and shown its own arm; trainings and "
                "patients random. The lesion's place must be random: at a fixed place a map shows position, not pathology. The parts are "
                "integrated gradients and occlusion. Read from the tables of 'see-in-pairs analyse attribution'",
                "share of the attribution", "share", 0.05, parts=("integrated_gradients", "occlusion"), join=UNANIMOUS,
            ),
            "real": Criterion(
                f"the same, {_MATCHED}, where masks exist", "share of the attribution", "share", 0.05,
                parts=("integrated_gradients", "occlusion"), join=UNANIMOUS,
            ),
        },
        judged_by=("interpretability",),
        silent={"theory": NO_MODEL, "simulation": NO_MODEL, "real": NO_REAL_RUN},
    ),
)  # fmt: skip

TUNED = (
    "The wording of the prompts, the lesion's detectability (2.0), the learning rate, the steps and the warm-up were chosen on phantoms of "
    "phantom seed 0 with fainter lesions, by whether training left the plateau of the start; their test areas had been seen. Verdicts rest "
    "on phantoms of another seed (reproduce.yaml: phantom_seed), whose test queries played no part in any choice."
)
"""What was chosen on which data."""

VERSION = "4"
AMENDMENTS = (
    Amendment(
        "2",
        "2026-11-30",
        (),
        "Margins, the order of the rule and pair minus duplicate as a condition were added: before, a claim could be contradicted only by "
        "harm, and 'supported' rested on one training an arm. At least three trainings an arm; trainings, patients and shared references "
        "random at once. Tests that must all hold are joined by intersection-union, no longer by Holm. Made after the results of version "
        "1 were known.",
    ),
    Amendment(
        "2",
        "2026-11-30",
        ("C1",),
        "d_a by ranks in place of d' of logits, which saturate (a pair's d' lay above the ideal observer's). Theory is judged at the main "
        "rho, separation and spread apart, in place of v(w*) < 1 at every rho.",
    ),
    Amendment(
        "2",
        "2026-11-30",
        ("C3",),
        f"Little data is {LITTLE_DATA} patients or fewer; not judged where the model off the shelf is at chance.",
    ),
    Amendment("2", "2026-11-30", ("C5",), "The grid 50, 100, 200, 500, 1000 is fixed: the verdict changed with the grid."),
    Amendment(
        "2",
        "2026-11-30",
        ("C6",),
        "Class means removed, duplicate as the contrast, five trainings: CKA with the class means in restated accuracy, and its sign "
        "reversed without them.",
    ),
    Amendment(
        "2", "2026-11-30", ("C8",), "Random place, sham place of healthy queries as the contrast: a fixed place shows position only."
    ),
    Amendment(
        "3", "2026-11-30", (), "Of several parts, 'harm' needs Holm's correction as well: that one of them loses is an 'any' statement."
    ),
    Amendment(
        "4",
        "2026-11-30",
        ("C5",),
        f"The grid is {', '.join(map(str, CURVE_GRID))}: few patients are what it is about, and at 1,000 the phantom's arms are near "
        "their ceilings. Made before any result on the new study's test draw was looked at.",
    ),
)  # fmt: skip

HASHES = {"2": "506ae0994b87fb62", "3": "0bf57ad8f1120f99", "4": "4a53a680b302963c"}
"""Hash of the registry by version; what was judged by an earlier one says so."""


def registry_hash() -> str:
    """Hash all that decides a verdict: claims, criteria, margins, and the rule."""
    return content_hash([RULE, LEVEL, [asdict(claim) for claim in CLAIMS]])[:16]


def amendments(claim: str) -> list[dict[str, str]]:
    """List the changes that concern a claim, the oldest first, with ``version, date, what``."""
    return [{"version": one.version, "date": one.date, "what": one.what} for one in AMENDMENTS if not one.claims or claim in one.claims]
