"""Every hypothesis class against parametrisations, closed forms and membership tests that are written out here."""

from __future__ import annotations

from collections.abc import Callable
from math import factorial, pi, sqrt

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.mathtext import MathTextParser
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.transform import Rotation
from torch import Tensor

from proofs_check.identifiability import CLASS_COUNTS
from toyenvs.hypothesis_classes import (
    HYPOTHESIS_CLASSES,
    BlockRotations,
    HypothesisClass,
    LowRank,
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


# --- oracles ----------------------------------------------------------------------------------------------


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


# --- what a class says of itself ----------------------------------------------------------------------------


def test_the_registered_classes_are_those_of_the_theory() -> None:
    # A translation is a construction of its own with diagonal parameters.
    assert list(HYPOTHESIS_CLASSES) == [name for name in CLASS_COUNTS if name != "translation"]
    assert all(known.name == name for name, known in HYPOTHESIS_CLASSES.items())


@by_class
def test_dimension_and_affinity_are_those_of_the_theory(name: str) -> None:
    members, counts = hypothesis_class(name), CLASS_COUNTS[name]
    for dim in range(-1, 13):
        assert members.allows(dim) == counts.allows(dim), dim
        if counts.allows(dim):
            members.require(dim)
            assert members.dimension(dim) == counts.dimension(dim)
    assert members.affine == counts.affine


@pytest.mark.parametrize(
    ("name", "dim", "words"),
    [
        ("so", 1, "dim: 1 is not at least 2, as group 'so' needs"),
        ("so2-blocks", 5, "dim: 5 is not a multiple of 2, as group 'so2-blocks' needs"),
        ("so3-blocks", 4, "dim: 4 is not a multiple of 3, as group 'so3-blocks' needs"),
        ("unitary", 3, "dim: 3 is not even and at least 2, as group 'unitary' needs"),
        ("rank-2", 2, "dim: 2 is not at least 3, as group 'rank-2' needs"),
    ],
)
def test_a_dimension_without_members_is_refused(name: str, dim: int, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        hypothesis_class(name).require(dim)
    with pytest.raises(ValueError, match=f"^{words}$"):
        sample(name, dim, 1)


@by_class
def test_every_class_refuses_to_sample_where_it_does_not_exist(name: str) -> None:
    for dim in range(0, 8):
        if not hypothesis_class(name).allows(dim):
            with pytest.raises(ValueError, match=f"^dim: {dim} is not"):
                sample(name, dim, 1)


def test_blocks_and_ranks_are_checked() -> None:
    with pytest.raises(ValueError, match=r"^block: 1 is not an integer >= 2$"):
        BlockRotations(1)
    with pytest.raises(ValueError, match=r"^rank: 0 is not an integer >= 1$"):
        LowRank(0)


@by_class
def test_labels_are_mathtext(name: str) -> None:
    label = hypothesis_class(name).label
    assert label
    width = MathTextParser("path").parse(f"${label}$").width  # raises where the mathematics has a mistake
    assert width > 0


@by_class
def test_flags_say_what_the_members_are(name: str) -> None:
    members, dim = hypothesis_class(name), 6
    params = sample(name, dim, 8)
    products = params.mT @ params
    assert members.orthogonal == bool(torch.allclose(products, torch.eye(dim, dtype=torch.float64), atol=1e-12))
    # A line through two members of an affine space stays in it.
    assert members.affine == (strangest(name, 1.5 * params[:4] - 0.5 * params[4:]) < 1e-12)
    assert members.finite == (name == "permutation")
    if not members.finite:
        with pytest.raises(ValueError, match=f"^group: '{name}' has infinitely many members$"):
            members.members(dim)


# --- samples ------------------------------------------------------------------------------------------------


@by_class
def test_samples_are_members_and_depend_on_the_generator_only(name: str) -> None:
    for dim in some_dims(name):
        assert strangest(name, sample(name, dim, 30)) < 1e-13
    assert torch.equal(sample(name, 6, 3, seed=5), sample(name, 6, 3, seed=5))
    assert not torch.equal(sample(name, 6, 3, seed=5), sample(name, 6, 3, seed=6))


@by_class
@pytest.mark.parametrize("dim", [6, 24])
def test_samples_are_of_order_one(name: str, dim: int) -> None:
    norms = torch.linalg.matrix_norm(sample(name, dim, 40), ord=2)
    assert 0.2 < float(norms.median()) < 4


FALSE_ALARM = 1e-9
"""Probability with which a correct sampler fails one of the comparisons below (about 40 in all)."""


def assert_distributed(values: Array, cdf: Callable[[Array], Array]) -> None:
    """Kolmogorov–Smirnov; the values must be independent."""
    assert stats.kstest(values, cdf).pvalue > FALSE_ALARM


COUNT = 2000


@pytest.mark.parametrize("name", ["all", "symmetric", "diagonal", "circulant"])
@pytest.mark.parametrize("dim", [2, 5])
def test_samples_of_linear_spaces_are_isotropic_gaussians(name: str, dim: int) -> None:
    _, frame = tangent_frame(name, dim)
    # An orthonormal basis that is none of those in the code: the isotropic Gaussian does not care.
    turn = stats.ortho_group.rvs(frame.shape[1], random_state=np.random.default_rng(3))
    coordinates = sample(name, dim, COUNT).reshape(COUNT, -1).numpy() @ frame @ turn
    scale = {"all": 1 / sqrt(dim), "symmetric": sqrt(2 / dim), "diagonal": 1.0, "circulant": 1.0}[name]
    assert_distributed(coordinates.ravel(), stats.norm(scale=scale).cdf)


def test_entries_of_samples_have_the_variances_that_are_promised() -> None:
    # Every entry of every matrix but for the symmetric half is one of the documented normal variables.
    dim = 4
    symmetric = sample("symmetric", dim, COUNT).numpy()
    assert_distributed(symmetric[:, 0, 1], stats.norm(scale=1 / sqrt(dim)).cdf)
    assert_distributed(symmetric[:, 2, 2], stats.norm(scale=sqrt(2 / dim)).cdf)
    assert_distributed(sample("circulant", dim, COUNT).numpy()[:, 1, 3], stats.norm(scale=1 / sqrt(dim)).cdf)
    assert_distributed(sample("diagonal", dim, COUNT).numpy()[:, 3, 3], stats.norm.cdf)
    assert_distributed(sample("all", dim, COUNT).numpy()[:, 3, 1], stats.norm(scale=1 / sqrt(dim)).cdf)


def test_blocks_of_samples_are_independent_haar_rotations() -> None:
    planes = sample("so2-blocks", 6, COUNT).numpy()
    angles = np.stack([np.arctan2(planes[:, k + 1, k], planes[:, k, k]) for k in (0, 2, 4)])
    uniform = stats.uniform(-pi, 2 * pi).cdf
    for angle in angles:
        assert_distributed(angle, uniform)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        # The difference of two angles is uniform if they are independent, 0 if they are equal.
        assert_distributed((angles[first] - angles[second] + pi) % (2 * pi) - pi, uniform)
    spaces = sample("so3-blocks", 6, COUNT).numpy()
    blocks = [spaces[:, :3, :3], spaces[:, 3:, 3:]]
    for block in (*blocks, blocks[0].transpose(0, 2, 1) @ blocks[1]):
        turned = Rotation.from_matrix(block).magnitude()
        # The angle of a Haar rotation of space has density (1 − cos θ)/π; its axis is uniform.
        assert_distributed(turned, lambda angle: (angle - np.sin(angle)) / pi)
        axis = Rotation.from_matrix(block).as_rotvec() / turned[:, None]
        assert_distributed(axis[:, 0], stats.uniform(-1, 2).cdf)  # Archimedes


@pytest.mark.parametrize("dim", [2, 6])
def test_samples_of_the_unitary_group_are_haar(dim: int) -> None:
    half = dim // 2
    params = sample("unitary", dim, COUNT).numpy()
    matrices = params[:, :half, :half] + 1j * params[:, half:, :half]
    # The determinant is uniform on the circle; so is the phase of every entry, whose square is Beta(1, n − 1).
    # A factorisation whose signs are left to chance fails both.
    for phase in (np.angle(np.linalg.det(matrices)), *np.angle(matrices[:, 0, :]).T):
        assert_distributed(phase, stats.uniform(-pi, 2 * pi).cdf)
    if half > 1:
        assert_distributed(np.abs(matrices[:, 1, 2]) ** 2, stats.beta(1, half - 1).cdf)
        assert_distributed(np.abs(matrices[:, 0, 0]) ** 2, stats.beta(1, half - 1).cdf)


@pytest.mark.parametrize("dim", [2, 5])
def test_axes_of_householder_samples_are_uniform(dim: int) -> None:
    params = sample("householder", dim, COUNT).numpy()
    for k in range(dim):
        # v_k² of a uniform point of the sphere is Beta(1/2, (d − 1)/2).
        assert_distributed((1 - params[:, k, k]) / 2, stats.beta(0.5, (dim - 1) / 2).cdf)
    # v₀v₁ = ½(w₀² − w₁²) at the point turned by 45 degrees, so it is symmetric.
    assert stats.binomtest(int((params[:, 0, 1] > 0).sum()), COUNT).pvalue > FALSE_ALARM


@pytest.mark.parametrize("rank", [1, 2])
def test_low_rank_samples_have_uniform_subspaces_and_the_promised_size(rank: int) -> None:
    dim = 5
    params = sample(f"rank-{rank}", dim, COUNT).numpy()
    left, _, right = np.linalg.svd(params)
    for projection in ((left[:, 1, :rank] ** 2).sum(-1), (right[:, :rank, 3] ** 2).sum(-1)):
        # Squared length of a unit vector's projection on a uniform p-dimensional subspace.
        assert_distributed(projection, stats.beta(rank / 2, (dim - rank) / 2).cdf)
    if rank == 1:  # d²‖U‖² = ‖L‖²‖R‖², two independent χ² variables of d degrees of freedom
        rng = np.random.default_rng(8)
        expected = rng.chisquare(dim, COUNT) * rng.chisquare(dim, COUNT)
        assert stats.ks_2samp(dim**2 * (params**2).sum((1, 2)), expected).pvalue > FALSE_ALARM


def test_permutations_are_uniform() -> None:
    orders = sample("permutation", 4, COUNT).numpy().argmax(-1)
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > FALSE_ALARM


# --- tangent spaces -----------------------------------------------------------------------------------------


@by_case
def test_dimension_is_the_rank_of_a_parametrisation(name: str, dim: int) -> None:
    for seed in range(3):
        param, frame = tangent_frame(name, dim, seed)
        assert strangeness(name, param.numpy()) < 1e-13  # the oracles agree with each other
        assert frame.shape[1] == hypothesis_class(name).dimension(dim) == CLASS_COUNTS[name].dimension(dim)


@by_case
def test_tangent_bases_are_orthonormal_and_span_the_derivative_of_a_parametrisation(name: str, dim: int) -> None:
    members = hypothesis_class(name)
    for seed in range(3):
        param, frame = tangent_frame(name, dim, seed)
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
        expected = (frame @ (frame.T @ ambient.reshape(-1).numpy())).reshape(dim, dim)
        np.testing.assert_allclose(as_ambient(name, param, tangent).numpy(), expected, rtol=0, atol=1e-11)
        # Lengths of tangent vectors are those of the matrices that they stand for.
        assert float(tangent.norm()) == pytest.approx(float(np.linalg.norm(expected)), rel=1e-12)
        again = members.tangent(param, as_ambient(name, param, tangent))
        torch.testing.assert_close(again, tangent, rtol=0, atol=1e-13)


@by_smooth_class
def test_tangent_of_the_euclidean_gradient_is_the_riemannian_one(name: str) -> None:
    dim, members = 6, hypothesis_class(name)
    frequencies = gaussian(dim, dim, seed=3)
    param = torch.stack([tangent_frame(name, dim, seed)[0] for seed in range(4)])

    def function(at: Tensor) -> Tensor:
        return torch.sin(frequencies * at + 1).sum((-2, -1))

    euclidean = frequencies * torch.cos(frequencies * param + 1)
    riemannian = members.tangent(param, euclidean)
    direction = members.tangent(param, gaussian(4, dim, dim, seed=4))
    direction = direction / torch.linalg.matrix_norm(direction)[:, None, None]
    step = 1e-5
    ahead, behind = (function(members.retract(param, sign * step * direction)) for sign in (1, -1))
    # Truncation ~ step² times third derivatives, which are of order 100; rounding ~ 1e-15/step.
    torch.testing.assert_close((riemannian * direction).sum((-2, -1)), (ahead - behind) / (2 * step), rtol=0, atol=1e-7)


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


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("how", ["move", "retract"])
def test_retractions_of_groups_agree_with_the_exponential(name: str, how: str) -> None:
    dim, members = 6, hypothesis_class(name)
    param = sample(name, dim, 1)
    basis = members.tangent_basis(param)
    coordinates = torch.nn.functional.normalize(gaussian(1, basis.shape[1]), dim=-1)
    omega = (param.mT @ (coordinates[..., None, None] * basis).sum(1))[0].numpy()
    cube = float(np.linalg.norm(omega @ omega @ omega))

    def error(length: float) -> float:
        exact = param[0].numpy() @ scipy.linalg.expm(length * omega)
        return float(np.linalg.norm(moved(name, param, basis, length * coordinates, how)[0].numpy() - exact))

    # I + Ω + Ω²/2 lacks Ω³/6; Cayley's transform has Ω³/4 for it.
    assert error(0.02) == pytest.approx(0.02**3 * cube / (6 if how == "retract" else 12), rel=0.05)


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
    # The groups' retraction misses orthogonality by 0.0034 at most (see test_hypothesis_classes.py), and nothing but
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
        assert strangest(name, members.project(gaussian(10, dim, dim))) < 1e-13


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


def test_projection_on_blocks_is_one_rotation_a_block() -> None:
    ambient = gaussian(10, 6, 6)
    planes = hypothesis_class("so2-blocks").project(ambient).numpy()
    spaces = hypothesis_class("so3-blocks").project(ambient).numpy()
    for matrix, plane, space in zip(ambient.numpy(), planes, spaces, strict=True):
        # tr(RᵀA) = cos θ (A00 + A11) + sin θ (A10 − A01) is largest at the angle of that pair.
        blocks = [matrix[k : k + 2, k : k + 2] for k in (0, 2, 4)]
        angles = [np.arctan2(a[1, 0] - a[0, 1], a[0, 0] + a[1, 1]) for a in blocks]
        turns = [np.array([[np.cos(x), -np.sin(x)], [np.sin(x), np.cos(x)]]) for x in angles]
        np.testing.assert_allclose(plane, scipy.linalg.block_diag(*turns), rtol=0, atol=1e-13)
        # align_vectors(a, b) minimises Σ|a_i − R b_i|²; with b the unit vectors that is ‖A − R‖².
        turns = [Rotation.align_vectors(matrix[k : k + 3, k : k + 3].T, np.eye(3))[0].as_matrix() for k in (0, 3)]
        np.testing.assert_allclose(space, scipy.linalg.block_diag(*turns), rtol=0, atol=1e-10)


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


# --- batches, types and trials that are no numbers ----------------------------------------------------------


@by_class
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_batches_of_any_shape_and_both_precisions(name: str, dtype: torch.dtype) -> None:
    members, dim = hypothesis_class(name), 6
    params, ambient = sample(name, dim, 6).to(dtype), gaussian(6, dim, dim).to(dtype)
    functions: list[Callable[[Tensor, Tensor], Tensor]] = [lambda param, other: members.project(other)]
    if not members.finite:
        functions += [members.tangent, lambda param, other: members.retract(param, members.tangent(param, other) / 9)]
        basis = members.tangent_basis(params)
        assert basis.dtype == dtype
        coordinates = torch.ones(6, basis.shape[1], dtype=dtype)
        together = members.move(params, basis, coordinates)
        assert together.dtype == dtype
        for trial in range(6):
            one = slice(trial, trial + 1)
            alone = members.move(params[one], basis[one], coordinates[one])
            torch.testing.assert_close(alone[0], together[trial])
    for function in functions:
        result = function(params, ambient)
        assert result.dtype == dtype
        split = (2, 3, dim, dim)
        torch.testing.assert_close(
            function(params.reshape(split), ambient.reshape(split)).reshape(result.shape), result
        )
        torch.testing.assert_close(function(params[4], ambient[4]), result[4])


@by_smooth_class
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_trial_that_is_no_number_spoils_no_other(name: str, bad: float) -> None:
    members, dim = hypothesis_class(name), 6
    params, ambient = sample(name, dim, 3), gaussian(3, dim, dim)
    spoilt = ambient.clone()
    spoilt[1] = bad
    basis = members.tangent_basis(params)
    coordinates = gaussian(3, basis.shape[1])
    spoilt_coordinates = coordinates.clone()
    spoilt_coordinates[1] = bad
    for result, expected in (
        (members.tangent(params, spoilt), members.tangent(params, ambient)),
        (members.retract(params, spoilt / 9), members.retract(params, ambient / 9)),
        (members.move(params, basis, spoilt_coordinates), members.move(params, basis, coordinates)),
    ):
        assert not bool(result[1].isfinite().all())
        torch.testing.assert_close(result[[0, 2]], expected[[0, 2]])


# --- permutations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [2, 3, 4, 6])
def test_all_permutations_are_listed_once(dim: int) -> None:
    listed = hypothesis_class("permutation").members(dim)
    assert listed.shape == (factorial(dim), dim, dim)
    assert strangest("permutation", listed) == 0
    assert len({tuple(matrix.flatten().tolist()) for matrix in listed}) == factorial(dim)
    assert torch.equal(listed[0], torch.eye(dim, dtype=torch.float64))


def test_too_many_permutations_are_not_listed() -> None:
    members = hypothesis_class("permutation")
    assert members.members(8).shape == (40320, 8, 8)
    with pytest.raises(ValueError, match=r"^dim: 9 is above 8; the 9! permutations are too many to list$"):
        members.members(9)


def test_a_projection_on_permutations_needs_numbers() -> None:
    with pytest.raises(ValueError, match=r"^ambient: an entry is not a finite number$"):
        hypothesis_class("permutation").project(torch.tensor([[1.0, torch.nan], [0.0, 1.0]]))


def test_no_descent_searches_a_finite_class() -> None:
    members = hypothesis_class("permutation")
    params = sample("permutation", 3, 2)
    calls: list[Callable[[], object]] = [
        lambda: members.tangent(params, params),
        lambda: members.retract(params, params),
        lambda: members.starts(params),
        lambda: members.tangent_basis(params),
        lambda: members.move(params, params[:, None], torch.zeros(2, 1, dtype=torch.float64)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"^permutation: a finite set, which no descent can search; use the min"):
            call()


# --- properties ---------------------------------------------------------------------------------------------


@st.composite
def situations(draw: st.DrawFn, among: list[str]) -> tuple[HypothesisClass, int, int]:
    """A class, a dimension in which it exists, and a seed."""
    members = hypothesis_class(draw(st.sampled_from(among)))
    return members, draw(st.integers(2, 9).filter(members.allows)), draw(st.integers(0, 2**16))


@given(situations(SMOOTH), st.floats(-9, 9))
def test_any_move_is_a_member(situation: tuple[HypothesisClass, int, int], log_length: float) -> None:
    members, dim, seed = situation
    param = sample(members.name, dim, 2, seed)
    basis = members.tangent_basis(param)
    reached = members.move(param, basis, 10**log_length * gaussian(2, basis.shape[1], seed=seed))
    assert strangest(members.name, reached) < 1e-13


@given(situations(list(HYPOTHESIS_CLASSES)), st.floats(-3, 3))
def test_projecting_twice_is_projecting_once(situation: tuple[HypothesisClass, int, int], log_scale: float) -> None:
    members, dim, seed = situation
    once = members.project(10**log_scale * gaussian(2, dim, dim, seed=seed))
    torch.testing.assert_close(members.project(once), once, rtol=1e-11, atol=1e-11)


@given(situations(SMOOTH))
def test_tangent_vectors_are_combinations_of_the_basis(situation: tuple[HypothesisClass, int, int]) -> None:
    members, dim, seed = situation
    param, ambient = sample(members.name, dim, 2, seed), gaussian(2, dim, dim, seed=seed)
    basis = members.tangent_basis(param)
    combined = torch.einsum("bmij,bm->bij", basis, torch.einsum("bmij,bij->bm", basis, ambient))
    tangent = as_ambient(members.name, param, members.tangent(param, ambient))
    torch.testing.assert_close(tangent, combined, rtol=0, atol=1e-12)
