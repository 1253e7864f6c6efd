"""Formulas: arithmetic and nothing else, whatever a file says."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import ConfigError
from analysis.experiments.formula import FUNCTIONS, VARIABLES, Formula, Theory
from analysis.tasks import make_task

TASK = make_task({"dim": 6, "learner": "reengage", "relabels": 4, "steps_per_goal": 3, "noise": 0.5, "alpha": 2.0})

VALUES: list[tuple[str, float]] = [
    ("D + 1", 16),
    ("d - 1", 5),
    ("max(d - 1, D//K + 1)", 5),
    ("max(d - 1, D//T + 1)", 6),
    ("ceil((d - 1)/T)", 2),
    ("floor(7/2)", 3),
    ("d**2", 36),
    ("(3*d**2 - d)/4", 25.5),
    ("sigma", 0.5),
    ("alpha + k", 8.0),
    ("sqrt(d*d) + min(K, T)", 9.0),
    ("log(1) + 1", 1.0),
    ("-d + 10", 4),
    ("7 % 4", 3),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_the_value_of_a_formula(text: str, value: float) -> None:
    assert Formula(text)(TASK) == value


def test_whole_numbers_stay_whole() -> None:
    assert isinstance(Formula("max(d - 1, D//K + 1)")(TASK), int)


def test_goals_have_the_dimension_of_the_state_unless_they_are_projected() -> None:
    assert Formula("k")(make_task({"dim": 5})) == 5
    projected = make_task({"construction": "projected-goal", "dim": 5, "goal_dim": 2})
    assert Formula("d*k - k*(k + 1)//2 + 1")(projected) == 8


def test_a_formula_is_asked_at_other_dimensions_and_of_letters() -> None:
    assert Formula("D + K")(TASK, dim=4) == 10  # D = 6, K = 4
    assert Formula("k")(TASK, dim=4) == 4
    assert Formula("d*n").value({"d": 4, "n": 3}) == 12


def test_a_caret_is_no_power() -> None:
    with pytest.raises(ConfigError, match=r"a power is written \*\*, not \^"):
        Formula("d^2")(TASK)


MALICIOUS = [
    "__import__('os').system('touch {place}')",
    "open('{place}', 'w')",
    "exec('1')",
    "d.__class__",
    "max.__self__",
    "().__class__.__bases__[0].__subclasses__()",
    "'{{0.__class__}}'.format(d)",
    "[x for x in (1,)]",
    "lambda: 1",
    "d := 5",
    "import os",
]

BROKEN = [
    "",
    "(",
    "d +",
    "1/0",
    '"a"',
    '"a"*3',
    "9**9**9",
    "1 << 99999999",
    "10.0**400",
    "nothing",
    "max",
    "max()",
    "sqrt(-1)",
    "True",
    "d > 1",
    "[1]",
    "0",
    "-1",
    "(-1)**0.5",
    "1e400",
    "d\nd",
    "(" * 300 + "1" + ")" * 300,
    "-" * 5000 + "1",
    "1" + "+1" * 5000,
    "9" * 5000,
    "\0",
    "\ud800",
]


@pytest.mark.parametrize("text", MALICIOUS)
def test_a_malicious_formula_does_nothing(text: str, tmp_path: Path) -> None:
    place = tmp_path / "proof"
    with pytest.raises(ConfigError) as caught:
        Formula(text.format(place=place), "predicted")(TASK)
    assert caught.value.argument == "predicted"
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def outcome(text: str) -> float | ConfigError:
    """A positive number, or the error of one line; anything else is a failure."""
    started = time.monotonic()
    result: float | ConfigError
    try:
        result = Formula(text, "sizes")(TASK)
    except ConfigError as caught:
        result = caught
    assert time.monotonic() - started < 5
    if isinstance(result, ConfigError):
        assert result.argument == "sizes"
        assert "\n" not in str(result)
        assert len(str(result)) < 2000
    else:
        assert 0 < result < float("inf")
    return result


@pytest.mark.parametrize("text", BROKEN, ids=lambda text: ascii(text)[:30])
def test_a_broken_formula_is_one_line(text: str) -> None:
    assert isinstance(outcome(text), ConfigError)


def test_an_error_says_what_a_formula_may_hold() -> None:
    with pytest.raises(ConfigError) as caught:
        Formula("N + 1")(TASK)
    for name in (*VARIABLES, *FUNCTIONS):
        assert name in str(caught.value)


def is_number_or_one_line(found: float | ConfigError) -> bool:
    if isinstance(found, ConfigError):
        return str(found).count("\n") == 0 and found.argument == "sizes"
    return 0 < found <= 1e15


TOKENS = st.sampled_from(
    [
        *(
            *VARIABLES,
            *FUNCTIONS,
            *"+-*/%()<>,.[]{}'=:!@~^&|",
            "**",
            "//",
            "<<",
            "__class__",
            "lambda",
            " if ",
            " else ",
        ),
        *("0", "1", "2", "99", "1e9", "0.5", "inf", "nan", "True", "None", " not ", " and ", " for x in ", "\n", " "),
    ]
)


@settings(max_examples=400)
@given(st.lists(TOKENS, max_size=14).map("".join))
def test_tokens_in_any_order_are_a_number_or_one_line(text: str) -> None:
    assert is_number_or_one_line(outcome(text))


@settings(max_examples=200)
@given(st.text(max_size=30))
def test_any_text_is_a_number_or_one_line(text: str) -> None:
    assert is_number_or_one_line(outcome(text))


def theory(at: int | None = None, **values: Any) -> float | None:
    return Theory()(make_task({"dim": 6, **values}), at)


def test_theory_speaks_of_what_it_knows_only() -> None:
    assert theory() == 16
    assert theory(at=10) == 46
    assert theory(learner="reengage", group="o") == 6
    assert theory(method="global-solver", relabels=3) == 6
    assert theory(construction="projected-goal", goal_dim=2) == 6 * 2 - 3 + 1
    silent: list[dict[str, Any]] = [
        {"goals": "hindsight"},
        {"actions": "on-policy"},
        {"noise": 0.1},
        {"method": "relaxation"},
        {"method": "least-squares"},
        {"method": "online"},
        {"count": "episodes", "steps_per_goal": 2, "method": "global-solver"},
        {"construction": "projected-goal", "goal_dim": 2, "relabels": 2},
        {"construction": "no-reward-gradient", "relabels": 2},
    ]
    for values in silent:
        assert theory(**values) is None, values
        assert theory(at=10, **values) is None, values
