# pragma version 0.4.3
"""
@title What Fares stores of cards, and how its Won moves
@dev Slots and words are laid out in contracts/records.py; a field's place is the number of its lowest bit.
"""

from interfaces import ICredits
from interfaces import IVouchers
from interfaces import IWon
from lib import fares_clock as clock
from lib import parties

uses: parties

ENROLLED: constant(uint256) = 1
FORKED: constant(uint256) = 2
LATEST_CLOSING_DAYS: constant(uint256) = 30

WON: immutable(IWon)
VOUCHERS: immutable(IVouchers)
CREDITS: immutable(ICredits)

# Of each card its slot and four lots.
cards: HashMap[uint256, uint256[5]]
lost_at: HashMap[uint256, uint256]
used_digests: HashMap[bytes32, bool]
profile_of: HashMap[uint256, uint256]
closed: HashMap[uint256, HashMap[uint256, bool]]
batches: uint256
purses_won: uint256
lots_won: uint256


@deploy
def __init__(won: address, vouchers: address, credits: address):
    WON = IWon(won)
    VOUCHERS = IVouchers(vouchers)
    CREDITS = ICredits(credits)


@internal
def take_won(organisation: uint256, amount: uint256):
    """
    @notice Won from an organisation's account, which allowed Fares to take it.
    """
    if amount != 0:
        assert extcall WON.transferFrom(parties.account_of(organisation), self, amount), "WON"


@internal
def give_won(to: address, amount: uint256):
    """
    @notice Won of Fares to an account.
    """
    if amount != 0:
        assert extcall WON.transfer(to, amount), "WON"


@internal
def return_lapsed(rule_set: uint256, last_service_day: uint256, amount: uint256):
    """
    @notice Won of lapsed lots back to its rule-set's pool.
    """
    assert extcall WON.transfer(VOUCHERS.address, amount), "WON"
    extcall VOUCHERS.returned(convert(rule_set, uint16), convert(last_service_day, uint16), amount)


@view
@internal
def is_closed(clearing_house: uint256, day: uint256) -> bool:
    """
    @notice All records of the day are in, or 30 days have passed since its end.
    """
    return clock.today() > day + LATEST_CLOSING_DAYS or self.closed[clearing_house][day]


@internal
def next_batch() -> uint256:
    """
    @notice Batches of every kind are counted together, from 1.
    """
    number: uint256 = self.batches + 1
    self.batches = number
    return number
