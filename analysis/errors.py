"""Errors about what a user gave, in one line, and the checks that raise them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

__all__ = [
    "ConfigError",
    "expected_one_of",
    "require_distinct",
    "require_integer",
    "require_name",
    "require_number",
    "require_one_of",
]


class ConfigError(ValueError):
    """A value that cannot be used, in one line: argument, value, what is allowed."""

    def __init__(self, argument: str, value: object, allowed: str, source: str = "") -> None:
        self.argument, self.value, self.allowed, self.source = argument, value, allowed, source
        super().__init__(f"{argument}: {value!r} is not allowed; {allowed}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.argument, self.value, self.allowed, self.source)

    def renamed(self, names: Mapping[str, str]) -> ConfigError:
        """The same error about the argument by which the user knows the value."""
        return ConfigError(names.get(self.argument, self.argument), self.value, self.allowed, self.source)

    def within(self, source: str) -> ConfigError:
        """The same error about a line of a file, whose name an error line then begins with."""
        return ConfigError(self.argument, self.value, self.allowed, source)


def expected_one_of(value: object, allowed: Iterable[str]) -> str:
    """What is allowed; the closest name first where the value looks like a typo."""
    known = {name.lower(): name for name in allowed}
    given = str(value).lower()
    beginning = [name for name in known if given and name.startswith(given)]
    close = [known[name] for name in get_close_matches(given, list(known), n=1) or beginning[:1]]
    return f"{f'did you mean {close[0]}? ' if close else ''}expected one of: {', '.join(known.values())}"


def require_one_of(argument: str, value: object, allowed: Iterable[str]) -> None:
    """Refuse what is none of some names.

    Raises:
        ConfigError: as described.
    """
    names = list(allowed)
    if not isinstance(value, str) or value not in names:
        raise ConfigError(argument, value, expected_one_of(value, names))


def require_name(argument: str, value: object) -> None:
    """Refuse what is no text, or empty.

    Raises:
        ConfigError: as described.
    """
    if not isinstance(value, str) or not value:
        raise ConfigError(argument, value, "expected a name")


def require_integer(argument: str, value: object, least: int, most: int | None = None) -> None:
    """Refuse what is no integer in a range.

    Raises:
        ConfigError: as described.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(argument, value, f"expected an integer >= {least}")
    if most is not None and value > most:
        raise ConfigError(argument, value, f"expected at most {most}")


def require_number(argument: str, value: object, holds: Callable[[Any], bool], allowed: str) -> float:
    """The value as a float; refuse what is no finite number of which something holds.

    Args:
        argument: by which the user knows the value.
        value: anything.
        holds: what must be true of it.
        allowed: the same in words, such as "0 <= discount < 1".

    Raises:
        ConfigError: as described.
    """
    try:
        usable = not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # an integer beyond what a float can hold
        usable = False
    if not usable or not holds(value):
        raise ConfigError(argument, value, f"expected a number with {allowed}")
    assert isinstance(value, int | float)
    return float(value) + 0.0  # 1 and 1.0 are one value with one hash; so are 0.0 and -0.0


def require_distinct(argument: str, values: Sequence[object]) -> None:
    """Refuse no values, and the same twice.

    Raises:
        ConfigError: as described.
    """
    if not values:
        raise ConfigError(argument, list(values), "expected at least one")
    if len(set(values)) < len(values):
        raise ConfigError(argument, list(values), "expected each value once")
