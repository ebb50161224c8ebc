"""The report: one HTML page with everything inside it, made from the content of an output folder.

`content` collects the template's data and `sentences` puts the results into words; ``page.html.j2`` and ``page.css`` lay it
out, and ``page.js`` sorts and filters its tables, where scripts are allowed.
"""

from __future__ import annotations

import math
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paper_figures.results.runs import RunResults

__all__ = ["render_report"]


def __dir__() -> list[str]:
    return sorted(__all__)


def render_report(results: RunResults) -> str:
    """Render the report.

    Parameters
    ----------
    results : RunResults
        An output folder in which ``claims`` and ``figures`` have been run.

    Returns
    -------
    str
        An HTML page with styles, pictures and a small script inside; nothing is fetched.

    Raises
    ------
    InputError
        When claims or figures have not been made yet, or a file cannot be read.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from paper_figures import number_format as formats
    from paper_figures.report.content import collect

    environment = Environment(
        loader=PackageLoader("paper_figures", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": formats.number,
        "interval": formats.interval,
        "digits_between": formats.digits_between,
        "p_value": formats.p_value,
        "ratio": lambda log: None if log is None else math.exp(log / 2),  # of separations, from log Γ = 2 log ratio
    }
    folder = resources.files("paper_figures") / "report"
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return environment.get_template("page.html.j2").render(style=style, script=script, **collect(results))
