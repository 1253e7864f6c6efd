"""How two numbers are compared, and what is said when they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from toyenvs.constructions.base import Construction

__all__ = ["MismatchError", "assert_close", "describe", "first_excess", "largest", "matrix", "pair", "vector"]


class MismatchError(AssertionError):
    """Two values that should be equal and are not.

    Args:
        quantity: what was compared, in words.
        values: both values, each with its name.
        index: of the entry: the trial, then the transition where there is one.
    """

    def __init__(self, quantity: str, values: str, index: tuple[int, ...]) -> None:
        super().__init__(f"{quantity}: {values}")
        self.quantity = quantity
        self.values = values
        self.index = index


def describe(construction: Construction) -> str:
    """A construction as one would write it down; its own ``repr`` if it has one."""
    if type(construction).__repr__ is not object.__repr__:
        return repr(construction)
    return f"{type(construction).__name__}(dim={construction.dim}, discount={construction.discount})"


def pair(first: float, second: float) -> tuple[str, str]:
    """Both numbers with six digits, or as many more as it takes to see that they differ."""
    for digits in range(6, 18):
        texts = f"{first:.{digits}g}", f"{second:.{digits}g}"
        if float(texts[0]) != float(texts[1]):
            more = min(digits + (2 if digits > 6 else 0), 17)
            return f"{first:.{more}g}", f"{second:.{more}g}"
    return repr(first), repr(second)


def vector(values: Any) -> str:
    """A vector as one would type it, four digits a coordinate."""
    return "[" + ", ".join(f"{float(x) + 0:.4g}" for x in np.atleast_1d(np.asarray(values))) + "]"


def matrix(values: Any, indent: int) -> str:
    """A matrix as one would type it, a row a line; rows after the first are indented."""
    return "[" + (",\n" + " " * (indent + 1)).join(vector(row) for row in values) + "]"


def largest(*values: Tensor) -> Float[Tensor, " b"]:
    """Each trial's largest absolute value: the scale against which its rounding errors are small."""
    # What is not finite is left to the comparison, which then says where it is.
    return torch.stack([value.detach().nan_to_num(0, 0, 0).abs().flatten(1).amax(1) for value in values]).amax(0)


def first_excess(excess: Tensor) -> tuple[int, ...] | None:
    """Where ``excess`` is largest, if it is positive (or not a number) anywhere."""
    wrong = ~(excess <= 0)
    if not bool(wrong.any()):
        return None
    worst = int(torch.where(wrong, excess.nan_to_num(nan=torch.inf, posinf=torch.inf), -torch.inf).argmax())
    return tuple(int(i) for i in np.unravel_index(worst, tuple(excess.shape)))


def assert_close(
    quantity: str,
    axes: Sequence[str],
    named: tuple[str, Tensor],
    other: tuple[str, Tensor],
    allowed: Float[Tensor, " b"],
) -> None:
    """Compare two tensors entry by entry.

    Args:
        quantity: what both are.
        axes: names of the axes after trial and transition, for the message.
        named: the first one's name and values, (B, ...).
        other: the second one's.
        allowed: largest difference in each trial.

    Raises:
        MismatchError: naming the quantity and both values, if they differ or have different shapes.
    """
    (first_name, first), (second_name, second) = named, other
    if first.shape != second.shape:
        shapes = f"two values of different shapes, {tuple(first.shape)} and {tuple(second.shape)}"
        raise MismatchError(quantity, shapes, ())
    limit = allowed.reshape(-1, *[1] * (first.ndim - 1))
    index = first_excess((first - second).abs() - limit)
    if index is None:
        return
    texts = pair(float(first[index]), float(second[index]))
    inner = [f"{axis} {i}" for axis, i in zip(axes, index[len(index) - len(axes) :], strict=True)] if axes else []
    place = f" ({', '.join(inner)})" if inner else ""
    raise MismatchError(
        quantity,
        f"{first_name} {texts[0]}, {second_name} {texts[1]}{place}; allowed difference {float(allowed[index[0]]):.1e}",
        index[: len(index) - len(axes)],
    )
