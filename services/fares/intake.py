"""Taking uploads in: verified, stored in one transaction, and acknowledged only then (money.md §8).

The same upload may come any number of times, in any order, from a reader that never saw its acknowledgement: what is
stored already is recognised by its place in the reader's chain and by its digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, func, insert, select, tuple_, update
from sqlmodel import SQLModel

from contracts.errors import DureError
from contracts.messages import CardCertificate
from services.database import insert_new, reading, transaction
from services.fares.clearing import CheckTap, Verdict, check_head, judge
from services.fares.denylist import Reason
from services.fares.errors import ChainBrokenError, MalformedError
from services.fares.limits import (
    MAX_REFUSAL_BYTES,
    MAX_REFUSAL_TEXT,
    MAX_REFUSALS_OF_NOBODY,
    MAX_REFUSALS_PER_READER,
)
from services.fares.tables import Certificate, ChainEntry, Clone, Denied, Refusal, Tap
from services.fares.uploads import FIRST_LINK, Entry, Upload, decode_upload
from wallets.presentation import Directory, SignedTap

_CHUNK: Final = 400  # pairs in one statement; SQLite takes 32,766 parameters, and short statements compile sooner


def table(model: type[SQLModel]) -> Table:
    """The SQL table behind a model, for bulk statements."""
    return SQLModel.metadata.tables[str(model.__tablename__)]


_NOBODY: Final = b""  # the sender of an upload whose head no reader signed
_CERTIFIED: Final = tuple(item.name for item in fields(CardCertificate))
_CERTIFICATES: Final = table(Certificate)
_TAPS: Final = table(Tap)
_CHAIN: Final = table(ChainEntry)
_REFUSALS: Final = table(Refusal)
_CLONES: Final = table(Clone)
_DENIED: Final = table(Denied)


@dataclass(frozen=True, slots=True)
class _Place:
    link: bytes
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What became of an upload; everything it names is on the disk.

    next_index: the reader may forget all before it · taken: new taps · repeated: places known before · refused:
    (index, code) of each entry that was kept as a refusal.
    """

    next_index: int
    taken: int
    repeated: int
    refused: tuple[tuple[int, str], ...] = field(default=())


def ingest(engine: Engine, data: bytes, directory: Directory, now: int, check_tap: CheckTap) -> Acknowledgement:
    """Takes an upload in. A bad entry is refused alone; raises only where the head is unusable, and keeps that too.

    Raises MalformedError, OperatorError, HeadSignatureError.
    """
    try:
        upload = decode_upload(data)
    except MalformedError as error:
        with transaction(engine) as connection:
            _keep(connection, _NOBODY, [(0, error, data)], now)
        raise
    try:
        station = check_head(upload, directory)
    except DureError as error:
        with transaction(engine) as connection:
            _keep(connection, _NOBODY, [(upload.first_index, error, data)], now)  # whoever sent it is not known
        raise
    with transaction(engine) as connection:
        known = _known_places(connection, upload)
        before = FIRST_LINK if upload.first_index == 0 else _link_at(connection, upload.reader, upload.first_index - 1)
        verdicts = judge(upload, station, before, directory, now, check_tap)
        return _store(connection, upload, _joined(connection, upload, known, verdicts), known, now)


def _known_places(connection: Connection, upload: Upload) -> dict[int, _Place]:
    """The places of this stretch that are stored already, by position."""
    rows = connection.execute(
        select(_CHAIN.c.position, _CHAIN.c.link, _CHAIN.c.digest).where(
            _CHAIN.c.reader == upload.reader,
            _CHAIN.c.position >= upload.first_index,
            _CHAIN.c.position < upload.length,
        )
    )
    return {position: _Place(link, digest) for position, link, digest in rows}


def _link_at(connection: Connection, reader: bytes, position: int) -> bytes | None:
    found: bytes | None = connection.execute(
        select(_CHAIN.c.link).where(_CHAIN.c.reader == reader, _CHAIN.c.position == position)
    ).scalar()
    return found or None


def _joined(
    connection: Connection, upload: Upload, known: Mapping[int, _Place], verdicts: list[Verdict]
) -> list[Verdict]:
    """The verdicts, with ChainBrokenError where the stretch contradicts what was uploaded before."""
    follower = connection.execute(
        select(_CHAIN.c.link_before).where(_CHAIN.c.reader == upload.reader, _CHAIN.c.position == upload.length)
    ).scalar()
    if follower and follower != upload.head:
        broken = ChainBrokenError("the reader's chain goes on from another link than this stretch ends with")
        return [replace(verdict, error=broken) for verdict in verdicts]
    joined = []
    for verdict in verdicts:
        stored = known.get(verdict.index)
        if stored and stored.link and verdict.link and stored.link != verdict.link:
            broken = ChainBrokenError(f"entry {verdict.index} was uploaded before with another content")
            joined.append(replace(verdict, error=broken))
        else:
            joined.append(verdict)
    return joined


def _store(
    connection: Connection, upload: Upload, verdicts: list[Verdict], known: Mapping[int, _Place], now: int
) -> Acknowledgement:
    good, bad, repeated = [], [], 0
    for verdict in verdicts:
        if verdict.index in known and known[verdict.index].digest is not None and verdict.error is None:
            repeated += 1
        elif verdict.error is not None:
            bad.append((verdict.index, verdict.error, verdict.entry.raw))
        elif isinstance(verdict.entry, Entry):
            good.append((verdict.entry.signed, verdict.digest))
    certificates = _certificates(connection, upload, {signed.state.card for signed, _ in good})
    rows = [_tap_row(signed, digest, certificates[signed.state.card], now) for signed, digest in good]
    insert_new(connection, _TAPS, rows)
    _find_clones(connection, rows, now)
    _write_chain(connection, upload, verdicts, known)
    _keep(connection, upload.reader, [item for item in bad if item[0] not in known], now)
    refused = tuple((index, error.code) for index, error, _ in bad)
    # A line that the way garbled is asked for once more; the second time it counts as the reader's own fault.
    again = (item[0] for item in bad if isinstance(item[1], MalformedError) and item[0] not in known)
    return Acknowledgement(next(again, upload.length), len(good), repeated, refused)


def _certificates(connection: Connection, upload: Upload, cards: set[bytes]) -> dict[bytes, int]:
    """Row of each card's certificate, by card; new ones are stored."""
    signatures = {upload.cards[card][1]: card for card in cards}
    found = _certificate_ids(connection, signatures)
    missing = [upload.cards[card] for signature, card in signatures.items() if card not in found]
    if missing:
        rows = [
            {**{name: getattr(certificate, name) for name in _CERTIFIED}, "signature": signature}
            for certificate, signature in missing
        ]
        insert_new(connection, _CERTIFICATES, rows)
        found |= _certificate_ids(connection, {signature: certificate.card for certificate, signature in missing})
    return found


def _certificate_ids(connection: Connection, signatures: Mapping[bytes, bytes]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for chunk in _chunks(list(signatures)):
        query = select(_CERTIFICATES.c.signature, _CERTIFICATES.c.id).where(_CERTIFICATES.c.signature.in_(chunk))
        found.update({signatures[signature]: row for signature, row in connection.execute(query)})
    return found


def _tap_row(signed: SignedTap, digest: bytes, certificate_id: int, now: int) -> dict[str, Any]:
    state, offer = signed.state, signed.offer
    return {
        "card": state.card,
        "seq": state.seq,
        "digest": digest,
        "certificate_id": certificate_id,
        "reader": offer.reader_certificate.reader,
        "operator": offer.reader_certificate.operator,
        "previous_digest": signed.previous_digest,
        "cum_won": state.cum_won,
        "cum_own_won": state.cum_own_won,
        "day_start_cum_won": state.day_start_cum_won,
        "day_start_own_won": state.day_start_own_won,
        "charge_won": state.charge_won,
        "missing_out_won": state.missing_out_won,
        "service_day": state.service_day,
        "tap_time": state.tap_time,
        "first_seq": offer.tap.journey.first_seq,
        "context": state.context,
        "salt": offer.salt,
        "tap": offer.tap.canonical(),
        "reader_signature": offer.reader_signature,
        "card_signature": signed.card_signature,
        "received_at": now,
    }


def _find_clones(connection: Connection, rows: Sequence[Mapping[str, Any]], now: int) -> None:
    """Two digests for one (card, seq), both signed by the card: proof, and the card is denied (money.md §2)."""
    digests = {(row["card"], row["seq"]): row["digest"] for row in rows}
    clones: dict[bytes, dict[str, Any]] = {}
    for row in rows:  # both in one upload
        if digests[row["card"], row["seq"]] != row["digest"]:
            clones[row["card"]] = _clone(row["card"], row["seq"], row["digest"], digests[row["card"], row["seq"]], now)
    for chunk in _chunks(list(digests)):
        query = select(_TAPS.c.card, _TAPS.c.seq, _TAPS.c.digest).where(tuple_(_TAPS.c.card, _TAPS.c.seq).in_(chunk))
        for card, seq, digest in connection.execute(query):
            if digest != digests[card, seq]:
                clones.setdefault(card, _clone(card, seq, digest, digests[card, seq], now))
    if clones:
        insert_new(connection, _CLONES, list(clones.values()))
        deny(connection, dict.fromkeys(clones, Reason.FRAUD))


def _clone(card: bytes, seq: int, first: bytes, second: bytes, now: int) -> dict[str, Any]:
    return {
        "card": card,
        "seq": seq,
        "first_digest": min(first, second),
        "second_digest": max(first, second),
        "found_at": now,
        "reported": False,
    }


def _write_chain(
    connection: Connection, upload: Upload, verdicts: Sequence[Verdict], known: Mapping[int, _Place]
) -> None:
    """Remembers the stretch. A place whose line was unreadable at first is filled in when it comes again whole."""
    fresh, again = [], []
    for verdict in verdicts:
        if isinstance(verdict.error, ChainBrokenError):
            continue  # the place belongs to the history that came first, or to none
        row = {
            "reader": upload.reader,
            "position": verdict.index,
            "link_before": verdict.link_before,
            "link": verdict.link,
            "digest": verdict.digest if verdict.error is None else None,
            "refusal": verdict.error.code if verdict.error else None,
        }
        if verdict.index not in known:
            fresh.append(row)
        elif known[verdict.index].digest is None and verdict.error is None:
            again.append(row)
    insert_new(connection, _CHAIN, fresh)
    for row in again:
        connection.execute(
            update(_CHAIN)
            .where(_CHAIN.c.reader == row["reader"], _CHAIN.c.position == row["position"])
            .values({key: row[key] for key in ("link_before", "link", "digest", "refusal")})
        )


def _keep(connection: Connection, reader: bytes, refused: Sequence[tuple[int, DureError, bytes]], now: int) -> None:
    """Keeps what was refused, within the bound for one reader."""
    if not refused:
        return
    most = MAX_REFUSALS_PER_READER if reader != _NOBODY else MAX_REFUSALS_OF_NOBODY
    held = connection.execute(select(func.count()).where(_REFUSALS.c.reader == reader)).scalar_one()
    rows = [
        {
            "received_at": now,
            "reader": reader,
            "position": position,
            "code": error.code,
            "what": error.what[:MAX_REFUSAL_TEXT],
            "body": body[:MAX_REFUSAL_BYTES],
        }
        for position, error, body in refused[: max(0, most - held)]
    ]
    if rows:
        connection.execute(insert(_REFUSALS), rows)


def keep_refusal(connection: Connection, reader: bytes, error: DureError, body: bytes, now: int) -> None:
    """Keeps what was refused after it was taken in, for the operator to see."""
    _keep(connection, reader, [(0, error, body)], now)


def deny(connection: Connection, cards: Mapping[bytes, Reason]) -> None:
    """Puts cards on the denylist's next version; one that stands there already stays as it is."""
    standing: set[bytes] = set()
    for chunk in _chunks(list(cards)):
        query = select(_DENIED.c.card).where(_DENIED.c.lifted == 0, _DENIED.c.card.in_(chunk))
        standing.update(connection.execute(query).scalars())
    fresh = [(card, reason) for card, reason in cards.items() if card not in standing]
    if not fresh:
        return
    version = denylist_version(connection) + 1
    connection.execute(
        insert(_DENIED), [{"card": card, "reason": reason, "version": version, "lifted": 0} for card, reason in fresh]
    )


def lift(connection: Connection, cards: Iterable[bytes], reason: Reason) -> None:
    """Takes cards that stand for `reason` off the denylist, in its next version."""
    version = denylist_version(connection) + 1
    for card in cards:
        connection.execute(
            update(_DENIED)
            .where(_DENIED.c.card == card, _DENIED.c.reason == reason, _DENIED.c.lifted == 0)
            .values(lifted=version)
        )


def denylist_version(connection: Connection) -> int:
    """The denylist's version; 0 before anything was denied."""
    denied, lifted = connection.execute(select(func.max(_DENIED.c.version), func.max(_DENIED.c.lifted))).one()
    return max(denied or 0, lifted or 0)


def denied_now(engine: Engine) -> tuple[int, tuple[tuple[bytes, Reason], ...]]:
    """The denylist as it stands: its version, and every denied card with the reason, by card."""
    with reading(engine) as connection:
        rows = connection.execute(select(_DENIED.c.card, _DENIED.c.reason).where(_DENIED.c.lifted == 0))
        denied = tuple(sorted((bytes(card), Reason(reason)) for card, reason in rows))
        return denylist_version(connection), denied


def _chunks(values: list[Any]) -> Iterable[list[Any]]:
    return (values[at : at + _CHUNK] for at in range(0, len(values), _CHUNK))
