"""Presets: experiments as small TOML files, ours and the user's own.

A preset says what it compares and what theory predicts:

    title = "K relabelled goals a transition"
    x = "relabels"                                # the axis: any field of a task, its measure or search

    [common]                                      # fields that all curves share
    dim = 6
    method = "global-solver"

    [[curves]]
    label = "DDPG"
    learner = "ddpg"
    relabels = [1, 2, 3, 4, 5]                    # the points of the axis
    predicted = "max(d - 1, D//K + 1)"            # a formula, see analysis.experiments.formula
    expect = "equal"                              # how it is judged, see analysis.experiments.experiment.EXPECTATIONS

    [full]                                        # fields that --full changes
    trials = 400

A list in any other field makes one curve for each of its values; the label may then name the field: "DDPG, d = {dim}".
A curve's own table ``full`` overrides its fields under ``--full``. Where points differ in more than one field, or each
has a prediction of its own, they are spelled out: points = [{ x = "SO(d)", group = "so", predicted = "D + 1" }, …].
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

from analysis.errors import ConfigError, expected_one_of, require_distinct, require_one_of
from analysis.experiments.experiment import Curve, Expectation, Experiment, Point
from analysis.experiments.formula import Formula
from analysis.experiments.measure import Measure
from analysis.figures import check_text
from analysis.measures import MEASURES
from analysis.presets.comparison import ALL_FIELDS, make_search, split_fields
from analysis.tasks import make_task

__all__ = ["OVERRIDES", "PRESETS", "load_preset", "make_experiment", "preset_text", "preset_title", "require_overrides"]

PRESETS = (
    "propositions",
    "groups",
    "relabelling",
    "episodes",
    "goal-dimension",
    "noise",
    "classes",
    "solvers",
    "dependence",
    "online",
)
"""The presets that come with the package, one file each in ``analysis/presets/``."""

OVERRIDES = ("trials", "precision", "batch_size", "seed", "epsilon", "device", "restarts", "max_steps")
"""Fields that may be changed without changing what a preset predicts."""

_FIELD = re.compile(r"\{(\w+)\}")

_FIELDS = ALL_FIELDS.keys() - {"construction_source"}  # a preset runs nobody's file
_TOP = {"title", "about", "x", "measure", "sizes", "common", "curves", "full"}
_POINT = {"x", "predicted"} | _FIELDS
_CURVE = {
    "points",
    "label",
    "predicted",
    "prediction_label",
    "expect",
    "tolerance",
    "not_below_from",
    "not_above",
    "full",
} | _FIELDS


def preset_text(name: str) -> str:
    """The text of a preset that comes with the package.

    Raises:
        ConfigError: if there is none of that name.
    """
    if name not in PRESETS:
        raise ConfigError("preset", name, expected_one_of(name, PRESETS))
    return (resources.files("analysis") / "presets" / f"{name}.toml").read_text(encoding="utf-8")


def preset_title(name: str) -> str:
    """What a preset that comes with the package is about; raises as :func:`preset_text`."""
    return str(tomllib.loads(preset_text(name))["title"])


def load_preset(source: str | Path, *, full: bool = False, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """Read a preset.

    Args:
        source: the name of one that comes with the package, or the path of a user's own file.
        full: the paper's size instead of the quick one.
        overrides: fields that replace the preset's own: of ``OVERRIDES``.

    Raises:
        ConfigError: one line about what is wrong with the file, or an override that would change what it predicts.
    """
    require_overrides(overrides or {})
    if isinstance(source, Path):
        try:
            text = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise ConfigError("FILE.toml", str(source), f"it cannot be read ({reason})") from None
        name = source.stem
    else:
        text, name = preset_text(source), source
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("FILE.toml", str(source), f"it is not valid TOML ({error})") from None
    try:
        return make_experiment(name, table, full=full, overrides=overrides or {})
    except ConfigError as error:
        if error.argument in (overrides or {}):
            raise
        raise error.within(str(source)) from None


def require_overrides(values: Mapping[str, Any]) -> None:
    """Refuse fields that a preset's predictions depend on.

    Raises:
        ConfigError: for one that is not of ``OVERRIDES``.
    """
    for name, value in values.items():
        if name not in OVERRIDES:
            raise ConfigError(name, value, f"the preset says that; with a preset use only: {', '.join(OVERRIDES)}")


def make_experiment(
    name: str, table: Mapping[str, Any], *, full: bool = False, overrides: Mapping[str, Any] | None = None
) -> Experiment:
    """An experiment from a preset's table.

    Args:
        name: of the experiment.
        table: as described above.
        full: the paper's size.
        overrides: fields that replace the preset's own.

    Raises:
        ConfigError: if the table is no preset; the argument is the key in question.
    """
    _known("preset", table, _TOP)
    x = _text(table, "x", "dim")
    if x not in _FIELDS:
        raise ConfigError("x", x, f"expected a field of a task or its measure: {', '.join(sorted(_FIELDS))}")
    name_of_measure = _text(table, "measure", "threshold")
    require_one_of("measure", name_of_measure, MEASURES)
    kind = MEASURES[name_of_measure]
    # What a measure has besides the search, and no field: the sizes of errors.
    own = {f.name for f in fields(kind)} - {"search"} - _FIELDS
    extra = {key: tuple(_texts(table, key)) for key in own}
    for key in ("sizes",):
        if key in table and key not in own:
            raise ConfigError(key, table[key], f'measure = "{name_of_measure}" has none')
    common = _table(table, "common", _FIELDS)
    if full:
        common = {**common, **_table(table, "full", _FIELDS)}
    entries = table.get("curves")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError("curves", entries, "expected at least one table [[curves]]")
    curves = [
        curve for entry in entries for curve in _expand(entry, common, x, (kind, extra), full, dict(overrides or {}))
    ]
    require_distinct("label", [curve.label for curve in curves])
    for curve in curves:
        _check_drawable("label", curve.label)
        if curve.prediction_label is not None:
            _check_drawable("prediction_label", f"${curve.prediction_label}$")
    return Experiment(
        name=name,
        title=_text(table, "title", name),
        x=x,
        curves=tuple(curves),
        about=_text(table, "about", ""),
    )


def _check_drawable(argument: str, text: str) -> None:
    """Before hours of trials, and not after them."""
    try:
        check_text(text)
    except ValueError as error:
        raise ConfigError(argument, text, str(error)) from None


def _expand(
    entry: Mapping[str, Any],
    common: Mapping[str, Any],
    x: str,
    measured: tuple[type[Measure], Mapping[str, Any]],
    full: bool,
    overrides: Mapping[str, Any],
) -> Iterator[Curve]:
    """The curves of one table: one for each combination of the values of its lists, the axis apart."""
    _known("curves", entry, _CURVE)
    chosen = {**common, **{name: value for name, value in entry.items() if name in _FIELDS}}
    if full:
        chosen |= _table(entry, "full", _FIELDS)
    chosen |= overrides
    spelled = entry.get("points")
    if spelled is None:
        places = [{"x": value, x: value} for value in _list(x, chosen.pop(x, None))]
    else:
        places = _places(spelled)
        chosen.pop(x, None)
    lists = {name: _list(name, value) for name, value in chosen.items() if isinstance(value, list)}
    single = {name: value for name, value in chosen.items() if name not in lists}
    formula = Formula(_text(entry, "predicted", "")) if "predicted" in entry else None
    for values in product(*lists.values()):
        own = {**single, **dict(zip(lists, values, strict=True))}
        points = tuple(_point({**own, **place}, formula, measured) for place in places)
        yield Curve(
            label=_label(entry, own),
            points=points,
            prediction=formula,
            prediction_label=_text(entry, "prediction_label", "") or None,
            expectation=_expectation(entry, points),
        )


def _places(spelled: Any) -> list[dict[str, Any]]:
    """Points that are spelled out."""
    if not isinstance(spelled, list) or not spelled or not all(isinstance(place, dict) for place in spelled):
        raise ConfigError("points", spelled, "expected a list of tables")
    for place in spelled:
        _known("points", place, _POINT)
        if "x" not in place:
            raise ConfigError("x", None, "every point needs one, its place on the axis")
    require_distinct("x", _list("x", [place["x"] for place in spelled]))
    return spelled


def _label(entry: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """The label with its fields filled in: plain names only, since str.format would do much more than that."""
    text = _text(entry, "label", "")
    unknown = [name for name in _FIELD.findall(text) if name not in own]
    if unknown or set("{}") & set(_FIELD.sub("", text)):
        raise ConfigError("label", text, "a name in braces has to be a field of the curve")
    label = _FIELD.sub(lambda found: str(own[found[1]]), text)
    if not label.strip() or not label.isprintable():
        raise ConfigError("label", text, "every curve needs one, of one line")
    return label


def _point(
    place: Mapping[str, Any], formula: Formula | None, measured: tuple[type[Measure], Mapping[str, Any]]
) -> Point:
    flat = {name: value for name, value in place.items() if name in _FIELDS}
    of_task, of_measure = split_fields(flat)
    kind, extra = measured
    own = {f.name for f in fields(kind)}
    measure = kind(
        search=make_search(of_measure),
        **{name: value for name, value in of_measure.items() if name in own},
        **extra,
    )
    task = make_task(of_task)
    measure.plan(task)  # sizes that cannot be used are known before hours of trials
    formula = Formula(_text(place, "predicted", "")) if "predicted" in place else formula
    return Point(place["x"], task, measure, None if formula is None else formula(task))


def _expectation(entry: Mapping[str, Any], points: Sequence[Point]) -> Expectation:
    kind = _text(entry, "expect", "none")
    measure = points[0].measure
    if kind not in measure.expectations:
        raise ConfigError("expect", kind, f'with measure = "{measure.name}" use: {", ".join(measure.expectations)}')
    counts = [point.predicted for point in points]
    if kind != "none" and None in counts:
        raise ConfigError("expect", kind, "a curve without predicted has nothing to compare with; use none")
    if kind == "equal" and any(count is not None and count != round(count) for count in counts):
        raise ConfigError("expect", kind, f"the predictions have to be integers, and they are {counts}")
    tolerance = entry.get("tolerance", Expectation.tolerance)
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 < tolerance < 1:
        raise ConfigError("tolerance", tolerance, "expected a number with 0 < tolerance < 1")
    start = entry.get("not_below_from")
    if start is not None and (isinstance(start, bool) or not isinstance(start, int)):
        raise ConfigError("not_below_from", start, "expected an integer")
    multiple = entry.get("not_above")
    if multiple is not None and (
        isinstance(multiple, bool) or not isinstance(multiple, int | float) or not multiple > 0
    ):
        raise ConfigError("not_above", multiple, "expected a number > 0")
    return Expectation(kind, float(tolerance), start, None if multiple is None else float(multiple))


def _known(argument: str, table: Mapping[str, Any], allowed: set[str]) -> None:
    for name in table:
        if name not in allowed:
            raise ConfigError(argument, name, expected_one_of(name, sorted(allowed)))


def _table(table: Mapping[str, Any], name: str, allowed: set[str]) -> dict[str, Any]:
    found = table.get(name, {})
    if not isinstance(found, dict):
        raise ConfigError(name, found, "expected a table")
    _known(name, found, allowed)
    return dict(found)


def _text(table: Mapping[str, Any], name: str, default: str) -> str:
    value = table.get(name, default)
    if not isinstance(value, str):
        raise ConfigError(name, value, "expected text")
    return value


def _texts(table: Mapping[str, Any], name: str) -> list[str]:
    values = table.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ConfigError(name, values, "expected a list of formulas")
    return values


def _list(name: str, value: Any) -> list[Any]:
    """The values of a field: a list of plain ones, or one."""
    values = value if isinstance(value, list) else [value]
    if value is None or not all(isinstance(one, int | float | str) and not isinstance(one, bool) for one in values):
        raise ConfigError(name, value, "expected a value or a list of values")
    require_distinct(name, values)
    return values
