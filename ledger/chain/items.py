"""RLP from anybody, as nested lists of bytes of bounded depth.

The library's whole-item decoders do not bear what a stranger may send: the one in Rust overflows the stack of the
process on deeply nested lists, the one in Python copies what it has read at every item of a list. This one reads prefix
by prefix with the library, no deeper than a block or a transaction goes.
"""

from __future__ import annotations

from typing import Any, Final

from rlp.codec import consume_length_prefix
from rlp.exceptions import DecodingError

# A block: block, transactions, legacy transaction. A transaction: fields, access list, entry, slots. A receipt: fields,
# logs, log, topics.
MAX_DEPTH: Final = 4


def decode_items(raw: bytes) -> Any:
    """The item that `raw` encodes, all of it: bytes or nested lists. Raises DecodingError."""
    try:
        item, end = _read(raw, 0, MAX_DEPTH)
    except IndexError as error:
        raise DecodingError("the bytes end within an item", raw[:32]) from error
    if end != len(raw):
        raise DecodingError(f"{len(raw) - end} bytes follow the item", raw[:32])
    return item


def _read(raw: bytes, start: int, depth: int) -> tuple[Any, int]:
    _, kind, length, begin = consume_length_prefix(raw, start)
    end = begin + length
    if end > len(raw):
        raise DecodingError("the bytes end within an item", raw[:32])
    if kind is bytes:
        return raw[begin:end], end
    if depth == 0:
        raise DecodingError(f"lists are nested deeper than {MAX_DEPTH}", raw[:32])
    items = []
    while begin < end:
        item, begin = _read(raw, begin, depth - 1)
        items.append(item)
    if begin != end:
        raise DecodingError("an item is longer than its list", raw[:32])
    return items, end
