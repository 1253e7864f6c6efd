"""The ledger: every section of claims, in the order of the argument. A new section is one file and one entry."""

from __future__ import annotations

from collections.abc import Sequence

from proofs_check import proposition1, proposition2
from proofs_check.claim import Claim
from proofs_check.section import Section

__all__ = ["SECTIONS", "all_claims", "find_claim"]

SECTIONS: tuple[Section, ...] = (proposition1.SECTION, proposition2.SECTION)


def all_claims(sections: Sequence[Section] = SECTIONS) -> list[Claim]:
    """Every claim, in order."""
    return [claim for section in sections for claim in section.claims]


def find_claim(id: str) -> Claim:
    """Look a claim up.

    Raises:
        ValueError: if there is none of that id.
    """
    for claim in all_claims():
        if claim.id == id:
            return claim
    raise ValueError(f"claim: {id!r} is not one of {', '.join(claim.id for claim in all_claims())}")
