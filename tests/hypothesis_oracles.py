"""Every hypothesis class once more: parametrised, and its members told from others, with nothing of the package."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch
from numpy.typing import NDArray
from torch import Tensor

from toyenvs.hypothesis_classes import (
    HYPOTHESIS_CLASSES,
    hypothesis_class,
)

Array = NDArray[np.float64]

SMOOTH = [name for name in HYPOTHESIS_CLASSES if name != "permutation"]
GROUPS = ["so", "o", "so2-blocks", "so3-blocks", "unitary"]
EMBEDDED = [name for name in SMOOTH if name not in GROUPS]

by_class = pytest.mark.parametrize("name", HYPOTHESIS_CLASSES)
by_smooth_class = pytest.mark.parametrize("name", SMOOTH)


def some_dims(name: str) -> list[int]:
    """Two dimensions in which the class exists, the smallest among them."""
    return {"so3-blocks": [3, 6], "so2-blocks": [2, 6], "unitary": [2, 6], "rank-2": [3, 5]}.get(name, [2, 5])


by_case = pytest.mark.parametrize(("name", "dim"), [(name, dim) for name in SMOOTH for dim in some_dims(name)])


def sample(name: str, dim: int, count: int, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.stack([hypothesis_class(name).sample(dim, rng) for _ in range(count)]))


def gaussian(*shape: int, seed: int = 1) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def exponential(skew: Tensor) -> Tensor:
    return torch.linalg.matrix_exp(skew)


def parametrisation(name: str, dim: int, rng: np.random.Generator) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """A smooth map from vectors on (a piece of) the class, and a point in general position to look at it.

    None of them is taken from the code under test; some have more parameters than degrees of freedom.
    """

    def skew(x: Tensor, size: int) -> Tensor:
        square = x.reshape(size, size)
        return square - square.mT

    def point(count: int) -> Tensor:
        return torch.from_numpy(rng.standard_normal(count))

    if name in ("so", "o"):
        reflection = torch.eye(dim, dtype=torch.float64)
        reflection[0, 0] = -1.0 if name == "o" else 1.0
        return lambda x: reflection @ exponential(skew(x, dim)), point(dim**2)
    if name.endswith("-blocks"):
        size = int(name[2])
        return (
            lambda x: torch.block_diag(*(exponential(skew(part, size)) for part in x.split(size**2))),
            point(dim * size),
        )
    if name == "unitary":
        half = dim // 2

        def unitary(x: Tensor) -> Tensor:
            real = skew(x[: half**2], half)
            imaginary = x[half**2 :].reshape(half, half)
            imaginary = imaginary + imaginary.mT
            return exponential(torch.cat((torch.cat((real, -imaginary), 1), torch.cat((imaginary, real), 1)), 0))

        return unitary, 0.5 * point(2 * half**2)
    if name == "householder":
        return lambda x: torch.eye(dim, dtype=torch.float64) - 2 * torch.outer(x, x) / (x @ x), point(dim)
    if name == "all":
        return lambda x: x.reshape(dim, dim), point(dim**2)
    if name == "symmetric":
        return lambda x: x.reshape(dim, dim) + x.reshape(dim, dim).mT, point(dim**2)
    if name == "diagonal":
        return torch.diag, point(dim)
    if name == "circulant":
        index = torch.from_numpy(scipy.linalg.circulant(np.arange(dim)))
        return lambda x: x[index], point(dim)
    rank = int(name.removeprefix("rank-"))
    # Orthonormal factors at the point: all singular values 1, so curvature does not blow up differences.
    factors = [np.linalg.qr(rng.standard_normal((dim, rank)))[0] for _ in range(2)]
    return (
        lambda x: x[: dim * rank].reshape(dim, rank) @ x[dim * rank :].reshape(dim, rank).mT,
        torch.from_numpy(np.concatenate([factor.ravel() for factor in factors])),
    )


def tangent_frame(name: str, dim: int, seed: int = 0) -> tuple[Tensor, Array]:
    """A member (d, d) and an orthonormal basis (d², M) of the tangent space there, from the parametrisation."""
    function, at = parametrisation(name, dim, np.random.default_rng(seed))
    jacobian = torch.autograd.functional.jacobian(function, at).reshape(dim * dim, -1).numpy()
    left, values, _ = np.linalg.svd(jacobian)
    rank = int((values > 1e-9 * values[0]).sum())
    return function(at).detach(), left[:, :rank]


def strangeness(name: str, param: Array) -> float:
    """How far a matrix is from satisfying the equations of the class, relative to its size; 0 for members."""
    dim = len(param)
    identity = np.eye(dim)

    def defect(matrix: Array) -> float:
        return float(np.abs(matrix.T @ matrix - np.eye(len(matrix))).max())

    if name == "o":
        return defect(param)
    if name == "so":
        return max(defect(param), abs(float(np.linalg.det(param)) - 1))
    if name.endswith("-blocks"):
        size = int(name[2])
        blocks = [param[k : k + size, k : k + size] for k in range(0, dim, size)]
        outside = float(np.abs(param - scipy.linalg.block_diag(*blocks)).max())
        return max(outside, *(max(defect(block), abs(float(np.linalg.det(block)) - 1)) for block in blocks))
    if name == "unitary":
        i = np.kron([[0.0, -1.0], [1.0, 0.0]], np.eye(dim // 2))  # multiplication by the imaginary unit
        return max(defect(param), float(np.abs(i @ param - param @ i).max()))
    if name == "householder":  # a reflection whose mirror is a hyperplane
        return max(defect(param), float(np.abs(param - param.T).max()), abs(float(np.trace(param)) - (dim - 2)))
    if name == "permutation":
        sums = np.concatenate([param.sum(0), param.sum(1)])
        return float(not (np.isin(param, (0, 1)).all() and (sums == 1).all()))
    size_ = float(np.abs(param).max())
    if name == "all":
        return float(not np.isfinite(param).all())
    if name == "symmetric":
        return float(np.abs(param - param.T).max()) / size_
    if name == "diagonal":
        return float(np.abs(param * (1 - identity)).max()) / size_
    if name == "circulant":
        return float(np.abs(param - scipy.linalg.circulant(param[:, 0])).max()) / size_
    rank = int(name.removeprefix("rank-"))
    values = np.linalg.svd(param, compute_uv=False)
    assert values[rank - 1] > 0
    return float(values[rank] / values[0])


def strangest(name: str, params: Tensor) -> float:
    return max(strangeness(name, param) for param in params.numpy())
