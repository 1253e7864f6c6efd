"""The ledger as a whole: the command is run once, and everything it writes is looked at."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from analysis.reports.latex import as_latex, caption_in_latex
from analysis.reports.ledger_tables import (
    NOTES_BEGIN,
    NOTES_END,
    claim_in_full,
    ledger_latex,
    notes_table,
    with_claim_table,
)
from proofs_check.claim import CheckSettings, Claim, ClaimResult, Evidence, EvidenceKind, Finding, Truth
from proofs_check.ledger import SECTIONS, all_claims, find_claim, find_claims

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Written:
    """What `reengage check` printed and wrote."""

    code: int
    printed: str
    errors: str
    ledger: dict[str, Any]
    latex: str
    notes: str


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("ledger")
    shutil.copy(ROOT / "paper_notes.md", folder / "notes.md")
    arguments = ["check", "--json", "l.json", "--latex", "l.tex", "--notes", "notes.md", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "analysis", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if not (folder / "l.json").exists():
        pytest.fail(f"reengage check wrote nothing: {done.stdout[-500:]} {done.stderr[-2000:]}")
    texts = [(folder / name).read_text(encoding="utf-8") for name in ("l.tex", "notes.md")]
    return Written(done.returncode, done.stdout, done.stderr, json.loads((folder / "l.json").read_text()), *texts)


def test_every_verdict_is_the_one_that_the_project_stands_by(written: Written) -> None:
    wrong = [(c["id"], c["verdict"], c["expected"]) for c in written.ledger["claims"] if not c["as_expected"]]
    assert wrong == []
    assert written.ledger["as_expected"]
    assert written.code == 0, written.printed + written.errors


def test_the_ledger_holds_every_claim_once_and_in_order(written: Written) -> None:
    ids = [claim["id"] for claim in written.ledger["claims"]]
    assert ids == [claim.id for claim in all_claims()]
    assert len(set(ids)) == len(ids)
    for id in ids:
        assert re.search(rf"^{re.escape(id)} ", written.printed, re.MULTILINE), id
    assert re.search(rf"^{len(ids)} claims: ", written.printed, re.MULTILINE)


def test_what_is_false_has_a_counterexample_and_nothing_else_has(written: Written) -> None:
    for claim in written.ledger["claims"]:
        assert (claim["counterexample"] is not None) is (claim["verdict"] == "FALSE"), claim["id"]
        if claim["verdict"] == "FALSE":
            assert re.search(r"\d", claim["counterexample"]), claim["id"]


def test_a_proof_for_every_d_has_an_independent_check_in_coordinates(written: Written) -> None:
    for claim in written.ledger["claims"]:
        kinds = {piece["kind"]: piece for piece in claim["evidence"]}
        if "symbolic" in kinds and kinds["symbolic"]["range"] == "every d":
            assert {"components", "property test", "certificate"} & set(kinds), claim["id"]
            assert any(step["by"] == "machine" for step in kinds["symbolic"]["steps"]), claim["id"]


def test_numbers_are_never_said_to_prove(written: Written) -> None:
    for claim in written.ledger["claims"]:
        kinds = {piece["kind"] for piece in claim["evidence"]}
        if claim["basis"].startswith("proved"):
            assert kinds & {"symbolic", "components"}, claim["id"]
        if kinds <= {"property test", "numeric"}:
            assert claim["basis"] == "sampled", claim["id"]


def test_the_table_for_an_appendix_is_ascii_and_balanced(written: Written) -> None:
    assert written.latex.isascii()
    rows = [line for line in written.latex.splitlines() if re.match(r"[A-Z]+\d*\.\d+[a-z]? &", line)]
    assert len(rows) == len(all_claims())
    for row in rows:
        assert row.endswith(r" \\[2pt]")
        bare = re.sub(r"\\[{}]", "", row)
        assert bare.count("{") == bare.count("}"), row
        assert bare.count("$") % 2 == 0, row
        assert len(re.findall(r"(?<!\\)&", re.sub(r"\$.*?\$", "", row))) == 2, row


def test_the_reading_notes_hold_the_ledger_as_it_is(written: Written) -> None:
    # After a change of the claims: `reengage check --notes`.
    assert written.notes == (ROOT / "paper_notes.md").read_text(encoding="utf-8")


def test_the_reading_notes_name_claims_that_exist() -> None:
    text = (ROOT / "paper_notes.md").read_text(encoding="utf-8").split(NOTES_BEGIN)[0]
    groups = "|".join(re.escape(section.id) for section in SECTIONS)
    named = set(re.findall(rf"\b((?:{groups})\.\d+[a-z]?)\b", text))
    assert len(named) >= 20
    assert named <= {claim.id for claim in all_claims()}


# --- one claim at a time ----------------------------------------------------------------------------------


def made(verdict: Truth, expected: Truth = Truth.TRUE, **finding: Any) -> ClaimResult:
    found = Finding(verdict, "d = 2", counterexample="0 ≠ 1" if verdict is Truth.FALSE else None, **finding)
    piece = Evidence(EvidenceKind.CERTIFICATE, "a test", lambda settings: found)
    return Claim("P1.1", "Ũ | V̄ & 5 %", r"\tilde U", "(1) | (2)", (piece,), expected=expected, note="Notable.").check()


def test_a_claim_in_full_shows_everything() -> None:
    text = claim_in_full(made(Truth.FALSE, steps=("first", "second")))
    for part in (
        "P1.1",
        "Ũ",
        r"\tilde U",
        "(1)",
        "FALSE, refuted (expected TRUE)",
        "1. first",
        "2. second",
        "0 ≠ 1",
        "Notable",
    ):
        assert part in text
    assert "UNKNOWN, nothing shown (expected TRUE)" in claim_in_full(made(Truth.UNKNOWN))


def test_tables_keep_their_columns_whatever_a_statement_holds() -> None:
    row = notes_table([made(Truth.TRUE)]).splitlines()[-2]
    assert len(re.findall(r"(?<!\\)\|", row)) == 7
    assert r"\ensuremath{\bar{V}} \& 5 \%" in ledger_latex([made(Truth.TRUE)])


def test_the_notes_are_replaced_between_their_marks_only() -> None:
    before = f"head\n{NOTES_BEGIN}\nold\n{NOTES_END}\ntail\n"
    after = with_claim_table(before, [made(Truth.TRUE)])
    assert after.startswith(f"head\n{NOTES_BEGIN}\n")
    assert after.endswith(f"{NOTES_END}\ntail\n")
    assert "old" not in after
    assert with_claim_table(after, [made(Truth.TRUE)]) == after


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("Ũ", r"\ensuremath{\tilde{U}}"),
        ("V̄", r"\ensuremath{\bar{V}}"),
        ("Uᵀ", r"U\ensuremath{^{T}}"),
        ("n²", r"n\ensuremath{^{2}}"),
        ("a ≠ b", r"a \ensuremath{\neq} b"),
        ("5 % & _", r"5 \% \& \_"),
    ],
)
def test_letters_of_mathematics_become_latex(text: str, latex: str) -> None:
    assert as_latex(text) == latex


def test_a_letter_without_latex_is_named() -> None:
    with pytest.raises(ValueError, match="CJK"):
        as_latex("中")
    assert as_latex("100 % 中", keep_unknown=True) == r"100 \% 中"


def test_captions_set_their_symbols_as_mathematics() -> None:
    told = "N50 is the N at which 1/2 of d-dimensional trials succeed, not N - 1; Nile, 11/23, Ų and U(d)."
    assert caption_in_latex(told + "\n") == (
        r"$N_{50}$ is the $N$ at which $1/2$ of $d$-dimensional trials succeed, not $N-1$; Nile, 11/23, \k{U} and"
        r" $U$($d$)."
    )


def test_claims_are_found_by_id_and_by_section() -> None:
    assert find_claim("P1.1").id == "P1.1"
    assert [claim.id for claim in find_claims(["P1.2", "P1.1"])] == ["P1.1", "P1.2"]
    assert {claim.group for claim in find_claims(["S"])} == {"S"}
    with pytest.raises(LookupError):
        find_claim("P1.99")


def test_another_seed_changes_no_verdict() -> None:
    for claim in find_claims(["P2.10", "P1.6", "S.5a"]):
        assert claim.check(CheckSettings(max_dim=4, seed=7)).as_expected, claim.id
