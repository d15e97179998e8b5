"""Each signal at its boundary: the last innocent case and the first suspicious one."""

from __future__ import annotations

from services.vouchers import fraud
from services.vouchers.fraud import Boarding, Reason, Turnover

SEOUL = (37.5665, 126.9780)
BUSAN = (35.1796, 129.0756)


def boarding(time: int, place: tuple[float, float] = SEOUL, *, gate: str = "g", companion: bool = False) -> Boarding:
    return Boarding("token", time, gate, *place, companion)


def test_two_places_at_once() -> None:
    kilometres = fraud.metres_between(boarding(0), boarding(0, BUSAN)) / 1_000
    assert 320 < kilometres < 330
    slow, fast = int(kilometres / 120 * 3_600) + 1, int(kilometres / 120 * 3_600) - 1
    assert not fraud.two_places([boarding(0), boarding(slow, BUSAN)])
    assert [s.reason for s in fraud.two_places([boarding(fast, BUSAN), boarding(0)])] == [Reason.TWO_PLACES]
    assert fraud.two_places([boarding(0), boarding(0, BUSAN)])
    assert not fraud.two_places([boarding(0), boarding(0)])


def test_pooling_by_day_and_by_gate() -> None:
    twelve = [boarding(hour * 3_600, gate=str(hour)) for hour in range(12)]
    assert not fraud.pooling(twelve)
    assert fraud.pooling([*twelve, boarding(12 * 3_600, gate="x")])
    assert not fraud.pooling([boarding(second) for second in (0, 300, 600)])
    assert fraud.pooling([boarding(second) for second in (0, 200, 400, 600)])
    assert not fraud.pooling([boarding(second) for second in (0, 200, 400, 601)])


def test_a_companion_needs_the_holder_within_a_minute_at_the_gate() -> None:
    assert not fraud.companion_alone([boarding(0), boarding(60, companion=True)])
    assert fraud.companion_alone([boarding(0), boarding(61, companion=True)])
    assert fraud.companion_alone([boarding(0), boarding(10, gate="other", companion=True)])


def test_merchant_collusion_needs_both_share_and_ticket() -> None:
    suspicious = Turnover("m", 0, 100_000, 99_000, 100, 1_000)
    assert fraud.merchant_collusion([suspicious])
    assert not fraud.merchant_collusion([Turnover("m", 0, 125_000, 99_000, 100, 1_000)])
    assert not fraud.merchant_collusion([Turnover("m", 0, 100_000, 98_900, 100, 1_000)])
    assert not fraud.merchant_collusion([Turnover("m", 0, 0, 0, 0, 1_000)])


def test_a_repeated_upload_is_no_double_spend() -> None:
    assert not fraud.double_spend([("lot", 1, 10, "a"), ("lot", 1, 10, "a"), ("lot", 2, 11, "a")])
    found = fraud.double_spend([("lot", 1, 20, "b"), ("lot", 1, 10, "a")])
    assert [(signal.subject, signal.time) for signal in found] == [("b", 20)]


def test_mass_enrolment_is_flagged_once_at_the_sixth() -> None:
    assert not fraud.mass_enrolment([("device", second) for second in range(5)])
    assert len(fraud.mass_enrolment([("device", second) for second in range(8)])) == 1


def test_the_register_ends_only_active_persons() -> None:
    found = fraud.register_changes(["a", "b"], [("b", 5), ("c", 6)])
    assert [(signal.subject, signal.reason) for signal in found] == [("b", Reason.RESIDENT_REGISTER)]
