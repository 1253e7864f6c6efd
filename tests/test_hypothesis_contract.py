"""What every hypothesis class says of itself, and does with batches, types and trials that are no numbers."""

from __future__ import annotations

from collections.abc import Callable
from math import factorial

import pytest
import torch
from matplotlib.mathtext import MathTextParser
from torch import Tensor

from hypothesis_oracles import by_class, by_smooth_class, gaussian, sample, strangest
from toyenvs.hypothesis_classes import (
    HYPOTHESIS_CLASSES,
    BlockRotations,
    LowRank,
    hypothesis_class,
)


def test_classes_are_registered_under_their_names_and_exist_where_they_say() -> None:
    assert all(known.name == name for name, known in HYPOTHESIS_CLASSES.items())
    smallest = {"so2-blocks": range(2, 13, 2), "so3-blocks": range(3, 13, 3), "unitary": range(2, 13, 2)}
    for name, members in HYPOTHESIS_CLASSES.items():
        expected = smallest.get(name, range(3 if name == "rank-2" else 2, 13))
        assert [dim for dim in range(-1, 13) if members.allows(dim)] == list(expected), name


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
        with pytest.raises(ValueError, match=r"^permutation: a finite set, which no descent can search; use a glob"):
            call()
