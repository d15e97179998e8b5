"""What a finished run came to: counted from tables, events and state, checked on both sides (report.py shows it)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from sqlalchemy import func
from sqlmodel import Session, select

from contracts.addresses import FARES
from contracts.codes import Mode, Refusal
from contracts.errors import DureError
from contracts.records import CardAccount
from services.demo.citizens import Citizens
from services.demo.city import load
from services.demo.city_hall import CityHall
from services.demo.errors import DemoCheckError
from services.demo.healed import covered_won, healed, risk_pool_won
from services.demo.morning import Morning
from services.demo.progress import Progress
from services.demo.report import (
    Amount,
    Check,
    DemoReport,
    Label,
    LotTotals,
    MoneyFlow,
    Phase,
    Refused,
    fares_by_quarter,
)
from services.demo.scenery import BANK_LABELS, MODE_LABELS, OPERATOR_LABELS, flows, map_segments, station_dots
from services.demo.shares import BANKS, SERVICE_DATE
from services.demo.world import World
from services.fares.tables import Journey, Tap
from services.vouchers.programmes import presets
from services.vouchers.tables import GrantStatus, VoucherCarry
from wallets.taps import Tap as TapBody

VOUCHERS_LABEL = Label("바우처", "Vouchers")
BALANCE_LABEL = Label("선불 잔액", "Prepaid balance")
GUARANTEE_LABEL = Label("은행 보증", "Bank guarantee")
RISK_POOL_LABEL = Label("위험기금", "Risk pool")
_PHASES = {
    "prepare": Label("도시와 조직 준비", "City and organisations"),
    "cards": Label("카드 등록과 충전", "Cards and top-ups"),
    "vouchers": Label("자격 확인과 바우처", "Eligibility and vouchers"),
    "morning": Label("아침 운행", "The morning"),
    "settle": Label("정산", "Settlement"),
    "late": Label("늦은 태그와 한도 초과", "Late taps and caps"),
    "close": Label("조정과 마감", "Adjustments and closing"),
    "payout": Label("지급", "Payouts"),
}
_SOURCES = (
    ("voucher", VOUCHERS_LABEL),
    ("balance", BALANCE_LABEL),
    ("risk_pool", RISK_POOL_LABEL),
    ("guarantor", GUARANTEE_LABEL),
)
_PLACES = {"gate": Label("단말기", "Reader"), "clearing": Label("정산소", "Clearing house")}
_CHAIN = Label("원장", "Chain")


_REPEATED = Label("이미 받은 태그", "known already, taken once")
_CODES = {
    Refusal.NOT_ENROLLED: Label("미등록 카드", "card not enrolled"),
    Refusal.WINDOW: Label("기간 밖", "outside the card's window"),
    Refusal.STALE: Label("지난 상태", "stale"),
    Refusal.CUM_FALLS: Label("누적 감소", "cumulative fare falls"),
    Refusal.OWN: Label("본인 부담 초과", "own part exceeds increase"),
    Refusal.SIGNATURE: Label("서명 오류", "bad signature"),
    Refusal.SUM: Label("합계 불일치", "credits do not add up"),
    Refusal.CAP: Label("한도 초과", "over the cap"),
    Refusal.GAP: Label("날짜 공백", "gap before this day"),
    Refusal.DAY: Label("날짜 역행", "service day falls"),
    Refusal.FORKED: Label("복제 카드", "forked card"),
    Refusal.NOT_ITS_CLEARING_HOUSE: Label("담당 정산소 아님", "not its clearing house"),
    Refusal.RANGE: Label("범위 밖", "out of range"),
}


def _reason(code: str) -> Label:
    """What an error's code says to a person, in both languages."""
    waiting: list[type[DureError]] = [DureError]
    while waiting:
        kind = waiting.pop()
        if kind.code == code:
            return Label(kind.ko, (kind.__doc__ or code).strip().splitlines()[0])
        waiting += kind.__subclasses__()
    return _REPEATED if code == "REPEATED" else Label(code, code)


class Summary:
    """The numbers of one finished run."""

    def __init__(
        self,
        world: World,
        morning: Morning,
        citizens: Citizens,
        hall: CityHall,
        progress: Progress,
        rule_sets: dict[str, int],
    ) -> None:
        self._world, self._morning, self._citizens, self._hall = world, morning, citizens, hall
        self._progress, self._rule_sets = progress, rule_sets

    def report(self) -> DemoReport:
        """Everything. Raises DemoCheckError, naming it, where a check does not hold."""
        hall, node = self._hall, self._hall.node
        charges = self._charges()
        paid = self._paid()
        operators = self._operators()
        blocks, transactions, gas = self._blocks()
        total = sum(paid.values())
        lots = self._lots()
        made = DemoReport(
            seed=self._progress.seed,
            service_date=SERVICE_DATE.isoformat(),
            service_day=self._morning.service_day,
            chain_id=hall.client.chain_id,
            head_number=node.head.number,
            head_hash=f"0x{node.head.hash.hex()}",
            riders=len(self._morning.riders),
            taps=len(charges),
            journeys=self._journeys(),
            total_won=total,
            sources=tuple(Amount(label, paid[key]) for key, label in _SOURCES),
            operators=tuple(Amount(OPERATOR_LABELS[name], won) for name, won in operators.items()),
            modes=self._modes(charges),
            lots=lots,
            blocks=blocks,
            transactions=transactions,
            gas_used=gas,
            refused=self._refused(),
            checks=self._checks(total, operators, lots, blocks),
            phases=tuple(Phase(_PHASES[name], round(seconds, 2)) for name, seconds in self._progress.seconds.items()),
            segments=map_segments(load()),
            stations=station_dots(self._morning.trips),
            flows=flows(self._morning.trips),
            quarters=fares_by_quarter(((time, mode, won) for time, mode, won, _ in charges), self._morning.service_day),
            money=self._money(paid, operators),
            healed=healed(hall.client),
        )
        for check in made.checks:
            if not check.holds:
                raise DemoCheckError(f"{check.id}: {check.left:,} is not {check.right:,}")
        return made

    # --- counts

    def _charges(self) -> list[tuple[int, Mode, int, str]]:
        """(time, mode, won, kind) of every tap that clearing took in."""
        with Session(self._hall.engine) as session:
            rows = session.exec(select(Tap.tap_time, Tap.charge_won, Tap.tap)).all()
        bodies = ((time, won, TapBody.from_canonical(body)) for time, won, body in rows)
        return [(time, body.mode, won, body.kind) for time, won, body in bodies]

    def _journeys(self) -> int:
        with Session(self._hall.engine) as session:
            return int(session.exec(select(func.count()).select_from(Journey)).one())

    def _paid(self) -> dict[str, int]:
        """Won by source over all settled records, corrections and covered losses, from the chain's events."""
        sums = {"voucher": 0, "balance": 0, "guarantor": 0}
        for event in self._hall.client.events("Fares", "Settled"):
            for key in sums:
                sums[key] += event.args[f"{key}_won"]
        for event in self._hall.client.events("Credits", "Adjusted"):
            sign = 1 if event.args["delta_won"] > 0 else -1
            for key in sums:
                sums[key] += sign * event.args[f"{key}_won"]
        return sums | {"risk_pool": covered_won(self._hall.client)}

    def _operators(self) -> dict[str, int]:
        """Won per operator: paid out, payable and still pending on the chain."""
        found = dict.fromkeys((party.name for party in self._world.operators), 0)
        names = {party.id: party.name for party in self._world.operators}
        for event in self._hall.client.events("Credits", "PaidOut"):
            found[names[event.args["organisation"]]] += event.args["amount_won"]
        for number, name in names.items():
            found[name] += self._hall.client.call("Credits", "payable_to", [number])
        for batch in self._hall.closing.pending():
            for number, won in batch.items():
                if number in names:
                    found[names[number]] += won
        return found

    def _blocks(self) -> tuple[int, int, int]:
        """(blocks, transactions, gas) from genesis to the head."""
        node = self._hall.node
        transactions = gas = 0
        for number in range(1, node.head.number + 1):
            block = node.block(number)
            if block is not None:
                transactions += len(block.transactions)
                gas += block.header.gas_used
        return node.head.number, transactions, gas

    @staticmethod
    def _modes(charges: Iterable[tuple[int, Mode, int, str]]) -> tuple[Amount, ...]:
        won: Counter[Mode] = Counter()
        boardings: Counter[Mode] = Counter()
        for _, mode, charge, kind in charges:
            won[mode] += charge
            boardings[mode] += kind == "IN"
        return tuple(Amount(MODE_LABELS[mode], won[mode], boardings[mode]) for mode in sorted(boardings))

    def _lots(self) -> tuple[LotTotals, ...]:
        hall = self._hall
        granted: dict[str, list[int]] = defaultdict(list)
        for row in hall.office.granted():
            if row.status == GrantStatus.GRANTED:
                granted[row.programme].append(row.won)
        remaining: Counter[int] = Counter()
        for rider in self._morning.riders:
            if rider.programmes:
                words = hall.client.call("Fares", "card", [self._citizens.addresses[rider.index]])
                for lot in CardAccount.unpack(words).lots.values():
                    remaining[lot.rule_set] += lot.remaining_won
        spent = {
            name: hall.books.balances().get(f"rider:voucher:{number}", 0) for name, number in self._rule_sets.items()
        }
        carried, lapsed = Counter[int](), Counter[int]()
        with Session(hall.engine) as session:
            for carry in session.exec(select(VoucherCarry)).all():
                carried[carry.rule_set] += carry.carried_won
                lapsed[carry.rule_set] += carry.lapsed_won
        return tuple(
            LotTotals(
                Label(presets()[name].name_ko, presets()[name].name_en),
                len(granted[name]),
                sum(granted[name]),
                spent[name],
                carried[number],
                lapsed[number],
                remaining[number],
            )
            for name, number in self._rule_sets.items()
            if granted[name]
        )

    def _refused(self) -> tuple[Refused, ...]:
        rows = []
        for key, count in sorted(self._progress.refused.items()):
            place, code, _ = key.split("|")
            rows.append(Refused(_PLACES[place], code, _reason(code), count))
        codes = Counter(event.args["code"] for event in self._hall.client.events("Fares", "Refused"))
        rows += [
            Refused(_CHAIN, f"{code} {Refusal(code).name}", _CODES[Refusal(code)], count)
            for code, count in sorted(codes.items())
        ]
        return tuple(rows)

    # --- checks

    def _checks(
        self, total: int, operators: dict[str, int], lots: tuple[LotTotals, ...], blocks: int
    ) -> tuple[Check, ...]:
        client = self._hall.client
        supply, deposits = self._hall.check_supply()
        for number in range(1, blocks + 1):
            held, owed, parts = self._fares_at(number)
            if held + owed != parts:
                raise DemoCheckError(f"conservation.fares at block {number}: {held + owed:,} is not {parts:,}")
        held, owed, parts = self._fares_at(blocks)
        totals = client.call("Credits", "totals")
        house = client.call("Credits", "others", [self._hall.settlement.organisation])
        funded, forfeited = risk_pool_won(client)
        credited = sum(operators.values()) + totals[2] + house + forfeited
        spent = sum(lot.granted_won for lot in lots)
        gone = sum(lot.spent_won + lot.carried_won + lot.lapsed_won + lot.remaining_won for lot in lots)
        books = self._hall.books.balances()
        debits = [bank.check_debits() for bank in self._hall.banks]
        return (
            Check("conservation.won", Label("발행액 = 예치금", "supply = deposits"), supply, deposits, blocks),
            Check(
                "conservation.fares",
                Label(
                    "요금 계약 잔액 + 보증 미납 = 지갑 + 바우처 + 미정산",
                    "Fares' won + owed = purses + lots + credits",
                ),
                held + owed,
                parts,
                blocks,
            ),
            Check("splits", Label("낸 돈 = 운송사 몫", "won paid = operators' won"), total, credited),
            Check(
                "risk_pool",
                Label("위험기금 적립 = 메운 손실 + 잔액", "put into the risk pool = losses borne + left"),
                funded + forfeited,
                covered_won(client) + totals[3],
            ),
            Check(
                "conservation.lots",
                Label("지급 = 사용 + 이월 + 소멸 + 잔액", "granted = spent + carried + lapsed + left"),
                spent,
                gone,
            ),
            Check(
                "consents",
                Label("계좌 출금 = 동의받은 출금", "accounts debited = debited under consents"),
                sum(booked for booked, _ in debits),
                sum(consented for _, consented in debits),
            ),
            Check("books", Label("복식부기 합계 = 0", "double entry adds up to 0"), sum(books.values()), 0),
        )

    def _fares_at(self, block: int) -> tuple[int, int, int]:
        """(Won.balanceOf(Fares), Σ owed, Σ what it belongs to) at a block (money.md §3, Conservation)."""
        client = self._hall.client
        totals = client.call("Credits", "totals", block=block)
        return client.call("Won", "balanceOf", [FARES], block=block), totals[6], sum(totals[:6])

    # --- money's path

    def _money(self, paid: dict[str, int], operators: dict[str, int]) -> tuple[MoneyFlow, ...]:
        balances = self._hall.books.balances()
        made = []
        for name, number in self._rule_sets.items():
            won = balances.get(f"rider:voucher:{number}", 0)
            if won:
                made.append(MoneyFlow(0, Label(presets()[name].name_ko, presets()[name].name_en), VOUCHERS_LABEL, won))
        if paid["balance"]:
            made.append(MoneyFlow(0, Label("탑승객 충전", "Riders' top-ups"), BALANCE_LABEL, paid["balance"]))
        owed: Counter[str] = Counter()
        names = {bank.id: bank.name for bank in self._world.banks}
        for event in self._hall.client.events("Credits", "Owed"):
            owed[names[event.args["guarantor"]]] += event.args["amount_won"]
        made += [MoneyFlow(0, BANK_LABELS[name], GUARANTEE_LABEL, owed[name]) for name, _ in BANKS if owed[name]]
        if paid["risk_pool"]:
            made.append(MoneyFlow(0, Label("서울시", "City of Seoul"), RISK_POOL_LABEL, paid["risk_pool"]))
        total = sum(paid.values())
        for name, won in operators.items():
            left = won
            for at, (key, label) in enumerate(_SOURCES):
                # Sources are not kept per operator on the chain; each operator's won are drawn in proportion.
                part = left if at == len(_SOURCES) - 1 else won * paid[key] // max(total, 1)
                left -= part
                if part:
                    made.append(MoneyFlow(1, label, OPERATOR_LABELS[name], part))
        return tuple(made)
