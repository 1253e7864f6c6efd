"""What all tests share: shapes checked at run time, examples that are the same on every run, one thread."""

from __future__ import annotations

from collections.abc import Iterator

import jaxtyping
import pytest
import torch
from hypothesis import settings

# Test modules import toyenvs after this: every annotated shape is then checked at every call. The numeric tower
# of PEP 484 is what mypy goes by, too: an int is welcome where a float is expected.
jaxtyping.install_import_hook(
    ["toyenvs", "proofs_check"], "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)

# Derandomised: a red test is red for everyone. To look for new counterexamples, run
# `pytest --hypothesis-profile=explore`.
settings.register_profile("tests", derandomize=True, deadline=None, max_examples=40)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("tests")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    # The tensors are tiny and pytest-xdist may run one process a core: more threads would only wait for each other.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _without_checks() -> Iterator[None]:
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def unchecked_types() -> Iterator[None]:
    """Run-time type checks are off.

    For tests of what the code itself says to values of a wrong type, and for long training runs, which the checks
    slow down fivefold and in which they see no shape that shorter runs do not show.
    """
    yield from _without_checks()


@pytest.fixture(scope="module")
def unchecked_module() -> Iterator[None]:
    """The same for a whole module, and the fixtures that its tests share."""
    yield from _without_checks()
