"""Samples of every hypothesis class: members, distributed as promised."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.transform import Rotation

from hypothesis_oracles import Array, by_class, sample, some_dims, strangest, tangent_frame


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


@pytest.mark.parametrize("name", ["so", "o"])
@pytest.mark.parametrize("dim", [2, 3, 5])
def test_samples_have_the_moments_of_haar_measure(name: str, dim: int) -> None:
    # Haar: E U_ij = 0, E U_ij² = 1/d, E tr(U) = 0, and O(d) gives rotations and reflections the same weight.
    # Hoeffding for n means of variables in an interval of length w: P(|mean − E| > t) ≤ 2 exp(−2nt²/w²). With
    # 2·25 + 2 means at most, t = w·sqrt(ln(2·52/1e-6)/(2n)) makes the false-alarm rate of a whole test < 1e-6.
    n = 2000
    unit_tolerance = np.sqrt(np.log(2 * 52 / 1e-6) / (2 * n))
    params = sample(name, dim, n)
    assert float(params.mean(0).abs().max()) < 2 * unit_tolerance
    assert float((params.square().mean(0) - 1 / dim).abs().max()) < unit_tolerance
    trace = params.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert abs(float(trace.mean())) < 2 * dim * unit_tolerance
    if name == "o":
        rotations = (torch.linalg.det(params) > 0).double()
        assert abs(float(rotations.mean()) - 0.5) < unit_tolerance


@pytest.mark.parametrize("name", ["all", "symmetric", "diagonal", "circulant"])
@pytest.mark.parametrize("dim", [2, 5])
def test_samples_of_linear_spaces_are_isotropic_gaussians(name: str, dim: int) -> None:
    _, frame = tangent_frame(name, dim)
    # An orthonormal basis that is none of those in the code: the isotropic Gaussian does not care.
    turn = stats.ortho_group.rvs(frame.shape[1], random_state=np.random.default_rng(3))
    coordinates = sample(name, dim, COUNT).reshape(COUNT, -1).numpy() @ frame @ turn
    scale = {"all": 1 / sqrt(dim), "symmetric": sqrt(2 / dim), "diagonal": 1.0, "circulant": 1.0}[name]
    assert_distributed(coordinates.ravel(), stats.norm(scale=scale).cdf)


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
