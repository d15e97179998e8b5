"""A city at work for the tests of settlement: readers, clearing, a bank, a programme office, on a real chain.

Conservation (money.md §3) is checked at every block that `seal` makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contracts.codes import RiderClass
from contracts.hashing import sha256
from contracts.messages import Claim
from contracts.records import CardAccount
from contracts.signatures import address_of, sign
from services.bank.cards import CardOrder
from services.bank.desk import Desk
from services.bank.issuing import TopUp
from services.bank.service import Bank
from services.days import day_end, month_of, service_day_at
from services.fares.adjustments import Adjustments, Corrected
from services.fares.closing import DayClosing
from services.fares.intake import ingest
from services.fares.reader import Reader
from services.fares.settlement import SettledBatch, Settlement
from services.fares.tables import Record
from services.fares.tap_journeys import check_tap
from services.vouchers.attestations import EligibilityAttestation
from services.vouchers.programmes import EligibilityClass, presets, rule_set_of
from services.vouchers.registry import Registry, RegistryKeys
from services.vouchers.service import GrantRequest, Office
from tests.services import chain as chains
from tests.services.chain import BANK, CITY, CLEARING, GENESIS_S, OFFICE, REGISTRY, Chain, sender
from tests.services.consenting import let_debit
from tests.services.fares.world import DAY, Card, City, make_card

RULE_SET = 7
HOUR_S = 3_600
AGREEMENTS = ["Won", "Vouchers", "Fares", "Credits"]


@dataclass
class Town:
    """Services of one city over one chain; `now` is the chain's clock."""

    chain: Chain
    folder: Path
    settled: list[SettledBatch] = field(default_factory=list)
    corrected: list[Corrected] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.city = City(self.folder)
        self.checked = 0
        self.open()

    @property
    def engine(self) -> Engine:
        return self.chain.engine

    def open(self) -> None:
        """Every service anew on the same tables and node, as a start makes them."""
        chain = self.chain
        self.bank = Bank(Desk(chain.engine, chain.client, chain.outbox(BANK), BANK, chains.key("guarantor")))
        self.office = Office(chain.engine, chain.client, chain.outbox(CITY), CITY)
        self.settlement = Settlement(chain.engine, chain.client, chain.outbox(CLEARING), CLEARING)
        self.closing = DayClosing(self.settlement)
        self.adjustments = Adjustments(self.settlement)

    # --- cards, money, lots

    def enrol(self, *cards: Card, cap_won: int = 100_000, balance_won: int = 0) -> None:
        """Cards of riders with 200,000 won each at the bank, and what they load on them."""
        riders = self.bank.accounts.open([sha256(card.address) for card in cards])
        name = cards[0].address.hex()[:12]
        self.bank.accounts.deposit(name, dict.fromkeys(riders, 200_000), now=self.chain.now)
        self.bank.issuing.approve_fares()
        orders = [
            CardOrder(rider, card.address, month_of(DAY), RiderClass.ADULT, 0, 0, cap_won, 300_000)
            for rider, card in zip(riders, cards, strict=True)
        ]
        let_debit(self.bank, riders, now=self.chain.now)
        self.bank.cards.enrol(name, CLEARING, orders, now=self.chain.now)
        self.seal()
        if balance_won:
            self.top_up(name, balance_won, *cards)

    def top_up(self, name: str, won: int, *cards: Card, seal: bool = True) -> None:
        riders = self.bank.accounts.open([sha256(card.address) for card in cards])
        orders = [TopUp(rider, card.address, won) for rider, card in zip(riders, cards, strict=True)]
        self.bank.issuing.top_up(name, orders, now=self.chain.now)
        if seal:
            self.seal()

    def lot(self, card: Card, won: int, start_day: int, last_service_day: int) -> None:
        """A voucher lot of TW-BASIC on a card, the whole way from an attestation."""
        name = f"lot {card.address.hex()[:12]}"
        basic = presets()["TW-BASIC"]
        self.bank.accounts.deposit_organisation(name, CITY, won, now=self.chain.now)
        self.bank.issuing.issue_to(name, CITY, address_of(sender(CITY)), won, now=self.chain.now)
        self.office.set_rule_set(RULE_SET, rule_set_of(basic))
        self.seal()
        self.office.pay_in(name, RULE_SET, won)
        self.seal()
        vouchers = self.chain.client.address("Vouchers")
        registry = Registry(
            self.engine,
            RegistryKeys(sha256(b"k"), sender(REGISTRY)),
            presets(),
            {OFFICE: frozenset({address_of(chains.key("welfare office"))})},
            chain_id=self.chain.client.chain_id,
            vouchers=vouchers,
        )
        month_first = service_day_at(GENESIS_S)
        person = sha256(b"person" + card.address)
        attested = EligibilityAttestation(person, EligibilityClass.AGED_65, OFFICE, month_first, month_first + 300)
        signature = sign(attested.digest(self.chain.client.chain_id, vouchers), chains.key("welfare office"))
        number = registry.apply("TW-BASIC", attested, signature, name, now=self.chain.now)
        wallet = chains.key(f"credential {name}")
        signed = registry.credential(number, person, address_of(wallet), now=self.chain.now)
        credential = signed.credential
        claim = Claim(card.address, RULE_SET, credential.period, won, credential.nullifier)
        request = GrantRequest(
            "TW-BASIC",
            CITY,
            card.address,
            won,
            credential,
            signed.signature,
            sign(claim.digest(self.chain.client.chain_id, vouchers), wallet),
        )
        self.office.grant(name, RULE_SET, start_day, last_service_day, [request])
        self.seal()
        assert self.account(card).lots

    def account(self, card: Card) -> CardAccount:
        return self.settlement.account_of(card.address)

    # --- taps

    def upload(self, *readers: Reader) -> None:
        """These readers (all, unless named) hand over what they hold, at the end of the day."""
        now = day_end(service_day_at(self.chain.now))
        for reader in readers or tuple(self.city.readers.values()):
            while (data := reader.upload()) is not None:
                answer = ingest(self.engine, data, self.city.directory, now, check_tap)
                assert answer.refused == ()
                reader.acknowledge(answer.next_index)

    def until(self, time: int) -> None:
        """Lets time pass; readers get a fresh denylist."""
        self.chain.wait_until(time)
        self.city.denylist.issued_at = time
        self.check_blocks()

    # --- blocks

    def seal(self) -> list[SettledBatch]:
        """Blocks until nothing waits, conservation at each; what was settled in them."""
        self.chain.seal()
        self.check_blocks()
        self.bank.after_block()
        self.office.after_block()
        found = self.settlement.after_block()
        self.hear(found, self.adjustments.after_block())
        return found

    def hear(self, batches: Sequence[SettledBatch], corrected: Sequence[Corrected]) -> None:
        """The bank hears of what was settled and corrected."""
        self.settled += batches
        self.corrected += corrected
        for batch in batches:
            self.bank.guarantee.record_settled(batch.number, batch.leaves)
        for one in corrected:
            self.bank.guarantee.record_correction(
                one.batch, one.position, one.number, one.card, one.service_day, one.guarantor_won
            )

    def check_blocks(self) -> None:
        client = self.chain.client
        fares = client.address("Fares")
        head = client.head().number
        for block in range(self.checked + 1, head + 1):
            *parts, owed = client.call("Credits", "totals", block=block)
            assert client.call("Won", "balanceOf", [fares], block=block) + owed == sum(parts), block
        self.checked = head

    def settle(self, day: int = DAY) -> list[SettledBatch]:
        """Plans a day and reads what came of it."""
        self.settlement.plan(day, now=self.chain.now)
        return self.seal()

    def records(self, card: Card | None = None) -> list[Record]:
        """Records in the order of planning."""
        with Session(self.engine, expire_on_commit=False) as session:
            query = select(Record).order_by(col(Record.id))
            if card is not None:
                query = query.where(Record.card == card.address)
            return list(session.exec(query).all())

    def totals(self) -> dict[str, int]:
        names = ("purses", "lots", "suspense", "risk_pool", "pending", "payable", "owed")
        return dict(zip(names, self.chain.client.call("Credits", "totals"), strict=True))


def cards(*names: str) -> list[Card]:
    return [make_card(f"settlement {name}") for name in names]


def after(day: int, hours: float) -> int:
    """UTC seconds this many hours after a service day's end."""
    return day_end(day) + round(hours * HOUR_S)
