"""The presets load, and every contradiction is named."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.codes import Carry, Mode
from services.vouchers.errors import ProgrammeError
from services.vouchers.programmes import parse, presets, rule_set_of


def document(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "id": "X",
        "name_ko": "엑스",
        "name_en": "X",
        "payment": "LOT",
        "period": "MONTHLY",
        "grant_won": 50_000,
        "valid_from": "2025-01-01",
        "valid_to": "2025-12-31",
        "eligibility": ["AGED_65"],
        "exclusion_group": 1,
        "source": "test",
    }
    return base | changes


def test_every_preset_has_a_source_and_tw_basic_is_as_the_page_says() -> None:
    assert all(programme.source for programme in presets().values())
    basic = presets()["TW-BASIC"]
    assert (basic.grant_won, basic.per_day_cap_won, basic.carry.cap_won) == (50_000, 20_000, 50_000)
    assert basic.allows(Mode.NIGHT)
    assert not basic.allows(Mode.GTX)
    assert (rule_set_of(basic).carry, rule_set_of(basic).carry_cap_won) == (Carry.CAP, 50_000)
    assert rule_set_of(basic).profile == basic.profile
    assert rule_set_of(presets()["PREGNANCY"]).carry is Carry.ROLL
    assert basic.profile == sum(1 << mode for mode in Mode if mode not in (Mode.GTX, Mode.AIRPORT))


def test_the_per_tap_cap_stands_above_the_modes() -> None:
    capped = parse([document(modes_allow=["SUBWAY"], per_tap_cap_won=2_000)])["X"]
    assert capped.profile == 2_000 << 32 | 1


MUST_FAIL: dict[str, list[dict[str, Any]]] = {
    "unknown field": [document(surprise=1)],
    "missing field": [{"id": "X"}],
    "float amount": [document(grant_won=1.5)],
    "negative amount": [document(grant_won=-1)],
    "huge amount": [document(grant_won=10_000_001)],
    "unknown mode": [document(modes_allow=["FERRY"])],
    "unknown class": [document(eligibility=["RICH"])],
    "nobody eligible": [document(eligibility=[])],
    "carry without cap": [document(carry={"kind": "CAP"})],
    "mileage without rate": [document(payment="MILEAGE")],
    "rate above one": [document(payment="MILEAGE", rate_bp=10_001)],
    "lot with rate": [document(rate_bp=1)],
    "excludes itself": [document(exclusive_with=["X"])],
    "excludes an unknown one": [document(exclusive_with=["Y"])],
    "excludes another group": [document(exclusive_with=["Y"]), document(id="Y", exclusion_group=2)],
    "stands twice": [document(), document()],
    "empty name": [document(id="")],
    "long name": [document(name_ko="가" * 81)],
}


@pytest.mark.parametrize("fault", MUST_FAIL)
def test_must_fail(fault: str) -> None:
    with pytest.raises(ProgrammeError):
        parse(MUST_FAIL[fault])


def test_a_refund_programme_has_no_rule_set() -> None:
    with pytest.raises(ProgrammeError):
        rule_set_of(presets()["DISABLED-BUS"])
