# pragma version 0.4.3
"""
@title Vouchers: rule-sets, their pools, grants against one-time credentials, lapse and carry
@license Apache-2.0
@notice Programmes with equal rules share a rule-set; lots in Fares carry the rule-set, never the programme (money.md
        §4). A grant needs a credential that an eligibility registry signed, whose nullifier counts once across all
        issuers, and the signature of the credential's own key over the card that gets the lot.
@dev Each request of a batch is granted, or refused by its code, and never hurts the others: 0 done · 1 AMOUNT zero, or
     above the rule-set's grant or carry cap · 2 WINDOW start_day outside the credential's · 3 USED nullifier or carry
     id · 4 CREDENTIAL signed by no registry · 5 CLAIM not signed by the credential's key · 6 POOL exhausted · 7 LAPSED
     more than lapsed · 32 + c where Fares.issue refused the lot with c.
     A leaf of a batch's tree (keccak256, shape of RFC 6962), one for each request, in order, 72 bytes: card 20,
     rule_set 2, code 2, lot 4 (0 where refused), start_day 2, last_service_day 2, amount_won 8, nullifier or carry
     id 32.
     Reverts: SENDER not allowed · RULE SET unknown, or not this city's · IMMUTABLE granted from already · RANGE a field
     of a rule-set · FARES no agreement of that name in force · AMOUNT zero · PAID IN more than the funder's · POOL ·
     EMPTY · DAYS · SOURCES not one leaf for each request · CARRY the rule-set carries nothing · ARRIVED the Won has
     not.
"""

from interfaces import IFares
from interfaces import IOrganisations
from interfaces import IVouchers
from lib import fares_trees as trees
from lib import signing
from lib import standing as standings
from lib import voucher_pools as pools

implements: IVouchers
initializes: pools

exports: (
    pools.rule_set,
    pools.profile,
    pools.totals,
    pools.carryable,
    pools.city_of,
    pools.pool,
    pools.pools_won,
    pools.paid_in,
    pools.granted_for,
    pools.lapsed_of,
    pools.carried_of,
    pools.set_rule_set,
    pools.pay_in,
    pools.refund,
    pools.returned,
)

# Signatures as in EIP-2098. The registry's is over Credential, the credential key's over Claim.
struct Request:
    card: address
    won: uint32
    nullifier: bytes32
    credential_key: address
    first_day: uint16
    last_day: uint16
    attestation: bytes32
    registry_r: uint256
    registry_vs: uint256
    claim_r: uint256
    claim_vs: uint256

struct Item:
    card: address
    won: uint32
    id: bytes32

# What a batch came to.
struct Sums:
    accepted: uint32
    won: uint256
    first_lot: uint32
    root: bytes32

event Granted:
    batch: indexed(uint64)
    rule_set: indexed(uint16)
    period: indexed(uint32)
    start_day: uint16
    last_service_day: uint16
    accepted: uint32
    amount_won: uint64
    lots_root: bytes32
    size: uint32
    source_root: bytes32
    source_size: uint32

event Carried:
    batch: indexed(uint64)
    rule_set: indexed(uint16)
    lapsed_day: indexed(uint16)
    start_day: uint16
    last_service_day: uint16
    accepted: uint32
    amount_won: uint64
    lots_root: bytes32
    size: uint32
    source_root: bytes32
    source_size: uint32

DOMAIN_NAME: constant(bytes32) = keccak256("Dure Vouchers")
CREDENTIAL_TYPE: constant(bytes32) = keccak256(
    "Credential(address key,uint32 group,uint32 period,bytes32 nullifier,uint16 firstDay,uint16 lastDay,bytes32 attestation)"
)
CLAIM_TYPE: constant(bytes32) = keccak256(
    "Claim(address card,uint16 ruleSet,uint32 period,uint32 amountWon,bytes32 nullifier)"
)

AMOUNT: constant(uint16) = 1
WINDOW: constant(uint16) = 2
USED: constant(uint16) = 3
CREDENTIAL: constant(uint16) = 4
CLAIM: constant(uint16) = 5
POOL: constant(uint16) = 6
LAPSED: constant(uint16) = 7
FARES_CODES: constant(uint16) = 32

ORGANISATIONS: immutable(address)

is_spent: public(HashMap[bytes32, bool])
carry_done: public(HashMap[bytes32, bool])
batches: public(uint64)
lots: public(uint32)


@deploy
def __init__(organisations: address, won: address):
    pools.__init__(organisations, won)
    ORGANISATIONS = organisations


@view
@external
def domain_separator() -> bytes32:
    """
    @notice EIP-712 domain {name "Dure Vouchers", version "1", chainId, verifyingContract}.
    """
    return signing.domain(DOMAIN_NAME)


# -------------------------------------------------------------------------------------------------- grants and carries


@external
def grant(
    id: uint16,
    period: uint32,
    start_day: uint16,
    last_service_day: uint16,
    requests: DynArray[Request, 128],
    source_root: bytes32,
    source_size: uint32,
) -> uint64:
    """
    @notice Grants lots, each for one credential and one card, by the rule-set's city with purpose ISSUE.
            Reverts SENDER, RULE SET, FARES, EMPTY, DAYS, SOURCES.
    @param source_root SHA-256 tree over the salted leaves (programme, funder) of the requests, in order.
    @return The batch's number, from 1.
    """
    assert pools._city(id), "SENDER"
    rules: pools.RuleSet = pools._rule_sets[id]
    pools._check_batch(rules, start_day, last_service_day, len(requests), source_size)
    domain: bytes32 = signing.domain(DOMAIN_NAME)
    budget: uint256 = pools.pool[id]
    registry: address = empty(address)
    items: DynArray[Item, 128] = []
    codes: DynArray[uint16, 128] = []
    for request: Request in requests:
        code: uint16 = 0
        if request.won == 0 or request.won > rules.max_grant_won:
            code = AMOUNT
        elif start_day < request.first_day or start_day > request.last_day:
            code = WINDOW
        elif self.is_spent[request.nullifier]:
            code = USED
        else:
            signer: address = self._credential_signer(domain, rules.group, period, request)
            # Most batches have one registry; it is asked about once.
            if signer == empty(address) or (signer != registry and not self._is_registry(signer)):
                code = CREDENTIAL
            else:
                registry = signer
                claimant: address = self._claim_signer(domain, id, period, request)
                if claimant == empty(address) or claimant != request.credential_key:
                    code = CLAIM
                elif convert(request.won, uint256) > budget:
                    code = POOL
                else:
                    budget -= convert(request.won, uint256)
                    self.is_spent[request.nullifier] = True
        codes.append(code)
        items.append(Item(card=request.card, won=request.won, id=request.nullifier))
    sums: Sums = self._issue(id, rules, start_day, last_service_day, items, codes, False)
    pools._pay_grants(id, last_service_day, rules.fares, sums.won)
    batch: uint64 = self.batches
    log Granted(
        batch=batch,
        rule_set=id,
        period=period,
        start_day=start_day,
        last_service_day=last_service_day,
        accepted=sums.accepted,
        amount_won=convert(sums.won, uint64),
        lots_root=sums.root,
        size=convert(len(requests), uint32),
        source_root=source_root,
        source_size=source_size,
    )
    return batch


@external
def carry(
    id: uint16,
    lapsed_day: uint16,
    start_day: uint16,
    last_service_day: uint16,
    items: DynArray[Item, 128],
    source_root: bytes32,
    source_size: uint32,
) -> uint64:
    """
    @notice New lots from what lapsed with `lapsed_day`, never more than lapsed then; which lot each comes from is a
            salted source leaf for funder and auditor. By the rule-set's city with purpose ISSUE, or a clearing house
            that settles. Reverts SENDER, RULE SET, CARRY, FARES, EMPTY, DAYS, SOURCES.
    @param items Card of the new month, won, and an id used once.
    @return The batch's number.
    """
    standing: uint256 = staticcall IOrganisations(ORGANISATIONS).standing(msg.sender)
    assert standings.may(standing, standings.CLEARING_HOUSE, standings.SETTLE) or pools._city(id), "SENDER"
    rules: pools.RuleSet = pools._rule_sets[id]
    assert rules.group != 0, "RULE SET"
    assert rules.carry != pools.NO_CARRY, "CARRY"
    assert start_day > lapsed_day, "DAYS"
    pools._check_batch(rules, start_day, last_service_day, len(items), source_size)
    budget: uint256 = pools.pool[id]
    left: uint256 = pools._carryable(id, rules.carry, lapsed_day)
    codes: DynArray[uint16, 128] = []
    for item: Item in items:
        code: uint16 = 0
        if item.won == 0 or (rules.carry == pools.CARRY_CAP and item.won > rules.carry_cap_won):
            code = AMOUNT
        elif self.carry_done[item.id]:
            code = USED
        elif convert(item.won, uint256) > budget:
            code = POOL
        elif convert(item.won, uint256) > left:
            code = LAPSED
        else:
            budget -= convert(item.won, uint256)
            left -= convert(item.won, uint256)
            self.carry_done[item.id] = True
        codes.append(code)
    sums: Sums = self._issue(id, rules, start_day, last_service_day, items, codes, True)
    pools._pay_carries(id, lapsed_day, rules.fares, sums.won)
    batch: uint64 = self.batches
    log Carried(
        batch=batch,
        rule_set=id,
        lapsed_day=lapsed_day,
        start_day=start_day,
        last_service_day=last_service_day,
        accepted=sums.accepted,
        amount_won=convert(sums.won, uint64),
        lots_root=sums.root,
        size=convert(len(items), uint32),
        source_root=source_root,
        source_size=source_size,
    )
    return batch


# -------------------------------------------------------------------------------------------------------------- inside


@internal
def _issue(
    id: uint16,
    rules: pools.RuleSet,
    start_day: uint16,
    last_service_day: uint16,
    items: DynArray[Item, 128],
    judged: DynArray[uint16, 128],
    carried: bool,
) -> Sums:
    self.batches += 1
    words: DynArray[uint256, 128] = []
    for i: uint256 in range(len(items), bound=128):
        if judged[i] == 0:
            words.append(convert(convert(items[i].card, uint160), uint256) | (convert(items[i].won, uint256) << 160))
    sums: Sums = Sums(accepted=0, won=0, first_lot=self.lots + 1, root=empty(bytes32))
    results: DynArray[uint8, 128] = []
    if len(words) != 0:
        self.lots += convert(len(words), uint32)
        results = extcall IFares(rules.fares).issue(
            id,
            start_day,
            last_service_day,
            rules.day_cap_won,
            rules.priority,
            pools._profile(rules),
            sums.first_lot,
            words,
        )
    leaves: bytes32[256] = empty(bytes32[256])
    at: uint256 = 0
    for i: uint256 in range(len(items), bound=128):
        code: uint16 = judged[i]
        lot: uint32 = 0
        if code == 0:
            if results[at] == 0:
                lot = sums.first_lot + convert(at, uint32)
                sums.accepted += 1
                sums.won += convert(items[i].won, uint256)
            else:
                # What Fares refuses may be asked for again.
                code = FARES_CODES + convert(results[at], uint16)
                if carried:
                    self.carry_done[items[i].id] = False
                else:
                    self.is_spent[items[i].id] = False
            at += 1
        leaves[i] = self._leaf(id, items[i], code, lot, start_day, last_service_day)
    sums.root = trees.root(leaves, len(items))
    return sums


@pure
@internal
def _leaf(id: uint16, item: Item, code: uint16, lot: uint32, start_day: uint16, last_service_day: uint16) -> bytes32:
    numbers: uint256 = (
        (convert(id, uint256) << 144)
        | (convert(code, uint256) << 128)
        | (convert(lot, uint256) << 96)
        | (convert(start_day, uint256) << 80)
        | (convert(last_service_day, uint256) << 64)
        | convert(item.won, uint256)
    )
    return keccak256(
        concat(0x00, convert(item.card, bytes20), convert(convert(numbers, uint160), bytes20), item.id)
    )


@view
@internal
def _credential_signer(domain: bytes32, group: uint32, period: uint32, request: Request) -> address:
    struct_hash: bytes32 = keccak256(
        abi_encode(
            CREDENTIAL_TYPE,
            request.credential_key,
            group,
            period,
            request.nullifier,
            request.first_day,
            request.last_day,
            request.attestation,
        )
    )
    return signing.compact_signer(signing.digest(domain, struct_hash), request.registry_r, request.registry_vs)


@view
@internal
def _claim_signer(domain: bytes32, id: uint16, period: uint32, request: Request) -> address:
    struct_hash: bytes32 = keccak256(
        abi_encode(CLAIM_TYPE, request.card, id, period, request.won, request.nullifier)
    )
    return signing.compact_signer(signing.digest(domain, struct_hash), request.claim_r, request.claim_vs)


@view
@internal
def _is_registry(signer: address) -> bool:
    standing: uint256 = staticcall IOrganisations(ORGANISATIONS).standing(signer)
    return standings.may(standing, standings.ELIGIBILITY_REGISTRY, standings.ATTEST)
