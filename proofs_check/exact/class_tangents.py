"""The tangent spaces of the hypothesis classes at random points, modulo a prime.

A class is differentiated where :mod:`toyenvs.hypothesis_classes` samples it, but in exact arithmetic: a random member U
and matrices that span the tangent space there, as residues.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from proofs_check.exact.rank import MODULUS, Integers, Residues, product, random_integers, random_skew, rotation

__all__ = ["class_images", "class_point", "has_tangents", "image_rows", "scalar_rows"]

_BOUND = 9999
"""Of the integers behind a random member: few enough of them would often make a special one."""

_Tangents = Callable[[int, np.random.Generator, int], "_Point"]
"""d, randomness and the modulus."""

_Point = tuple[Residues | None, Residues]
"""A member U, None where the tangents are the same everywhere and span the class, and the tangents (b, d, d)."""


def _units(dim: int) -> Residues:
    """E_ij, row by row: (d², d, d)."""
    return np.eye(dim * dim, dtype=np.int64).reshape(dim * dim, dim, dim)


def _skew_units(dim: int) -> Residues:
    units = _units(dim).reshape(dim, dim, dim, dim)
    first, second = np.triu_indices(dim, 1)
    return np.asarray(units[first, second] - units[second, first])


def _moved(U: Residues, omegas: Residues, modulus: int) -> _Point:
    """U, and UΩ for every Ω."""
    return U, np.stack([product(U, omega, modulus) for omega in omegas])


def _all_matrices(dim: int, rng: np.random.Generator, modulus: int) -> _Point:
    return None, _units(dim)


def _symmetric_units(dim: int) -> Residues:
    units = _units(dim).reshape(dim, dim, dim, dim)
    first, second = np.triu_indices(dim)
    return np.asarray(units[first, second] + units[second, first])


def _symmetric(dim: int, rng: np.random.Generator, modulus: int) -> _Point:
    return None, _symmetric_units(dim)


def _rotations(dim: int, rng: np.random.Generator, modulus: int) -> _Point:
    return _moved(rotation(random_skew(rng, dim, _BOUND), modulus), _skew_units(dim), modulus)


def _blocks(block: int) -> _Tangents:
    def tangents(dim: int, rng: np.random.Generator, modulus: int) -> _Point:
        mask = np.kron(np.eye(dim // block, dtype=np.int64), np.ones((block, block), dtype=np.int64))
        omegas = np.array([omega for omega in _skew_units(dim) if (omega * mask).any()])
        return _moved(rotation(random_skew(rng, dim, _BOUND) * mask, modulus), omegas, modulus)

    return tangents


def _unitary(dim: int, rng: np.random.Generator, modulus: int) -> _Point:
    half = dim // 2

    def realified(real: Integers, imaginary: Integers) -> Integers:
        return np.block([[real, -imaginary], [imaginary, real]])

    zero = np.zeros((half, half), dtype=np.int64)
    skew = realified(random_skew(rng, half, _BOUND), np.asarray(_random_symmetric(rng, half)))
    omegas = [realified(omega, zero) for omega in _skew_units(half)] if half > 1 else []
    omegas += [realified(zero, symmetric) for symmetric in _symmetric_units(half)]
    return _moved(rotation(skew, modulus), np.array(omegas), modulus)


def _random_symmetric(rng: np.random.Generator, dim: int) -> Residues:
    upper = np.triu(random_integers(rng, dim, dim, bound=_BOUND))
    return upper + upper.T


def _householder(dim: int, rng: np.random.Generator, modulus: int) -> _Point:
    # At I − 2vvᵀ/‖v‖² the tangent vectors are, up to a factor, uvᵀ + vuᵀ with u ⊥ v.
    v = random_integers(rng, dim, bound=_BOUND)
    v[0] = 1 + abs(v[0])
    normals = [v[0] * np.eye(dim, dtype=np.int64)[i] - v[i] * np.eye(dim, dtype=np.int64)[0] for i in range(1, dim)]
    share = 2 * pow(int(v @ v), -1, modulus) % modulus
    U = (np.eye(dim, dtype=np.int64) - np.outer(v, v) % modulus * share % modulus) % modulus
    return U, np.array([np.outer(u, v) + np.outer(v, u) for u in normals])


def _diagonal(dim: int, rng: np.random.Generator, modulus: int) -> _Point:
    return None, np.stack([np.diag(row) for row in np.eye(dim, dtype=np.int64)])


def _circulant(dim: int, rng: np.random.Generator, modulus: int) -> _Point:
    return None, np.stack([np.roll(np.eye(dim, dtype=np.int64), k, axis=0) for k in range(dim)])


def _low_rank(rank: int) -> _Tangents:
    def tangents(dim: int, rng: np.random.Generator, modulus: int) -> _Point:
        # At LR the tangent vectors are ER + LF; these span them, with p² redundant ones.
        left, right = random_integers(rng, dim, rank, bound=_BOUND), random_integers(rng, rank, dim, bound=_BOUND)
        units = np.eye(dim * rank, dtype=np.int64)
        varied = [unit.reshape(dim, rank) @ right for unit in units]
        varied += [left @ unit.reshape(rank, dim) for unit in units]
        return left @ right, np.array(varied)

    return tangents


_TANGENTS: dict[str, _Tangents] = {
    "so": _rotations,
    "o": _rotations,
    "all": _all_matrices,
    "symmetric": _symmetric,
    "so2-blocks": _blocks(2),
    "so3-blocks": _blocks(3),
    "unitary": _unitary,
    "householder": _householder,
    "diagonal": _diagonal,
    "circulant": _circulant,
    "rank-1": _low_rank(1),
    "rank-2": _low_rank(2),
}


def has_tangents(name: str) -> bool:
    """Whether a class of that name has its tangent spaces here."""
    return name in _TANGENTS


def class_point(name: str, dim: int, rng: np.random.Generator, modulus: int) -> tuple[Residues, Residues]:
    """A random member of a class, and matrices that span the tangent space there.

    Args:
        name: of a hypothesis class, not of a finite one.
        dim: d, one in which the class exists.
        rng: for the member.
        modulus: a prime p.

    Returns:
        U (d, d) and tangents (b, d, d), b at least the dimension of the class: residues.

    Raises:
        ValueError: if the class has no tangent space here.
    """
    if name not in _TANGENTS:
        raise ValueError(f"name: {name!r} is not one of {', '.join(_TANGENTS)}")
    member, tangents = _TANGENTS[name](dim, rng, modulus)
    if member is None:
        member = np.einsum("bij,b->ij", tangents, random_integers(rng, len(tangents), bound=_BOUND))
    return member % modulus, tangents % modulus


def class_images(name: str, actions: Integers, rng: np.random.Generator) -> Residues:
    """Derivatives of the image Ua along tangent vectors that span the class's tangent space, at a random U.

    Args:
        name: of :data:`proofs_check.theory.CLASS_COUNTS`; "permutation" has no tangents.
        actions: integers (N, d).
        rng: for U.

    Returns:
        Residues (N, b, d), b at least the dimension of the class.

    Raises:
        ValueError: if the class has no tangent space here.
    """
    num, dim = actions.shape
    if name == "translation":  # s' = s + a + t: the same for every action
        return np.broadcast_to(np.eye(dim, dtype=np.int64), (num, dim, dim)).copy()
    if name not in _TANGENTS:
        raise ValueError(f"name: {name!r} is not translation or one of {', '.join(_TANGENTS)}")
    _, tangents = _TANGENTS[name](dim, rng, MODULUS)
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
