"""The contract of a hypothesis class, for classes that are not this package's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from toyenvs.hypothesis_classes import HypothesisClass

__all__ = ["assert_hypothesis_class"]

_TOLERANCE = 1e-9
"""Of equalities, relative to the size of the parameters."""

_DRIFT = 1e-6
"""How far a retraction may end from the class: the next one corrects it, and learners project at the end."""

_STEP = 1e-4
"""Length of a retraction whose direction is looked at."""

_ALIGNED = 0.999
"""Cosine of the angle between that direction and the one that it should have: curvature takes less."""


def assert_hypothesis_class(group: HypothesisClass, dim: int, seed: int = 0) -> None:
    """What is sampled and retracted lies in the class, and steps go where the tangent vectors point.

    Checked: the shapes of ``sample``, ``project``, ``tangent``, ``retract`` and ``tangent_basis``; that ``project``
    leaves members where they are; that a retraction ends in the class; that ``tangent_basis`` is orthonormal and has as
    many matrices as ``dimension`` says; that a short step along a projected gradient goes where the basis says.

    Args:
        group: the class.
        dim: d, in which it exists.
        seed: of the points.

    Raises:
        AssertionError: naming the method, what it gives and what was expected.
    """
    name, rng = f"group {group.name}", np.random.default_rng(seed)
    members = np.stack([_array(f"sample of {name}", group.sample(dim, rng), (dim, dim)) for _ in range(3)])
    param = torch.from_numpy(members)
    size = float(param.norm())
    projected = _tensor(f"project of {name}", group.project(param), param)
    _same(f"project of {name} at a sampled member", projected, param, size)
    if group.finite:
        return
    ambient = torch.from_numpy(rng.standard_normal(members.shape))
    tangent = _tensor(f"tangent of {name}", group.tangent(param, ambient), param)
    basis = group.tangent_basis(param)
    expected = (len(param), group.dimension(dim), dim, dim)
    if tuple(basis.shape) != expected:
        raise AssertionError(
            f"tangent_basis of {name}: shape {tuple(basis.shape)}, expected {expected}: dimension({dim}) matrices"
        )
    gram = torch.einsum("bmij,bnij->bmn", basis, basis)
    identity = torch.eye(expected[1], dtype=gram.dtype).expand_as(gram)
    _same(f"tangent_basis of {name}, its inner products and the identity", gram, identity, 1.0)
    for length in (_STEP, 0.1 * min(1.0, group.max_tangent_norm)):
        step = -length * tangent / tangent.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-300)
        moved = _tensor(f"retract of {name}", group.retract(param, step), param)
        what = f"retract of {name}, a step of length {length:g}, and its projection on the class"
        _same(what, moved, group.project(moved), size, _DRIFT)
        if length == _STEP:
            # ⟨G, U⟩ falls fastest along the projection of −G on the tangent space, whatever tangent vectors look like.
            inside = torch.einsum("bmij,bm->bij", basis, torch.einsum("bmij,bij->bm", basis, ambient))
            travelled = moved - param
            cosine = -(travelled * inside).sum((-2, -1)) / (travelled.norm(dim=(-2, -1)) * inside.norm(dim=(-2, -1)))
            if not bool((cosine > _ALIGNED).all()):
                raise AssertionError(
                    f"retract of {name}: a short step along −tangent(G) has cosine {cosine.min():.4f} with the"
                    " projection of −G on tangent_basis, expected 1: tangent and retract do not fit together"
                )


def _array(what: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.shape != shape:
        found = f"shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise AssertionError(f"{what}: {found}, expected a numpy array of shape {shape}")
    return value


def _tensor(what: str, value: Any, like: Tensor) -> Tensor:
    if not isinstance(value, Tensor) or value.shape != like.shape:
        found = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise AssertionError(f"{what}: {found}, expected a tensor of shape {tuple(like.shape)}")
    return value


def _same(what: str, found: Tensor, expected: Tensor, size: float, tolerance: float = _TOLERANCE) -> None:
    difference, allowed = float((found - expected).abs().max()), tolerance * max(1.0, size)
    if not difference <= allowed:
        raise AssertionError(f"{what}: they differ by {difference:.3g}, expected at most {allowed:.1g}")
