"""Householder reflections I − 2vvᵀ, ‖v‖ = 1: the projective space of their axes ±v.

Tangent vectors are ambient matrices wvᵀ + vwᵀ with w ⊥ v: the axis moves by −w/2. In the Frobenius metric the
geodesics are those along which v runs through a great circle.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from toyenvs.hypothesis_classes.base import HypothesisClass
from toyenvs.hypothesis_classes.exact import ExactPoint, random_integers

__all__ = ["Householder"]


class Householder(HypothesisClass):
    """Reflections I − 2vvᵀ; connected, determinant −1; dimension d − 1; samples have v uniform on the sphere."""

    name = "householder"
    label = r"I - 2vv^\top"
    orthogonal = True

    @override
    def dimension(self, dim: int) -> int:
        return dim - 1

    @override
    def gradient_count(self, dim: int) -> int:
        return 1

    @override
    def sample(self, dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
        self.require(dim)
        axis = rng.standard_normal(dim)
        axis /= np.linalg.norm(axis)
        return np.eye(dim) - 2 * np.outer(axis, axis)

    @override
    def exact_point(self, dim: int, rng: np.random.Generator) -> ExactPoint:
        # Normals v_0 e_i − v_i e_0 of an axis v with v_0 > 0.
        axis = random_integers(rng, dim)
        axis[0] = 1 + abs(axis[0])
        identity = np.eye(dim, dtype=np.int64)
        normals = axis[0] * identity[1:] - np.outer(axis[1:], identity[0])
        tangents = np.array([np.outer(u, axis) + np.outer(axis, u) for u in normals])
        square = int(axis @ axis)
        return ExactPoint(tangents, square * identity - 2 * np.outer(axis, axis), square)

    @override
    def tangent(self, param: Float[Tensor, "*b d d"], ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        axis = _axis(param)
        half = _outer(_across(axis, ambient), axis)
        return half + half.mT

    @override
    def retract(self, param: Float[Tensor, "*b d d"], tangent: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        # The axis v goes straight to v − w/2 and back on the sphere: it turns by atan ‖w/2‖, which is ‖w/2‖ to
        # second order and never more than a quarter turn, so a step of any length is sound.
        axis = _axis(param)
        return _reflection(axis - _across(axis, tangent) / 2)

    @override
    def project(self, ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        # ‖A − I + 2vvᵀ‖² depends on v through 4vᵀAv: v is where the symmetric part's quadratic form is least.
        _, vectors = torch.linalg.eigh((ambient + ambient.mT) / 2)
        return _reflection(vectors[..., :, 0])

    @override
    def tangent_basis(self, param: Float[Tensor, "b d d"]) -> Float[Tensor, "b M d d"]:
        axis = _axis(param)
        # The reflection that takes the first unit vector to ∓v, the sign that cancels nothing, takes the others
        # to an orthonormal basis of what is normal to v.
        mirror = axis.clone()
        mirror[:, 0] += torch.where(axis[:, 0] < 0, -1.0, 1.0)
        normals = _reflection(mirror)[:, :, 1:].mT
        half = _outer(normals, axis[:, None]) / 2**0.5
        return half + half.mT


def _outer(first: Float[Tensor, "*#b d"], second: Float[Tensor, "*#b d"]) -> Float[Tensor, "*b d d"]:
    return first[..., :, None] * second[..., None, :]


def _axis(param: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d"]:
    """The unit vector v of I − 2vvᵀ, with a sign that does not matter."""
    projector = (torch.eye(param.shape[-1], dtype=param.dtype, device=param.device) - param) / 2
    # Column j is v_j·v; the largest of them cannot be short.
    longest = projector.diagonal(dim1=-2, dim2=-1).argmax(-1)
    column = torch.take_along_dim(projector, longest[..., None, None], dim=-1)[..., 0]
    return column / torch.linalg.vector_norm(column, dim=-1, keepdim=True)


def _across(axis: Float[Tensor, "*b d"], ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d"]:
    """The vector w = (I − vvᵀ)Sv with the symmetric part S: the tangent part of ``ambient`` is wvᵀ + vwᵀ."""
    image = ((ambient + ambient.mT) @ axis[..., None])[..., 0] / 2
    return image - (image * axis).sum(-1, keepdim=True) * axis


def _reflection(mirror: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d d"]:
    """I − 2vvᵀ/‖v‖² for a vector of any length but 0."""
    axis = mirror / torch.linalg.vector_norm(mirror, dim=-1, keepdim=True)
    return torch.eye(mirror.shape[-1], dtype=mirror.dtype, device=mirror.device) - 2 * _outer(axis, axis)
