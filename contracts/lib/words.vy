# pragma version 0.4.3
"""
@title Words of a proposal as narrower types
"""


@pure
@internal
def to_address(word: uint256) -> address:
    """
    @notice The address in a word; reverts ADDRESS where it is wider.
    """
    assert word >> 160 == 0, "ADDRESS"
    return convert(convert(word, uint160), address)
