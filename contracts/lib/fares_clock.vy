# pragma version 0.4.3
"""
@title Days of Fares: service days roll at 04:00 KST and are counted since 1970-01-01 (money.md §2)
"""

DAY_S: constant(uint256) = 86400
# 04:00 KST is 19:00 UTC of the day before: five hours ahead of midnight UTC.
ROLL_S: constant(uint256) = 18000


@view
@internal
def today() -> uint256:
    """
    @notice The service day of this block. "n days after the end of day d" is today >= d + 1 + n.
    """
    return (block.timestamp + ROLL_S) // DAY_S


@pure
@internal
def first_of(month: uint256) -> uint256:
    """
    @notice Days since 1970-01-01 of a month's first day; month = year * 12 + (month - 1), from 1970 on.
    @dev The civil calendar's days with years that begin in March, so that the leap day comes last.
    """
    months: uint256 = month - 2
    year: uint256 = months // 12
    day_of_year: uint256 = (153 * (months % 12) + 2) // 5
    return year * 365 + year // 4 - year // 100 + year // 400 + day_of_year - 719468
