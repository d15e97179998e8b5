# pragma version 0.4.3
"""
@title Fares: cards, their purses and lots, settling of signed states, operators' credits (money.md §1 to §3)
"""

from lib import fares_cards as cards
from lib import fares_clones as clones
from lib import fares_lots as lots
from lib import fares_settle as settlement
from lib import fares_states as states
from lib import fares_store as store
from lib import parties

initializes: parties
initializes: store[parties := parties]
initializes: states
initializes: cards[store := store, parties := parties]
initializes: lots[store := store, parties := parties]
initializes: clones[store := store, parties := parties, states := states]
initializes: settlement[store := store, parties := parties, states := states, lots := lots]

exports: (
    cards.enrol,
    cards.set_caps,
    cards.fund,
    cards.report_lost,
    cards.withdraw,
    cards.sweep,
    cards.pay_in,
    cards.fund_risk_pool,
    lots.issue,
    lots.close_day,
    lots.lapse,
    settlement.settle,
    settlement.settle_fork,
    clones.prove_clone,
)

M32: constant(uint256) = 2**32 - 1


@deploy
def __init__(organisations: address, won: address, vouchers: address, credits: address):
    parties.__init__(organisations)
    store.__init__(won, vouchers, credits)
    states.__init__()


@internal
def _only_credits():
    assert msg.sender == store.CREDITS.address, "SENDER"


@external
def next_batch() -> uint256:
    """
    @notice A number for a batch that Credits opens. Only Credits.
    """
    self._only_credits()
    return store.next_batch()


@external
def amend(card: uint256, after: uint256[5]):
    """
    @notice A card's slot and lots as a correction leaves them; purses and lots change by the difference. Only Credits.
    """
    self._only_credits()
    before: uint256[5] = lots.live_words(card, store.cards[card][0])
    purses: uint256 = store.purses_won + ((after[0] >> 160) & M32)
    remaining: uint256 = store.lots_won
    for at: uint256 in range(1, 5):
        remaining += after[at] & M32
    for at: uint256 in range(5):
        if after[at] != before[at]:
            store.cards[card][at] = after[at]
        if at != 0:
            remaining -= before[at] & M32
    store.purses_won = purses - ((before[0] >> 160) & M32)
    store.lots_won = remaining


@external
def give(to: address, amount_won: uint256):
    """
    @notice Won that Credits paid out. Only Credits.
    """
    self._only_credits()
    store.give_won(to, amount_won)


@external
def give_lapsed(rule_set: uint16, last_service_day: uint16, amount_won: uint256):
    """
    @notice Won that a correction returns to the pool of a lapsed lot. Only Credits.
    """
    self._only_credits()
    store.return_lapsed(convert(rule_set, uint256), convert(last_service_day, uint256), amount_won)


@view
@external
def card(card: address) -> uint256[5]:
    """
    @notice The card's slot and its live lots (contracts/records.py, CardAccount); zeros if it is not enrolled.
    """
    word: uint256 = convert(card, uint256)
    return lots.live_words(word, store.cards[word][0])


@view
@external
def purses_won() -> uint256:
    """
    @notice Σ of all purses.
    """
    return store.purses_won


@view
@external
def lots_won() -> uint256:
    """
    @notice Σ of what remains in lots.
    """
    return store.lots_won


@view
@external
def batches() -> uint256:
    """
    @notice The last batch's number.
    """
    return store.batches


@view
@external
def is_closed(clearing_house: uint16, service_day: uint16) -> bool:
    """
    @notice Whether all records of a day are in.
    """
    return store.is_closed(convert(clearing_house, uint256), convert(service_day, uint256))


@view
@external
def lost_at(card: address) -> uint256:
    """
    @notice When a card was reported lost (block time), 0 for never.
    """
    return store.lost_at[convert(card, uint256)]


@view
@external
def digest_of(head: uint256, sums: uint256, context: uint256) -> bytes32:
    """
    @notice The EIP-712 digest of a state in its three words.
    """
    return states.digest(head, sums, context)
