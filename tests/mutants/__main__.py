"""Mutants of the formulas, the losses, the counts and the claims: which check notices which.

A check that never fails proves nothing. Here the formulas of the real sources (constructions, losses, counts, and the
claims' own) are changed mechanically, one place at a time: a sign, a factor, a power, a transpose, a dropped term,
swapped arguments, a stopped gradient, Ū for Ũ, max for min, another group, d for d − 1, … For each mutant the claims
of the ledger are run until one of them is not as expected.

    make mutants                                            every mutant; the table, and the survivors
    cd tests; python -m mutants --module losses             those of one module

Exit code 1 if a mutant survives that is not listed, with its reason, in ``equivalent.py``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence

from mutants.equivalent import EQUIVALENT
from mutants.examining import Outcome, outcomes_of
from mutants.making import TARGETS, Mutant, all_mutants


def _row(mutant: Mutant, outcome: Outcome) -> str:
    def short(text: str) -> str:
        return text if len(text) <= 60 else text[:57] + "..."

    place = f"{mutant.module.rsplit('.', 1)[1]}:{mutant.line}"
    caught = outcome.caught_by or ("equivalent" if mutant.key in EQUIVALENT else "SURVIVED")
    change = f"`{short(mutant.before)}` → `{short(mutant.after)}`"
    return f"| {place} | {mutant.kind} | {change} | {caught} | {outcome.how} | {outcome.seconds:.1f} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 1 if a mutant survives that is not listed as equivalent."""
    parser = argparse.ArgumentParser(description="Which claim of the ledger notices which mutant of the sources.")
    parser.add_argument("--module", action="append", metavar="NAME", help="only modules whose name ends so")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="J", help="processes (default: cores)")
    parser.add_argument("--list", action="store_true", help="list the mutants, run nothing")
    arguments = parser.parse_args(argv)
    mutants = all_mutants([m for m in TARGETS if not arguments.module or m.endswith(tuple(arguments.module))])
    if arguments.list:
        print("\n".join([*(mutant.key for mutant in mutants), str(len(mutants))]))
        return 0
    print("| where | what was done | change | caught by | how | seconds |\n|---|---|---|---|---|---|")
    outcomes = []
    for mutant, outcome in zip(mutants, outcomes_of(mutants, arguments.jobs), strict=True):
        outcomes.append(outcome)
        print(_row(mutant, outcome), flush=True)

    survivors = [m for m, o in zip(mutants, outcomes, strict=True) if o.caught_by is None]
    unexplained = [m for m in survivors if m.key not in EQUIVALENT]
    print(f"\n{len(mutants)} mutants: {len(mutants) - len(survivors)} caught, {len(survivors)} not, of which")
    print(f"{len(survivors) - len(unexplained)} compute the same thing:")
    for mutant in survivors:
        if mutant.key in EQUIVALENT:
            print(f"* {mutant.key}\n  {EQUIVALENT[mutant.key]}")
    for title, names in (("caught by", [o.caught_by or "-" for o in outcomes]), ("how", [o.how for o in outcomes])):
        print(f"\n{title}: " + ", ".join(f"{name} {count}" for name, count in Counter(names).most_common()))
    for mutant in unexplained:
        print(f"SURVIVED: {mutant.key}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
