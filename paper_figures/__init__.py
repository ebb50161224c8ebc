"""What links theory and experiment: paired statistics, studies over training seeds, claims and their verdicts, figures, the report.

`statistics` has the tests and `comparison` runs them on two arms; `study` trains grids of models, `results` reads the output of runs,
`claims` judges them, `figures`, `sweep_plots`, `plotting` and `report` show them. `error_rates` simulates how often the tests reject.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from see_in_pairs.lazy import lazy_exports

if TYPE_CHECKING:
    from paper_figures import comparison, plotting, statistics
    from paper_figures.claims import CLAIMS, Claim, Ledger, evaluate_claims
    from paper_figures.comparison import Comparison, compare_arms, compare_tables
    from paper_figures.figures import FIGURES, draw_figure
    from paper_figures.plotting.from_records import plot_auroc, plot_balance, plot_flip_table, plot_learning_curve, plot_roc
    from paper_figures.plotting.provenance import Provenance, read_provenance, save_figure
    from paper_figures.plotting.staleness import check_figure
    from paper_figures.report import render_report
    from paper_figures.reproduce import ReproduceConfig
    from paper_figures.results.runs import RunResults
    from paper_figures.study.config import StudyConfig

__all__ = [
    "CLAIMS", "FIGURES", "Claim", "Comparison", "Ledger", "Provenance", "ReproduceConfig", "RunResults", "StudyConfig", "check_figure",
    "compare_arms", "compare_tables", "comparison", "draw_figure", "evaluate_claims", "plot_auroc", "plot_balance", "plot_flip_table",
    "plot_learning_curve", "plot_roc", "plotting", "read_provenance", "render_report", "save_figure", "statistics",
]  # fmt: skip

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "claims": ["CLAIMS", "Claim", "Ledger", "evaluate_claims"],
        "comparison": ["Comparison", "compare_arms", "compare_tables"],
        "figures": ["FIGURES", "draw_figure"],
        "plotting.from_records": ["plot_auroc", "plot_balance", "plot_flip_table", "plot_learning_curve", "plot_roc"],
        "plotting.provenance": ["Provenance", "read_provenance", "save_figure"],
        "plotting.staleness": ["check_figure"],
        "report": ["render_report"],
        "reproduce": ["ReproduceConfig"],
        "results.runs": ["RunResults"],
        "study.config": ["StudyConfig"],
    },
    ["comparison", "plotting", "statistics"],
)
