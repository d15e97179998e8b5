"""Taps a card without end and prints each sequence number and digest whose signature has left: killed by its test."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.wallets import world as w
from wallets.card import TransitCard
from wallets.journal import Journal


def main(path: Path) -> None:
    with Journal(path) as journal:
        card = TransitCard(w.CARD, w.DIRECTORY, journal)
        while True:
            # A random salt: after a restart the offer for the same number is another one.
            made = w.offer(card.present().last, won=1, salt=os.urandom(16))
            card.accept(made, w.NOW)
            print(made.state.seq, w.digest(made.state).hex(), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
