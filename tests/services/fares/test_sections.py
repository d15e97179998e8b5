"""Surcharged sections told from two gates: reader, wallet, quote and clearing come to the same won (fares.md §7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count, pairwise, permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.codes import Mode, RiderClass, Role
from services.fares.errors import FareError, FareNotInTablesError, NoPathError
from services.fares.network import NETWORK
from services.fares.quote import Defaults, answer, build
from services.fares.reader import Gate, Reader
from services.fares.sections import sections_between
from services.fares.tap_journeys import CardJourney, Finding, StoredTap, journeys_of
from services.fares.tariff import read_table
from services.fares.wallet_pricing import public_price
from tests.services import chain as chain_config
from tests.services.fares import world
from tests.services.fares.test_tap_journeys import journeys, taps_of
from tests.services.fares.town import Town, after, cards
from tests.services.fares.world import DAY, METRO, MORNING, Card, City, key, make_card
from wallets.card import Price

LINE = "신분당선"
SAESEOUL, SINBUNDANG, GYEONGGI = 104, 105, 106
S, G, J = "Sinsa-Gangnam", "Gangnam-Jeongja", "Jeongja-Gwanggyo"
RIDE_S = 1_800

# Gates of the line whose stations have distances, by the lines that cross there (fares.md §12), and who gets what.
SHARES_WON = {
    ("신사", "논현"): {METRO: 1_550, SAESEOUL: 700},
    ("신사", "강남"): {METRO: 1_550, SAESEOUL: 700},
    ("논현", "강남"): {METRO: 1_550, SAESEOUL: 700},
    ("강남", "양재"): {METRO: 1_550, SINBUNDANG: 1_000},
    ("신사", "양재"): {METRO: 1_550, SAESEOUL: 700, SINBUNDANG: 1_000},
    ("논현", "양재"): {METRO: 1_550, SAESEOUL: 700, SINBUNDANG: 1_000},
}
EVERY_GATE = sorted({(row["station"], row["line"]) for row in read_table("stations.csv")})
PRICED_GATES = [(name, line) for name, line in EVERY_GATE if name in NETWORK.names]
OWN_GATES = [(name, line) for name, line in EVERY_GATE if line == LINE]


def moment(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat()


def quoted(start: str, end: str, rider_class: RiderClass = RiderClass.ADULT, **more: object) -> dict[str, object]:
    """The one journey of a leg between two stations, as `dure fare quote` answers."""
    leg = {"mode": "SUBWAY", "from": start, "to": end, "on": moment(MORNING), "off": moment(MORNING + RIDE_S)}
    document = {"class": rider_class.name, "media": "CARD", "legs": [{**leg, **more}]}
    (journey,) = answer(build(document, Defaults()))["journeys"]
    return journey


def ridden(city: City, start: tuple[str, str], end: tuple[str, str], rider_class: RiderClass, name: str) -> Card:
    """A card that went in and out there; raises what the reader refuses with."""
    card = make_card(name, rider_class=rider_class)
    city.tap_in(card, city.metro(*start), MORNING)
    city.tap_out(card, city.metro(*end), MORNING + RIDE_S)
    return card


def own(station: str) -> str:
    return f"{station}:{LINE}"


@pytest.mark.parametrize(
    ("start", "end", "sections"),
    [
        ("신사", "강남", (S,)),
        ("논현", "신논현", (S,)),
        ("강남", "양재", (G,)),
        ("신논현", "양재시민의숲", (S, G)),
        ("정자", "광교", (J,)),
        ("강남", "미금", (G, J)),
        ("신사", "광교", (S, G, J)),
        ("정자", "정자", ()),
    ],
)
def test_two_gates_of_the_line_tell_its_sections_either_way(start: str, end: str, sections: tuple[str, ...]) -> None:
    here, there = NETWORK.station(own(start)), NETWORK.station(own(end))
    assert sections_between(here, there) == sections_between(there, here) == sections


@pytest.mark.parametrize(
    ("start", "end"),
    [("신사:3호선", "강남:2호선"), ("신사:3호선", "강남:신분당선"), ("신사", "강남"), ("정자", "판교")],
)
def test_gates_of_other_lines_and_open_ones_tell_none(start: str, end: str) -> None:
    assert sections_between(NETWORK.station(start), NETWORK.station(end)) == ()


def test_the_table_is_the_line_and_every_section_is_on_it() -> None:
    rows = [row for row in read_table("surcharged_stations.csv") if row["line"] == LINE]
    assert {row["station"] for row in rows} == NETWORK.stations_on(LINE)
    assert len(rows) == len(OWN_GATES)
    assert {row["section"] for row in rows[1:]} == {row["section"] for row in read_table("line_surcharges.csv")}


@pytest.mark.parametrize(
    ("start", "end", "metres", "total_won"),
    [
        ("신사", "강남", None, 2_250),
        ("강남", "정자", 17_300, 2_750),
        ("정자", "광교", 13_700, 2_650),
        ("신사", "정자", 19_800, 3_450),
        ("강남", "광교", 31_000, 3_550),
        ("신사", "광교", 33_400, 4_250),
    ],
)
def test_quotes_between_gates_are_the_published_fares(start: str, end: str, metres: int | None, total_won: int) -> None:
    """fares.md §7 and §9 #21; the metres stand in where the network has no path."""
    given_metres = {} if metres is None else {"metres": metres}
    for here, there in ((start, end), (end, start)):
        assert quoted(own(here), own(there), **given_metres)["total_won"] == total_won


@pytest.mark.parametrize(
    ("start", "end", "named", "total_won"),
    [
        (own("신사"), own("강남"), [], 1_550),
        (own("신사"), own("강남"), [G], 2_550),
        ("신사", "강남", [S], 2_250),
    ],
)
def test_what_a_quote_names_stands_whatever_the_gates_tell(
    start: str, end: str, named: list[str], total_won: int
) -> None:
    assert quoted(start, end, surcharges=named)["total_won"] == total_won


@pytest.mark.parametrize(("start", "end"), [pair for each in SHARES_WON for pair in permutations(each)])
def test_a_reader_takes_the_surcharge_and_clearing_gives_it_to_the_company(city: City, start: str, end: str) -> None:
    card = ridden(city, (start, LINE), (end, LINE), RiderClass.ADULT, "a")
    shares = SHARES_WON.get((start, end)) or SHARES_WON[end, start]
    total = sum(shares.values())
    assert [one.state.charge_won for one in card.history] == [1_550, total - 1_550]
    (found,) = journeys(card)
    assert (found.charged_won, found.priced_won, found.finding) == (total, total, Finding.AGREES)
    assert found.shares == shares


def test_free_riders_pay_none_and_what_they_forgo_is_the_companys(city: City) -> None:
    """65+ ride free there (fares.md §5); the memo is what an ADULT would have paid to whom."""
    card = ridden(city, ("신사", LINE), ("양재", LINE), RiderClass.FREE, "a")
    (found,) = journeys(card)
    assert (found.charged_won, found.finding, found.shares) == (0, Finding.AGREES, {METRO: 0})
    assert found.foregone == {METRO: 1_550, SAESEOUL: 700, SINBUNDANG: 1_000}


def test_a_class_that_the_tables_price_no_section_for_is_refused_alike(city: City) -> None:
    card = make_card("a", rider_class=RiderClass.YOUTH)
    entry = city.tap_in(card, city.metro("신사", LINE), MORNING)
    with pytest.raises(FareNotInTablesError):
        city.metro("강남", LINE).offer(card.show(), "OUT", MORNING + RIDE_S)
    with pytest.raises(FareNotInTablesError):
        quoted(own("신사"), own("강남"), RiderClass.YOUTH)
    out = replace(entry.tap, kind="OUT", stop="강남", time=MORNING + RIDE_S)
    with pytest.raises(FareNotInTablesError):
        public_price(card.certificate, entry, out)


def test_a_station_without_distances_is_refused_alike(city: City) -> None:
    """정자 lies on the surcharged line alone: its sections are known, its metres are not (fares.md §12)."""
    card = ridden(city, ("신사", LINE), ("강남", LINE), RiderClass.ADULT, "a")
    entry, exit_ = card.history
    elsewhere = replace(exit_.tap, stop="정자")
    with pytest.raises(NoPathError):
        public_price(card.certificate, entry, elsewhere)
    with pytest.raises(NoPathError):
        quoted(own("신사"), own("정자"))
    first, second = taps_of(card)
    (found,) = journeys_of([first, replace(second, tap=elsewhere)], None)
    assert (found.finding, found.shares) == (Finding.UNPRICED, {})


# --- from the wallet to the chain


@pytest.fixture
def companies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line's companies, known to readers and, before the town's chain begins, to the chain."""
    for number in (SAESEOUL, SINBUNDANG, GYEONGGI):
        monkeypatch.setitem(world.OPERATORS, number, key(f"operator {number}"))
        monkeypatch.setitem(chain_config.ROLES, number, (Role.OPERATOR,))


def gate(city: City, station: str) -> Reader:
    operator = SAESEOUL if station in ("신사", "논현") else SINBUNDANG
    return city.reader(own(station), Gate(Mode.SUBWAY, operator, stop=station, line=LINE))


@pytest.mark.usefixtures("companies")
def test_trips_on_the_line_settle_and_the_companies_get_their_sections(town: Town) -> None:
    riders = cards("a", "b", "c")
    trips = (("신사", "강남"), ("강남", "양재"), ("양재", "논현"))
    town.enrol(*riders)
    town.until(MORNING)
    for card, (start, end) in zip(riders, trips, strict=True):
        town.city.tap_in(card, gate(town.city, start), MORNING)
        town.city.tap_out(card, gate(town.city, end), MORNING + RIDE_S)
    town.upload()
    town.until(after(DAY, 1))
    [batch] = town.settle()
    assert {leaf.card: (leaf.code, leaf.increase_won) for leaf in batch.leaves} == {
        riders[0].address: (0, 2_250),
        riders[1].address: (0, 2_550),
        riders[2].address: (0, 3_250),
    }
    assert batch.credits == {METRO: 3 * 1_550, SAESEOUL: 2 * 700, SINBUNDANG: 2 * 1_000}
    assert town.totals()["suspense"] == 0
    for card in riders:
        entry, exit_ = card.history
        assert public_price(card.certificate, entry, exit_.tap).charge_won == exit_.state.charge_won


def test_a_wallet_finds_every_tap_as_the_tariff_says(city: City) -> None:
    """All that a wallet compares (wallets.card.Price), so none is disputed."""
    card = ridden(city, ("양재", LINE), ("신사", LINE), RiderClass.ADULT, "a")
    city.tap_in(card, city.metro("신사", LINE), MORNING + 2 * RIDE_S)
    city.tap_out(card, city.metro("강남", LINE), MORNING + 3 * RIDE_S)
    own_won = 0
    for before, signed in pairwise([None, *card.history]):
        assert signed is not None
        state = signed.state
        expected = Price(state.charge_won, state.cum_own_won - own_won, state.missing_out_won, signed.tap.journey)
        assert public_price(card.certificate, before, signed.tap) == expected
        own_won = state.cum_own_won


# --- any two gates

_numbers = count()
_GATES = st.sampled_from(PRICED_GATES) | st.sampled_from(OWN_GATES) | st.sampled_from(EVERY_GATE)


def cleared(card: Card) -> CardJourney:
    taps: list[StoredTap] = taps_of(card)
    (found,) = journeys_of(taps, None)
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_GATES, _GATES, st.sampled_from(RiderClass))
def test_reader_wallet_quote_and_clearing_agree_on_any_two_gates(
    city: City, start: tuple[str, str], end: tuple[str, str], rider_class: RiderClass
) -> None:
    try:
        expected = quoted(":".join(start), ":".join(end), rider_class)
    except FareError as error:
        with pytest.raises(type(error)):
            ridden(city, start, end, rider_class, f"refused {next(_numbers)}")
        return
    card = ridden(city, start, end, rider_class, f"card {next(_numbers)}")
    entry, exit_ = card.history
    (leg,) = expected["legs"]  # type: ignore[misc]
    assert (entry.state.charge_won, exit_.state.charge_won) == (leg["on_won"], leg["off_won"])
    assert public_price(card.certificate, None, entry.tap).charge_won == leg["on_won"]
    assert public_price(card.certificate, entry, exit_.tap).charge_won == leg["off_won"]
    found = cleared(card)
    assert (found.charged_won, found.priced_won, found.finding) == (
        expected["total_won"],
        expected["total_won"],
        Finding.AGREES,
    )
    assert sum(found.foregone.values()) == expected.get("foregone_won", 0)
