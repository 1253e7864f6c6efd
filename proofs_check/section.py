"""Sections of the ledger: where a module collects its claims, each next to its proof.

SECTION = Section("P1", "Proposition 1: gradient reward feedback")

@SECTION.proof("2", "(23) solves the Bellman optimality equation.", latex=r"...", source="(23)")
def _bellman(step: Derivation) -> None:
...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from proofs_check.claim import CheckSettings, Claim, Evidence, EvidenceKind, Finding, Verdict
from proofs_check.derivation import Proof, prove, refute

__all__ = ["Section"]

_Run = Callable[[CheckSettings], Finding]


class Section:
    """A group of claims.

    Args:
        id: the part of the claims' ids before the dot.
        title: in words.

    Attributes:
        claims: in the order in which they were stated.
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
        latex: str,
        source: str,
        assumptions: Sequence[str] = (),
        dims: Sequence[int] = (2, 3),
        reflections: bool = True,
        also: Sequence[Evidence] = (),
        note: str = "",
    ) -> Callable[[Proof], Proof]:
        """A claim that is derived for every d; see :func:`proofs_check.derivation.prove` for the rest."""

        def add(derivation: Proof) -> Proof:
            evidence = (*prove(derivation, dims=dims, reflections=reflections), *also)
            self._add(number, statement, latex, source, evidence, assumptions, Verdict.TRUE, note)
            return derivation

        return add

    def refutation(
        self,
        number: str,
        statement: str,
        *,
        latex: str,
        source: str,
        assumptions: Sequence[str] = (),
        also: Sequence[Evidence] = (),
        note: str = "",
    ) -> Callable[[Proof], Proof]:
        """A claim that is expected to be FALSE: its derivation is tried and fails with exact numbers."""

        def add(derivation: Proof) -> Proof:
            evidence = (*refute(derivation), *also)
            self._add(number, statement, latex, source, evidence, assumptions, Verdict.FALSE, note)
            return derivation

        return add

    def check(
        self,
        number: str,
        statement: str,
        *,
        kind: EvidenceKind,
        method: str,
        latex: str,
        source: str,
        assumptions: Sequence[str] = (),
        also: Sequence[Evidence] = (),
        expected: Verdict = Verdict.TRUE,
        note: str = "",
    ) -> Callable[[_Run], _Run]:
        """A claim with evidence of any kind; the decorated function finds out."""

        def add(run: _Run) -> _Run:
            evidence = (Evidence(kind, method, run), *also)
            self._add(number, statement, latex, source, evidence, assumptions, expected, note)
            return run

        return add

    def _add(
        self,
        number: str,
        statement: str,
        latex: str,
        source: str,
        evidence: tuple[Evidence, ...],
        assumptions: Sequence[str],
        expected: Verdict,
        note: str,
    ) -> None:
        claim = Claim(
            id=f"{self.id}.{number}",
            statement=statement,
            latex=latex,
            source=source,
            evidence=evidence,
            assumptions=tuple(assumptions),
            expected=expected,
            note=note,
        )
        if any(claim.id == other.id for other in self.claims):
            raise ValueError(f"number: {claim.id} is taken")
        self.claims.append(claim)
