# pragma version 0.4.3
"""
@title Rule-sets of vouchers and the pools behind them: what is paid in, refunded, granted, returned, carried
"""

from interfaces import IOrganisations
from interfaces import IWon
from lib import standing as standings

# modes: a bit for each mode that it pays for (codes.Mode). carry: 0 NONE, 1 CAP at most carry_cap_won a lot, once,
# 2 ROLL whole and again. fares: the agreement whose cards it is for.
struct RuleSet:
    group: uint32
    modes: uint32
    per_tap_cap_won: uint32
    day_cap_won: uint32
    priority: uint8
    carry: uint8
    carry_cap_won: uint32
    max_grant_won: uint32
    fares: address

struct Totals:
    paid_in_won: uint256
    refunded_won: uint256
    granted_won: uint256
    carried_won: uint256
    returned_won: uint256

event RuleSetSet:
    rule_set: indexed(uint16)
    group: indexed(uint32)
    city: indexed(uint16)
    modes: uint32
    per_tap_cap_won: uint32
    day_cap_won: uint32
    priority: uint8
    carry: uint8
    carry_cap_won: uint32
    max_grant_won: uint32
    fares: address

event PaidIn:
    rule_set: indexed(uint16)
    funder: indexed(uint16)
    amount_won: uint64

event Refunded:
    rule_set: indexed(uint16)
    funder: indexed(uint16)
    amount_won: uint64

event Returned:
    rule_set: indexed(uint16)
    last_service_day: indexed(uint16)
    amount_won: uint64

# "Fares" as Organisations names agreements.
FARES_NAME: constant(bytes32) = 0x4661726573000000000000000000000000000000000000000000000000000000

NO_CARRY: constant(uint8) = 0
CARRY_CAP: constant(uint8) = 1
CARRY_ROLL: constant(uint8) = 2

ORGANISATIONS: immutable(address)
WON: immutable(address)

_rule_sets: HashMap[uint16, RuleSet]
_totals: HashMap[uint16, Totals]
city_of: public(HashMap[uint16, uint16])
pool: public(HashMap[uint16, uint256])
pools_won: public(uint256)
# By rule-set and funder, less what was refunded.
paid_in: public(HashMap[uint16, HashMap[uint16, uint256]])
# By rule-set and last service day: freshly granted, lapsed, carried on.
granted_for: public(HashMap[uint16, HashMap[uint16, uint256]])
lapsed_of: public(HashMap[uint16, HashMap[uint16, uint256]])
carried_of: public(HashMap[uint16, HashMap[uint16, uint256]])


@deploy
def __init__(organisations: address, won: address):
    ORGANISATIONS = organisations
    WON = won


# ---------------------------------------------------------------------------------------------------------- questions


@view
@external
def rule_set(id: uint16) -> RuleSet:
    """
    @notice A rule-set as its city set it; zeros for an unknown one.
    """
    return self._rule_sets[id]


@view
@external
def profile(id: uint16) -> uint256:
    """
    @notice What the rule-set pays for: modes | per_tap_cap_won << 32.
    """
    return self._profile(self._rule_sets[id])


@view
@external
def totals(id: uint16) -> Totals:
    """
    @notice All that went through the pool: pool = paid in - refunded - granted - carried + returned.
    """
    return self._totals[id]


@view
@external
def carryable(id: uint16, lapsed_day: uint16) -> uint256:
    """
    @notice What may still be carried on of the lots that ended with `lapsed_day`. What was itself carried under CAP
            is not carried again, so never more than was freshly granted for that day.
    """
    return self._carryable(id, self._rule_sets[id].carry, lapsed_day)


# --------------------------------------------------------------------------------------------------- the city, funders


@external
def set_rule_set(id: uint16, rules: RuleSet):
    """
    @notice Sets a rule-set, or changes the sender's own as long as nothing was granted from it. By a city's key that
            administers. Reverts SENDER, RULE SET, IMMUTABLE, RANGE, FARES.
    """
    standing: uint256 = staticcall IOrganisations(ORGANISATIONS).standing(msg.sender)
    assert standings.may(standing, standings.CITY, standings.ADMINISTER), "SENDER"
    city: uint16 = standings.organisation(standing)
    assert id != 0 and (self.city_of[id] == 0 or self.city_of[id] == city), "RULE SET"
    assert self._totals[id].granted_won == 0, "IMMUTABLE"
    assert rules.group != 0 and rules.modes != 0 and rules.max_grant_won != 0 and rules.day_cap_won != 0, "RANGE"
    assert rules.carry <= CARRY_ROLL and (rules.carry == CARRY_CAP) == (rules.carry_cap_won != 0), "RANGE"
    self._check_fares(rules.fares)
    self.city_of[id] = city
    self._rule_sets[id] = rules
    log RuleSetSet(
        rule_set=id,
        group=rules.group,
        city=city,
        modes=rules.modes,
        per_tap_cap_won=rules.per_tap_cap_won,
        day_cap_won=rules.day_cap_won,
        priority=rules.priority,
        carry=rules.carry,
        carry_cap_won=rules.carry_cap_won,
        max_grant_won=rules.max_grant_won,
        fares=rules.fares,
    )


@external
def pay_in(id: uint16, amount_won: uint64):
    """
    @notice A funder's money into the pool, from its account (whose allowance it needs), by its key with purpose ISSUE.
            Reverts SENDER, RULE SET, AMOUNT, and as Won does.
    """
    standing: uint256 = staticcall IOrganisations(ORGANISATIONS).standing(msg.sender)
    funder: uint16 = standings.organisation(standing)
    assert (standing >> 16) & standings.ISSUE != 0, "SENDER"
    assert self.city_of[id] != 0, "RULE SET"
    assert amount_won != 0, "AMOUNT"
    amount: uint256 = convert(amount_won, uint256)
    self.paid_in[id][funder] += amount
    self._totals[id].paid_in_won += amount
    self.pool[id] += amount
    self.pools_won += amount
    account: address = staticcall IOrganisations(ORGANISATIONS).account_of(funder)
    extcall IWon(WON).transferFrom(account, self, amount)
    log PaidIn(rule_set=id, funder=funder, amount_won=amount_won)


@external
def refund(id: uint16, funder: uint16, amount_won: uint64):
    """
    @notice Money of the pool back to a funder's account, at most what it paid in, by the rule-set's city with purpose
            ISSUE. Reverts SENDER, AMOUNT, PAID IN, POOL.
    """
    assert self._city(id), "SENDER"
    amount: uint256 = convert(amount_won, uint256)
    assert amount != 0, "AMOUNT"
    assert self.paid_in[id][funder] >= amount, "PAID IN"
    assert self.pool[id] >= amount, "POOL"
    self.paid_in[id][funder] -= amount
    self._totals[id].refunded_won += amount
    self._pay(id, staticcall IOrganisations(ORGANISATIONS).account_of(funder), amount)
    log Refunded(rule_set=id, funder=funder, amount_won=amount_won)


@external
def returned(id: uint16, last_service_day: uint16, amount_won: uint256):
    """
    @notice Won of lapsed lots has come back, by the Fares that the rule-set names, after it transferred the Won in the
            same transaction. Reverts SENDER, ARRIVED.
    """
    assert self._rule_sets[id].group != 0 and msg.sender == self._rule_sets[id].fares, "SENDER"
    assert staticcall IWon(WON).balanceOf(self) >= self.pools_won + amount_won, "ARRIVED"
    self._totals[id].returned_won += amount_won
    self.lapsed_of[id][last_service_day] += amount_won
    self.pool[id] += amount_won
    self.pools_won += amount_won
    log Returned(rule_set=id, last_service_day=last_service_day, amount_won=convert(amount_won, uint64))


# -------------------------------------------------------------------------------------------------------------- inside


@internal
def _pay_grants(id: uint16, last_service_day: uint16, fares: address, amount: uint256):
    self._totals[id].granted_won += amount
    self.granted_for[id][last_service_day] += amount
    self._pay(id, fares, amount)


@internal
def _pay_carries(id: uint16, lapsed_day: uint16, fares: address, amount: uint256):
    self._totals[id].carried_won += amount
    self.carried_of[id][lapsed_day] += amount
    self._pay(id, fares, amount)


@internal
def _pay(id: uint16, to: address, amount: uint256):
    self.pool[id] -= amount
    self.pools_won -= amount
    if amount != 0:
        extcall IWon(WON).transfer(to, amount)


@view
@internal
def _check_batch(rules: RuleSet, start_day: uint16, last_service_day: uint16, size: uint256, source_size: uint32):
    assert rules.group != 0, "RULE SET"
    self._check_fares(rules.fares)
    assert size != 0, "EMPTY"
    assert start_day <= last_service_day, "DAYS"
    assert convert(source_size, uint256) == size, "SOURCES"


@view
@internal
def _check_fares(fares: address):
    assert staticcall IOrganisations(ORGANISATIONS).agreement(fares) == FARES_NAME, "FARES"


@view
@internal
def _city(id: uint16) -> bool:
    standing: uint256 = staticcall IOrganisations(ORGANISATIONS).standing(msg.sender)
    return (
        standings.may(standing, standings.CITY, standings.ISSUE)
        and standings.organisation(standing) == self.city_of[id]
    )


@view
@internal
def _carryable(id: uint16, kind: uint8, lapsed_day: uint16) -> uint256:
    bound: uint256 = self.lapsed_of[id][lapsed_day]
    if kind == CARRY_CAP:
        bound = min(bound, self.granted_for[id][lapsed_day])
    carried: uint256 = self.carried_of[id][lapsed_day]
    return bound - carried if bound > carried and kind != NO_CARRY else 0


@pure
@internal
def _profile(rules: RuleSet) -> uint256:
    return convert(rules.modes, uint256) | (convert(rules.per_tap_cap_won, uint256) << 32)
