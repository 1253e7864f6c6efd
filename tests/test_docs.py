"""The documentation, done as it stands there: every block of commands and of Python, page by page, in order."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.cli.main import COMMANDS, main
from analysis.measures import MEASURES
from analysis.reports.figure_kinds import FIGURES
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES
from toyenvs.learners import LEARNERS

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```(\w+)(?: exit=(\d))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NOT_RUN = ("text", "latex")
"""Languages of what needs another machine, or another program."""

pytestmark = pytest.mark.usefixtures("unchecked_module")


def blocks(page: Path) -> list[tuple[str, int, str]]:
    found = [(m[1], int(m[2] or 0), m[3]) for m in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    assert len(found) == page.read_text(encoding="utf-8").count("```") // 2, page
    return found


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page)], ids=lambda page: page.relative_to(ROOT / "docs").as_posix()
)
def test_every_block_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    registries: list[dict[str, Any]] = [LEARNERS, MEASURES, FIGURES, HYPOTHESIS_CLASSES]  # type: ignore[list-item]
    before = [dict(registry) for registry in registries]
    names: dict[str, Any] = {"__name__": "__docs__"}
    monkeypatch.setitem(sys.modules, "__docs__", type(sys)("__docs__"))
    try:
        for language, code, text in blocks(page):
            if language == "python":
                exec(compile(text, page.name, "exec"), names)
            elif language == "toml":
                assert tomllib.loads(text)
            elif language == "sh":
                for line in text.splitlines():
                    words = shlex.split(line, comments=True)
                    if words[0] == "pytest":
                        done = subprocess.run(
                            [sys.executable, "-m", *words, "-p", "no:cacheprovider"], capture_output=True, check=False
                        )
                        assert done.returncode == code, done.stdout
                        continue
                    assert words[0] == "reengage", line
                    if words[1] == "scale" and "--executor" not in words:
                        words += ["--executor", "serial"]  # the same bytes, and no processes to start
                    assert main(words[1:]) == code, line
            else:
                assert language in NOT_RUN, language
    finally:
        for registry, contents in zip(registries, before, strict=True):
            registry.clear()
            registry.update(contents)


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), (page, link)


def test_every_page_is_in_the_menu_and_every_command_on_its_page() -> None:
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    listed = set(re.findall(r"[\w/-]+\.md", str(menu)))
    assert listed == {page.relative_to(ROOT / "docs").as_posix() for page in PAGES}
    text = (ROOT / "docs" / "reference" / "command.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"`reengage {name}`" in text


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install .[docs]")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "reference" / "python" / "index.html").read_text(encoding="utf-8")
    assert "fit_thresholds" in page


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_figure_stands_in_a_document_at_its_true_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = ["scale", "--dims", "2,3", "--trials", "5", "--executor", "serial", "--quiet", "--out", "run"]
    assert main(run) == 0
    assert main(["plot", "run", "--venue", "icml", "--format", "pdf", "--out", "."]) == 0
    page = (ROOT / "docs" / "how-to" / "venue-figures.md").read_text(encoding="utf-8")
    (block,) = (text for text in re.findall(r"```latex\n(.*?)```", page, re.DOTALL) if "usepackage" in text)
    preamble, _, body = block.partition("\n\n")
    document = f"\\documentclass{{article}}\n{preamble}\n\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "paper.tex").write_text(document, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert b"complexity-icml-column.pdf" in done.stdout
