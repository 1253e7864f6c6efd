"""A finished run as one HTML file that needs nothing else: verdict, figures, numbers, claims, how to do it again."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import jinja2

from analysis.errors import ConfigError
from analysis.experiments.estimate import CurveResults
from analysis.figures import paper_style, svg_element
from analysis.files import to_json
from analysis.reports.figure_kinds import FIGURES
from analysis.reports.ledger_tables import claim_rows, summary_line
from analysis.reports.report import curve_notes
from analysis.reports.tables import table_cells
from analysis.results.experiment_results import ExperimentResults
from proofs_check.claim import ClaimResult

__all__ = ["html_report"]

_FIGURES = ("complexity", "ratio-to-theory", "success-curves", "phase-diagram", "collapse")
"""Those of them that a run has; the landscape, which is computed anew, is not among them."""


def html_report(
    results: ExperimentResults, sessions: Sequence[dict[str, Any]], claims: Sequence[ClaimResult] = ()
) -> str:
    """The page.

    Args:
        results: of a finished run.
        sessions: its entries of ``provenance.json``.
        claims: the ledger after its evidence was run; none leaves that section out.
    """
    experiment, verdict = results.experiment, results.verdict
    environment = jinja2.Environment(autoescape=True, trim_blocks=False, undefined=jinja2.StrictUndefined)
    text = (files("analysis") / "templates" / "report.html").read_text(encoding="utf-8")
    return environment.from_string(text).render(
        title=experiment.title,
        subtitle=" ".join(experiment.about.split()),
        status=verdict.status,
        verdicts=[curve.verdict.sentence for curve in results.curves],
        figures=_figures(results),
        tables=[_table(curve, experiment.x) for curve in results.curves],
        sections=[{"title": title, "rows": rows} for title, rows in claim_rows(claims)],
        ledger_summary=summary_line(claims) if claims else "",
        commands=_commands(sessions),
        configuration=to_json(experiment.described()),
        configuration_hash=experiment.hash(),
        sessions=to_json(list(sessions)),
    )


def _figures(results: ExperimentResults) -> list[dict[str, str]]:
    found, titles = [], _titles(results)
    for name in _FIGURES:
        kind = FIGURES[name]
        try:
            kind.check(results, name)
        except ConfigError:
            continue
        with paper_style():
            svg = svg_element(kind.draw(results))
        found.append(
            {
                "name": name,
                "about": f"{kind.about}; the values are in the tables below",
                "svg": _inline(svg, f"{name}-", titles),
                "caption": kind.caption(results).strip(),
            }
        )
    return found


def _titles(results: ExperimentResults) -> dict[str, list[str]]:
    """What marks say when the pointer is over them: by the group's id in the SVG, in the order of the marks."""
    found: dict[str, list[str]] = {}
    for number, curve in enumerate(results.curves):
        exact = [row for row in curve.points if not row.estimate.censored]
        columns, rows = table_cells(curve, results.experiment.x)
        told = {cells[0]: cells for cells in rows}  # of several errors at one point the last is drawn
        texts = [
            f"{curve.curve.label}: "
            + ", ".join(f"{name} {cell}" for name, cell in zip(columns, told[str(row.point.x)], strict=True) if cell)
            for row in exact
        ]
        found[f"marks-{number}"] = texts
        found[f"ratios-{number}"] = [
            text for row, text in zip(exact, texts, strict=True) if row.point.predicted is not None
        ]
        for place, row in enumerate(curve.points):
            counts = row.estimate.counts
            if counts is None:
                continue
            found[f"cells-{number}-{place}"] = [
                f"{curve.curve.label}, {results.experiment.x} {row.point.x}, N = {n}: {s} of {t} trials succeed"
                for n, s, t in zip(counts.num_transitions, counts.successes, counts.trials, strict=True)
            ]
    return found


def _inline(svg: str, prefix: str, titles: dict[str, list[str]]) -> str:
    """An SVG element for the page: ids of its own, and titles on its marks."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for gid, texts in titles.items():
        svg = _with_titles(svg, gid, texts)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", svg)
    return re.sub(r'href="#([^"]+)"', rf'href="#{prefix}\1"', svg)


def _with_titles(svg: str, gid: str, texts: Sequence[str]) -> str:
    start = svg.find(f'<g id="{gid}">')
    if start < 0:
        return svg
    end = _closing(svg, start)
    group = svg[start:end]
    marks = re.findall(r"<use [^>]*/>", group)
    if len(marks) != len(texts):  # marks out of sight are not drawn, and which they are is not known
        return svg
    rest = iter(texts)
    titled = re.sub(
        r"<use ([^>]*)/>", lambda mark: f"<use {mark[1]}><title>{html.escape(next(rest))}</title></use>", group
    )
    return svg[:start] + titled + svg[end:]


def _closing(svg: str, start: int) -> int:
    """Where the group that starts there ends."""
    depth = 0
    for tag in re.finditer(r"<g\b[^>]*>|</g>", svg[start:]):
        depth += -1 if tag[0] == "</g>" else 1
        if depth == 0:
            return start + tag.end()
    return len(svg)


def _table(curve: CurveResults, x: str) -> dict[str, Any]:
    columns, rows = table_cells(curve, x)
    return {"title": curve.curve.heading, "notes": curve_notes(curve), "columns": columns, "rows": rows}


def _commands(sessions: Sequence[dict[str, Any]]) -> str:
    """The commands that made the run, each once."""
    lines = [shlex.join(["reengage", *session.get("command", [])]) for session in sessions if session.get("command")]
    return "\n".join(dict.fromkeys(lines)) or "(made from Python; see the configuration)"
