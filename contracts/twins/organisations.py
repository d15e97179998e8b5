"""Organisations, said again in plain Python (contracts/organisations.vy and its modules)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from contracts import addresses
from contracts.client import encode
from contracts.codes import Act, Admission, Purpose
from contracts.hashing import keccak
from contracts.twins.base import NO_HASH, NOBODY, Clock, Log, require

MAX_ID: Final = 4095
MAX_KEYS: Final = 64
MAX_MEMBERS: Final = 64
MAX_AGREEMENTS: Final = 256
MAX_VALIDATORS: Final = 100
MAX_POWER: Final = 1000
OPEN: Final = 2**64 - 1
PROPOSAL_SECONDS: Final = 35 * 86_400
CHANGE_BLOCKS: Final = 2
FIRST_DECISION: Final = 64
WORDS_OF: Final = {
    Act.ADMIT: 4,
    Act.SET_ACTIVE: 2,
    Act.SET_ACCOUNT: 2,
    Act.APPROVE_CODE: 2,
    Act.RETIRE_AGREEMENT: 2,
    Act.START_CONSENSUS: 1,
    Act.EXTEND_TRUST: 1,
}

Arguments = Sequence[int]


@dataclass(slots=True)
class Organisation:
    """One organisation: where its Won lies, the roles it holds (a bit each), whether it is suspended."""

    account: bytes
    roles: int
    active: bool = True


@dataclass(slots=True)
class Key:
    """One sender key; no purposes: revoked for ever."""

    organisation: int
    purposes: int


@dataclass(slots=True)
class Proposal:
    """What the council is asked; decided_at is 0 before."""

    content: bytes
    expires: int
    decided_at: int = 0
    approvals: list[int] = field(default_factory=list)


def content_of(act: int, arguments: Arguments) -> bytes:
    """keccak256(abi_encode(act, arguments)): what `decided` answers."""
    return keccak(encode(["uint8", "uint256[4]"], [act, list(arguments)]))


def to_address(word: int) -> bytes:
    """A word as address; refuses ADDRESS where it is wider."""
    require(word >> 160 == 0, "ADDRESS")
    return word.to_bytes(20, "big")


@dataclass
class Organisations:
    """The whole agreement. `deployed` says whether code stands at an address."""

    clock: Clock
    at: bytes = addresses.ORGANISATIONS
    organisations: dict[int, Organisation] = field(default_factory=dict)
    keys: dict[bytes, Key] = field(default_factory=dict)
    members: list[int] = field(default_factory=list)
    threshold: int = 1
    agreements: dict[bytes, tuple[bytes, int, int]] = field(default_factory=dict)
    validators: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    consensus_from: int = 0
    validators_changed: int = 0
    approved_code: set[bytes] = field(default_factory=set)
    nodes: dict[int, bytes] = field(default_factory=dict)
    reports: set[tuple[bytes, int, int]] = field(default_factory=set)
    proposals: dict[int, Proposal] = field(default_factory=dict)
    deployed: set[bytes] = field(default_factory=set)
    log: Log = field(default_factory=Log)

    # --- questions

    def standing(self, sender: bytes) -> int:
        """Organisation id | purposes << 16 | roles << 32; 0 unless key and organisation are active."""
        key = self.keys.get(sender)
        if key is None or key.purposes == 0 or not self.organisations[key.organisation].active:
            return 0
        return key.organisation | key.purposes << 16 | self.organisations[key.organisation].roles << 32

    def may(self, sender: bytes, role: int, purpose: int) -> int:
        """The organisation for which this key may act in this role, else 0."""
        standing = self.standing(sender)
        allowed = standing >> (32 + role) & 1 and standing >> 16 & purpose
        return standing & 0xFFFF if allowed else 0

    def admit(self, sender: bytes, to: bytes, initcode_hash: bytes) -> Admission:
        """Whether a transaction may stand in this block."""
        if self.standing(sender) == 0:
            return Admission.SENDER
        if to == NOBODY:
            return Admission.ADMISSIBLE if initcode_hash in self.approved_code else Admission.CODE
        return Admission.ADMISSIBLE if self.agreement(to) != NO_HASH else Admission.RECEIVER

    def account_of(self, organisation: int) -> bytes:
        """Where its Won is paid out and taken from."""
        found = self.organisations.get(organisation)
        return found.account if found else NOBODY

    def holds(self, organisation: int, role: int) -> bool:
        """Whether the role stands, suspended or not."""
        found = self.organisations.get(organisation)
        return found is not None and role <= 63 and bool(found.roles >> role & 1)

    def agreement(self, at: bytes) -> bytes:
        """Name of the agreement in force at an address."""
        name, first, last = self.agreements.get(at, (NO_HASH, 0, OPEN))
        return name if first <= self.clock.block <= last else NO_HASH

    def decided(self, proposal: int) -> tuple[bytes, int]:
        """Content and time of a decision, else zeros."""
        found = self.proposals.get(proposal)
        return (found.content, found.decided_at) if found and found.decided_at else (NO_HASH, 0)

    # --- an organisation's own acts

    def set_key(self, sender: bytes, key: bytes, purposes: int) -> None:
        """Adds, changes or revokes a key."""
        organisation = self._administered(sender)
        self._check_key(organisation, key, purposes)
        loses = key in self.keys and self.keys[key].purposes & Purpose.ADMINISTER and not purposes & Purpose.ADMINISTER
        administering = [k for k in self._keys_of(organisation) if k.purposes & Purpose.ADMINISTER]
        require(not loses or len(administering) > 1, "LAST")
        self._set_key(organisation, key, purposes)

    def rotate_key(self, sender: bytes, old: bytes, new: bytes) -> None:
        """Gives a key's purposes to a new one."""
        organisation = self._administered(sender)
        found = self.keys.get(old)
        require(found is not None and found.organisation == organisation and found.purposes != 0, "KEY")
        require(new != NOBODY, "KEY")
        require(new not in self.keys, "KEY USED")
        purposes = self.keys[old].purposes
        self._set_key(organisation, old, 0)
        self._set_key(organisation, new, purposes)

    def set_node(self, sender: bytes, node: bytes) -> None:
        """States the organisation's node id."""
        organisation = self._administered(sender)
        self.nodes[organisation] = node
        self.log("NodeChanged", organisation=organisation, node=node)

    def report_misbehaviour(self, sender: bytes, pub_key: bytes, height: int, kind: int, evidence: bytes) -> None:
        """Reports a validator that signed twice."""
        reporter = self.standing(sender) & 0xFFFF
        require(reporter in self.validators, "SENDER")
        require(any(pub_key == known for known, _ in self.validators.values()), "UNKNOWN")
        require(evidence != NO_HASH, "HASH")
        require((pub_key, height, kind) not in self.reports, "REPORTED")
        self.reports.add((pub_key, height, kind))
        self.log("Misbehaved", pub_key=pub_key, height=height, kind=kind, reporter=reporter, evidence_sha256=evidence)

    # --- the council

    def propose(self, sender: bytes, act: int, arguments: Arguments) -> int:
        """Puts an act to the council; the proposer approves it."""
        member = self._approver(sender)
        require(Act.ADMIT <= act <= Act.EXTEND_TRUST or act >= FIRST_DECISION, "ACT")
        self._check(act, arguments)
        number = len(self.proposals) + 1
        expires = self.clock.time + PROPOSAL_SECONDS
        self.proposals[number] = Proposal(content_of(act, arguments), expires)
        self.log("Proposed", proposal=number, act=act, organisation=member, arguments=tuple(arguments), expires=expires)
        self._approve(number, member, act, arguments)
        return number

    def approve(self, sender: bytes, number: int, act: int, arguments: Arguments) -> None:
        """A member's approval; the last one needed carries the act out."""
        member = self._approver(sender)
        found = self.proposals.get(number)
        require(found is not None and found.content == content_of(act, arguments), "PROPOSAL")
        proposal = self.proposals[number]
        require(proposal.decided_at == 0, "DECIDED")
        require(self.clock.time <= proposal.expires, "EXPIRED")
        require(member not in proposal.approvals, "TWICE")
        self._approve(number, member, act, arguments)

    def _approve(self, number: int, member: int, act: int, arguments: Arguments) -> None:
        proposal = self.proposals[number]
        decides = 1 + sum(other in self.members for other in proposal.approvals) >= self.threshold
        if decides:
            self._check(act, arguments)
            proposal.decided_at = self.clock.time
        proposal.approvals.append(member)
        self.log("Approved", proposal=number, organisation=member)
        if decides:
            self.log("Decided", proposal=number, act=act, arguments=tuple(arguments))
            self._carry_out(number, act, arguments)

    # --- checks

    def _check(self, act: int, arguments: Arguments) -> None:
        if act >= FIRST_DECISION:
            return
        a, b, c, d = arguments
        if act == Act.ADMIT:
            account = to_address(b)
            require(a != 0 and a <= MAX_ID and a not in self.organisations, "ORGANISATION")
            require(account != NOBODY, "ACCOUNT")
            require(d & 1 == 0 and d >> 64 == 0, "ROLE")
            require(to_address(c) != NOBODY, "KEY")
            require(to_address(c) not in self.keys, "KEY USED")
        elif act == Act.APPROVE_CODE:
            require(a != 0, "HASH")
            require(b <= 1, "FLAG")
        elif act == Act.REGISTER_AGREEMENT:
            require(to_address(a) not in self.agreements, "AGREEMENT")
            require(to_address(a) in self.deployed, "CODE")
            require(b != 0, "NAME")
            self._check_block(c)
            require(len(self.agreements) < MAX_AGREEMENTS, "TOO MANY")
        elif act == Act.RETIRE_AGREEMENT:
            at = to_address(a)
            open_still = at in self.agreements and self.agreements[at][2] == OPEN
            require(open_still and at != self.at, "AGREEMENT")
            self._check_block(b)
        elif act == Act.START_CONSENSUS:
            require(self.consensus_from == 0, "CONSENSUS")
            require(bool(self.validators), "EMPTY SET")
            self._check_block(a)
        elif act == Act.EXTEND_TRUST:
            require(a != 0, "HASH")
        else:
            self._check_of_organisation(act, a, b, c)
        require(not any(arguments[WORDS_OF.get(Act(act), 3) :]), "SPARE")

    def _check_of_organisation(self, act: int, organisation: int, b: int, c: int) -> None:
        require(organisation in self.organisations, "ORGANISATION")
        if act == Act.SET_ROLE:
            require(1 <= b <= 63, "ROLE")
            require(c <= 1, "FLAG")
        elif act == Act.SET_ACTIVE:
            require(b <= 1, "FLAG")
        elif act == Act.SET_ACCOUNT:
            require(to_address(b) != NOBODY, "ACCOUNT")
        elif act == Act.SET_KEY:
            self._check_key(organisation, to_address(b), c)
        elif act == Act.SET_COUNCIL:
            require(b <= 1, "FLAG")
            size = len({*self.members, organisation} if b else {*self.members} - {organisation})
            require(size <= MAX_MEMBERS, "TOO MANY")
            require(c <= size < 2 * c, "THRESHOLD")
        else:
            self._check_validator(organisation, b.to_bytes(32, "big"), c)

    def _check_key(self, organisation: int, key: bytes, purposes: int) -> None:
        require(key != NOBODY, "KEY")
        require(purposes <= 31, "PURPOSES")
        if key not in self.keys:
            require(purposes != 0, "KEY")
            live = [k for k in self._keys_of(organisation) if k.purposes]
            require(len(live) < MAX_KEYS, "TOO MANY")
        else:
            found = self.keys[key]
            require(found.organisation == organisation and found.purposes != 0, "KEY USED")

    def _check_validator(self, organisation: int, pub_key: bytes, power: int) -> None:
        require(pub_key != NO_HASH, "KEY")
        require(power <= MAX_POWER, "POWER")
        owned, before = self.validators.get(organisation, (NO_HASH, 0))
        others = {key for owner, (key, _) in self.validators.items() if owner != organisation}
        if power == 0:
            require(owned != NO_HASH, "UNKNOWN")
            require(owned == pub_key, "KEY")
            require(len(self.validators) > 1, "EMPTY SET")
        else:
            require(owned in (NO_HASH, pub_key), "OWNER")
            require(pub_key not in others, "KEY USED")
            require(owned != NO_HASH or len(self.validators) < MAX_VALIDATORS, "TOO MANY")
        if self.consensus_from:
            total = sum(p for _, p in self.validators.values())
            require(3 * abs(power - before) <= total, "THIRD")
            require(self.clock.block >= self.validators_changed + CHANGE_BLOCKS, "PENDING")

    def _check_block(self, number: int) -> None:
        require(self.clock.block < number < OPEN, "BLOCK")

    # --- acts

    def _carry_out(self, number: int, act: int, arguments: Arguments) -> None:
        a, b, c, d = arguments
        if act == Act.ADMIT:
            self.organisations[a] = Organisation(to_address(b), d)
            self.log("Admitted", organisation=a, account=to_address(b), key=to_address(c), roles=d, proposal=number)
            self._set_key(a, to_address(c), Purpose.ADMINISTER)
        elif act == Act.APPROVE_CODE:
            (self.approved_code.add if b else self.approved_code.discard)(a.to_bytes(32, "big"))
            self.log("CodeApproved", initcode_hash=a.to_bytes(32, "big"), approved=bool(b), proposal=number)
        elif act == Act.REGISTER_AGREEMENT:
            name = b.to_bytes(32, "big")
            self.agreements[to_address(a)] = (name, c, OPEN)
            self.log("AgreementRegistered", at=to_address(a), name=name, from_block=c, proposal=number)
        elif act == Act.RETIRE_AGREEMENT:
            name, first, _ = self.agreements[to_address(a)]
            self.agreements[to_address(a)] = (name, first, b)
            self.log("AgreementRetired", at=to_address(a), to_block=b, proposal=number)
        elif act == Act.START_CONSENSUS:
            self.consensus_from = a
            self.log("ConsensusStarted", from_block=a, proposal=number)
        elif act == Act.EXTEND_TRUST:
            self.log("TrustExtended", entry_hash=a.to_bytes(32, "big"), proposal=number)
        elif act < FIRST_DECISION:
            self._change_organisation(number, act, a, b, c)

    def _change_organisation(self, number: int, act: int, organisation: int, b: int, c: int) -> None:
        found = self.organisations[organisation]
        if act == Act.SET_ROLE:
            found.roles = found.roles | 1 << b if c else found.roles & ~(1 << b)
            self.log("RoleChanged", organisation=organisation, role=b, active=bool(c), proposal=number)
        elif act == Act.SET_ACTIVE:
            found.active = bool(b)
            self.log("ActiveChanged", organisation=organisation, active=bool(b), proposal=number)
        elif act == Act.SET_ACCOUNT:
            found.account = to_address(b)
            self.log("AccountChanged", organisation=organisation, account=found.account, proposal=number)
        elif act == Act.SET_KEY:
            self._set_key(organisation, to_address(b), c)
        elif act == Act.SET_COUNCIL:
            self.members = [m for m in self.members if m != organisation] + ([organisation] if b else [])
            self.threshold = c
            self.log("CouncilChanged", organisation=organisation, member=bool(b), threshold=c, proposal=number)
        else:
            pub_key = b.to_bytes(32, "big")
            self.validators_changed = self.clock.block
            self.validators.pop(organisation, None)
            if c:
                self.validators[organisation] = (pub_key, c)
            self.log("ValidatorChanged", organisation=organisation, pub_key=pub_key, power=c, proposal=number)

    def _set_key(self, organisation: int, key: bytes, purposes: int) -> None:
        self.keys[key] = Key(organisation, purposes)
        self.log("KeyChanged", organisation=organisation, key=key, purposes=purposes)

    def _keys_of(self, organisation: int) -> list[Key]:
        return [key for key in self.keys.values() if key.organisation == organisation]

    def _administered(self, sender: bytes) -> int:
        standing = self.standing(sender)
        require(bool(standing >> 16 & Purpose.ADMINISTER), "SENDER")
        return standing & 0xFFFF

    def _approver(self, sender: bytes) -> int:
        standing = self.standing(sender)
        require(bool(standing >> 16 & Purpose.APPROVE) and standing & 0xFFFF in self.members, "SENDER")
        return standing & 0xFFFF
