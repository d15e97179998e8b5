# pragma version 0.4.3
"""
@title Approval, objection, release and payout of operators' credits (money.md §3)
"""

from interfaces import ICredits
from interfaces import IOrganisations
from lib import credits_store as store
from lib import parties
from lib import standing as standings

uses: store
uses: parties

SILENCE_S: constant(uint256) = 86400
CITY: constant(uint256) = 1
M16: constant(uint256) = 2**16 - 1
M32: constant(uint256) = 2**32 - 1
M64: constant(uint256) = 2**64 - 1
# The council's decision that ends an objection: arguments batch, organisation (Organisations, acts from 64 on).
END_OBJECTION: constant(uint8) = 68


@external
def approve(clearing_house: uint16, through_batch: uint64):
    """
    @notice An organisation finds all batches of a clearing house up to this one right.
    """
    standing: uint256 = staticcall parties.ORGANISATIONS.standing(msg.sender)
    assert (standing >> 16) & standings.APPROVE != 0, "SENDER"
    organisation: uint256 = standing & M16
    house: uint256 = convert(clearing_house, uint256)
    through: uint256 = convert(through_batch, uint256)
    assert through <= staticcall store.FARES.batches(), "BATCH"
    assert through > store.approved_through[organisation][house], "BATCH"
    store.approved_through[organisation][house] = through
    if (standing >> (32 + CITY)) & 1 != 0:
        store.city_approved_through[house] = max(through, store.city_approved_through[house])
    log ICredits.Approved(
        organisation=convert(organisation, uint16), clearing_house=clearing_house, through_batch=through_batch
    )


@pure
@internal
def _lane_of(table: uint256, organisation: uint256) -> uint256:
    """
    @notice The organisation's lane; reverts NOT CREDITED.
    """
    for at: uint256 in range(7):
        if organisation != 0 and store.lane(table, at) == organisation:
            return at
    raise "NOT CREDITED"


@external
def object(batch: ICredits.Batch):
    """
    @notice Holds the objector's own credit of a batch, until withdrawn or a council case.
    """
    standing: uint256 = staticcall parties.ORGANISATIONS.standing(msg.sender)
    assert (standing >> 16) & standings.APPROVE != 0, "SENDER"
    store.check_batch(batch)
    number: uint256 = convert(batch.number, uint256)
    at: uint256 = self._lane_of(batch.table, standing & M16)
    lanes: uint256 = store.lanes_of[number]
    assert (lanes >> at) & 1 == 0, "RELEASED"
    store.lanes_of[number] = lanes | (256 << at)
    log ICredits.Objected(batch=batch.number, organisation=convert(standing & M16, uint16))


@external
def end_objection(batch: ICredits.Batch, organisation: uint16, proposal: uint64):
    """
    @notice By the objector, proposal 0; or by any organisation once the council decided END_OBJECTION.
    """
    standing: uint256 = staticcall parties.ORGANISATIONS.standing(msg.sender)
    objector: uint256 = convert(organisation, uint256)
    number: uint256 = convert(batch.number, uint256)
    store.check_batch(batch)
    if proposal == 0:
        assert (standing >> 16) & standings.APPROVE != 0 and standing & M16 == objector, "SENDER"
    else:
        assert standing != 0, "SENDER"
        content: bytes32 = empty(bytes32)
        decided_at: uint256 = 0
        content, decided_at = staticcall parties.ORGANISATIONS.decided(proposal)
        arguments: uint256[4] = [number, objector, 0, 0]
        assert decided_at != 0 and content == keccak256(abi_encode(END_OBJECTION, arguments)), "CASE"
    bit: uint256 = 256 << self._lane_of(batch.table, objector)
    lanes: uint256 = store.lanes_of[number]
    assert lanes & bit != 0, "NONE"
    store.lanes_of[number] = lanes ^ bit
    log ICredits.ObjectionEnded(batch=batch.number, organisation=organisation, proposal=proposal)


@external
def release(batches: DynArray[ICredits.Batch, 16]):
    """
    @notice Credits become payable once approved by all credited and by a city, or after 24 h of silence, and once the
            guarantors have paid in their parts; credits objected to stay pending.
    """
    parties.any_active()
    for batch: ICredits.Batch in batches:
        store.check_batch(batch)
        for part: uint256 in batch.guarantors:
            if part == 0:
                break
            assert store.paid_through[part & M16] >= part >> 128, "UNPAID"
        if block.timestamp < convert(batch.settled_at, uint256) + SILENCE_S:
            assert self._approved(batch), "EARLY"
        self._release(batch)


@view
@internal
def _approved(batch: ICredits.Batch) -> bool:
    house: uint256 = convert(batch.clearing_house, uint256)
    number: uint256 = convert(batch.number, uint256)
    if store.city_approved_through[house] < number:
        return False
    for at: uint256 in range(7):
        if store.lane(batch.sums, at) == 0:
            continue
        if store.approved_through[store.lane(batch.table, at)][house] < number:
            return False
    return True


@internal
def _release(batch: ICredits.Batch):
    """
    @notice Lanes neither released nor objected to become payable.
    """
    number: uint256 = convert(batch.number, uint256)
    house: uint256 = convert(batch.clearing_house, uint256)
    state: uint256 = store.lanes_of[number]
    released: uint256 = 0
    total: uint256 = 0
    for at: uint256 in range(7):
        amount: uint256 = store.lane(batch.sums, at)
        if amount == 0 or (state | (state >> 8)) & (1 << at) != 0:
            continue
        organisation: uint256 = store.lane(batch.table, at)
        if organisation == house:
            store.others[house] += convert(amount, int256)
        else:
            store.payable_to[organisation] += convert(amount, int256)
        state |= 1 << at
        released |= amount << (at << 5)
        total += amount
    if total == 0:
        return
    store.lanes_of[number] = state
    store.pending_won -= total
    store.payable_won += convert(total, int256)
    log ICredits.Released(
        batch=batch.number, clearing_house=batch.clearing_house, table=batch.table, sums=released
    )


@external
def payout(organisations: DynArray[uint16, 64]):
    """
    @notice What is payable to each goes to its account. Any organisation may ask; nobody chooses the receiver.
    """
    parties.any_active()
    for organisation: uint16 in organisations:
        id: uint256 = convert(organisation, uint256)
        amount: int256 = store.payable_to[id]
        if amount <= 0:
            continue
        account: address = parties.account_of(id)
        assert account != empty(address), "ACCOUNT"
        store.payable_to[id] = 0
        store.payable_won -= amount
        extcall store.FARES.give(account, convert(amount, uint256))
        log ICredits.PaidOut(organisation=organisation, account=account, amount_won=convert(amount, uint64))


@external
def distribute(service_day: uint16, tables: DynArray[uint256, 16], sums: DynArray[uint256, 16]):
    """
    @notice Empties the clearing house's account `others` to the operators behind it, pending like a batch.
    """
    house: uint256 = parties.authorise(parties.CLEARING_HOUSE, standings.SETTLE)
    total: uint256 = self._open_all(house, service_day, tables, sums)
    left: int256 = store.others[house] - convert(total, int256)
    assert left >= 0, "FUNDS"
    store.others[house] = left
    store.payable_won -= convert(total, int256)


@external
def cover(service_day: uint16, tables: DynArray[uint256, 16], sums: DynArray[uint256, 16]):
    """
    @notice RISK_POOL bears what nobody else does: older losing states of forked cards, what a cap left open for 90
            days. Pending like a batch.
    """
    house: uint256 = parties.authorise(parties.CLEARING_HOUSE, standings.SETTLE)
    total: uint256 = self._open_all(house, service_day, tables, sums)
    store.change_risk_pool(house, -convert(total, int256))


@internal
def _open_all(
    house: uint256, service_day: uint16, tables: DynArray[uint256, 16], sums: DynArray[uint256, 16]
) -> uint256:
    """
    @notice One batch per table; Σ of what they credit.
    """
    assert len(tables) == len(sums) and len(tables) != 0, "TABLE"
    total: uint256 = 0
    for at: uint256 in range(len(tables), bound=16):
        # A lane outside the table, or suspense, would be nobody's.
        lanes: uint256 = 0
        mask: uint256 = parties.table_mask(tables[at], 0)
        for lane: uint256 in range(7):
            if store.lane(mask, lane) != 0:
                lanes |= M32 << (lane << 5)
        assert sums[at] & ~lanes == 0, "TABLE"
        total += store.lane_sum(sums[at])
        store.open_transfer(house, service_day, tables[at], sums[at], empty(uint256[8]))
    assert total != 0, "FUNDS"
    return total
