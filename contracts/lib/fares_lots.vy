# pragma version 0.4.3
"""
@title Voucher lots of cards: issue, spending order, lapse (money.md §3, §4)
"""

from interfaces import IFares
from lib import fares_clock as clock
from lib import fares_store as store
from lib import fares_trees as trees
from lib import lots_order as order
from lib import parties
from lib import standing as standings

uses: store
uses: parties

# Codes of contracts/codes.py, CardCode.
DONE: constant(uint256) = 0
MALFORMED: constant(uint256) = 2
UNKNOWN: constant(uint256) = 3
FULL: constant(uint256) = 12
OTHER_PROFILE: constant(uint256) = 13
OUTLIVES: constant(uint256) = 14

M12: constant(uint256) = 2**12 - 1
M16: constant(uint256) = 2**16 - 1
M32: constant(uint256) = 2**32 - 1
M160: constant(uint256) = 2**160 - 1
LIVE: constant(uint256) = 252
# From here up a lot's word is its place in the order of spending: last day, priority, lot number.
ORDER: constant(uint256) = 176
GROUPS: constant(uint256) = 16
EARLIEST_CLOSING_DAYS: constant(uint256) = 3


@view
@internal
def live_words(card: uint256, slot: uint256) -> uint256[5]:
    """
    @notice The card's slot and its live lots, 0 in other places.
    """
    words: uint256[5] = empty(uint256[5])
    words[0] = slot
    for at: uint256 in range(1, 5):
        if (slot >> (LIVE - 1 + at)) & 1 != 0:
            words[at] = store.cards[card][at]
    return words


@view
@internal
def quote(card: uint256, slot: uint256, day: uint256, wanted: uint256) -> uint256:
    """
    @notice What the card's lots would pay of `wanted` on a day.
    """
    taken: uint256 = 0
    after: uint256[5] = empty(uint256[5])
    taken, after = order.spend(self.live_words(card, slot), day, wanted)
    return taken


@internal
def draw(card: uint256, live: uint256, day: uint256, wanted: uint256) -> uint256:
    """
    @notice What the card's lots pay of `wanted` on a day, taken from them. live: the bits of the card's slot, not 0.
    @dev One lot, as most cards have, by itself: lots_order.spend without its loops. Its used day never lies ahead,
         since a card's days do not fall.
    """
    if live & unsafe_sub(live, 1) != 0:
        return self._draw_many(card, live << LIVE, day, wanted)
    place: uint256 = unsafe_add(unsafe_sub(live >> 1, live >> 3), 1)
    word: uint256 = store.cards[card][place]
    if day > word >> 216 or day < (word >> 112) & M16:
        return 0
    room: uint256 = (word >> 80) & M32
    if (word >> 64) & M16 == day:
        room = unsafe_sub(room, (word >> 32) & M32)
    else:
        word = (word & ~order.USED) | (day << 64)
    take: uint256 = min(wanted, word & M32)
    if take > room:
        take = room
    if take != 0:
        store.cards[card][place] = unsafe_sub(unsafe_add(word, take << 32), take)
    return take


@internal
def _draw_many(card: uint256, slot: uint256, day: uint256, wanted: uint256) -> uint256:
    before: uint256[5] = self.live_words(card, slot)
    after: uint256[5] = empty(uint256[5])
    taken: uint256 = 0
    taken, after = order.spend(before, day, wanted)
    for at: uint256 in range(1, 5):
        if after[at] != before[at]:
            store.cards[card][at] = after[at]
    return taken


@external
def issue(
    rule_set: uint16,
    start_day: uint16,
    last_service_day: uint16,
    day_cap_won: uint32,
    priority: uint8,
    profile: uint256,
    first_lot: uint32,
    words: DynArray[uint256, 128],
) -> DynArray[uint8, 128]:
    """
    @notice New lots of one rule-set, numbered from `first_lot` by place in `words`. Only Vouchers, which transfers
            the accepted sum here in the same transaction.
    """
    assert msg.sender == store.VOUCHERS.address, "SENDER"
    assert start_day <= last_service_day and last_service_day != 0, "DAYS"
    assert convert(first_lot, uint256) + len(words) <= M32, "LOT NUMBER"
    rules: uint256 = convert(rule_set, uint256)
    known: uint256 = store.profile_of[rules]
    assert profile != 0 and (known == 0 or known == profile), "PROFILE"
    if known == 0:
        store.profile_of[rules] = profile
    last: uint256 = convert(last_service_day, uint256)
    blank: uint256 = (
        (convert(day_cap_won, uint256) << 80)
        | (convert(start_day, uint256) << 112)
        | (rules << 160)
        | (convert(priority, uint256) << 208)
        | (last << 216)
    )
    lot: uint256 = convert(first_lot, uint256)
    total: uint256 = 0
    codes: DynArray[uint8, 128] = []
    for word: uint256 in words:
        card: uint256 = word & M160
        won: uint256 = word >> 160
        slot: uint256 = store.cards[card][0]
        code: uint256 = DONE
        if won == 0 or won > M32:
            code = MALFORMED
        elif slot == 0:
            code = UNKNOWN
        elif last > (slot >> 128) & M16 or last < (slot >> 112) & M16:
            code = OUTLIVES
        else:
            code = self._insert(card, slot, blank | won | (won << 128) | (lot << 176), profile)
        if code == DONE:
            total += won
        codes.append(convert(code, uint8))
        lot += 1
    store.lots_won += total
    return codes


@internal
def _insert(card: uint256, slot: uint256, lot: uint256, profile: uint256) -> uint256:
    """
    @notice Puts a lot among the card's live ones in the order of spending, closing the places of lapsed ones.
    """
    if slot >> LIVE == 15:
        return FULL
    before: uint256[5] = store.cards[card]
    after: uint256[5] = empty(uint256[5])
    count: uint256 = 0
    placed: bool = False
    for at: uint256 in range(4):
        if (slot >> (LIVE + at)) & 1 == 0:
            continue
        word: uint256 = before[at + 1]
        if store.profile_of[(word >> 160) & M16] != profile:
            return OTHER_PROFILE
        if not placed and lot >> ORDER < word >> ORDER:
            count += 1
            after[count] = lot
            placed = True
        count += 1
        after[count] = word
    if not placed:
        count += 1
        after[count] = lot
    for at: uint256 in range(1, 5):
        if after[at] != before[at]:
            store.cards[card][at] = after[at]
    store.cards[card][0] = (slot & (2**LIVE - 1)) | (((1 << count) - 1) << LIVE)
    return DONE


@external
def close_day(service_day: uint16):
    """
    @notice The clearing house says that all its records of a day are in: 72 h after its end at the earliest, 30 days
            at the latest, when it counts as closed anyway (money.md §3, Late).
    """
    house: uint256 = parties.authorise(parties.CLEARING_HOUSE, standings.SETTLE)
    day: uint256 = convert(service_day, uint256)
    assert clock.today() > day + EARLIEST_CLOSING_DAYS, "EARLY"
    assert not store.is_closed(house, day), "CLOSED"
    store.closed[house][day] = True
    log IFares.DayClosed(clearing_house=convert(house, uint16), service_day=service_day)


@external
def lapse(words: DynArray[uint256, 64]) -> uint64:
    """
    @notice Lots of these cards whose last day their clearing house closed end: what is left goes back to the pool of
            its rule-set (money.md §3, Late). Vouchers grants carried lots from there.
    """
    parties.any_active()
    number: uint256 = store.next_batch()
    leaves: DynArray[uint256, 256] = []
    groups: uint256[16] = empty(uint256[16])
    sums: uint256[16] = empty(uint256[16])
    total: uint256 = 0
    for word: uint256 in words:
        assert word >> 160 == 0, "CARD"
        slot: uint256 = store.cards[word][0]
        live: uint256 = slot >> LIVE
        if live == 0:
            continue
        for at: uint256 in range(4):
            lot: uint256 = store.cards[word][at + 1]
            if (live >> at) & 1 == 0 or not store.is_closed((slot >> 224) & M12, lot >> 216):
                continue
            live ^= 1 << at
            amount: uint256 = lot & M32
            store.cards[word][at + 1] = 0
            # Rule-set and last day, never zero together.
            group: uint256 = ((lot >> 160) & M16) | ((lot >> 216) << 16)
            for place: uint256 in range(GROUPS):
                if groups[place] == 0:
                    groups[place] = group
                if groups[place] == group:
                    sums[place] += amount
                    break
                assert place != GROUPS - 1, "GROUPS"
            total += amount
            leaves.append(
                (word << 96)
                | (amount << 64)
                | (((lot >> 176) & M32) << 32)
                | (((lot >> 160) & M16) << 16)
                | (lot >> 216)
            )
        store.cards[word][0] = (slot & (2**LIVE - 1)) | (live << LIVE)
    assert len(leaves) != 0, "NONE"
    store.lots_won -= total
    for place: uint256 in range(GROUPS):
        if groups[place] == 0:
            break
        if sums[place] != 0:
            store.return_lapsed(groups[place] & M16, groups[place] >> 16, sums[place])
    log IFares.Lapsed(
        batch=convert(number, uint64),
        amount_won=convert(total, uint64),
        lots_root=trees.root_of_words(leaves),
        size=convert(len(leaves), uint32),
    )
    return convert(number, uint64)
