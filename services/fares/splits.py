"""Splitting a journey's won among operators (수입금 정산), and reversing it (fares.md §10 and §12).

Every function returns integers that add up to what was split, to the won. The order of ties is part of the rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from services.fares.errors import FareLimitError
from services.fares.limits import MAX_SHARED_WON
from services.fares.pricing import Journey, Leg
from services.fares.rules import is_rail

DEFAULT_POLICY: Final = "SPLIT_V1"


class Policy(StrEnum):
    """How the distance part is split: V1 to rail legs first where a trip has any, V2 to all legs by metres."""

    SPLIT_V1 = "SPLIT_V1"
    SPLIT_V2 = "SPLIT_V2"


def largest_remainder(pot_won: int, weights: Sequence[int]) -> list[int]:
    """Shares of `pot_won` ≥ 0 by `weights` ≥ 0: floors, then one won each to the largest remainders, ties to the lower
    index. All weights 0: everything to the first. Raises FareLimitError for what cannot be split.
    """
    if not 0 <= pot_won < MAX_SHARED_WON or not weights or min(weights) < 0:
        raise FareLimitError(f"{pot_won} won cannot be split by {len(weights)} weights")
    total = sum(weights)
    if total == 0:
        return [pot_won] + [0] * (len(weights) - 1)
    shares = [pot_won * weight // total for weight in weights]
    left = pot_won - sum(shares)
    if left:
        by_remainder = sorted(range(len(weights)), key=lambda i: -(pot_won * weights[i] % total))
        for index in by_remainder[:left]:
            shares[index] += 1
    return shares


def split(journey: Journey, policy: Policy = Policy.SPLIT_V1) -> dict[str, int]:
    """Won of a journey's total per operator id, in order of travel; every operator of a leg stands there, also with 0.

    1 base − discount over the legs by undiscounted base · 2 the distance part over rail legs by metres (V1, where one
    has metres) or over all legs · 3 a leg's sum over the operators of its path by metres · 4 GTX's and sections'
    premiums and a collected penalty wholly to whom they belong.
    """
    legs = [priced.leg for priced in journey.legs]
    premium = sum(won for _, won in journey.premiums)
    amounts = _leg_amounts(journey, legs, journey.extra_won - premium, policy)
    shares: dict[str, int] = {}
    for leg, amount in zip(legs, amounts, strict=True):
        for operator, won in _over_operators(leg, amount):
            shares[operator] = shares.get(operator, 0) + won
    for operator, won in journey.premiums:
        shares[operator] = shares.get(operator, 0) + won
    if journey.penalty_won:
        shares[journey.penalty_operator] = shares.get(journey.penalty_operator, 0) + journey.penalty_won
    return shares


def _leg_amounts(journey: Journey, legs: Sequence[Leg], extra_won: int, policy: Policy) -> list[int]:
    base_pot = journey.base_won - journey.discount_won
    if len(legs) == 1:
        return [base_pot + extra_won]
    base = largest_remainder(base_pot, [priced.base_won for priced in journey.legs])
    if not extra_won:
        return base
    metres = [leg.metres if leg.off is not None else 0 for leg in legs]
    rail = [m if is_rail(leg.mode) else 0 for m, leg in zip(metres, legs, strict=True)]
    weights = rail if policy is Policy.SPLIT_V1 and any(rail) else metres
    return [a + b for a, b in zip(base, largest_remainder(extra_won, weights), strict=True)]


def _over_operators(leg: Leg, amount_won: int) -> list[tuple[str, int]]:
    """Step 3: by metres on each operator's part of the path; ties to the tag-in operator, then bytewise."""
    if len(leg.operators) == 1:
        return [(leg.operators[0][0], amount_won)]
    tag_in = leg.tag_in or leg.operators[0][0]
    ranked = sorted(leg.operators, key=lambda part: (part[0] != tag_in, part[0].encode()))
    shares = largest_remainder(amount_won, [metres for _, metres in ranked])
    won = {operator: share for (operator, _), share in zip(ranked, shares, strict=True)}
    return [(operator, won[operator]) for operator, _ in leg.operators]


def reversal(shares: Mapping[str, int]) -> dict[str, int]:
    """A full refund after settlement: the same split, negated, with the same remainders (fares.md §11)."""
    return {operator: -won for operator, won in shares.items()}


def correction(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """What operators still get (or give back, < 0) when a settled journey is priced anew: after − before."""
    operators = list(dict.fromkeys((*before, *after)))
    return {operator: after.get(operator, 0) - before.get(operator, 0) for operator in operators}


def split_pool(pool_won: int, notional_won: Mapping[str, int]) -> dict[str, int]:
    """A pass's price over operators by what its rides would have cost by card (fares.md §10); ties bytewise."""
    if not notional_won:
        if pool_won:
            raise FareLimitError(f"a pool of {pool_won} won without any ride cannot be split")
        return {}
    operators = sorted(notional_won, key=str.encode)
    shares = largest_remainder(pool_won, [notional_won[operator] for operator in operators])
    return dict(zip(operators, shares, strict=True))
