# pragma version 0.4.3
"""
@title Organisations: who takes part, with which keys and roles, and what their council decided
@license Apache-2.0
@notice An organisation has an id that never changes and several sender keys by purpose (money.md §6). The council's
        members, organisations themselves, propose acts and approve them, n of m; the n-th approval carries the act
        out. All other agreements ask this one who a sender is.
@dev Arguments of a proposal are four words whose meaning hangs on its act:
      1 ADMIT               id, account, first key (purpose ADMINISTER), roles bitmap (bit r for role r)
      2 SET_ROLE            id, role, 1 given or 0 taken
      3 SET_ACTIVE          id, 1 active or 0 suspended
      4 SET_ACCOUNT         id, account
      5 SET_KEY             id, key, purposes (0 revokes)
      6 APPROVE_CODE        keccak256 of the initcode with its arguments, 1 approved or 0 withdrawn
      7 REGISTER_AGREEMENT  address, name as left-aligned ASCII, first block
      8 RETIRE_AGREEMENT    address (never this one's), last block
      9 SET_COUNCIL         id, 1 member or 0 not (as it is, to change the threshold alone), threshold
     10 SET_VALIDATOR       id, Ed25519 public key, power (0 removes)
     11 START_CONSENSUS     first block: from now on the set changes by the rules of consensus.md §0
     12 EXTEND_TRUST        SHA-256 of the trust file's entry
    64+ decisions that other agreements read by `decided` and carry out themselves
     Words that an act does not name are 0.
     Reverts: SENDER not allowed · KEY zero, or not this organisation's · KEY USED · PURPOSES · LAST the only key that
     administers · TOO MANY · ACT · PROPOSAL none such, or other arguments · EXPIRED · DECIDED · TWICE ·
     ORGANISATION unknown, or already admitted · ACCOUNT zero · ADDRESS wider than 160 bits · ROLE · FLAG neither 0
     nor 1 · HASH zero · AGREEMENT unknown, retired, or already registered · CODE none at the address · NAME zero ·
     BLOCK not ahead · MEMBER · THRESHOLD not above half · POWER · UNKNOWN validator · OWNER has a validator ·
     EMPTY SET · THIRD more than a third of the power · PENDING the last change has not taken effect · CONSENSUS runs
     already · REPORTED already · SPARE a word that the act does not name.
"""

from interfaces import IOrganisations
from lib import admission
from lib import registry
from lib import standing as standings
from lib import validator_set
from lib import words

implements: IOrganisations
initializes: registry
initializes: admission
initializes: validator_set[registry := registry]

exports: (
    registry.standing,
    registry.account_of,
    registry.holds,
    registry.is_active,
    registry.node_of,
    registry.set_key,
    registry.rotate_key,
    registry.set_node,
    admission.agreement,
    admission.agreement_blocks,
    admission.agreements,
    admission.code_approved,
    validator_set.validators,
    validator_set.consensus_from,
    validator_set.reported,
    validator_set.report_misbehaviour,
)

struct Organisation:
    id: uint16
    account: address
    roles: uint256

struct Key:
    key: address
    organisation: uint16
    purposes: uint256

struct GenesisAgreement:
    at: address
    name: bytes32

struct Proposal:
    content: bytes32
    expires: uint64
    decided_at: uint64
    approvals: DynArray[uint16, 64]

event Proposed:
    proposal: indexed(uint64)
    act: indexed(uint8)
    organisation: indexed(uint16)
    arguments: uint256[4]
    expires: uint64

event Approved:
    proposal: indexed(uint64)
    organisation: indexed(uint16)

event Decided:
    proposal: indexed(uint64)
    act: indexed(uint8)
    arguments: uint256[4]

event CouncilChanged:
    organisation: indexed(uint16)
    member: bool
    threshold: uint8
    proposal: uint64

event TrustExtended:
    entry_hash: indexed(bytes32)
    proposal: uint64

ADMIT: constant(uint8) = 1
SET_ROLE: constant(uint8) = 2
SET_ACTIVE: constant(uint8) = 3
SET_ACCOUNT: constant(uint8) = 4
SET_KEY: constant(uint8) = 5
APPROVE_CODE: constant(uint8) = 6
REGISTER_AGREEMENT: constant(uint8) = 7
RETIRE_AGREEMENT: constant(uint8) = 8
SET_COUNCIL: constant(uint8) = 9
SET_VALIDATOR: constant(uint8) = 10
START_CONSENSUS: constant(uint8) = 11
EXTEND_TRUST: constant(uint8) = 12
FIRST_DECISION: constant(uint8) = 64

BAD_SENDER: constant(uint256) = 1
BAD_RECEIVER: constant(uint256) = 2
BAD_CODE: constant(uint256) = 3

MAX_MEMBERS: constant(uint256) = 64
# Long enough for members that meet once a month.
PROPOSAL_SECONDS: constant(uint256) = 35 * 86400

_members: DynArray[uint16, 64]
_threshold: uint256
_proposals: HashMap[uint64, Proposal]
proposal_count: public(uint64)


@deploy
def __init__(
    organisations: DynArray[Organisation, 512],
    keys: DynArray[Key, 1024],
    members: DynArray[uint16, 64],
    threshold: uint8,
    agreements: DynArray[GenesisAgreement, 32],
    validators: DynArray[validator_set.Validator, 100],
):
    """
    @notice Genesis (money.md §6). No logs: projections start from this state.
    @param validators The BFT engine's first set; empty on a chain with a solo authority.
    """
    for organisation: Organisation in organisations:
        registry._found(convert(organisation.id, uint256), organisation.account, organisation.roles)
    for key: Key in keys:
        registry._found_key(convert(key.organisation, uint256), key.key, key.purposes)
    for organisation: Organisation in organisations:
        assert registry._administer_counts[convert(organisation.id, uint256)] != 0, "LAST"
    for member: uint16 in members:
        registry._check_known(convert(member, uint256))
        assert not self._is_member(member), "MEMBER"
        self._members.append(member)
    self._check_threshold(len(members), convert(threshold, uint256))
    self._threshold = convert(threshold, uint256)
    for agreement: GenesisAgreement in agreements:
        admission._found(agreement.at, agreement.name)
    for validator: validator_set.Validator in validators:
        validator_set._found(validator)
    validator_set._found_consensus()


# ---------------------------------------------------------------------------------------------------------- questions


@view
@external
def admit(sender: address, to: address, initcode_hash: bytes32) -> uint256:
    """
    @notice Whether a transaction may stand in this block (money.md §6): 0, else 1 the sender is no active key,
            2 `to` is no agreement in force, 3 the code is not approved.
    @param to Zero for a creation. A transaction whose `to` is the zero address itself is never admissible.
    @param initcode_hash keccak256 of a creation's data, zero for a call.
    """
    if registry._standing(sender) == 0:
        return BAD_SENDER
    if to == empty(address):
        return 0 if admission._approved_code[initcode_hash] else BAD_CODE
    return 0 if admission._in_force(to) != empty(bytes32) else BAD_RECEIVER


@view
@external
def decided(proposal: uint64) -> (bytes32, uint256):
    """
    @notice keccak256(abi_encode(act, arguments)) of a proposal that passed and when (UTC epoch seconds), else zeros.
    """
    if self._proposals[proposal].decided_at == 0:
        return empty(bytes32), 0
    return self._proposals[proposal].content, convert(self._proposals[proposal].decided_at, uint256)


@view
@external
def proposal(id: uint64) -> Proposal:
    """
    @notice Content hash, expiry, time of the decision (0 before) and the organisations that approved.
    """
    return self._proposals[id]


@view
@external
def council() -> (DynArray[uint16, 64], uint256):
    """
    @notice The members and how many of them decide.
    """
    return self._members, self._threshold


# -------------------------------------------------------------------------------------------------------- the council


@external
def propose(act: uint8, arguments: uint256[4]) -> uint64:
    """
    @notice Puts an act to the council; the proposer's own approval is in it, so that a council of one decides at once.
    @return The proposal's number, from 1.
    """
    member: uint16 = self._approver()
    assert (act >= ADMIT and act <= EXTEND_TRUST) or act >= FIRST_DECISION, "ACT"
    self._check(act, arguments)
    id: uint64 = self.proposal_count + 1
    expires: uint64 = convert(block.timestamp + PROPOSAL_SECONDS, uint64)
    self.proposal_count = id
    self._proposals[id].content = keccak256(abi_encode(act, arguments))
    self._proposals[id].expires = expires
    log Proposed(proposal=id, act=act, organisation=member, arguments=arguments, expires=expires)
    self._approve(id, member, act, arguments)
    return id


@external
def approve(proposal: uint64, act: uint8, arguments: uint256[4]):
    """
    @notice A member's approval; the one that reaches the threshold carries the act out. Approvals of organisations
            that left the council since do not count. Reverts SENDER, PROPOSAL, DECIDED, EXPIRED, TWICE, and whatever
            stands against the act itself.
    """
    member: uint16 = self._approver()
    assert self._proposals[proposal].content == keccak256(abi_encode(act, arguments)), "PROPOSAL"
    assert self._proposals[proposal].decided_at == 0, "DECIDED"
    assert block.timestamp <= convert(self._proposals[proposal].expires, uint256), "EXPIRED"
    assert member not in self._proposals[proposal].approvals, "TWICE"
    self._approve(proposal, member, act, arguments)


@internal
def _approve(id: uint64, member: uint16, act: uint8, arguments: uint256[4]):
    count: uint256 = 1
    for approval: uint16 in self._proposals[id].approvals:
        if self._is_member(approval):
            count += 1
    decides: bool = count >= self._threshold
    if decides:
        # The state may have moved on since it was proposed.
        self._check(act, arguments)
        self._proposals[id].decided_at = convert(block.timestamp, uint64)
    self._proposals[id].approvals.append(member)
    log Approved(proposal=id, organisation=member)
    if decides:
        log Decided(proposal=id, act=act, arguments=arguments)
        self._carry_out(id, act, arguments)


@view
@internal
def _check(act: uint8, arguments: uint256[4]):
    if act >= FIRST_DECISION:
        return
    id: uint256 = arguments[0]
    used: uint256 = 3
    if act == ADMIT:
        used = 4
        registry._check_new(id, words.to_address(arguments[1]), arguments[3])
        registry._check_unused(words.to_address(arguments[2]))
    elif act == APPROVE_CODE:
        used = 2
        assert arguments[0] != 0, "HASH"
        assert arguments[1] <= 1, "FLAG"
    elif act == REGISTER_AGREEMENT:
        admission._check_register(words.to_address(arguments[0]), convert(arguments[1], bytes32), arguments[2])
    elif act == RETIRE_AGREEMENT:
        used = 2
        admission._check_retire(words.to_address(arguments[0]), arguments[1])
    elif act == START_CONSENSUS:
        used = 1
        validator_set._check_start()
        admission._check_block(arguments[0])
    elif act == EXTEND_TRUST:
        used = 1
        assert arguments[0] != 0, "HASH"
    else:
        registry._check_known(id)
        if act == SET_ROLE:
            assert arguments[1] != 0 and arguments[1] <= 63, "ROLE"
            assert arguments[2] <= 1, "FLAG"
        elif act == SET_ACTIVE:
            used = 2
            assert arguments[1] <= 1, "FLAG"
        elif act == SET_ACCOUNT:
            used = 2
            assert words.to_address(arguments[1]) != empty(address), "ACCOUNT"
        elif act == SET_KEY:
            registry._check_key(id, words.to_address(arguments[1]), arguments[2])
        elif act == SET_COUNCIL:
            self._check_council(convert(id, uint16), arguments[1], arguments[2])
        else:
            validator_set._check_set(id, convert(arguments[1], bytes32), arguments[2])
    for word: uint256 in range(1, 4):
        assert word < used or arguments[word] == 0, "SPARE"


@internal
def _carry_out(proposal: uint64, act: uint8, arguments: uint256[4]):
    id: uint256 = arguments[0]
    if act == ADMIT:
        registry._admit(
            proposal, id, words.to_address(arguments[1]), words.to_address(arguments[2]), arguments[3]
        )
    elif act == SET_ROLE:
        registry._set_role(proposal, id, arguments[1], arguments[2] == 1)
    elif act == SET_ACTIVE:
        registry._set_active(proposal, id, arguments[1] == 1)
    elif act == SET_ACCOUNT:
        registry._set_account(proposal, id, words.to_address(arguments[1]))
    elif act == SET_KEY:
        registry._set_key(id, words.to_address(arguments[1]), arguments[2])
    elif act == APPROVE_CODE:
        admission._approve_code(proposal, convert(id, bytes32), arguments[1] == 1)
    elif act == REGISTER_AGREEMENT:
        admission._register(
            proposal, words.to_address(id), convert(arguments[1], bytes32), convert(arguments[2], uint64)
        )
    elif act == RETIRE_AGREEMENT:
        admission._retire(proposal, words.to_address(id), convert(arguments[1], uint64))
    elif act == SET_COUNCIL:
        self._set_council(proposal, convert(id, uint16), arguments[1] == 1, arguments[2])
    elif act == SET_VALIDATOR:
        validator_set._set(proposal, convert(id, uint16), convert(arguments[1], bytes32), convert(arguments[2], uint64))
    elif act == START_CONSENSUS:
        validator_set._start(proposal, convert(id, uint64))
    elif act == EXTEND_TRUST:
        log TrustExtended(entry_hash=convert(id, bytes32), proposal=proposal)


@view
@internal
def _check_council(member: uint16, flag: uint256, threshold: uint256):
    assert flag <= 1, "FLAG"
    size: uint256 = len(self._members)
    if self._is_member(member):
        if flag == 0:
            size -= 1
    elif flag == 1:
        size += 1
    assert size <= MAX_MEMBERS, "TOO MANY"
    self._check_threshold(size, threshold)


@pure
@internal
def _check_threshold(size: uint256, threshold: uint256):
    # A minority never decides, and somebody always can.
    assert threshold <= size and threshold * 2 > size, "THRESHOLD"


@internal
def _set_council(proposal: uint64, organisation: uint16, joins: bool, threshold: uint256):
    kept: DynArray[uint16, 64] = []
    for other: uint16 in self._members:
        if other != organisation:
            kept.append(other)
    if joins:
        kept.append(organisation)
    self._members = kept
    self._threshold = threshold
    log CouncilChanged(organisation=organisation, member=joins, threshold=convert(threshold, uint8), proposal=proposal)


@view
@internal
def _approver() -> uint16:
    standing: uint256 = registry._standing(msg.sender)
    member: uint16 = standings.organisation(standing)
    assert (standing >> 16) & standings.APPROVE != 0 and self._is_member(member), "SENDER"
    return member


@view
@internal
def _is_member(organisation: uint16) -> bool:
    return organisation in self._members
