"""Figures of one's own records, and what all figures share.

`from_records` draws AUROC, ROC curves, flips, balance and learning curves on one's own axes. `style` is the look of all figures,
`provenance` saves them with their origin inside, `staleness` checks whether that has changed; `comparison`, `plan` and `study_size` are the
figures of ``compare``, ``plan`` and the sizes of a study.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from see_in_pairs.lazy import lazy_exports

if TYPE_CHECKING:
    from paper_figures.plotting.from_records import plot_auroc, plot_balance, plot_flip_table, plot_learning_curve, plot_roc

__all__ = ["plot_auroc", "plot_balance", "plot_flip_table", "plot_learning_curve", "plot_roc"]

__getattr__, __dir__ = lazy_exports(
    __name__, {"from_records": ["plot_auroc", "plot_balance", "plot_flip_table", "plot_learning_curve", "plot_roc"]}
)
