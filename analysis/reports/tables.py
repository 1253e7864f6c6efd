"""Results as tables: CSV for programs, LaTeX and Markdown for papers, a terminal table for people.

What stands in them is the measure's affair; here is how they are put together.
"""

from __future__ import annotations

from rich import box
from rich.table import Table

from analysis.experiments.estimate import CurveResults, PointResult
from analysis.experiments.formatting import csv_text
from analysis.experiments.measure import COLUMNS
from analysis.reports.latex import as_latex
from analysis.results.experiment_results import ExperimentResults

__all__ = ["csv_files", "latex_table", "markdown_table", "table_cells", "terminal_table"]


def csv_files(results: ExperimentResults) -> dict[str, str]:
    """The CSV files of a run, by name."""
    measure = results.experiment.measure
    records = [record for c in results.curves for row in c.points for record in row.point.measure.records(c.curve, row)]
    files = {measure.file: csv_text(("curve", "x", *COLUMNS, *measure.columns), records)}
    for name, (columns, lines) in measure.files(results.curves).items():
        files[name] = csv_text(columns, lines)
    return files


def table_cells(results: CurveResults, x: str) -> tuple[list[str], list[list[str]]]:
    """The columns and rows of a curve's table, as text."""
    return results.points[0].point.measure.table(results, x)


def terminal_table(results: CurveResults, x: str) -> Table:
    """A curve beside its predictions, titled with the learner and its optimiser."""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
        title=results.curve.heading,
        title_justify="left",
        title_style="bold",
    )
    columns, rows = table_cells(results, x)
    for column in columns:
        table.add_column(column, justify="left" if column == "ended by" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def latex_table(results: ExperimentResults) -> str:
    """A booktabs table, one row per value of the axis, a group of columns per curve."""
    axis = list(dict.fromkeys(row.point.x for curve in results.curves for row in curve.points))
    if results.experiment.x == "dim":
        axis.sort()
    groups = len(results.curves)
    names = [
        f"\\multicolumn{{4}}{{c}}{{{as_latex(curve.curve.heading, keep_unknown=True)}}}" for curve in results.curves
    ]
    measured = results.experiment.measure.latex_head()
    lines = [
        "% needs \\usepackage{booktabs,siunitx}; in parentheses: the longer half of the 95 % interval, in last digits",
        f"\\begin{{tabular}}{{r{'rrrr' * groups}}}",
        "\\toprule",
        " & ".join(["", *names]) + " \\\\",
        "".join(f"\\cmidrule(lr){{{2 + 4 * i}-{5 + 4 * i}}}" for i in range(groups)),
        " & ".join(["$d$" if results.experiment.x == "dim" else as_latex(results.experiment.x), *(measured * groups)])
        + " \\\\",
        "\\midrule",
    ]
    for x in axis:
        cells = [as_latex(str(x), keep_unknown=True)]
        for curve in results.curves:
            row = next((row for row in curve.points if row.point.x == x), None)
            cells += [""] * 4 if row is None else _latex_cells(row)
        lines.append(" & ".join(cells) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _latex_cells(row: PointResult) -> list[str]:
    return row.point.measure.latex_cells(row)


def markdown_table(results: ExperimentResults) -> str:
    """Every curve's table in Markdown, under its name."""
    parts = []
    for curve in results.curves:
        columns, rows = table_cells(curve, results.experiment.x)
        lines = [columns, ["---:"] * len(columns), *rows]
        text = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        parts.append(f"**{curve.curve.heading}**\n\n{text}\n")
    return "\n".join(parts)
