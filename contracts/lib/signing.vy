# pragma version 0.4.3
"""
@title EIP-712 digests and the keys behind signatures
"""

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
VERSION: constant(bytes32) = keccak256("1")
HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168
PARITY_SHIFT: constant(uint256) = 255


@view
@internal
def domain(name: bytes32) -> bytes32:
    """
    @notice EIP-712 domain separator of version "1", this chain and this agreement.
    @param name keccak256 of the domain's name.
    """
    return keccak256(abi_encode(DOMAIN_TYPE, name, VERSION, chain.id, self))


@pure
@internal
def digest(domain: bytes32, struct_hash: bytes32) -> bytes32:
    """
    @notice keccak256(0x1901 ‖ domain separator ‖ struct hash).
    """
    return keccak256(concat(0x1901, domain, struct_hash))


@pure
@internal
def signer(digest: bytes32, v: uint256, r: uint256, s: uint256) -> address:
    """
    @notice Who signed; zero for a high s (EIP-2), a v other than 27 or 28, or numbers that are no signature.
    """
    if s > HALF_ORDER or (v != 27 and v != 28):
        return empty(address)
    return ecrecover(digest, v, r, s)


@pure
@internal
def compact_signer(digest: bytes32, r: uint256, vs: uint256) -> address:
    """
    @notice The same for EIP-2098: the parity of v in the top bit of s.
    """
    return self.signer(digest, 27 + (vs >> PARITY_SHIFT), r, vs & (2**255 - 1))
