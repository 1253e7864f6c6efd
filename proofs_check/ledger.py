"""The ledger: every section of claims, in the order of the argument. A new section is one file and one entry."""

from __future__ import annotations

from collections.abc import Sequence

from proofs_check.claim import Claim
from proofs_check.claims import cost, counting, discrete_actions, errata, goal_sets, proposition1, proposition2
from proofs_check.proving.section import Section

__all__ = ["SECTIONS", "all_claims", "find_claim", "find_claims"]

SECTIONS: tuple[Section, ...] = (
    proposition1.SECTION,
    proposition2.SECTION,
    counting.SECTION,
    discrete_actions.SECTION,
    goal_sets.SECTION,
    cost.SECTION,
    errata.SECTION,
)


def all_claims() -> list[Claim]:
    """Every claim, in order."""
    return [claim for section in SECTIONS for claim in section.claims]


def find_claim(id: str) -> Claim:
    """The claim of exactly this id.

    Raises:
        LookupError: if there is none.
    """
    for claim in all_claims():
        if claim.id == id:
            return claim
    raise LookupError(id)


def find_claims(ids: Sequence[str]) -> list[Claim]:
    """The claims of the given ids, and all those of the given sections, in the order of the ledger.

    Args:
        ids: in upper or lower case; "S.4" stands for S.4a and S.4b.

    Raises:
        LookupError: (the first id that is neither, what is allowed).
    """
    claims = all_claims()
    wanted: set[str] = set()
    for id in ids:
        low = id.lower()
        found = [c.id for c in claims if low in (c.id.lower(), c.group.lower())] or [
            c.id for c in claims if low == c.id.lower().rstrip("abcdefgh")
        ]
        if not found:
            allowed = ", ".join(f"{s.claims[0].id} to {s.claims[-1].id}" for s in SECTIONS)
            raise LookupError(
                id, f"there is no such claim; claims are {allowed}, sections {', '.join(s.id for s in SECTIONS)}"
            )
        wanted.update(found)
    return [claim for claim in claims if claim.id in wanted]
