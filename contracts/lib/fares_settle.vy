# pragma version 0.4.3
"""
@title Settling of cards' signed states, hundreds in one transaction (money.md §3)
@notice A record that cannot be booked is refused with the lowest code that applies (contracts/codes.py, Refusal) and
        hurts no other. Every submitted record is a leaf of the batch's records tree.
"""

from interfaces import IFares
from lib import fares_clock as clock
from lib import fares_lots as lots
from lib import fares_states as states
from lib import fares_store as store
from lib import fares_trees as trees
from lib import parties
from lib import standing as standings

uses: store
uses: parties
uses: states
uses: lots

# Bits of the codes in a mask of what failed.
NOT_ENROLLED: constant(uint256) = 1
WINDOW: constant(uint256) = 2
STALE: constant(uint256) = 3
CUM_FALLS: constant(uint256) = 4
OWN: constant(uint256) = 5
SIGNATURE: constant(uint256) = 6
SUM: constant(uint256) = 7
CAP: constant(uint256) = 8
GAP: constant(uint256) = 9
DAY: constant(uint256) = 10
FORKED: constant(uint256) = 11
NOT_ITS_CLEARING_HOUSE: constant(uint256) = 12
OUT_OF_RANGE: constant(uint256) = 13
BEFORE_CAP: constant(uint256) = 2**CAP - 1

M4: constant(uint256) = 2**4 - 1
M8: constant(uint256) = 2**8 - 1
M12: constant(uint256) = 2**12 - 1
M16: constant(uint256) = 2**16 - 1
M24: constant(uint256) = 2**24 - 1
M32: constant(uint256) = 2**32 - 1
M40: constant(uint256) = 2**40 - 1
M64: constant(uint256) = 2**64 - 1
M104: constant(uint256) = 2**104 - 1
M112: constant(uint256) = 2**112 - 1
M160: constant(uint256) = 2**160 - 1
LIVE: constant(uint256) = 252
SUSPENSE: constant(uint256) = 224
WINDOW_DAYS: constant(uint256) = 90
GAP_DAYS: constant(uint256) = 3
OWN_HOUSE_DAYS: constant(uint256) = 14
# The root of an empty journeys tree: SHA-256("").
EMPTY_SHA256: constant(bytes32) = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855


@external
def settle(
    service_day: uint16,
    table: uint256,
    journeys_root: bytes32,
    journeys_size: uint32,
    foregone: DynArray[uint256, 16],
    records: DynArray[IFares.Record, 256],
) -> uint64:
    """
    @notice One record a card and service day: checks it, pays it from lots, balance and guarantor, and commits to
            the credits, which then wait for approval.
    """
    house: uint256 = parties.authorise(parties.CLEARING_HOUSE, standings.SETTLE)
    assert len(records) != 0, "EMPTY"
    foreign: uint256 = ~(parties.table_mask(table, house) | (parties.MAX_CREDIT << SUSPENSE))
    number: uint256 = store.next_batch()
    today: uint256 = clock.today()
    oldest: uint256 = today - WINDOW_DAYS  # last day of the oldest cards that are still settled
    parts: uint256[8] = empty(uint256[8])
    nodes: bytes32[256] = empty(bytes32[256])  # of the records tree, each over two leaves
    left: bytes32 = empty(bytes32)
    sums: uint256 = 0  # lanes of 32 bits, as in a record
    paid: uint256 = 0  # voucher, balance, guarantor, suspense in 64 bits each, as in a leaf
    refused: uint256 = 0
    at: uint256 = 0
    # The state's fields stand in the order of their EIP-712 encoding, so that the digest is over this memory:
    # 1 card, 2 seq, 3 cum, 4 own, 5 and 6 these when the day began, 7 charge, 8 missing out, 9 day, 10 time, 11 context
    separator: bytes32 = states.DOMAIN_SEPARATOR
    state: uint256[12] = empty(uint256[12])
    state[0] = convert(states.TYPE_HASH, uint256)
    for record: IFares.Record in records:
        state[1] = record.head & M160
        state[2] = (record.sums >> 80) & M24
        state[3] = record.sums & M40
        state[4] = (record.sums >> 40) & M40
        state[5] = (record.sums >> 120) & M40
        state[6] = (record.sums >> 160) & M40
        state[7] = (record.head >> 160) & M32
        state[8] = (record.head >> 192) & M32
        state[9] = (record.sums >> 104) & M16
        state[10] = record.head >> 224
        state[11] = record.context
        digest: bytes32 = keccak256(
            concat(0x1901, separator, keccak256(abi_encode(state)))
        )
        slot: uint256 = store.cards[state[1]][0]
        days: uint256 = unsafe_sub(state[9], (slot >> 112) & M16)  # since the card's first
        last: uint256 = (slot >> 128) & M16
        increase: uint256 = unsafe_sub(state[3], slot & M40)
        own_increase: uint256 = unsafe_sub(state[4], (slot >> 40) & M40)
        # What the day's fares and own parts come to. A difference below 0 wraps and is larger than what it is taken from.
        day_cum: uint256 = unsafe_sub(state[3], state[5])
        day_own: uint256 = unsafe_sub(state[4], state[6])
        s: uint256 = record.vs & states.M255
        failed: uint256 = (
            (
                (
                    convert(days > state[9], uint256)
                    | convert(state[9] > last, uint256)
                    | convert(last < oldest, uint256)
                )
                << WINDOW
            )
            | (convert(state[2] <= (slot >> 80) & M24, uint256) << STALE)
            | (convert(increase > state[3], uint256) << CUM_FALLS)
            | (convert(own_increase > increase, uint256) << OWN)
            | (
                (
                    convert(s > states.HALF_ORDER, uint256)
                    | convert(
                        ecrecover(digest, unsafe_add(27, record.vs >> 255), record.r, s)
                        != convert(convert(state[1], uint160), address),
                        uint256,
                    )
                )
                << SIGNATURE
            )
            | (convert((record.lanes & foreign) | (record.lanes % M32 ^ increase) != 0, uint256) << SUM)
            | (convert(days < (slot >> 104) & M8, uint256) << DAY)
            | (convert((slot >> 248) & M4 != store.ENROLLED, uint256) << FORKED)
            | (
                (
                    convert(day_own > day_cum, uint256)
                    | convert(day_cum > state[3], uint256)
                    | convert(record.sums >> 200 != 0, uint256)
                )
                << OUT_OF_RANGE
            )
        )
        if (slot >> 224) & M12 != house and today <= state[9] + OWN_HOUSE_DAYS:
            failed |= 1 << NOT_ITS_CLEARING_HOUSE
        if state[5] > slot & M40:
            # An earlier day's last state is missing: what it charged stands in suspense, and not before 72 h.
            if today <= state[9] + GAP_DAYS or record.lanes >> SUSPENSE < unsafe_sub(state[5], slot & M40):
                failed |= 1 << GAP
        balance: uint256 = (slot >> 160) & M32
        eligible: uint256 = 0
        if slot >> LIVE != 0 and failed & (BEFORE_CAP | (1 << OUT_OF_RANGE)) == 0:
            eligible = unsafe_sub(min(increase, day_cum), min(own_increase, day_own))
        # The guarantor's part is tested before anything is paid, so that nothing is ever undone.
        if increase > balance and failed & BEFORE_CAP == 0:
            headroom: uint256 = unsafe_sub(
                unsafe_mul((slot >> 144) & M16, 1000), (slot >> 192) & M32
            )
            if increase > unsafe_add(balance, headroom) or parts[7] != 0:
                failed |= self._test_guarantor(state[1], slot, state[9], increase, eligible, parts)
        sources: uint256 = 0
        if failed == 0:
            rest: uint256 = increase
            if eligible != 0:
                sources = lots.draw(state[1], slot >> LIVE, state[9], eligible)
                rest = unsafe_sub(increase, sources)
                sources <<= 192
            if rest > balance:
                owed: uint256 = unsafe_sub(rest, balance)
                rest = balance
                parts = self._add_part(parts, (slot >> 236) & M12, owed)
                sources |= owed << 64
                slot = unsafe_add(slot, owed << 192)
            store.cards[state[1]][0] = unsafe_sub(
                (slot & ~M112) | (record.sums & M104) | (days << 104), rest << 160
            )
            sources |= (rest << 128) | (record.lanes >> SUSPENSE)
            sums = unsafe_add(sums, record.lanes)
            paid = unsafe_add(paid, sources)
        else:
            failed = self._refuse(number, at, failed | (convert(slot == 0, uint256) << NOT_ENROLLED))
            refused = unsafe_add(refused, 1)
            increase *= convert(increase <= state[3], uint256)
            own_increase *= convert(own_increase <= state[4], uint256)
        leaf: bytes32 = keccak256(
            concat(
                0x00,
                convert((state[1] << 96) | (state[2] << 64) | (state[9] << 48) | (failed << 32) | state[10], bytes32),
                convert((increase << 192) | (state[3] << 128) | (own_increase << 64) | state[4], bytes32),
                convert(sources, bytes32),
                digest,
            )
        )
        if at & 1 == 0:
            left = leaf
        else:
            nodes[at >> 1] = keccak256(concat(0x01, left, leaf))
        at = unsafe_add(at, 1)
    if at & 1 != 0:
        nodes[at >> 1] = left
    for word: uint256 in foregone:
        log IFares.Foregone(
            batch=convert(number, uint64),
            operator=convert(word & M16, uint16),
            foregone_won=convert(word >> 16, uint64),
        )
    store.lots_won -= paid >> 192
    root: bytes32 = trees.root(nodes, (at + 1) >> 1)
    self._finish(number, house, service_day, table, sums, paid, parts, root, at, refused, journeys_root, journeys_size)
    return convert(number, uint64)


@external
def settle_fork(service_day: uint16, table: uint256, records: DynArray[IFares.Record, 32]) -> uint64:
    """
    @notice Single states of forked cards (money.md §2): chargeWon of each digest once, from balance, then guarantor
            within the cap; no lots, no suspense; sums, days and gaps are not looked at.
    """
    house: uint256 = parties.authorise(parties.CLEARING_HOUSE, standings.SETTLE)
    assert len(records) != 0, "EMPTY"
    foreign: uint256 = ~parties.table_mask(table, house)
    number: uint256 = store.next_batch()
    today: uint256 = clock.today()
    parts: uint256[8] = empty(uint256[8])
    leaves: bytes32[256] = empty(bytes32[256])
    sums: uint256 = 0
    paid: uint256 = 0
    refused: uint256 = 0
    at: uint256 = 0
    for record: IFares.Record in records:
        card: uint256 = record.head & M160
        claimed: uint256 = record.sums
        slot: uint256 = store.cards[card][0]
        day: uint256 = (claimed >> 104) & M16
        seq: uint256 = (claimed >> 80) & M24
        charge: uint256 = (record.head >> 160) & M32
        digest: bytes32 = states.digest(record.head, claimed, record.context)
        failed: uint256 = (
            (convert(slot == 0, uint256) << NOT_ENROLLED)
            | (convert(day < (slot >> 112) & M16, uint256) << WINDOW)
            | (convert(day > (slot >> 128) & M16, uint256) << WINDOW)
            | (convert(((slot >> 128) & M16) + WINDOW_DAYS < today, uint256) << WINDOW)
            | (convert(seq <= (slot >> 80) & M24, uint256) << STALE)
            | (convert(store.used_digests[digest], uint256) << STALE)
            | (convert(not states.signed_by(digest, record.r, record.vs, card), uint256) << SIGNATURE)
            | (convert(record.lanes & foreign != 0, uint256) << SUM)
            | (convert(record.lanes % M32 != charge, uint256) << SUM)
            | (convert((slot >> 248) & M4 != store.FORKED, uint256) << FORKED)
            | (convert(claimed >> 200 != 0, uint256) << OUT_OF_RANGE)
        )
        if (slot >> 224) & M12 != house and today <= day + OWN_HOUSE_DAYS:
            failed |= 1 << NOT_ITS_CLEARING_HOUSE
        balance: uint256 = (slot >> 160) & M32
        if failed & BEFORE_CAP == 0 and charge > balance:
            failed |= self._test_guarantor(card, slot, day, charge, 0, parts)
        leaf: uint256 = (card << 96) | (seq << 64) | (day << 48) | (record.head >> 224)
        sources: uint256 = 0
        if failed == 0:
            rest: uint256 = min(charge, balance)
            owed: uint256 = charge - rest
            if owed != 0:
                parts = self._add_part(parts, (slot >> 236) & M12, owed)
            store.cards[card][0] = slot - (rest << 160) + (owed << 192)
            store.used_digests[digest] = True
            sources = (rest << 128) | (owed << 64)
            sums += record.lanes
            paid += sources
        else:
            leaf |= self._refuse(number, at, failed) << 32
            refused += 1
        leaves[at] = keccak256(
            concat(
                0x00,
                convert(leaf, bytes32),
                convert((charge << 192) | ((claimed & M40) << 128) | ((claimed >> 40) & M40), bytes32),
                convert(sources, bytes32),
                digest,
            )
        )
        at += 1
    root: bytes32 = trees.root(leaves, at)
    self._finish(number, house, service_day, table, sums, paid, parts, root, at, refused, EMPTY_SHA256, 0)
    return convert(number, uint64)


@view
@internal
def _test_guarantor(
    card: uint256, slot: uint256, day: uint256, increase: uint256, eligible: uint256, parts: uint256[8]
) -> uint256:
    """
    @notice CAP as a bit if lots and balance leave more than the guarantor's headroom; RANGE if the batch already has
            eight other guarantors.
    """
    failed: uint256 = 0
    reach: uint256 = ((slot >> 160) & M32) + ((slot >> 144) & M16) * 1000 - ((slot >> 192) & M32)
    if increase > reach:
        if eligible != 0:
            reach += lots.quote(card, slot, day, eligible)
        if increase > reach:
            failed = 1 << CAP
    if parts[7] != 0:
        guarantor: uint256 = (slot >> 236) & M12
        found: bool = False
        for part: uint256 in parts:
            found = found or part & M16 == guarantor
        if not found:
            failed |= 1 << OUT_OF_RANGE
    return failed


@pure
@internal
def _add_part(parts: uint256[8], guarantor: uint256, amount: uint256) -> uint256[8]:
    """
    @notice Adds to what a guarantor owes for this batch: organisation | won << 64.
    """
    sums: uint256[8] = parts
    for at: uint256 in range(8):
        if sums[at] == 0:
            sums[at] = guarantor
        if sums[at] & M16 == guarantor:
            sums[at] += amount << 64
            break
    return sums


@internal
def _refuse(number: uint256, index: uint256, failed: uint256) -> uint256:
    """
    @notice The lowest code of a mask, logged.
    """
    code: uint256 = 1
    for _: uint256 in range(13):
        if (failed >> code) & 1 != 0:
            break
        code += 1
    log IFares.Refused(
        batch=convert(number, uint64), index=convert(index, uint32), code=convert(code, uint16)
    )
    return code


@internal
def _finish(
    number: uint256,
    house: uint256,
    service_day: uint16,
    table: uint256,
    sums: uint256,
    paid: uint256,
    parts: uint256[8],
    root: bytes32,
    size: uint256,
    refused: uint256,
    journeys_root: bytes32,
    journeys_size: uint32,
):
    """
    @notice Totals, commitment and the batch's one event.
    """
    store.purses_won -= (paid >> 128) & M64
    log IFares.Settled(
        batch=convert(number, uint64),
        clearing_house=convert(house, uint16),
        service_day=service_day,
        accepted=convert(size - refused, uint32),
        refused=convert(refused, uint32),
        voucher_won=convert(paid >> 192, uint64),
        balance_won=convert((paid >> 128) & M64, uint64),
        guarantor_won=convert((paid >> 64) & M64, uint64),
        suspense_won=convert(paid & M64, uint64),
        records_root=root,
        size=convert(size, uint32),
        journeys_root=journeys_root,
        journeys_size=journeys_size,
    )
    extcall store.CREDITS.open(
        number, house, service_day, root, size, table, sums, paid & M64, parts
    )
