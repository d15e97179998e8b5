# pragma version 0.4.3
"""
@title Organisations, their sender keys and roles: the part of Organisations that every transaction asks
"""

event KeyChanged:
    organisation: indexed(uint16)
    key: indexed(address)
    purposes: uint16

event NodeChanged:
    organisation: indexed(uint16)
    node: bytes20

event Admitted:
    organisation: indexed(uint16)
    account: address
    key: address
    roles: uint256
    proposal: uint64

event RoleChanged:
    organisation: indexed(uint16)
    role: indexed(uint8)
    active: bool
    proposal: uint64

event ActiveChanged:
    organisation: indexed(uint16)
    active: bool
    proposal: uint64

event AccountChanged:
    organisation: indexed(uint16)
    account: address
    proposal: uint64

# Card slots hold organisation ids in 12 bits (settlement.md).
MAX_ID: constant(uint256) = 4095
MAX_KEYS: constant(uint256) = 64
ALL_PURPOSES: constant(uint256) = 31
ADMINISTER: constant(uint256) = 1
ROLES_SHIFT: constant(uint256) = 32
MAX_ROLE: constant(uint256) = 63
# Bit 0 is no role.
ROLE_BITS: constant(uint256) = 2**64 - 2
KNOWN: constant(uint256) = 1
ACTIVE: constant(uint256) = 2

# id bits 0..15 | purposes bits 16..31; no purposes: revoked for ever
_keys: HashMap[address, uint256]
# KNOWN | ACTIVE | roles from bit 32, where `standing` has them
_organisations: HashMap[uint256, uint256]
_accounts: HashMap[uint256, address]
_key_counts: HashMap[uint256, uint256]
_administer_counts: HashMap[uint256, uint256]
_nodes: HashMap[uint256, bytes20]


# ---------------------------------------------------------------------------------------------------------- questions


@view
@external
def standing(sender: address) -> uint256:
    """
    @notice Organisation id bits 0..15 | purposes bits 16..31 | bit 32 + role for each role held; 0 unless the key and
            its organisation are active. Every agreement authorises by this one word.
    """
    return self._standing(sender)


@view
@external
def account_of(organisation: uint16) -> address:
    """
    @notice Where the organisation's Won is paid out and taken from; zero for an unknown one.
    """
    return self._accounts[convert(organisation, uint256)]


@view
@external
def holds(organisation: uint16, role: uint8) -> bool:
    """
    @notice Whether the role stands. Suspension stops an organisation's keys, not what it is owed, so it takes no role.
    """
    if convert(role, uint256) > MAX_ROLE:
        return False
    return (self._organisations[convert(organisation, uint256)] >> (ROLES_SHIFT + convert(role, uint256))) & 1 != 0


@view
@external
def is_active(organisation: uint16) -> bool:
    """
    @notice Whether the organisation is admitted and not suspended.
    """
    return self._organisations[convert(organisation, uint256)] & ACTIVE != 0


@view
@external
def node_of(organisation: uint16) -> bytes20:
    """
    @notice The organisation's node id, by which peers let each other in (consensus.md §0); zero for none.
    """
    return self._nodes[convert(organisation, uint256)]


# ------------------------------------------------------------------------------------------- an organisation's own acts


@external
def set_key(key: address, purposes: uint16):
    """
    @notice Adds a key of the sender's organisation, changes its purposes, or revokes it (0). A revoked key never
            returns. By a key that administers. Reverts SENDER, KEY, KEY USED, PURPOSES, TOO MANY, LAST.
    """
    id: uint256 = self._administered()
    self._check_key(id, key, convert(purposes, uint256))
    loses: bool = (self._keys[key] >> 16) & ADMINISTER != 0 and convert(purposes, uint256) & ADMINISTER == 0
    assert not loses or self._administer_counts[id] > 1, "LAST"
    self._set_key(id, key, convert(purposes, uint256))


@external
def rotate_key(old: address, new: address):
    """
    @notice Revokes a key of the sender's organisation and gives its purposes to a new one. By a key that administers.
            Reverts SENDER, KEY, KEY USED.
    """
    id: uint256 = self._administered()
    word: uint256 = self._keys[old]
    assert word & 65535 == id and word >> 16 != 0 and new != empty(address), "KEY"
    assert self._keys[new] == 0, "KEY USED"
    self._set_key(id, old, 0)
    self._set_key(id, new, word >> 16)


@external
def set_node(node: bytes20):
    """
    @notice States the node id of the sender's organisation. By a key that administers. Reverts SENDER.
    """
    id: uint256 = self._administered()
    self._nodes[id] = node
    log NodeChanged(organisation=convert(id, uint16), node=node)


# ---------------------------------------------------------------------------------------------------------- for genesis


@internal
def _found(id: uint256, account: address, roles: uint256):
    self._check_new(id, account, roles)
    self._organisations[id] = (roles << ROLES_SHIFT) | ACTIVE | KNOWN
    self._accounts[id] = account


@internal
def _found_key(id: uint256, key: address, purposes: uint256):
    self._check_key(id, key, purposes)
    self._write_key(id, key, purposes)


# ------------------------------------------------------------------------------------------------- checks and acts


@view
@internal
def _check_known(id: uint256):
    assert id <= MAX_ID and self._organisations[id] != 0, "ORGANISATION"


@view
@internal
def _check_new(id: uint256, account: address, roles: uint256):
    assert id != 0 and id <= MAX_ID and self._organisations[id] == 0, "ORGANISATION"
    assert account != empty(address), "ACCOUNT"
    assert roles & ~ROLE_BITS == 0, "ROLE"


@view
@internal
def _check_key(id: uint256, key: address, purposes: uint256):
    self._check_known(id)
    assert key != empty(address), "KEY"
    assert purposes <= ALL_PURPOSES, "PURPOSES"
    word: uint256 = self._keys[key]
    if word == 0:
        assert purposes != 0, "KEY"
        assert self._key_counts[id] < MAX_KEYS, "TOO MANY"
    else:
        assert word & 65535 == id and word >> 16 != 0, "KEY USED"


@view
@internal
def _check_unused(key: address):
    assert key != empty(address), "KEY"
    assert self._keys[key] == 0, "KEY USED"


@internal
def _admit(proposal: uint64, id: uint256, account: address, key: address, roles: uint256):
    self._organisations[id] = (roles << ROLES_SHIFT) | ACTIVE | KNOWN
    self._accounts[id] = account
    log Admitted(organisation=convert(id, uint16), account=account, key=key, roles=roles, proposal=proposal)
    self._set_key(id, key, ADMINISTER)


@internal
def _set_role(proposal: uint64, id: uint256, role: uint256, active: bool):
    bit: uint256 = 1 << (ROLES_SHIFT + role)
    word: uint256 = self._organisations[id]
    self._organisations[id] = word | bit if active else word & ~bit
    log RoleChanged(organisation=convert(id, uint16), role=convert(role, uint8), active=active, proposal=proposal)


@internal
def _set_active(proposal: uint64, id: uint256, active: bool):
    word: uint256 = self._organisations[id]
    self._organisations[id] = word | ACTIVE if active else word & ~ACTIVE
    log ActiveChanged(organisation=convert(id, uint16), active=active, proposal=proposal)


@internal
def _set_account(proposal: uint64, id: uint256, account: address):
    self._accounts[id] = account
    log AccountChanged(organisation=convert(id, uint16), account=account, proposal=proposal)


@internal
def _set_key(id: uint256, key: address, purposes: uint256):
    self._write_key(id, key, purposes)
    log KeyChanged(organisation=convert(id, uint16), key=key, purposes=convert(purposes, uint16))


@internal
def _write_key(id: uint256, key: address, purposes: uint256):
    before: uint256 = self._keys[key] >> 16
    if before == 0:
        self._key_counts[id] += 1
    elif purposes == 0:
        self._key_counts[id] -= 1
    if before & ADMINISTER != 0:
        self._administer_counts[id] -= 1
    if purposes & ADMINISTER != 0:
        self._administer_counts[id] += 1
    self._keys[key] = id | (purposes << 16)


@view
@internal
def _standing(sender: address) -> uint256:
    word: uint256 = self._keys[sender]
    if word >> 16 == 0:
        return 0
    organisation: uint256 = self._organisations[word & 65535]
    if organisation & ACTIVE == 0:
        return 0
    return word | (organisation >> ROLES_SHIFT << ROLES_SHIFT)


@view
@internal
def _administered() -> uint256:
    standing: uint256 = self._standing(msg.sender)
    assert (standing >> 16) & ADMINISTER != 0, "SENDER"
    return standing & 65535
