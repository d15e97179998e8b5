"""Cards that the bank guarantees: enrolled in shuffled batches, certified to readers (money.md §1, §8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, func, insert, select

from contracts.codes import RiderClass
from contracts.messages import CardCertificate
from contracts.records import card_word, enrol_word
from contracts.signatures import sign
from services.bank import rules
from services.bank.consent_rules import covers
from services.bank.consents import Consents
from services.bank.desk import Desk
from services.bank.errors import CardOrderError, NoConsentError
from services.bank.limits import MAX_CAP_WON
from services.bank.tables import BankCard, CardStatus
from services.days import month_first_day, month_last_day, service_day_at
from services.outbox import purpose_prefix

_LOOKUP = 500  # SQLite takes a bounded number of parameters


@dataclass(frozen=True, slots=True)
class CardOrder:
    """A card that a rider wants: `card` is its 20-byte address, `modes` and `per_tap_cap_won` its voucher profile.

    cap_won: what the bank guarantees in the month, in whole thousands · offline_cap_won: what readers allow in the
    month without asking, balance and vouchers included.
    """

    rider: int
    card: bytes
    month: int
    rider_class: RiderClass
    modes: int
    per_tap_cap_won: int
    cap_won: int
    offline_cap_won: int
    instance: int = 0


class Cards:
    """The cards of one bank."""

    def __init__(self, desk: Desk, consents: Consents) -> None:
        self._desk = desk
        self._consents = consents

    def enrol(self, name: str, clearing_house: int, orders: Sequence[CardOrder], *, now: int) -> list[str]:
        """Stores the orders, shuffled into batches, and sends each batch; the purposes of their transactions.

        The same name again continues where a crash left it. Raises CardOrderError for cards of different months, a
        card that was ordered before, or a cap that does not fit; NoConsentError for a card with a cap whose rider has
        no consent to debits in force for what is left of the month.
        """
        prefix = purpose_prefix("enrol", name)
        if not self._rows_of(prefix):
            self._store(prefix, orders, now)
        batches = self._rows_of(prefix)
        calls = {
            purpose: ([rows[0].month, clearing_house, [enrol_word(row.card, row.cap_won) for row in rows]], len(rows))
            for purpose, rows in batches.items()
        }
        self._desk.issuer.once_each("Fares", "enrol", calls)
        return list(batches)

    def _store(self, prefix: str, orders: Sequence[CardOrder], now: int) -> None:
        if len({order.month for order in orders}) != 1:
            raise CardOrderError("cards are enrolled month by month")
        for order in orders:
            if not 0 <= order.cap_won <= MAX_CAP_WON or order.cap_won % 1_000:
                raise CardOrderError(f"a cap is a whole thousand up to {MAX_CAP_WON:,} won, not {order.cap_won:,}")
        if len({order.card for order in orders}) != len(orders):
            raise CardOrderError("a card is ordered once")
        mixed = rules.shuffled(orders, self._desk.randomness.below)
        with Session(self._desk.engine) as session:
            if self._any_known(session, orders):
                raise CardOrderError("a card is ordered once")
            self._check_consents(session, orders, now)
            for number, chunk in enumerate(rules.batches(mixed)):
                rows = [self._row(order, f"{prefix}{number}") for order in chunk]
                session.execute(insert(BankCard), rows)
            session.commit()

    def _check_consents(self, session: Session, orders: Sequence[CardOrder], now: int) -> None:
        """A card with a cap makes the bank owe on any day left of its month; it must be able to debit its rider."""
        last_day = month_last_day(orders[0].month)
        first_day = min(max(month_first_day(orders[0].month), service_day_at(now)), last_day)
        terms = self._consents.terms(session, first_day, last_day)
        for order in orders:
            if order.cap_won and not covers(terms.get(order.rider, ()), first_day, last_day, now):
                raise NoConsentError(f"rider {order.rider} has none for service days {first_day} to {last_day}")

    def _any_known(self, session: Session, orders: Sequence[CardOrder]) -> bool:
        for chunk in rules.batches([order.card for order in orders], _LOOKUP):
            query = select(func.count()).where(BankCard.bank == self._desk.organisation, col(BankCard.card).in_(chunk))
            if session.exec(query).one():
                return True
        return False

    def _row(self, order: CardOrder, purpose: str) -> dict[str, object]:
        return {
            "bank": self._desk.organisation,
            "card": order.card,
            "rider": order.rider,
            "month": order.month,
            "instance": order.instance,
            "rider_class": int(order.rider_class),
            "modes": order.modes,
            "per_tap_cap_won": order.per_tap_cap_won,
            "cap_won": order.cap_won,
            "offline_cap_won": order.offline_cap_won,
            "purpose": purpose,
            "status": int(CardStatus.PLANNED),
            "code": 0,
        }

    def _rows_of(self, prefix: str) -> dict[str, list[BankCard]]:
        with Session(self._desk.engine) as session:
            query = select(BankCard).where(
                BankCard.bank == self._desk.organisation, col(BankCard.purpose).startswith(prefix, autoescape=True)
            )
            found: dict[str, list[BankCard]] = {}
            for row in session.exec(query.order_by(col(BankCard.id))).all():
                found.setdefault(row.purpose, []).append(row)
        return found

    def certify(self, card: bytes) -> tuple[CardCertificate, bytes]:
        """The certificate of an enrolled card and the guarantor's signature. Raises CardOrderError for any other."""
        with Session(self._desk.engine) as session:
            query = select(BankCard).where(BankCard.bank == self._desk.organisation, BankCard.card == card)
            row = session.exec(query).first()
        if row is None or row.status != CardStatus.ENROLLED:
            raise CardOrderError(f"card 0x{card.hex()} is not enrolled by this bank")
        return self._certificate(row)

    def certificates(self, month: int) -> dict[bytes, tuple[CardCertificate, bytes]]:
        """Certificates of all enrolled cards of a month, by card."""
        with Session(self._desk.engine) as session:
            query = select(BankCard).where(
                BankCard.bank == self._desk.organisation,
                BankCard.month == month,
                BankCard.status == CardStatus.ENROLLED,
            )
            rows = session.exec(query).all()
        return {row.card: self._certificate(row) for row in rows}

    def refused(self) -> dict[bytes, int]:
        """Cards that Fares did not enrol, with its code (contracts.codes.CardCode)."""
        with Session(self._desk.engine) as session:
            query = select(BankCard.card, BankCard.code).where(
                BankCard.bank == self._desk.organisation, BankCard.status == CardStatus.REFUSED
            )
            return dict(session.exec(query).all())

    def riders_of(self, cards: Sequence[bytes]) -> dict[bytes, int]:
        """Whose card each is; cards of other banks are left out."""
        with Session(self._desk.engine) as session:
            return self.riders_in(session, cards)

    def riders_in(self, session: Session, cards: Sequence[bytes]) -> dict[bytes, int]:
        """As `riders_of`, within the caller's database transaction."""
        found: dict[bytes, int] = {}
        for chunk in rules.batches(list(dict.fromkeys(cards)), _LOOKUP):
            query = select(BankCard.card, BankCard.rider).where(
                BankCard.bank == self._desk.organisation, col(BankCard.card).in_(chunk)
            )
            found |= dict(session.exec(query).all())
        return found

    def cards_of(self, riders: Sequence[int], month: int) -> dict[bytes, int]:
        """Enrolled cards of these riders in a month, with their riders: what a denylist names (money.md §1, UNPAID)."""
        found: dict[bytes, int] = {}
        with Session(self._desk.engine) as session:
            for chunk in rules.batches(list(dict.fromkeys(riders)), _LOOKUP):
                query = select(BankCard.card, BankCard.rider).where(
                    BankCard.bank == self._desk.organisation,
                    BankCard.month == month,
                    BankCard.status == CardStatus.ENROLLED,
                    col(BankCard.rider).in_(chunk),
                )
                found |= dict(session.exec(query).all())
        return found

    def report_lost(self, name: str, cards: Sequence[bytes]) -> None:
        """Starts the 72 hours after which lost cards' remainders come back (months.withdraw); once under its name."""
        self._each("lost", name, "report_lost", cards)

    def sweep(self, name: str, cards: Sequence[bytes]) -> None:
        """Clears what Fares keeps of cards whose month ended 90 days ago; once under its name."""
        self._each("sweep", name, "sweep", cards)

    def _each(self, kind: str, name: str, function: str, cards: Sequence[bytes]) -> None:
        prefix = purpose_prefix(kind, name)
        for number, chunk in enumerate(rules.batches(sorted(cards))):
            words = [card_word(card) for card in chunk]
            self._desk.issuer.once(f"{prefix}{number}", "Fares", function, [words])

    def _certificate(self, row: BankCard) -> tuple[CardCertificate, bytes]:
        certificate = CardCertificate(
            card=row.card,
            month=row.month,
            instance=row.instance,
            rider_class=row.rider_class,
            modes=row.modes,
            per_tap_cap_won=row.per_tap_cap_won,
            offline_cap_won=row.offline_cap_won,
            first_day=month_first_day(row.month),
            last_day=month_last_day(row.month),
        )
        client = self._desk.client
        digest = certificate.digest(client.chain_id, client.address("Fares"))
        return certificate, sign(digest, self._desk.guarantor_key)
