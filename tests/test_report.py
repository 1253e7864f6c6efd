"""The page of a run: complete in itself, right in its numbers, and looked at in a real browser."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from analysis.cli.main import main
from analysis.reports.html_report import html_report
from analysis.reports.latex_bundle import compile_bundle
from analysis.results.saved_run import load_results
from analysis.running.check_ledger import check_claims
from analysis.storage.run_directory import read_sessions
from proofs_check.claim import CheckSettings
from proofs_check.ledger import find_claims

pytestmark = pytest.mark.usefixtures("unchecked_module")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run."""
    out = tmp_path_factory.mktemp("report") / "run"
    words = ["scale", "--dims", "2,3,4", "--trials", "10", "--executor", "serial", "--quiet", "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["reengage", *words])
        assert main() == 0
    return out


@pytest.fixture(scope="module")
def page(run: Path) -> Path:
    """Its page, with a few claims."""
    from rich.console import Console

    claims = check_claims(find_claims(["P1.1", "C.1", "S.1"]), CheckSettings(), 1, Console(quiet=True), quiet=True)
    path = run.parent / "report.html"
    path.write_text(html_report(load_results(run), read_sessions(run), claims), encoding="utf-8")
    return path


class _Elements(HTMLParser):
    """What a page holds, and whether its elements are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """The one that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.text.append(data)


def elements(page: Path) -> _Elements:
    found = _Elements()
    found.feed(page.read_text(encoding="utf-8"))
    assert found.open == []
    return found


def test_the_page_needs_nothing_else(page: Path) -> None:
    found = elements(page)
    for tag, attributes in found.found:
        assert tag not in ("script", "link", "img", "iframe"), tag
        for name in ("src", "href", "xlink:href", "data"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,")), (tag, attributes)
    text = page.read_text(encoding="utf-8")
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    # Every reference within the page leads somewhere, and every id is there once.
    ids = [attributes["id"] for _, attributes in found.found if attributes.get("id")]
    assert len(ids) == len(set(ids))
    links = {attributes.get("href") or attributes.get("xlink:href") or "#" for _, attributes in found.found}
    wanted = {link[1:] for link in links if link.startswith("#")}
    wanted |= set(re.findall(r"url\(#([^)]+)\)", text))
    assert wanted - {""} <= set(ids)


def test_the_verdict_comes_first_and_the_numbers_are_the_tables(run: Path, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    places = [
        text.index(f'<section id="{name}"') for name in ("verdict", "figures", "thresholds", "claims", "reproduce")
    ]
    assert places == sorted(places)
    assert f"<strong>{summary['verdict_status']}</strong>" in text
    told = " ".join("".join(elements(page).text).split())
    for row in summary["curves"]["ReenGAGE"]["thresholds"]:
        assert f"{row['n_min']}" in told
    assert "P1.1" in told
    assert "refuted" in told  # S.1 is a printed erratum
    assert summary["configuration"] in told
    assert "reengage scale --dims 2,3,4" in told
    # Marks say what they are: every cell of the success curves.
    assert len(re.findall(r"N = \d+: \d+ of \d+ trials succeed", text)) >= 10


def test_what_users_name_is_escaped(run: Path) -> None:
    results = load_results(run)
    from dataclasses import replace

    nasty = replace(results, experiment=replace(results.experiment, title="<script>alert(1)</script> & d"))
    text = html_report(nasty, [{"command": ["scale", "--out", "<img src=x onerror=alert(1)>"]}])
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;" in text


def test_the_command_writes_the_page_and_the_bundle(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    target, bundle = tmp_path / "page.html", tmp_path / "bundle"
    assert main(["report", str(run), "--no-claims", "--out", str(target), "--latex", str(bundle)]) == 0
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert 'id="claims"' not in target.read_text(encoding="utf-8")
    names = {path.name for path in bundle.iterdir()}
    assert {"report.tex", "caption.tex", "table.tex", "figure.pdf"} <= names
    first = target.read_bytes()
    assert main(["report", str(run), "--no-claims", "--out", str(target)]) == 0
    assert target.read_bytes() == first
    shown = capsys.readouterr().out
    if shutil.which("tectonic") or shutil.which("pdflatex"):
        assert "report.pdf" in names
    else:
        assert "neither tectonic nor pdflatex is installed" in shown


def test_without_tex_the_bundle_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compile_bundle(tmp_path) == "neither tectonic nor pdflatex is installed"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_figure_has_its_true_size_in_a_document(run: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    assert main(["report", str(run), "--no-claims", "--out", str(tmp_path / "page.html"), "--latex", str(bundle)]) == 0
    log = (bundle / "report.log").read_text(encoding="utf-8", errors="replace")
    (width,) = re.findall(r"figure\.pdf\s+Graphic file.*?Requested size: ([\d.]+)pt", log, re.DOTALL)
    (box,) = re.findall(rb"/MediaBox \[([^]]*)\]", (bundle / "figure.pdf").read_bytes())
    assert float(width) == pytest.approx(float(box.split()[2]) * 72.27 / 72, abs=0.5)
    assert "Overfull" not in log


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["{tmp}/nowhere"], "is not allowed; no such directory; expected that of a finished run"),
        (["{run}", "--out", "{tmp}"], "it is a directory; expected a file"),
        (["{run}", "--out", "{tmp}/no/page.html"], "does not exist"),
        (["{run}", "--latex", "{tmp}/file"], "it is a file; expected a directory"),
        (["{run}", "--workers", "0"], "workers"),
    ],
)
def test_bad_input(words: list[str], told: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    arguments = [word.format(tmp=tmp_path, run=run) for word in words]
    assert main(["report", *arguments, "--no-claims"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


# --- in a browser ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in (
        "--headless",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
        *(["--no-sandbox"] if os.getuid() == 0 else []),
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield made
    made.quit()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_a_browser_shows_it_whole(browser: Any, page: Path, width: int, scheme: str) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.get(page.as_uri())
    assert browser.get_log("browser") == []
    # Everything opened; nothing sticks out, but tables may scroll within their own box.
    browser.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert browser.execute_script("return window.innerWidth") == width
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    outside = browser.execute_script(
        "return [...document.querySelectorAll('main *')].filter(one => !one.closest('svg') && !one.closest('.wide')"
        " && one.getBoundingClientRect().right > window.innerWidth + 1).map(one => one.outerHTML.slice(0, 80))"
    )
    assert outside == []
    ink, paper = browser.execute_script(
        "const style = getComputedStyle(document.body);"
        "return [style.color, style.backgroundColor].map(c => c.match(/[0-9.]+/g).slice(0, 3).map(Number))"
    )
    assert (sum(ink) < sum(paper)) == (scheme == "light")
    assert contrast(ink, paper) >= 7.0
    for selector in (".faint", ".verdict strong"):
        other = browser.execute_script(
            "return getComputedStyle(document.querySelector(arguments[0])).color"
            ".match(/[0-9.]+/g).slice(0, 3).map(Number)",
            selector,
        )
        assert contrast(other, paper) >= 4.5  # WCAG 2, AA


def contrast(first: list[float], second: list[float]) -> float:
    """WCAG 2's contrast ratio of two sRGB colours."""

    def luminance(colour: list[float]) -> float:
        parts = [c / 255 for c in colour]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_keyboard_reaches_everything(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser.get(page.as_uri())
    reached = set()
    for _ in range(80):
        browser.find_element(By.TAG_NAME, "body") if not reached else None
        browser.switch_to.active_element.send_keys(Keys.TAB)
        active = browser.switch_to.active_element
        if active.tag_name == "body":
            break
        reached.add((active.tag_name, active.get_attribute("id") or active.text[:30]))
    tags = {tag for tag, _ in reached}
    assert {"a", "figure", "summary", "pre"} <= tags
    assert sum(tag == "figure" for tag, _ in reached) == browser.execute_script(
        "return document.querySelectorAll('figure').length"
    )
    summary = browser.find_element(By.TAG_NAME, "summary")
    summary.send_keys(Keys.ENTER)
    assert browser.execute_script("return document.querySelector('details').open")


def test_marks_have_values_under_the_pointer(browser: Any, page: Path) -> None:
    browser.get(page.as_uri())
    titles = browser.execute_script(
        "return [...document.querySelectorAll('#figure-complexity use > title')].map(one => one.textContent)"
    )
    assert any(title.startswith("ReenGAGE: d 4, N50") for title in titles)
