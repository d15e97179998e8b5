# pragma version 0.4.3
"""
@title What Credits stores: commitments of batches, what is owed and to whom
"""

from interfaces import ICredits
from interfaces import IFares
from lib import fares_trees as trees

M16: constant(uint256) = 2**16 - 1
M32: constant(uint256) = 2**32 - 1
# The empty tree's root: keccak256("").
EMPTY_ROOT: constant(bytes32) = 0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470

FARES: immutable(IFares)

commitments: HashMap[uint256, bytes32]
lanes_of: HashMap[uint256, uint256]
corrections: HashMap[uint256, HashMap[uint256, uint256]]
allocated: HashMap[bytes32, bool]
approved_through: HashMap[uint256, HashMap[uint256, uint256]]
city_approved_through: HashMap[uint256, uint256]
owed_through: HashMap[uint256, uint256]
paid_through: HashMap[uint256, uint256]
payable_to: HashMap[uint256, int256]
others: HashMap[uint256, int256]

suspense_won: uint256
risk_pool_won: uint256
pending_won: uint256
payable_won: int256
owed_won: int256


@deploy
def __init__(fares: address):
    FARES = IFares(fares)


@pure
@internal
def lane(word: uint256, at: uint256) -> uint256:
    """
    @notice Won in one lane.
    """
    return (word >> (at << 5)) & M32


@pure
@internal
def lane_sum(word: uint256) -> uint256:
    """
    @notice Σ of the seven lanes of credits.
    """
    total: uint256 = 0
    for at: uint256 in range(7):
        total += self.lane(word, at)
    return total


@internal
def open_batch(
    number: uint256,
    clearing_house: uint256,
    service_day: uint16,
    root: bytes32,
    size: uint256,
    table: uint256,
    sums: uint256,
    parts: uint256[8],
):
    """
    @notice Credits become pending: one commitment, the guarantors' debts, the events that they are read from.
    """
    batch: ICredits.Batch = ICredits.Batch(
        number=convert(number, uint64),
        clearing_house=convert(clearing_house, uint16),
        service_day=service_day,
        settled_at=convert(block.timestamp, uint64),
        records_root=root,
        size=convert(size, uint32),
        table=table,
        sums=sums,
        guarantors=self._book(number, parts),
    )
    self.commitments[number] = keccak256(abi_encode(batch))
    self.pending_won += self.lane_sum(sums)
    log ICredits.Pending(
        batch=batch.number, clearing_house=batch.clearing_house, service_day=service_day, table=table, sums=sums
    )


@internal
def open_transfer(
    clearing_house: uint256, service_day: uint16, table: uint256, sums: uint256, parts: uint256[8]
) -> uint64:
    """
    @notice A batch without records: a distribution or a correction.
    """
    number: uint256 = extcall FARES.next_batch()
    self.open_batch(number, clearing_house, service_day, EMPTY_ROOT, 0, table, sums, parts)
    return convert(number, uint64)


@internal
def _book(number: uint256, parts: uint256[8]) -> uint256[8]:
    """
    @notice Adds each part (organisation | won << 64) to what that guarantor owes; the same with "owed through" << 128.
    """
    booked: uint256[8] = parts
    for at: uint256 in range(8):
        if parts[at] == 0:
            break
        id: uint256 = parts[at] & M16
        amount: uint256 = parts[at] >> 64
        through: uint256 = self.owed_through[id] + amount
        self.owed_through[id] = through
        self.owed_won += convert(amount, int256)
        booked[at] |= through << 128
        log ICredits.Owed(
            batch=convert(number, uint64),
            guarantor=convert(id, uint16),
            amount_won=convert(amount, uint64),
            owed_through_won=convert(through, uint64),
        )
    return booked


@view
@internal
def check_batch(batch: ICredits.Batch):
    """
    @notice Reverts BATCH unless this is what was committed to.
    """
    assert self.commitments[convert(batch.number, uint256)] == keccak256(abi_encode(batch)), "BATCH"


@view
@internal
def check_leaf(batch: ICredits.Batch, index: uint32, leaf: uint256[4], path: DynArray[bytes32, 8]):
    """
    @notice Reverts BATCH, or PROOF unless the leaf stands there and its record was accepted.
    """
    self.check_batch(batch)
    assert (leaf[0] >> 32) & M16 == 0, "PROOF"
    assert trees.contains(
        leaf, convert(index, uint256), convert(batch.size, uint256), path, batch.records_root
    ), "PROOF"


@internal
def credit_guarantor(guarantor: uint256, amount: uint256):
    """
    @notice What comes back to a guarantor counts as paid in, so that the batches before can be released.
    """
    if amount != 0:
        self.paid_through[guarantor] += amount
        self.owed_won -= convert(amount, int256)


@internal
def change_risk_pool(organisation: uint256, delta: int256):
    """
    @notice RISK_POOL by `delta`; reverts FUNDS below 0.
    """
    after: int256 = convert(self.risk_pool_won, int256) + delta
    assert after >= 0, "FUNDS"
    self.risk_pool_won = convert(after, uint256)
    log ICredits.RiskPoolChanged(organisation=convert(organisation, uint16), delta_won=convert(delta, int64))
