"""Derives the compact tables of services/demo/data from the publishers' files in a directory.

    python scripts/derive_demo_data.py DIRECTORY

Reads the files that services/demo/data/README.md names; writes stations.csv, segments.csv, bus_stops.csv and
bus_routes.csv. Coordinates become metres east and north of Seoul City Hall, so that the demo needs integers only and
comes out alike on every machine. Bus routes are invented here: the source says where people board, not on which line.
"""

from __future__ import annotations

import csv
import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

OUT: Final = Path(__file__).resolve().parent.parent / "services" / "demo" / "data"
CITY_HALL: Final = (37.5665, 126.9780)
METRES_PER_DEGREE: Final = 111_195
HOURS: Final = range(4, 13)
LINES: Final = {
    "1호선": ("1호선", "경부선", "경인선", "경원선", "장항선"),
    "2호선": ("2호선",),
    "3호선": ("3호선", "일산선"),
    "4호선": ("4호선", "과천선", "안산선"),
    "5호선": ("5호선",),
    "6호선": ("6호선",),
    "7호선": ("7호선",),
    "8호선": ("8호선", "별내선"),
}
ALIASES: Final = {"서울": "서울역", "뚝섬유원지": "자양", "지제": "평택지제", "당고개": "당고개", "불암산": "당고개"}
ZONES: Final = {
    0: "종로구 중구 용산구",
    1: "도봉구 강북구 성북구 노원구",
    2: "동대문구 중랑구 성동구 광진구",
    3: "강동구 송파구",
    4: "서초구 강남구",
    5: "동작구 관악구 금천구",
    6: "강서구 양천구 영등포구 구로구",
    7: "은평구 마포구 서대문구",
}
ZONE_OF: Final = {district: zone for zone, names in ZONES.items() for district in names.split()}
COMPANY: Final = {
    0: "bus-centre",
    1: "bus-north",
    2: "bus-northeast",
    3: "bus-east",
    4: "bus-southeast",
    5: "bus-south",
    6: "bus-southwest",
    7: "bus-northwest",
}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def plain(name: str) -> str:
    name = re.sub(r"\(.*?\)", "", name).strip()
    return ALIASES.get(name, name)


def metres(latitude: float, longitude: float) -> tuple[int, int]:
    east = (longitude - CITY_HALL[1]) * math.cos(math.radians(CITY_HALL[0])) * METRES_PER_DEGREE
    return round(east), round((latitude - CITY_HALL[0]) * METRES_PER_DEGREE)


def distance(one: tuple[int, int], other: tuple[int, int]) -> int:
    return math.isqrt((one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2)


def write(name: str, header: Sequence[str], lines: Sequence[Sequence[Any]]) -> None:
    with (OUT / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(lines)
    print(f"{name}: {len(lines)} rows", file=sys.stderr)


def line_of(source_line: str) -> str | None:
    number = re.sub(r"\(.*?\)", "", source_line)
    return next((line for line, names in LINES.items() if number in names), None)


def coordinates(source: Path) -> dict[tuple[str, str], tuple[float, float]]:
    """(line, station) and ("", station) → degrees; Seoul Metro's own table wins over the master table."""
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for row in rows(source / "seoul_station_master.csv"):
        place = (float(row["위도"]), float(row["경도"]))
        name = plain(row["역사명"])
        found.setdefault((line_of(row["호선"]) or row["호선"], name), place)
        found.setdefault(("", name), place)
    for row in rows(source / "seoulmetro_station_coords_20250814.csv"):
        found[f"{row['호선']}호선", plain(row["역명"])] = (float(row["위도"]), float(row["경도"]))
    return found


def bus_stops(source: Path) -> list[dict[str, Any]]:
    places = {
        row["ARS"]: metres(float(row["위도"]), float(row["경도"]))
        for row in rows(source / "seoul_bus_stop_coords.csv")
        if row["위도"] and 37.3 < float(row["위도"]) < 37.8 and 126.6 < float(row["경도"]) < 127.3
    }
    return [
        {
            "ars": row["ARS"],
            "district": row["자치구"],
            "name": row["정류장이름"].split("[")[0].strip(),
            "at": places[row["ARS"]],
            "boardings": round(float(row["승차_일평균"] or 0)),
        }
        for row in rows(source / "seoul_bus_boardings_by_stop_mar_apr.csv")
        if row["ARS"] in places
    ]


def stations(source: Path, stops: list[dict[str, Any]]) -> None:
    edges = rows(source / "rail_edges.csv")
    served: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for edge in edges:
        for end in ("a", "b"):
            served[edge["line"], edge[end]][edge["operator"]] += 1
    counts: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows(source / "seoul_subway_hourly_202410.csv"):
        line = line_of(row["호선명"])
        key = (line or "", plain(row["지하철역"]))
        if key in served:
            counts[key] = row
    places = coordinates(source)
    lines: list[list[Any]] = []
    for (line, name), operators in sorted(served.items()):
        place = places.get((line, name)) or places.get(("", name))
        if place is None:
            raise SystemExit(f"no coordinates for {name} on {line}")
        at = metres(*place)
        near = min(stops, key=lambda stop: distance(stop["at"], at))
        district = near["district"] if distance(near["at"], at) < 2_000 else ""
        operator = max(sorted(operators, reverse=True), key=lambda each: operators[each])
        count = counts.get((line, name))
        numbers = [
            int(count[f"{hour:02}시-{hour + 1:02}시 {way}차인원"]) if count else 0 for way in "승하" for hour in HOURS
        ]
        lines.append([line, name, operator, district, *at, *numbers])
    header = ["line", "station", "operator", "district", "east_m", "north_m"]
    header += [f"{way}_{hour:02}" for way in ("on", "off") for hour in HOURS]
    write("stations.csv", header, lines)
    write("segments.csv", ["line", "a", "b"], [[edge["line"], edge["a"], edge["b"]] for edge in edges])


def chains(stops: list[dict[str, Any]], length: int, hop_m: int, least: int) -> Iterator[list[dict[str, Any]]]:
    """Nearest-neighbour chains through `stops`, each stop once, from the north-west, broken at long hops."""
    left = sorted(stops, key=lambda stop: (stop["at"][0] - stop["at"][1], stop["ars"]))
    while left:
        chain = [left.pop(0)]
        while left and len(chain) < length:
            after = min(left, key=lambda stop: (distance(stop["at"], chain[-1]["at"]), stop["ars"]))
            if distance(after["at"], chain[-1]["at"]) > hop_m:
                break
            left.remove(after)
            chain.append(after)
        if len(chain) >= least:
            yield chain


def spaced(stops: list[dict[str, Any]], gap_m: int) -> list[dict[str, Any]]:
    """The busiest stops with at least `gap_m` between any two."""
    kept: list[dict[str, Any]] = []
    for stop in sorted(stops, key=lambda stop: (-stop["boardings"], stop["ars"])):
        if all(distance(stop["at"], other["at"]) >= gap_m for other in kept):
            kept.append(stop)
    return kept


def routes(stops: list[dict[str, Any]]) -> list[list[str]]:
    """route, mode, operator, "ars:metres …": metres along the way are the straight line and three tenths more."""
    serial: Counter[str] = Counter()
    lines: list[list[str]] = []

    def add(chain: list[dict[str, Any]], prefix: str, mode: str, operator: str) -> None:
        serial[prefix] += 1
        travelled, words = 0, []
        for before, stop in zip([chain[0], *chain], chain, strict=False):
            travelled += distance(before["at"], stop["at"]) * 13 // 10
            words.append(f"{stop['ars']}:{travelled}")
        lines.append([f"{prefix}{serial[prefix]:02}", mode, operator, " ".join(words)])

    def zone(chain: list[dict[str, Any]]) -> int:
        return ZONE_OF[chain[len(chain) // 2]["district"]]

    for chain in chains(spaced(stops, 450), 28, 2_500, 10):
        add(chain, f"D{zone(chain)}", "TRUNK", COMPANY[zone(chain)])
    for district in sorted(ZONE_OF):
        local = [stop for stop in stops if stop["district"] == district]
        for chain in chains(local, 22, 1_200, 8):
            add(chain, f"D{zone(chain)}1", "BRANCH", COMPANY[zone(chain)])
        for chain in chains(spaced(local, 150), 12, 700, 5):
            add(chain, f"DV{zone(chain)}", "VILLAGE", COMPANY[zone(chain)])
    for chain in chains([stop for stop in stops if ZONE_OF[stop["district"]] == 0], 16, 900, 8):
        add(chain, "DC0", "CIRCULAR", COMPANY[0])
    for chain in chains(spaced(stops, 900), 26, 5_000, 10):
        add(chain, "DN", "NIGHT", "bus-night")
    for chain in chains(spaced(stops, 2_200), 12, 9_000, 5):
        add(chain, "DX9", "EXPRESS", "bus-express")
    return lines


def main(source: Path) -> None:
    stops = bus_stops(source)
    stations(source, stops)
    found = routes(stops)
    write("bus_routes.csv", ["route", "mode", "operator", "stops"], found)
    used = {word.split(":")[0] for line in found for word in line[3].split()}
    kept = [stop for stop in stops if stop["ars"] in used]
    write(
        "bus_stops.csv",
        ["ars", "name", "district", "east_m", "north_m", "boardings"],
        [[stop["ars"], stop["name"], stop["district"], *stop["at"], stop["boardings"]] for stop in kept],
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
