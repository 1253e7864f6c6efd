"""What the README says, done as it stands there."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from analysis.cli.main import make_parser
from analysis.cli.scale import make_experiment
from analysis.experiments.measure import COLUMNS
from analysis.figures import FORMATS, VENUES, WIDTHS
from analysis.measures import MEASURES
from analysis.measures.growth import LAW_COLUMNS
from analysis.presets.loading import make_experiment as from_table
from analysis.presets.loading import preset_text
from proofs_check.ledger import find_claims

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
COMMANDS = [
    line.split("#")[0].split()
    for language, code in BLOCKS
    if language == "sh"
    for line in code.splitlines()
    if line.startswith("reengage ")
]


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_every_block_of_python_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "block.py"
    script.write_text(code)
    names = runpy.run_path(str(script))
    for name, value in names.items():
        if name.startswith("test_"):
            value()
    assert set(names) - set(runpy.run_path(os.devnull))  # a block that defines nothing would be a mistake


@pytest.mark.parametrize("command", [c for c in COMMANDS if "--help" not in c], ids=" ".join)
def test_every_command_is_one(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.presets.user_construction._COUNTED_DIMS", range(2, 7))  # the largest take long
    parsed = make_parser(command[1]).parse_args(command[1:])
    arguments = vars(parsed)
    if parsed.command == "check":
        assert find_claims([id for part in parsed.claims for id in part] or ["P1.1"])
        return
    if parsed.command == "merge":
        assert parsed.runs
        assert parsed.out
        return
    if parsed.command in ("report", "new-construction", "completion"):
        return  # that they parse is what can be said without a run
    if parsed.command == "plot":
        assert parsed.venue in VENUES
        assert parsed.width in WIDTHS
        assert set(parsed.format) <= set(FORMATS)
        return
    if arguments.get("show_preset"):
        assert preset_text(arguments["show_preset"])
        return
    if arguments.get("file"):
        return  # the reader's own
    plain = make_experiment(make_parser("scale").parse_args(["scale"]))
    assert make_experiment(parsed).hash() != plain.hash()  # every example shows something


def test_the_script_for_slurm_runs_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    (script,) = [code for language, code in BLOCKS if language == "py"]
    cluster, client, run = MagicMock(), MagicMock(), MagicMock()
    cluster.SLURMCluster.return_value.__enter__.return_value.scheduler_address = "tcp://10.0.0.1:8786"
    monkeypatch.setitem(sys.modules, "dask_jobqueue", cluster)
    monkeypatch.setitem(sys.modules, "distributed", client)
    monkeypatch.setattr(subprocess, "run", run)
    exec(compile(script, "README.md", "exec"), {})
    ((command,), _) = run.call_args
    parsed = make_parser(command[1]).parse_args(command[1:])
    assert (command[0], parsed.dims, parsed.executor) == ("reengage", (64, 128), "dask://10.0.0.1:8786")


@pytest.mark.parametrize("text", [code for language, code in BLOCKS if language == "toml"])
def test_every_toml_file_is_an_experiment(text: str) -> None:
    experiment = from_table("readme", tomllib.loads(text))
    assert len(experiment.points) >= 3
    assert all(point.predicted for point in experiment.points)


def test_every_path_that_is_named_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README) + re.findall(r'src="([^"]+)"', README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link
    tree = re.findall(r"^ {4,}\S.*$", README, re.MULTILINE)
    for name in re.findall(r"\b(\w+\.py)\b", "\n".join(tree)):
        assert list(ROOT.glob(f"*/{name}")) or list(ROOT.glob(f"*/*/{name}")), name


def test_make_targets_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("page", ["README.md", "paper_notes.md"])
def test_no_page_has_a_gap_left_to_fill(page: str) -> None:
    assert not re.findall(r"\b(?:TODO|FIXME|XXX|[A-Z]+_PARAGRAPH)\b", (ROOT / page).read_text(encoding="utf-8"))


def test_every_column_of_the_result_files_is_explained_where_it_stands() -> None:
    text = (ROOT / "docs" / "result-files.md").read_text()
    sections = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
    explained = {
        title: {
            name for cell in re.findall(r"^\| (`.*?) \|", body, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
        }
        for title, body in sections.items()
    }
    both = explained["Both `thresholds.csv` and `errors.csv`"]
    for measure in MEASURES.values():
        assert both | explained[f"`{measure.file}`"] == {"curve", "x", *COLUMNS, *measure.columns}
    assert explained["`scaling.csv`"] == set(LAW_COLUMNS)
