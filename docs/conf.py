"""Sphinx configuration. Nothing here or in the pages needs a network, neither to build nor to read."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import api

from see_in_pairs import __version__

HERE = Path(__file__).parent

# Notebooks run in processes of their own: they import this checkout, find its program, and print plain lines that fit the page.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
os.environ |= {"COLUMNS": "88", "NO_COLOR": "1", "TERM": "dumb", "HF_HUB_OFFLINE": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
os.environ["OMP_NUM_THREADS"] = "1"  # two notebooks on two cores are faster than four threads fighting over them

project = "see-in-pairs"
author = "The See-in-Pairs package authors"
copyright = "The See-in-Pairs package authors, Apache-2.0"
version = release = __version__

api.forget_pages(HERE / "reference" / "generated" / "api")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
    "matplotlib.sphinxext.plot_directive",
    "mathml",
    "computed_pages",
    "ledger",
]
exclude_patterns = ["_build", "gallery/**/*.ipynb", "_ext", "_templates", "figures", "generated/*.md", "generated/statements"]
templates_path = ["_templates"]
suppress_warnings = [
    "config.cache",  # autosummary_context holds a module
    "misc.highlighting_failure",  # a command that goes on in a second line, which the lexer of notebooks does not know
    "ref.footnote",  # a docstring may list a reference that its text does not number
]

html_theme = "pydata_sphinx_theme"
html_title = "see-in-pairs"
html_favicon = "_static/favicon.svg"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_sidebars = {"index": []}
# What stands beside a page; patterns may not overlap.
beside = {f"{part}/**": ["page-toc"] for part in ("tutorials", "how-to", "explanation", "reference", "results", "development")}
beside |= {"index": [], "install": ["page-toc"], "gallery/**": ["page-toc", "sg_download_links"]}
html_theme_options = {
    "logo": {"image_light": "_static/logo.svg", "image_dark": "_static/logo-dark.svg", "text": "see-in-pairs"},
    "header_links_before_dropdown": 8,
    "navbar_persistent": ["search-button"],  # as a symbol: the field would take a line of its own
    "navigation_with_keys": False,
    "show_prev_next": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": beside,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}

# Where the sources are is told by whoever publishes the site: SEE_IN_PAIRS_REPOSITORY=https://github.com/OWNER/NAME make docs
# links every page to its source there ('Edit on GitHub').
repository = os.environ.get("SEE_IN_PAIRS_REPOSITORY", "").removesuffix("/")
if repository:
    owner, name = repository.removeprefix("https://github.com/").split("/")
    html_context = {"github_user": owner, "github_repo": name, "github_version": "main", "doc_path": "docs"}
    html_theme_options |= {
        "use_edit_page_button": True,
        "secondary_sidebar_items": {
            page: parts if page.startswith("gallery") else [*parts, "edit-this-page"] for page, parts in beside.items()
        },
    }
html_math_renderer = "mathml"

myst_enable_extensions = ["amsmath", "attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

# Tutorials are notebooks in Markdown (kernelspec in their head). Unchanged cells come from the cache, which is emptied when a file of the
# packages changes. An error in a cell is a warning with its traceback, and so fails 'make docs'.
packages = ("see_in_pairs", "theory", "empirical", "paper_figures")
sources = [path for package in packages for path in sorted((HERE.parent / package).rglob("*.*"))]
state = hashlib.sha256(b"".join(path.read_bytes() for path in sources if path.suffix in {".py", ".yaml"})).hexdigest()[:12]
nb_execution_cache_path = str(HERE / "_build" / "notebooks" / state)
nb_execution_mode = "cache"
nb_execution_timeout = 300
nb_execution_show_tb = True
nb_execution_in_temp = True
nb_merge_streams = True

copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py",
    "subsection_order": [
        f"../examples/{name}" for name in ("theory", "simulation_studies", "phantom_and_references", "statistics", "kept_results")
    ],
    "within_subsection_order": "FileNameSortKey",
    "reset_modules": ("matplotlib", "seaborn", "gallery.house_style"),
    "image_srcset": ["2x"],
    "thumbnail_size": (400, 260),
    "reference_url": dict.fromkeys(packages),  # names in the code link to their page
    "show_signature": False,
    "show_memory": False,
    "min_reported_time": 10,
    "write_computation_times": False,
    "download_all_examples": False,
}

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
