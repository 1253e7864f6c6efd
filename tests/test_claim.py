"""Claims and their verdicts: what counts as what, and that nothing unknown ever passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from proofs_check.claim import (
    CheckSettings,
    Claim,
    Evidence,
    EvidenceKind,
    Finding,
    RefutedError,
    Strength,
    Truth,
)
from proofs_check.proving.section import Section

TRUE = Finding(Truth.TRUE, "every d")
FALSE = Finding(Truth.FALSE, "d = 2", counterexample="0 ≠ 1")
UNKNOWN = Finding(Truth.UNKNOWN, "nothing")


def crash(settings: CheckSettings) -> Finding:
    raise KeyError("missing")


def refuse(settings: CheckSettings) -> Finding:
    raise AssertionError("1 is not 2")


def contradict(settings: CheckSettings) -> Finding:
    raise RefutedError("0 is not 1")


def evidence(finding: Finding | Callable[[CheckSettings], Finding], kind: EvidenceKind) -> Evidence:
    return Evidence(kind, "a test", finding if callable(finding) else lambda settings: finding)


def claim(*pieces: Evidence, expected: Truth = Truth.TRUE) -> Claim:
    return Claim("T1.1", "A statement.", "x", "nowhere", pieces, expected=expected)


SYMBOLIC, NUMERIC, EXACT = EvidenceKind.SYMBOLIC, EvidenceKind.NUMERIC, EvidenceKind.CERTIFICATE


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([TRUE], Truth.TRUE),
        ([TRUE, TRUE], Truth.TRUE),
        ([FALSE], Truth.FALSE),
        ([FALSE, FALSE], Truth.FALSE),
        ([UNKNOWN], Truth.UNKNOWN),
        ([TRUE, UNKNOWN], Truth.UNKNOWN),
        ([FALSE, UNKNOWN], Truth.UNKNOWN),
        ([TRUE, FALSE], Truth.UNKNOWN),
        ([crash], Truth.UNKNOWN),
        ([TRUE, crash], Truth.UNKNOWN),
        ([refuse], Truth.FALSE),
        ([contradict], Truth.FALSE),
    ],
)
def test_a_verdict_needs_evidence_that_agrees(findings: list[Any], verdict: Truth) -> None:
    result = claim(*(evidence(finding, SYMBOLIC) for finding in findings)).check()
    assert result.verdict is verdict
    assert result.as_expected is (verdict is Truth.TRUE)
    assert (result.strength is None) is (verdict is Truth.UNKNOWN)


@pytest.mark.parametrize("expected", [Truth.TRUE, Truth.FALSE])
def test_unknown_is_never_as_expected(expected: Truth) -> None:
    assert not claim(evidence(UNKNOWN, SYMBOLIC), expected=expected).check().as_expected


def test_a_broken_step_is_no_refutation() -> None:
    # Where FALSE is expected, any failure on the way would look like success: only the claim's own one counts.
    assert claim(evidence(contradict, EXACT), expected=Truth.FALSE).check().as_expected
    broken = claim(evidence(refuse, EXACT), expected=Truth.FALSE).check()
    assert broken.verdict is Truth.UNKNOWN
    assert not broken.as_expected


def test_an_erratum_that_turns_out_true_is_not_as_expected() -> None:
    assert claim(evidence(FALSE, EXACT), expected=Truth.FALSE).check().as_expected
    assert not claim(evidence(TRUE, EXACT), expected=Truth.FALSE).check().as_expected


@pytest.mark.parametrize(
    ("kinds", "strength"),
    [
        ([NUMERIC], Strength.SAMPLED),
        ([EvidenceKind.PROPERTY], Strength.SAMPLED),
        ([NUMERIC, EXACT], Strength.CERTIFIED),
        ([EvidenceKind.PROPERTY, SYMBOLIC, EXACT], Strength.PROVED),
        ([EvidenceKind.COMPONENTS], Strength.PROVED),
    ],
)
def test_numbers_never_prove(kinds: list[EvidenceKind], strength: Strength) -> None:
    assert claim(*(evidence(TRUE, kind) for kind in kinds)).check().strength is strength


def test_the_range_is_that_of_the_strongest_piece() -> None:
    result = claim(
        evidence(Finding(Truth.TRUE, "100 samples"), NUMERIC),
        evidence(Finding(Truth.TRUE, "d = 2…8"), EXACT),
    ).check()
    assert result.scope == "d = 2…8"


def test_a_crash_is_reported_with_its_place() -> None:
    (piece,) = claim(evidence(crash, SYMBOLIC)).check().evidence
    assert "KeyError in test_claim.py" in piece.finding.steps[0]


def test_a_failed_assertion_is_the_counterexample() -> None:
    assert claim(evidence(refuse, EXACT)).check().counterexample == "1 is not 2"


def test_settings_reach_the_evidence() -> None:
    seen = []

    def look(settings: CheckSettings) -> Finding:
        seen.append(settings)
        return TRUE

    claim(evidence(look, EXACT)).check(CheckSettings(max_dim=9, seed=4))
    assert seen == [CheckSettings(9, 4)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Finding(Truth.FALSE, "d = 2"), "counterexample: None with verdict FALSE"),
        (lambda: Finding(Truth.TRUE, "d = 2", counterexample="x"), "counterexample: 'x' with verdict TRUE"),
        (lambda: Claim("1.P", "s", "l", "s", (evidence(TRUE, EXACT),)), "id: '1.P'"),
        (lambda: Claim("P1.1", "s", "l", "s", ()), "evidence: P1.1 has none"),
        (lambda: claim(evidence(TRUE, EXACT), expected=Truth.UNKNOWN), "expected: UNKNOWN"),
        (lambda: CheckSettings(max_dim=3), "max_dim: 3 is not an integer between 4 and 128"),
        (lambda: CheckSettings(max_dim=10**6), "max_dim: 1000000 is not"),
        (lambda: CheckSettings(seed=-1), "seed: -1 is not an integer between 0 and"),
        (lambda: CheckSettings(seed=2**63), "seed: 9223372036854775808 is not"),
    ],
)
def test_misuse_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_section_collects_claims_and_gives_no_number_twice() -> None:
    section = Section("T", "Tests")
    common: dict[str, Any] = {"kind": EXACT, "method": "a test", "latex": "x", "source": "here"}

    @section.check("1", "One.", **common)
    def _one(settings: CheckSettings) -> Finding:
        return TRUE

    (only,) = section.claims
    assert (only.id, only.group, only.expected) == ("T.1", "T", Truth.TRUE)
    with pytest.raises(ValueError, match=r"number: T\.1 is taken"):
        section.check("1", "Again.", **common)(_one)
    for number in ("10", "2b", "2", "9", "2a"):
        section.check(number, "Stated in any order.", **common)(_one)
    assert [claim.id for claim in section.claims] == ["T.1", "T.2", "T.2a", "T.2b", "T.9", "T.10"]
    assert section.claims[3].number == (2, "b")
