"""What the API pages show: the names that packages export."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
from functools import cache
from pathlib import Path

PACKAGES = (
    "theory", "theory.statements", "theory.sweeps", "theory.sweeps.performance", "empirical", "paper_figures", "paper_figures.statistics",
    "paper_figures.comparison", "paper_figures.plotting", "see_in_pairs",
)  # fmt: skip
"""The packages that have a page."""


GROUPS: dict[str, list[tuple[str, str, str]]] = {
    "see_in_pairs": [
        ("Configs", "Read the YAML file of a command; its keys are the fields of a class.", "load_config StrictConfig"),
        ("Errors", "What a command reports as one line, and as exit code 2 or 1.", "InputError CheckFailed"),
    ],
    "theory": [
        ("Statements", "A closed-form value, and the check that closed form, symbolic form and simulation agree.",
         "value statement all_statements Statement Quantity verify statements"),
        ("Plan patients", "How many patients show the expected gain, from a correlation, from variance components or from a pilot.",
         "plan_study power_curve Correlation known_components pilot Pilot StudyDesign Separations Expected"),
        ("Ideal observers", "What no model can exceed on images of known covariance.",
         "PairedModel hotelling Detectability scanning Scanning"),
        ("Observers from samples", "What linear observers learn from images seen through a few channels, with intervals.",
         "channel_profiles learn ChannelizedObserver detectability gain ObserverEstimate"),
        ("Variance components", "What patients, references and seeds contribute to the spread of logits.",
         "crossed_components nested_components VarianceComponents"),
        ("Simulation studies", "The engine for repeated simulation.", "sweeps"),
    ],
    "theory.statements": [
        ("Find and compute", "A statement by its id, and a value of one of its quantities.", "value statement all_statements"),
        ("What a statement is", "A statement holds quantities, and each quantity has named parameters.", "Statement Quantity"),
    ],
    "theory.sweeps": [
        ("Design and run", "A design in YAML or Python, run in blocks of replicates.", "Study run packaged_studies"),
        ("Pieces", "Register what generates data, what analyses them, and what is true.", "generator method estimand"),
        ("Results", "Read what was simulated, measure the methods, and run one replicate again.",
         "read_results Results replay performance"),
    ],
    "theory.sweeps.performance": [
        ("Measure", "Performance measures with their Monte Carlo standard errors.", "performance Table"),
        ("Plan replicates", "How many replicates reach a Monte Carlo standard error.", "replicates_needed replicates_from_pilot"),
    ],
    "empirical": [
        ("Cohorts", "Images with what is known about them: read, imported, or made as a phantom.",
         "Cohort CohortInfo import_cohort make_phantom PhantomConfig LesionConfig Shares PhantomTruth insert_lesions InsertConfig"),
        ("References and arms", "Which healthy image stands beside a query, and what the model is shown.",
         "choose_references ReferenceConfig Assignment ARMS ArmConfig assign_references build_examples PromptConfig"),
        ("Models", "Load a vision-language model, check it, finetune it.",
         "load_vlm ModelConfig VisionLanguageModel diagnose Diagnosis finetune FinetuneConfig pretrain PretrainConfig"),
        ("Scores", "Score a model on held-out items, and read and write the records.",
         "evaluate evaluate_with_reports EvaluateConfig read_records write_records Records crossed_scores CrossedConfig"),
    ],
    "paper_figures": [
        ("Compare arms", "Every paired test of two arms, from arrays or from tables of scores.",
         "compare_arms compare_tables Comparison comparison statistics"),
        ("Outputs of commands", "Read what an output folder holds, judge the claims, write the report.",
         "RunResults evaluate_claims Ledger Claim CLAIMS render_report ReproduceConfig StudyConfig"),
        ("Figures of your own records", "On your own axes; each function returns them.",
         "plot_auroc plot_roc plot_flip_table plot_balance plot_learning_curve plotting"),
        ("Figures of the report", "Draw them, and save a figure with its origin inside.",
         "draw_figure FIGURES save_figure read_provenance Provenance check_figure"),
    ],
    "paper_figures.comparison": [
        ("Compare", "From arrays, or from tables of scores, files or not.", "compare_arms compare_tables"),
        ("Result", "What both return.", "Comparison"),
    ],
    "paper_figures.plotting": [
        ("Scores", "Of records, of a table with `item_id`, `label` and `score`, or of the file that holds them.",
         "plot_auroc plot_roc plot_flip_table"),
        ("References", "How similar queries and references are.", "plot_balance"),
        ("Training studies", "What more training patients bring.", "plot_learning_curve"),
    ],
    "paper_figures.statistics": [
        ("AUROC of two arms", "Areas under correlated ROC curves; `clustered_auroc_difference` is the one for items of patients.",
         "delong clustered_delong clustered_auroc_difference two_way_delong auroc_permutation partial_auroc roc_bands"),
        ("AUROC, adjusted", "Areas among comparable patients, and what references alone give away.",
         "within_stratum_auroc covariate_adjusted_auroc estimate_leak"),
        ("Accuracy of independent items", "Two paired proportions.",
         "mcnemar paired_difference cochran_q conditional_logit multinomial_bootstrap"),
        ("Accuracy of items of patients", "Two paired proportions whose items are correlated within clusters.",
         "clustered_difference two_way obuchowski yang durkalski gee gee_interaction sign_flip"),
        ("Every measure", "The paired bootstrap over clusters.", "paired_bootstrap"),
        ("Operating points", "What a paper on a diagnostic test reports.",
         "measures_at_threshold measures_at_specificity flip_table net_benefit"),
        ("Several trainings or readers", "Readers or training seeds crossed with cases (MRMC).",
         "mrmc random_factors_contrast procedure procedure_auroc procedure_contrast reader_agreement"),
        ("Equivalence and families of tests", "Differences that would not matter, and p-values of several tests.",
         "equivalence tost holm benjamini_hochberg"),
        ("Plan a study", "Power and numbers of patients.", "patients_needed paired_power patients_for planned_power ContrastVariance"),
    ],
}  # fmt: skip
"""What a page shows, by package: heading, one sentence, and the names below it. Together they are the package's ``__all__``."""


def members(module: str) -> list[str]:
    """The directives that document what a module exports, by group; what a package below it exports too is documented there, and linked.

    A module without groups (one of a statement) exports the public functions and classes that it defines.
    """
    if module not in GROUPS:
        return _directives(module, _exported(module))
    lines = []
    for heading, sentence, names in GROUPS[module]:
        lines += [heading, "-" * len(heading), "", sentence, "", *_directives(module, names.split())]
    return lines


def page_names(module: str) -> list[str]:
    """The names that the page of a package documents."""
    return [name for _, _, names in GROUPS[module] for name in names.split()]


def _directives(module: str, names: list[str]) -> list[str]:
    lines = []
    for name in names:
        value = getattr(importlib.import_module(module), name)
        homes = [package for package in PACKAGES if package.startswith(f"{module}.") and name in _exported(package)]
        if inspect.ismodule(value):
            lines.append(f"* :py:mod:`{module}.{name}`: a package with a page of its own.")
        elif homes:
            lines.append(f"* :py:obj:`{homes[-1]}.{name}`")
        elif inspect.isclass(value):
            lines += [f".. autoclass:: {module}.{name}", "   :members:"]
        elif callable(value):
            lines.append(f".. autofunction:: {module}.{name}")
        else:
            lines += [f".. py:data:: {module}.{name}", "", *(f"   {line}" for line in _comment(module, name))]
        lines.append("")
        shown = [] if homes else [page for page, used in gallery_uses() if any(one is value for one in used)]
        if shown:
            lines += ["In the gallery: " + "; ".join(f":doc:`/{page}`" for page in shown), ""]
    return lines


@cache
def gallery_uses() -> list[tuple[str, list[object]]]:
    """Page of each example of the gallery, and the functions and classes of our packages that it imports."""
    root, ours, found = Path(__file__).resolve().parents[2], {package.partition(".")[0] for package in PACKAGES}, []
    for path in sorted((root / "examples").glob("*/plot_*.py")):
        used = [
            getattr(importlib.import_module(node.module), alias.name)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in ours
            for alias in node.names
        ]
        page = Path("gallery") / path.relative_to(root / "examples").with_suffix("")
        found.append((page.as_posix(), [one for one in used if inspect.isclass(one) or inspect.isroutine(one)]))
    return found


def _exported(module: str) -> list[str]:
    loaded = importlib.import_module(module)
    if hasattr(loaded, "__all__"):
        return [name for name in loaded.__all__ if not name.startswith("__")]
    defined = {name: value for name, value in vars(loaded).items() if getattr(value, "__module__", "") == module and name[0] != "_"}
    return [name for name, value in defined.items() if inspect.isclass(value) or inspect.isfunction(value)]


def _comment(module: str, name: str) -> list[str]:
    """The text below an assignment, found by following the imports from a package down to the module that assigns."""
    from sphinx.pycode import ModuleAnalyzer

    analyzer = ModuleAnalyzer.for_module(module)
    analyzer.analyze()
    if ("", name) in analyzer.attr_docs:
        return analyzer.attr_docs["", name]
    for node in ast.walk(ast.parse(analyzer.code)):
        if isinstance(node, ast.ImportFrom) and node.module and name in [alias.name for alias in node.names]:
            return _comment(node.module, name)
    return []


def forget_pages(folder: Path) -> None:
    """Remove the pages of modules that have none any more: Sphinx would warn about them."""
    for page in folder.glob("*.rst"):
        if page.stem not in PACKAGES and not (page.stem.startswith("theory.statements.") and _exists(page.stem)):
            page.unlink()


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it is gone, too
        return False
