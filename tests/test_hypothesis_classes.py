"""SO(d) and O(d): the distribution, the drift of the retraction, the projection and the components.

What every class must do is in test_hypothesis_contract.py, _samples.py and _geometry.py.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from hypothesis_oracles import gaussian, sample
from toyenvs.hypothesis_classes import HypothesisClass, hypothesis_class

GROUPS = [hypothesis_class("so"), hypothesis_class("o")]
by_group = pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
by_dim = pytest.mark.parametrize("dim", [2, 3, 5])


def random_skew(count: int, dim: int, length: float, seed: int = 2) -> Tensor:
    ambient = gaussian(count, dim, dim, seed=seed)
    omega = ambient - ambient.mT
    return length * omega / torch.linalg.matrix_norm(omega)[:, None, None]


def defect(param: Tensor) -> Tensor:
    """‖VᵀV − I‖₂ of each matrix."""
    return torch.linalg.matrix_norm(param.mT @ param - torch.eye(param.shape[-1], dtype=param.dtype), ord=2)


@by_group
@by_dim
def test_samples_have_the_moments_of_haar_measure(group: HypothesisClass, dim: int) -> None:
    # Haar: E U_ij = 0, E U_ij² = 1/d, E tr(U) = 0, and O(d) gives rotations and reflections the same weight.
    # Hoeffding for n means of variables in an interval of length w: P(|mean − E| > t) ≤ 2 exp(−2nt²/w²). With
    # 2·25 + 2 means at most, t = w·sqrt(ln(2·52/1e-6)/(2n)) makes the false-alarm rate of a whole test < 1e-6.
    n = 2000
    unit_tolerance = np.sqrt(np.log(2 * 52 / 1e-6) / (2 * n))
    params = sample(group.name, dim, n)
    assert float(params.mean(0).abs().max()) < 2 * unit_tolerance
    assert float((params.square().mean(0) - 1 / dim).abs().max()) < unit_tolerance
    trace = params.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert abs(float(trace.mean())) < 2 * dim * unit_tolerance
    if group.name == "o":
        rotations = (torch.linalg.det(params) > 0).double()
        assert abs(float(rotations.mean()) - 0.5) < unit_tolerance


@by_group
def test_the_longest_steps_again_and_again_stay_near_the_class(group: HypothesisClass) -> None:
    # With ‖Ω‖_F = 1 the singular values of Ω are at most 1/√2, so (I+Ω+Ω²/2)ᵀ(I+Ω+Ω²/2) = I + Ω⁴/4 misses I by
    # at most 1/16, and a defect δ before the step makes it e ≤ (1 + δ)·17/16 − 1. Newton-Schulz takes e to
    # ¾e² − ¼e³; the fixed point of δ → ¾((1 + δ)·17/16 − 1)² is 0.0033.
    dim = 5
    param = sample(group.name, dim, 4)
    planar = torch.zeros(dim, dim, dtype=torch.float64)
    planar[0, 1], planar[1, 0] = 0.5**0.5, -(0.5**0.5)  # the worst case: all of the length in one plane
    for step in range(300):
        omega = random_skew(4, dim, group.max_tangent_norm, seed=step)
        omega[0] = planar * group.max_tangent_norm
        param = group.retract(param, omega)
        assert float(defect(param).max()) <= 0.0034
    assert float(defect(param)[0]) > 1e-4  # so the bound above is about something
    # Without further motion the defect decays quadratically: 0.0033 → 8e-6 → 5e-11 → rounding.
    still = torch.zeros_like(param)
    for bound in (1e-5, 1e-10, 1e-14):
        param = group.retract(param, still)
        assert float(defect(param).max()) < bound


@by_group
def test_many_small_steps_do_not_drift(group: HypothesisClass) -> None:
    param = sample(group.name, 4, 3)
    before = torch.linalg.det(param).sign()
    for step in range(500):
        param = group.retract(param, random_skew(3, 4, 0.05, seed=step))
    assert float(defect(param).max()) < 1e-10
    assert torch.equal(torch.linalg.det(param).sign(), before)


@by_dim
def test_projection_on_the_orthogonal_group_is_procrustes(dim: int) -> None:
    ambient = gaussian(20, dim, dim)
    projected = hypothesis_class("o").project(ambient)
    for matrix, mine in zip(ambient.numpy(), projected.numpy(), strict=True):
        theirs, _ = scipy.linalg.orthogonal_procrustes(np.eye(dim), matrix)
        np.testing.assert_allclose(mine, theirs, atol=1e-12)


def test_projection_on_the_rotations_of_the_plane_is_an_angle() -> None:
    # tr(RᵀA) = cos θ (A00 + A11) + sin θ (A10 − A01) is largest at the angle of that pair.
    ambient = gaussian(20, 2, 2)
    angle = torch.atan2(ambient[:, 1, 0] - ambient[:, 0, 1], ambient[:, 0, 0] + ambient[:, 1, 1])
    projected = hypothesis_class("so").project(ambient)
    torch.testing.assert_close(projected[:, 0, 0], angle.cos(), rtol=0, atol=1e-12)
    torch.testing.assert_close(projected[:, 1, 0], angle.sin(), rtol=0, atol=1e-12)


def test_projection_on_the_rotations_of_space_is_kabsch() -> None:
    ambient = gaussian(20, 3, 3)
    assert len(set(torch.linalg.det(ambient).sign().tolist())) == 2  # both cases occur
    projected = hypothesis_class("so").project(ambient)
    for matrix, mine in zip(ambient.numpy(), projected.numpy(), strict=True):
        # align_vectors(a, b) minimises Σ|a_i − R b_i|²; with b the unit vectors that is ‖A − R‖².
        theirs = Rotation.align_vectors(matrix.T, np.eye(3))[0].as_matrix()
        np.testing.assert_allclose(mine, theirs, atol=1e-10)


@by_group
def test_there_is_one_start_in_every_component(group: HypothesisClass) -> None:
    param = sample(group.name, 4, 6)
    untouched = param.clone()
    starts = group.starts(param)
    assert torch.equal(starts[0], untouched)
    assert torch.equal(param, untouched)
    signs = torch.stack([torch.linalg.det(start).sign() for start in starts])
    components = {"so": 1, "o": 2}[group.name]
    assert len(starts) == components
    for trial in range(6):
        assert len(set(signs[:, trial].tolist())) == components
    for start in starts:
        assert float(defect(start).max()) < 1e-13


def test_an_unknown_class_is_refused_with_the_known_ones() -> None:
    assert hypothesis_class("so").name == "so"
    with pytest.raises(ValueError, match="group: 'su' is not one of so, o"):
        hypothesis_class("su")
