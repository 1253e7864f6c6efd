"""Rows out of a damaged SQLite file, page by page.

SQLite itself reads a table from its root down, so that one broken byte near the root hides all rows below it. Rows of
a store fit on a page and carry a checksum, so every leaf page can be read alone, and what is read can be trusted or
thrown away. The format is documented: https://www.sqlite.org/fileformat2.html, sections 1.6 and 2.1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

__all__ = ["table_rows"]

_TABLE_LEAF = 0x0D

_HEADER = 100
"""Bytes at the beginning of the first page that belong to the file."""

_INTEGER_BYTES = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8, 8: 0, 9: 0}


def table_rows(data: bytes, page_size: int) -> Iterator[tuple[Any, ...]]:
    """Every row of every table that can be read from a file's pages, once or more, in no order.

    Args:
        data: the file, whole or in part.
        page_size: in bytes.
    """
    for offset in range(0, len(data), page_size):
        page = data[offset : offset + page_size]
        start = _HEADER if offset == 0 else 0
        if len(page) < start + 8 or page[start] != _TABLE_LEAF:
            continue
        (cells,) = struct.unpack_from(">H", page, start + 3)
        for number in range(min(cells, len(page) // 4)):
            try:
                (place,) = struct.unpack_from(">H", page, start + 8 + 2 * number)
                yield _record(page, place)
            except (IndexError, KeyError, ValueError, struct.error):
                continue  # no row is there, or no longer


def _record(page: bytes, place: int) -> tuple[Any, ...]:
    """The values of the cell at a place, which holds the lengths of its payload and key, types, and values."""
    length, place = _varint(page, place)
    _, place = _varint(page, place)
    end = place + length
    header, types_at = _varint(page, place)
    values_at = types_end = place + header
    if end > len(page):
        raise ValueError("the cell does not end on this page")
    values = []
    while types_at < types_end:
        kind, types_at = _varint(page, types_at)
        size = (kind - 12) // 2 if kind >= 12 else _INTEGER_BYTES[kind]
        values.append(_value(kind, page[values_at : values_at + size]))
        values_at += size
    if values_at != end:
        raise ValueError("the values are not as long as they should be")
    return tuple(values)


def _value(kind: int, content: bytes) -> Any:
    if kind >= 12:
        return content if kind % 2 == 0 else content.decode()
    if kind == 7:
        return struct.unpack(">d", content)[0]
    return {0: None, 8: 0, 9: 1}[kind] if kind in (0, 8, 9) else int.from_bytes(content, "big", signed=True)


def _varint(page: bytes, place: int) -> tuple[int, int]:
    """A number of up to nine bytes, seven bits each but for the ninth, and the place after it."""
    value = 0
    for number in range(9):
        byte = page[place]
        place += 1
        if number == 8:
            return value << 8 | byte, place
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, place
