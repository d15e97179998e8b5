# pragma version 0.4.3
"""
@title What a sender may do, read from Organisations.standing
@dev Word: organisation id bits 0..15 | purposes bits 16..31 | bit 32 + role for each role held (money.md §6).
"""

from interfaces import IOrganisations

CITY: constant(uint256) = 1
BANK: constant(uint256) = 3
CLEARING_HOUSE: constant(uint256) = 12
ELIGIBILITY_REGISTRY: constant(uint256) = 13

ADMINISTER: constant(uint256) = 1
ISSUE: constant(uint256) = 2
SETTLE: constant(uint256) = 4
APPROVE: constant(uint256) = 8
ATTEST: constant(uint256) = 16


@pure
@internal
def may(standing: uint256, role: uint256, purpose: uint256) -> bool:
    """
    @notice Whether the key has the purpose and its organisation the role.
    """
    return (standing >> 16) & purpose != 0 and (standing >> (32 + role)) & 1 != 0


@pure
@internal
def organisation(standing: uint256) -> uint16:
    """
    @notice The organisation's id, 0 for nobody.
    """
    return convert(standing & 65535, uint16)
