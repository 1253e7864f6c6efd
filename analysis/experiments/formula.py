"""Predictions as formulas: "max(d - 1, D//K + 1)", as they stand in preset files.

Only arithmetic is evaluated, by a library made for untrusted expressions: a preset cannot run anything.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simpleeval import InvalidExpression, SimpleEval

from analysis.tasks.setting import ConfigError, Setting
from proofs_check.theory import predicted_threshold, projected_threshold

__all__ = ["FUNCTIONS", "VARIABLES", "Formula", "Theory", "order_of_growth"]

VARIABLES: dict[str, Callable[[Setting], float]] = {
    "d": lambda setting: setting.dim,
    "D": lambda setting: setting.dim * (setting.dim - 1) // 2,
    "K": lambda setting: setting.relabels,
    "T": lambda setting: setting.steps_per_goal,
    "k": lambda setting: setting.dim if setting.goal_dim is None else setting.goal_dim,
    "sigma": lambda setting: setting.noise,
    "alpha": lambda setting: setting.alpha,
}
"""What a formula may speak of: d, D = d(d−1)/2, K goals a transition, T steps a goal, goals of dimension k, σ, α."""

FUNCTIONS: dict[str, Callable[..., float]] = {
    "max": max,
    "min": min,
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "log": math.log,
}
"""The functions of a formula; operators are those of Python, with ``//`` for whole quotients."""


_LARGEST = 1e15
"""A count of transitions beyond this is a mistake in typing."""

_NEARLY_WHOLE = 0.03
"""Slopes at d = 256 of d − 1, D + 1 and the like differ from their order by less."""

_LONGEST = 200
"""Characters of a formula: deeply nested ones would exhaust the parser."""

_ARITHMETIC = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Constant, ast.operator, ast.unaryop, ast.Load)
"""What a formula is made of. Comparisons, attributes and statements are no part of one."""


def _parsed(text: str) -> ast.expr:
    """The expression, before anything of it is evaluated.

    Raises:
        SyntaxError: if it is none, or not arithmetic.
        ValueError: if Python cannot read the characters.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about literals that are odd, but read
        expression = ast.parse(text.strip(), mode="eval").body
    for node in ast.walk(expression):
        if isinstance(node, ast.BitXor):
            raise SyntaxError("a power is written **, not ^")
        if not isinstance(node, _ARITHMETIC):
            raise SyntaxError(f"{type(node).__name__} is not arithmetic")
    return expression


def order_of_growth(predict: Callable[[int], float | None]) -> float | None:
    """The power of d that a prediction grows with: its slope between two large d, to a whole number if near.

    Args:
        predict: d -> the prediction; None where there is none.
    """
    low, high = predict(2**8), predict(2**9)
    if low is None or high is None:
        return None
    slope = math.log2(high / low)
    return float(round(slope)) if abs(slope - round(slope)) < _NEARLY_WHOLE else slope


@dataclass(frozen=True)
class Formula:
    """A positive number as a function of a setting.

    Attributes:
        text: the formula.
        argument: where it stands, for error messages.
    """

    text: str
    argument: str = "predicted"

    @property
    def name(self) -> str:
        """The formula as the laws of growth are named: d^2, not d**2."""
        return self.text.replace("**", "^")

    def __call__(self, setting: Setting) -> float:
        """The value.

        Raises:
            ConfigError: if the text is no formula of the variables, or its value no positive number.
        """
        known = f"expected arithmetic with {', '.join(VARIABLES)} and {', '.join(FUNCTIONS)}"
        if len(self.text) > _LONGEST:
            raise ConfigError(self.argument, f"{self.text[:20]}…", f"expected at most {_LONGEST} characters")
        names = {name: value(setting) for name, value in VARIABLES.items()}
        try:
            value: Any = SimpleEval(names=names, functions=FUNCTIONS).eval(self.text, _parsed(self.text))
        except (InvalidExpression, SyntaxError, ArithmeticError, ValueError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(self.argument, self.text, f"{known} ({reason})") from None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LARGEST:
            shown = repr(value) if len(str(value)) < 30 else "far larger"
            allowed = f"expected a positive number <= {_LARGEST:g}, and it is {shown}"
            raise ConfigError(self.argument, self.text, allowed)
        return value


@dataclass(frozen=True)
class Theory:
    """The prediction of :mod:`proofs_check.theory`, where there is one."""

    text: str = "theory"

    def __call__(self, setting: Setting) -> float | None:
        """The smallest N that determines U; None where theory is silent."""
        plain = (setting.goals, setting.actions, setting.noise, setting.count) == (
            "independent",
            "ball",
            0.0,
            "transitions",
        )
        if not plain or setting.method not in ("descent", "minimiser"):
            return None
        if setting.goal_dim is not None and setting.goal_dim < setting.dim:
            usual = setting.group == "so" and (setting.relabels, setting.steps_per_goal) == (1, 1)
            learner = "reengage" if setting.learner == "gradient-only" else setting.learner
            return projected_threshold(learner, setting.dim, setting.goal_dim) if usual else None
        return predicted_threshold(
            setting.construction,
            setting.group,
            setting.learner,
            setting.dim,
            steps_per_goal=setting.steps_per_goal,
            goals_per_transition=setting.relabels,
        )
