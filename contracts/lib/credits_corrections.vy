# pragma version 0.4.3
"""
@title Corrections of settled records: record and path, one slot each of what went up, came back, was allocated
@notice The slot (contracts/records.py, Correction) has eight fields of 32 bits: up from balance, up from guarantor,
        re-sourced to lots from balance, from guarantor, given back to balance, to guarantor, to vouchers, allocated.
"""

from interfaces import ICredits
from interfaces import IFares
from lib import credits_store as store
from lib import fares_clock as clock
from lib import fares_states as states
from lib import lots_order as order
from lib import parties
from lib import standing as standings

uses: store
uses: parties

M12: constant(uint256) = 2**12 - 1
M16: constant(uint256) = 2**16 - 1
M24: constant(uint256) = 2**24 - 1
M32: constant(uint256) = 2**32 - 1
M40: constant(uint256) = 2**40 - 1
M64: constant(uint256) = 2**64 - 1
M160: constant(uint256) = 2**160 - 1
UP_BALANCE: constant(uint256) = 0
UP_GUARANTOR: constant(uint256) = 1
RESOURCED_BALANCE: constant(uint256) = 2
RESOURCED_GUARANTOR: constant(uint256) = 3
BACK_BALANCE: constant(uint256) = 4
BACK_GUARANTOR: constant(uint256) = 5
BACK_VOUCHER: constant(uint256) = 6
ALLOCATED: constant(uint256) = 7
BALANCE: constant(uint256) = 160
USED: constant(uint256) = 192
ADJUST_DAYS: constant(uint256) = 3
FORFEIT_DAYS: constant(uint256) = 90


@internal
def _begin(batch: ICredits.Batch, index: uint32, leaf: uint256[4], path: DynArray[bytes32, 8]) -> uint256:
    """
    @notice Only the batch's clearing house; its id. Reverts SENDER, BATCH, PROOF.
    """
    house: uint256 = parties.authorise(parties.CLEARING_HOUSE, standings.SETTLE)
    assert house == convert(batch.clearing_house, uint256), "SENDER"
    store.check_leaf(batch, index, leaf, path)
    return house


@view
@internal
def _slot(leaf: uint256[4]) -> uint256[5]:
    """
    @notice The record's card as Fares has it; zeros once it was swept.
    """
    return staticcall store.FARES.card(convert(convert(leaf[0] >> 96, uint160), address))


@external
def adjust_up(
    batch: ICredits.Batch,
    index: uint32,
    leaf: uint256[4],
    path: DynArray[bytes32, 8],
    state: uint256[3],
    operator: uint16,
    reason: uint16,
    policy: bytes32,
) -> uint64:
    """
    @notice The missing tap-off of a card's last state: missingOutWon, once, to the operator whose tap-off was missing.
    """
    house: uint256 = self._begin(batch, index, leaf, path)
    assert staticcall store.FARES.digest_of(state[0], state[1], state[2]) == convert(leaf[3], bytes32), "STATE"
    assert clock.today() > ((leaf[0] >> 48) & M16) + ADJUST_DAYS, "EARLY"
    number: uint256 = convert(batch.number, uint256)
    at: uint256 = convert(index, uint256)
    correction: uint256 = store.corrections[number][at]
    assert store.lane(correction, UP_BALANCE) | store.lane(correction, UP_GUARANTOR) == 0, "DONE"
    amount: uint256 = (state[0] >> 192) & M32
    # No larger than any other credit, so that what comes back later fits its field too.
    assert amount != 0 and amount <= parties.MAX_CREDIT, "STATE"
    card: uint256[5] = self._slot(leaf)
    slot: uint256 = card[0]
    assert slot != 0 and (slot >> 80) & M24 == (leaf[0] >> 64) & M32, "MOVED ON"
    from_balance: uint256 = min(amount, (slot >> BALANCE) & M32)
    owed: uint256 = amount - from_balance
    used: uint256 = ((slot >> USED) & M32) + owed
    assert used <= ((slot >> 144) & M16) * 1000, "CAP"
    table: uint256 = convert(operator, uint256)
    parties.table_mask(table, 0)
    assert table != 0, "TABLE"
    card[0] = slot - (from_balance << BALANCE) + (owed << USED)
    extcall store.FARES.amend(leaf[0] >> 96, card)
    store.corrections[number][at] = correction | from_balance | (owed << 32)
    parts: uint256[8] = empty(uint256[8])
    if owed != 0:
        parts[0] = ((slot >> 236) & M12) | (owed << 64)
    log ICredits.Adjusted(
        batch=batch.number,
        index=index,
        delta_won=convert(amount, int64),
        voucher_won=0,
        balance_won=convert(from_balance, uint64),
        guarantor_won=convert(owed, uint64),
        reason=reason,
        policy=policy,
    )
    return store.open_transfer(house, batch.service_day, table, amount, parts)


@external
def adjust_down(
    batch: ICredits.Batch,
    index: uint32,
    leaf: uint256[4],
    path: DynArray[bytes32, 8],
    lanes: uint256,
    lots: DynArray[uint256, 4],
    guarantor: uint16,
    reason: uint16,
    policy: bytes32,
):
    """
    @notice Gives back what organisations of the batch's table got too much: guarantor, then balance, then voucher, no
            source below what it paid. After the card's month the balance's part goes to the guarantor too.
    """
    self._begin(batch, index, leaf, path)
    number: uint256 = convert(batch.number, uint256)
    at: uint256 = convert(index, uint256)
    correction: uint256 = store.corrections[number][at]
    amount: uint256 = self._take_from_operators(batch, lanes)
    # A source gives no more back than it paid: leaf, + up, - re-sourced to lots, - given back before.
    to_guarantor: uint256 = min(
        amount,
        ((leaf[2] >> 64) & M64)
        + store.lane(correction, UP_GUARANTOR)
        - store.lane(correction, RESOURCED_GUARANTOR)
        - store.lane(correction, BACK_GUARANTOR),
    )
    to_balance: uint256 = min(
        amount - to_guarantor,
        ((leaf[2] >> 128) & M64)
        + store.lane(correction, UP_BALANCE)
        - store.lane(correction, RESOURCED_BALANCE)
        - store.lane(correction, BACK_BALANCE),
    )
    to_voucher: uint256 = amount - to_guarantor - to_balance
    assert to_voucher <= (leaf[2] >> 192) + store.lane(correction, RESOURCED_BALANCE) + store.lane(
        correction, RESOURCED_GUARANTOR
    ) - store.lane(correction, BACK_VOUCHER), "SOURCES"
    store.corrections[number][at] = (
        correction
        + (to_balance << (BACK_BALANCE * 32))
        + (to_guarantor << (BACK_GUARANTOR * 32))
        + (to_voucher << (BACK_VOUCHER * 32))
    )
    self._give_back(leaf, to_guarantor, to_balance, to_voucher, lots, guarantor)
    log ICredits.Adjusted(
        batch=batch.number,
        index=index,
        delta_won=-convert(amount, int64),
        voucher_won=convert(to_voucher, uint64),
        balance_won=convert(to_balance, uint64),
        guarantor_won=convert(to_guarantor, uint64),
        reason=reason,
        policy=policy,
    )


@internal
def _take_from_operators(batch: ICredits.Batch, lanes: uint256) -> uint256:
    """
    @notice Lanes over the batch's table off what is payable, which may fall below 0 and is netted; their sum.
    """
    amount: uint256 = store.lane_sum(lanes)
    assert amount != 0 and lanes >> 224 == 0, "SOURCES"
    for lane: uint256 in range(7):
        part: uint256 = store.lane(lanes, lane)
        if part != 0:
            organisation: uint256 = store.lane(batch.table, lane)
            assert organisation != 0, "SOURCES"
            if organisation == convert(batch.clearing_house, uint256):
                store.others[organisation] -= convert(part, int256)
            else:
                store.payable_to[organisation] -= convert(part, int256)
    store.payable_won -= convert(amount, int256)
    return amount


@internal
def _give_back(
    leaf: uint256[4],
    to_guarantor: uint256,
    to_balance: uint256,
    to_voucher: uint256,
    lots: DynArray[uint256, 4],
    guarantor: uint16,
):
    card: uint256[5] = self._slot(leaf)
    backer: uint256 = (card[0] >> 236) & M12
    if card[0] == 0:
        backer = convert(guarantor, uint256)
        assert parties.holds(backer, parties.GUARANTOR), "GUARANTOR"
    after: uint256[5] = self._refill(card, (leaf[0] >> 48) & M16, to_voucher, lots)
    if card[0] == 0 or clock.today() > (card[0] >> 128) & M16:
        store.credit_guarantor(backer, to_guarantor + to_balance)
    else:
        store.credit_guarantor(backer, to_guarantor)
        assert ((card[0] >> BALANCE) & M32) + to_balance <= M32, "OVERFLOW"
        after[0] += to_balance << BALANCE
    if card[0] != 0:
        extcall store.FARES.amend(leaf[0] >> 96, after)


@internal
def _refill(
    card: uint256[5], day: uint256, to_voucher: uint256, lots: DynArray[uint256, 4]
) -> uint256[5]:
    """
    @notice The voucher part to the lots that are named: live ones usable on the day, or the pools of lapsed ones.
    """
    after: uint256[5] = card
    left: uint256 = to_voucher
    for word: uint256 in lots:
        won: uint256 = word & M32
        assert won != 0 and won <= left, "LOTS"
        left -= won
        if word >> 96 != 0:
            extcall store.FARES.give_lapsed(
                convert((word >> 64) & M16, uint16), convert((word >> 80) & M16, uint16), won
            )
            continue
        found: bool = False
        for at: uint256 in range(1, 5):
            lot: uint256 = after[at]
            if lot == 0 or (lot >> 176) & M32 != (word >> 32) & M32:
                continue
            assert day <= lot >> 216 and day >= (lot >> 112) & M16, "LOTS"
            assert (lot & M32) + won <= (lot >> 128) & M32, "LOTS"
            lot += won
            if (lot >> 64) & M16 == day:
                lot -= min(won, (lot >> 32) & M32) << 32
            after[at] = lot
            found = True
        assert found, "LOTS"
    assert left == 0, "LOTS"
    return after


@external
def allocate(
    batch: ICredits.Batch,
    index: uint32,
    leaf: uint256[4],
    path: DynArray[bytes32, 8],
    table: uint256,
    lanes: uint256,
    missing: IFares.Record,
) -> uint64:
    """
    @notice Suspense to whom it belongs, pending, once the late tap arrived. With the missing day's signed state its
            voucher part is paid by lots usable that day instead of guarantor, then balance.
    """
    house: uint256 = self._begin(batch, index, leaf, path)
    number: uint256 = convert(batch.number, uint256)
    at: uint256 = convert(index, uint256)
    assert lanes & ~parties.table_mask(table, house) == 0, "TABLE"
    amount: uint256 = store.lane_sum(lanes)
    correction: uint256 = self._off_suspense(leaf, store.corrections[number][at], amount)
    taken: uint256 = 0
    digest: bytes32 = empty(bytes32)
    if missing.head != 0:
        digest = self._check_missing(leaf, missing, amount)
        taken, correction = self._resource(leaf, missing, amount, correction)
    store.corrections[number][at] = correction
    log ICredits.Allocated(
        batch=batch.number,
        index=index,
        amount_won=convert(amount, uint64),
        voucher_won=convert(taken, uint64),
        digest=digest,
    )
    return store.open_transfer(house, batch.service_day, table, lanes, empty(uint256[8]))


@internal
def _off_suspense(leaf: uint256[4], correction: uint256, amount: uint256) -> uint256:
    """
    @notice Takes from the record's suspense; the correction after.
    """
    assert amount != 0 and store.lane(correction, ALLOCATED) + amount <= leaf[2] & M64, "SUSPENSE"
    store.suspense_won -= amount
    return correction + (amount << (ALLOCATED * 32))


@internal
def _check_missing(leaf: uint256[4], missing: IFares.Record, amount: uint256) -> bytes32:
    """
    @notice A state of the same card that this record overtook, used once, which charged that day what is allocated.
    """
    card: uint256 = leaf[0] >> 96
    sums: uint256 = missing.sums
    digest: bytes32 = staticcall store.FARES.digest_of(missing.head, sums, missing.context)
    assert missing.head & M160 == card and (sums >> 80) & M24 < (leaf[0] >> 64) & M32, "STATE"
    assert (sums >> 104) & M16 < (leaf[0] >> 48) & M16 and sums >> 200 == 0, "STATE"
    day_cum: uint256 = unsafe_sub(sums & M40, (sums >> 120) & M40)
    day_own: uint256 = unsafe_sub((sums >> 40) & M40, (sums >> 160) & M40)
    assert day_cum <= sums & M40 and day_own <= day_cum and amount <= day_cum, "STATE"
    assert states.signed_by(digest, missing.r, missing.vs, card), "SIGNATURE"
    assert not store.allocated[digest], "DONE"
    store.allocated[digest] = True
    return digest


@internal
def _resource(
    leaf: uint256[4], missing: IFares.Record, amount: uint256, correction: uint256
) -> (uint256, uint256):
    """
    @notice Lots pay the missing day's eligible part; guarantor, then balance get it back. (won, correction after)
    """
    sums: uint256 = missing.sums
    eligible: uint256 = (sums & M40) - ((sums >> 120) & M40) - (((sums >> 40) & M40) - ((sums >> 160) & M40))
    guarantor_left: uint256 = (
        ((leaf[2] >> 64) & M64)
        + store.lane(correction, UP_GUARANTOR)
        - store.lane(correction, RESOURCED_GUARANTOR)
        - store.lane(correction, BACK_GUARANTOR)
    )
    balance_left: uint256 = (
        ((leaf[2] >> 128) & M64)
        + store.lane(correction, UP_BALANCE)
        - store.lane(correction, RESOURCED_BALANCE)
        - store.lane(correction, BACK_BALANCE)
    )
    card: uint256[5] = self._slot(leaf)
    if card[0] == 0:
        return 0, correction
    taken: uint256 = 0
    after: uint256[5] = empty(uint256[5])
    taken, after = order.spend(
        card, (sums >> 104) & M16, min(min(eligible, amount), guarantor_left + balance_left)
    )
    to_guarantor: uint256 = min(taken, guarantor_left)
    to_balance: uint256 = taken - to_guarantor
    backer: uint256 = (card[0] >> 236) & M12
    if clock.today() > (card[0] >> 128) & M16:
        store.credit_guarantor(backer, taken)
    else:
        store.credit_guarantor(backer, to_guarantor)
        assert ((card[0] >> BALANCE) & M32) + to_balance <= M32, "OVERFLOW"
        after[0] += to_balance << BALANCE
    if taken != 0:
        extcall store.FARES.amend(leaf[0] >> 96, after)
    return taken, correction + (to_balance << (RESOURCED_BALANCE * 32)) + (
        to_guarantor << (RESOURCED_GUARANTOR * 32)
    )


@external
def expire_suspense(batch: ICredits.Batch, index: uint32, leaf: uint256[4], path: DynArray[bytes32, 8]):
    """
    @notice What nobody explained 90 days after the record's day goes to RISK_POOL.
    """
    house: uint256 = self._begin(batch, index, leaf, path)
    assert clock.today() > ((leaf[0] >> 48) & M16) + FORFEIT_DAYS, "EARLY"
    number: uint256 = convert(batch.number, uint256)
    at: uint256 = convert(index, uint256)
    correction: uint256 = store.corrections[number][at]
    amount: uint256 = (leaf[2] & M64) - store.lane(correction, ALLOCATED)
    store.corrections[number][at] = self._off_suspense(leaf, correction, amount)
    store.change_risk_pool(house, convert(amount, int256))
