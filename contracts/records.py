"""How Fares packs what it is told and what it stores: words, slots, the 128-byte settlement leaf (settlement.md).

Every word is an unsigned 256-bit integer; a field's place is the number of its lowest bit. Packing raises
EncodingError where a value does not fit; the contract's own checks are codes (contracts/codes.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Final, TypeAlias

from contracts.client import encode
from contracts.errors import EncodingError
from contracts.hashing import keccak
from contracts.messages import FareState
from contracts.signatures import SIGNATURE_BYTES, from_compact, to_compact

LANES: Final = 8
OPERATOR_LANES: Final = 7
SUSPENSE_LANE: Final = 7
LANE_BITS: Final = 32
CREDIT_BITS: Final = 23  # so that 512 records cannot overflow a lane of 32 bits
LOTS: Final = 4
GUARANTORS: Final = 8
LEAF_BYTES: Final = 128
_LEAF: Final = struct.Struct(">20sIHHI8Q32s")
RecordWords: TypeAlias = tuple[int, int, int, int, int, int]
BatchFields: TypeAlias = tuple[int, int, int, int, bytes, int, int, int, tuple[int, ...]]
_BATCH_TYPE: Final = "(uint64,uint16,uint16,uint64,bytes32,uint32,uint256,uint256,uint256[8])"


def _fit(value: int, bits: int, name: str) -> int:
    if not 0 <= value < 1 << bits:
        raise EncodingError(f"{name} {value} does not fit {bits} bits")
    return value


def _take(word: int, shift: int, bits: int) -> int:
    return (word >> shift) & ((1 << bits) - 1)


def _card(card: bytes) -> int:
    if len(card) != 20:
        raise EncodingError(f"a card has 20 bytes, this one {len(card)}")
    return int.from_bytes(card, "big")


def card_word(card: bytes) -> int:
    """A word of report_lost, withdraw, sweep and lapse: the card."""
    return _card(card)


def enrol_word(card: bytes, cap_won: int) -> int:
    """A word of enrol and set_caps: card | cap in 1,000 won << 160. The cap is a multiple of 1,000 won."""
    if cap_won % 1000:
        raise EncodingError(f"a cap is a multiple of 1,000 won, not {cap_won}")
    return _card(card) | _fit(cap_won // 1000, 16, "cap in 1,000 won") << 160


def won_word(card: bytes, amount_won: int) -> int:
    """A word of fund and issue: card | won << 160."""
    return _card(card) | _fit(amount_won, 32, "amount_won") << 160


fund_word = won_word
issue_word = won_word


def foregone_word(operator: int, foregone_won: int) -> int:
    """A word of settle's `foregone`: organisation | won << 16 (money.md §2)."""
    return _fit(operator, 16, "operator") | _fit(foregone_won, 64, "foregone_won") << 16


def lot_word(amount_won: int, lot_no: int) -> int:
    """A word of adjust_down's `lots`: what goes back to a live lot."""
    return _fit(amount_won, 32, "amount_won") | _fit(lot_no, 32, "lot_no") << 32


def lapsed_lot_word(amount_won: int, rule_set: int, last_service_day: int) -> int:
    """A word of adjust_down's `lots`: what goes back to the pool of a lapsed lot."""
    return (
        _fit(amount_won, 32, "amount_won")
        | _fit(rule_set, 16, "rule_set") << 64
        | _fit(last_service_day, 16, "last_service_day") << 80
        | 1 << 96
    )


def table_word(organisations: Iterable[int]) -> int:
    """The batch's table: up to seven organisation ids in rising order, in lanes of 32 bits."""
    ids = sorted(set(organisations))
    if len(ids) > OPERATOR_LANES:
        raise EncodingError(f"a table has at most {OPERATOR_LANES} organisations, this one {len(ids)}")
    if ids and ids[0] == 0:
        raise EncodingError("organisation 0 does not exist")
    return sum(_fit(one, 16, "organisation") << LANE_BITS * at for at, one in enumerate(ids))


def table_of(word: int) -> tuple[int, ...]:
    """The organisations of a table, in their lanes' order."""
    ids = (_take(word, LANE_BITS * at, LANE_BITS) for at in range(OPERATOR_LANES))
    return tuple(one for one in ids if one)


def sums_word(table: int, won: Mapping[int, int], suspense_won: int = 0, bits: int = LANE_BITS) -> int:
    """Won per organisation of `table` in its lane, suspense in lane 7. Raises EncodingError for one not in it."""
    ids = table_of(table)
    word = _fit(suspense_won, bits, "suspense_won") << LANE_BITS * SUSPENSE_LANE
    for organisation, amount in won.items():
        if organisation not in ids:
            raise EncodingError(f"organisation {organisation} is not in the batch's table")
        word |= _fit(amount, bits, "credit") << LANE_BITS * ids.index(organisation)
    return word


def lanes_of(word: int) -> tuple[int, ...]:
    """The eight lanes of a word, won each; the last is suspense."""
    return tuple(_take(word, LANE_BITS * at, LANE_BITS) for at in range(LANES))


@dataclass(frozen=True, slots=True)
class SettlementRecord:
    """A card's signed state of a service day and whom it pays (money.md §3): won per organisation id, and suspense."""

    state: FareState
    signature: bytes
    credits: Mapping[int, int]
    suspense_won: int = 0

    def words(self, table: int) -> RecordWords:
        """The six words of a record in a batch with this table. Raises EncodingError where a field does not fit."""
        return (*state_words(self.state), *signature_words(self.signature), self.lanes(table))

    def lanes(self, table: int) -> int:
        """Credits and suspense as lanes. Raises EncodingError above 2^23 won or outside the table."""
        return sums_word(table, self.credits, self.suspense_won, CREDIT_BITS)


def signature_words(signature: bytes) -> tuple[int, int]:
    """(r, vs) of a 65-byte signature (EIP-2098)."""
    if len(signature) != SIGNATURE_BYTES:
        raise EncodingError(f"a signature has {SIGNATURE_BYTES} bytes, this one {len(signature)}")
    return to_compact(signature)


def state_words(state: FareState) -> tuple[int, int, int]:
    """(head, sums, context) of a state. Sums stand where the card's slot has them."""
    head = (
        _card(state.card)
        | _fit(state.charge_won, 32, "charge_won") << 160
        | _fit(state.missing_out_won, 32, "missing_out_won") << 192
        | _fit(state.tap_time, 32, "tap_time") << 224
    )
    sums = (
        _fit(state.cum_won, 40, "cum_won")
        | _fit(state.cum_own_won, 40, "cum_own_won") << 40
        | _fit(state.seq, 24, "seq") << 80
        | _fit(state.service_day, 16, "service_day") << 104
        | _fit(state.day_start_cum_won, 40, "day_start_cum_won") << 120
        | _fit(state.day_start_own_won, 40, "day_start_own_won") << 160
    )
    if len(state.context) != 32:
        raise EncodingError(f"context has 32 bytes, this one {len(state.context)}")
    return head, sums, int.from_bytes(state.context, "big")


def state_of(words: Sequence[int]) -> FareState:
    """The state in a record's first three words; bits that stand for nothing (sums above 200) are dropped."""
    head, sums, context = words[:3]
    return FareState(
        card=_take(head, 0, 160).to_bytes(20, "big"),
        seq=_take(sums, 80, 24),
        cum_won=_take(sums, 0, 40),
        cum_own_won=_take(sums, 40, 40),
        day_start_cum_won=_take(sums, 120, 40),
        day_start_own_won=_take(sums, 160, 40),
        charge_won=_take(head, 160, 32),
        missing_out_won=_take(head, 192, 32),
        service_day=_take(sums, 104, 16),
        tap_time=_take(head, 224, 32),
        context=context.to_bytes(32, "big"),
    )


def record_of(words: Sequence[int], table: int) -> SettlementRecord:
    """A record from its six words, in a batch with this table."""
    lanes = lanes_of(words[5])
    credits = {one: won for one, won in zip(table_of(table), lanes, strict=False) if won}
    return SettlementRecord(state_of(words), from_compact(words[3], words[4]), credits, lanes[SUSPENSE_LANE])


@dataclass(frozen=True, slots=True)
class Leaf:
    """A submitted record as the records tree holds it, 128 bytes (receipts.md §4). Field order is the layout's."""

    card: bytes
    seq: int
    service_day: int
    code: int
    tap_time: int
    increase_won: int
    cum_won: int
    own_increase_won: int
    cum_own_won: int
    voucher_won: int
    balance_won: int
    guarantor_won: int
    suspense_won: int
    state_digest: bytes

    def pack(self) -> bytes:
        """128 bytes, big-endian. Raises EncodingError where a field does not fit."""
        if len(self.card) != 20 or len(self.state_digest) != 32:
            raise EncodingError("a leaf's card has 20 bytes and its digest 32")
        try:
            return _LEAF.pack(*astuple(self))
        except struct.error as error:
            raise EncodingError(f"a field of the leaf of 0x{self.card.hex()} does not fit: {error}") from error

    def words(self) -> tuple[int, int, int, int]:
        """The leaf as the four words that allocate and adjust take."""
        packed = self.pack()
        first, second, third, fourth = (int.from_bytes(packed[at : at + 32], "big") for at in range(0, LEAF_BYTES, 32))
        return first, second, third, fourth


def leaf_of(packed: bytes) -> Leaf:
    """A leaf from its 128 bytes."""
    if len(packed) != LEAF_BYTES:
        raise EncodingError(f"a settlement leaf has {LEAF_BYTES} bytes, this one {len(packed)}")
    return Leaf(*_LEAF.unpack(packed))


@dataclass(frozen=True, slots=True)
class CardSlot:
    """What Fares stores of a card in one slot. Won, days since 1970; `settled_day` is first_day before any record.

    status: 1 enrolled, 2 forked · live_lots: a bit per place of the lots beside it.
    """

    cum_won: int
    own_won: int
    seq: int
    settled_day: int
    first_day: int
    last_day: int
    cap_won: int
    balance_won: int
    used_won: int
    clearing_house: int
    guarantor: int
    status: int
    live_lots: int

    @classmethod
    def unpack(cls, word: int) -> CardSlot:
        """A card's slot; all zero for a card that is not enrolled."""
        first_day = _take(word, 112, 16)
        return cls(
            cum_won=_take(word, 0, 40),
            own_won=_take(word, 40, 40),
            seq=_take(word, 80, 24),
            settled_day=first_day + _take(word, 104, 8),
            first_day=first_day,
            last_day=_take(word, 128, 16),
            cap_won=_take(word, 144, 16) * 1000,
            balance_won=_take(word, 160, 32),
            used_won=_take(word, 192, 32),
            clearing_house=_take(word, 224, 12),
            guarantor=_take(word, 236, 12),
            status=_take(word, 248, 4),
            live_lots=_take(word, 252, 4),
        )


@dataclass(frozen=True, slots=True)
class LotSlot:
    """What Fares stores of a voucher lot in one slot (money.md §4). used_won: taken from it on used_day."""

    remaining_won: int
    used_won: int
    used_day: int
    day_cap_won: int
    start_day: int
    last_service_day: int
    rule_set: int
    priority: int
    lot_no: int
    won: int

    @classmethod
    def unpack(cls, word: int) -> LotSlot:
        """A lot's slot; meaningless where the card's live bit of its place is not set."""
        return cls(
            remaining_won=_take(word, 0, 32),
            used_won=_take(word, 32, 32),
            used_day=_take(word, 64, 16),
            day_cap_won=_take(word, 80, 32),
            start_day=_take(word, 112, 16),
            won=_take(word, 128, 32),
            rule_set=_take(word, 160, 16),
            lot_no=_take(word, 176, 32),
            priority=_take(word, 208, 8),
            last_service_day=_take(word, 216, 16),
        )


@dataclass(frozen=True, slots=True)
class CardAccount:
    """What the view `card` answers: the card's slot and its live lots by place, in the order they are spent."""

    slot: CardSlot
    lots: Mapping[int, LotSlot]

    @classmethod
    def unpack(cls, words: Sequence[int]) -> CardAccount:
        """Five words: the card's slot and four lots."""
        slot = CardSlot.unpack(words[0])
        live = (at for at in range(LOTS) if slot.live_lots >> at & 1)
        return cls(slot, {at: LotSlot.unpack(words[1 + at]) for at in live})


@dataclass(frozen=True, slots=True)
class Correction:
    """What became of a record after it was settled (money.md §3, Corrections): won per source."""

    up_balance_won: int
    up_guarantor_won: int
    resourced_balance_won: int
    resourced_guarantor_won: int
    back_balance_won: int
    back_guarantor_won: int
    back_voucher_won: int
    allocated_won: int

    @classmethod
    def unpack(cls, word: int) -> Correction:
        """Eight fields of 32 bits."""
        return cls(*lanes_of(word))


@dataclass(frozen=True, slots=True)
class GuarantorPart:
    """What a guarantor owes for a batch; it counts as paid once he has paid in `owed_through_won` in all."""

    guarantor: int
    amount_won: int
    owed_through_won: int

    def word(self) -> int:
        """organisation | amount << 64 | owed through << 128."""
        return (
            _fit(self.guarantor, 16, "guarantor")
            | _fit(self.amount_won, 64, "amount_won") << 64
            | _fit(self.owed_through_won, 64, "owed_through_won") << 128
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """What the chain keeps one commitment of. It is read off the batch's events: Settled (root, size, day; none for
    distributions, corrections), Pending (table, sums), Owed (guarantors, in log order) and its block's time."""

    number: int
    clearing_house: int
    service_day: int
    settled_at: int
    records_root: bytes
    size: int
    table: int
    sums: int
    guarantors: tuple[GuarantorPart, ...] = field(default=())

    def fields(self) -> BatchFields:
        """The struct as calls take it."""
        if len(self.guarantors) > GUARANTORS:
            raise EncodingError(f"a batch has at most {GUARANTORS} guarantors, this one {len(self.guarantors)}")
        parts = [part.word() for part in self.guarantors]
        return (
            self.number,
            self.clearing_house,
            self.service_day,
            self.settled_at,
            self.records_root,
            self.size,
            self.table,
            self.sums,
            tuple(parts + [0] * (GUARANTORS - len(parts))),
        )

    def commitment(self) -> bytes:
        """keccak256(abi_encode(batch)): 32 bytes."""
        return keccak(encode([_BATCH_TYPE], [self.fields()]))
