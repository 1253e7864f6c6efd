"""Results as tables: CSV for programs, LaTeX for papers, a terminal table for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from rich import box
from rich.table import Table

from analysis.results import LearnerResults, SweepResults, ThresholdRow
from analysis.scaling_law import LawFit

__all__ = ["latex_table", "scaling_csv", "terminal_table", "threshold_record", "thresholds_csv"]

THRESHOLD_COLUMNS = (
    "construction",
    "group",
    "learner",
    "dim",
    "n50",
    "n50_low",
    "n50_high",
    "n90",
    "smallest_n",
    "predicted",
    "censored",
    "trials",
)

_DIGITS = 6


def _rounded(value: float | None) -> float | None:
    """To significant digits that the data support: the last bits differ between machines."""
    return None if value is None else float(f"{value:.{_DIGITS}g}")


def threshold_record(results: SweepResults, row: ThresholdRow) -> dict[str, Any]:
    """One line of ``thresholds.csv``; None where a value is open or unknown."""
    threshold = row.threshold
    return {
        "construction": results.config.construction,
        "group": results.config.group,
        "learner": row.learner,
        "dim": row.dim,
        "n50": _rounded(threshold.n50),
        "n50_low": _rounded(threshold.n50_low),
        "n50_high": _rounded(threshold.n50_high),
        "n90": _rounded(threshold.n90),
        "smallest_n": threshold.smallest_n,
        "predicted": row.predicted,
        "censored": threshold.censored,
        "trials": threshold.trials,
    }


def _csv(columns: tuple[str, ...], records: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)  # None becomes the empty field
    return text.getvalue()


def thresholds_csv(results: SweepResults) -> str:
    """The thresholds, one line per learner and dimension."""
    return _csv(
        THRESHOLD_COLUMNS,
        [threshold_record(results, row) for learner in results.learners for row in learner.thresholds],
    )


def law_record(learner: str, fit: LawFit) -> dict[str, Any]:
    """One candidate law of one learner."""
    return {
        "learner": learner,
        "law": fit.law.name,
        "order": fit.law.order,
        "constant": _rounded(fit.constant),
        "constant_low": _rounded(fit.constant_low),
        "constant_high": _rounded(fit.constant_high),
        "exponent": _rounded(fit.local_exponent),
        "exponent_low": None,
        "exponent_high": None,
        "misfit": _rounded(fit.tau),
        "log_likelihood": _rounded(fit.log_likelihood),
        "aic": _rounded(fit.aic),
        "weight": _rounded(fit.weight),
    }


def scaling_csv(results: SweepResults) -> str:
    """The scaling laws: each candidate, and the power law, per learner.

    ``exponent`` is the fitted one for the power law and, for a candidate, its own log-log slope over the dimensions;
    ``misfit`` is the scatter of log N50 around the law beyond sampling error; ``weight`` is among the candidates.
    """
    records = []
    for learner in results.learners:
        records += [law_record(learner.learner, fit) for fit in learner.scaling.laws]
        power = learner.scaling.exponent
        if power is not None:
            records.append(
                {
                    "learner": learner.learner,
                    "law": "power",
                    "constant": _rounded(power.constant),
                    "exponent": _rounded(power.value),
                    "exponent_low": _rounded(power.low),
                    "exponent_high": _rounded(power.high),
                    "misfit": _rounded(power.tau),
                    "log_likelihood": _rounded(power.log_likelihood),
                    "aic": _rounded(power.aic),
                }
            )
    columns = (
        "learner",
        "law",
        "order",
        "constant",
        "constant_low",
        "constant_high",
        "exponent",
        "exponent_low",
        "exponent_high",
        "misfit",
        "log_likelihood",
        "aic",
        "weight",
    )
    return _csv(columns, records)


def count_text(value: float) -> str:
    """A number of transitions for people: one decimal where it is small, none where it is large."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _interval(row: ThresholdRow) -> str:
    threshold = row.threshold
    if threshold.censored == "undetermined":
        return threshold.censored
    sign = {"left": "≤ ", "right": "≥ "}.get(threshold.censored, "")
    low, high = ("…" if end is None else count_text(end) for end in (threshold.n50_low, threshold.n50_high))
    return f"{sign}{count_text(threshold.n50)}  [{low}, {high}]"


def _or_dash(value: float | None, form: Callable[[float], str] = str) -> str:
    return "–" if value is None else form(value)


def _smallest(row: ThresholdRow) -> str:
    """The smallest N, marked where it is the rounded-up N₅₀ and not settled by trials."""
    return ("" if row.threshold.settled else "~") + _or_dash(row.threshold.smallest_n)


def terminal_table(learner: LearnerResults) -> Table:
    """A learner's thresholds beside the predictions."""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
        title=learner.label,
        title_justify="left",
        title_style="bold",
    )
    for heading in ("d", "N50  [95 %]", "N90", "min N", "theory", "ratio", "trials"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("ended by", no_wrap=True)
    for row in learner.thresholds:
        table.add_row(
            str(row.dim),
            _interval(row),
            _or_dash(row.threshold.n90, count_text),
            _smallest(row),
            _or_dash(row.predicted),
            _or_dash(row.ratio, "{:.2f}".format),
            str(row.threshold.trials),
            row.stopped,
        )
    return table


def latex_table(results: SweepResults) -> str:
    """A booktabs table, one row per dimension, a group of columns per learner."""
    groups = len(results.learners)
    lines = [
        "% needs \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{r{'rrrr' * groups}}}",
        "\\toprule",
        " & ".join(["", *(f"\\multicolumn{{4}}{{c}}{{{learner.label}}}" for learner in results.learners)]) + " \\\\",
        "".join(f"\\cmidrule(lr){{{2 + 4 * i}-{5 + 4 * i}}}" for i in range(groups)),
        " & ".join(["$d$", *(["$N_{50}$", "95\\,\\%", "$N_{\\min}$", "theory"] * groups)]) + " \\\\",
        "\\midrule",
    ]
    for dim in sorted(results.config.dims):
        cells = [str(dim)]
        for learner in results.learners:
            row = next(row for row in learner.thresholds if row.dim == dim)
            cells += _latex_cells(row)
        lines.append(" & ".join(cells) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _latex_cells(row: ThresholdRow) -> list[str]:
    threshold = row.threshold
    sign = {"left": "\\le ", "right": "\\ge "}.get(threshold.censored, "")
    low, high = ("" if end is None else count_text(end) for end in (threshold.n50_low, threshold.n50_high))
    return [
        "--" if threshold.censored == "undetermined" else f"${sign}{count_text(threshold.n50)}$",
        f"[{low or '--'}, {high or '--'}]" if low or high else "--",
        "--" if threshold.smallest_n is None else str(threshold.smallest_n),
        "--" if row.predicted is None else str(row.predicted),
    ]
