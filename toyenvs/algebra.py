"""The few vector operations that a construction's formulas may use.

A construction writes each of its formulas once, against the functions of this module, and the same formula
then runs on torch tensors (learners), on numpy arrays (environments) and on symbols (proofs). Every function
dispatches on the type of its first argument; a new kind of vector is one ``register`` call per function:

    from toyenvs import algebra
    algebra.inner.register(MyVector)(lambda x, y: ...)

Shapes, for tensors and arrays: a *vector* is (..., d), a *scalar* is (...), a *matrix* is (..., d, d); leading
dimensions broadcast. Symbolic types are registered by ``proofs_check.symbolic.components``, so importing this module
does not import sympy.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "apply",
    "apply_transpose",
    "centred",
    "constant",
    "embed",
    "hadamard",
    "inner",
    "is_zero",
    "join",
    "largest",
    "norm",
    "ones",
    "project",
    "scale",
    "select",
    "softmax",
    "split",
]


def _unsupported(operation: str, value: Any) -> TypeError:
    return TypeError(
        f"{operation}: no vector operations are registered for {type(value).__name__}; "
        f"register them with toyenvs.algebra.{operation}.register"
    )


@singledispatch
def inner(x: Any, y: Any) -> Any:
    """Inner product xᵀy: vectors (..., d), (..., d) -> scalar (...)."""
    raise _unsupported("inner", x)


@singledispatch
def norm(x: Any) -> Any:
    """Euclidean norm ‖x‖₂: vector (..., d) -> scalar (...)."""
    raise _unsupported("norm", x)


@singledispatch
def scale(x: Any, c: Any) -> Any:
    """Scalar times vector: vector (..., d), scalar (...) or a number -> vector (..., d)."""
    raise _unsupported("scale", x)


@singledispatch
def apply(U: Any, x: Any) -> Any:
    """Matrix times vector, U x: matrix (..., d, d), vector (..., d) -> vector (..., d)."""
    raise _unsupported("apply", U)


@singledispatch
def apply_transpose(U: Any, x: Any) -> Any:
    """Transposed matrix times vector, Uᵀ x: matrix (..., d, d), vector (..., d) -> vector (..., d)."""
    raise _unsupported("apply_transpose", U)


@singledispatch
def hadamard(x: Any, y: Any) -> Any:
    """Coordinate by coordinate product: vectors (..., d), (..., d) -> vector (..., d)."""
    raise _unsupported("hadamard", x)


@singledispatch
def centred(x: Any) -> tuple[Any, Any]:
    """Measure coordinates from near the largest: vector (..., d) -> vector x − c (..., d), scalar c (...).

    For formulas in which the choice of the constant c makes no difference but to rounding. Tensors and arrays have
    the largest coordinate, held constant; symbols, which are not rounded, have c = 0.
    """
    raise _unsupported("centred", x)


@singledispatch
def softmax(x: Any, temperature: Any) -> Any:
    """Weights e^(x_i/τ) / Σ_j e^(x_j/τ), which sum to 1: vector (..., d), number τ > 0 -> vector (..., d)."""
    raise _unsupported("softmax", x)


@singledispatch
def largest(x: Any) -> Any:
    """The largest coordinate: vector (..., d) -> scalar (...). Of several, a tensor's gradient is shared equally."""
    raise _unsupported("largest", x)


@singledispatch
def split(x: Any) -> tuple[Any, Any]:
    """Halves of a stacked vector: (..., 2d) -> (..., d), (..., d)."""
    raise _unsupported("split", x)


@singledispatch
def join(x: Any, y: Any) -> Any:
    """Stack two vectors: (..., d), (..., d) -> (..., 2d); the leading dimensions broadcast."""
    raise _unsupported("join", x)


@singledispatch
def project(x: Any, k: int) -> Any:
    """The first k coordinates, Px: vector (..., d) -> vector (..., k), 1 ≤ k ≤ d."""
    raise _unsupported("project", x)


@singledispatch
def embed(x: Any, d: int) -> Any:
    """Append zeros, Pᵀx, the transpose of :func:`project`: vector (..., k) -> vector (..., d), d ≥ k."""
    raise _unsupported("embed", x)


@singledispatch
def ones(x: Any) -> Any:
    """The vector 1 = (1, …, 1) of the shape of another: vector (..., d) -> vector (..., d)."""
    raise _unsupported("ones", x)


@singledispatch
def constant(x: Any, values: Sequence[Any]) -> Any:
    """A known vector, of the kind of another: vector (..., d), d numbers -> vector that broadcasts with it.

    For known drifts and weights: ``observation + constant(observation, [1, 0, 2])``. Whole numbers and fractions are
    exact in every arithmetic; the decimals of a float are taken as written.
    """
    dim = len(values)
    sum_so_far = scale(ones(x), values[-1])
    for k in range(1, dim):  # of vectors (1, …, 1, 0, …, 0), which every kind of vector can make
        sum_so_far = sum_so_far + scale(embed(project(ones(x), k), dim), values[k - 1] - values[k])
    return sum_so_far


@singledispatch
def is_zero(x: Any) -> Any:
    """Whether every coordinate is exactly 0: vector (..., d) -> boolean (...)."""
    raise _unsupported("is_zero", x)


def select(condition: Any, x: Any, y: Any) -> Any:
    """Take x where the condition holds and y elsewhere.

    Args:
        condition: boolean (...), as made by :func:`is_zero`; a plain bool selects one of the two whole.
        x: scalar (...) or vector (..., d).
        y: of the same kind as x.
    """
    if isinstance(condition, bool):
        return x if condition else y
    return _select(condition, x, y)


@singledispatch
def _select(condition: Any, x: Any, y: Any) -> Any:
    kind = type(condition).__name__
    raise TypeError(f"select: a condition is a bool, or a boolean array or tensor as is_zero makes it, not {kind}")


def _trailing(condition: Any, x: Any) -> Any:
    """Give a boolean (...) a trailing axis when it selects vectors (..., d)."""
    return condition[..., None] if x.ndim > condition.ndim else condition


# --- torch ------------------------------------------------------------------------------------------------


@inner.register
def _(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum(-1)


@norm.register
def _(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, dim=-1)


@scale.register
def _(x: Tensor, c: Tensor | float) -> Tensor:
    return x * (c[..., None] if isinstance(c, Tensor) else c)


@apply.register
def _(U: Tensor, x: Tensor) -> Tensor:
    return _torch_rows_times(x, U.mT, U)


@apply_transpose.register
def _(U: Tensor, x: Tensor) -> Tensor:
    return _torch_rows_times(x, U, U)


def _torch_rows_times(x: Tensor, right: Tensor, U: Tensor) -> Tensor:
    """Each row of x times ``right``: one matrix product a trial where a parameter serves many rows.

    A parameter of shape (B, 1, d, d) against rows (B, N, d) is the learners' case; multiplied as it stands it
    would be B·N separate matrix-vector products.
    """
    if U.ndim >= 3 and U.shape[-3] == 1 and x.ndim >= 2:
        return x @ right.squeeze(-3)
    return (x[..., None, :] @ right)[..., 0, :]


@hadamard.register
def _(x: Tensor, y: Tensor) -> Tensor:
    return x * y


@centred.register
def _(x: Tensor) -> tuple[Tensor, Tensor]:
    top = x.detach().amax(-1)
    return x - top[..., None], top


@softmax.register
def _(x: Tensor, temperature: float) -> Tensor:
    # Measured from the largest before it is divided: a small temperature cannot overflow. A constant shift does not
    # change the weights, so it needs no gradient.
    return torch.softmax((x - x.detach().amax(-1, keepdim=True)) / temperature, -1)


@largest.register
def _(x: Tensor) -> Tensor:
    return x.amax(-1)


@split.register
def _(x: Tensor) -> tuple[Tensor, Tensor]:
    half = x.shape[-1] // 2
    return x[..., :half], x[..., half:]


@join.register
def _(x: Tensor, y: Tensor) -> Tensor:
    return torch.cat(torch.broadcast_tensors(x, y), dim=-1)


@project.register
def _(x: Tensor, k: int) -> Tensor:
    return x[..., :k]


@embed.register
def _(x: Tensor, d: int) -> Tensor:
    return torch.nn.functional.pad(x, (0, d - x.shape[-1]))


@ones.register
def _(x: Tensor) -> Tensor:
    return torch.ones_like(x)


@constant.register
def _(x: Tensor, values: Sequence[Any]) -> Tensor:
    return x.new_tensor([float(value) for value in values])


@is_zero.register
def _(x: Tensor) -> Tensor:
    return (x == 0).all(-1)


@_select.register
def _(condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return torch.where(_trailing(condition, x), x, y)


# --- numpy ------------------------------------------------------------------------------------------------


@inner.register
def _(x: np.ndarray, y: np.ndarray) -> Any:
    return (x * y).sum(-1)


@norm.register
def _(x: np.ndarray) -> Any:
    return np.linalg.norm(x, axis=-1)


@scale.register
def _(x: np.ndarray, c: Any) -> np.ndarray:
    return np.asarray(x * np.asarray(c)[..., None])


@apply.register
def _(U: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.asarray((U @ x[..., None])[..., 0])


@apply_transpose.register
def _(U: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.asarray((np.swapaxes(U, -1, -2) @ x[..., None])[..., 0])


@hadamard.register
def _(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return x * y


@centred.register
def _(x: np.ndarray) -> tuple[np.ndarray, Any]:
    top = x.max(-1)
    return x - top[..., None], top


@softmax.register
def _(x: np.ndarray, temperature: float) -> np.ndarray:
    weights = np.exp((x - x.max(-1, keepdims=True)) / temperature)
    return np.asarray(weights / weights.sum(-1, keepdims=True))


@largest.register
def _(x: np.ndarray) -> Any:
    return x.max(-1)


@split.register
def _(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    half = x.shape[-1] // 2
    return x[..., :half], x[..., half:]


@join.register
def _(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.concatenate(np.broadcast_arrays(x, y), axis=-1)


@project.register
def _(x: np.ndarray, k: int) -> np.ndarray:
    return x[..., :k]


@embed.register
def _(x: np.ndarray, d: int) -> np.ndarray:
    return np.concatenate([x, np.zeros((*x.shape[:-1], d - x.shape[-1]))], axis=-1)


@ones.register
def _(x: np.ndarray) -> np.ndarray:
    return np.ones_like(x)


@constant.register
def _(x: np.ndarray, values: Sequence[Any]) -> np.ndarray:
    return np.array(values, dtype=object if x.dtype == object else np.float64)


@is_zero.register
def _(x: np.ndarray) -> Any:
    return (x == 0).all(-1)


@_select.register(np.ndarray)
@_select.register(np.bool_)
def _(condition: Any, x: Any, y: Any) -> Any:
    return np.where(_trailing(condition, np.asarray(x)), x, y)
