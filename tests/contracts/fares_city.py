"""A city with operators, two clearing houses and transit cards, for the tests of Fares and Credits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from contracts import addresses, merkle, records
from contracts.codes import Role
from contracts.hashing import keccak, sha256
from contracts.messages import FareState
from contracts.records import Batch, GuarantorPart, Leaf, SettlementRecord
from contracts.signatures import sign
from tests.contracts.city import KEYS, bitmap, name
from tests.contracts.harness import CHAIN_ID, SERVICE_DAY, Outcome, World, address, key

CITY, KOOKMIN, WOORI, CLEARING, OTHER_CLEARING, REGISTRY = 1, 2, 3, 4, 5, 6
METRO, KORAIL, BUS_143 = 11, 12, 13
ROLES: Mapping[int, tuple[Role, ...]] = {
    CITY: (Role.CITY,),
    KOOKMIN: (Role.BANK, Role.GUARANTOR),
    WOORI: (Role.BANK, Role.GUARANTOR),
    CLEARING: (Role.CLEARING_HOUSE,),
    OTHER_CLEARING: (Role.CLEARING_HOUSE,),
    REGISTRY: (Role.ELIGIBILITY_REGISTRY,),
    METRO: (Role.OPERATOR,),
    KORAIL: (Role.OPERATOR,),
    BUS_143: (Role.OPERATOR,),
}
MONTH = 2025 * 12 + 9
FIRST_DAY, LAST_DAY = SERVICE_DAY - 14, SERVICE_DAY + 16
DAY_S = 86_400
NO_JOURNEYS = sha256(b"")
TABLE = records.table_word([METRO, KORAIL, BUS_143, CLEARING])
NO_RECORD = (0, 0, 0, 0, 0, 0)


def sender(organisation: int, purpose: str) -> bytes:
    """An organisation's key of that purpose, or its account ("account")."""
    return address(f"org {organisation} {purpose}")


def genesis_arguments() -> list[Any]:
    """What Organisations' constructor takes."""
    return [
        [(number, sender(number, "account"), bitmap(roles)) for number, roles in ROLES.items()],
        [(sender(number, purpose), number, int(bits)) for number in ROLES for purpose, bits in KEYS.items()],
        [CITY, KOOKMIN, CLEARING],
        2,
        [(at, name(agreement)) for agreement, at in addresses.BY_NAME.items()],
        [],
    ]


def deploy(world: World) -> None:
    """All five agreements, with the books open."""
    world.deploy("Organisations", genesis_arguments())
    world.deploy("Won", [addresses.ORGANISATIONS, [(KOOKMIN, 10**9), (WOORI, 10**9)]])
    world.deploy("Vouchers", [addresses.ORGANISATIONS, addresses.WON])
    world.deploy("Fares", [addresses.ORGANISATIONS, addresses.WON, addresses.VOUCHERS, addresses.CREDITS])
    world.deploy("Credits", [addresses.ORGANISATIONS, addresses.FARES])
    open_books(world)


def open_books(world: World) -> None:
    """Won for the banks and the city, who let Fares and Vouchers take it."""
    for at, (bank, to) in enumerate(((KOOKMIN, KOOKMIN), (WOORI, WOORI), (KOOKMIN, CITY))):
        world.transact(sender(bank, "issue"), "Won", "mint", [sender(to, "account"), 200_000_000, keccak(bytes([at]))])
    for holder in (KOOKMIN, WOORI, CITY):
        for taker in (addresses.FARES, addresses.VOUCHERS):
            world.transact(sender(holder, "account"), "Won", "approve", [taker, 2**255])


def card(number: int) -> bytes:
    """A test card's address; its key is key(f"card {number}")."""
    return address(f"card {number}")


def state(number: int, **fields: Any) -> FareState:
    """A state of a card: by default the first of 15 October 2025, 1,550 won, nothing own."""
    blank = FareState(
        card=card(number),
        seq=1,
        cum_won=1_550,
        cum_own_won=0,
        day_start_cum_won=0,
        day_start_own_won=0,
        charge_won=1_550,
        missing_out_won=0,
        service_day=SERVICE_DAY,
        tap_time=1_760_480_000,
        context=sha256(b"tap %d" % number),
    )
    return replace(blank, **fields)


def signature(number: int, of: FareState) -> bytes:
    """The card's signature."""
    return sign(of.digest(CHAIN_ID, addresses.FARES), key(f"card {number}"))


def record(number: int, credits: Mapping[int, int], suspense_won: int = 0, **fields: Any) -> SettlementRecord:
    """A signed record of a card."""
    signed = state(number, **fields)
    return SettlementRecord(signed, signature(number, signed), credits, suspense_won)


@dataclass
class Settlement:
    """A settled batch as an outsider reads it off its transaction: leaves, commitment, proofs."""

    outcome: Outcome
    batch: Batch
    leaves: list[Leaf] = field(default_factory=list)

    def proof(self, index: int) -> tuple[Any, ...]:
        """(batch, index, leaf, path): what corrections take first."""
        packed = [leaf.pack() for leaf in self.leaves]
        return self.batch.fields(), index, self.leaves[index].words(), merkle.path(packed, index, keccak)

    def codes(self) -> list[int]:
        """Each record's code, as the Refused events tell."""
        found = [0] * self.batch.size
        for _, event, fields in self.outcome.events:
            if event == "Refused":
                found[fields["index"]] = fields["code"]
        return found


def batch_of(world: World, outcome: Outcome, which: int = 0) -> Batch:
    """The batch that a transaction opened (the `which`-th), from its events."""
    pending = [fields for _, event, fields in outcome.events if event == "Pending"][which]
    settled = [f for _, event, f in outcome.events if event == "Settled" and f["batch"] == pending["batch"]]
    owed = [f for _, event, f in outcome.events if event == "Owed" and f["batch"] == pending["batch"]]
    return Batch(
        number=pending["batch"],
        clearing_house=pending["clearing_house"],
        service_day=pending["service_day"],
        settled_at=world.time,
        records_root=settled[0]["records_root"] if settled else keccak(b""),
        size=settled[0]["size"] if settled else 0,
        table=pending["table"],
        sums=pending["sums"],
        guarantors=tuple(
            GuarantorPart(part["guarantor"], part["amount_won"], part["owed_through_won"]) for part in owed
        ),
    )


def words_of(batch: Sequence[SettlementRecord], table: int) -> list[records.RecordWords]:
    """The records as settle takes them."""
    return [one.words(table) for one in batch]


def settle(
    world: World, batch: Sequence[SettlementRecord], *, by: int = CLEARING, table: int = TABLE, day: int = SERVICE_DAY
) -> Outcome:
    """Settles records without journeys."""
    arguments = [day, table, NO_JOURNEYS, 0, [], words_of(batch, table)]
    return world.transact(sender(by, "settle"), "Fares", "settle", arguments)


def enrol(world: World, numbers: Sequence[int], *, cap_won: int = 20_000, by: int = KOOKMIN) -> Outcome:
    """Enrols cards for October 2025 with the first clearing house."""
    words = [records.enrol_word(card(number), cap_won) for number in numbers]
    return world.transact(sender(by, "issue"), "Fares", "enrol", [MONTH, CLEARING, words])


def fund(world: World, amounts: Mapping[int, int], *, by: int = KOOKMIN) -> Outcome:
    """Tops up cards."""
    words = [records.fund_word(card(number), won) for number, won in amounts.items()]
    return world.transact(sender(by, "issue"), "Fares", "fund", [words])


def issue(
    world: World,
    amounts: Mapping[int, int],
    *,
    rule_set: int = 1,
    start: int = FIRST_DAY,
    last: int = LAST_DAY,
    day_cap_won: int = 20_000,
    priority: int = 1,
    profile: int = 7,
    first_lot: int = 1,
) -> list[int]:
    """Lots as Vouchers issues them, with the Won that they hold: the codes. Vouchers is only impersonated as sender:
    its own path is tested in test_fares_machine.py."""
    words = [records.issue_word(card(number), won) for number, won in amounts.items()]
    arguments = [rule_set, start, last, day_cap_won, priority, profile, first_lot, words]
    codes: list[int] = list(world.transact(addresses.VOUCHERS, "Fares", "issue", arguments).value)
    total = sum(won for won, code in zip(amounts.values(), codes, strict=True) if code == 0)
    if total:
        arguments = [sender(CITY, "account"), addresses.VOUCHERS, total]
        world.transact(addresses.VOUCHERS, "Won", "transferFrom", arguments)
        world.transact(addresses.VOUCHERS, "Won", "transfer", [addresses.FARES, total])
    return codes


def conserve(world: World) -> tuple[int, ...]:
    """Asserts conservation (money.md §3) and returns the totals."""
    totals: tuple[int, ...] = tuple(world.call("Credits", "totals"))
    assert world.call("Won", "balanceOf", [addresses.FARES]) + totals[6] == sum(totals[:6]), totals
    return totals
