"""Won, said again in plain Python (contracts/won.vy, contracts/lib/token.vy)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from contracts import addresses
from contracts.client import encode
from contracts.codes import Act, Purpose, Role
from contracts.hashing import keccak
from contracts.messages import domain_separator, typed_digest
from contracts.twins.base import NO_HASH, NOBODY, Clock, Log, require, signer
from contracts.twins.organisations import Organisations, content_of

UNLIMITED: Final = 2**256 - 1
MAX_AMOUNT: Final = 2**64 - 1
NOTICE_SECONDS: Final = 14 * 86_400
MAX_FREEZE_SECONDS: Final = 366 * 86_400
DOMAIN: Final = "Dure Won"

PERMIT: Final = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
AUTHORIZATION_FIELDS: Final = (
    "(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)
TRANSFER: Final = "TransferWithAuthorization" + AUTHORIZATION_FIELDS
RECEIVE: Final = "ReceiveWithAuthorization" + AUTHORIZATION_FIELDS
CANCEL: Final = "CancelAuthorization(address authorizer,bytes32 nonce)"
REFUSE_REISSUE: Final = "RefuseReissue(address holder,uint64 proposal)"

Signature = tuple[int, bytes, bytes]
"""v, r, s as the agreement takes them."""


def digest(chain_id: int, struct: str, values: list[object], won: bytes = addresses.WON) -> bytes:
    """The EIP-712 digest of one of Won's structs, its values in order: 32 bytes."""
    types = [part.split()[0] for part in struct[struct.index("(") + 1 : -1].split(",")]
    hashed = keccak(keccak(struct.encode()) + encode(types, values))
    return typed_digest(domain_separator(DOMAIN, chain_id, won), hashed)


@dataclass
class Won:
    """The whole agreement. Amounts in won."""

    clock: Clock
    organisations: Organisations
    at: bytes = addresses.WON
    balances: defaultdict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    allowances: defaultdict[tuple[bytes, bytes], int] = field(default_factory=lambda: defaultdict(int))
    nonces: defaultdict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    used: set[tuple[bytes, bytes]] = field(default_factory=set)
    frozen_until: dict[bytes, int] = field(default_factory=dict)
    supply: int = 0
    issued: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    mint_caps: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    minted_on: defaultdict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    references: set[tuple[int, bytes]] = field(default_factory=set)
    first_keys: dict[tuple[object, ...], bytes] = field(default_factory=dict)
    cases_done: set[int] = field(default_factory=set)
    refusals: set[tuple[int, bytes]] = field(default_factory=set)
    log: Log = field(default_factory=Log)

    # --- ERC-20

    def transfer(self, sender: bytes, receiver: bytes, amount: int) -> None:
        """ERC-20."""
        self._transfer(sender, sender, receiver, amount)

    def transfer_from(self, sender: bytes, holder: bytes, receiver: bytes, amount: int) -> None:
        """ERC-20; an unlimited allowance is not used up."""
        allowed = self.allowances[holder, sender]
        require(allowed >= amount, "ALLOWANCE")
        self._transfer(sender, holder, receiver, amount)
        if allowed != UNLIMITED:
            self.allowances[holder, sender] = allowed - amount

    def approve(self, sender: bytes, spender: bytes, amount: int) -> None:
        """ERC-20."""
        self._approve(sender, spender, amount)

    # --- EIP-2612, EIP-3009

    def permit(self, owner: bytes, spender: bytes, value: int, deadline: int, signature: Signature) -> None:
        """EIP-2612."""
        require(self.clock.time <= deadline, "DEADLINE")
        self._check_signature(owner, PERMIT, [owner, spender, value, self.nonces[owner], deadline], signature)
        self.nonces[owner] += 1
        self._approve(owner, spender, value)

    def transfer_with_authorization(
        self, sender: bytes, values: tuple[bytes, bytes, int, int, int, bytes], signature: Signature
    ) -> None:
        """EIP-3009; values are those of the struct."""
        self._use(sender, TRANSFER, values, signature)

    def receive_with_authorization(
        self, sender: bytes, values: tuple[bytes, bytes, int, int, int, bytes], signature: Signature
    ) -> None:
        """EIP-3009, by the receiver alone."""
        require(sender == values[1], "SENDER")
        self._use(sender, RECEIVE, values, signature)

    def cancel_authorization(self, authorizer: bytes, nonce: bytes, signature: Signature) -> None:
        """EIP-3009."""
        require((authorizer, nonce) not in self.used, "NONCE")
        self._check_signature(authorizer, CANCEL, [authorizer, nonce], signature)
        self.used.add((authorizer, nonce))
        self.log("AuthorizationCanceled", authorizer=authorizer, nonce=nonce)

    # --- banks

    def mint(self, sender: bytes, to: bytes, amount: int, reference: bytes) -> bool:
        """Issues Won; False where a second key is awaited."""
        bank = self._bank(sender)
        self._check_entry(bank, amount, reference)
        self._check_receiver(sender, to)
        day = self.clock.kst_day
        if self.minted_on[bank, day] + amount > self.mint_caps[bank]:
            content = (bank, to, amount, reference, day)
            first = self.first_keys.get(content, NOBODY)
            known = self.organisations.may(first, Role.BANK, Purpose.ISSUE) == bank
            if first == sender or not known:
                self.first_keys[content] = sender
                self.log("MintAwaitsSecondKey", bank=bank, reference=reference, to=to, amount_won=amount, key=sender)
                return False
        self.minted_on[bank, day] += amount
        self.references.add((bank, reference))
        self.issued[bank] += amount
        self.supply += amount
        self.balances[to] += amount
        self.log("Transfer", sender=NOBODY, receiver=to, value=amount)
        self.log("Minted", bank=bank, reference=reference, to=to, amount_won=amount)
        return True

    def burn(self, sender: bytes, amount: int, reference: bytes) -> None:
        """Takes Won back from the bank's own account."""
        bank = self._bank(sender)
        account = self.organisations.account_of(bank)
        self._check_entry(bank, amount, reference)
        self._check_spendable(account, amount)
        self.references.add((bank, reference))
        self.issued[bank] -= amount
        self.supply -= amount
        self.balances[account] -= amount
        self.log("Transfer", sender=account, receiver=NOBODY, value=amount)
        self.log("Burned", bank=bank, reference=reference, amount_won=amount)

    # --- cases

    def set_mint_cap(self, proposal: int, bank: int, cap: int) -> None:
        """Carries out MINT_CAP."""
        self._decided(proposal, Act.MINT_CAP, bank, cap)
        self.cases_done.add(proposal)
        self.mint_caps[bank] = cap
        self.log("MintCapSet", bank=bank, cap_won=cap, proposal=proposal)

    def freeze(self, proposal: int, holder: bytes, until: int, reason: bytes) -> None:
        """Carries out FREEZE."""
        require(self.clock.time < until <= self.clock.time + MAX_FREEZE_SECONDS, "UNTIL")
        require(self.organisations.agreement(holder) == NO_HASH, "HOLDER")
        self._decided(proposal, Act.FREEZE, _word(holder), until, _word(reason))
        self.cases_done.add(proposal)
        self.frozen_until[holder] = until
        self.log("Frozen", holder=holder, until=until, reason_sha256=reason, proposal=proposal)

    def unfreeze(self, proposal: int, holder: bytes, reason: bytes) -> None:
        """Carries out UNFREEZE."""
        self._decided(proposal, Act.UNFREEZE, _word(holder), _word(reason))
        self.cases_done.add(proposal)
        self.frozen_until[holder] = 0
        self.log("Unfrozen", holder=holder, reason_sha256=reason, proposal=proposal)

    def refuse_reissue(self, proposal: int, holder: bytes, signature: Signature) -> None:
        """The key is not lost."""
        self._check_signature(holder, REFUSE_REISSUE, [holder, proposal], signature)
        self.refusals.add((proposal, holder))
        self.log("ReissueRefused", holder=holder, proposal=proposal)

    def reissue(self, sender: bytes, proposal: int, holder: bytes, to: bytes, reason: bytes) -> None:
        """Carries out REISSUE after its notice."""
        require((proposal, holder) not in self.refusals, "REFUSED")
        require(self.organisations.agreement(holder) == NO_HASH, "HOLDER")
        decided_at = self._decided(proposal, Act.REISSUE, _word(holder), _word(to), _word(reason))
        require(self.clock.time >= decided_at + NOTICE_SECONDS, "NOTICE")
        amount = self.balances[holder]
        self._transfer(sender, holder, to, amount)
        self.cases_done.add(proposal)
        self.log("Reissued", holder=holder, to=to, amount_won=amount, reason_sha256=reason, proposal=proposal)

    # --- inside

    def _transfer(self, sender: bytes, holder: bytes, receiver: bytes, amount: int) -> None:
        self._check_receiver(sender, receiver)
        self._check_spendable(holder, amount)
        self.balances[holder] -= amount
        self.balances[receiver] += amount
        self.log("Transfer", sender=holder, receiver=receiver, value=amount)

    def _approve(self, owner: bytes, spender: bytes, amount: int) -> None:
        self.allowances[owner, spender] = amount
        self.log("Approval", owner=owner, spender=spender, value=amount)

    def _use(
        self,
        sender: bytes,
        struct: str,
        values: tuple[bytes, bytes, int, int, int, bytes],
        signature: Signature,
    ) -> None:
        holder, receiver, amount, valid_after, valid_before, nonce = values
        require(self.clock.time > valid_after, "EARLY")
        require(self.clock.time < valid_before, "LATE")
        require((holder, nonce) not in self.used, "NONCE")
        self._check_signature(holder, struct, list(values), signature)
        self._check_receiver(sender, receiver)
        self._check_spendable(holder, amount)
        self.used.add((holder, nonce))
        self.log("AuthorizationUsed", authorizer=holder, nonce=nonce)
        self._transfer(sender, holder, receiver, amount)

    def _decided(self, proposal: int, act: Act, *arguments: int) -> int:
        content, decided_at = self.organisations.decided(proposal)
        words = [*arguments, 0, 0, 0, 0][:4]
        require(content == content_of(act, words) and proposal not in self.cases_done, "CASE")
        return decided_at

    def _check_entry(self, bank: int, amount: int, reference: bytes) -> None:
        require(0 < amount <= MAX_AMOUNT, "AMOUNT")
        require(reference != NO_HASH and (bank, reference) not in self.references, "REFERENCE")

    def _check_receiver(self, sender: bytes, receiver: bytes) -> None:
        require(receiver != NOBODY, "RECEIVER")
        takes_itself = receiver == sender or self.organisations.agreement(sender) != NO_HASH
        require(takes_itself or self.organisations.agreement(receiver) == NO_HASH, "RECEIVER")

    def _check_spendable(self, holder: bytes, amount: int) -> None:
        require(self.clock.time >= self.frozen_until.get(holder, 0), "FROZEN")
        require(self.balances[holder] >= amount, "BALANCE")

    def _check_signature(self, expected: bytes, struct: str, values: list[object], signature: Signature) -> None:
        found = signer(digest(self.clock.chain_id, struct, values, self.at), *signature)
        require(found != NOBODY and found == expected, "SIGNATURE")

    def _bank(self, sender: bytes) -> int:
        bank = self.organisations.may(sender, Role.BANK, Purpose.ISSUE)
        require(bank != 0, "SENDER")
        return bank


def _word(value: bytes) -> int:
    return int.from_bytes(value, "big")
