# pragma version 0.4.3
"""
@title Cards and purses: what a guarantor and a bank do (money.md §1)
@notice Every act takes words in shuffled batches, passes over a card that it cannot serve with a code, and logs one
        event with the root and size of all words' leaves.
"""

from interfaces import IFares
from lib import fares_clock as clock
from lib import fares_store as store
from lib import fares_trees as trees
from lib import parties
from lib import standing as standings

uses: store
uses: parties

# Codes of contracts/codes.py, CardCode.
DONE: constant(uint256) = 0
ALREADY_ENROLLED: constant(uint256) = 1
MALFORMED: constant(uint256) = 2
UNKNOWN: constant(uint256) = 3
NOT_YOURS: constant(uint256) = 4
CAP_FALLS: constant(uint256) = 5
MONTH_ENDED: constant(uint256) = 6
OVERFLOW: constant(uint256) = 7
ALREADY: constant(uint256) = 8
NOT_YET: constant(uint256) = 9
EMPTY: constant(uint256) = 10
NOT_EMPTY: constant(uint256) = 11

M8: constant(uint256) = 2**8 - 1
M12: constant(uint256) = 2**12 - 1
M16: constant(uint256) = 2**16 - 1
M32: constant(uint256) = 2**32 - 1
M160: constant(uint256) = 2**160 - 1
BANK: constant(uint8) = 3
CITY: constant(uint8) = 1
BALANCE: constant(uint256) = 160
LOST_WAIT_S: constant(uint256) = 259200
WINDOW_DAYS: constant(uint256) = 90
ENROL_AHEAD_DAYS: constant(uint256) = 62


@view
@internal
def _mine(word: uint256, slot: uint256, guarantor: uint256) -> uint256:
    """
    @notice The code for a word that must be a bare card of this guarantor.
    """
    if word >> 160 != 0:
        return MALFORMED
    if slot == 0:
        return UNKNOWN
    if (slot >> 236) & M12 != guarantor:
        return NOT_YOURS
    return DONE


@external
def enrol(month: uint16, clearing_house: uint16, words: DynArray[uint256, 256]) -> DynArray[uint8, 256]:
    """
    @notice Cards of a month exist from here on; they begin with 0 won (money.md §1).
    """
    guarantor: uint256 = parties.authorise(parties.GUARANTOR, standings.ISSUE)
    house: uint256 = convert(clearing_house, uint256)
    assert parties.holds(house, parties.CLEARING_HOUSE), "CLEARING HOUSE"
    assert len(words) != 0, "EMPTY"
    number_of_month: uint256 = convert(month, uint256)
    assert number_of_month >= 23640 and number_of_month < 36000, "MONTH"
    first: uint256 = clock.first_of(number_of_month)
    last: uint256 = clock.first_of(number_of_month + 1) - 1
    assert last >= clock.today() and first <= clock.today() + ENROL_AHEAD_DAYS, "MONTH"
    blank: uint256 = (
        (first << 112) | (last << 128) | (house << 224) | (guarantor << 236) | (store.ENROLLED << 248)
    )
    codes: DynArray[uint8, 256] = []
    leaves: DynArray[uint256, 256] = []
    accepted: uint256 = 0
    for word: uint256 in words:
        card: uint256 = word & M160
        cap: uint256 = word >> 160
        code: uint256 = DONE
        if card == 0 or cap > M16:
            code = MALFORMED
        elif store.cards[card][0] != 0:
            code = ALREADY_ENROLLED
        else:
            store.cards[card][0] = blank | (cap << 144)
            accepted += 1
        codes.append(convert(code, uint8))
        leaves.append(
            (card << 96)
            | (number_of_month << 80)
            | (house << 64)
            | (((cap & M16) * 1000) << 32)
            | (code << 16)
            | guarantor
        )
    log IFares.Enrolled(
        batch=convert(store.next_batch(), uint64),
        guarantor=convert(guarantor, uint16),
        clearing_house=clearing_house,
        month=month,
        accepted=convert(accepted, uint32),
        cards_root=trees.root_of_words(leaves),
        size=convert(len(words), uint32),
    )
    return codes


@external
def set_caps(words: DynArray[uint256, 256]) -> DynArray[uint8, 256]:
    """
    @notice Raises what the guarantor vouches for in the month; a cap never falls, readers hold certificates of it.
    """
    guarantor: uint256 = parties.authorise(parties.GUARANTOR, standings.ISSUE)
    assert len(words) != 0, "EMPTY"
    codes: DynArray[uint8, 256] = []
    leaves: DynArray[uint256, 256] = []
    accepted: uint256 = 0
    for word: uint256 in words:
        card: uint256 = word & M160
        cap: uint256 = word >> 160
        slot: uint256 = store.cards[card][0]
        code: uint256 = self._mine(card, slot, guarantor)
        if cap > M16:
            code = MALFORMED
        elif code == DONE and cap < (slot >> 144) & M16:
            code = CAP_FALLS
        if code == DONE:
            store.cards[card][0] = (slot & ~(M16 << 144)) | (cap << 144)
            accepted += 1
        codes.append(convert(code, uint8))
        leaves.append((card << 96) | (((cap & M16) * 1000) << 32) | (code << 16) | guarantor)
    log IFares.CapsSet(
        batch=convert(store.next_batch(), uint64),
        guarantor=convert(guarantor, uint16),
        accepted=convert(accepted, uint32),
        cards_root=trees.root_of_words(leaves),
        size=convert(len(words), uint32),
    )
    return codes


@external
def fund(words: DynArray[uint256, 256]) -> DynArray[uint8, 256]:
    """
    @notice A bank's Won into purses: top-ups, and remainders of cards whose month ended.
    """
    bank: uint256 = parties.authorise(BANK, standings.ISSUE)
    assert len(words) != 0, "EMPTY"
    today: uint256 = clock.today()
    codes: DynArray[uint8, 256] = []
    leaves: DynArray[uint256, 256] = []
    accepted: uint256 = 0
    total: uint256 = 0
    for word: uint256 in words:
        card: uint256 = word & M160
        amount: uint256 = word >> 160
        slot: uint256 = store.cards[card][0]
        balance: uint256 = (slot >> BALANCE) & M32
        code: uint256 = DONE
        if amount == 0 or amount > M32:
            code = MALFORMED
        elif slot == 0:
            code = UNKNOWN
        elif (slot >> 128) & M16 < today:
            code = MONTH_ENDED
        elif balance + amount > M32:
            code = OVERFLOW
        else:
            balance += amount
            store.cards[card][0] = slot + (amount << BALANCE)
            total += amount
            accepted += 1
        codes.append(convert(code, uint8))
        leaves.append((card << 96) | ((amount & M32) << 64) | (balance << 32) | (code << 16) | bank)
    store.purses_won += total
    store.take_won(bank, total)
    log IFares.Funded(
        batch=convert(store.next_batch(), uint64),
        bank=convert(bank, uint16),
        accepted=convert(accepted, uint32),
        amount_won=convert(total, uint64),
        cards_root=trees.root_of_words(leaves),
        size=convert(len(words), uint32),
    )
    return codes


@external
def report_lost(words: DynArray[uint256, 256]) -> DynArray[uint8, 256]:
    """
    @notice A lost wallet's card: its remainder may go to the guarantor 72 h from now (money.md §1).
    """
    guarantor: uint256 = parties.authorise(parties.GUARANTOR, standings.ISSUE)
    assert len(words) != 0, "EMPTY"
    codes: DynArray[uint8, 256] = []
    leaves: DynArray[uint256, 256] = []
    accepted: uint256 = 0
    for word: uint256 in words:
        card: uint256 = word & M160
        code: uint256 = self._mine(word, store.cards[card][0], guarantor)
        if code == DONE:
            if store.lost_at[card] != 0:
                code = ALREADY
            else:
                store.lost_at[card] = block.timestamp
                accepted += 1
        codes.append(convert(code, uint8))
        leaves.append((card << 96) | (code << 16) | guarantor)
    log IFares.Lost(
        batch=convert(store.next_batch(), uint64),
        guarantor=convert(guarantor, uint16),
        accepted=convert(accepted, uint32),
        cards_root=trees.root_of_words(leaves),
        size=convert(len(words), uint32),
    )
    return codes


@external
def withdraw(words: DynArray[uint256, 256]) -> DynArray[uint8, 256]:
    """
    @notice Remainders of ended months and of lost cards to the guarantor's account, who burns them and funds the new
            cards (money.md §1).
    """
    guarantor: uint256 = parties.authorise(parties.GUARANTOR, standings.ISSUE)
    assert len(words) != 0, "EMPTY"
    codes: DynArray[uint8, 256] = []
    leaves: DynArray[uint256, 256] = []
    accepted: uint256 = 0
    total: uint256 = 0
    for word: uint256 in words:
        card: uint256 = word & M160
        slot: uint256 = store.cards[card][0]
        amount: uint256 = (slot >> BALANCE) & M32
        code: uint256 = self._mine(word, slot, guarantor)
        if code == DONE:
            if not self._may_withdraw(card, slot):
                code = NOT_YET
            elif amount == 0:
                code = EMPTY
            else:
                store.cards[card][0] = slot - (amount << BALANCE)
                total += amount
                accepted += 1
        else:
            amount = 0
        codes.append(convert(code, uint8))
        leaves.append((card << 96) | (amount << 64) | (code << 16) | guarantor)
    store.purses_won -= total
    store.give_won(parties.account_of(guarantor), total)
    log IFares.Withdrawn(
        batch=convert(store.next_batch(), uint64),
        guarantor=convert(guarantor, uint16),
        accepted=convert(accepted, uint32),
        amount_won=convert(total, uint64),
        cards_root=trees.root_of_words(leaves),
        size=convert(len(words), uint32),
    )
    return codes


@view
@internal
def _may_withdraw(card: uint256, slot: uint256) -> bool:
    lost: uint256 = store.lost_at[card]
    if lost != 0 and block.timestamp >= lost + LOST_WAIT_S:
        return True
    return store.is_closed((slot >> 224) & M12, (slot >> 128) & M16)


@external
def sweep(words: DynArray[uint256, 256]) -> DynArray[uint8, 256]:
    """
    @notice Clears empty cards after their month and 90 days; their states can no longer be settled (money.md §1).
    """
    guarantor: uint256 = parties.authorise(parties.GUARANTOR, standings.ISSUE)
    assert len(words) != 0, "EMPTY"
    today: uint256 = clock.today()
    codes: DynArray[uint8, 256] = []
    leaves: DynArray[uint256, 256] = []
    accepted: uint256 = 0
    for word: uint256 in words:
        card: uint256 = word & M160
        slot: uint256 = store.cards[card][0]
        code: uint256 = self._mine(word, slot, guarantor)
        if code == DONE:
            if today <= ((slot >> 128) & M16) + WINDOW_DAYS:
                code = NOT_YET
            elif (slot >> BALANCE) & M32 != 0 or slot >> 252 != 0:
                code = NOT_EMPTY
            else:
                store.cards[card] = empty(uint256[5])
                store.lost_at[card] = 0
                accepted += 1
        codes.append(convert(code, uint8))
        leaves.append((card << 96) | (code << 16) | guarantor)
    log IFares.Swept(
        batch=convert(store.next_batch(), uint64),
        guarantor=convert(guarantor, uint16),
        accepted=convert(accepted, uint32),
        cards_root=trees.root_of_words(leaves),
        size=convert(len(words), uint32),
    )
    return codes


@external
def pay_in(amount_won: uint64):
    """
    @notice The guarantor pays what he owes, in one sum a day; batches are released in the order he pays them.
    """
    guarantor: uint256 = parties.authorise(parties.GUARANTOR, standings.ISSUE)
    amount: uint256 = convert(amount_won, uint256)
    extcall store.CREDITS.paid_in(guarantor, amount)
    store.take_won(guarantor, amount)


@external
def fund_risk_pool(amount_won: uint64):
    """
    @notice A city's Won into RISK_POOL, which bears losses of forked cards and of caps.
    """
    city: uint256 = parties.authorise(CITY, standings.ISSUE)
    amount: uint256 = convert(amount_won, uint256)
    extcall store.CREDITS.risk_pool_funded(city, amount)
    store.take_won(city, amount)
