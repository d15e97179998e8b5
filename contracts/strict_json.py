"""JSON from people and other programs, read strictly: UTF-8, whole numbers only, no repeated keys, bounded nesting.

The bound on nesting is checked before the parser sees the text: Python's parser recurses on the C stack up to the
interpreter's recursion limit, which py-evm raises so far that a deeply nested text ends the process instead of
raising RecursionError.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

from contracts.errors import EncodingError

# A string as a whole, so that brackets within it do not count; one that never ends takes the rest of the text along,
# or each of its quotes would be tried anew.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def loads(document: bytes, *, max_depth: int) -> Any:
    """The value in the bytes of one JSON text whose arrays and objects nest at most `max_depth` deep.

    The caller bounds the size. Raises EncodingError for bytes that are not UTF-8 or not JSON, floats, NaN and
    infinities, a key that stands twice in one object, nesting beyond the bound.
    """
    if document.count(b"[") + document.count(b"{") > max_depth:  # fewer cannot nest deeper
        _check_depth(document, max_depth)
    try:
        return json.loads(
            document.decode("utf-8"),
            parse_float=_no_float,
            parse_constant=_no_float,
            object_pairs_hook=_no_repeated_keys,
        )
    except UnicodeDecodeError as error:
        raise EncodingError(f"byte {error.start} is not UTF-8") from None
    except ValueError as error:
        raise EncodingError(f"no JSON: {error}") from None


def _check_depth(document: bytes, max_depth: int) -> None:
    depth = 0
    for bracket in _STRING.sub(b"", document).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > max_depth:
            raise EncodingError(f"brackets nest deeper than {max_depth}")


def _no_float(text: str) -> NoReturn:
    raise EncodingError(f"{text[:32]} is no whole number")


def _no_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise EncodingError("a key stands twice in one object")
    return found
