"""The morning on the streets: riders with their cards, readers at every gate and in every bus, a minute at a time.

Within a minute a card taps once. All offers are made and signed first, in one batch of the wallets' journal; then the
readers keep them, in one group of their store; then they upload. Cut anywhere, a minute is played again to the same
end: what a card has signed is completed instead of offered anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from contracts.errors import DureError
from contracts.messages import ReaderCertificate
from contracts.signatures import address_of, sign
from services.demo.trips import PlannedTap
from services.demo.world import CHAIN_ID, World
from services.fares.denylist import Denylist, DenylistUpdate
from services.fares.errors import FareError
from services.fares.intake import Acknowledgement
from services.fares.reader import Gate, Reader
from services.fares.reader_store import ReaderStore
from wallets.card import Staged, TransitCard
from wallets.errors import WalletError
from wallets.journal import Journal
from wallets.presentation import Offer
from wallets.taps import place_of

MINUTE_S = 60
_READER_LIFE_S = 7 * 86_400
ReaderName: TypeAlias = tuple[str, str, str, str]  # route, stop, line, which of the place's readers


def reader_name(tap: PlannedTap) -> ReaderName:
    """The reader at a gate, or of a bus route's vehicle."""
    return tap.route, "" if tap.route else tap.stop, tap.line, tap.reader


@dataclass(frozen=True, slots=True)
class Moment:
    """A tap that a rider makes now: which rider, his card, the plan; `boarded_m` the bus's metres at his tap-on."""

    rider: int
    card: TransitCard
    tap: PlannedTap
    boarded_m: int


class Streets:
    """Readers of the whole city over one store; `take_in` is clearing's intake."""

    def __init__(
        self,
        world: World,
        directory: Path,
        journal: Journal,
        take_in: Callable[[bytes, int], Acknowledgement],
        denylist_issuer: bytes,
        opened_at: int,
    ) -> None:
        self.world, self.journal, self._take_in = world, journal, take_in
        self.store = ReaderStore(directory / "readers.db")
        self.denylist = Denylist()
        self._denylist_issuer = denylist_issuer
        self._opened_at = opened_at
        self._readers: dict[ReaderName, Reader] = {}
        self._salt: bytes = b""
        self.refused: Counter[str] = Counter()
        self.offline: set[ReaderName] = set()

    def reader(self, tap: PlannedTap) -> Reader:
        """The reader of a tap, installed at its first."""
        name = reader_name(tap)
        found = self._readers.get(name)
        if found is None:
            found = self._readers[name] = self._install(tap, name)
        return found

    def _install(self, tap: PlannedTap, name: ReaderName) -> Reader:
        key = self.world.key(f"reader:{'/'.join(name)}")
        organisation = self.world.organisation_of(tap.operator)
        gate = Gate(tap.mode, organisation, *name[:3])
        certificate = ReaderCertificate(
            address_of(key), organisation, place_of(*name[:3]), self._opened_at, self._opened_at + _READER_LIFE_S
        )
        digest = certificate.digest(CHAIN_ID, self.world.directory.fares)
        return Reader(
            key=key,
            gate=gate,
            certificate=certificate,
            operator_signature=sign(digest, self.world.party_key(organisation, "readers")),
            directory=self.world.directory,
            denylist=self.denylist,
            store=self.store,
            salt=lambda size: self._salt[:size],
        )

    def renew_denylist(self, update: DenylistUpdate, signature: bytes) -> None:
        """Gives every reader the clearing house's list of this minute."""
        self.denylist.apply(update, signature, {self._denylist_issuer}, CHAIN_ID, self.world.directory.fares)

    # --- a minute

    def minute(self, moments: Sequence[Moment]) -> None:
        """Plays the taps of one minute."""
        staged: list[tuple[Moment, Reader, Offer, Staged]] = []
        unfinished: list[tuple[Moment, Reader]] = []
        with self.journal.batch():
            for moment in moments:
                reader = self.reader(moment.tap)
                last = moment.card.present().last
                if last is not None and (last.tap.time, last.tap.kind) == (moment.tap.time, moment.tap.kind):
                    unfinished.append((moment, reader))
                    continue
                offered = self._offer(moment, reader)
                if offered is not None:
                    staged.append((moment, reader, *offered))
        with self.store.group():
            for moment, reader in unfinished:
                reader.resume(moment.card.present(), moment.tap.time)
            for moment, reader, offer, signature in staged:
                reader.complete(offer, signature.signature, moment.tap.time)

    def unsigned(self, moment: Moment, reader: Reader) -> Offer:
        """What the reader offers the card. Raises SignedTapError, ReaderError, FareError."""
        tap, card = moment.tap, moment.card
        self._salt = self.world.secret(f"salt:{card.address.hex()}:{tap.time}:{tap.kind}")
        on_bus = bool(tap.route)
        return reader.offer(
            card.present(),
            tap.kind,
            tap.time,
            stop=tap.stop if on_bus else "",
            metres=tap.metres - moment.boarded_m if on_bus and tap.kind == "OUT" else 0,
        )

    def _offer(self, moment: Moment, reader: Reader) -> tuple[Offer, Staged] | None:
        try:
            offer = self.unsigned(moment, reader)
            return offer, moment.card.stage(offer, moment.tap.time)
        except (FareError, WalletError) as error:
            self.refuse("gate", error)
            return None

    def refuse(self, where: str, error: DureError) -> None:
        """Counts a refusal by place and code."""
        self.refused[f"{where}|{error.code}|{type(error).__name__}"] += 1

    def upload(self, readers: Iterable[Reader], now: int) -> int:
        """Readers send what they hold and forget what clearing acknowledged; the number of new taps."""
        taken = 0
        with self.store.group():
            for reader in readers:
                while (data := reader.upload()) is not None:
                    answer = self._take_in(data, now)
                    reader.acknowledge(answer.next_index)
                    taken += answer.taken
                    for _, code in answer.refused:
                        self.refused[f"clearing|{code}|"] += 1
        return taken

    def upload_twice(self, reader: Reader, now: int) -> None:
        """Sends a reader's upload again, as somebody who recorded it would; what is known counts as repeated."""
        data = reader.upload()
        if data is None or any(reader is self._readers.get(name) for name in self.offline):
            return
        self._take_in(data, now)
        repeated = self._take_in(data, now).repeated
        self.refused["clearing|REPEATED|"] += repeated

    def install(self, taps: Iterable[PlannedTap]) -> None:
        """Puts up the readers of these taps, so that what they kept before a crash is uploaded too."""
        for tap in taps:
            self.reader(tap)

    def online(self) -> list[Reader]:
        """Readers that can upload now, by name."""
        return [reader for name, reader in sorted(self._readers.items()) if name not in self.offline]

    def close(self) -> None:
        """Gives up the store."""
        self.store.close()
