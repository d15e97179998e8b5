# pragma version 0.4.3
"""
@title The other side of Vouchers, for its tests: issues lots, refuses cards that end with ee, returns Won, or says so
"""

from interfaces import IVouchers
from interfaces import IWon

event Issued:
    rule_set: uint16
    start_day: uint16
    last_service_day: uint16
    day_cap_won: uint32
    priority: uint8
    profile: uint256
    first_lot: uint32
    words: uint256


@external
def issue(
    rule_set: uint16,
    start_day: uint16,
    last_service_day: uint16,
    day_cap_won: uint32,
    priority: uint8,
    profile: uint256,
    first_lot: uint32,
    words: DynArray[uint256, 128],
) -> DynArray[uint8, 128]:
    assert last_service_day - start_day < 100, "DAYS"
    codes: DynArray[uint8, 128] = []
    for word: uint256 in words:
        codes.append(3 if word & 255 == 238 else 0)
    log Issued(
        rule_set=rule_set,
        start_day=start_day,
        last_service_day=last_service_day,
        day_cap_won=day_cap_won,
        priority=priority,
        profile=profile,
        first_lot=first_lot,
        words=len(words),
    )
    return codes


@external
def give_back(won: address, vouchers: address, rule_set: uint16, day: uint16, said: uint256, sent: uint256):
    """
    @notice Sends Won to Vouchers and says how much: honestly, or not.
    """
    if sent != 0:
        extcall IWon(won).transfer(vouchers, sent)
    extcall IVouchers(vouchers).returned(rule_set, day, said)
