"""The demo's riders before the morning: accounts, cards, top-ups, voucher credentials (money.md §1, §4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coincurve import PrivateKey

from contracts.codes import RiderClass
from contracts.messages import Claim
from contracts.signatures import address_of, sign
from services.bank.cards import CardOrder
from services.bank.consents import GivenConsent
from services.bank.issuing import TopUp
from services.bank.rules import account_number
from services.bank.service import Bank
from services.days import date_of, month_first_day, month_last_day, month_of
from services.demo import shares
from services.demo.city_hall import CityHall
from services.demo.errors import DemoError
from services.demo.morning import Morning
from services.demo.scenery import BANK_LABELS
from services.demo.trips import Rider
from services.demo.world import CHAIN_ID, CITY, CLEARING_HOUSE, FIRST_BANK, World
from services.vouchers.attestations import EligibilityAttestation
from services.vouchers.programmes import EligibilityClass, Programme, presets, rule_set_of
from services.vouchers.registry import Application, CredentialRequest, SignedCredential
from services.vouchers.service import GrantRequest
from services.vouchers.validity import card_window, lot_window
from wallets import keystore
from wallets.card import TransitCard
from wallets.consents import DebitConsent, account_commitment
from wallets.credentials import sign_claim
from wallets.journal import Journal
from wallets.keys import Keyring
from wallets.taps import SALT_BYTES
from wallets.words import Words

KEYSTORE_PASSWORD = "dure-demo"  # noqa: S105  the demo's wallets hold nothing of anybody
SCRYPT_N = 1 << 12  # the demo's keystore is opened at every start
ACCOUNT_WON = 200_000  # what a rider's bank account holds; an assumption
PROGRAMMES = ("TW-BASIC", "PREGNANCY", "TRANSIT-DAY")
DUE_DATE_DAYS = 90
OVER_CAP_TOP_UP_WON = 20_000


class Citizens:
    """All riders' wallets: one keystore, one journal, a wallet number per rider."""

    def __init__(self, world: World, morning: Morning, directory: Path) -> None:
        self.world, self.morning = world, morning
        self.month = month_of(morning.service_day)
        path = directory / "wallets.json"
        if not path.exists():
            keystore.save(
                path,
                Words.from_entropy(world.secret("wallets"), "korean"),
                KEYSTORE_PASSWORD,
                scrypt_n=SCRYPT_N,
            )
        self._seed = keystore.load(path, KEYSTORE_PASSWORD).seed()
        self.journal = Journal(directory / "wallets.db")
        self._cards: dict[int, TransitCard] = {}
        self._addresses: list[bytes] = []

    def keyring(self, rider: int) -> Keyring:
        """The keys of a rider's wallet."""
        return Keyring(self._seed, rider)

    def card_key(self, rider: int) -> PrivateKey:
        """Key of a rider's card of the month."""
        return self.keyring(rider).card(self.month, 0)

    @property
    def addresses(self) -> list[bytes]:
        """Card addresses, by rider."""
        if not self._addresses:
            self._addresses = [address_of(self.card_key(rider.index)) for rider in self.morning.riders]
        return self._addresses

    def person(self, rider: int) -> bytes:
        """A person's 32-byte name at bank and registry."""
        return self.world.secret(f"person:{rider}")

    def riders_of(self, bank: int) -> list[Rider]:
        """The riders who bank there."""
        return [rider for rider in self.morning.riders if rider.bank == bank]

    # --- the bank

    def order_cards(self, hall: CityHall, now: int) -> None:
        """Opens accounts with their deposits, has riders consent to debits, and enrols every card of the month, before
        it begins."""
        for number, bank in enumerate(hall.banks):
            riders = self.riders_of(number)
            if not riders:
                continue
            accounts = bank.accounts.open([self.person(rider.index) for rider in riders])
            bank.accounts.deposit("opening", dict.fromkeys(accounts, ACCOUNT_WON), now=now)
            guaranteed = [each for each in zip(riders, accounts, strict=True) if each[0].cap_won]
            self._consent(bank, guaranteed, now)
            orders = [self._order(rider, account) for rider, account in zip(riders, accounts, strict=True)]
            bank.cards.enrol(f"{self.month}", CLEARING_HOUSE, orders, now=now)

    def _consent(self, bank: Bank, riders: Sequence[tuple[Rider, int]], now: int) -> None:
        """Riders and their accounts: each wallet signs that the bank may debit its account for the month's fares."""
        name = BANK_LABELS[shares.BANKS[bank.organisation - FIRST_BANK][0]].ko
        wallets, given = {}, []
        for rider, account in riders:
            key = self.keyring(rider.index).account()
            # From the seed, so that a step played again signs the same consent.
            salt = self.world.secret(f"consent:{rider.index}")[:SALT_BYTES]
            consent = DebitConsent(
                giver=address_of(key),
                organisation=bank.organisation,
                organisation_name=name,
                first_day=month_first_day(self.month),
                last_day=month_last_day(self.month),
                account=account_commitment(account_number(account), salt),
                daily_limit_won=shares.DAILY_LIMIT_WON,
            )
            wallets[account] = consent.giver
            given.append(GivenConsent(account, consent.document(consent.sign(key, CHAIN_ID)), salt))
        bank.accounts.register_wallets(wallets)
        bank.consents.give(given, now=now)

    def _order(self, rider: Rider, account: int) -> CardOrder:
        programme = self.programme_of(rider)
        rules = rule_set_of(programme) if programme else None
        generous = shares.CAP_WON + sum(shares.BALANCES_WON)
        return CardOrder(
            rider=account,
            card=self.addresses[rider.index],
            month=self.month,
            rider_class=rider.rider_class,
            modes=rules.modes if rules else 0,
            per_tap_cap_won=rules.per_tap_cap_won if rules else 0,
            cap_won=rider.cap_won,
            # Readers let a card ride beyond a cap that was lowered after its certificate went out: the chain refuses.
            offline_cap_won=generous,
        )

    def top_up(self, hall: CityHall, now: int) -> None:
        """Prepaid riders' own won onto their cards."""
        for number, bank in enumerate(hall.banks):
            riders = [rider for rider in self.riders_of(number) if rider.balance_won]
            accounts = bank.accounts.open([self.person(rider.index) for rider in riders])
            orders = [
                TopUp(account, self.addresses[rider.index], rider.balance_won)
                for rider, account in zip(riders, accounts, strict=True)
            ]
            if orders:
                bank.issuing.top_up("opening", orders, now=now)

    def top_up_over_cap(self, hall: CityHall, now: int) -> None:
        """Riders whose bank refused more load their cards, so that the rest of their day can settle (money.md §3)."""
        over = {apple.rider for apple in self.morning.bad_apples if apple.kind is shares.BadAppleKind.OVER_CAP}
        for number, bank in enumerate(hall.banks):
            riders = [rider for rider in self.riders_of(number) if rider.index in over]
            accounts = bank.accounts.open([self.person(rider.index) for rider in riders])
            orders = [
                TopUp(account, self.addresses[rider.index], OVER_CAP_TOP_UP_WON)
                for rider, account in zip(riders, accounts, strict=True)
            ]
            if orders:
                bank.issuing.top_up("over cap", orders, now=now)

    def take_certificates(self, hall: CityHall) -> None:
        """Every rider's wallet takes its card's certificate, all in one batch of the journal."""
        found = {card: signed for bank in hall.banks for card, signed in bank.cards.certificates(self.month).items()}
        with self.journal.batch():
            for rider in self.morning.riders:
                card = self.addresses[rider.index]
                if self.journal.last("certificate", card) is None:
                    certificate, signature = found[card]
                    key = self.card_key(rider.index)
                    TransitCard.enrol(key, certificate, signature, self.world.directory, self.journal)

    def card(self, rider: int) -> TransitCard:
        """A rider's card, opened from the journal once."""
        found = self._cards.get(rider)
        if found is None:
            found = TransitCard(self.card_key(rider), self.world.directory, self.journal)
            self._cards[rider] = found
        return found

    # --- vouchers

    @staticmethod
    def programme_of(rider: Rider) -> Programme | None:
        """The programme that serves a rider."""
        return presets()[rider.programmes[0]] if rider.programmes else None

    def claim_vouchers(self, hall: CityHall, rule_sets: dict[str, int], now: int, day: int) -> None:
        """Attested riders apply, take their credentials and claim their lots onto their cards."""
        holders = [rider for rider in self.morning.riders if rider.programmes]
        requests = []
        for rider, number in zip(holders, self._apply(hall, holders, now), strict=True):
            requests.append(
                CredentialRequest(number, self.person(rider.index), address_of(self._credential_key(rider, day)))
            )
        answers = hall.registry.credential_many(requests, now=now)
        for name in PROGRAMMES:
            made = [
                self._request(hall, rider, answer, rule_sets[name], day)
                for rider, answer in zip(holders, answers, strict=True)
                if rider.programmes[0] == name
            ]
            if made:
                self._grant(hall, name, rule_sets[name], made, day)

    def _apply(self, hall: CityHall, holders: Sequence[Rider], now: int) -> list[int]:
        """Application numbers, in order; whom a run that was cut short has served already does not apply again."""
        people = [(self.person(rider.index), rider.programmes[0]) for rider in holders]
        served = hall.registry.serving(people, now=now)
        new = [rider for rider, number in zip(holders, served, strict=True) if number is None]
        answers = iter(hall.registry.apply_many([self._application(hall, rider) for rider in new], now=now))
        numbers = []
        for rider, known in zip(holders, served, strict=True):
            number = next(answers) if known is None else known
            if not isinstance(number, int):
                raise DemoError(f"application of rider {rider.index}: {number.what}")
            numbers.append(number)
        return numbers

    def _application(self, hall: CityHall, rider: Rider) -> Application:
        attestation = EligibilityAttestation(
            self.person(rider.index),
            _attested(rider),
            CITY,
            month_first_day(self.month),
            month_last_day(self.month),
        )
        digest = attestation.digest(hall.client.chain_id, hall.client.address("Vouchers"))
        signature = sign(digest, self.world.party_key(CITY, "admin"))
        return Application(rider.programmes[0], attestation, signature, f"phone {rider.index}")

    def _credential_key(self, rider: Rider, day: int) -> PrivateKey:
        programme = presets()[rider.programmes[0]]
        return self.keyring(rider.index).credential(programme.exclusion_group, month_of(day))

    def _request(self, hall: CityHall, rider: Rider, answer: object, rule_set: int, day: int) -> GrantRequest:
        if not isinstance(answer, SignedCredential):
            raise DemoError(f"credential of rider {rider.index}: {answer}")
        programme = presets()[rider.programmes[0]]
        card, credential = self.addresses[rider.index], answer.credential
        claim = Claim(card, rule_set, credential.period, programme.grant_won, credential.nullifier)
        key = self._credential_key(rider, day)
        signature = sign_claim(
            claim, credential, key, self.journal, hall.client.chain_id, hall.client.address("Vouchers")
        )
        return GrantRequest(programme.id, CITY, card, programme.grant_won, credential, answer.signature, signature)

    def _grant(self, hall: CityHall, name: str, rule_set: int, requests: Sequence[GrantRequest], day: int) -> None:
        programme = presets()[name]
        # A due date some weeks ahead: the benefit outlasts the month, the lot on this card does not (money.md §1).
        event = date_of(day + DUE_DATE_DAYS) if name == "PREGNANCY" else None
        window = card_window(lot_window(programme, day, event), self.month)
        if window is None:
            raise DemoError(f"{name} has no day in the month")
        hall.office.grant(name, rule_set, window.start_day, window.last_service_day, requests)

    def close(self) -> None:
        """Gives up the journal."""
        self.journal.close()


def _attested(rider: Rider) -> EligibilityClass:
    name = rider.programmes[0]
    if name in shares.ATTESTED_CLASS:
        return shares.ATTESTED_CLASS[name]
    return shares.ATTESTED_BASIC[RiderClass(rider.rider_class)]
