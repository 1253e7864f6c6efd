"""What a claim is: a statement with a permanent id, its source, its assumptions, and evidence that is run.

A verdict is TRUE, FALSE or UNKNOWN, and says for what range. UNKNOWN is not a pass: it stands for a proof that did
not go through, a check that crashed, or evidence that contradicts itself. How strongly a verdict is held depends on
the evidence: a symbolic derivation *proves*, an exact computation *certifies* the cases that it went through, and a
property test or a numeric experiment has only *sampled*, however many samples agree.
"""

from __future__ import annotations

import re
import string
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

__all__ = [
    "CheckSettings",
    "Claim",
    "ClaimResult",
    "Evidence",
    "EvidenceKind",
    "EvidenceResult",
    "Finding",
    "RefutedError",
    "Strength",
    "Truth",
]


class RefutedError(AssertionError):
    """The statement of the claim itself is false; the message is the counterexample."""


class Truth(Enum):
    """What is known of a statement."""

    TRUE = "TRUE"
    FALSE = "FALSE"
    UNKNOWN = "UNKNOWN"


class Strength(Enum):
    """How a verdict is known, the strongest first."""

    PROVED = "proved"
    CERTIFIED = "certified"
    SAMPLED = "sampled"


class EvidenceKind(Enum):
    """What is run; the strength that a finding of that kind can have."""

    SYMBOLIC = "symbolic"
    """A derivation in the abstract inner-product algebra, or on symbols: no number is substituted."""
    COMPONENTS = "components"
    """The same statement in explicit coordinates of a fixed small dimension: an independent check of every d."""
    CERTIFICATE = "certificate"
    """Exact arithmetic on given numbers: a rank, a count of roots, a counterexample."""
    PROPERTY = "property test"
    """An assertion on random examples in floating point."""
    NUMERIC = "numeric"
    """A measurement in floating point."""

    @property
    def strength(self) -> Strength:
        """The most that evidence of this kind can say."""
        if self in (EvidenceKind.SYMBOLIC, EvidenceKind.COMPONENTS):
            return Strength.PROVED
        return Strength.CERTIFIED if self is EvidenceKind.CERTIFICATE else Strength.SAMPLED


MAX_DIM = 128
"""A matrix of D² numbers modulo a prime takes half a gigabyte there, and its rank some minutes."""


@dataclass(frozen=True)
class CheckSettings:
    """What evidence may depend on.

    Attributes:
        max_dim: largest d of the exact certificates.
        seed: of every random choice.
    """

    max_dim: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if not 4 <= self.max_dim <= MAX_DIM:
            raise ValueError(f"max_dim: {self.max_dim!r} is not an integer between 4 and {MAX_DIM}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed: {self.seed!r} is not an integer between 0 and 2^63 - 1")


@dataclass(frozen=True)
class Finding:
    """What a piece of evidence found.

    Attributes:
        verdict: of the claim's statement.
        scope: the range that was covered, in words: "every d", "d = 2, 3", "150 problems, d <= 5".
        steps: the derivation or the computation, one line a step.
        counterexample: required where the verdict is FALSE; the smallest that was found.
    """

    verdict: Truth
    scope: str
    steps: tuple[str, ...] = ()
    counterexample: str | None = None

    def __post_init__(self) -> None:
        if (self.verdict is Truth.FALSE) != (self.counterexample is not None):
            raise ValueError(
                f"counterexample: {self.counterexample!r} with verdict {self.verdict.value}; "
                "FALSE needs one and no other verdict has one"
            )


@dataclass(frozen=True)
class Evidence:
    """A way to find out about a claim.

    Attributes:
        kind: decides how strong the result can be.
        method: what it does, in words.
        run: does it. A RefutedError that it raises refutes the claim, with the message as the counterexample. So does
            any AssertionError, but not for a claim that is expected to be FALSE: there it may be some step on the
            way that fails, and nothing is shown. Every other exception makes the finding UNKNOWN.
    """

    kind: EvidenceKind
    method: str
    run: Callable[[CheckSettings], Finding]


@dataclass(frozen=True)
class EvidenceResult:
    """A piece of evidence after it was run."""

    kind: EvidenceKind
    method: str
    finding: Finding
    seconds: float


_ID = re.compile(r"[A-Z]+\d*\.\d+[a-z]?")


@dataclass(frozen=True)
class Claim:
    """A statement that is proved, certified, sampled or refuted.

    Attributes:
        id: permanent, such as "P1.3"; never used again for another statement.
        statement: in words and plain symbols, one or two sentences.
        latex: the formula, without dollar signs.
        source: equation number or reference.
        evidence: one or more pieces.
        assumptions: what the statement needs.
        expected: the verdict that this project stands by; a printed erratum is expected to be FALSE.
        note: what a reader should know besides.
    """

    id: str
    statement: str
    latex: str
    source: str
    evidence: tuple[Evidence, ...]
    assumptions: tuple[str, ...] = ()
    expected: Truth = Truth.TRUE
    note: str = ""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"id: {self.id!r} is not a group, a dot and a number, such as P1.3 or S6.1a")
        if not self.evidence:
            raise ValueError(f"evidence: {self.id} has none")
        if self.expected is Truth.UNKNOWN:
            raise ValueError(f"expected: UNKNOWN is no verdict to stand by ({self.id})")

    @property
    def group(self) -> str:
        """The part of the id before the dot."""
        return self.id.split(".")[0]

    @property
    def number(self) -> tuple[int, str]:
        """The part of the id after the dot, number and letter; the claims of a group are in this order."""
        part = self.id.split(".")[1]
        digits = part.rstrip(string.ascii_lowercase)
        return int(digits), part.removeprefix(digits)

    def check(self, settings: CheckSettings | None = None) -> ClaimResult:
        """Run every piece of evidence; never raises for what the evidence does."""
        settings = settings or CheckSettings()
        return ClaimResult(self, tuple(_examine(piece, settings, self.expected) for piece in self.evidence))


def _examine(piece: Evidence, settings: CheckSettings, expected: Truth) -> EvidenceResult:
    started = time.perf_counter()
    try:
        finding = piece.run(settings)
    except Exception as error:
        if isinstance(error, RefutedError) or (isinstance(error, AssertionError) and expected is Truth.TRUE):
            finding = Finding(Truth.FALSE, "one counterexample", counterexample=str(error) or repr(error))
        else:
            # A check that crashes has shown nothing; the ledger goes on and the claim is not passed.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
            finding = Finding(Truth.UNKNOWN, "nothing", (f"{type(error).__name__} in {where}: {error}",))
    return EvidenceResult(piece.kind, piece.method, finding, time.perf_counter() - started)


@dataclass(frozen=True)
class ClaimResult:
    """A claim after its evidence was run."""

    claim: Claim
    evidence: tuple[EvidenceResult, ...]

    @property
    def verdict(self) -> Truth:
        """TRUE or FALSE if every piece of evidence says so, otherwise UNKNOWN."""
        verdicts = {piece.finding.verdict for piece in self.evidence}
        return verdicts.pop() if len(verdicts) == 1 else Truth.UNKNOWN

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one that the project stands by."""
        return self.verdict is self.claim.expected

    @property
    def strongest(self) -> EvidenceResult:
        """The piece that says most; among equals the first."""
        order = list(Strength)
        return min(self.evidence, key=lambda piece: order.index(piece.kind.strength))

    @property
    def strength(self) -> Strength | None:
        """How the verdict is known; None for UNKNOWN."""
        return None if self.verdict is Truth.UNKNOWN else self.strongest.kind.strength

    @property
    def scope(self) -> str:
        """The range of the strongest piece."""
        return self.strongest.finding.scope

    @property
    def counterexample(self) -> str | None:
        """Of the first piece that has one."""
        return next((c for piece in self.evidence if (c := piece.finding.counterexample) is not None), None)

    @property
    def seconds(self) -> float:
        """Time that the evidence took."""
        return sum(piece.seconds for piece in self.evidence)
