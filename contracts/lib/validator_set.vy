# pragma version 0.4.3
"""
@title The BFT engine's validators, changed by the rules of consensus.md §0
"""

from lib import registry
from lib import standing as standings

uses: registry

event ValidatorChanged:
    organisation: indexed(uint16)
    pub_key: indexed(bytes32)
    power: uint64
    proposal: uint64

event ConsensusStarted:
    from_block: uint64
    proposal: uint64

event Misbehaved:
    pub_key: indexed(bytes32)
    height: indexed(uint64)
    kind: indexed(uint8)
    reporter: uint16
    evidence_sha256: bytes32

struct Validator:
    organisation: uint16
    pub_key: bytes32
    power: uint64

MAX_VALIDATORS: constant(uint256) = 100
MAX_POWER: constant(uint256) = 1000
# The engine follows a change two heights later, and every block here has a height of its own.
CHANGE_BLOCKS: constant(uint256) = 2

_validators: DynArray[Validator, 100]
_changed_block: uint256
_from_block: uint64
_reports: HashMap[bytes32, bool]


@view
@external
def validators() -> DynArray[Validator, 100]:
    """
    @notice The set as the BFT engine shall have it; in no particular order.
    """
    return self._validators


@view
@external
def consensus_from() -> uint64:
    """
    @notice First block that the BFT engine orders; 0 while a solo authority does and the set may change freely.
    """
    return self._from_block


@view
@external
def reported(pub_key: bytes32, height: uint64, kind: uint8) -> bool:
    """
    @notice Whether that validator's misbehaviour at that height stands reported.
    """
    return self._reports[keccak256(abi_encode(pub_key, height, kind))]


@external
def report_misbehaviour(pub_key: bytes32, height: uint64, kind: uint8, evidence_sha256: bytes32):
    """
    @notice Reports a validator that signed twice; the first report counts and the council decides (consensus.md §0).
            By any organisation that validates. Reverts SENDER, UNKNOWN, HASH, REPORTED.
    """
    reporter: uint16 = standings.organisation(registry._standing(msg.sender))
    validates: bool = False
    known: bool = False
    for validator: Validator in self._validators:
        if validator.organisation == reporter:
            validates = True
        if validator.pub_key == pub_key:
            known = True
    assert validates, "SENDER"
    assert known, "UNKNOWN"
    assert evidence_sha256 != empty(bytes32), "HASH"
    report: bytes32 = keccak256(abi_encode(pub_key, height, kind))
    assert not self._reports[report], "REPORTED"
    self._reports[report] = True
    log Misbehaved(pub_key=pub_key, height=height, kind=kind, reporter=reporter, evidence_sha256=evidence_sha256)


@internal
def _found(validator: Validator):
    registry._check_known(convert(validator.organisation, uint256))
    assert validator.power != 0, "POWER"
    self._check_set(convert(validator.organisation, uint256), validator.pub_key, convert(validator.power, uint256))
    self._validators.append(validator)


@internal
def _found_consensus():
    if len(self._validators) != 0:
        self._from_block = 1


@view
@internal
def _check_start():
    assert self._from_block == 0, "CONSENSUS"
    assert len(self._validators) != 0, "EMPTY SET"


@internal
def _start(proposal: uint64, from_block: uint64):
    self._from_block = from_block
    log ConsensusStarted(from_block=from_block, proposal=proposal)


@view
@internal
def _check_set(id: uint256, pub_key: bytes32, power: uint256):
    assert pub_key != empty(bytes32), "KEY"
    assert power <= MAX_POWER, "POWER"
    before: uint256 = 0
    total: uint256 = 0
    owned: bytes32 = empty(bytes32)
    taken: bool = False
    for validator: Validator in self._validators:
        total += convert(validator.power, uint256)
        if convert(validator.organisation, uint256) == id:
            before = convert(validator.power, uint256)
            owned = validator.pub_key
        elif validator.pub_key == pub_key:
            taken = True
    if power == 0:
        assert owned != empty(bytes32), "UNKNOWN"
        assert owned == pub_key, "KEY"
        assert len(self._validators) > 1, "EMPTY SET"
    else:
        assert owned == empty(bytes32) or owned == pub_key, "OWNER"
        assert not taken, "KEY USED"
        assert owned != empty(bytes32) or len(self._validators) < MAX_VALIDATORS, "TOO MANY"
    if self._from_block != 0:
        change: uint256 = power - before if power > before else before - power
        assert change * 3 <= total, "THIRD"
        assert block.number >= self._changed_block + CHANGE_BLOCKS, "PENDING"


@internal
def _set(proposal: uint64, organisation: uint16, pub_key: bytes32, power: uint64):
    self._changed_block = block.number
    kept: DynArray[Validator, 100] = []
    for other: Validator in self._validators:
        if other.organisation != organisation:
            kept.append(other)
    if power != 0:
        kept.append(Validator(organisation=organisation, pub_key=pub_key, power=power))
    self._validators = kept
    log ValidatorChanged(organisation=organisation, pub_key=pub_key, power=power, proposal=proposal)
