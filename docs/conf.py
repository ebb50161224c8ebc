"""Sphinx configuration. Nothing here or in the pages needs a network, neither to build nor to read."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import api

from see_in_pairs import __version__

project = "see-in-pairs"
author = "The See-in-Pairs package authors"
copyright = "The See-in-Pairs package authors, Apache-2.0"
version = release = __version__

api.forget_pages(Path(__file__).parent / "generated" / "api")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinxcontrib.bibtex",
    "matplotlib.sphinxext.plot_directive",
    "mathml",
    "computed_pages",
    "ledger",
]
exclude_patterns = ["_build", "_ext", "_templates", "figures", "generated/*.md", "generated/statements"]
templates_path = ["_templates"]
suppress_warnings = [
    "config.cache",  # autosummary_context holds a module
    "ref.footnote",  # a docstring may list a reference that its text does not number
]

html_theme = "pydata_sphinx_theme"
html_title = "see-in-pairs"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_sidebars = {"index": []}
html_theme_options = {
    "header_links_before_dropdown": 8,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
html_math_renderer = "mathml"

myst_enable_extensions = ["amsmath", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"
bibtex_reference_style = "author_year"

plot_basedir = str(Path(__file__).parent)
plot_formats = [("svg", 100)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = False

default_role = "autolink"
rst_prolog = r".. |z| replace:: \|z\|"  # docstrings write the absolute value of z so, which reST takes for a substitution
autosummary_generate = True
autosummary_context = {"api": api}
autodoc_typehints = "none"  # the Parameters section says it, with shapes and units
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_validation_checks = {"PR02", "RT01", "SS05"}  # what the linter cannot see in the syntax tree: fields of dataclasses, properties
numpydoc_validation_exclude = {
    r"^theory\.statements\.\w+\.",  # not exported: linked from the statements' pages, documented in a line or two
    r"\.[A-Z]\w*\.[a-z_]\w*$",  # methods and properties of exported classes: a line says what they return
}
nitpick_ignore = [("py:class", "theory.numerics.montecarlo.ProportionTally")]  # the default of a field of Quantity
nitpick_ignore_regex = [("py:obj", ".*")]  # single backticks; the roles that the pages write out stay checked
