"""The bad apples of the morning: each is played for real, and must be refused or heal (shares.py states how many)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from contracts.errors import DureError
from contracts.signatures import sign
from services.demo.citizens import Citizens
from services.demo.morning import BadApple, Morning
from services.demo.shares import BadAppleKind
from services.demo.streets import MINUTE_S, Moment, ReaderName, Streets, reader_name
from services.demo.trips import PlannedTap
from services.demo.world import CHAIN_ID, World
from services.fares.errors import CompletionError, FareError
from wallets.card import TransitCard
from wallets.errors import WalletError
from wallets.journal import Journal
from wallets.presentation import SignedTap

_RETRY_S = 20  # a rider whose gate did not open shows the card again


class Mischief:
    """Plays the bad apples beside the orderly taps."""

    def __init__(self, world: World, morning: Morning, citizens: Citizens, streets: Streets, directory: Path) -> None:
        self._world, self._citizens, self._streets, self._directory = world, citizens, streets, directory
        self._by_tap: dict[tuple[int, int], BadAppleKind] = {
            (apple.rider, apple.tap): apple.kind for apple in morning.bad_apples if apple.tap >= 0
        }
        clones = (BadAppleKind.CLONED_CARD, BadAppleKind.LATE_CLONE)
        self._clones = [apple for apple in morning.bad_apples if apple.kind in clones]
        self._twins: dict[int, tuple[Journal, TransitCard]] = {}
        self._index: dict[tuple[int, int], int] = {}
        # Minutes (UTC seconds // 60) in which something goes wrong at a reader.
        self.minutes = {tap.time // MINUTE_S for apple in self._clones for tap in apple.twin}
        taps: dict[int, list[PlannedTap]] = {}
        for trip in morning.trips:
            taps.setdefault(trip.rider, []).extend(trip.taps)
        for rider, planned in taps.items():
            planned.sort(key=lambda tap: tap.time)
            for index, tap in enumerate(planned):
                self._index[rider, tap.time] = index
                if (rider, index) in self._by_tap:
                    self.minutes.add(tap.time // MINUTE_S)
        self._back_at = {
            name: apple.upload_time
            for apple in morning.bad_apples
            if apple.upload_time
            for name in _offline_names(apple, taps)
        }
        streets.offline |= self._back_at.keys()

    def _kind(self, moment: Moment) -> BadAppleKind | None:
        return self._by_tap.get((moment.rider, self._index[moment.rider, moment.tap.time]))

    def offline_at(self, time: int) -> set[ReaderName]:
        """The readers that have not come back by then."""
        return {name for name, back_at in self._back_at.items() if back_at > time}

    def extra_taps(self) -> list[PlannedTap]:
        """Taps that no rider planned: those of cloned cards."""
        return [tap for apple in self._clones for tap in apple.twin]

    # --- a minute

    def before(self, minute: int, moments: Sequence[Moment]) -> None:
        """Plays what comes before the taps of a minute. A torn tap is one that streets.minute finds begun."""
        for apple in self._clones:
            for index, tap in enumerate(apple.twin):
                if tap.time // MINUTE_S == minute:
                    self._ride_on_clone(apple, index)
        for moment in moments:
            kind = self._kind(moment)
            if kind is BadAppleKind.FORGED_SIGNATURE:
                self._forge(moment)
            if kind is BadAppleKind.TORN_TAP and not self._done(moment):
                self._tear(moment)

    @staticmethod
    def _done(moment: Moment) -> bool:
        last = moment.card.present().last
        return last is not None and last.tap.time == moment.tap.time

    def _forge(self, moment: Moment) -> None:
        """Somebody answers the reader's offer with a signature of another key."""
        reader = self._streets.reader(moment.tap)
        try:
            offer = self._streets.unsigned(moment, reader)
            digest = offer.state.digest(CHAIN_ID, self._world.directory.fares)
            reader.complete(offer, sign(digest, self._world.key("forger")), moment.tap.time)
        except (FareError, WalletError) as error:
            self._streets.refuse("gate", error)

    def _tear(self, moment: Moment) -> None:
        """The card signs, its answer never arrives; shown again at the same gate, the tap is completed free."""
        reader = self._streets.reader(moment.tap)
        try:
            offer = self._streets.unsigned(moment, reader)
            moment.card.accept(offer, moment.tap.time)
        except (FareError, WalletError) as error:
            self._streets.refuse("gate", error)
            return
        reader.resume(moment.card.present(), moment.tap.time + _RETRY_S)

    def after(self, moments: Sequence[Moment]) -> None:
        """Plays what follows the taps of a minute: a tap's replay at the gate, and at clearing."""
        for moment in moments:
            signed = moment.card.present().last
            if self._kind(moment) is BadAppleKind.REPLAYED_TAP and signed is not None and self._done(moment):
                self._replay(moment, signed)

    def _replay(self, moment: Moment, signed: SignedTap) -> None:
        reader = self._streets.reader(moment.tap)
        try:
            reader.complete(signed.offer, signed.card_signature, moment.tap.time + _RETRY_S)
        except CompletionError as error:
            self._streets.refuse("gate", error)
        self._streets.upload_twice(reader, moment.tap.time)

    # --- a cloned card

    def _twin(self, rider: int) -> TransitCard:
        """The copy of a card, made before its first tap, with a journal of its own that knows nothing of the other."""
        found = self._twins.get(rider)
        if found is None:
            journal = Journal(self._directory / f"clone-{rider}.db")
            key = self._citizens.card_key(rider)
            shown = self._citizens.card(rider).present()
            if journal.last("certificate", self._citizens.addresses[rider]) is None:
                card = TransitCard.enrol(
                    key, shown.certificate, shown.guarantor_signature, self._world.directory, journal
                )
            else:
                card = TransitCard(key, self._world.directory, journal)
            found = self._twins[rider] = (journal, card)
        return found[1]

    def _ride_on_clone(self, apple: BadApple, index: int) -> None:
        tap = apple.twin[index]
        boarded_m = apple.twin[index - 1].metres if tap.kind == "OUT" else 0
        moment = Moment(apple.rider, self._twin(apple.rider), tap, boarded_m)
        reader = self._streets.reader(tap)
        try:
            if self._done(moment):
                reader.resume(moment.card.present(), tap.time)
                return
            offer = self._streets.unsigned(moment, reader)
            reader.complete(offer, moment.card.accept(offer, tap.time), tap.time)
        except DureError as error:
            self._streets.refuse("gate", error)

    def close(self) -> None:
        """Gives up the clones' journals."""
        for journal, _ in self._twins.values():
            journal.close()


def _offline_names(apple: BadApple, taps: Mapping[int, Sequence[PlannedTap]]) -> list[ReaderName]:
    """The readers that a bad apple is about, where it is about readers that come back late. taps: planned, by rider."""
    if apple.kind is BadAppleKind.OFFLINE_READER:
        return [("", apple.stop, apple.line, "")]
    return [reader_name(tap) for tap in apple.twin or (taps[apple.rider][apple.tap],)]
