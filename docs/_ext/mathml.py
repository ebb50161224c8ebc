"""Formulas as MathML, which browsers show by themselves: Sphinx's default fetches a script from the network whenever a page is read."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

LONG = 40
"""Letters of LaTeX from which a formula in a sentence may be wider than a phone, and then scrolls."""


# What docutils does not know of the LaTeX that docstrings use, said in what it knows.
SPELLINGS = (
    (re.compile(r"\\(begin|end)\{(?:align|equation|gather|split)\*?\}"), r"\\\1{aligned}"),
    (re.compile(r"\{\\rm\s+([^{}]*)\}"), r"{\\mathrm{\1}}"),
    (re.compile(r"\\([bB]igg?)(?![a-zA-Z])"), r"\\\1l"),
    (re.compile(r"\\([dt]?frac)\s*(\d)\s*(\d)"), r"\\\1{\2}{\3}"),
    (re.compile(r"\\dots(?![a-zA-Z])"), r"\\ldots"),
    (re.compile(r"\\texttt(?![a-zA-Z])"), r"\\mathtt"),
    (re.compile(r"\\iff(?![a-zA-Z])"), r"\\Leftrightarrow"),
    (re.compile(r"\\stackrel(?![a-zA-Z])"), r"\\overset"),
)


def render(node: nodes.math | nodes.math_block, as_block: bool) -> str:
    """A formula as MathML; its LaTeX source, with a warning, where it cannot be understood."""
    source = node.astext().strip()
    for pattern, spelling in SPELLINGS:
        source = pattern.sub(spelling, source)
    if as_block and r"\\" in source and r"\begin" not in source:
        source = rf"\begin{{aligned}}{source}\end{{aligned}}"
    try:
        return tex2mathml(source, as_block=as_block)
    except MathError as error:
        logger.warning("formula not understood (%s): %s", error, source, location=node)
        return f"<code>{html.escape(source)}</code>"


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    long = len(node.astext()) > LONG
    translator.body.append(f'<span class="math-long">{render(node, False)}</span>' if long else render(node, False))
    raise nodes.SkipNode


def visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{render(node, as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
