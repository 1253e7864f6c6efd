"""Predictions as formulas: "max(d - 1, D//K + 1)", as they stand in preset files.

Only arithmetic is evaluated, by a library made for untrusted expressions: a preset cannot run anything.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from simpleeval import InvalidExpression, SimpleEval

from analysis.errors import ConfigError
from analysis.tasks import Task
from proofs_check.theory import predicted_count, predicted_threshold, projected_threshold

__all__ = ["FUNCTIONS", "VARIABLES", "Formula", "Prediction", "Theory", "order_of_growth"]

VARIABLES = ("d", "D", "K", "T", "k", "sigma", "alpha")
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

_FAR = (240, 15)
"""Dimensions between which and their doubles growth is asked; many numbers divide 240, so most classes exist there."""

_NEARLY_WHOLE = 0.03
"""Slopes at d = 240 of d − 1, D + 1 and the like differ from their order by less."""

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


class Prediction(Protocol):
    """What is predicted of a task, at its own dimension or at another one, where the task need not exist."""

    @property
    def text(self) -> str:
        """As it is written in files."""

    def __call__(self, task: Task, dim: int | None = None) -> float | None:
        """A positive number; None where nothing is predicted."""


def order_of_growth(predict: Callable[[int], float | None]) -> float | None:
    """The power of d that a prediction grows with: its slope between two large d, to a whole number if near.

    Where the prediction is too large a number out there (2**d), it is asked nearer by.

    Args:
        predict: d -> the prediction; None where there is none.

    Returns:
        The order, which may be 0; None where nothing is predicted.
    """
    for low in _FAR:
        first, second = predict(low), predict(2 * low)
        if first is not None and second is not None:
            slope = math.log2(second / first)
            return float(round(slope)) if abs(slope - round(slope)) < _NEARLY_WHOLE else slope
    return None


@dataclass(frozen=True)
class Formula:
    """A positive number as a function of the letters of a task.

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

    def __call__(self, task: Task, dim: int | None = None) -> float:
        """The value for a task; raises as :meth:`value`."""
        return self.value(task.letters(dim))

    def value(self, letters: Mapping[str, float]) -> float:
        """The value.

        Args:
            letters: what the formula may speak of, such as {"d": 8, "D": 28}.

        Raises:
            ConfigError: if the text is no formula of the letters, or its value no positive number.
        """
        known = f"expected arithmetic with {', '.join(letters)} and {', '.join(FUNCTIONS)}"
        if len(self.text) > _LONGEST:
            raise ConfigError(self.argument, f"{self.text[:20]}…", f"expected at most {_LONGEST} characters")
        try:
            value: Any = SimpleEval(names=dict(letters), functions=FUNCTIONS).eval(self.text, _parsed(self.text))
        except (InvalidExpression, SyntaxError, ArithmeticError, ValueError, TypeError, AttributeError) as error:
            reason = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
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

    def __call__(self, task: Task, dim: int | None = None) -> float | None:
        """The smallest N that determines U; None where theory is silent."""
        known = task.described
        plain = {"goals": "independent", "actions": "ball", "noise": 0.0, "count": "transitions"}
        if any(known.get(name) != value for name, value in plain.items()):
            return None
        if known["method"] not in ("descent", "global-solver"):
            return None
        d = task.dim if dim is None else dim
        construction, group, learner = (str(known[name]) for name in ("construction", "group", "learner"))
        goals, steps = int(known["relabels"] or 1), int(known["steps_per_goal"] or 1)
        if (goal_dim := known["goal_dim"]) is not None and int(goal_dim) < d:
            if group != "so" or (goals, steps) != (1, 1):
                return None
            return projected_threshold(learner, d, int(goal_dim))
        predict = predicted_threshold if dim is None else predicted_count  # the class need not exist far out
        return predict(construction, group, learner, d, steps_per_goal=steps, goals_per_transition=goals)
