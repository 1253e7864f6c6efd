"""Tangent spaces of the hypothesis classes modulo a prime, against parametrisations by automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from proofs_check.claims.counting import classes
from proofs_check.exact import class_tangents as ct
from proofs_check.exact import rank as er
from proofs_check.exact.dual_numbers import PRIME
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES
from toyenvs.hypothesis_classes.exact import integer_multiples

# --- the classes' maps from coordinates to parameters, written down a second time -------------------------


def _rotation(x: torch.Tensor) -> torch.Tensor:
    return torch.linalg.matrix_exp(x - x.mT)


def _blocks(block: int) -> Callable[[torch.Tensor], torch.Tensor]:
    def made(x: torch.Tensor) -> torch.Tensor:
        parts = [_rotation(x[i : i + block, i : i + block]) for i in range(0, len(x), block)]
        return torch.block_diag(*parts)

    return made


def _unitary(x: torch.Tensor) -> torch.Tensor:
    half = len(x) // 2
    real, imaginary = x[:half, :half] - x[:half, :half].mT, x[half:, :half] + x[half:, :half].mT
    upper, lower = torch.cat([real, -imaginary], 1), torch.cat([imaginary, real], 1)
    return torch.linalg.matrix_exp(torch.cat([upper, lower]))


def _householder(x: torch.Tensor) -> torch.Tensor:
    return torch.eye(len(x), dtype=x.dtype) - 2 * torch.outer(x[0], x[0]) / (x[0] @ x[0])


def _circulant(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.roll(x[0], k) for k in range(len(x))], dim=1)


PARAMETRISATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "so": _rotation,
    "o": _rotation,
    "all": lambda x: x,
    "symmetric": lambda x: x + x.mT,
    "so2-blocks": _blocks(2),
    "so3-blocks": _blocks(3),
    "unitary": _unitary,
    "householder": _householder,
    "diagonal": lambda x: torch.diag(x[0]),
    "circulant": _circulant,
    "rank-1": lambda x: torch.outer(x[0], x[1]),
    "rank-2": lambda x: x[:, :2] @ x[:2],
}


@pytest.mark.parametrize(
    ("name", "dim"),
    [(name, dim) for name in sorted(PARAMETRISATIONS) for dim in (3, 4, 6) if HYPOTHESIS_CLASSES[name].allows(dim)],
)
def test_class_ranks_are_those_of_a_parametrisation(name: str, dim: int) -> None:
    """Scalar and gradient ranks for every N against automatic differentiation in float64."""
    rng = np.random.default_rng(dim)
    num = dim + 2
    actions, goals = er.draw_vectors(rng, num, dim, 9), er.draw_vectors(rng, num, dim, 9)
    a, g = torch.tensor(actions, dtype=torch.float64), torch.tensor(goals, dtype=torch.float64)
    point = torch.tensor(rng.standard_normal((dim, dim)))
    jacobian = torch.autograd.functional.jacobian(lambda x: a @ PARAMETRISATIONS[name](x).mT, point)
    jacobian = jacobian.reshape(num, dim, -1)
    scalars = torch.einsum("ni,nik->nk", g, jacobian)
    images = ct.class_images(HYPOTHESIS_CLASSES[name], actions, rng)
    expected = [int(torch.linalg.matrix_rank(scalars[:k], rtol=1e-8)) for k in range(1, num + 1)]
    assert er.leading_ranks(ct.scalar_rows(images, goals))[1:] == expected
    vectors = [int(torch.linalg.matrix_rank(jacobian[:k].flatten(0, 1), rtol=1e-8)) for k in range(1, num + 1)]
    assert er.leading_ranks(ct.image_rows(images))[::dim][1:] == vectors
    assert vectors[dim - 1] == HYPOTHESIS_CLASSES[name].dimension(dim)


def test_drifts_are_seen_whole_in_every_transition() -> None:
    images = classes._images("translation", np.zeros((2, 3), dtype=np.int64), np.random.default_rng(0))
    assert er.leading_ranks(ct.image_rows(images)) == [0, 1, 2, 3, 3, 3, 3]


def test_classes_without_tangent_vectors() -> None:
    with pytest.raises(ValueError, match="'permutation' has no exact tangent space"):
        ct.class_images(HYPOTHESIS_CLASSES["permutation"], np.ones((1, 2), dtype=np.int64), np.random.default_rng(0))
    with pytest.raises(ValueError, match="not every matrix is a multiple of an integer one"):
        integer_multiples(np.array([[[1.0, 0.5], [0.0, 1.0]]]))


@pytest.mark.parametrize(
    ("name", "dim"),
    [(name, dim) for name in sorted(PARAMETRISATIONS) for dim in (4, 6) if HYPOTHESIS_CLASSES[name].allows(dim)],
)
def test_points_lie_on_their_class_with_its_tangents(name: str, dim: int) -> None:
    """Equations that members obey, and their derivatives, hold modulo p; the tangents span what the class has."""
    U, tangents = ct.class_point(HYPOTHESIS_CLASSES[name], dim, np.random.default_rng(dim), PRIME)
    assert er.rank(tangents.reshape(len(tangents), -1), PRIME) == HYPOTHESIS_CLASSES[name].dimension(dim)

    def times(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return er.product(x, y, PRIME)

    if HYPOTHESIS_CLASSES[name].orthogonal:
        np.testing.assert_array_equal(times(U.T, U), np.eye(dim, dtype=np.int64))
        for tangent in tangents:
            product = times(U.T, tangent)
            assert not ((product + product.T) % PRIME).any()
    elif name.startswith("rank"):
        assert er.rank(U, PRIME) == int(name[-1])
    else:  # affine: the member is a combination of the tangents
        flat = np.concatenate([tangents, U[None]]).reshape(len(tangents) + 1, -1)
        assert er.rank(flat, PRIME) == len(tangents)
