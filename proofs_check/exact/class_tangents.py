"""The tangent spaces of the hypothesis classes at random points, modulo a prime.

The classes say in integers where they are and where they go (``HypothesisClass.exact_point``); here that becomes
residues.
"""

from __future__ import annotations

import numpy as np

from proofs_check.exact.rank import MODULUS, Integers, Residues, product, rotation
from toyenvs.hypothesis_classes import HypothesisClass

__all__ = ["class_images", "class_point", "image_rows", "scalar_rows"]


def class_point(
    members: HypothesisClass, dim: int, rng: np.random.Generator, modulus: int = MODULUS
) -> tuple[Residues, Residues]:
    """A random member of a class, and matrices that span the tangent space there.

    Args:
        members: the class.
        dim: d, one in which the class exists.
        rng: for the member.
        modulus: a prime p.

    Returns:
        U (d, d) and tangents (b, d, d), b at least the dimension of the class: residues.

    Raises:
        ValueError: if the class has no exact tangent space.
    """
    point = members.exact_point(dim, rng)
    if point is None:
        raise ValueError(f"group: {members.name!r} has no exact tangent space")
    if point.group:
        member = rotation(point.member, modulus)
        return member, np.stack([product(member, omega, modulus) for omega in point.tangents])
    member = point.member
    if point.denominator != 1:
        member = product(member, pow(point.denominator, -1, modulus) * np.eye(dim, dtype=object), modulus)
    return member % modulus, point.tangents % modulus


def class_images(members: HypothesisClass, actions: Integers, rng: np.random.Generator) -> Residues:
    """Derivatives of the image Ua along tangent vectors that span the class's tangent space, at a random U.

    Args:
        members: the class.
        actions: integers (N, d).
        rng: for U.

    Returns:
        Residues (N, b, d), b at least the dimension of the class.

    Raises:
        ValueError: if the class has no exact tangent space.
    """
    num, dim = actions.shape
    _, tangents = class_point(members, dim, rng)
    images = product(tangents.reshape(-1, dim), actions.T)
    return np.ascontiguousarray(images.reshape(len(tangents), dim, num).transpose(2, 0, 1))


def scalar_rows(images: Residues, goals: Integers) -> Residues:
    """Derivatives of gᵀUa: images (N, b, d), goals (N, d) -> (N, b)."""
    total = (images.astype(object) * goals.astype(object)[:, None, :]).sum(-1)
    return np.asarray(total % MODULUS).astype(np.int64)


def image_rows(images: Residues) -> Residues:
    """Derivatives of Ua, one coordinate a row: images (N, b, d) -> (N·d, b)."""
    num, count, dim = images.shape
    return np.ascontiguousarray(images.transpose(0, 2, 1)).reshape(num * dim, count)
