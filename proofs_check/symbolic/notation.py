"""How formulas are written in a derivation that is printed: γ², 1 − γ, products without stars."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import sympy

__all__ = ["written", "written_sum"]

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def _one_minus(expression: Any) -> Any:
    """The expression with x − 1 turned round: 1 − γ and 1 − γ² are what the paper's denominators hold."""
    replaced = {}
    for total in expression.atoms(sympy.Add):
        rest = total - sympy.Integer(-1)
        if total.args[0] == -1 and rest.is_positive and not rest.is_Add:
            replaced[total] = -sympy.Symbol(f"(1 − {written(rest)})", positive=True)
    return expression.xreplace(replaced)


def written(expression: Any) -> str:
    """A scalar as a line of text.

    Args:
        expression: a sympy expression.
    """
    text = str(_one_minus(sympy.sympify(expression)))
    text = re.sub(r"\*\*\(?(-?\d+)\)?(?!/)", lambda power: power.group(1).translate(_SUPERSCRIPTS), text)
    text = re.sub(r"\*\*", "^", text)
    return re.sub(r"\(\((1 − [^()]*)\)\)", r"(\1)", text).replace("*", "·").replace(" - ", " − ")


def written_sum(terms: dict[Any, Any], name: Callable[[Any], str]) -> str:
    """A formal sum of named things with scalar coefficients."""
    if not terms:
        return "0"
    text = ""
    for key in sorted(terms, key=name):
        coefficient = written(terms[key])
        sign = " − " if coefficient.startswith("-") else " + "
        coefficient = coefficient.removeprefix("-")
        plain = coefficient if re.fullmatch(r"[^ ]*|\([^()]*\)", coefficient) else f"({coefficient})"
        text += sign + (name(key) if coefficient == "1" else f"{plain}·{name(key)}")
    return text.removeprefix(" + ") if text.startswith(" + ") else "−" + text.removeprefix(" − ")
