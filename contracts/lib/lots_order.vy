# pragma version 0.4.3
"""
@title How a card's lots are spent (money.md §3, Paid), on words in memory
"""

M16: constant(uint256) = 2**16 - 1
M32: constant(uint256) = 2**32 - 1
# used_won and used_day of a lot's word.
USED: constant(uint256) = (2**48 - 1) * 2**32


@pure
@internal
def spend(before: uint256[5], day: uint256, wanted: uint256) -> (uint256, uint256[5]):
    """
    @notice Takes up to `wanted` won from the live lots usable on `day`, in their order, each within the day's cap of
            its rule-set. What it took, and the card's words after.
    @dev `before` holds 0 where no live lot is: its last day 0 lies before every service day.
    """
    left: uint256 = wanted
    words: uint256[5] = before
    for at: uint256 in range(1, 5):
        word: uint256 = words[at]
        if day > word >> 216 or day < (word >> 112) & M16:
            continue
        used_day: uint256 = (word >> 64) & M16
        room: uint256 = (word >> 80) & M32
        room -= min(room, self._taken(words, (word >> 160) & M16, day))
        take: uint256 = min(min(left, word & M32), room)
        if take == 0:
            continue
        left -= take
        if used_day == day:
            word += take << 32
        elif used_day < day:
            word = (word & ~USED) | (take << 32) | (day << 64)
        words[at] = word - take
        if left == 0:
            break
    return wanted - left, words


@pure
@internal
def _taken(words: uint256[5], rule_set: uint256, day: uint256) -> uint256:
    """
    @notice What lots of a rule-set took on a day; exhausted ones stay readable until they lapse.
    """
    taken: uint256 = 0
    for at: uint256 in range(1, 5):
        word: uint256 = words[at]
        if (word >> 160) & M16 == rule_set and (word >> 64) & M16 == day:
            taken += (word >> 32) & M32
    return taken
