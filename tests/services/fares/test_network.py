"""Distances on the priced network, names, ties and areas (fares.md §12)."""

from __future__ import annotations

import heapq
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.fares.errors import AmbiguousStationError, NoPathError, TariffDataError, UnknownStationError
from services.fares.network import GTX_NETWORK, NETWORK, Network, Path, Station, in_reentry_area
from services.fares.tariff import read_json, read_table


def between(origin: str, destination: str) -> Path:
    return NETWORK.shortest(NETWORK.station(origin), NETWORK.station(destination))


def test_the_example_of_the_interfaces_page() -> None:
    assert between("시청:1호선", "강남") == Path(
        13_900, ("2호선", "3호선", "2호선"), (("seoul-metro", 13_900),), "published"
    )


@pytest.mark.parametrize(
    ("origin", "destination", "metres"),
    [
        pytest.param("서울역", "시청", 1_100, id="neighbours"),
        pytest.param("강남", "강남", 0, id="same-station"),
        pytest.param("이수", "총신대입구", 0, id="one-interchange"),
        pytest.param("이수", "사당", 1_100, id="change-adds-nothing"),
        pytest.param("응암", "독바위", 2_800, id="loop-forward"),
        pytest.param("독바위", "응암", 2_800, id="loop-backward"),
        pytest.param("구산", "연신내", 900, id="loop-against-the-trains"),
        pytest.param("연천", "전곡", 8_700, id="piece-of-its-own"),
        pytest.param("양평:5호선", "신촌:2호선", 6_300, id="shared-names"),
    ],
)
def test_shortest_metres(origin: str, destination: str, metres: int) -> None:
    assert between(origin, destination).metres == metres


@pytest.mark.parametrize(
    ("declared", "name", "line"),
    [
        ("서울", "서울역", ""),
        ("불암산", "당고개", "4호선"),
        ("뚝섬유원지", "자양", "7호선"),
        ("지제", "평택지제", "1호선"),
        ("신내역", "신내", "6호선"),
        ("총신대입구(이수)", "총신대입구", "4호선"),
        ("총신대입구(이수):7호선", "이수", "7호선"),
        ("이수:4호선", "총신대입구", "4호선"),
        (" 강남 : 2호선 ", "강남", "2호선"),
        ("홍대입구:공항철도", "홍대입구", "공항철도"),
    ],
)
def test_names_and_aliases(declared: str, name: str, line: str) -> None:
    assert NETWORK.station(declared) == Station(name, line)


@pytest.mark.parametrize(
    ("declared", "error", "why"),
    [
        pytest.param("강냠", UnknownStationError, "강남", id="typo"),
        pytest.param("강남:5호선", UnknownStationError, "2호선", id="wrong-line"),
        pytest.param("강남:", UnknownStationError, "강남", id="empty-line"),
        pytest.param("", UnknownStationError, "", id="empty"),
        pytest.param("\ud800", UnknownStationError, "", id="lone-surrogate"),
        pytest.param("x" * 10_000, UnknownStationError, "", id="huge"),
        pytest.param("양평", AmbiguousStationError, "양평:5호선", id="two-양평"),
        pytest.param("신촌", AmbiguousStationError, "신촌:2호선", id="two-신촌"),
    ],
)
def test_a_name_that_does_not_stand_for_one_station(declared: str, error: type[Exception], why: str) -> None:
    with pytest.raises(error) as caught:
        NETWORK.station(declared)
    assert why in str(getattr(caught.value, "why", ""))


@pytest.mark.parametrize(
    ("origin", "destination"),
    [
        pytest.param("연천", "강남", id="no-path"),
        pytest.param("부평구청", "강남", id="line-without-distances"),
        pytest.param("강남", "신촌:경의중앙선", id="the-other-신촌"),
        pytest.param("부평구청", "부평구청", id="same-station-without-distances"),
    ],
)
def test_no_path_says_so(origin: str, destination: str) -> None:
    with pytest.raises(NoPathError):
        between(origin, destination)


def test_an_estimated_edge_shows() -> None:
    assert between("청량리", "회기").basis == "estimated"
    assert between("시청", "강남").basis == "published"


def test_metres_add_up_over_operators() -> None:
    path = between("시청", "수원")
    assert sum(metres for _, metres in path.operators) == path.metres
    assert [operator for operator, _ in path.operators] == ["seoul-metro", "korail"]


def test_gates_belong_to_the_operator_of_the_declared_line() -> None:
    assert NETWORK.gate_operator(NETWORK.station("창동:1호선")) == "korail"
    assert NETWORK.gate_operator(NETWORK.station("창동:4호선")) == "seoul-metro"
    assert NETWORK.gate_operator(NETWORK.station("창동"), "4호선") == "seoul-metro"
    assert NETWORK.gate_operator(NETWORK.station("서울역:1호선")) == "seoul-metro"


def test_every_distance_agrees_with_a_plain_search() -> None:
    """The twin: Dijkstra over names alone, without lines or ties, from every tenth station."""
    twin = {"이수": "총신대입구"}
    edges: dict[str, list[tuple[str, int]]] = {}
    for row in read_table("rail_edges.csv"):
        a, b, metres = (twin.get(row["a"], row["a"]), twin.get(row["b"], row["b"]), int(row["metres"]))
        edges.setdefault(a, []).append((b, metres))
        edges.setdefault(b, []).append((a, metres))
    for origin in NETWORK.names[::10]:
        best: dict[str, int] = {}
        queue = [(0, twin.get(origin, origin))]
        while queue:
            metres, here = heapq.heappop(queue)
            if here in best:
                continue
            best[here] = metres
            for there, more in edges[here]:
                heapq.heappush(queue, (metres + more, there))
        for name in NETWORK.names:
            line = min(NETWORK.lines_of(name))
            expected = best.get(twin.get(name, name))
            if expected is not None:
                path = NETWORK.shortest(Station(origin, min(NETWORK.lines_of(origin))), Station(name, line))
                assert path.metres == expected


def test_ties_take_the_fewest_changes_then_the_first_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"line": line, "a": a, "b": b, "metres": str(m), "operator": "x", "basis": "published"}
        for line, a, b, m in [
            ("2", "A", "B", 100), ("2", "B", "C", 100),
            ("1", "A", "D", 50), ("3", "D", "C", 150),
            ("4", "C", "E", 100), ("1", "A", "F", 100), ("9", "F", "E", 200),
        ]
    ]  # fmt: skip
    monkeypatch.setattr("services.fares.network.read_table", lambda _name: rows)
    network = Network("a")
    assert network.shortest(Station("A", ""), Station("C", "")).lines == ("2",)
    assert network.shortest(Station("A", ""), Station("E", "")).lines == ("1", "9")


_EDGES = st.lists(
    st.tuples(st.sampled_from("12"), st.sampled_from("ABCDE"), st.sampled_from("ABCDE"), st.integers(1, 3)).filter(
        lambda edge: edge[1] != edge[2]
    ),
    min_size=1,
    max_size=9,
    unique_by=lambda edge: (edge[0], *sorted(edge[1:3])),
)


def all_paths(
    edges: list[tuple[str, str, str, int]], here: str, end: str, seen: str = ""
) -> list[tuple[int, list[str]]]:
    """(metres, line of each edge) of every path that meets no station twice."""
    if here == end:
        return [(0, [])]
    found = []
    for line, a, b, metres in [*edges, *((line, b, a, metres) for line, a, b, metres in edges)]:
        if a == here and b not in seen + here:
            found += [(metres + m, [line, *rest]) for m, rest in all_paths(edges, b, end, seen + here)]
    return found


@settings(max_examples=150, deadline=None)
@given(_EDGES)
def test_every_path_agrees_with_trying_them_all(edges: list[tuple[str, str, str, int]]) -> None:
    rows = [
        {"line": line, "a": a, "b": b, "metres": str(m), "operator": "x", "basis": "published"}
        for line, a, b, m in edges
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.fares.network.read_table", lambda _name: rows)
        network = Network("a")
        names = network.names
    for origin in names:
        for end in names:
            if origin == end:
                continue
            ridden = [(metres, [line for line, _ in groupby(lines)]) for metres, lines in all_paths(edges, origin, end)]
            if not ridden:
                with pytest.raises(NoPathError):
                    network.shortest(Station(origin, ""), Station(end, ""))
                continue
            metres, lines = min(ridden, key=lambda path: (path[0], len(path[1]), path[1]))
            path = network.shortest(Station(origin, ""), Station(end, ""))
            assert (path.metres, list(path.lines)) == (metres, lines)


@pytest.mark.parametrize("metres", ["0", "-5", "1.5", "x"])
def test_a_damaged_edge_stops_the_network(metres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"line": "1", "a": "A", "b": "B", "metres": metres, "operator": "x", "basis": "published"}
    monkeypatch.setattr("services.fares.network.read_table", lambda _name: [row])
    with pytest.raises(TariffDataError):
        Network("a").station("A")


def test_missing_tables_are_named() -> None:
    with pytest.raises(TariffDataError):
        read_table("no-such-table.csv")
    with pytest.raises(TariffDataError):
        read_json("no-such-table.json")


def test_gtx_distances() -> None:
    station = NETWORK.station
    for pair in (("수서", "동탄"), ("동탄", "수서")):
        path = GTX_NETWORK.shortest(station(pair[0]), station(pair[1]))
        assert (path.metres, path.basis) == (32_800, "published")
    assert GTX_NETWORK.shortest(station("성남"), station("동탄")).basis == "estimated"
    with pytest.raises(NoPathError):
        GTX_NETWORK.shortest(station("운정"), station("동탄"))


def test_area_of_reentry() -> None:
    assert in_reentry_area("2호선", "강남")
    assert not in_reentry_area("6호선", "신내")
    assert not in_reentry_area("경의중앙선", "공덕")


def test_all_published_figures_have_a_source() -> None:
    tags = {row["tag"] for row in read_table("sources.csv")}
    for name in ("base_fares.csv", "gtx.csv", "line_surcharges.csv", "reentry.csv"):
        assert {row["source"] for row in read_table(name)} <= tags, name
    for row in read_table("base_fares.csv"):
        assert (row["source"] == "memory") <= (row["confirmed"] == "false")
