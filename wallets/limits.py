"""Bounds of what wallets and readers take, each with its reason."""

from __future__ import annotations

from typing import Final

# --- taps (the longest Korean station name has 16 letters, 48 bytes; routes and tariffs are shorter)
MAX_TAP_BYTES: Final = 2048  # twice the longest tap that the network's names allow
MAX_NAME_LETTERS: Final = 64  # of a stop, line, route or tariff
MAX_LEGS: Final = 16  # a journey has at most five (fares.md §3); room for later tariffs
MAX_METRES: Final = 2_000_000  # twice the length of the whole network's longest path
MAX_TAP_WON: Final = 100_000  # five times the dearest airport ride: more in one tap is an error

# --- certificates
MAX_READER_CERTIFICATE_S: Final = 7 * 86_400  # money.md §2: a stolen reader dies within a week
CARD_GRACE_S: Final = 6 * 3_600  # money.md §1: a journey begun on a card ends on it
CACHED_CERTIFICATES: Final = (
    65_536  # one signer each (about 200 bytes): the readers and cards one process meets in a day
)

# --- what a wallet signs
MAX_CHARGE_WON: Final = 30_000  # default per-tap maximum: above the dearest ride with a penalty, below a day's harm
MAX_CLOCK_SKEW_S: Final = 300  # between reader and phone, both offline
MAX_READER_SKEW_S: Final = 90  # between the clocks of two readers (fares.md §11)

# --- journal and keystore
MAX_ENTRY_BYTES: Final = 8_192  # a signed tap with certificates has about 1,800
MAX_JOURNAL_ENTRIES: Final = 5_000_000  # opening reads all of them: about 20 s; a day of the largest demo has 200,000
MAX_INSTANCE: Final = 255  # CardCertificate.instance is a uint8
SCRYPT_N: Final = 262_144  # Web3 Secret Storage's and geth's standard: about a second and 256 MiB
MAX_SCRYPT_BYTES: Final = 1 << 30  # what a keystore file may ask for: 128 · n · r, or a file could exhaust memory
MAX_KEYSTORE_BYTES: Final = 65_536  # a keystore has about 500
MAX_PBKDF2_ROUNDS: Final = 10_000_000  # a keystore file may not ask for hours

# --- sentences
MAX_PARTY_LETTERS: Final = 64  # of a payee's or organisation's name: what a phone shows on one screen beside the rest
MAX_STATEMENT_BYTES: Final = 4_096  # twice the longest consent: a name of 64 letters thrice, two sentences, a signature
MAX_CONSENT_DAYS: Final = 366  # a consent is read again once a year, or nobody remembers having given it
MAX_DAILY_DEBIT_WON: Final = 1_000_000  # ten times MAX_TAP_WON: a day's fares above that are an error
MAX_CLAIMED_WON: Final = MAX_TAP_WON * MAX_LEGS  # of a dispute: all that a journey can have charged (wallets/taps.py)
