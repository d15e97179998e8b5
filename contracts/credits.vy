# pragma version 0.4.3
"""
@title Credits: what operators are owed, from settled batches to payout, and what corrects a settled record
@notice Fares holds all Won and all cards; Credits says who it belongs to (docs/decisions/0006).
"""

from interfaces import ICredits
from lib import credits_corrections as corrections
from lib import credits_release as credits
from lib import credits_store as store
from lib import parties

initializes: parties
initializes: store
initializes: credits[store := store, parties := parties]
initializes: corrections[store := store, parties := parties]

exports: (
    credits.approve,
    credits.object,
    credits.end_objection,
    credits.release,
    credits.payout,
    credits.distribute,
    credits.cover,
    corrections.adjust_up,
    corrections.adjust_down,
    corrections.allocate,
    corrections.expire_suspense,
)


@deploy
def __init__(organisations: address, fares: address):
    parties.__init__(organisations)
    store.__init__(fares)


@internal
def _only_fares():
    assert msg.sender == store.FARES.address, "SENDER"


@external
def open(
    number: uint256,
    clearing_house: uint256,
    service_day: uint16,
    records_root: bytes32,
    size: uint256,
    table: uint256,
    sums: uint256,
    suspense_won: uint256,
    guarantors: uint256[8],
):
    """
    @notice A settled batch's credits wait for approval, its suspense for allocation. Only Fares.
    """
    self._only_fares()
    store.suspense_won += suspense_won
    store.open_batch(number, clearing_house, service_day, records_root, size, table, sums, guarantors)


@external
def paid_in(guarantor: uint256, amount_won: uint256):
    """
    @notice A guarantor paid what he owes, or part of it; batches are released in the order he pays them. Only Fares.
    """
    self._only_fares()
    paid: uint256 = store.paid_through[guarantor] + amount_won
    assert amount_won != 0 and paid <= store.owed_through[guarantor], "OWED"
    store.credit_guarantor(guarantor, amount_won)
    log ICredits.PaidIn(
        guarantor=convert(guarantor, uint16),
        amount_won=convert(amount_won, uint64),
        paid_through_won=convert(paid, uint64),
    )


@external
def risk_pool_funded(city: uint256, amount_won: uint256):
    """
    @notice A city's Won for RISK_POOL. Only Fares.
    """
    self._only_fares()
    store.change_risk_pool(city, convert(amount_won, int256))


@view
@external
def totals() -> int256[7]:
    """
    @notice Purses, lots, suspense, RISK_POOL, pending, payable, owed: Won.balanceOf(Fares) + owed = Σ of the six
            before (money.md §3, Conservation).
    """
    return [
        convert(staticcall store.FARES.purses_won(), int256),
        convert(staticcall store.FARES.lots_won(), int256),
        convert(store.suspense_won, int256),
        convert(store.risk_pool_won, int256),
        convert(store.pending_won, int256),
        store.payable_won,
        store.owed_won,
    ]


@view
@external
def commitment(batch: uint64) -> bytes32:
    """
    @notice keccak256(abi_encode(batch)), 0 for none.
    """
    return store.commitments[convert(batch, uint256)]


@view
@external
def lanes_of(batch: uint64) -> uint256:
    """
    @notice Released lanes bits 0..6, lanes objected to bits 8..14.
    """
    return store.lanes_of[convert(batch, uint256)]


@view
@external
def correction(batch: uint64, index: uint32) -> uint256:
    """
    @notice What a record's corrections came to (contracts/records.py, Correction).
    """
    return store.corrections[convert(batch, uint256)][convert(index, uint256)]


@view
@external
def payable_to(organisation: uint16) -> int256:
    """
    @notice Released and not paid out; below 0 after corrections, and then netted.
    """
    return store.payable_to[convert(organisation, uint256)]


@view
@external
def others(clearing_house: uint16) -> int256:
    """
    @notice What the clearing house has to distribute; below 0 after corrections, and then netted.
    """
    return store.others[convert(clearing_house, uint256)]


@view
@external
def owed_by(guarantor: uint16) -> (uint256, uint256):
    """
    @notice (owed through, paid through): what a guarantor owes is their difference.
    """
    id: uint256 = convert(guarantor, uint256)
    return store.owed_through[id], store.paid_through[id]


@view
@external
def approved_through(organisation: uint16, clearing_house: uint16) -> uint64:
    """
    @notice The last batch of a clearing house that this organisation approved.
    """
    return convert(
        store.approved_through[convert(organisation, uint256)][convert(clearing_house, uint256)], uint64
    )
