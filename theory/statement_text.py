"""A statement in words, for ``theory show``: assumptions and formulas from docstrings, parameters, a command for each quantity."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import textwrap
from typing import Any

from theory.statements.base import Quantity, Statement
from theory.statements.parameters import REQUIRED, Parameter

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "Delta": "Δ", "epsilon": "ε", "varepsilon": "ε", "eta": "η", "kappa": "κ",
    "lambda": "λ", "mu": "μ", "nu": "ν", "pi": "π", "rho": "ρ", "sigma": "σ", "Sigma": "Σ", "tau": "τ", "phi": "φ",
    "varphi": "φ", "Phi": "Φ",
    "chi": "χ",
    "psi": "ψ", "omega": "ω", "theta": "θ", "Gamma": "Γ", "Lambda": "Λ", "Omega": "Ω", "infty": "∞", "sum": "Σ", "int": "∫",
    "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈", "pm": "±", "times": "×", "cdot": "·", "sim": "~",
    "to": "→", "in": "in", "top": "T", "mid": "|", "propto": "∝", "partial": "∂", "perp": "⊥", "max": "max", "min": "min", "log": "log",
    "exp": "exp", "quad": "  ", "qquad": "    ", "dots": "...", "ldots": "...", "cdots": "...", "ell": "ℓ", "prime": "'", "circ": "∘",
}  # fmt: skip
FONTS = ("mathrm", "text", "mathbf", "boldsymbol", "operatorname", "mathcal", "mathbb", "bar", "overline", "dfrac")
ACCENTS = {"hat": "\u0302", "tilde": "\u0303", "bar": "\u0304", "widehat": "\u0302"}


def describe(statement: Statement) -> dict[str, Any]:
    """Everything that ``theory show`` says about a statement, as plain values; formulas in LaTeX, as in the docstrings."""
    from theory.statements import modules_of

    return {
        "statement": statement.id,
        "title": statement.title,
        "summary": statement.summary,
        "assumptions": inspect.cleandoc(modules_of(statement.id)[0].__doc__ or "").partition("\n\n")[2].strip(),
        "quantities": [
            {
                "name": quantity.name,
                "summary": quantity.summary,
                "formula": _formula(quantity),
                "parameters": [_parameter(parameter) for parameter in quantity.parameters],
                "example": example(statement, quantity),
            }
            for quantity in statement.quantities
        ],
    }


def _formula(quantity: Quantity) -> str:
    """What the closed form's docstring says before its examples, where there is a formula in it."""
    words = inspect.cleandoc(quantity.closed_form.__doc__ or "").partition("\n\n")[0]
    return " ".join(words.split()) if ":math:" in words else ""


def _parameter(parameter: Parameter) -> dict[str, Any]:
    required = parameter.default is REQUIRED
    found = {"name": parameter.name, "type": parameter.expected, "required": required, "meaning": parameter.meaning}
    return found if required else found | {"default": parameter.default}


def example(statement: Statement, quantity: Quantity) -> str:
    """A command that computes a quantity, at one of the points where it is checked.

    Examples
    --------
    >>> from theory.statements import statement
    >>> example(statement("T1"), statement("T1").quantity("auc"))
    'see-in-pairs theory value T1 auc d=1.0 rho=0.5 rule=optimal'
    """
    words = [
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in quantity.points[len(quantity.points) // 2].items()
    ]
    return shlex.join(["see-in-pairs", "theory", "value", statement.id, quantity.name, *words]).replace("'='", "=")


def format_description(content: dict[str, Any], width: int = 88) -> str:
    """The description for a person, formulas in letters and signs of the terminal."""
    lines = [f"{content['statement']}  {content['title']}", *textwrap.wrap(content["summary"], width), "", "Assumptions and model", ""]
    lines += [plain_formulas(line) for line in content["assumptions"].replace(".. math:: ", "    ").replace(".. math::", "").splitlines()]
    for one in content["quantities"]:
        lines += ["", f"{one['name']}: {one['summary']}"]
        lines += textwrap.wrap(plain_formulas(one["formula"]), width, initial_indent="  ", subsequent_indent="  ")
        for parameter in one["parameters"]:
            default = "" if parameter["required"] else "; optional" if parameter["default"] is None else f"; default {parameter['default']}"
            lines += textwrap.wrap(
                f"{parameter['name']:<12} {parameter['meaning']} ({parameter['type']}{default})", width,
                initial_indent="    ", subsequent_indent=" " * 17, break_on_hyphens=False,
            )  # fmt: skip
        lines.append(f"  $ {one['example']}")
    return "\n".join(lines)


def plain_formulas(text: str) -> str:
    r"""Write reStructuredText with LaTeX as it is read on a terminal.

    Examples
    --------
    >>> plain_formulas(r"AUROC: :math:`\Phi\Big(\frac{d}{\sqrt{v_0+v_1}}\Big)`")
    'AUROC: Φ((d)/(√(v_0+v_1)))'
    """
    text = re.sub(r":(?:math|py:\w+|func|class|mod):`([^`]*)`", r"\1", text)
    text = re.sub(r"(?<![*\w])\*(\w+)\*(?!\*)", r"\1", text).replace("`", "").replace("\\rm ", "")
    text = re.sub(r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|tfrac12)(?![a-z])", lambda m: "1/2" if "12" in m[0] else "", text)
    inner = r"\{((?:[^{}]|\{[^{}]*\})*)\}"  # with one level of braces inside; the loop takes the rest from within
    for _ in range(6):
        before = text
        text = re.sub(r"\\[dt]?frac(\d)(\d|\w)(?!\w)", r"\1/\2", text)
        text = re.sub(r"\\[dt]?frac (\w)\s?(\w)", r"\1/\2", text)
        text = re.sub(rf"\\[dt]?frac{inner}{inner}", r"(\1)/(\2)", text)
        text = re.sub(rf"\\[dt]?frac(\w){inner}", r"\1/(\2)", text)
        text = re.sub(rf"\\[dt]?frac{inner}(\w)", r"(\1)/\2", text)
        text = re.sub(rf"\\sqrt{inner}", r"√(\1)", text)
        text = re.sub(r"\\sqrt\s*(\w)", r"√\1", text)
        text = re.sub(rf"\\({'|'.join(ACCENTS)})(?:{inner}|\s*(\\?\w+?)(?![a-z]))", _accent, text)
        text = re.sub(rf"\\(?:{'|'.join(FONTS)})\s*{inner}", r"\1", text)
        if text == before:
            break
    text = re.sub(r"\\([A-Za-z]+)", lambda found: GREEK.get(found[1], found[1]), text)
    text = re.sub(r"\\[,;:! ]", " ", text).replace("\\\\", "").replace("\\", "")
    text = re.sub(r"\((\w)\)/\((\w)\)", r"\1/\2", text)
    text = re.sub(r"([_^])\{(\w)\}", r"\1\2", text)
    return re.sub(r"([_^])\{([^{}]*)\}", r"\1(\2)", text).replace("{", "").replace("}", "")


def _accent(found: re.Match[str]) -> str:
    letter = found[2] or found[3]
    return (GREEK.get(letter[1:], letter) if letter.startswith("\\") else letter) + ACCENTS[found[1]]
