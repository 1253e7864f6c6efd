"""Making mutants: the real sources, changed mechanically in one place at a time."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

TARGETS: dict[str, tuple[str, ...]] = {
    "toyenvs.constructions.gradient_feedback": ("P1", "S", "C"),
    "toyenvs.constructions.no_reward_gradient": ("P2", "S", "C"),
    "toyenvs.constructions.base": ("P1", "P2"),
    "toyenvs.learners.losses": ("P1", "P2", "K"),
    "toyenvs.learners.objective": ("P1", "P2"),
    "toyenvs.learners.soft_target": ("D", "S"),
    "toyenvs.learners.goal_set": ("G", "S"),
    "proofs_check.theory": ("C", "P2", "S"),
    "proofs_check.claims.proposition1": ("P1",),
    "proofs_check.claims.proposition2": ("P2",),
    "proofs_check.claims.errata": ("S",),
}
"""What is mutated, and the sections of the ledger that should notice, the likeliest first; then come the others."""

TESTS: dict[str, tuple[str, ...]] = {
    "toyenvs.constructions.base": ("test_regret", "test_protocols", "test_goal_env"),
    "toyenvs.learners.losses": ("test_learners", "test_soft_target"),
    "toyenvs.learners.objective": ("test_protocols", "test_global_solvers", "test_learners"),
    "proofs_check.theory": ("test_counting", "test_rank_prediction", "test_one_line"),
}
"""The tests that a mutant meets where the ledger lets it pass: of what claims do not speak of, such as projected goals,
precision, and which count belongs to which setting."""

CLAIM_MODULES = ("proofs_check.claims.proposition1", "proofs_check.claims.proposition2", "proofs_check.claims.errata")
"""Here only the two sides of stated equalities are mutated: the claims' own formulas. Not those that a refutation
leads to: what is expected to be false stays false. The steps on the way to them are."""


@dataclass(frozen=True)
class Mutant:
    """One change in one place.

    Attributes:
        module: dotted.
        place: function or method, with its class.
        line: in the real source.
        kind: what was done, in words.
        before: the expression as it stands.
        after: the expression as changed.
        source: the whole module, changed.
        occurrence: counts the same change in the same function.
    """

    module: str
    place: str
    line: int
    kind: str
    before: str
    after: str
    source: str
    occurrence: int = 1

    @property
    def key(self) -> str:
        """What the list of equivalent mutants knows it by: it does not change with the lines above."""
        again = f" #{self.occurrence}" if self.occurrence > 1 else ""
        return f"{self.module.rsplit('.', 1)[1]}:{self.place}: {self.before} -> {self.after}{again}"


_PLUMBING = {"__init__", "discounted", "unit_vectors", "points_in_ball", "trials", "make_objective"}
"""Functions without formulas of a claim: what is accepted, how problems are drawn, which trials go on."""

_SWAPPED_CALLS = {"apply": "apply_transpose", "apply_transpose": "apply", "min": "max", "max": "min"}
_SWAPPED_NAMES = {
    "param": "target_param",
    "target_param": "param",
    "observation": "next_observation",
    "next_observation": "observation",
}
_AXES = {"sum", "mean", "any", "all", "amax"}
"""Methods whose arguments name axes."""

_OTHER_GROUP = {"so": "o", "o": "so"}
_SYMMETRIC = {"inner", "min", "max"}


def _alternatives(node: ast.AST, names: set[str]) -> Iterator[tuple[str, ast.AST]]:
    """Changed versions of one node; ``names`` are the arguments of the function around it."""
    if isinstance(node, ast.BinOp):
        operators: list[tuple[type[ast.operator], type[ast.operator], str]] = [
            (ast.Add, ast.Sub, "sign"),
            (ast.Sub, ast.Add, "sign"),
            (ast.Mult, ast.Div, "times for divided by"),
            (ast.Div, ast.Mult, "divided by for times"),
        ]
        for old, new, kind in operators:
            if isinstance(node.op, old):
                yield kind, ast.BinOp(node.left, new(), node.right)
        word = "term" if isinstance(node.op, ast.Add | ast.Sub) else "factor"
        if isinstance(node.op, ast.Pow):
            yield "dropped power", node.left
        elif not isinstance(node.op, ast.MatMult):
            yield f"dropped {word}", node.left
            if not isinstance(node.op, ast.Div):
                yield f"dropped {word}", node.right
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield "constant", ast.Constant(node.value + 1)
        if node.value > 0:
            yield "constant", ast.Constant(node.value - 1)
    if isinstance(node, ast.Constant) and node.value in _OTHER_GROUP:
        yield "wrong group", ast.Constant(_OTHER_GROUP[node.value])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", node.operand
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in _SWAPPED_CALLS and isinstance(node.func, ast.Name):
            kind = "transpose" if "apply" in name else "max for min" if name == "min" else "min for max"
            yield kind, ast.Call(ast.Name(_SWAPPED_CALLS[name], ast.Load()), node.args, node.keywords)
        if len(node.args) >= 2 and name not in _SYMMETRIC and not any(isinstance(a, ast.Starred) for a in node.args):
            yield (
                "swapped arguments",
                ast.Call(node.func, [*node.args[:-2], node.args[-1], node.args[-2]], node.keywords),
            )
        if name in ("policy", "q_value", "reward", "norm", "inner", "softmax"):
            stopped = ast.Call(ast.Name("_stopped", ast.Load()), [node], [])
            yield "stopped gradient", stopped
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        other = _SWAPPED_NAMES.get(node.id)
        if other in names:
            yield f"{other} for {node.id}", ast.Name(str(other), ast.Load())


_STOPPED = """
def _stopped(x):
    return x.detach() if hasattr(x, "detach") else x
"""


class _Replace(ast.NodeTransformer):
    def __init__(self, target: ast.AST, new: ast.AST) -> None:
        self.target, self.new = target, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.target else self.generic_visit(node)


_Formula = tuple[str, ast.AST, set[str]]


def _formulas(statement: ast.stmt, claims_only: bool) -> Iterator[_Formula]:
    """The expressions that are formulas: place, node, and the arguments of the function around it."""

    def visit(
        node: ast.AST, place: tuple[str, ...], names: set[str], wanted: bool
    ) -> Iterator[tuple[str, ast.AST, set[str]]]:
        if isinstance(node, ast.Raise | ast.Assert | ast.Import | ast.ImportFrom):
            return
        if isinstance(node, ast.AnnAssign):
            if node.value is not None:
                yield from visit(node.value, place, names, wanted)
            return
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            if isinstance(node, ast.FunctionDef):
                if node.name in _PLUMBING:
                    return
                names = {a.arg for a in [*node.args.args, *node.args.kwonlyargs]}
            for child in node.body:
                yield from visit(child, (*place, node.name), names, wanted)
            return
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a docstring
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "TypeVar":
            return
        if claims_only and isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "equal":
            for side in node.args[1:]:
                yield from visit(side, place, names, True)
            return
        if wanted:
            yield ".".join(place) or "module", node, names
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Subscript):
            children = [node.value]  # an index is no formula
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in _AXES:
            children = [node.func]
        for child in children:
            yield from visit(child, place, names, wanted)

    yield from visit(statement, (), set(), not claims_only)


def mutants_of(module: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its source."""
    statements = ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")).body
    texts = [ast.unparse(statement) for statement in statements]
    found: dict[str, Mutant] = {}
    for i, statement in enumerate(statements):
        for place, node, names in list(_formulas(statement, module in CLAIM_MODULES)):
            for kind, new in _alternatives(node, names):
                before, after = ast.unparse(node), ast.unparse(new)
                if after == before:
                    continue  # equal arguments, swapped
                if kind == "stopped gradient" and module in CLAIM_MODULES:
                    continue  # symbols have no gradients to stop
                # Only the statement around the change is copied and written anew: that is what takes the time.
                copied = copy.deepcopy(statement, {id(node): node})  # which still holds the very node
                changed = ast.fix_missing_locations(_Replace(node, copy.deepcopy(new)).visit(copied))
                source = "\n".join([*texts[:i], ast.unparse(changed), *texts[i + 1 :], _STOPPED])
                mutant = Mutant(module, place, getattr(node, "lineno", 0), kind, before, after, source)
                found.setdefault(mutant.source, mutant)
    counts: Counter[str] = Counter()
    numbered = []
    for mutant in found.values():
        counts[mutant.key] += 1
        numbered.append(replace(mutant, occurrence=counts[mutant.key]))
    return numbered


def all_mutants(modules: Sequence[str] = tuple(TARGETS)) -> list[Mutant]:
    """The mutants of every module."""
    return [mutant for module in modules for mutant in mutants_of(module)]
