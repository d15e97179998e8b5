"""The programme office of a city: rule-sets, money of funders, grants in batches, the expiry run (money.md §4).

    set_rule_set → pay_in → grant → after_block          at the start and each month
    lapse → after_block → carry → after_block            right after close_day(last_service_day)

The last line is expiry.py. Whatever has a name may be asked again under the same name after a crash: it is done once.
After a start `recover` comes first.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contracts.codes import Grant
from contracts.hashing import sha256
from contracts.merkle import root
from contracts.messages import Claim, Credential
from contracts.records import CardAccount, issue_word
from contracts.signatures import to_compact, verify
from ledger.client import Client, TransactionReceipt
from services.bank.rules import batches, shuffled
from services.outbox import ItemStatus, Outbox, OutboxItem, purpose_prefix
from services.vouchers.attestations import SALT_BYTES, source_leaf
from services.vouchers.errors import GrantError
from services.vouchers.limits import MAX_GRANTS_PER_BATCH
from services.vouchers.programmes import RuleSet
from services.vouchers.tables import GrantStatus, VoucherGrant

_ALL_WON = 2**256 - 1
_FARES_REFUSED = Grant.FARES


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """A lot that a citizen asks for: his credential with the registry's signature, the card, and the claim signed by
    the credential's key. `programme` and `funder` stand in the salted source leaf alone."""

    programme: str
    funder: int
    card: bytes
    won: int
    credential: Credential
    registry_signature: bytes
    claim_signature: bytes


class Office:
    """One city's programme office; `issuer` sends with its ISSUE key, `administrator` with its ADMINISTER key."""

    def __init__(
        self,
        engine: Engine,
        client: Client,
        issuer: Outbox,
        organisation: int,
        *,
        administrator: Outbox | None = None,
        token: Callable[[int], bytes] = secrets.token_bytes,
        below: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self.organisation = organisation
        self.engine = engine
        self.client = client
        self.issuer = issuer
        self._administrator = administrator or issuer
        self.token = token
        self.below = below

    def set_rule_set(self, number: int, rules: RuleSet) -> None:
        """Sets a rule-set of the city on the chain; once."""
        words = rules.words(self.client.address("Fares"))
        self._administrator.once(f"rule-set:{number}", "Vouchers", "set_rule_set", [number, words])

    def pay_in(self, name: str, rule_set: int, won: int, *, funder: Outbox | None = None) -> None:
        """A funder's money (default: the city's) from its account on the chain into a rule-set's pool; once."""
        sender = funder or self.issuer
        spender = self.client.address("Vouchers")
        sender.once("approve:Vouchers", "Won", "approve", [spender, _ALL_WON])
        sender.once(f"pay-in:{name}", "Vouchers", "pay_in", [rule_set, won])

    def fund_risk_pool(self, name: str, won: int) -> None:
        """The city's money into RISK_POOL, which bears losses of forked cards and of caps (money.md §2, §3); once."""
        self.issuer.once("approve:Fares", "Won", "approve", [self.client.address("Fares"), _ALL_WON])
        self.issuer.once(f"risk-pool:{name}", "Fares", "fund_risk_pool", [won])

    def grant(
        self, name: str, rule_set: int, start_day: int, last_service_day: int, requests: Sequence[GrantRequest]
    ) -> list[str]:
        """Stores the requests, shuffled into batches, and sends each batch; the purposes of their transactions.

        All requests are of one period. Raises GrantError for requests of several periods or a nullifier asked twice,
        SignatureError for a claim that the credential's key did not sign.
        """
        prefix = purpose_prefix("grant", name)
        if not self._rows_of(prefix):
            self._store(prefix, rule_set, start_day, last_service_day, requests)
        found = self._rows_of(prefix)
        calls: dict[str, tuple[Sequence[object], int]] = {}
        for purpose, rows in found.items():
            leaves = [source_leaf(row.salt, row.programme, row.funder) for row in rows]
            arguments = [
                rule_set,
                rows[0].period,
                start_day,
                last_service_day,
                [_request_words(row) for row in rows],
                root(leaves, sha256),
                len(leaves),
            ]
            calls[purpose] = (arguments, len(rows))
        self.issuer.once_each("Vouchers", "grant", calls)
        return list(found)

    def _store(
        self, prefix: str, rule_set: int, start_day: int, last_service_day: int, requests: Sequence[GrantRequest]
    ) -> None:
        periods = {request.credential.period for request in requests}
        if len(periods) != 1:
            raise GrantError(f"a grant is of one period, these are of {len(periods)}")
        if len({request.credential.nullifier for request in requests}) != len(requests):
            raise GrantError("a nullifier is asked twice")
        vouchers = self.client.address("Vouchers")
        for request in requests:
            claim = Claim(request.card, rule_set, request.credential.period, request.won, request.credential.nullifier)
            digest = claim.digest(self.client.chain_id, vouchers)
            verify(digest, request.claim_signature, request.credential.key)
        with Session(self.engine) as session:
            mixed = shuffled(requests, self.below)
            for number, chunk in enumerate(batches(mixed, MAX_GRANTS_PER_BATCH)):
                purpose = f"{prefix}{number}"
                session.add_all(self._row(purpose, rule_set, start_day, last_service_day, request) for request in chunk)
                session.flush()
            session.commit()

    def _row(
        self, purpose: str, rule_set: int, start_day: int, last_service_day: int, request: GrantRequest
    ) -> VoucherGrant:
        credential = request.credential
        return VoucherGrant(
            city=self.organisation,
            purpose=purpose,
            programme=request.programme,
            funder=request.funder,
            rule_set=rule_set,
            period=credential.period,
            start_day=start_day,
            last_service_day=last_service_day,
            card=request.card,
            won=request.won,
            nullifier=credential.nullifier,
            credential_key=credential.key,
            first_day=credential.first_day,
            last_day=credential.last_day,
            attestation=credential.attestation,
            registry_signature=request.registry_signature,
            claim_signature=request.claim_signature,
            salt=self.token(SALT_BYTES),
        )

    def _rows_of(self, prefix: str) -> dict[str, list[VoucherGrant]]:
        with Session(self.engine) as session:
            query = select(VoucherGrant).where(
                VoucherGrant.city == self.organisation, col(VoucherGrant.purpose).startswith(prefix, autoescape=True)
            )
            found: dict[str, list[VoucherGrant]] = {}
            for row in session.exec(query.order_by(col(VoucherGrant.id))).all():
                found.setdefault(row.purpose, []).append(row)
        return found

    def granted(self) -> list[VoucherGrant]:
        """Every request with its state: GRANTED, or REFUSED with its code (contracts.codes.Grant)."""
        with Session(self.engine) as session:
            query = select(VoucherGrant).where(VoucherGrant.city == self.organisation)
            return list(session.exec(query.order_by(col(VoucherGrant.id))).all())

    def account_of(self, card: bytes) -> CardAccount:
        """A card's purse and lots as Fares holds them."""
        return CardAccount.unpack(self.client.call("Fares", "card", [card]))

    # --- after a block

    def after_block(self) -> list[OutboxItem]:
        """Reads what of the office's transactions entered blocks: grants move on. Repeatable."""
        settled = self.issuer.settle()
        if self._administrator is not self.issuer:
            settled += self._administrator.settle()
        for item, receipt in settled:
            if item.purpose.startswith("grant:"):
                self._mark(item, receipt)
        return [item for item, _ in settled]

    def recover(self) -> None:
        """After a start, before anything else: what a crash kept from the node is sent, what it left unread is read."""
        self.issuer.recover()
        if self._administrator is not self.issuer:
            self._administrator.recover()
        self.after_block()
        with Session(self.engine) as session:
            query = select(VoucherGrant.purpose).where(
                VoucherGrant.city == self.organisation, VoucherGrant.status == GrantStatus.PLANNED
            )
            waiting = session.exec(query.distinct()).all()
        for purpose in waiting:
            item = self.issuer.find(purpose)
            if item is not None and item.status != ItemStatus.PLANNED:
                self._mark(item, self.client.receipt(item.hash))

    def _mark(self, item: OutboxItem, receipt: TransactionReceipt) -> None:
        with Session(self.engine) as session:
            query = select(VoucherGrant).where(
                VoucherGrant.city == self.organisation, VoucherGrant.purpose == item.purpose
            )
            rows = session.exec(query.order_by(col(VoucherGrant.id))).all()
            events = self.client.events_of(receipt, "Vouchers") if receipt.succeeded else []
            accepted = sum(event.args["accepted"] for event in events if event.name == "Granted")
            codes = {} if accepted == len(rows) else self._codes(rows, receipt)
            for row in rows:
                row.code = codes.get(row.nullifier, 0)
                row.status = GrantStatus.REFUSED if row.code else GrantStatus.GRANTED
            session.add_all(rows)
            session.commit()

    def _codes(self, rows: Sequence[VoucherGrant], receipt: TransactionReceipt) -> Mapping[bytes, int]:
        """Why requests of a batch were not met, by nullifier; asked of the state before its block, only where some
        were not. A batch that reverted met none."""
        at, before = receipt.block_number, receipt.block_number - 1
        codes: dict[bytes, int] = {}
        rules = self.client.call("Vouchers", "rule_set", [rows[0].rule_set], block=before)
        for row in rows:
            if receipt.succeeded and self._spent(row.nullifier, at) and not self._spent(row.nullifier, before):
                continue
            if not 0 < row.won <= rules[7]:
                codes[row.nullifier] = Grant.AMOUNT
            elif not row.first_day <= row.start_day <= row.last_day:
                codes[row.nullifier] = Grant.WINDOW
            elif self._spent(row.nullifier, before):
                codes[row.nullifier] = Grant.USED
            elif code := self._fares_code(row, rules, before):
                codes[row.nullifier] = _FARES_REFUSED + code
            elif self.client.call("Vouchers", "pool", [row.rule_set], block=at) < row.won:
                codes[row.nullifier] = Grant.POOL
            else:
                codes[row.nullifier] = Grant.CREDENTIAL
        return codes

    def _spent(self, nullifier: bytes, block: int) -> bool:
        return bool(self.client.call("Vouchers", "is_spent", [nullifier], block=block))

    def _fares_code(self, row: VoucherGrant, rules: Sequence[int], block: int) -> int:
        profile = rules[1] | rules[2] << 32
        arguments = [
            row.rule_set,
            row.start_day,
            row.last_service_day,
            rules[3],
            rules[4],
            profile,
            1,
            [issue_word(row.card, row.won)],
        ]
        sender = self.client.address("Vouchers")
        return int(self.client.call("Fares", "issue", arguments, sender=sender, block=block)[0])


def _request_words(row: VoucherGrant) -> tuple[object, ...]:
    return (
        row.card,
        row.won,
        row.nullifier,
        row.credential_key,
        row.first_day,
        row.last_day,
        row.attestation,
        *to_compact(row.registry_signature),
        *to_compact(row.claim_signature),
    )
