"""The command ``reengage check``: what it prints, what it refuses, what it exits with."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from analysis.cli.main import main
from analysis.reports.ledger_tables import NOTES_BEGIN, NOTES_END, ledger_table
from proofs_check import ledger
from proofs_check.claim import CheckSettings, EvidenceKind, Finding, Truth
from proofs_check.proving.section import Section


def exit_code(arguments: list[str]) -> int:
    try:
        return main(["check", *arguments])
    except SystemExit as end:  # argparse leaves by itself
        return int(end.code or 0)


BAD = [
    (["--claim", "P1.99"], "--claim", "'P1.99'"),
    (["--claim", "P1.1,Q"], "--claim", "'Q'"),
    (["Q"], " CLAIM:", "'Q'"),
    (["P1.1", "S.99"], " CLAIM:", "'S.99'"),
    (["--json", "-"], "--json", "'-'"),
    (["--json", "x", "--latex", "./x"], "--latex", "--json"),
    (["--seed", str(2**63)], "--seed", "9223372036854775808"),
    (["--max-dim", "100000"], "--max-dim", "100000"),
    (["--workers", "0"], "--workers", "0"),
    (["--json", "no/such/folder/x.json"], "--json", "no/such/folder/x.json"),
    (["--latex", "."], "--latex", "'.'"),
    (["--notes", "missing.md"], "--notes", "'missing.md'"),
    (["--notes", "--claim", "P1"], "--notes", "paper_notes.md"),
    (["--notes", "--seed", "3"], "--notes", "paper_notes.md"),
    (["--claims", "P1"], "--claims", "unrecognized"),
]


@pytest.mark.parametrize(("arguments", "option", "shown"), BAD, ids=lambda v: str(v)[:30])
def test_bad_input_costs_one_line_and_nothing_else(
    arguments: list[str],
    option: str,
    shown: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_code(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("reengage")
    assert option in captured.err
    assert shown in captured.err
    assert list(tmp_path.iterdir()) == []


def test_notes_without_a_place_for_the_table_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("no table here\n")
    assert exit_code(["--notes", str(notes)]) == 2
    assert NOTES_BEGIN in capsys.readouterr().err
    assert notes.read_text() == "no table here\n"


def section_of(run: Callable[[CheckSettings], Finding], expected: Truth = Truth.TRUE) -> Section:
    section = Section("T", "Tests")
    section.check(
        "1", "A test.", kind=EvidenceKind.CERTIFICATE, method="m", latex="x", source="here", expected=expected
    )(run)
    return section


@pytest.mark.parametrize(
    "arguments",
    [
        ["P2.10"],
        ["p2.10"],
        ["--claim", " P2.10 "],
        ["--claim", "P2.10,p2.10"],
        ["--claim", "P2.10", "--claim", "p2.10"],
    ],
)
def test_a_claim_is_named_in_several_ways(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(arguments) == 0
    assert capsys.readouterr().out.startswith("P2.10 ")


def test_a_number_without_its_letter_stands_for_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["S.11", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["S.11a", "S.11b", "S.11c"]


def test_statements_are_listed_without_running_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(settings: CheckSettings) -> Finding:
        raise AssertionError("it was run")

    monkeypatch.setattr(ledger, "SECTIONS", (section_of(run),))
    assert exit_code(["--list"]) == 0
    assert capsys.readouterr().out == "T.1    A test.\n"


@pytest.mark.parametrize("width", [60, 80, 109, 110, 200])
def test_statements_are_readable_at_every_width(width: int) -> None:
    results = [claim.check() for claim in ledger.find_claims(["P2.10"])]
    text = io.StringIO()
    Console(file=text, width=width).print(ledger_table(results, width))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    words = results[0].claim.statement.split()
    assert sum(" ".join(words[i : i + 4]) in text.getvalue() for i in range(len(words) - 3)) >= len(words) // 3


@pytest.mark.parametrize(
    ("finding", "expected", "code", "words"),
    [
        (Finding(Truth.TRUE, "d = 2"), Truth.TRUE, 0, "1 certified, every verdict as expected"),
        (Finding(Truth.UNKNOWN, "nothing"), Truth.TRUE, 1, "NOT AS EXPECTED: T.1"),
        (Finding(Truth.FALSE, "d = 2", counterexample="0 ≠ 1"), Truth.TRUE, 1, "counterexample: 0 ≠ 1"),
        (Finding(Truth.FALSE, "d = 2", counterexample="0 ≠ 1"), Truth.FALSE, 0, "1 refuted"),
        (Finding(Truth.TRUE, "d = 2"), Truth.FALSE, 1, "TRUE, certified (expected FALSE)"),
    ],
)
def test_the_exit_code_says_whether_the_ledger_is_as_expected(
    finding: Finding,
    expected: Truth,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(ledger, "SECTIONS", (section_of(lambda settings: finding, expected),))
    assert exit_code(["--claim", "T.1", "--workers", "1"]) == code
    assert words in capsys.readouterr().out


def test_one_claim_is_shown_in_full_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "claim.json"
    assert exit_code(["--claim", "P1.3", "--json", str(path), "--seed", "5"]) == 0
    out = capsys.readouterr().out
    assert "1. ✓ ‖π‖" in out
    assert "symbolic: " in out
    assert "components: " in out
    written = json.loads(path.read_text())
    assert [claim["id"] for claim in written["claims"]] == ["P1.3"]
    assert written["settings"] == {"max_dim": 64, "seed": 5}


def test_a_counterexample_is_shown_with_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["--claim", "P1.9"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "counterexample: " in out
    assert "the two sides differ by 9/20 at d = 2, a = (3/5, 4/5)" in out


def test_the_results_come_in_order_from_several_processes(tmp_path: Path) -> None:
    verdicts = []
    for workers in ("1", "2"):
        path = tmp_path / f"{workers}.json"
        assert exit_code(["--claim", "P2.10,P2.12,S.4a", "--workers", workers, "--json", str(path)]) == 0
        verdicts.append([(c["id"], c["verdict"], c["counterexample"]) for c in json.loads(path.read_text())["claims"]])
    assert verdicts[0] == verdicts[1]
    assert [id for id, _, _ in verdicts[0]] == ["P2.10", "P2.12", "S.4a"]


def test_a_table_is_put_into_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "SECTIONS", (section_of(lambda settings: Finding(Truth.TRUE, "d = 2")),))
    notes = tmp_path / "notes.md"
    notes.write_text(f"head\n{NOTES_BEGIN}\n{NOTES_END}\ntail\n")
    assert exit_code(["--notes", str(notes), "--workers", "1"]) == 0
    assert "| T.1 | A test. | here | certificate | TRUE, certified | d = 2 |" in notes.read_text()


def test_a_reader_that_has_had_enough_is_no_failed_claim() -> None:
    command = f"{sys.executable} -m analysis check --list | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("P1.1 ")
    assert done.returncode in (0, 141)
    assert done.stderr == ""
