# pragma version 0.4.3
"""
@title The proof that a card was cloned (money.md §2)
"""

from interfaces import IFares
from lib import fares_states as states
from lib import fares_store as store
from lib import parties

uses: store
uses: states
uses: parties

M4: constant(uint256) = 2**4 - 1
M24: constant(uint256) = 2**24 - 1
M160: constant(uint256) = 2**160 - 1


@external
def prove_clone(state: IFares.Record, other: IFares.Record):
    """
    @notice Two signatures of a card over different digests of one seq: from here on it settles as a forked card
            (money.md §2). Any organisation may say so; `lanes` are not read.
    """
    parties.any_active()
    card: uint256 = state.head & M160
    slot: uint256 = store.cards[card][0]
    assert slot != 0, "UNKNOWN"
    assert (slot >> 248) & M4 == store.ENROLLED, "FORKED"
    digest: bytes32 = states.digest(state.head, state.sums, state.context)
    other_digest: bytes32 = states.digest(other.head, other.sums, other.context)
    seq: uint256 = (state.sums >> 80) & M24
    assert other.head & M160 == card and digest != other_digest and (other.sums >> 80) & M24 == seq, "SAME"
    assert states.signed_by(digest, state.r, state.vs, card), "SIGNATURE"
    assert states.signed_by(other_digest, other.r, other.vs, card), "SIGNATURE"
    store.cards[card][0] = slot ^ ((store.ENROLLED ^ store.FORKED) << 248)
    log IFares.Forked(
        card=convert(convert(card, uint160), address),
        seq=convert(seq, uint32),
        digest=digest,
        other_digest=other_digest,
    )
