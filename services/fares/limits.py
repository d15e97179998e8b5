"""Bounds of what readers keep and clearing takes, each with its reason."""

from __future__ import annotations

from typing import Final

# --- a reader (zeropay.md §6.1)
MAX_OFFLINE_TAPS: Final = 50_000  # 72 hours of the busiest gate; past it the gate shuts rather than forget
MAX_OFFLINE_S: Final = 72 * 3_600
OFFLINE_SUM_WON: Final = 20_000  # first-ride risk of one card at one reader that is not online
OFFLINE_COUNT: Final = 10
MAX_PENALTY_WON: Final = 5_000  # an outstanding penalty from which on a gate stays shut
PASS_BACK_S: Final = 3  # one card opens one gate once in this time
COMPLETION_S: Final = 60  # an unfinished tap of the same station is completed free (money.md §2)
MAX_SKEW_S: Final = 90  # fares.md §11: clocks of two readers may differ by this much (wallets: MAX_READER_SKEW_S)
DENYLIST_FRESH_S: Final = 600  # older: ceilings are halved
DENYLIST_STALE_S: Final = MAX_OFFLINE_S  # older: nothing opens, since every ceiling rests on a list
MAX_DENYLIST: Final = 500_000  # zeropay.md §6.1; a tenth of all cards of the city
MAX_OPEN_OFFERS: Final = 256  # offers a reader remembers for completion; one gate serves one person a second

# --- an upload
MAX_UPLOAD_ENTRIES: Final = 2_000  # one transaction and one fsync; about 2 MiB
MAX_UPLOAD_BYTES: Final = 8 << 20
MAX_UPLOAD_NESTING: Final = 4  # a head nests three deep: its list of certificates
MAX_LINE_BYTES: Final = 4_096  # an entry has about 1,200
MAX_REFUSAL_BYTES: Final = MAX_LINE_BYTES  # as much of a refused entry as is kept
MAX_REFUSAL_TEXT: Final = 300
MAX_REFUSALS_PER_READER: Final = 100_000  # twice a full offline store; a broken reader cannot fill the disk
MAX_REFUSALS_OF_NOBODY: Final = 10_000  # uploads that no reader signed: anybody can send those; 40 MB
MAX_AGE_S: Final = 90 * 86_400  # money.md §1: a card is settled up to 90 days
MAX_TEXT: Final = 64  # a stop, line or route

# --- settlement (money.md §3)
RECORDS_PER_BATCH: Final = 256
CREDITED_ACCOUNTS: Final = 7  # lanes of a record; the eighth is suspense
CERTIFICATE_CACHE: Final = 65_536  # verified certificates kept in memory, 200 bytes each
GAP_S: Final = 72 * 3_600  # a missing day is waited for this long after the end of the record's day
RECEIVABLE_S: Final = 72 * 3_600  # a missing tap-off is collected by a tap within this, then by adjust
CLOSE_EARLIEST_S: Final = 72 * 3_600
CLOSE_LATEST_S: Final = 30 * 86_400
RELEASE_S: Final = 86_400  # credits become payable after this without objection
CARDS_PER_PARTITION: Final = 4_096  # planned in one database transaction and held in memory, about 40 MB
MAX_FOREGONE: Final = 16  # operators of free rides that one settle names
FORK_STATES_PER_BATCH: Final = 32  # that one settle_fork takes
BATCHES_PER_RELEASE: Final = 16  # that one release takes
TABLES_PER_DISTRIBUTION: Final = 16  # that one distribute or cover takes
LOTS_PER_CORRECTION: Final = 4  # that one adjust_down names
BLOCKS_PER_READING: Final = 10_000  # whose events one database transaction takes in: hours of a busy chain

# --- disputes
MAX_OPEN_DISPUTES: Final = 20  # of one card: every ride of a week at a faulty gate; operators answer each by hand
MAX_EVIDENCE_BYTES: Final = 16_384  # a page of log lines, or the hashes of what is too long to send
MAX_CAUSE_LETTERS: Final = 300  # two sentences in each of two languages

# --- a quote
MAX_DOCUMENT_BYTES: Final = 1 << 20  # a year of one person's legs has about 400 kB
MAX_NESTING: Final = 8  # a document nests four deep
MAX_QUOTE_LEGS: Final = 4_000  # ten legs a day for a year
MAX_LEG_METRES: Final = 400_000  # beyond the longest ride on the network; five of them fit a tap (wallets/limits.py)
MAX_SECTIONS: Final = 16  # of a leg; the tables hold three
MAX_STATIONS_SUGGESTED: Final = 5  # more is no help to a reader
MAX_CACHED_ORIGINS: Final = 1_024  # every station of the network, with room; 60 kB each
MAX_SHARED_WON: Final = 1 << 53  # a pool beyond exact JSON integers is a mistake
