"""A report over the true city with invented results, to look at and to test the page with."""

from __future__ import annotations

from collections import Counter

from contracts.codes import Mode
from services.demo.city import load
from services.demo.morning import Morning, morning
from services.demo.report import (
    Amount,
    Check,
    DemoReport,
    Healed,
    Label,
    LotTotals,
    MoneyFlow,
    Phase,
    Refused,
    fares_by_quarter,
)
from services.demo.scenery import MODE_LABELS, OPERATOR_LABELS, flows, map_segments, station_dots

FARES = {Mode.SUBWAY: 1_550, Mode.VILLAGE: 1_200, Mode.EXPRESS: 3_000, Mode.NIGHT: 2_500, Mode.CIRCULAR: 1_400}


def sample(riders: int = 3_000, seed: int = 1) -> DemoReport:
    made: Morning = morning(riders, seed)
    charges = [
        (tap.time, tap.mode, FARES.get(tap.mode, 1_500)) for trip in made.trips for tap in trip.taps if tap.kind == "IN"
    ]
    operators: Counter[str] = Counter()
    modes: Counter[Mode] = Counter()
    boardings: Counter[Mode] = Counter()
    for trip in made.trips:
        for tap in trip.taps:
            if tap.kind == "IN":
                operators[tap.operator] += FARES.get(tap.mode, 1_500)
                modes[tap.mode] += FARES.get(tap.mode, 1_500)
                boardings[tap.mode] += 1
    total = sum(operators.values())
    voucher, balance = total * 11 // 100, total * 27 // 100
    account = total - voucher - balance
    instruments = [
        (Label("바우처", "Vouchers"), voucher),
        (Label("선불 잔액", "Prepaid balance"), balance),
        (Label("은행 보증", "Bank guarantee"), account),
    ]
    money = [
        MoneyFlow(0, Label("교통복지 바우처", "Transport-welfare voucher"), instruments[0][0], voucher * 4 // 5),
        MoneyFlow(0, Label("임산부 교통비", "Pregnant women"), instruments[0][0], voucher - voucher * 4 // 5),
        MoneyFlow(0, Label("탑승객 충전", "Riders' top-ups"), instruments[1][0], balance),
        MoneyFlow(0, Label("한강은행", "Hangang Bank"), instruments[2][0], account * 56 // 100),
        MoneyFlow(0, Label("남산은행", "Namsan Bank"), instruments[2][0], account - account * 56 // 100),
    ]
    money += [
        MoneyFlow(1, label, OPERATOR_LABELS[operator], won * part // total)
        for operator, won in operators.items()
        for label, part in instruments
    ]
    return DemoReport(
        seed=str(seed),
        service_date="2025-10-15",
        service_day=made.service_day,
        chain_id=8_282,
        head_number=214,
        head_hash="0x" + "5e" * 32,
        riders=riders,
        taps=sum(len(trip.taps) for trip in made.trips),
        journeys=len(made.trips),
        total_won=total,
        sources=tuple(Amount(label, won) for label, won in instruments),
        operators=tuple(Amount(OPERATOR_LABELS[name], won) for name, won in operators.items()),
        modes=tuple(Amount(MODE_LABELS[mode], won, boardings[mode]) for mode, won in modes.items()),
        lots=(
            LotTotals(
                Label("교통복지 바우처", "Transport-welfare voucher"), 251, 12_550_000, 480_000, 0, 0, 12_070_000
            ),
            LotTotals(Label("임산부 교통비", "Pregnant women"), 12, 8_400_000, 33_100, 0, 0, 8_366_900),
        ),
        blocks=214,
        transactions=391,
        gas_used=187_220_113,
        refused=(
            Refused(Label("단말기", "Reader"), "FARE-210", Label("재전송된 태그", "replayed tap"), 6),
            Refused(Label("정산", "Clearing"), "FARE-231", Label("서명이 맞지 않음", "signature does not hold"), 3),
            Refused(Label("원장", "Chain"), "8 CAP", Label("월 한도 초과", "over the guarantor's cap"), 1),
            Refused(Label("원장", "Chain"), "11 FORKED", Label("복제 카드", "cloned card"), 1, expected=False),
        ),
        checks=(
            Check("conservation.won", Label("발행액 = 예치금", "supply = deposits"), 24_910_000, 24_910_000, 214),
            Check(
                "conservation.fares",
                Label(
                    "요금 계약 잔액 + 보증 미납 = 지갑 + 바우처 + 미정산", "Fares' won + owed = purses + lots + credits"
                ),
                31_402_150,
                31_402_150,
                214,
            ),
            Check("splits", Label("배분 합계 = 요금 합계", "shares = fares"), total, total, len(made.trips)),
        ),
        phases=(
            Phase(Label("도시와 조직 준비", "City and organisations"), 3.1),
            Phase(Label("카드 등록과 바우처", "Cards and vouchers"), 9.4),
            Phase(Label("아침 운행", "The morning"), 31.0),
            Phase(Label("정산과 지급", "Settlement and payout"), 14.2),
        ),
        segments=map_segments(load()),
        stations=station_dots(made.trips),
        flows=flows(made.trips),
        quarters=fares_by_quarter(charges, made.service_day),
        money=tuple(money),
        healed=(
            Healed("adjust_up", Label("하차 태그가 없어 더 받은 요금", "charged for missing tap-offs"), 12, 14_300),
            Healed(
                "cover", Label("복제 카드 손실을 메운 위험기금", "rides of clones, borne by the risk pool"), 1, 1_700
            ),
        ),
    )
