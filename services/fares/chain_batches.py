"""Batches as the chain tells them: read off events, checked against the stored commitment (contracts/records.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from contracts.hashing import keccak
from contracts.records import Batch, GuarantorPart
from ledger.client import Client, Event
from services.fares.errors import BatchLostError

NO_RECORDS: Final = keccak(b"")  # root of a batch without records: a distribution or a correction


def read_batches(client: Client, from_block: int, to_block: int | None = None) -> dict[int, Batch]:
    """Every batch with credits that these blocks opened, by number.

    Settled gives root, size and day; Pending the table and its sums; Owed each guarantor's part, in log order.
    """
    settled = {event.args["batch"]: event for event in client.events("Fares", "Settled", from_block, to_block)}
    pending = {event.args["batch"]: event for event in client.events("Credits", "Pending", from_block, to_block)}
    owed: dict[int, list[GuarantorPart]] = {}
    for event in client.events("Credits", "Owed", from_block, to_block):
        part = GuarantorPart(event.args["guarantor"], event.args["amount_won"], event.args["owed_through_won"])
        owed.setdefault(event.args["batch"], []).append(part)
    times: dict[int, int] = {}
    found: dict[int, Batch] = {}
    for number in sorted({*settled, *pending}):
        event = settled.get(number) or pending[number]
        if event.block_number not in times:
            times[event.block_number] = client.block_time(event.block_number)
        found[number] = _batch(number, settled.get(number), pending.get(number), owed, times[event.block_number])
    return found


def _batch(
    number: int, settled: Event | None, pending: Event | None, owed: Mapping[int, list[GuarantorPart]], time: int
) -> Batch:
    place = settled or pending
    if place is None:
        raise BatchLostError(f"no event opens batch {number}")
    return Batch(
        number=number,
        clearing_house=place.args["clearing_house"],
        service_day=place.args["service_day"],
        settled_at=time,
        records_root=settled.args["records_root"] if settled else NO_RECORDS,
        size=settled.args["size"] if settled else 0,
        table=pending.args["table"] if pending else 0,
        sums=pending.args["sums"] if pending else 0,
        guarantors=tuple(owed.get(number, ())),
    )


def check_commitment(client: Client, batch: Batch) -> None:
    """Raises BatchLostError unless the chain's commitment of the batch is this one's."""
    stored = client.call("Credits", "commitment", [batch.number])
    if stored != batch.commitment():
        raise BatchLostError(f"batch {batch.number}: the chain holds another commitment than its events tell")
