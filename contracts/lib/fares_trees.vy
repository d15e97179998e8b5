# pragma version 0.4.3
"""
@title Trees of RFC 6962 §2.1 over keccak256: leaf H(00 ‖ bytes), node H(01 ‖ left ‖ right), odd nodes promoted
"""

MAX_LEAVES: constant(uint256) = 256


@pure
@internal
def root(leaves: bytes32[256], size: uint256) -> bytes32:
    """
    @notice Root over the first `size` leaf hashes, 1 to 256.
    """
    level: bytes32[256] = leaves
    left: uint256 = size
    for _: uint256 in range(8):
        if left == 1:
            break
        half: uint256 = left >> 1
        for i: uint256 in range(half, bound=128):
            level[i] = keccak256(concat(0x01, level[i << 1], level[(i << 1) | 1]))
        if left & 1 != 0:
            level[half] = level[left - 1]
        left = half + (left & 1)
    return level[0]


@pure
@internal
def root_of_words(words: DynArray[uint256, 256]) -> bytes32:
    """
    @notice Root over leaves of 32 bytes.
    """
    hashes: bytes32[256] = empty(bytes32[256])
    at: uint256 = 0
    for word: uint256 in words:
        hashes[at] = keccak256(concat(0x00, convert(word, bytes32)))
        at += 1
    return self.root(hashes, at)


@pure
@internal
def contains(leaf: uint256[4], index: uint256, size: uint256, path: DynArray[bytes32, 8], root: bytes32) -> bool:
    """
    @notice Whether the 128-byte leaf stands at `index` of a tree of this size and root (RFC 9162 §2.1.3.2).
    """
    if index >= size:
        return False
    found: bytes32 = keccak256(
        concat(
            0x00,
            convert(leaf[0], bytes32),
            convert(leaf[1], bytes32),
            convert(leaf[2], bytes32),
            convert(leaf[3], bytes32),
        )
    )
    at: uint256 = index
    last: uint256 = size - 1
    for sibling: bytes32 in path:
        if last == 0:
            return False
        if at & 1 != 0 or at == last:
            found = keccak256(concat(0x01, sibling, found))
            for _: uint256 in range(8):
                if at & 1 != 0 or at == 0:
                    break
                at >>= 1
                last >>= 1
        else:
            found = keccak256(concat(0x01, found, sibling))
        at >>= 1
        last >>= 1
    return last == 0 and found == root
