"""Leaves of the events that tell of cards in batches: 32 bytes each, trees of RFC 6962 over keccak256 (money.md §8)."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.errors import EncodingError


def _leaf(card: bytes, sizes: Sequence[int], values: Sequence[int]) -> bytes:
    try:
        packed = b"".join(value.to_bytes(size, "big") for value, size in zip(values, sizes, strict=True))
    except OverflowError as error:
        raise EncodingError(f"a field of the leaf of 0x{card.hex()} does not fit: {error}") from error
    if len(card) != 20:
        raise EncodingError(f"a card has 20 bytes, this one {len(card)}")
    return card + packed


def enrolled_leaf(card: bytes, month: int, clearing_house: int, cap_won: int, code: int, guarantor: int) -> bytes:
    """Leaf of Enrolled (and of CapsSet with month and clearing house 0): card 20, then 2, 2, 4, 2, 2: 32 bytes."""
    return _leaf(card, (2, 2, 4, 2, 2), (month, clearing_house, cap_won, code, guarantor))


def purse_leaf(card: bytes, amount_won: int, balance_won: int, code: int, organisation: int) -> bytes:
    """Leaf of Funded and Withdrawn (Lost and Swept with sums 0): card 20, amount 4, balance after 4, code 2,
    organisation 2: 32 bytes. The amount is the one asked for; only code 0 moved it."""
    return _leaf(card, (4, 4, 2, 2), (amount_won, balance_won, code, organisation))


def lapsed_leaf(card: bytes, amount_won: int, lot_no: int, rule_set: int, last_service_day: int) -> bytes:
    """Leaf of Lapsed: card 20, amount 4, lot 4, rule-set 2, last service day 2: 32 bytes."""
    return _leaf(card, (4, 4, 2, 2), (amount_won, lot_no, rule_set, last_service_day))
