"""Tangent spaces, retractions and projections of every hypothesis class, against closed forms and geodesics."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from hypothesis_oracles import (
    EMBEDDED,
    GROUPS,
    by_case,
    by_class,
    by_smooth_class,
    gaussian,
    sample,
    some_dims,
    strangeness,
    strangest,
    tangent_frame,
)
from toyenvs.hypothesis_classes import (
    hypothesis_class,
)


@by_case
def test_tangent_bases_are_orthonormal_and_span_the_derivative_of_a_parametrisation(name: str, dim: int) -> None:
    members = hypothesis_class(name)
    for seed in range(3):
        param, frame = tangent_frame(name, dim, seed)
        assert strangeness(name, param.numpy()) < 1e-13  # the oracles agree with each other
        basis = members.tangent_basis(param[None])
        assert basis.shape == (1, members.dimension(dim), dim, dim)
        rows = basis.reshape(-1, dim * dim).numpy()
        np.testing.assert_allclose(rows @ rows.T, np.eye(len(rows)), rtol=0, atol=1e-13)
        # Two spaces of one dimension are equal where the projections are.
        np.testing.assert_allclose(rows.T @ rows, frame @ frame.T, rtol=0, atol=1e-11)


def as_ambient(name: str, param: Tensor, tangent: Tensor) -> Tensor:
    """The ambient matrix that a tangent vector stands for."""
    return param @ tangent if name in GROUPS else tangent


@by_case
def test_tangent_is_the_orthogonal_projection(name: str, dim: int) -> None:
    members = hypothesis_class(name)
    for seed in range(3):
        param, frame = tangent_frame(name, dim, seed)
        ambient = gaussian(dim, dim, seed=seed)
        tangent = members.tangent(param, ambient)
        assert name not in GROUPS or torch.equal(tangent, -tangent.mT)  # to the last digit
        expected = (frame @ (frame.T @ ambient.reshape(-1).numpy())).reshape(dim, dim)
        np.testing.assert_allclose(as_ambient(name, param, tangent).numpy(), expected, rtol=0, atol=1e-11)
        if name in GROUPS:
            assert torch.equal(tangent, -tangent.mT)
        # Lengths of tangent vectors are those of the matrices that they stand for.
        assert float(tangent.norm()) == pytest.approx(float(np.linalg.norm(expected)), rel=1e-12)
        again = members.tangent(param, as_ambient(name, param, tangent))
        torch.testing.assert_close(again, tangent, rtol=0, atol=1e-13)


@pytest.mark.parametrize("tilt", [0.0, 1e-9, 1e-4])
@pytest.mark.parametrize("along", [0, 1, 2])
def test_mirrors_across_a_coordinate_have_tangent_bases_like_all_others(tilt: float, along: int) -> None:
    # The basis is a reflection's columns, and the wrong one of two reflections cancels digits (all, with tilt 0).
    axis = np.full(3, tilt)
    axis[along] = -1.0
    axis /= np.linalg.norm(axis)
    param = torch.from_numpy(np.eye(3) - 2 * np.outer(axis, axis))
    rows = hypothesis_class("householder").tangent_basis(param[None]).reshape(2, 9).numpy()
    np.testing.assert_allclose(rows @ rows.T, np.eye(2), rtol=0, atol=1e-14)
    for row in rows.reshape(2, 3, 3):
        assert abs(axis @ row @ axis) < 1e-14  # w ⊥ v ...
        projected = row @ np.outer(axis, axis)
        np.testing.assert_allclose(projected + projected.T, row, rtol=0, atol=1e-14)  # ... and nothing else


# --- retractions --------------------------------------------------------------------------------------------


def moved(name: str, param: Tensor, basis: Tensor, coordinates: Tensor, how: str) -> Tensor:
    """The same motion by `move` or by `retract`."""
    members = hypothesis_class(name)
    if how == "move":
        return members.move(param, basis, coordinates)
    ambient = (coordinates[..., None, None] * basis).sum(-3)
    return members.retract(param, param.mT @ ambient if name in GROUPS else ambient)


@by_case
@pytest.mark.parametrize("how", ["move", "retract"])
def test_retractions_agree_with_the_geodesic_to_second_order(name: str, dim: int, how: str) -> None:
    members = hypothesis_class(name)
    frames = [tangent_frame(name, dim, seed) for seed in range(3)]
    param = torch.stack([member for member, _ in frames])
    basis = members.tangent_basis(param)
    coordinates = torch.nn.functional.normalize(gaussian(3, basis.shape[1]), dim=-1)
    assert torch.allclose(moved(name, param, basis, 0 * coordinates, how), param, rtol=0, atol=1e-14)
    step = 1e-3
    ahead, behind = (moved(name, param, basis, sign * step * coordinates, how) for sign in (1, -1))
    # First order: the velocity is the combination of basis vectors. Truncation step²/6 or so.
    velocity = (ahead - behind) / (2 * step)
    expected = (coordinates[..., None, None] * basis).sum(1)
    torch.testing.assert_close(velocity, expected, rtol=0, atol=2e-6)
    # Second order: the acceleration of a geodesic is normal to the tangent space, which the parametrisation gives.
    # That of the tangential part of a first-order retraction would be of order 1; here it is step² or rounding.
    acceleration = ((ahead + behind - 2 * param) / step**2).reshape(3, -1).numpy()
    for (_, frame), along in zip(frames, acceleration, strict=True):
        assert float(np.abs(frame.T @ along).max()) < 1e-5


def test_moving_in_a_linear_space_is_addition() -> None:
    for name in ("all", "symmetric", "diagonal", "circulant"):
        members, param = hypothesis_class(name), sample(name, 5, 3)
        basis = members.tangent_basis(param)
        for length in (1e-3, 1.0, 1e6):
            coordinates = length * gaussian(3, basis.shape[1])
            expected = param + (coordinates[..., None, None] * basis).sum(1)
            torch.testing.assert_close(members.move(param, basis, coordinates), expected, rtol=1e-14, atol=1e-14)


def test_householder_steps_turn_the_axis_in_its_plane() -> None:
    # I − 2vvᵀ in the plane of v and u, an angle θ on: tan θ = length/√8, from ‖dU‖ = √8‖dv‖.
    members = hypothesis_class("householder")
    v, u = np.array([0.6, 0.0, 0.8]), np.array([0.0, 1.0, 0.0])
    param = torch.from_numpy(np.eye(3) - 2 * np.outer(v, v))
    tangent = torch.from_numpy(-(np.outer(u, v) + np.outer(v, u)) / sqrt(2))  # length 1, v towards u
    for length in (0.1, 1.0, 50.0):
        angle = np.arctan(length / sqrt(8))
        axis = np.cos(angle) * v + np.sin(angle) * u
        reached = members.retract(param, length * tangent).numpy()
        np.testing.assert_allclose(reached, np.eye(3) - 2 * np.outer(axis, axis), rtol=0, atol=1e-14)


@by_smooth_class
@pytest.mark.parametrize("length", [1e-6, 0.1, 3.0, 1e3, 1e8])
def test_moves_of_any_length_stay_in_the_class(name: str, length: float) -> None:
    for dim in some_dims(name):
        members = hypothesis_class(name)
        param = sample(name, dim, 4)
        for step in range(20):
            basis = members.tangent_basis(param)
            coordinates = length * torch.nn.functional.normalize(gaussian(4, basis.shape[1], seed=step), dim=-1)
            if not (members.orthogonal or members.affine):
                # A step of 1e8 on a sheet of size 1 leaves singular values of 1e8 and of 1: keep them comparable.
                param = param / torch.linalg.matrix_norm(param, ord=2)[:, None, None]
            param = members.move(param, basis, coordinates)
            assert bool(param.isfinite().all())
            tolerance = 1e-14 * (dim if name != "all" else 1)
            assert strangest("o" if name == "o" else name, param) < tolerance
        if name == "o":
            before = torch.linalg.det(sample(name, dim, 4)).sign()
            assert torch.equal(torch.linalg.det(param).sign(), before)


@by_smooth_class
def test_retractions_stay_in_the_class(name: str) -> None:
    # The groups' retraction misses orthogonality by 0.0034 at most (see below), and nothing but
    # orthogonality; without motion that heals in four steps.
    members, dim = hypothesis_class(name), 6
    longest = min(members.max_tangent_norm, 1.0)
    param = sample(name, dim, 4)
    for step in range(100):
        tangent = members.tangent(param, gaussian(4, dim, dim, seed=step))
        tangent = longest * tangent / torch.linalg.matrix_norm(tangent)[:, None, None]
        param = members.retract(param, tangent)
        if name in EMBEDDED:
            assert strangest(name, param) < 1e-13
        else:
            assert strangest(name, param) < 0.02
            assert strangest(name, members.project(param)) < 1e-13
            assert float((members.project(param) - param).abs().max()) < 0.0034
    for _ in range(4):
        param = members.retract(param, torch.zeros_like(param))
    assert strangest(name, param) < 2e-14


def random_skew(count: int, dim: int, length: float, seed: int = 2) -> Tensor:
    ambient = gaussian(count, dim, dim, seed=seed)
    omega = ambient - ambient.mT
    return length * omega / torch.linalg.matrix_norm(omega)[:, None, None]


def defect(param: Tensor) -> Tensor:
    """‖VᵀV − I‖₂ of each matrix."""
    return torch.linalg.matrix_norm(param.mT @ param - torch.eye(param.shape[-1], dtype=param.dtype), ord=2)


@pytest.mark.parametrize("name", ["so", "o"])
def test_the_longest_steps_again_and_again_stay_near_the_class(name: str) -> None:
    # With ‖Ω‖_F = 1 the singular values of Ω are at most 1/√2, so (I+Ω+Ω²/2)ᵀ(I+Ω+Ω²/2) = I + Ω⁴/4 misses I by
    # at most 1/16, and a defect δ before the step makes it e ≤ (1 + δ)·17/16 − 1. Newton-Schulz takes e to
    # ¾e² − ¼e³; the fixed point of δ → ¾((1 + δ)·17/16 − 1)² is 0.0033.
    group, dim = hypothesis_class(name), 5
    param = sample(name, dim, 4)
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


@pytest.mark.parametrize(("name", "components"), [("so", 1), ("o", 2)])
def test_there_is_one_start_in_every_component(name: str, components: int) -> None:
    param = sample(name, 4, 6)
    untouched = param.clone()
    starts = hypothesis_class(name).starts(param)
    assert torch.equal(starts[0], untouched)
    assert torch.equal(param, untouched)
    signs = torch.stack([torch.linalg.det(start).sign() for start in starts])
    assert len(starts) == components
    for trial in range(6):
        assert len(set(signs[:, trial].tolist())) == components
    for start in starts:
        assert float(defect(start).max()) < 1e-13


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_velocity_from_elsewhere_is_projected(name: str) -> None:
    members, dim = hypothesis_class(name), 6
    param, ambient = sample(name, dim, 4), 0.3 * gaussian(4, dim, dim)
    expected = members.retract(param, members.tangent(param, ambient))
    torch.testing.assert_close(members.retract(param, ambient), expected, rtol=0, atol=1e-13)


# --- projections --------------------------------------------------------------------------------------------


@by_class
def test_projections_are_members_and_members_are_their_own(name: str) -> None:
    members = hypothesis_class(name)
    for dim in some_dims(name):
        params = sample(name, dim, 10)
        torch.testing.assert_close(members.project(params), params, rtol=0, atol=1e-13)
        for scale in (1e-3, 1.0, 1e3):
            once = members.project(scale * gaussian(10, dim, dim))
            assert strangest(name, once) < 1e-13
            torch.testing.assert_close(members.project(once), once, rtol=1e-11, atol=1e-11)


@by_class
def test_no_random_or_neighbouring_member_is_nearer_than_the_projection(name: str) -> None:
    members, dim = hypothesis_class(name), some_dims(name)[0] if name.endswith("blocks") else 4
    dim = dim if members.allows(dim) else 6
    ambient = gaussian(6, dim, dim, seed=9)
    projected = members.project(ambient)
    nearest = torch.linalg.matrix_norm(ambient - projected)
    others = [sample(name, dim, 6, seed=seed) for seed in range(100)]
    if not members.finite:
        basis = members.tangent_basis(projected)
        others += [members.move(projected, basis, 0.1 * gaussian(6, basis.shape[1], seed=seed)) for seed in range(100)]
    for other in others:
        assert bool((torch.linalg.matrix_norm(ambient - other) > nearest - 1e-12).all())


@pytest.mark.parametrize("name", ["all", "symmetric", "diagonal", "circulant"])
def test_projection_on_a_linear_space_is_least_squares(name: str) -> None:
    dim = 5
    _, frame = tangent_frame(name, dim)
    ambient = gaussian(4, dim, dim)
    expected = ambient.reshape(4, -1).numpy() @ frame @ frame.T
    projected = hypothesis_class(name).project(ambient)
    np.testing.assert_allclose(projected.reshape(4, -1).numpy(), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dim", [2, 3, 5])
def test_projection_on_the_orthogonal_group_is_procrustes(dim: int) -> None:
    ambient = gaussian(20, dim, dim)
    projected = hypothesis_class("o").project(ambient)
    for matrix, mine in zip(ambient.numpy(), projected.numpy(), strict=True):
        theirs, _ = scipy.linalg.orthogonal_procrustes(np.eye(dim), matrix)
        np.testing.assert_allclose(mine, theirs, atol=1e-12)


def test_projection_on_rotations_and_on_blocks_of_them() -> None:
    ambient = gaussian(20, 6, 6)
    assert len(set(torch.linalg.det(ambient[:, :3, :3]).sign().tolist())) == 2  # both cases occur
    planes, spaces = (hypothesis_class(f"so{size}-blocks").project(ambient).numpy() for size in (2, 3))
    plane_alone, space_alone = (hypothesis_class("so").project(ambient[:, :size, :size]).numpy() for size in (2, 3))
    for i, matrix in enumerate(ambient.numpy()):
        # tr(RᵀA) = cos θ (A00 + A11) + sin θ (A10 − A01) is largest at the angle of that pair.
        blocks = [matrix[k : k + 2, k : k + 2] for k in (0, 2, 4)]
        angles = [np.arctan2(a[1, 0] - a[0, 1], a[0, 0] + a[1, 1]) for a in blocks]
        turns = [np.array([[np.cos(x), -np.sin(x)], [np.sin(x), np.cos(x)]]) for x in angles]
        np.testing.assert_allclose(planes[i], scipy.linalg.block_diag(*turns), rtol=0, atol=1e-13)
        np.testing.assert_allclose(plane_alone[i], turns[0], rtol=0, atol=1e-12)
        # align_vectors(a, b) minimises Σ|a_i − R b_i|²; with b the unit vectors that is ‖A − R‖².
        turns = [Rotation.align_vectors(matrix[k : k + 3, k : k + 3].T, np.eye(3))[0].as_matrix() for k in (0, 3)]
        np.testing.assert_allclose(spaces[i], scipy.linalg.block_diag(*turns), rtol=0, atol=1e-10)
        np.testing.assert_allclose(space_alone[i], turns[0], rtol=0, atol=1e-10)


def test_projection_on_the_unitary_group_is_the_complex_polar_factor() -> None:
    # The columns (z, −iz)/√2 span the eigenspace of multiplication by i in C^d; a real matrix that commutes with it
    # acts there as its complex matrix.
    half = 3
    eigenspace = np.concatenate([np.eye(half), -1j * np.eye(half)]) / sqrt(2)
    ambient = gaussian(10, 2 * half, 2 * half)
    for matrix, mine in zip(ambient.numpy(), hypothesis_class("unitary").project(ambient).numpy(), strict=True):
        theirs, _ = scipy.linalg.polar(eigenspace.conj().T @ matrix @ eigenspace)
        np.testing.assert_allclose(mine[:half, :half], theirs.real, rtol=0, atol=1e-12)
        np.testing.assert_allclose(mine[half:, :half], theirs.imag, rtol=0, atol=1e-12)


def test_projection_on_the_reflections_of_the_plane_is_an_angle() -> None:
    # Reflections of the plane are [[p, q], [q, −p]] with p² + q² = 1: ⟨A, U⟩ = p(A00 − A11) + q(A01 + A10).
    ambient = gaussian(20, 2, 2)
    pair = torch.stack((ambient[:, 0, 0] - ambient[:, 1, 1], ambient[:, 0, 1] + ambient[:, 1, 0]), -1)
    pair = torch.nn.functional.normalize(pair, dim=-1)
    projected = hypothesis_class("householder").project(ambient)
    torch.testing.assert_close(projected[:, 0], pair, rtol=0, atol=1e-13)


def test_projection_on_low_rank_leaves_the_small_singular_values() -> None:
    ambient = gaussian(10, 5, 5)
    values = np.linalg.svd(ambient.numpy(), compute_uv=False)
    for rank in (1, 2):
        left_out = torch.linalg.matrix_norm(ambient - hypothesis_class(f"rank-{rank}").project(ambient)).numpy()
        np.testing.assert_allclose(left_out, np.sqrt((values[:, rank:] ** 2).sum(-1)), rtol=1e-12)


@pytest.mark.parametrize("dim", [2, 3, 5])
def test_projection_on_permutations_is_the_nearest_of_all(dim: int) -> None:
    members = hypothesis_class("permutation")
    listed = members.members(dim)
    ambient = gaussian(20, dim, dim)
    distances = torch.linalg.matrix_norm(ambient[:, None] - listed)
    assert torch.equal(members.project(ambient), listed[distances.argmin(-1)])
