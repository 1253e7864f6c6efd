"""Proposition 1 with a unitary map: half of the dimensions are imaginary parts.

States, actions and goals are vectors z in C^(d/2), written as (Re z, Im z) in R^d; s' = s + Ua with U unknown and
unitary, reward Re⟨g, s'⟩. A unitary matrix of size d/2 has d²/4 degrees of freedom, about half of a rotation's
d(d − 1)/2, and one complex image Ua says as much as two real ones: DDPG needs d²/4 + 1 transitions, ReenGAGE d/2.

    reengage scale --construction examples/unitary_rotation.py:UnitaryRotation --dims 2,4,6,8,10,12
"""

from __future__ import annotations

from toyenvs.constructions import GradientFeedback


class UnitaryRotation(GradientFeedback):
    """s' = s + Ua, R = gᵀs', U unitary on C^(d/2)."""

    name = "unitary-rotation"
    group = "unitary"
