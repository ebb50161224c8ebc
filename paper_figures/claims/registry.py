"""The claims under test, in our words from the abstracts, with criteria written down before any result was seen.

A claim names the modules of this package that judge it; `paper_figures.claims.evaluate_claims` says what these offer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SOURCES = ("theory", "simulation", "phantom", "real")
"""Sources of evidence, each with a verdict of its own on every claim."""

MAIN_RHO = 0.9
"""Within-family correlation of the phantom arm named in advance."""

SIMULATED_RHO = 0.3
"""Smallest |rho| at which raw simulation must show fewer errors; below it the predicted gain is too small to be seen."""

FEW_CASES = 20
"""Training cases per class that count as little data in the learning curves of T4."""

LEVEL = 0.05
"""Largest Holm-adjusted p-value of a verdict that is not 'inconclusive'."""

RULE = (
    f"supported: the estimate is above 0 and its Holm-adjusted p is at most {LEVEL}; "
    f"contradicted: below 0 and p at most {LEVEL}; else inconclusive"
)


@dataclass(frozen=True)
class Claim:
    """A claim, and what would support or contradict it.

    Parameters
    ----------
    id : str
        Its name in the ledger, ``C1`` and so on.
    text : str
        What is claimed, in our words, from the abstracts.
    criteria : dict of str to str
        For each source of evidence that can speak to it (a key of `SOURCES`), the criterion by which it is judged.
    judged_by : tuple of str
        Names of the modules in ``paper_figures/claims/`` with its evidence, beside ``studies``, which is used wherever a study is given.
    silent : dict of str to str
        For a source without a verdict, why it has none; the key ``''`` stands for all sources that are not named.
    """

    id: str
    text: str
    criteria: dict[str, str] = field(default_factory=dict)
    judged_by: tuple[str, ...] = ()
    silent: dict[str, str] = field(default_factory=dict)


NO_EXPERIMENT = "no experiment on it in this version"
NO_REAL_RUN = "no folder of real runs was given (--real DIR)"
NO_MODEL = "there is no trained model to look into"

_AUROC = "AUROC(pair) less AUROC(single) on the same items, clustered DeLong over patients"

CLAIMS = (
    Claim(
        "C1",
        "Comparing with a healthy reference reduces the variation between patients.",
        {
            "theory": "every row of T1, T1b and T2 agrees three ways, and the variance of the optimal comparison v(w*) = 1 - rho^2 "
            "is below 1 at every checked rho other than 0",
            "simulation": "in raw simulation the optimal comparison makes fewer errors than the single image at every checked "
            f"|rho| of {SIMULATED_RHO} or more, each by more than the bound on z at family-wise level {LEVEL}",
            "phantom": f"log separation ratio 2 log(d'_pair / d'_single) of the finetuned models, references with rho {MAIN_RHO}; "
            "bootstrap over patients; the single arm must separate the classes at all",
            "real": "the same with references matched on demographics",
        },
        judged_by=("theory_separation", "experiments"),
        silent={"real": NO_REAL_RUN},
    ),
    Claim(
        "C2",
        "Query, reference and a comparative prompt beat the single image off the shelf.",
        {
            "phantom": f"{_AUROC}, model not finetuned, references with rho {MAIN_RHO}; the better arm must beat chance (lower "
            "end above 0.5)",
            "real": f"{_AUROC}, model not finetuned, references matched on demographics; the better arm must beat chance",
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
            "phantom": "gain AUROC(pair) - AUROC(single) after finetuning less the same gain off the shelf, on the same items; "
            "bootstrap over "
            f"patients; references with rho {MAIN_RHO}. How little data is little, the abstracts do not say: the number is reported. "
            "Not counted as support where the model off the shelf has random weights: it could gain nothing before. Where a study is given "
            "('claims --study'), the same at its largest number of training patients, with training seeds as a random factor",
            "real": "the same with references matched on demographics",
            "theory": f"T4 at {FEW_CASES} training cases per class or fewer, everything learned (covariance pooled): the exact error of "
            "the trained single image less that of the trained pair, which off the shelf, nothing learned, is 0. Supported where it is "
            "above 0 for the built-in difference and for concatenation at every checked setting, contradicted where it is below 0 for "
            "both at every one, else inconclusive",
            "simulation": f"the same from raw simulation, each by more than the bound on z at family-wise level {LEVEL}",
        },
        judged_by=("theory_gains", "experiments"),
        silent={"real": NO_REAL_RUN},
    ),
    Claim(
        "C4",
        "The gain holds for random, demographic-matched, embedding-retrieved and cross-center references (version 2).",
        {
            "phantom": "the gain of each of the four strategies is above 0 (Holm over the four); one strategy below 0 contradicts. Where a "
            "study of all four is given ('claims --study'), the same with training seeds as a random factor",
            "real": "the same",
            "theory": "what the ideal observer who knows the population gains with each of the four: matched and random references (T11, "
            "a family's part unknown), retrieved ones (T7, the weakest of the checked embeddings that are not the image itself, optimal "
            "weight) and references of another site (T11, the site's offset unknown). Supported where each gains, contradicted where one "
            "gains nothing or loses",
            "simulation": f"the same from raw simulation: supported where each gain exceeds the bound on z at family-wise level {LEVEL}, "
            "contradicted where one is below 0 by it, else inconclusive",
        },
        judged_by=("theory_gains", "strategies"),
        silent={"real": NO_REAL_RUN},
    ),
    Claim(
        "C5",
        "Comparison is more sample-efficient (version 2).",
        {
            "phantom": "a study ('claims --study'): mean over the numbers of training patients of AUROC(pair) - AUROC(single), references "
            "matched; training seeds and patients are random factors. The gain at each number stands in the reason",
            "real": "the same",
            "theory": "T4: at every checked setting, covariance known or pooled, the exact error of the trained pair (built-in difference, "
            "concatenation) is below that of the single image trained on as many cases. Contradicted where it never is, else inconclusive",
            "simulation": f"the same from raw simulation, each by more than the bound on z at family-wise level {LEVEL}",
        },
        judged_by=("theory_gains",),
        silent={"": "needs models finetuned on several numbers of patients: 'see-in-pairs study', then 'claims --study'"},
    ),
    Claim(
        "C6",
        "Comparison aligns visual and textual representations more tightly (version 2).",
        {
            "phantom": "linear CKA (without the bias of few items) of the query's image tokens and the true answer's tokens after the last "
            "layer of the language model, pair less single, each model finetuned and shown its own arm, on the same items; interval from "
            "halves of the patients. Read from the tables of 'see-in-pairs analyse alignment' in the folder's analysis/",
            "real": "the same with references matched on demographics",
        },
        judged_by=("interpretability",),
        silent={"theory": NO_MODEL, "simulation": NO_MODEL, "real": NO_REAL_RUN},
    ),
    Claim(
        "C7",
        "It holds over several tasks and modalities.",
        {
            "real": "a study ('claims --study'): AUROC(pair) - AUROC(single) at the largest number of training patients, references "
            "matched, training seeds and patients as random factors, is above 0 on each of several cohorts (Holm over cohorts); below 0 "
            "on one contradicts"
        },
        silent={"phantom": "one phantom, one task", "": "needs several real cohorts: 'see-in-pairs study', then 'claims --study'"},
    ),
    Claim(
        "C8",
        "Attribution moves to the pathology (summaries of version 2).",
        {
            "phantom": "share of the positive attribution on the lesion's mask less that of the same map shifted at random, pair less "
            "single, each model finetuned and shown its own arm, mean over the same positive items; bootstrap over patients. Above 0 by "
            "integrated gradients and by occlusion supports (below by both contradicts, else inconclusive), and in the pair arm more than "
            "by chance must lie on the lesion. Read from the tables of 'see-in-pairs analyse attribution' in the folder's analysis/",
            "real": "the same with references matched on demographics, where masks exist",
        },
        judged_by=("interpretability",),
        silent={"theory": NO_MODEL, "simulation": NO_MODEL, "real": NO_REAL_RUN},
    ),
)
