# pragma version 0.4.3
"""
@title Agreements in force, and code that may become one (money.md §6)
"""

event CodeApproved:
    initcode_hash: indexed(bytes32)
    approved: bool
    proposal: uint64

event AgreementRegistered:
    at: indexed(address)
    name: bytes32
    from_block: uint64
    proposal: uint64

event AgreementRetired:
    at: indexed(address)
    to_block: uint64
    proposal: uint64

struct Agreement:
    name: bytes32
    from_block: uint64
    to_block: uint64

MAX_AGREEMENTS: constant(uint256) = 256
OPEN: constant(uint64) = max_value(uint64)

_approved_code: HashMap[bytes32, bool]
_agreements: HashMap[address, Agreement]
_list: DynArray[address, 256]


@view
@external
def agreement(at: address) -> bytes32:
    """
    @notice Name of the agreement in force at an address in this block, zero for any other address.
    """
    return self._in_force(at)


@view
@external
def agreement_blocks(at: address) -> (bytes32, uint64, uint64):
    """
    @notice Name, first and last block of an agreement (2**64 - 1 while open), in force or not.
    """
    found: Agreement = self._agreements[at]
    return found.name, found.from_block, found.to_block


@view
@external
def agreements() -> DynArray[address, 256]:
    """
    @notice Every agreement ever registered, in order.
    """
    return self._list


@view
@external
def code_approved(initcode_hash: bytes32) -> bool:
    """
    @notice Whether code with this initcode may be deployed.
    """
    return self._approved_code[initcode_hash]


@internal
def _found(at: address, name: bytes32):
    assert self._agreements[at].name == empty(bytes32), "AGREEMENT"
    assert name != empty(bytes32), "NAME"
    self._agreements[at] = Agreement(name=name, from_block=0, to_block=OPEN)
    self._list.append(at)


@view
@internal
def _check_register(at: address, name: bytes32, from_block: uint256):
    assert self._agreements[at].name == empty(bytes32), "AGREEMENT"
    assert at.is_contract, "CODE"
    assert name != empty(bytes32), "NAME"
    self._check_block(from_block)
    assert len(self._list) < MAX_AGREEMENTS, "TOO MANY"


@internal
def _register(proposal: uint64, at: address, name: bytes32, from_block: uint64):
    self._agreements[at] = Agreement(name=name, from_block=from_block, to_block=OPEN)
    self._list.append(at)
    log AgreementRegistered(at=at, name=name, from_block=from_block, proposal=proposal)


@view
@internal
def _check_retire(at: address, to_block: uint256):
    found: Agreement = self._agreements[at]
    # Without this one nothing could be decided, or admitted, ever after.
    assert found.name != empty(bytes32) and found.to_block == OPEN and at != self, "AGREEMENT"
    self._check_block(to_block)


@internal
def _retire(proposal: uint64, at: address, to_block: uint64):
    self._agreements[at].to_block = to_block
    log AgreementRetired(at=at, to_block=to_block, proposal=proposal)


@internal
def _approve_code(proposal: uint64, initcode_hash: bytes32, approved: bool):
    self._approved_code[initcode_hash] = approved
    log CodeApproved(initcode_hash=initcode_hash, approved=approved, proposal=proposal)


@view
@internal
def _in_force(at: address) -> bytes32:
    name: bytes32 = self._agreements[at].name
    # Most addresses asked about are people's: one storage read tells.
    if name == empty(bytes32):
        return name
    if block.number < convert(self._agreements[at].from_block, uint256):
        return empty(bytes32)
    return name if block.number <= convert(self._agreements[at].to_block, uint256) else empty(bytes32)


@view
@internal
def _check_block(number: uint256):
    assert number > block.number and number < 2**64 - 1, "BLOCK"
