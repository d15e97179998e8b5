# pragma version 0.4.3
"""
@title Who acts and who is paid, as Fares and Credits ask Organisations
"""

from interfaces import IOrganisations
from lib import standing as standings

OPERATOR: constant(uint8) = 2
CLEARING_HOUSE: constant(uint8) = 12
GUARANTOR: constant(uint8) = 14
M12: constant(uint256) = 2**12 - 1
M16: constant(uint256) = 2**16 - 1
M32: constant(uint256) = 2**32 - 1
# One credit of one record; so a lane of 32 bits holds the sum of 512 records.
MAX_CREDIT: constant(uint256) = 2**23 - 1

ORGANISATIONS: immutable(IOrganisations)


@deploy
def __init__(organisations: address):
    ORGANISATIONS = IOrganisations(organisations)


@view
@internal
def authorise(role: uint8, purpose: uint256) -> uint256:
    """
    @notice The sender's organisation, which holds the role with a key of that purpose; reverts SENDER.
    """
    standing: uint256 = staticcall ORGANISATIONS.standing(msg.sender)
    assert standings.may(standing, convert(role, uint256), purpose), "SENDER"
    return standing & M16


@view
@internal
def any_active() -> uint256:
    """
    @notice The sender's organisation, whatever it is; reverts SENDER.
    """
    standing: uint256 = staticcall ORGANISATIONS.standing(msg.sender)
    assert standing != 0, "SENDER"
    return standing & M16


@view
@internal
def holds(organisation: uint256, role: uint8) -> bool:
    """
    @notice Whether an organisation that a card's slot can name holds the role.
    """
    return organisation <= M12 and staticcall ORGANISATIONS.holds(convert(organisation, uint16), role)


@view
@internal
def account_of(organisation: uint256) -> address:
    """
    @notice Where an organisation's Won is taken from and paid to.
    """
    return staticcall ORGANISATIONS.account_of(convert(organisation, uint16))


@view
@internal
def table_mask(table: uint256, others: uint256) -> uint256:
    """
    @notice The bits that a record's lanes may use; reverts TABLE unless the ids rise and each is an operator's, or
            that of the clearing house itself (`others`, 0 for none).
    """
    mask: uint256 = 0
    last: uint256 = 0
    rest: uint256 = table
    for lane: uint256 in range(7):
        id: uint256 = rest & M32
        if id == 0:
            break
        assert id > last and (id == others or self.holds(id, OPERATOR)), "TABLE"
        mask |= MAX_CREDIT << (lane << 5)
        last = id
        rest >>= 32
    assert rest == 0, "TABLE"
    return mask
