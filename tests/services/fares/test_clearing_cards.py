"""What a reader's chain proves, and what clearing keeps beside it: clones, the denylist, bounds, crashes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, select

from contracts.addresses import FARES
from services.database import reading, transaction
from services.fares import errors as f
from services.fares import intake
from services.fares.denylist import Reason
from services.fares.intake import Acknowledgement, deny, denylist_version, lift, table
from services.fares.tables import ChainEntry, Clone, Denied
from services.fares.uploads import FIRST_LINK, encode_entry, link
from tests.services.fares.chains import Station, next_state, post, tap_at
from tests.services.fares.test_clearing import (
    GATE,
    count,
    enter,
    entrance,
    forged_card_signature,
    refusals,
    stored,
    take,
    three,
)
from tests.services.fares.world import CHAIN_ID, MORNING, Card, City, make_card

# --- the chain


def test_a_line_garbled_on_the_way_is_asked_for_again(engine: Engine, city: City) -> None:
    station = three()
    lines = [station.lines[0], station.lines[1][:-9], station.lines[2]]
    answer = take(engine, station.upload(lines=lines), city)
    assert answer == Acknowledgement(1, 2, 0, ((1, f.MalformedError.code),))
    assert take(engine, station.upload(1, 3), city) == Acknowledgement(3, 1, 1)
    assert take(engine, station.upload(1, 3), city) == Acknowledgement(3, 0, 2)  # the place is filled now
    assert len(stored(engine)) == 3


def test_an_upload_cut_in_the_middle_is_taken_up_to_there(sqlite_engine: Engine, city: City) -> None:
    station = three()
    whole = station.upload()
    answer = take(sqlite_engine, whole[: whole.rindex(b"link_before")], city)
    assert answer == Acknowledgement(2, 2, 0, ((2, f.MalformedError.code),))
    assert take(sqlite_engine, station.upload(2, 3), city) == Acknowledgement(3, 1, 0)


def test_a_line_that_stays_garbled_does_not_block_the_reader(sqlite_engine: Engine, city: City) -> None:
    station = three()
    lines = [station.lines[0], b"{}", station.lines[2]]
    assert take(sqlite_engine, station.upload(lines=lines), city).next_index == 1
    assert take(sqlite_engine, station.upload(1, 3, lines=lines[1:]), city).next_index == 3
    assert refusals(sqlite_engine) == [(1, f.MalformedError.code)]


def swapped(station: Station) -> list[bytes]:
    """The second line is another tap of the reader, well signed, that joins the first."""
    other = post("시청", GATE, MORNING)
    other.links, other.lines = station.links[:1], station.lines[:1]
    enter(other, make_card("0"), MORNING + 1)
    return [station.lines[0], other.lines[1], station.lines[2]]


def relinked(station: Station) -> list[bytes]:
    """One digit of the second line's link_before is another, and nothing else."""
    line = json.loads(station.lines[1])
    first = "1" if line["link_before"][0] == "0" else "0"
    line["link_before"] = first + line["link_before"][1:]
    return [station.lines[0], json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode(), station.lines[2]]


@pytest.mark.parametrize("change", [swapped, relinked])
def test_a_line_that_is_not_the_readers_costs_itself_alone(
    sqlite_engine: Engine, city: City, change: Callable[[Station], list[bytes]]
) -> None:
    station = three()
    answer = take(sqlite_engine, station.upload(lines=change(station)), city)
    assert answer == Acknowledgement(1, 2, 0, ((1, f.MalformedError.code),))
    assert take(sqlite_engine, station.upload(), city) == Acknowledgement(3, 1, 2)  # the true one fills the place


def test_a_reader_that_signs_two_histories(sqlite_engine: Engine, city: City) -> None:
    first, second = three(), post("시청", GATE, MORNING)
    for number in range(3):
        enter(second, make_card(f"other {number}"), MORNING + number)
    assert take(sqlite_engine, first.upload(), city).taken == 3
    answer = take(sqlite_engine, second.upload(), city)
    assert answer.taken == 0
    assert {code for _, code in answer.refused} == {f.ChainBrokenError.code}
    assert len(stored(sqlite_engine)) == 3


def test_a_stretch_that_does_not_lead_to_what_follows(engine: Engine, city: City) -> None:
    """What follows came first; a stretch before it that ends elsewhere is refused as a whole."""
    station = three()
    assert take(engine, station.upload(2, 3), city).taken == 1
    forged = post("시청", GATE, MORNING)
    for number in range(2):
        enter(forged, make_card(f"other {number}"), MORNING + number)
    answer = take(engine, forged.upload(), city)
    assert (answer.taken, {code for _, code in answer.refused}) == (0, {f.ChainBrokenError.code})
    assert take(engine, station.upload(), city) == Acknowledgement(3, 2, 1)


def test_a_tap_replayed_at_a_later_place_is_stored_once(sqlite_engine: Engine, city: City) -> None:
    station, card = post("시청", GATE, MORNING), make_card("a")
    signed = enter(station, card)
    station.append(signed, card)
    take(sqlite_engine, station.upload(), city)
    assert (stored(sqlite_engine), count(sqlite_engine, Clone)) == ([(card.address, 1)], 0)


# --- clones


def clone_of(card: Card) -> Card:
    return Card(card.key, card.certificate, card.guarantor_signature, list(card.history))


@pytest.mark.parametrize("together", [True, False], ids=["one-upload", "two-uploads"])
def test_a_cloned_card_is_found_and_denied(engine: Engine, city: City, together: bool) -> None:
    station, other = post("시청", GATE, MORNING), post("강남", replace(GATE, stop="강남"), MORNING)
    honest, card = make_card("honest"), make_card("a")
    enter(station, honest)
    enter(station, card, MORNING + 1)
    twin = clone_of(card)
    enter(station, card, MORNING + 500)
    if together:
        enter(station, twin, MORNING + 600)
    else:
        tap = replace(entrance(MORNING + 600, 2), stop="강남")
        tap_at(other, twin, tap, next_state(twin, tap, 1_550))
    first = take(engine, station.upload(), city)
    assert (first.taken, first.refused) == (4 if together else 3, ())
    if not together:
        assert count(engine, Clone) == 0
        assert take(engine, other.upload(), city).taken == 1
    clones, denied = table(Clone), table(Denied)
    with reading(engine) as connection:
        found = connection.execute(select(clones)).one()
        on_the_list = connection.execute(select(denied.c.card, denied.c.reason)).all()
    assert (found.card, found.seq, found.first_digest < found.second_digest) == (card.address, 2, True)
    assert [tuple(row) for row in on_the_list] == [(card.address, Reason.FRAUD)]
    take(engine, station.upload(), city)
    assert (count(engine, Clone), count(engine, Denied)) == (1, 1)


# --- the denylist


def test_cards_are_denied_once_and_lifted_for_their_reason(engine: Engine) -> None:
    a, b = make_card("a").address, make_card("b").address
    versions = []

    def step(act: Callable[[Connection], None]) -> None:
        with transaction(engine) as connection:
            act(connection)
            versions.append(denylist_version(connection))

    step(lambda c: deny(c, {a: Reason.LOST, b: Reason.UNPAID}))
    step(lambda c: deny(c, {a: Reason.FRAUD}))  # stands already
    step(lambda c: lift(c, [b], Reason.UNPAID))
    step(lambda c: deny(c, {b: Reason.STOLEN}))
    assert versions == [1, 1, 2, 3]
    rows = table(Denied)
    with reading(engine) as connection:
        standing = connection.execute(select(rows.c.card, rows.c.reason).where(rows.c.lifted == 0)).all()
    assert {tuple(row) for row in standing} == {(a, Reason.LOST), (b, Reason.STOLEN)}


# --- bounds and crashes


def test_a_broken_reader_cannot_fill_the_disk(
    sqlite_engine: Engine, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MAX_REFUSALS_PER_READER", 4)
    station = post("시청", GATE, MORNING)
    for number in range(6):
        forged_card_signature(station, make_card(str(number)))
    assert len(take(sqlite_engine, station.upload(), city).refused) == 6
    assert len(refusals(sqlite_engine)) == 4


def test_nobody_can_fill_the_disk_under_invented_names(
    sqlite_engine: Engine, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heads that no reader signed share one bound, whatever reader they name."""
    monkeypatch.setattr(intake, "MAX_REFUSALS_OF_NOBODY", 3)
    for number in range(5):
        station = post(f"invented {number}", GATE, MORNING)
        enter(station, make_card(str(number)))
        with pytest.raises(f.HeadSignatureError):
            take(sqlite_engine, station.upload(head_signature=bytes(65)), city)
    assert len(refusals(sqlite_engine)) == 3


def test_a_crash_before_the_commit_leaves_nothing(engine: Engine, city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise OSError("the power fails")

    with monkeypatch.context() as patched:
        patched.setattr(intake, "_keep", crash)
        with pytest.raises(OSError, match="power"):
            take(engine, three().upload(), city)
    assert (stored(engine), count(engine, ChainEntry)) == ([], 0)
    assert take(engine, three().upload(), city).taken == 3


def test_the_links_are_those_of_the_format() -> None:
    """SHA-256("dure-reader-chain/1" ‖ reader ‖ index ‖ link before ‖ digest ‖ card signature), by hand."""
    station, card = post("시청", GATE, MORNING), make_card("a")
    signed = enter(station, card)
    assert station.lines[0] == encode_entry(0, FIRST_LINK, signed)
    assert station.links[0] == link(
        station.address, 0, FIRST_LINK, signed.state.digest(CHAIN_ID, FARES), signed.card_signature
    )
