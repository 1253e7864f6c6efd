"""The ledger: every section of claims, in the order of the argument. A new section is one file and one entry."""

from __future__ import annotations

from collections.abc import Sequence

from proofs_check import cost, counting, discrete_actions, goal_sets, proposition1, proposition2, slips
from proofs_check.claim import Claim
from proofs_check.section import Section

__all__ = ["SECTIONS", "all_claims", "find_claim", "find_claims"]

SECTIONS: tuple[Section, ...] = (
    proposition1.SECTION,
    proposition2.SECTION,
    counting.SECTION,
    discrete_actions.SECTION,
    goal_sets.SECTION,
    cost.SECTION,
    slips.SECTION,
)


def all_claims() -> list[Claim]:
    """Every claim, in order."""
    return [claim for section in SECTIONS for claim in section.claims]


def find_claim(id: str) -> Claim:
    """Look a claim up.

    Raises:
        LookupError: (the id, what is allowed) if there is none of that id.
    """
    (claim,) = find_claims([id])
    return claim


def find_claims(ids: Sequence[str]) -> list[Claim]:
    """The claims of the given ids, and all those of the given sections, in the order of the ledger.

    Raises:
        LookupError: (the first id that is neither, what is allowed).
    """
    claims = all_claims()
    for id in ids:
        if not any(id in (claim.id, claim.group) for claim in claims):
            allowed = ", ".join(f"{s.claims[0].id} to {s.claims[-1].id}" for s in SECTIONS)
            raise LookupError(id, f"claims are {allowed}; sections are {', '.join(s.id for s in SECTIONS)}")
    return [claim for claim in claims if claim.id in ids or claim.group in ids]
