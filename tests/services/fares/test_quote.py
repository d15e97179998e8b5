"""Quote documents: every must-fail file is refused by its own code, every valid one answered as its file says."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import DureError
from services.fares.errors import FareError, FareLimitError
from services.fares.limits import MAX_DOCUMENT_BYTES, MAX_QUOTE_LEGS
from services.fares.quote import Defaults, answer, build, parse
from services.fares.splits import Policy
from tests.services.fares.legs import at

VECTORS = Path(__file__).parents[2] / "vectors" / "quote"
MUST_FAIL: dict[str, dict[str, Any]] = json.loads((VECTORS / "must_fail.json").read_text("utf-8"))
VALID = sorted(path for path in (VECTORS / "valid").glob("*.json") if not path.name.endswith(".answer.json"))


@pytest.mark.parametrize("name", sorted(MUST_FAIL))
def test_must_fail(name: str) -> None:
    document = (VECTORS / "must_fail" / f"{name}.json").read_bytes()
    with pytest.raises(DureError) as caught:
        answer(parse(document))
    assert {"code": caught.value.code, "exit": caught.value.exit_code} == MUST_FAIL[name]
    assert caught.value.what
    assert caught.value.why


def test_every_file_is_named_and_the_bad_outnumber_the_good() -> None:
    assert {path.stem for path in (VECTORS / "must_fail").iterdir()} == set(MUST_FAIL)
    assert len(MUST_FAIL) > len(VALID)


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid(path: Path) -> None:
    expected = json.loads(path.with_suffix(".answer.json").read_text("utf-8"))
    found = answer(parse(path.read_bytes()))
    assert found == expected
    for journey in found["journeys"]:
        taken = sum(leg["on_won"] + leg["off_won"] for leg in journey["legs"])
        assert journey["total_won"] == taken + journey["penalty_won"] + journey.get("adjust_won", 0)
        assert sum(journey["split"]["shares"].values()) == journey["total_won"]


def test_the_policy_stands_in_the_answer() -> None:
    request = parse((VECTORS / "valid" / "subway-then-bus.json").read_bytes())
    assert answer(request, Policy.SPLIT_V2)["journeys"][0]["split"] == {
        "policy": "SPLIT_V2",
        "shares": {"seoul-metro": 993, "bus-143": 857},
    }


def test_legs_without_times_follow_each_other_from_at() -> None:
    document = {"legs": [{"mode": "VILLAGE", "route": "강남01", "metres": 2_000}, {"mode": "SUBWAY", "metres": 7_000}]}
    request = build(document, Defaults(at=at("2025-10-15 10:00")))
    assert answer(request)["total_won"] == 1_550


def test_bounds_are_named() -> None:
    with pytest.raises(FareLimitError, match="MAX_DOCUMENT_BYTES"):
        parse(b" " * (MAX_DOCUMENT_BYTES + 1))
    with pytest.raises(FareLimitError, match="MAX_QUOTE_LEGS"):
        build({"legs": [{}] * (MAX_QUOTE_LEGS + 1)}, Defaults())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_VALUES = _JSON | st.sampled_from(
    ("SUBWAY", "TRUNK", "GTX", "강남", "시청:1호선", "2025-10-01T08:10:00+09:00", "2025-10-01T09:10:00+09:00", 6_400)
)
_LEGS = st.dictionaries(
    st.sampled_from(("mode", "from", "to", "metres", "route", "on", "off", "surcharges", "x")), _VALUES, max_size=8
)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | _JSON.map(json.dumps).map(str.encode))
def test_any_bytes_are_answered_or_refused_by_name(document: bytes) -> None:
    with suppress(FareError):
        answer(parse(document))


@settings(max_examples=400, deadline=None)
@given(st.lists(_LEGS, max_size=3), st.sampled_from(("ADULT", "FREE", "CHILD")), st.sampled_from(("CARD", "CASH")))
def test_any_legs_are_answered_or_refused_by_name(legs: list[dict[str, Any]], rider: str, media: str) -> None:
    with suppress(FareError):
        found = answer(build({"class": rider, "media": media, "legs": legs}, Defaults(at=at("2025-10-15 10:00"))))
        assert found["total_won"] >= 0
