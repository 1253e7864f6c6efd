"""Results as tables: CSV for programs, LaTeX for papers, a terminal table for people."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from analysis.experiments.experiment import Curve
from analysis.measures.fixed_sizes import ErrorEstimate
from analysis.reports.latex import as_latex
from analysis.results.experiment_results import CurveResults, ExperimentResults
from analysis.results.verdict import PointResult
from analysis.statistics.scaling_law import Exponent, LawFit
from analysis.statistics.threshold import Threshold

__all__ = [
    "errors_csv",
    "interval_text",
    "latex_table",
    "scaling_csv",
    "smallest_text",
    "terminal_table",
    "threshold_record",
    "thresholds_csv",
]

SETTING_COLUMNS = (
    "construction",
    "group",
    "learner",
    "optimiser",
    "dim",
    "goal_dim",
    "relabels",
    "steps_per_goal",
    "goals",
    "actions",
    "noise",
    "count",
)

THRESHOLD_COLUMNS = (
    "curve",
    "x",
    *SETTING_COLUMNS,
    "n50",
    "n50_low",
    "n50_high",
    "n90",
    "n_min",
    "resolved",
    "predicted",
    "ratio",
    "censored",
    "lack_of_fit",
    "stopped",
    "trials",
    "mean_starts",
    "most_starts",
)

ERROR_COLUMNS = (
    "curve",
    "x",
    *SETTING_COLUMNS,
    "num_transitions",
    "mean_squared_error",
    "low",
    "high",
    "predicted",
    "ratio",
    "trials",
    "failed",
)

SCALING_COLUMNS = (
    "curve",
    "learner",
    "law",
    "order",
    "constant",
    "constant_low",
    "constant_high",
    "exponent",
    "exponent_low",
    "exponent_high",
    "between_dimension_sd",
    "log_likelihood",
    "aic",
    "weight",
)

_DIGITS = 6

_AXES = {"dim": "d", "relabels": "K", "steps_per_goal": "T", "goal_dim": "k", "group": "class"}
"""Short names of the axes; others by the name of the field."""


def _rounded(value: float | None) -> float | None:
    """To significant digits that the data support: the last bits differ between machines; integers stay."""
    return value if value is None or isinstance(value, int) else float(f"{value:.{_DIGITS}g}")


def _place(curve: Curve, row: PointResult) -> dict[str, Any]:
    setting = row.point.setting
    return {
        "curve": curve.label,
        "x": row.point.x,
        **{name: getattr(setting, name) for name in SETTING_COLUMNS},
    }


def threshold_record(curve: Curve, row: PointResult) -> dict[str, Any]:
    """One line of ``thresholds.csv``; None where a value is open or unknown."""
    threshold = row.threshold
    assert threshold is not None
    return {
        **_place(curve, row),
        "n50": _rounded(threshold.n50),
        "n50_low": _rounded(threshold.n50_low),
        "n50_high": _rounded(threshold.n50_high),
        "n90": _rounded(threshold.n90),
        "n_min": threshold.n_min,
        "resolved": threshold.resolved,
        "predicted": _rounded(row.point.predicted),
        "ratio": _rounded(row.ratio),
        "censored": threshold.censored,
        "lack_of_fit": _rounded(threshold.lack_of_fit),
        "stopped": row.stopped,
        "trials": threshold.trials,
        "mean_starts": _rounded(row.mean_starts),
        "most_starts": row.most_starts,
    }


def csv_text(columns: Sequence[str], records: Sequence[Mapping[str, Any]]) -> str:
    """A table as CSV; None becomes an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def thresholds_csv(results: ExperimentResults) -> str:
    """The thresholds, one line per curve and point."""
    return csv_text(
        THRESHOLD_COLUMNS,
        [threshold_record(curve.curve, row) for curve in results.curves for row in curve.points],
    )


def errors_csv(results: ExperimentResults) -> str:
    """The mean squared errors, one line per curve, point and N; ``predicted`` and ``ratio`` are of N × error."""
    records = []
    for curve in results.curves:
        for row in curve.points:
            predicted = row.point.predicted
            for error in row.errors:
                records.append(
                    {
                        **_place(curve.curve, row),
                        "num_transitions": error.num_transitions,
                        "mean_squared_error": _rounded(error.mean),
                        "low": _rounded(error.low),
                        "high": _rounded(error.high),
                        "predicted": _rounded(predicted),
                        "ratio": _rounded(_times(error.num_transitions, error.mean, predicted)),
                        "trials": error.trials,
                        "failed": error.failed,
                    }
                )
    return csv_text(ERROR_COLUMNS, records)


def law_record(curve: Curve, fit: LawFit) -> dict[str, Any]:
    """One candidate law of one curve."""
    return {
        "curve": curve.label,
        "learner": curve.learner,
        "law": fit.law.name,
        "order": fit.law.order,
        "constant": _rounded(fit.constant),
        "constant_low": _rounded(fit.constant_low),
        "constant_high": _rounded(fit.constant_high),
        "exponent": _rounded(fit.local_exponent),
        "exponent_low": None,
        "exponent_high": None,
        "between_dimension_sd": _rounded(fit.between_dimension_sd),
        "log_likelihood": _rounded(fit.log_likelihood),
        "aic": _rounded(fit.aic),
        "weight": _rounded(fit.weight),
    }


def _power_record(curve: Curve, power: Exponent) -> dict[str, Any]:
    """The power law of one curve."""
    return {
        "curve": curve.label,
        "learner": curve.learner,
        "law": "power",
        "constant": _rounded(power.constant),
        "exponent": _rounded(power.value),
        "exponent_low": _rounded(power.low),
        "exponent_high": _rounded(power.high),
        "between_dimension_sd": _rounded(power.between_dimension_sd),
        "log_likelihood": _rounded(power.log_likelihood),
        "aic": _rounded(power.aic),
    }


def scaling_csv(results: ExperimentResults) -> str:
    """The scaling laws: each candidate and the power law, per curve.

    ``exponent`` is the fitted one for the power law and, for a candidate, its own log-log slope over the dimensions;
    ``between_dimension_sd`` is the scatter of log N50 around the law beyond sampling error; ``weight`` is among the
    candidates.
    """
    records = []
    for curve in results.curves:
        if curve.scaling is not None:
            records += [law_record(curve.curve, fit) for fit in curve.scaling.laws]
            if curve.scaling.exponent is not None:
                records.append(_power_record(curve.curve, curve.scaling.exponent))
    return csv_text(SCALING_COLUMNS, records)


def count_text(value: float) -> str:
    """A number of transitions for people: one decimal where it is small, none where it is large."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def interval_text(threshold: Threshold) -> str:
    """N₅₀, or the bound that it is, with its interval; … for an open end."""
    if threshold.censored == "undetermined":
        return threshold.censored
    sign = {"left": "≤ ", "right": "≥ "}.get(threshold.censored, "")
    low, high = ("…" if end is None else count_text(end) for end in (threshold.n50_low, threshold.n50_high))
    return f"{sign}{count_text(threshold.n50)}  [{low}, {high}]"


def _or_dash(value: float | None, form: Callable[[float], str] = str) -> str:
    return "–" if value is None else form(value)


def smallest_text(threshold: Threshold) -> str:
    """The smallest N, marked where it is the rounded-up N₅₀ and not resolved by trials."""
    least = threshold.n_min
    return _or_dash(least) if least is None or threshold.resolved else f"~{least}"


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
        table.add_column(column, justify="left" if column == _ENDED else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


_ENDED = "ended by"


def table_cells(results: CurveResults, x: str) -> tuple[list[str], list[list[str]]]:
    """The columns and rows of a curve's table, as text: a row a threshold, or an error at one N."""
    head = _AXES.get(x, x)
    if results.points[0].errors:
        columns = [head, "N", "N·E‖Û−U‖²  [95 %]", "theory", "ratio", "trials"]
        return columns, [cells for row in results.points for cells in _error_rows(row)]
    restarted = results.curve.method == "minimiser"
    starts = ["starts"] if restarted else []
    columns = [head, "N50  [95 %]", "N90", "min N", "theory", "ratio", "trials", *starts, _ENDED]
    return columns, [_threshold_row(row, restarted) for row in results.points]


def _threshold_row(row: PointResult, restarted: bool) -> list[str]:
    threshold = row.threshold
    assert threshold is not None
    return [
        str(row.point.x),
        interval_text(threshold),
        _or_dash(threshold.n90, count_text),
        smallest_text(threshold),
        _or_dash(row.point.predicted, "{:g}".format),
        _or_dash(row.ratio, "{:.2f}".format),
        str(threshold.trials),
        *([f"{row.mean_starts:.0f}"] if restarted else []),
        row.stopped,
    ]


def _error_rows(row: PointResult) -> list[list[str]]:
    predicted = row.point.predicted
    return [
        [
            str(row.point.x),
            str(error.num_transitions),
            "{}  [{}, {}]".format(*_scaled_texts(error)),
            _or_dash(predicted, "{:.4g}".format),
            _or_dash(_times(error.num_transitions, error.mean, predicted), "{:.2f}".format),
            str(error.trials) + (f" ({error.failed} failed)" if error.failed else ""),
        ]
        for error in row.errors
    ]


def _times(num_transitions: int, error: float | None, predicted: float | None) -> float | None:
    """N × error over its prediction."""
    return None if error is None or predicted is None else num_transitions * error / predicted


def _scaled_texts(error: ErrorEstimate) -> tuple[str, str, str]:
    """N × the mean squared error and the ends of its interval, as text."""
    n = error.num_transitions
    mean, low, high = ("…" if value is None else f"{n * value:.4g}" for value in (error.mean, error.low, error.high))
    return mean, low, high


def latex_table(results: ExperimentResults) -> str:
    """A booktabs table, one row per value of the axis, a group of columns per curve."""
    axis = list(dict.fromkeys(row.point.x for curve in results.curves for row in curve.points))
    if results.experiment.x == "dim":
        axis.sort()
    groups = len(results.curves)
    names = [
        f"\\multicolumn{{4}}{{c}}{{{as_latex(curve.curve.heading, keep_unknown=True)}}}" for curve in results.curves
    ]
    measured = (
        ["$N$", "$N\\,\\mathrm{MSE}$", "95\\,\\%", "theory"]
        if results.experiment.measure == "error"
        else ["$N_{50}$", "95\\,\\%", "$N_{\\min}$", "theory"]
    )
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
    theory = "--" if row.point.predicted is None else f"{row.point.predicted:.4g}"
    if row.errors:
        last = row.errors[-1]
        mean, low, high = _scaled_texts(last)
        return [str(last.num_transitions), mean, f"[{low}, {high}]", theory]
    threshold = row.threshold
    assert threshold is not None
    sign = {"left": "\\le ", "right": "\\ge "}.get(threshold.censored, "")
    low, high = ("" if end is None else count_text(end) for end in (threshold.n50_low, threshold.n50_high))
    shown = count_text(threshold.n50)
    about = "" if threshold.resolved else r"{\sim}"  # N₅₀ rounded up, not resolved by trials
    return [
        "--" if threshold.censored == "undetermined" else _latex_n50(threshold) if not sign else f"${sign}{shown}$",
        f"[{low or '--'}, {high or '--'}]" if low or high else "--",
        "--" if threshold.n_min is None else f"${about}{threshold.n_min}$",
        theory,
    ]


def _latex_n50(threshold: Threshold) -> str:
    r"""``\num{36.2(15)}``, as siunitx reads it; without the parentheses where a side of the interval is open."""
    shown = count_text(threshold.n50)
    if threshold.n50_low is None or threshold.n50_high is None:
        return f"\\num{{{shown}}}"
    digits = len(shown.partition(".")[2])
    longer = max(threshold.n50 - threshold.n50_low, threshold.n50_high - threshold.n50)
    return f"\\num{{{shown}({max(1, math.ceil(longer * 10**digits - 1e-6))})}}"


def markdown_table(results: ExperimentResults) -> str:
    """Every curve's table in Markdown, under its name."""
    parts = []
    for curve in results.curves:
        columns, rows = table_cells(curve, results.experiment.x)
        lines = [columns, ["---:"] * len(columns), *rows]
        text = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        parts.append(f"**{curve.curve.heading}**\n\n{text}\n")
    return "\n".join(parts)
