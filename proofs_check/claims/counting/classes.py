"""Other hypothesis classes than rotations: the table of counts, class by class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import permutations
from typing import Any

import numpy as np
import sympy

from proofs_check.claim import CheckSettings, Finding, Truth
from proofs_check.claims.counting.certificates import another_solution, count_genuine, draw_data, normals
from proofs_check.claims.counting.section import (
    CERTIFICATE,
    DIMS,
    GENERIC,
    LOWER_BOUND,
    SECTION,
    SHARPER,
    assert_same,
    covered,
    generator,
    require,
)
from proofs_check.exact import class_tangents as ct
from proofs_check.exact import rank as er
from proofs_check.exact.solution_count import Equations, Solutions, low_rank_line
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES, HypothesisClass, LowRank, hypothesis_class

_CLASS_DIMS = (3, 4, 6)


def _entries() -> dict[str, HypothesisClass]:
    """The classes, and the drifts s' = s + a + t: t = U·1 with U diagonal."""
    return HYPOTHESIS_CLASSES | {"translation": hypothesis_class("diagonal")}


def _images(name: str, actions: er.Integers, rng: np.random.Generator) -> er.Residues:
    """Derivatives of the image Ua, and of U·1 for a drift."""
    return ct.class_images(_entries()[name], np.ones_like(actions) if name == "translation" else actions, rng)


def _class_cases(dims: Iterable[int]) -> Iterator[tuple[str, HypothesisClass, int]]:
    for dim in dims:
        for name, entry in _entries().items():
            if not entry.finite and entry.allows(dim):
                yield name, entry, dim


def _pairs() -> list[tuple[int, str]]:
    return [(dim, name) for dim in _CLASS_DIMS for name, entry in _entries().items() if entry.allows(dim)]


@SECTION.check(
    "17",
    "Every class of dimension M: N generic scalars gᵀUa have a differential of rank min(N, M).",
    kind=CERTIFICATE,
    method=f"{LOWER_BOUND}; number of rows and of independent tangent vectors (upper bounds)",
    latex=r"\operatorname{rank}\bigl(W\mapsto(g_i^\top Wa_i)_{i\le N}\bigr)=\min(N,M),\quad W\in T_U",
    source=SHARPER,
    assumptions=GENERIC[1:],
    note="Permutations have no tangent vectors: M = 0.",
)
def _class_ranks(settings: CheckSettings) -> Finding:
    steps, visited = [], []
    for name, entry, dim in _class_cases(_CLASS_DIMS):
        rng, size = generator(settings, dim, 17), entry.dimension(dim)
        actions, goals = er.draw_vectors(rng, max(size, dim) + 2, dim), er.draw_vectors(rng, max(size, dim) + 2, dim)
        require(er.rank(actions[:dim]) == dim, f"{name}, d = {dim}: the actions are dependent")
        images = _images(name, actions, rng)
        assert_same(er.rank(ct.image_rows(images[:dim])), size, f"{name}, d = {dim}: independent tangent vectors")
        found = er.leading_ranks(ct.scalar_rows(images, goals))
        assert_same(found, [min(num, size) for num in range(len(found))], f"{name}, d = {dim}: ranks for N = 0, 1, …")
        elsewhere = _images(name, actions[:dim], rng)
        tangents = [ct.image_rows(part[:dim]) for part in (images, elsewhere)]
        affine = er.rank(np.concatenate(tangents, axis=1)) == er.rank(tangents[0]) == er.rank(tangents[1])
        assert_same(affine, entry.affine, f"{name}, d = {dim}: whether the tangent space is the same elsewhere")
        beyond = 0 if affine else 1  # affine: the equations are linear; otherwise C.20, C.25
        assert_same(
            found.index(size) + beyond,
            entry.scalar_count(dim),
            f"{name}, d = {dim}: scalars that determine U",
        )
        visited.append((dim, name))
        steps.append(f"{name}, d = {dim}: M = {size}, ranks for N = 0 … {len(found) - 1}")
    for dim in _CLASS_DIMS:
        entry = hypothesis_class("permutation")
        assert_same(
            (0, False), (entry.dimension(dim), entry.affine), f"permutations, d = {dim}: a finite set, not one point"
        )
        visited.append((dim, "permutation"))
    scope = f"{len(visited)} pairs of class and {covered(visited, _pairs())}, all N ≤ M + 2"
    return Finding(Truth.TRUE, scope, tuple(steps))


def _low_rank_twin(settings: CheckSettings, rank: int, dim: int) -> None:
    """Another matrix of the same rank with the same d − 1 images: X + cnᵀ, c in the column space of X."""
    rng = generator(settings, dim, rank, 18)
    left, right = er.draw_vectors(rng, dim, rank), er.draw_vectors(rng, rank, dim)
    actions = er.draw_vectors(rng, dim - 1, dim)
    (normal,) = normals(actions, 1)
    X = (left @ right).astype(object)
    other = X + np.outer(left[:, 0].astype(object), normal)
    where = f"rank {rank}, d = {dim}, N = d − 1"
    assert (other @ actions.T == X @ actions.T).all(), f"{where}: images differ"
    assert (other != X).any(), f"{where}: it is X"
    assert_same(sympy.Matrix(other.tolist()).rank(), rank, f"{where}: rank of the other matrix")


@SECTION.check(
    "18",
    "Images Ua that determine U: d (all, symmetric, rank p), b − 1 (block-diagonal rotations, SO(b)), d/2 (unitary), "
    "1 (reflections, diagonal, circulant, translation, permutations).",
    kind=CERTIFICATE,
    method="first N with rank M modulo 2^61 − 1; explicit other solutions where ranks do not decide; brute force",
    latex=r"\{V:Va_i=Ua_i,\ i\le N\}=\{U\}",
    source=SHARPER,
    assumptions=GENERIC[1:],
    note="What is certified is local, the rank. By hand that local is global here: affine classes have linear "
    "equations; for block-diagonal rotations and U(d/2) the fibre is U times the connected group SO(b − N)^{d/b} or "
    "U(d/2 − N), trivial when its dimension is 0; for reflections a − Ua is a multiple of v; rank p: d images fix any "
    "matrix. On O(d) rank M is reached at d − 1, where a reflection is another solution, C.8.",
)
def _class_gradients(settings: CheckSettings) -> Finding:
    steps, visited = [], []
    for name, entry, dim in _class_cases(_CLASS_DIMS):
        rng, size = generator(settings, dim, 18), entry.dimension(dim)
        actions = er.draw_vectors(rng, dim, dim)
        images = _images(name, actions, rng)
        first = er.leading_ranks(ct.image_rows(images))[::dim].index(size)
        enough = first
        if name in ("so", "o"):
            U, every_goal = er.rational_rotation(er.random_skew(rng, dim, bound=2)), np.eye(dim, dtype=np.int64)
            while another_solution(U, every_goal, actions[:enough], name) is not None:
                enough += 1
        assert_same(enough, entry.gradient_count(dim), f"{name}, d = {dim}")
        visited.append((dim, name))
        if name.startswith("rank-"):
            _low_rank_twin(settings, int(name.removeprefix("rank-")), dim)
        another = f"; another solution up to N = {enough - 1}" if enough > first else ""
        steps.append(f"{name}, d = {dim}: rank M = {size} first at N = {first}{another}")
    for dim in _CLASS_DIMS:
        a = er.draw_vectors(generator(settings, dim, 18, 1), 1, dim)[0] + 100 * np.arange(dim)
        distinct = {tuple(a[list(order)]) for order in permutations(range(dim))}
        assert_same(
            len(distinct),
            len(list(permutations(range(dim)))),
            f"permutations, d = {dim}: images of one action",
        )
        entry = hypothesis_class("permutation")
        assert_same((1, 1), (entry.gradient_count(dim), entry.scalar_count(dim)), f"permutations, d = {dim}: counts")
        visited.append((dim, "permutation"))
        steps.append(f"permutations, d = {dim}: one action has {len(distinct)} different images")
    return Finding(Truth.TRUE, f"{len(visited)} pairs of class and {covered(visited, _pairs())}", tuple(steps))


@SECTION.check(
    "19",
    "Plain least squares, without UᵀU = I: d² transitions with DDPG and d with ReenGAGE.",
    kind=CERTIFICATE,
    method="ranks of the linear equations modulo 2^61 − 1",
    latex=r"\operatorname{rank}(g_i\otimes a_i)_{i\le N}=\min(N,d^2),\qquad\operatorname{rank}=d\min(N,d)",
    source=SHARPER,
    assumptions=GENERIC[1:],
)
def _least_squares(settings: CheckSettings) -> Finding:
    steps, visited = [], []
    entry = hypothesis_class("all")
    for dim in DIMS:
        rng = generator(settings, dim, 19)
        actions, goals = er.draw_vectors(rng, dim**2 + 1, dim), er.draw_vectors(rng, dim**2 + 1, dim)
        scalars = er.leading_ranks(np.einsum("ni,nj->nij", goals, actions).reshape(-1, dim**2))
        assert_same(scalars, [min(num, dim**2) for num in range(dim**2 + 2)], f"d = {dim}, DDPG")
        vectors = er.leading_ranks(ct.image_rows(_images("all", actions[: dim + 1], rng)))[::dim]
        assert_same(vectors, [dim * min(num, dim) for num in range(dim + 2)], f"d = {dim}, ReenGAGE")
        assert_same((entry.scalar_count(dim), entry.gradient_count(dim)), (dim**2, dim), f"d = {dim}, the table")
        visited.append(dim)
        steps.append(f"d = {dim}: full rank {dim**2} first at N = {dim**2} and N = {dim}")
    return Finding(Truth.TRUE, f"{covered(visited, DIMS)}, all N ≤ d² + 1 and d + 1", tuple(steps))


def _householder_equations(rng: np.random.Generator, dim: int, num: int) -> Equations:
    """Scalars of a reflection I − 2vvᵀ/‖v‖² in the chart v₁ = 1, cleared of ‖v‖²."""
    goals, actions = draw_data(rng, num, dim), draw_data(rng, num, dim)
    truth = sympy.Matrix(draw_data(rng, 1, dim)[0].tolist())
    variables = list(sympy.symbols(f"v2:{dim + 1}"))
    v = sympy.Matrix([1, *variables])

    def scalar(normal: Any, g: Any, a: Any) -> Any:
        """gᵀ(I − 2nnᵀ/‖n‖²)a·‖n‖²."""
        return g.dot(a) * normal.dot(normal) - 2 * g.dot(normal) * a.dot(normal)

    polynomials = []
    for goal, action in zip(goals, actions, strict=True):
        g, a = sympy.Matrix(goal.tolist()), sympy.Matrix(action.tolist())
        value = sympy.Rational(scalar(truth, g, a), truth.dot(truth))
        polynomials.append(sympy.expand(scalar(v, g, a) - value * v.dot(v)))
    return Equations(polynomials, variables, v.dot(v))


def _planar_block_equations(rng: np.random.Generator, blocks: int, num: int) -> Equations:
    """Scalars of block-diagonal planar rotations, in their cosines and sines; the truth is the identity."""
    goals, actions = draw_data(rng, num, 2 * blocks), draw_data(rng, num, 2 * blocks)
    variables = list(sympy.symbols(f"c1:{blocks + 1} s1:{blocks + 1}"))
    polynomials = [variables[i] ** 2 + variables[blocks + i] ** 2 - 1 for i in range(blocks)]
    for g, a in zip(goals.tolist(), actions.tolist(), strict=True):
        total = sympy.Integer(0)
        for i in range(blocks):
            (p, q), (x, y) = g[2 * i : 2 * i + 2], a[2 * i : 2 * i + 2]
            total += (p * x + q * y) * (variables[i] - 1) + (q * x - p * y) * variables[blocks + i]
        polynomials.append(total)
    return Equations(polynomials, variables, sympy.Integer(1), degree=None)


_COUNTED: list[tuple[str, int, Callable[[np.random.Generator, int], Equations]]] = [
    ("householder", 2, lambda rng, num: _householder_equations(rng, 2, num)),
    ("householder", 3, lambda rng, num: _householder_equations(rng, 3, num)),
    ("householder", 4, lambda rng, num: _householder_equations(rng, 4, num)),
    ("so2-blocks", 4, lambda rng, num: _planar_block_equations(rng, 2, num)),
    ("so2-blocks", 6, lambda rng, num: _planar_block_equations(rng, 3, num)),
]
"""Classes whose solutions are counted, d, and their equations."""


@SECTION.check(
    "20",
    "Reflections, block-diagonal rotations and permutations: at N = M another real solution, an even number in all, "
    "and none at M + 1.",
    kind=CERTIFICATE,
    method="all complex and real solutions counted with Gröbner bases; permutations by brute force",
    latex=r"\#\{V:g_i^\top Va_i=g_i^\top Ua_i,\ i\le M\}\ \text{even},\qquad=1\ \text{at}\ N=M+1",
    source=SHARPER,
    assumptions=GENERIC[1:],
    note="In other dimensions by hand: these classes are closed manifolds, so the arguments of C.24 and C.25, by "
    "hand too, hold for them, with M for D. So is U(d/2); its solutions were not counted beyond d = 2, where it is "
    "SO(2). Affine classes: M linear equations, C.17.",
)
def _class_solutions(settings: CheckSettings) -> Finding:
    steps, visited = [], []
    for place, (name, dim, make) in enumerate(_COUNTED):
        entry = hypothesis_class(name)
        text, size = f"{name}, d = {dim}", entry.dimension(dim)
        for attempt in range(2):
            rng = generator(settings, place, attempt, 20)
            at, beyond = count_genuine(make(rng, size)), count_genuine(make(rng, size + 1))
            require(at.simple, f"{text}: multiple solutions, the point is not generic")
            assert at.real >= 2, f"{text}, N = M: U is alone"
            assert_same(at.real % 2, 0, f"{text}, N = M: parity")
            assert_same(beyond, Solutions(1, 1, True), f"{text}, N = M + 1")
            assert_same(size + 1, entry.scalar_count(dim), f"{text}: scalars that determine U")
            visited.append((dim, name))
            steps.append(f"{text}: {at.complex} complex solutions, {at.real} real, at N = {size}; 1 at {size + 1}")
    for dim in _CLASS_DIMS:
        rng = generator(settings, dim, 20)
        g, a = rng.integers(1, 10**6, size=(2, dim))
        values = {int(g @ a[list(order)]) for order in permutations(range(dim))}
        assert_same(len(values), len(list(permutations(range(dim)))), f"permutations, d = {dim}: different scalars")
        entry = hypothesis_class("permutation")
        assert_same(1, entry.scalar_count(dim), f"permutations, d = {dim}: scalars that determine U")
        visited.append((dim, "permutation"))
        steps.append(f"permutations, d = {dim}: one scalar tells all {len(values)} apart")
    intended = [(dim, name) for name, dim, _ in _COUNTED] + [(dim, "permutation") for dim in _CLASS_DIMS]
    scopes = [
        f"{text} {covered([c for c in visited if c[1] == name], [c for c in intended if c[1] == name])}"
        for name, text in (
            ("householder", "reflections"),
            ("so2-blocks", "SO(2) blocks"),
            ("permutation", "permutations"),
        )
    ]
    return Finding(Truth.TRUE, "; ".join(scopes), tuple(steps))


@cache
def _low_rank_counts(seed: int) -> list[tuple[Any, Any, int, int]]:
    """X, C, degree and number of real roots of det(X + tC) for instances of rank 2 at d = 3, N = M = 8."""
    found = []
    for attempt in range(80):
        X, C, polynomial = low_rank_line(3, np.random.default_rng((seed, attempt, 21)))
        require(polynomial.eval(0) == 0, "X is not singular")
        simple = sympy.gcd(polynomial, polynomial.diff()).degree() == 0
        require(simple, "multiple roots, the point is not generic")
        found.append((X, C, int(polynomial.degree()), int(polynomial.count_roots())))
    return found


@SECTION.check(
    "21",
    "Rank p, as for rotations: M = p(2d − p) generic scalars always leave another real matrix of rank at most p.",
    kind=CERTIFICATE,
    method="real roots of det(X + tC) at d = 3, p = 2, N = 8, where C spans what the scalars do not see",
    latex=r"\#\{Y:\operatorname{rank}Y\le p,\ g_i^\top Ya_i=g_i^\top Xa_i,\ i\le M\}\ge 2",
    source="the count p(2d − p) + 1, read as necessary for every matrix",
    expected=Truth.FALSE,
    note="The degree of the variety is odd here (3), so the other solutions can be a complex pair. C.21a has it right.",
)
def _low_rank_always(settings: CheckSettings) -> Finding:
    for X, C, _, real in _low_rank_counts(settings.seed):
        if real == 1:
            text = (
                f"d = 3, p = 2, N = 8, X = {X.tolist()}, unseen C = {C.tolist()}: det(X + tC) has the real root 0 only"
            )
            return Finding(Truth.FALSE, "d = 3, p = 2, N = M = 8", counterexample=text)
    return Finding(Truth.UNKNOWN, "nothing", ("every instance had another real root",))


@SECTION.check(
    "21a",
    "As corrected: M scalars determine some matrices of rank p and not others; M + 1 determine all (d = 3, p = 2).",
    kind=CERTIFICATE,
    method="real roots of det(X + tC) at N = 8; rank of the linear equations at N = 9",
    latex=r"\det(X+tC)=0:\ 1\text{ or }3\text{ real roots}",
    source="ours",
    note="So p(2d − p) + 1 is the smallest N that does for every X, not for a given one. At d = 2, p = 1 the degree is "
    "2 and the other solution always real. In general, that M + 1 is enough is the dimension count of C.25, by hand.",
)
def _low_rank_corrected(settings: CheckSettings) -> Finding:
    found = _low_rank_counts(settings.seed)
    tally = {count: sum(real == count for *_, real in found) for count in (1, 3)}
    require(found and all(degree == 3 for _, _, degree, _ in found), "a determinant of lower degree")
    assert min(tally.values()) > 0, f"numbers of real roots: {tally}"
    planar = [low_rank_line(2, generator(settings, attempt, 22))[2] for attempt in range(12)]
    require(all(p.degree() == 2 for p in planar), "a determinant of lower degree")
    assert_same([int(p.count_roots()) for p in planar], [2] * 12, "d = 2, p = 1, N = 3: real roots")
    rng = generator(settings, 23)
    rows = np.einsum("ni,nj->nij", er.draw_vectors(rng, 9, 3), er.draw_vectors(rng, 9, 3)).reshape(9, 9)
    assert_same(er.rank(rows), 9, "d = 3, N = 9: rank of the linear equations")
    for dim, rank in ((3, 2), (2, 1)):
        predicted = LowRank(rank).scalar_count(dim)
        assert_same(dim**2, predicted, f"d = {dim}, p = {rank}: scalars that determine every X")
    steps = (
        f"d = 3, p = 2, N = 8: of {len(found)} instances {tally[1]} have X alone and {tally[3]} two others",
        "d = 2, p = 1, N = 3: 12 instances, each with one other",
        "d = 3, p = 2, N = 9 = d²: the equations are linear and independent",
    )
    return Finding(Truth.TRUE, "d = 3, p = 2 and d = 2, p = 1", steps)
