"""How many transitions determine U: every count of the theory, certified in exact arithmetic.

First the differential of the losses (local identifiability: ranks), then their solutions (global identifiability:
other parameters that explain the same data). The formulas stand in :mod:`proofs_check.theory`, the ranks are
computed by :mod:`proofs_check.exact.rank`, the solutions counted by :mod:`proofs_check.exact.solution_count`.

A generic statement is certified at random integer points. A point that is not generic by accident, which has a chance
of about one in a thousand for some seed, makes a claim fail; it never makes one pass.

Steps that are argued by hand, which no machine checked, are named as such in the notes of the claims.

The modules state their claims in one section, by topic; the section keeps them in the order of their numbers.

Source: the sharp form of Propositions 1 and 2 of Levine & Feizi, AAAI 2023, which state orders only.
"""

from proofs_check.claims.counting import classes, few_goals, global_solutions, local_rank, protocols, relaxation
from proofs_check.claims.counting.section import SECTION

__all__ = ["SECTION", "classes", "few_goals", "global_solutions", "local_rank", "protocols", "relaxation"]
