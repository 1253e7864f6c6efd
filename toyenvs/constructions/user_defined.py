"""User-defined constructions: a class in a file outside this package, or an installed entry point.

A class is named ``path/to/file.py:MyConstruction``, or by its entry point in the group ``toyenvs.constructions``. Its
file is run when it is named by the user, never because a stored result names it; what was run is known by a hash of the
source, so that results of two versions of a file are not taken for one another. Only that file is hashed: keep the
formulas in it.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import types
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from toyenvs.constructions.base import Construction
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES, HypothesisClass

__all__ = ["ENTRY_POINTS", "UserConstruction", "group_name", "load_construction", "told_error", "user_construction"]

ENTRY_POINTS = "toyenvs.constructions"
"""The group of entry points whose names are names of constructions."""


@dataclass(frozen=True)
class UserConstruction:
    """A construction from outside, as results know it.

    Attributes:
        name: "file.py:Class", or an entry point's name: in tables, figures and stores.
        source: SHA-256 of the file's text, 32 hexadecimal digits.
        reference: what loads it again, with an absolute path; None if only this process can know it.
        construction: the class.
    """

    name: str
    source: str
    reference: str | None
    construction: type[Construction]

    @property
    def group(self) -> HypothesisClass | None:
        """The hypothesis class that it brings along; None if it names one of this package's."""
        group = self.construction.group
        return group if isinstance(group, HypothesisClass) else None


_LOADED: dict[tuple[str, str], UserConstruction] = {}


def user_construction(name: str, source: str) -> UserConstruction | None:
    """The construction of that name and source, if it has been loaded in this process."""
    return _LOADED.get((name, source))


def load_construction(given: str | type[Construction]) -> UserConstruction:
    """Load a construction from outside this package, and remember it for this process.

    Args:
        given: "path/to/file.py:Class", the name of an entry point, or the class itself.

    Raises:
        ValueError: if there is no such file, class or entry point, the file cannot be run, or the class is not a
            complete construction; the message says what is wrong, in one line.
    """
    if isinstance(given, str):
        if given.endswith(".py"):
            given += ":"  # without a class one hears which it has
        loaded = _from_file(given) if ":" in given else _from_entry_point(given)
    else:
        loaded = _from_class(given)
    if loaded.group is not None:
        _check_group_name(loaded, loaded.group)
    _LOADED[loaded.name, loaded.source] = loaded
    return loaded


def group_name(construction: type[Construction]) -> str:
    """Name of the hypothesis class that a construction asks for; SO(d) if it asks for none."""
    group = construction.group
    return group if isinstance(group, str) else group.name


def _check_group_name(loaded: UserConstruction, group: HypothesisClass) -> None:
    """Check the name of a user-defined hypothesis class.

    Raises:
        ValueError: if it has none, or one of this package's.
    """
    name = getattr(group, "name", None)
    if not isinstance(name, str) or not name:
        raise ValueError(f"the group of {loaded.name}, {type(group).__name__}, has no name")
    if name in HYPOTHESIS_CLASSES and HYPOTHESIS_CLASSES[name] is not group:
        raise ValueError(f"the group of {loaded.name} is called {name!r}, which is the name of a class of this package")


def _from_file(reference: str) -> UserConstruction:
    place, _, class_name = reference.rpartition(":")
    path = Path(place)
    try:
        text = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"{place} cannot be read ({reason}); expected path/to/file.py:Class") from None
    source = _hash(text)
    absolute = f"{path.resolve()}:{class_name}"
    known = user_construction(f"{path.name}:{class_name}", source)
    if known is not None and known.reference == absolute:
        return known
    module = types.ModuleType(f"user_construction_{source}")
    module.__file__ = str(path.resolve())
    sys.modules[module.__name__] = module  # dataclasses and pickles look there
    try:
        exec(compile(text, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:  # whatever a file may do: its author needs to know what, and where
        del sys.modules[module.__name__]
        raise ValueError(f"{place} cannot be run: {told_error(error, path)}") from error
    found = getattr(module, class_name, None)
    if found is None:
        classes = [name for name, value in vars(module).items() if _is_users(value, module)]
        raise ValueError(f"{place} has no class {class_name!r}; its constructions are: {', '.join(classes) or 'none'}")
    return UserConstruction(f"{path.name}:{class_name}", source, absolute, _complete(found, reference))


def _is_users(value: object, module: types.ModuleType) -> bool:
    return isinstance(value, type) and issubclass(value, Construction) and value.__module__ == module.__name__


def told_error(error: BaseException, path: Path) -> str:
    """Kind, message and, if it is in the file, line and function of an error, in one line."""
    where = f"line {error.lineno}" if isinstance(error, SyntaxError) else ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename in (str(path), str(path.resolve())):
            where = f"line {trace.tb_lineno}" + ("" if code.co_name == "<module>" else f", in {code.co_name}")
        trace = trace.tb_next
    message = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" + (f" ({where})" if where else "")


def _from_entry_point(name: str) -> UserConstruction:
    found = entry_points(group=ENTRY_POINTS, name=name)
    if not found:
        raise ValueError(f"no construction is called {name!r}")
    entry = next(iter(found))
    try:
        loaded = entry.load()
    except Exception as error:  # another package's
        told = told_error(error, Path())
        raise ValueError(f"the entry point {name} ({entry.value}) cannot be loaded: {told}") from error
    complete = _complete(loaded, name)
    return UserConstruction(name, _hash(_source_of(complete, name)), name, complete)


def _from_class(given: type[Construction]) -> UserConstruction:
    complete = _complete(given, getattr(given, "__name__", repr(given)))
    text = _source_of(complete, complete.__name__)
    file = inspect.getsourcefile(complete)
    if file is None or not Path(file).is_file():  # typed in, at a prompt or in a notebook
        return UserConstruction(complete.__name__, _hash(text), None, complete)
    path = Path(file)
    if "." not in complete.__qualname__ and complete.__module__ != "__main__":
        # The file may have changed since it was imported: what is hashed is what is run.
        return _from_file(f"{path.resolve()}:{complete.__name__}")
    return UserConstruction(f"{path.name}:{complete.__name__}", _hash(text), None, complete)


def _source_of(construction: type[Construction], named: str) -> bytes:
    """The text of the file that a class is in, or of the class where there is no file.

    Raises:
        ValueError: if there is neither.
    """
    try:
        file = inspect.getsourcefile(construction)
        if file is not None and Path(file).is_file():
            return Path(file).read_bytes()
        return inspect.getsource(construction).encode()
    except (OSError, TypeError):
        raise ValueError(f"the source of {named} is not to be found, and results are known by it") from None


def _complete(found: object, named: str) -> type[Construction]:
    """Check that it is a class of constructions with nothing missing.

    Raises:
        ValueError: as described.
    """
    if not isinstance(found, type) or not issubclass(found, Construction):
        raise ValueError(f"{named} is no subclass of toyenvs.constructions.Construction")
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    if missing:
        raise ValueError(f"{named} does not define {', '.join(missing)}")
    for kept in ("dim", "discount"):
        if hasattr(found, kept):
            raise ValueError(
                f"{named} states {kept} = {getattr(found, kept)!r}, which every experiment sets itself"
                f" (--{'dims' if kept == 'dim' else kept})"
            )
    if isinstance(found.group, str) and found.group not in HYPOTHESIS_CLASSES:
        raise ValueError(f"the group of {named}, {found.group!r}, is not one of {', '.join(HYPOTHESIS_CLASSES)}")
    if not isinstance(found.group, str | HypothesisClass):
        raise ValueError(f"the group of {named} is neither the name of a hypothesis class nor one of your own")
    return found


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:32]
