"""Configurations: what is refused, and what identifies a sweep."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from analysis.config import ConfigError, SweepConfig

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"dims": (0,)}, "dims", "0"),
    ({"dims": (1, 4)}, "dims", "1"),
    ({"dims": ()}, "dims", "[]"),
    ({"dims": (4, 4)}, "dims", "[4, 4]"),
    ({"dims": (True,)}, "dims", "True"),
    ({"learners": ("foo",)}, "learners", "'foo'"),
    ({"learners": ("ddpg", "ddpg")}, "learners", "['ddpg', 'ddpg']"),
    ({"construction": "x"}, "construction", "'x'"),
    ({"group": "su"}, "group", "'su'"),
    ({"trials": -1}, "trials", "-1"),
    ({"trials": 0}, "trials", "0"),
    ({"seed": -1}, "seed", "-1"),
    ({"seed": 2**64}, "seed", str(2**64)),
    ({"epsilon": float("nan")}, "epsilon", "nan"),
    ({"epsilon": 0.0}, "epsilon", "0.0"),
    ({"epsilon": 2.0}, "epsilon", "2.0"),
    ({"discount": 1.0}, "discount", "1.0"),
    ({"discount": -0.1}, "discount", "-0.1"),
    ({"alpha": float("inf")}, "alpha", "inf"),
    ({"alpha": 0.0}, "alpha", "0.0"),
    ({"dims": (99_999_999_999,)}, "dims", "99999999999"),
    ({"device": "meta"}, "device", "'meta'"),
    ({"precision": 0.0}, "precision", "0.0"),
    ({"steps_per_goal": 0}, "steps_per_goal", "0"),
    ({"optimizer": "adam"}, "optimizer", "'adam'"),
    ({"minibatch": 0, "optimizer": "gradient"}, "minibatch", "0"),
    ({"minibatch": 8}, "optimizer", "'nesterov'"),
    ({"batch_size": 0}, "batch_size", "0"),
    ({"max_steps": 0}, "max_steps", "0"),
    ({"device": "quantum"}, "device", "'quantum'"),
    ({"construction": "no-reward-gradient", "discount": 0.0}, "discount", "0.0"),
]


@pytest.mark.parametrize(("values", "argument", "shown"), BAD, ids=lambda v: str(v)[:40])
def test_a_bad_value_is_refused_by_name(values: dict[str, Any], argument: str, shown: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SweepConfig(**values)
    message = str(caught.value)
    assert caught.value.argument == argument
    assert message.startswith(f"{argument}: {shown} ")
    assert "\n" not in message
    assert len(message.split("; ", 1)[1]) > 5  # what is allowed


def test_the_defaults_are_those_of_the_command() -> None:
    config = SweepConfig()
    assert config.construction == "gradient-feedback"
    assert config.group == "so"
    assert config.dims == (2, 3, 4, 6, 8, 12, 16, 24, 32)
    assert config.learners == ("ddpg", "reengage")
    assert (config.trials, config.seed, config.epsilon, config.precision) == (100, 0, 0.01, 0.05)


def test_every_field_changes_the_hash() -> None:
    other: dict[str, Any] = {
        "construction": "no-reward-gradient",
        "group": "o",
        "dims": (2, 3),
        "learners": ("ddpg",),
        "trials": 99,
        "seed": 1,
        "epsilon": 0.02,
        "discount": 0.8,
        "alpha": 2.0,
        "steps_per_goal": 2,
        "optimizer": "gradient",
        "max_steps": 10,
        "batch_size": 24,
        "precision": 0.04,
    }
    untested = {f.name for f in dataclasses.fields(SweepConfig)} - other.keys()
    assert untested == {"minibatch", "device"}  # need a partner, or hardware
    hashes = {SweepConfig(**{name: value}).hash() for name, value in other.items()}
    assert len(hashes | {SweepConfig().hash()}) == len(other) + 1
    assert SweepConfig(optimizer="gradient", minibatch=4).hash() != SweepConfig(optimizer="gradient").hash()
