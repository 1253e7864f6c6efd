"""Tangent spaces of the hypothesis classes modulo a prime, against parametrisations by automatic differentiation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hypothesis_oracles import SMOOTH, parametrisation
from proofs_check.claims.counting import classes
from proofs_check.exact import class_tangents as ct
from proofs_check.exact import rank as er
from proofs_check.exact.dual_numbers import PRIME
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES
from toyenvs.hypothesis_classes.exact import integer_multiples

SMOOTH_CASES = [(name, dim) for name in SMOOTH for dim in (3, 4, 6) if HYPOTHESIS_CLASSES[name].allows(dim)]


@pytest.mark.parametrize(("name", "dim"), SMOOTH_CASES)
def test_class_ranks_are_those_of_a_parametrisation(name: str, dim: int) -> None:
    """Scalar and gradient ranks for every N against automatic differentiation in float64."""
    rng = np.random.default_rng(dim)
    num = dim + 2
    actions, goals = er.draw_vectors(rng, num, dim, 9), er.draw_vectors(rng, num, dim, 9)
    a, g = torch.tensor(actions, dtype=torch.float64), torch.tensor(goals, dtype=torch.float64)
    member, point = parametrisation(name, dim, rng)
    jacobian = torch.autograd.functional.jacobian(lambda x: a @ member(x).mT, point)
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
    assert integer_multiples(np.array([[[1.0, 0.5], [0.0, 1.0]]])) is None


@pytest.mark.parametrize(("name", "dim"), SMOOTH_CASES)
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
