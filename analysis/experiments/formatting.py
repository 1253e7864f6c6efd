"""Numbers as text: for tables, files and sentences."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

__all__ = ["axis_label", "axis_letter", "class_name", "count_text", "csv_text", "interval_text", "or_dash", "rounded"]

_DIGITS = 6

_AXES = {
    "dim": ("d", "dimension $d$"),
    "relabels": ("K", "goals a transition $K$"),
    "steps_per_goal": ("T", "steps an episode $T$"),
    "goal_dim": ("k", "dimension of goals $k$"),
    "group": ("class", "hypothesis class"),
    "alpha": ("alpha", r"weight of the gradient loss $\alpha$"),
    "noise": ("noise", r"noise $\sigma$"),
}
"""How axes are named, in tables and in figures; others by the name of the field."""


def axis_letter(x: str) -> str:
    """The short name of an axis, for tables."""
    return _AXES[x][0] if x in _AXES else x


def axis_label(x: str) -> str:
    """The name of an axis, for figures."""
    return _AXES[x][1] if x in _AXES else x.replace("_", " ")


def rounded(value: float | None) -> float | None:
    """To significant digits that the data support: the last bits differ between machines; integers stay."""
    return value if value is None or isinstance(value, int) else float(f"{value:.{_DIGITS}g}")


def csv_text(columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> str:
    """A table as CSV; None becomes an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def count_text(value: float) -> str:
    """A number of transitions for people: one decimal where it is small, none where it is large."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def or_dash(value: float | None, form: Callable[[float], str] = str) -> str:
    """The value as text, or a dash for None."""
    return "–" if value is None else form(value)


def interval_text(
    value: float | None, low: float | None, high: float | None, censored: str, form: Callable[[float], str] = count_text
) -> str:
    """An estimate, or the bound that it is, with its interval; … for an open end."""
    if value is None or censored == "undetermined":
        return "undetermined"
    sign = {"left": "≤ ", "right": "≥ "}.get(censored, "")
    first, last = ("…" if end is None else form(end) for end in (low, high))
    return f"{sign}{form(value)}  [{first}, {last}]"


def class_name(group: str) -> str:
    """A hypothesis class as it is written."""
    return f"{group.upper()}(d)" if group in ("so", "o") else f"class {group}"
