# pragma version 0.4.3
"""
@title Won: electronic money of the city's banks, one unit is one won, no decimals
@license Apache-2.0
@notice ERC-20 with EIP-2612 and EIP-3009. Banks mint and burn against entries of their own books; supply equals their
        deposits (money.md §5). A council's case can freeze a holder until a date, never burn; and, 14 days after it was
        decided, reissue what a lost key held.
@dev Council decisions (Organisations.decided), each carried out once: 64 FREEZE holder, until, SHA-256 of the reason ·
     65 UNFREEZE holder, SHA-256 of the reason · 66 REISSUE from, to, SHA-256 of the reason · 67 MINT_CAP bank, won
     a day.
     Reverts: SENDER not allowed · RECEIVER zero, this agreement, or an agreement that does not itself take · BALANCE ·
     ALLOWANCE · FROZEN · AMOUNT zero, or above 2**64 - 1 · REFERENCE used or zero · DEADLINE passed · EARLY · LATE ·
     SIGNATURE · NONCE used · CASE not decided so, or carried out · UNTIL past, or above a year · HOLDER an agreement ·
     NOTICE still runs · REFUSED by the holder.
"""

from interfaces import IOrganisations
from interfaces import IWon
from lib import standing as standings
from lib import token

implements: IWon
initializes: token

exports: (
    token.name,
    token.symbol,
    token.decimals,
    token.version,
    token.totalSupply,
    token.balanceOf,
    token.allowance,
    token.nonces,
    token.authorizationState,
    token.frozen_until,
    token.transfer,
    token.transferFrom,
    token.approve,
    token.DOMAIN_SEPARATOR,
    token.permit,
    token.transferWithAuthorization,
    token.receiveWithAuthorization,
    token.cancelAuthorization,
)

struct BankCap:
    bank: uint16
    cap_won: uint256

event Minted:
    bank: indexed(uint16)
    reference: indexed(bytes32)
    to: indexed(address)
    amount_won: uint64

event MintAwaitsSecondKey:
    bank: indexed(uint16)
    reference: indexed(bytes32)
    to: indexed(address)
    amount_won: uint64
    key: address

event Burned:
    bank: indexed(uint16)
    reference: indexed(bytes32)
    amount_won: uint64

event MintCapSet:
    bank: indexed(uint16)
    cap_won: uint256
    proposal: uint64

event Frozen:
    holder: indexed(address)
    until: uint256
    reason_sha256: bytes32
    proposal: uint64

event Unfrozen:
    holder: indexed(address)
    reason_sha256: bytes32
    proposal: uint64

event ReissueRefused:
    holder: indexed(address)
    proposal: indexed(uint64)

event Reissued:
    holder: indexed(address)
    to: indexed(address)
    amount_won: uint64
    reason_sha256: bytes32
    proposal: uint64

FREEZE: constant(uint8) = 64
UNFREEZE: constant(uint8) = 65
REISSUE: constant(uint8) = 66
MINT_CAP: constant(uint8) = 67

REFUSE_TYPE: constant(bytes32) = keccak256("RefuseReissue(address holder,uint64 proposal)")

KST_SECONDS: constant(uint256) = 9 * 3600
DAY_SECONDS: constant(uint256) = 86400
NOTICE_SECONDS: constant(uint256) = 14 * 86400
# A longer freeze takes a new case.
MAX_FREEZE_SECONDS: constant(uint256) = 366 * 86400

ORGANISATIONS: immutable(address)

issued: public(HashMap[uint16, int256])
mint_cap: public(HashMap[uint16, uint256])
minted_on: public(HashMap[uint16, HashMap[uint256, uint256]])
reference_used: public(HashMap[uint16, HashMap[bytes32, bool]])
case_done: public(HashMap[uint64, bool])
_refusals: HashMap[uint64, HashMap[address, bool]]
_first_keys: HashMap[bytes32, address]


@deploy
def __init__(organisations: address, caps: DynArray[BankCap, 64]):
    """
    @param caps What each bank may mint a day with one key; a bank without needs two keys for every mint.
    """
    token.__init__(organisations)
    ORGANISATIONS = organisations
    for cap: BankCap in caps:
        self.mint_cap[cap.bank] = cap.cap_won


# -------------------------------------------------------------------------------------------------------------- banks


@external
def mint(to: address, amount_won: uint256, reference: bytes32) -> bool:
    """
    @notice Issues Won against an entry of the bank's books, by a key of a bank with purpose ISSUE. Beyond the day's cap
            (KST calendar day of the block) a second key of that bank makes the same call on the same day.
            Reverts SENDER, AMOUNT, REFERENCE, RECEIVER.
    @return False where the second key is awaited.
    """
    bank: uint16 = self._bank()
    assert amount_won != 0 and amount_won <= 2**64 - 1, "AMOUNT"
    assert reference != empty(bytes32) and not self.reference_used[bank][reference], "REFERENCE"
    token._check_receiver(to)
    day: uint256 = (block.timestamp + KST_SECONDS) // DAY_SECONDS
    minted: uint256 = self.minted_on[bank][day] + amount_won
    if minted > self.mint_cap[bank]:
        content: bytes32 = keccak256(abi_encode(bank, to, amount_won, reference, day))
        first: address = self._first_keys[content]
        if first == empty(address) or first == msg.sender or not self._is_bank_key(first, bank):
            self._first_keys[content] = msg.sender
            log MintAwaitsSecondKey(
                bank=bank, reference=reference, to=to, amount_won=convert(amount_won, uint64), key=msg.sender
            )
            return False
    self.minted_on[bank][day] = minted
    self.reference_used[bank][reference] = True
    self.issued[bank] += convert(amount_won, int256)
    token.totalSupply += amount_won
    token.balanceOf[to] += amount_won
    log token.Transfer(sender=empty(address), receiver=to, value=amount_won)
    log Minted(bank=bank, reference=reference, to=to, amount_won=convert(amount_won, uint64))
    return True


@external
def burn(amount_won: uint256, reference: bytes32):
    """
    @notice Takes back Won from the bank's own account against an entry of its books, by a key of the bank with purpose
            ISSUE. Its `issued` may fall below zero: the interbank position. Reverts SENDER, AMOUNT, REFERENCE,
            FROZEN, BALANCE.
    """
    bank: uint16 = self._bank()
    account: address = staticcall IOrganisations(ORGANISATIONS).account_of(bank)
    assert amount_won != 0 and amount_won <= 2**64 - 1, "AMOUNT"
    assert reference != empty(bytes32) and not self.reference_used[bank][reference], "REFERENCE"
    token._check_spendable(account, amount_won)
    self.reference_used[bank][reference] = True
    self.issued[bank] -= convert(amount_won, int256)
    token.totalSupply -= amount_won
    token.balanceOf[account] -= amount_won
    log token.Transfer(sender=account, receiver=empty(address), value=amount_won)
    log Burned(bank=bank, reference=reference, amount_won=convert(amount_won, uint64))


# ---------------------------------------------------------------------------------- cases: carried out by any sender


@external
def set_mint_cap(proposal: uint64, bank: uint16, cap_won: uint256):
    """
    @notice Carries out a decision MINT_CAP. Reverts CASE.
    """
    self._decided(proposal, MINT_CAP, [convert(bank, uint256), cap_won, 0, 0])
    self.case_done[proposal] = True
    self.mint_cap[bank] = cap_won
    log MintCapSet(bank=bank, cap_won=cap_won, proposal=proposal)


@external
def freeze(proposal: uint64, holder: address, until: uint256, reason_sha256: bytes32):
    """
    @notice Carries out a decision FREEZE: until then the holder receives but does not spend. Reverts CASE, UNTIL,
            HOLDER.
    """
    assert until > block.timestamp and until <= block.timestamp + MAX_FREEZE_SECONDS, "UNTIL"
    assert not token._is_agreement(holder), "HOLDER"
    self._decided(proposal, FREEZE, [self._word(holder), until, convert(reason_sha256, uint256), 0])
    self.case_done[proposal] = True
    token.frozen_until[holder] = until
    log Frozen(holder=holder, until=until, reason_sha256=reason_sha256, proposal=proposal)


@external
def unfreeze(proposal: uint64, holder: address, reason_sha256: bytes32):
    """
    @notice Carries out a decision UNFREEZE. Reverts CASE.
    """
    self._decided(proposal, UNFREEZE, [self._word(holder), convert(reason_sha256, uint256), 0, 0])
    self.case_done[proposal] = True
    token.frozen_until[holder] = 0
    log Unfrozen(holder=holder, reason_sha256=reason_sha256, proposal=proposal)


@external
def refuse_reissue(proposal: uint64, holder: address, v: uint8, r: bytes32, s: bytes32):
    """
    @notice The holder's signature RefuseReissue shows that the key is not lost: that case is void. Reverts SIGNATURE.
    """
    token._check_signature(holder, keccak256(abi_encode(REFUSE_TYPE, holder, proposal)), v, r, s)
    self._refusals[proposal][holder] = True
    log ReissueRefused(holder=holder, proposal=proposal)


@external
def reissue(proposal: uint64, holder: address, to: address, reason_sha256: bytes32):
    """
    @notice Carries out a decision REISSUE once 14 days have passed since it: all that the lost key held goes to another.
            Reverts CASE, NOTICE, REFUSED, HOLDER, RECEIVER, FROZEN.
    """
    assert not self._refusals[proposal][holder], "REFUSED"
    assert not token._is_agreement(holder), "HOLDER"
    decided_at: uint256 = self._decided(
        proposal, REISSUE, [self._word(holder), self._word(to), convert(reason_sha256, uint256), 0]
    )
    assert block.timestamp >= decided_at + NOTICE_SECONDS, "NOTICE"
    self.case_done[proposal] = True
    amount: uint256 = token.balanceOf[holder]
    token._transfer(holder, to, amount)
    log Reissued(
        holder=holder, to=to, amount_won=convert(amount, uint64), reason_sha256=reason_sha256, proposal=proposal
    )


# -------------------------------------------------------------------------------------------------------------- inside


@view
@internal
def _decided(proposal: uint64, act: uint8, arguments: uint256[4]) -> uint256:
    content: bytes32 = empty(bytes32)
    decided_at: uint256 = 0
    content, decided_at = staticcall IOrganisations(ORGANISATIONS).decided(proposal)
    assert content == keccak256(abi_encode(act, arguments)) and not self.case_done[proposal], "CASE"
    return decided_at


@view
@internal
def _bank() -> uint16:
    standing: uint256 = staticcall IOrganisations(ORGANISATIONS).standing(msg.sender)
    assert standings.may(standing, standings.BANK, standings.ISSUE), "SENDER"
    return standings.organisation(standing)


@view
@internal
def _is_bank_key(key: address, bank: uint16) -> bool:
    standing: uint256 = staticcall IOrganisations(ORGANISATIONS).standing(key)
    return standings.may(standing, standings.BANK, standings.ISSUE) and standings.organisation(standing) == bank


@pure
@internal
def _word(at: address) -> uint256:
    return convert(convert(at, uint160), uint256)
