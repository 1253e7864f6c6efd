"""Sections of the ledger: where a module collects its claims, each next to its proof.

SECTION = Section("P1", "Proposition 1: gradient reward feedback")

@SECTION.proof("2", "(23) solves the Bellman optimality equation.", latex=r"...", source="(23)")
def _bellman(step: Derivation) -> None:
...
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from typing import Required, TypedDict, Unpack

from proofs_check.claim import CheckSettings, Claim, Evidence, EvidenceKind, Finding, Truth
from proofs_check.proving.derivation import Proof, prove, refute

__all__ = ["Section"]

_Run = Callable[[CheckSettings], Finding]


class _Details(TypedDict, total=False):
    """What every claim may say of itself, as in :class:`proofs_check.claim.Claim`.

    Attributes:
        also: evidence besides the decorated function.
    """

    latex: Required[str]
    source: Required[str]
    assumptions: Sequence[str]
    also: Sequence[Evidence]
    note: str


class Section:
    """A group of claims.

    Args:
        id: the part of the claims' ids before the dot.
        title: in words.

    Attributes:
        claims: in the order of their numbers, whatever modules they are stated in.
    """

    def __init__(self, id: str, title: str) -> None:
        self.id = id
        self.title = title
        self.claims: list[Claim] = []

    def proof(
        self,
        number: str,
        statement: str,
        *,
        dims: Sequence[int] = (2, 3),
        reflections: bool = True,
        **details: Unpack[_Details],
    ) -> Callable[[Proof], Proof]:
        """A claim that is derived for every d; see :func:`proofs_check.proving.derivation.prove` for the rest."""

        def add(derivation: Proof) -> Proof:
            self._add(number, statement, prove(derivation, dims=dims, reflections=reflections), **details)
            return derivation

        return add

    def refutation(self, number: str, statement: str, **details: Unpack[_Details]) -> Callable[[Proof], Proof]:
        """A claim that is expected to be FALSE: its derivation is tried and fails with exact numbers."""

        def add(derivation: Proof) -> Proof:
            self._add(number, statement, refute(derivation), Truth.FALSE, **details)
            return derivation

        return add

    def check(
        self,
        number: str,
        statement: str,
        *,
        kind: EvidenceKind,
        method: str,
        expected: Truth = Truth.TRUE,
        **details: Unpack[_Details],
    ) -> Callable[[_Run], _Run]:
        """A claim with evidence of any kind; the decorated function finds out."""

        def add(run: _Run) -> _Run:
            self._add(number, statement, [Evidence(kind, method, run)], expected, **details)
            return run

        return add

    def _add(
        self,
        number: str,
        statement: str,
        evidence: Sequence[Evidence],
        expected: Truth = Truth.TRUE,
        *,
        latex: str,
        source: str,
        assumptions: Sequence[str] = (),
        also: Sequence[Evidence] = (),
        note: str = "",
    ) -> None:
        claim = Claim(
            id=f"{self.id}.{number}",
            statement=statement,
            latex=latex,
            source=source,
            evidence=(*evidence, *also),
            assumptions=tuple(assumptions),
            expected=expected,
            note=note,
        )
        if any(claim.id == other.id for other in self.claims):
            raise ValueError(f"number: {claim.id} is taken")
        insort(self.claims, claim, key=lambda claim: claim.number)
