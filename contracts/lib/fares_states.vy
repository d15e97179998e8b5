# pragma version 0.4.3
"""
@title The EIP-712 digest of a card's state and who signed it (money.md §2)
"""

TYPE_HASH: constant(bytes32) = keccak256(
    "FareState(address card,uint32 seq,uint64 cumWon,uint64 cumOwnWon,uint64 dayStartCumWon,uint64 dayStartOwnWon,uint32 chargeWon,uint32 missingOutWon,uint16 serviceDay,uint32 tapTime,bytes32 context)"
)
DOMAIN_TYPE_HASH: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
M16: constant(uint256) = 2**16 - 1
M24: constant(uint256) = 2**24 - 1
M32: constant(uint256) = 2**32 - 1
M40: constant(uint256) = 2**40 - 1
M160: constant(uint256) = 2**160 - 1
M255: constant(uint256) = 2**255 - 1
HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168

DOMAIN_SEPARATOR: immutable(bytes32)


@deploy
def __init__():
    DOMAIN_SEPARATOR = keccak256(
        abi_encode(DOMAIN_TYPE_HASH, keccak256("Dure Fares"), keccak256("1"), chain.id, self)
    )


@view
@internal
def digest(head: uint256, sums: uint256, context: uint256) -> bytes32:
    """
    @notice What reader and card sign.
    """
    fields: uint256[12] = [
        convert(TYPE_HASH, uint256),
        head & M160,
        (sums >> 80) & M24,
        sums & M40,
        (sums >> 40) & M40,
        (sums >> 120) & M40,
        (sums >> 160) & M40,
        (head >> 160) & M32,
        (head >> 192) & M32,
        (sums >> 104) & M16,
        head >> 224,
        context,
    ]
    return keccak256(concat(0x1901, DOMAIN_SEPARATOR, keccak256(abi_encode(fields))))


@pure
@internal
def signed_by(digest: bytes32, r: uint256, vs: uint256, card: uint256) -> bool:
    """
    @notice Whether the card signed it (EIP-2098), s in the lower half.
    """
    s: uint256 = vs & M255
    return s <= HALF_ORDER and ecrecover(digest, 27 + (vs >> 255), r, s) == convert(convert(card, uint160), address)
