"""JSON, hashes of it, and files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

__all__ = ["canonical_json", "content_hash", "to_json", "write_atomically"]


def canonical_json(value: Any) -> str:
    """JSON text that is equal for equal values: sorted keys, no blanks, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_hash(value: Any) -> str:
    """SHA-256 of the canonical JSON, 32 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:32]


def to_json(value: Any) -> str:
    """Indented JSON with a final newline; refuses NaN."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write a file under a temporary name and rename it: readers see the old one or the new one.

    Bytes that are no characters (names of files can hold such) are written as JSON escapes them.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data.encode(errors="backslashreplace") if isinstance(data, str) else data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
