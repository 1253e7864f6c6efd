"""The convex relaxation of UᵀU = I: how many scalars it needs (C.26).

The orthogonal matrices are the extreme points of the ball of the spectral norm. Minimising that norm under N generic
linear equations finds U with a phase transition at the statistical dimension of the norm's descent cone at U
(Amelunxen, Lotz, McCoy & Tropp, Inf. Inference 2014).
"""

from __future__ import annotations

import numpy as np

from proofs_check.claim import CheckSettings, EvidenceKind, Finding, Truth
from proofs_check.claims.counting.section import SECTION
from proofs_check.theory import convex_relaxation

__all__: list[str] = []

_SAMPLES = 20_000
_STANDARD_ERRORS = 5.5
"""A false alarm in any of the dimensions has a probability of about 1e-7."""


@SECTION.check(
    "26",
    "The descent cone of the spectral norm at an orthogonal matrix has the statistical dimension (3d² − d)/4: about so "
    "many generic scalars does the convex relaxation need.",
    kind=EvidenceKind.NUMERIC,
    method="squared lengths of Gaussian matrices projected on the polar cone, which is that of semidefinite matrices",
    latex=r"\delta=d^2-\tfrac12\tfrac{d(d+1)}2=\frac{3d^2-d}4",
    source="Chandrasekaran, Recht, Parrilo & Willsky, Found. Comput. Math. 2012",
    assumptions=("N generic linear equations; for gᵀUa it is an approximation",),
)
def _statistical_dimension(settings: CheckSettings) -> Finding:
    rng = np.random.default_rng(settings.seed)
    dims = (2, 3, 5, 8)
    steps = [
        "By hand: ⟨UP, X⟩ ≤ tr P = ⟨UP, U⟩ for P semidefinite and ‖X‖ ≤ 1, so these UP are the normal cone at U.",
        "By hand: δ of a cone is the mean squared length of a projected Gaussian; with that of its polar it makes d².",
        "By hand: the semidefinite P are a self-dual cone in d(d + 1)/2 dimensions, so their δ is half of that.",
    ]
    for dim in dims:
        G = rng.standard_normal((_SAMPLES, dim, dim))
        eigenvalues = np.linalg.eigvalsh((G + np.swapaxes(G, -1, -2)) / 2)
        lengths = np.square(np.maximum(eigenvalues, 0)).sum(-1)
        mean, error = float(lengths.mean()), float(lengths.std(ddof=1) / np.sqrt(_SAMPLES))
        expected = dim**2 - convex_relaxation(dim)
        assert abs(mean - expected) <= _STANDARD_ERRORS * error, (
            f"d = {dim}: the mean squared length is {mean:.4f} ± {error:.4f}, not d² − δ = {expected}"
        )
        steps.append(f"d = {dim}: mean squared length {mean:.3f} ± {error:.3f}, and d² − δ = {expected:g}")
    return Finding(Truth.TRUE, f"sampled: {_SAMPLES} matrices each, d = {', '.join(map(str, dims))}", tuple(steps))
