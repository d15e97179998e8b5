# pragma version 0.4.3
# pragma optimize gas
"""
@title Settlement's record loop alone (money.md §3), for measuring engines without the agreements around it
@notice One word a card, signatures checked, one lot a card where it has one, leaves and their Merkle root.
"""

struct Record:
    head: uint256  # card 160 | charge 32 | missing 32 | tap time 32
    sums: uint256  # cum 40 | own 40 | seq 24 | day 16
    context: uint256
    r: uint256
    vs: uint256
    lanes: uint256

event Settled:
    batch: indexed(uint256)
    root: bytes32
    size: uint256
    sums: uint256
    paid: uint256

TYPE_HASH: constant(bytes32) = keccak256(
    "FareState(address card,uint32 seq,uint64 cumWon,uint64 cumOwnWon,uint32 chargeWon,uint32 missingOutWon,uint16 serviceDay,uint32 tapTime,bytes32 context)"
)
M16: constant(uint256) = 2**16 - 1
M24: constant(uint256) = 2**24 - 1
M32: constant(uint256) = 2**32 - 1
M40: constant(uint256) = 2**40 - 1
M104: constant(uint256) = 2**104 - 1
M160: constant(uint256) = 2**160 - 1
M255: constant(uint256) = 2**255 - 1
HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168

DOMAIN_SEPARATOR: immutable(bytes32)
# Slot 0 and 1: the word of a card (cum 40 | own 40 | seq 24 | … | balance 32 at 160 | live lot at 252), and its lot.
cards: HashMap[uint256, uint256]
lots: HashMap[uint256, uint256]
batches: HashMap[uint256, bytes32]
batch: uint256

@deploy
def __init__():
    DOMAIN_SEPARATOR = keccak256(abi_encode(keccak256("Records"), chain.id, self))

@view
@internal
def _digest(head: uint256, sums: uint256, context: uint256) -> bytes32:
    fields: uint256[10] = [
        convert(TYPE_HASH, uint256), head & M160, (sums >> 80) & M24, sums & M40, (sums >> 40) & M40,
        (head >> 160) & M32, (head >> 192) & M32, (sums >> 104) & M16, head >> 224, context,
    ]
    return keccak256(concat(b"\x19\x01", DOMAIN_SEPARATOR, keccak256(abi_encode(fields))))

@internal
def _draw(card: uint256, day: uint256, most: uint256) -> uint256:
    lot: uint256 = self.lots[card]
    left: uint256 = lot & M32
    used: uint256 = (lot >> 32) & M32
    if (lot >> 64) & M16 != day:
        used = 0
    taken: uint256 = min(min(most, left), unsafe_sub((lot >> 80) & M32, used))
    self.lots[card] = (lot >> 80 << 80) | (day << 64) | (unsafe_add(used, taken) << 32) | unsafe_sub(left, taken)
    return taken

@external
def enrol(words: DynArray[uint256, 256], with_lot: bool):
    for card: uint256 in words:
        self.cards[card] = (1_000_000 << 160) | (convert(with_lot, uint256) << 252)
        if with_lot:
            self.lots[card] = (50_000 << 80) | 1_000_000

@external
def settle(day: uint256, records: DynArray[Record, 256]):
    leaves: bytes32[256] = empty(bytes32[256])
    sums: uint256 = 0
    paid: uint256 = 0
    at: uint256 = 0
    for record: Record in records:
        card: uint256 = record.head & M160
        claimed: uint256 = record.sums
        slot: uint256 = self.cards[card]
        increase: uint256 = unsafe_sub(claimed & M40, slot & M40)
        own: uint256 = unsafe_sub((claimed >> 40) & M40, (slot >> 40) & M40)
        s: uint256 = record.vs & M255
        digest: bytes32 = self._digest(record.head, claimed, record.context)
        signer: address = ecrecover(digest, 27 + (record.vs >> 255), record.r, s)
        failed: uint256 = (
            convert(slot == 0, uint256)
            | (convert((claimed >> 80) & M24 <= (slot >> 80) & M24, uint256) << 1)
            | (convert(increase > claimed & M40, uint256) << 2)
            | (convert(own > increase, uint256) << 3)
            | (convert(s > HALF_ORDER, uint256) << 4)
            | (convert(signer != convert(convert(card, uint160), address), uint256) << 5)
            | (convert(record.lanes % M32 != increase, uint256) << 6)
        )
        balance: uint256 = (slot >> 160) & M32
        sources: uint256 = 0
        if failed == 0:
            voucher: uint256 = 0
            if slot >> 252 != 0:
                voucher = self._draw(card, day, increase)
            rest: uint256 = min(unsafe_sub(increase, voucher), balance)
            self.cards[card] = unsafe_sub(slot >> 104 << 104 | (claimed & M104), rest << 160)
            sources = (voucher << 192) | (rest << 128) | (unsafe_sub(unsafe_sub(increase, voucher), rest) << 64)
            sums = unsafe_add(sums, record.lanes)
            paid = unsafe_add(paid, sources)
        leaves[at] = keccak256(
            concat(
                b"\x00",
                convert((card << 96) | (((claimed >> 80) & M24) << 64) | (day << 48) | (failed << 32), bytes32),
                convert((increase << 192) | ((claimed & M40) << 128) | (own << 64), bytes32),
                convert(sources, bytes32),
                digest,
            )
        )
        at = unsafe_add(at, 1)
    size: uint256 = at
    for _: uint256 in range(8):
        if size < 2:
            break
        half: uint256 = size >> 1
        for i: uint256 in range(half, bound=128):
            left: bytes32 = leaves[unsafe_mul(2, i)]
            leaves[i] = keccak256(concat(b"\x01", left, leaves[unsafe_add(unsafe_mul(2, i), 1)]))
        if size & 1 != 0:
            leaves[half] = leaves[unsafe_sub(size, 1)]
        size = unsafe_add(half, size & 1)
    self.batch += 1
    self.batches[self.batch] = keccak256(abi_encode(leaves[0], at, sums, paid))
    log Settled(batch=self.batch, root=leaves[0], size=at, sums=sums, paid=paid)
