"""SO(d) and O(d): the distribution, the tangent space, the retraction and the projection.

What every class must do is in test_hypothesis_contract.py, _samples.py and _geometry.py.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from toyenvs.hypothesis_classes import HypothesisClass, hypothesis_class

GROUPS = [hypothesis_class("so"), hypothesis_class("o")]
by_group = pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
by_dim = pytest.mark.parametrize("dim", [2, 3, 5])


def sample(group: HypothesisClass, dim: int, count: int, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.stack([group.sample(dim, rng) for _ in range(count)]))


def gaussian(*shape: int, seed: int = 1) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def random_skew(count: int, dim: int, length: float, seed: int = 2) -> Tensor:
    ambient = gaussian(count, dim, dim, seed=seed)
    omega = ambient - ambient.mT
    return length * omega / torch.linalg.matrix_norm(omega)[:, None, None]


def defect(param: Tensor) -> Tensor:
    """‖VᵀV − I‖₂ of each matrix."""
    return torch.linalg.matrix_norm(param.mT @ param - torch.eye(param.shape[-1], dtype=param.dtype), ord=2)


# --- sampling ---------------------------------------------------------------------------------------------


@by_group
@by_dim
def test_samples_are_members_of_the_class(group: HypothesisClass, dim: int) -> None:
    params = sample(group, dim, 50)
    assert float(defect(params).max()) < 1e-13
    signs = torch.linalg.det(params).sign()
    # All 50 of one sign happens with probability 2^-49 on O(d).
    assert set(signs.tolist()) == ({1.0} if group.name == "so" else {1.0, -1.0})


@by_group
@by_dim
def test_samples_have_the_moments_of_haar_measure(group: HypothesisClass, dim: int) -> None:
    # Haar: E U_ij = 0, E U_ij² = 1/d, E tr(U) = 0, and O(d) gives rotations and reflections the same weight.
    # Hoeffding for n means of variables in an interval of length w: P(|mean − E| > t) ≤ 2 exp(−2nt²/w²). With
    # 2·25 + 2 means at most, t = w·sqrt(ln(2·52/1e-6)/(2n)) makes the false-alarm rate of a whole test < 1e-6.
    n = 2000
    unit_tolerance = np.sqrt(np.log(2 * 52 / 1e-6) / (2 * n))
    params = sample(group, dim, n)
    assert float(params.mean(0).abs().max()) < 2 * unit_tolerance
    assert float((params.square().mean(0) - 1 / dim).abs().max()) < unit_tolerance
    trace = params.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert abs(float(trace.mean())) < 2 * dim * unit_tolerance
    if group.name == "o":
        rotations = (torch.linalg.det(params) > 0).double()
        assert abs(float(rotations.mean()) - 0.5) < unit_tolerance


@by_group
def test_samples_depend_on_the_generator_only(group: HypothesisClass) -> None:
    assert torch.equal(sample(group, 4, 3, seed=5), sample(group, 4, 3, seed=5))
    assert not torch.equal(sample(group, 4, 3, seed=5), sample(group, 4, 3, seed=6))


# --- tangent space ----------------------------------------------------------------------------------------


@by_group
@by_dim
def test_tangent_is_the_orthogonal_projection(group: HypothesisClass, dim: int) -> None:
    param, ambient = sample(group, dim, 7), gaussian(7, dim, dim)
    tangent = group.tangent(param, ambient)
    torch.testing.assert_close(tangent, -tangent.mT, rtol=0, atol=0)
    # What it maps a tangent vector VΩ to is Ω itself ...
    torch.testing.assert_close(group.tangent(param, param @ tangent), tangent, rtol=0, atol=1e-14)
    # ... and what it leaves out is normal to every tangent vector.
    other = random_skew(7, dim, 1.0)
    normal = ambient - param @ tangent
    torch.testing.assert_close(
        (normal * (param @ other)).sum((-2, -1)), torch.zeros(7, dtype=torch.float64), rtol=0, atol=1e-13
    )


@by_group
@by_dim
def test_tangent_of_the_euclidean_gradient_is_the_riemannian_one(group: HypothesisClass, dim: int) -> None:
    frequencies = gaussian(dim, dim, seed=3)

    def function(param: Tensor) -> Tensor:
        return torch.sin(frequencies * param + 1).sum((-2, -1))

    param = sample(group, dim, 5).requires_grad_(True)
    (euclidean,) = torch.autograd.grad(function(param).sum(), param)
    param = param.detach()
    direction = random_skew(5, dim, 1.0)
    step = 1e-5
    difference = function(group.retract(param, step * direction)) - function(group.retract(param, -step * direction))
    slope = (group.tangent(param, euclidean) * direction).sum((-2, -1))
    # Truncation ~ step² times third derivatives of order 10, rounding ~ 1e-15/step: both 1e-9 and less.
    torch.testing.assert_close(slope, difference / (2 * step), rtol=0, atol=1e-8)


@by_group
@pytest.mark.parametrize("dim", [2, 3, 4, 6])
def test_dimension_is_the_rank_of_the_tangent_projection(group: HypothesisClass, dim: int) -> None:
    basis = torch.eye(dim * dim, dtype=torch.float64).reshape(-1, dim, dim)
    param = sample(group, dim, 1).expand(dim * dim, -1, -1)
    image = (param @ group.tangent(param, basis)).reshape(dim * dim, -1)
    assert int(torch.linalg.matrix_rank(image)) == group.dimension(dim)


# --- retraction -------------------------------------------------------------------------------------------


@by_group
def test_the_longest_steps_again_and_again_stay_near_the_class(group: HypothesisClass) -> None:
    # With ‖Ω‖_F = 1 the singular values of Ω are at most 1/√2, so (I+Ω+Ω²/2)ᵀ(I+Ω+Ω²/2) = I + Ω⁴/4 misses I by
    # at most 1/16, and a defect δ before the step makes it e ≤ (1 + δ)·17/16 − 1. Newton-Schulz takes e to
    # ¾e² − ¼e³; the fixed point of δ → ¾((1 + δ)·17/16 − 1)² is 0.0033.
    dim = 5
    param = sample(group, dim, 4)
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
    param = sample(group, 4, 3)
    before = torch.linalg.det(param).sign()
    for step in range(500):
        param = group.retract(param, random_skew(3, 4, 0.05, seed=step))
    assert float(defect(param).max()) < 1e-10
    assert torch.equal(torch.linalg.det(param).sign(), before)


@by_group
@by_dim
def test_the_retraction_agrees_with_the_exponential_to_second_order(group: HypothesisClass, dim: int) -> None:
    param, omega = sample(group, dim, 1), random_skew(1, dim, 1.0)

    def error(length: float) -> float:
        exact = param[0].numpy() @ scipy.linalg.expm(length * omega[0].numpy())
        return float(np.linalg.norm(group.retract(param, length * omega)[0].numpy() - exact))

    # The error is Ω³/6 + O(Ω⁴): halving Ω divides it by 8.
    cube = float(torch.linalg.matrix_norm(omega[0] @ omega[0] @ omega[0]))
    assert error(0.02) == pytest.approx(0.02**3 * cube / 6, rel=0.05)
    assert error(0.02) / error(0.01) == pytest.approx(8, rel=0.03)


# --- projection -------------------------------------------------------------------------------------------


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
@pytest.mark.parametrize("dim", [2, 3, 4])
def test_no_random_or_neighbouring_member_is_nearer_than_the_projection(group: HypothesisClass, dim: int) -> None:
    ambient = gaussian(10, dim, dim, seed=9)
    projected = group.project(ambient)
    assert float(defect(projected).max()) < 1e-13
    nearest = torch.linalg.matrix_norm(ambient - projected)
    others = [sample(group, dim, 10, seed=seed) for seed in range(100)]
    others += [group.retract(projected, random_skew(10, dim, 0.1, seed=seed)) for seed in range(100)]
    for other in others:
        # The retraction by 0.1 is off the class by (0.1)^8 or so, hence the slack.
        assert bool((torch.linalg.matrix_norm(ambient - other) > nearest - 1e-6).all())


@by_group
def test_members_are_their_own_projections(group: HypothesisClass) -> None:
    param = sample(group, 4, 6)
    torch.testing.assert_close(group.project(param), param, rtol=0, atol=1e-13)


# --- components -------------------------------------------------------------------------------------------


@by_group
def test_there_is_one_start_in_every_component(group: HypothesisClass) -> None:
    param = sample(group, 4, 6)
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
