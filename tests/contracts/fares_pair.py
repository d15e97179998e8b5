"""All five agreements and their twins side by side, for the state machine of test_fares_machine.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Any

from eth.db.atomic import AtomicDB
from eth.vm.forks.cancun.state import CancunState

from contracts import addresses, records
from contracts.codes import Carry
from contracts.hashing import keccak, sha256
from contracts.messages import Claim, Credential
from contracts.records import Batch, CardAccount, CardSlot, Leaf
from contracts.signatures import sign, to_compact
from contracts.twins.base import Clock
from contracts.twins.credits import Credits
from contracts.twins.fares import Fares
from contracts.twins.organisations import Key, Organisation, Organisations
from contracts.twins.vouchers import Item, Request, RuleSet, Vouchers
from contracts.twins.won import UNLIMITED, Won
from tests.contracts import fares_city as city
from tests.contracts.city import KEYS, Pair, bitmap, name
from tests.contracts.fares_city import CITY, KOOKMIN, ROLES, WOORI, sender
from tests.contracts.harness import CHAIN_ID, GENESIS_TIME, Outcome, World, address, key

NO_CARD = CardSlot(*[0] * 13)
RULES = {
    1: RuleSet(7, 0b1111101, 3_000, 2_500, 5, Carry.CAP, 50_000, 50_000, addresses.FARES),
    2: RuleSet(8, 0b1111101, 3_000, 20_000, 3, Carry.NONE, 0, 50_000, addresses.FARES),
    3: RuleSet(9, 0b0000010, 3_000, 20_000, 1, Carry.ROLL, 0, 50_000, addresses.FARES),
}


@lru_cache(maxsize=1)
def deployed() -> tuple[AtomicDB, bytes]:
    """The deployed agreements as a database and its state root: deploying takes a second, examples are many."""
    world = World()
    world.deploy("Organisations", city.genesis_arguments())
    world.deploy("Won", [addresses.ORGANISATIONS, [(KOOKMIN, 10**9), (WOORI, 10**9)]])
    world.deploy("Vouchers", [addresses.ORGANISATIONS, addresses.WON])
    world.deploy("Fares", [addresses.ORGANISATIONS, addresses.WON, addresses.VOUCHERS, addresses.CREDITS])
    world.deploy("Credits", [addresses.ORGANISATIONS, addresses.FARES])
    world.state.lock_changes()
    root = world.state.make_state_root()
    world.state.persist()
    return world.state._db, root


def fresh_world() -> World:
    """A world with the agreements as their constructors leave them; nothing it does reaches another one."""
    world = World()
    database, root = deployed()
    world.state = CancunState(database, world._context(), root)
    world.names = {at: agreement for agreement, at in addresses.BY_NAME.items()}
    return world


@dataclass
class FaresPair(Pair):
    """The chain and its twins: every step is taken by both, with the same events or the same refusal."""

    def __post_init__(self) -> None:
        self.world = fresh_world()
        # The month's first day, so that most of a run lies within one month of cards.
        self.world.time = GENESIS_TIME - 14 * 86_400 + 5 * 3_600
        self.clock = Clock(CHAIN_ID, self.world.time, self.world.block)
        self.organisations = Organisations(
            self.clock,
            organisations={n: Organisation(sender(n, "account"), bitmap(roles)) for n, roles in ROLES.items()},
            keys={sender(n, purpose): Key(n, int(bits)) for n in ROLES for purpose, bits in KEYS.items()},
            members=[CITY, KOOKMIN, city.CLEARING],
            threshold=2,
            agreements={at: (name(one), 0, 2**64 - 1) for one, at in addresses.BY_NAME.items()},
            deployed=set(addresses.BY_NAME.values()),
        )
        self.won = Won(self.clock, self.organisations)
        self.won.mint_caps.update({KOOKMIN: 10**9, WOORI: 10**9})
        self.credits = Credits(self.clock, self.organisations, self.won)
        lots: dict[bytes, Any] = {}
        self.vouchers = Vouchers(self.clock, self.organisations, self.won, lots)
        self.fares = Fares(self.clock, self.organisations, self.won, self.vouchers, self.credits)
        lots[addresses.FARES] = self.credits.fares = self.fares
        self.twin_value = None
        self.logs = {
            "Organisations": self.organisations.log,
            "Won": self.won.log,
            "Vouchers": self.vouchers.log,
            "Fares": self.fares.log,
            "Credits": self.credits.log,
        }
        self.deposits_won: defaultdict[int, int] = defaultdict(int)
        self.leaves: dict[int, list[Leaf]] = {}
        self._open_books()

    def _open_books(self) -> None:
        for at, (bank, to) in enumerate(((KOOKMIN, KOOKMIN), (WOORI, WOORI), (KOOKMIN, CITY))):
            self.mint(bank, to, 2_000_000, keccak(bytes([at])))
        for holder in (KOOKMIN, WOORI, CITY):
            for taker in (addresses.FARES, addresses.VOUCHERS):
                by = sender(holder, "account")
                twin = lambda by=by, taker=taker: self.won.approve(by, taker, UNLIMITED)  # noqa: E731
                assert isinstance(self.step(by, "Won", "approve", [taker, UNLIMITED], twin), Outcome)
        for number, rules in RULES.items():
            by = sender(CITY, "administer")
            twin = lambda by=by, n=number, r=rules: self.vouchers.set_rule_set(by, n, r)  # noqa: E731
            assert isinstance(self.step(by, "Vouchers", "set_rule_set", [number, astuple(rules)], twin), Outcome)
            self.pay_pool(number, 200_000)

    def mint(self, bank: int, to: int, won: int, reference: bytes) -> Outcome | str:
        """A deposit at a bank becomes Won."""
        by, args = sender(bank, "issue"), [sender(to, "account"), won, reference]
        outcome = self.step(by, "Won", "mint", args, lambda: self.won.mint(by, *args))
        if isinstance(outcome, Outcome):
            self.deposits_won[bank] += won
        return outcome

    def burn(self, bank: int, won: int, reference: bytes) -> Outcome | str:
        """Won becomes a deposit paid out."""
        by = sender(bank, "issue")
        outcome = self.step(by, "Won", "burn", [won, reference], lambda: self.won.burn(by, won, reference))
        if isinstance(outcome, Outcome):
            self.deposits_won[bank] -= won
        return outcome

    def pay_pool(self, number: int, won: int) -> Outcome | str:
        """The city pays into a rule-set's pool."""
        by = sender(CITY, "issue")
        return self.step(by, "Vouchers", "pay_in", [number, won], lambda: self.vouchers.pay_in(by, number, won))

    def take(self, by: bytes, agreement: str, function: str, *args: Any) -> Outcome | str:
        """A function whose twin has the same name and arguments."""
        twin = getattr(self.fares if agreement == "Fares" else self.credits, function)
        return self.step(by, agreement, function, args, lambda: twin(by, *args))

    def settle(
        self, by: bytes, day: int, table: int, words: Sequence[records.RecordWords], *, fork: bool = False
    ) -> Outcome | str:
        """A batch, with a foregone fare; its leaves are kept for proofs."""
        if fork:
            twin, function = (lambda: self.fares.settle_fork(by, day, table, words)), "settle_fork"
            args: list[Any] = [day, table, words]
        else:
            foregone = [records.foregone_word(city.METRO, 1_550)]
            twin = lambda: self.fares.settle(by, day, table, (sha256(b""), 0), foregone, words)  # noqa: E731
            args, function = [day, table, sha256(b""), 0, foregone, words], "settle"
        return self.step(by, "Fares", function, args, twin)

    def release(self, by: bytes, batches: Sequence[Batch]) -> Outcome | str:
        """Releases batches on both."""
        args = [[batch.fields() for batch in batches]]
        return self.step(by, "Credits", "release", args, lambda: self.credits.release(by, batches))

    def with_batch(self, by: bytes, function: str, batch: Batch, *args: Any) -> Outcome | str:
        """object and end_objection."""
        twin = getattr(self.credits, function)
        return self.step(by, "Credits", function, [batch.fields(), *args], lambda: twin(by, batch, *args))

    def correct(
        self, by: bytes, function: str, proof: tuple[Batch, int, Leaf, list[bytes]], *args: Any
    ) -> Outcome | str:
        """adjust_up, adjust_down, allocate, expire_suspense."""
        batch, index, leaf, path = proof
        twin = getattr(self.credits, function)
        words = [batch.fields(), index, leaf.words(), path, *args]
        return self.step(by, "Credits", function, words, lambda: twin(by, proof, *args))

    def grant(self, number: int, days: tuple[int, int], wanted: Sequence[tuple[int, int, int]]) -> Outcome | str:
        """Grants (card, won, person) from a rule-set."""
        rules, period = RULES[number], 1
        requests = []
        for card, won, person in wanted:
            nullifier, holder = keccak(b"person %d %d" % (number, person)), f"credential {person}"
            credential = Credential(address(holder), rules.group, period, nullifier, 0, 65_535, keccak(b"a"))
            claim = Claim(city.card(card), number, period, won, nullifier)
            by_registry = sign(credential.digest(CHAIN_ID, addresses.VOUCHERS), key(f"org {city.REGISTRY} attest"))
            by_citizen = sign(claim.digest(CHAIN_ID, addresses.VOUCHERS), key(holder))
            signatures = (*to_compact(by_registry), *to_compact(by_citizen))
            requests.append(Request(claim.card, won, nullifier, address(holder), 0, 65_535, keccak(b"a"), *signatures))
        source = (keccak(b"sources"), len(requests))
        args = [number, period, *days, [astuple(one) for one in requests], *source]
        by = sender(CITY, "issue")
        twin = lambda: self.vouchers.grant(by, number, period, days, requests, source)  # noqa: E731
        return self.step(by, "Vouchers", "grant", args, twin)

    def carry(self, number: int, lapsed: int, days: tuple[int, int], items: Sequence[Item]) -> Outcome | str:
        """Carried lots on new cards."""
        by, source = sender(CITY, "issue"), (keccak(b"sources"), len(items))
        args = [number, lapsed, *days, [astuple(one) for one in items], *source]
        twin = lambda: self.vouchers.carry(by, number, lapsed, days, items, source)  # noqa: E731
        return self.step(by, "Vouchers", "carry", args, twin)

    # --- what must hold at every block

    def conserved(self) -> None:
        """Supply = deposits, and money.md §3's conservation, on chain and in the twins."""
        supply = self.world.call("Won", "totalSupply")
        assert supply == sum(self.deposits_won.values()) == sum(self.won.balances.values())
        held = self.world.call("Won", "balanceOf", [addresses.FARES])
        totals = self.world.call("Credits", "totals")
        assert held + totals[6] == sum(totals[:6]), totals
        twin = self.credits
        twin_totals = (
            self.fares.purses_won,
            self.fares.lots_won,
            twin.suspense_won,
            twin.risk_pool_won,
            twin.pending_won,
            twin.payable_won,
            twin.owed_won,
        )
        assert tuple(totals) == twin_totals
        assert held == self.won.balances[addresses.FARES]
        pools = sum(pool.won for pool in self.vouchers.pools.values())
        assert self.world.call("Won", "balanceOf", [addresses.VOUCHERS]) == pools

    def card_alike(self, number: int) -> None:
        """A card's slot and lots."""
        at = city.card(number)
        chain = CardAccount.unpack(self.world.call("Fares", "card", [at]))
        twin = self.fares.cards.get(at)
        assert self.world.call("Fares", "lost_at", [at]) == self.fares.lost_at.get(at, 0)
        if twin is None:
            assert chain.slot == NO_CARD
            return
        shared = set(CardSlot.__slots__) - {"status", "live_lots"}
        assert {one: getattr(chain.slot, one) for one in shared} == {one: getattr(twin, one) for one in shared}
        assert chain.slot.status == (2 if twin.forked else 1)
        lots = [lot for _, lot in sorted(chain.lots.items())]
        fields = set(lots[0].__slots__) if lots else set()
        assert [{f: getattr(lot, f) for f in fields} for lot in lots] == [
            {f: getattr(lot, f) for f in fields} for lot in twin.lots
        ]

    def batches_alike(self) -> None:
        """Commitments, lanes, corrections, what everybody is owed."""
        twin, call = self.credits, self.world.call
        assert call("Fares", "batches") == self.fares.batches
        for number, batch in list(twin.batches.items())[-3:]:
            assert call("Credits", "commitment", [number]) == batch.commitment()
            lanes = sum(1 << lane for at, lane in twin.released if at == number)
            lanes |= sum(256 << lane for at, lane in twin.objected if at == number)
            assert call("Credits", "lanes_of", [number]) == lanes
        for number, index in list(twin.corrections)[-3:]:
            word = sum(won << 32 * at for at, won in enumerate(twin.corrections[number, index].values()))
            assert call("Credits", "correction", [number, index]) == word
        for one in (city.METRO, city.BUS_143):
            assert call("Credits", "payable_to", [one]) == twin.payable[one]
        assert call("Credits", "others", [city.CLEARING]) == twin.others[city.CLEARING]
        assert call("Credits", "owed_by", [KOOKMIN]) == (twin.owed_through[KOOKMIN], twin.paid_through[KOOKMIN])
