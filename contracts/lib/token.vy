# pragma version 0.4.3
"""
@title ERC-20 with EIP-2612 and EIP-3009: how Won moves
"""

from interfaces import IOrganisations
from lib import signing

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

event Approval:
    owner: indexed(address)
    spender: indexed(address)
    value: uint256

event AuthorizationUsed:
    authorizer: indexed(address)
    nonce: indexed(bytes32)

event AuthorizationCanceled:
    authorizer: indexed(address)
    nonce: indexed(bytes32)

name: public(constant(String[8])) = "Dure Won"
symbol: public(constant(String[3])) = "KRW"
decimals: public(constant(uint8)) = 0
version: public(constant(String[1])) = "1"
DOMAIN_NAME: constant(bytes32) = keccak256("Dure Won")

PERMIT_TYPE: constant(bytes32) = keccak256(
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)
TRANSFER_TYPE: constant(bytes32) = keccak256(
    "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)
RECEIVE_TYPE: constant(bytes32) = keccak256(
    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)
CANCEL_TYPE: constant(bytes32) = keccak256("CancelAuthorization(address authorizer,bytes32 nonce)")

ORGANISATIONS: immutable(address)

totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
nonces: public(HashMap[address, uint256])
authorizationState: public(HashMap[address, HashMap[bytes32, bool]])
frozen_until: public(HashMap[address, uint256])


@deploy
def __init__(organisations: address):
    ORGANISATIONS = organisations


# ------------------------------------------------------------------------------------------------------------- ERC-20


@external
def transfer(receiver: address, amount: uint256) -> bool:
    """
    @notice ERC-20. Reverts RECEIVER, FROZEN, BALANCE.
    """
    self._transfer(msg.sender, receiver, amount)
    return True


@external
def transferFrom(holder: address, receiver: address, amount: uint256) -> bool:
    """
    @notice ERC-20; an allowance of 2**256 - 1 is not used up. Reverts ALLOWANCE, RECEIVER, FROZEN, BALANCE.
    """
    allowed: uint256 = self.allowance[holder][msg.sender]
    assert allowed >= amount, "ALLOWANCE"
    if allowed != max_value(uint256):
        self.allowance[holder][msg.sender] = allowed - amount
    self._transfer(holder, receiver, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice ERC-20.
    """
    self._approve(msg.sender, spender, amount)
    return True


# ------------------------------------------------------------------------------------------------ EIP-2612, EIP-3009


@view
@external
def DOMAIN_SEPARATOR() -> bytes32:
    """
    @notice EIP-712 domain {name "Dure Won", version "1", chainId, verifyingContract}.
    """
    return signing.domain(DOMAIN_NAME)


@external
def permit(owner: address, spender: address, amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32):
    """
    @notice EIP-2612. Reverts DEADLINE, SIGNATURE.
    """
    assert block.timestamp <= deadline, "DEADLINE"
    nonce: uint256 = self.nonces[owner]
    self._check_signature(owner, keccak256(abi_encode(PERMIT_TYPE, owner, spender, amount, nonce, deadline)), v, r, s)
    self.nonces[owner] = nonce + 1
    self._approve(owner, spender, amount)


@external
def transferWithAuthorization(
    holder: address,
    receiver: address,
    amount: uint256,
    valid_after: uint256,
    valid_before: uint256,
    nonce: bytes32,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    """
    @notice EIP-3009: the holder's signed payment, carried by anyone. Reverts EARLY, LATE, NONCE, SIGNATURE, and as
            transfer.
    """
    self._use(TRANSFER_TYPE, holder, receiver, amount, valid_after, valid_before, nonce, v, r, s)


@external
def receiveWithAuthorization(
    holder: address,
    receiver: address,
    amount: uint256,
    valid_after: uint256,
    valid_before: uint256,
    nonce: bytes32,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    """
    @notice EIP-3009: the same, carried by the receiver alone. Reverts SENDER besides.
    """
    assert msg.sender == receiver, "SENDER"
    self._use(RECEIVE_TYPE, holder, receiver, amount, valid_after, valid_before, nonce, v, r, s)


@external
def cancelAuthorization(authorizer: address, nonce: bytes32, v: uint8, r: bytes32, s: bytes32):
    """
    @notice EIP-3009: spoils a nonce that was not used. Reverts NONCE, SIGNATURE.
    """
    assert not self.authorizationState[authorizer][nonce], "NONCE"
    self._check_signature(authorizer, keccak256(abi_encode(CANCEL_TYPE, authorizer, nonce)), v, r, s)
    self.authorizationState[authorizer][nonce] = True
    log AuthorizationCanceled(authorizer=authorizer, nonce=nonce)


# -------------------------------------------------------------------------------------------------------------- inside


@internal
def _transfer(holder: address, receiver: address, amount: uint256):
    self._check_receiver(receiver)
    self._check_spendable(holder, amount)
    self.balanceOf[holder] -= amount
    self.balanceOf[receiver] += amount
    log Transfer(sender=holder, receiver=receiver, value=amount)


@internal
def _approve(owner: address, spender: address, amount: uint256):
    self.allowance[owner][spender] = amount
    log Approval(owner=owner, spender=spender, value=amount)


@internal
def _use(
    kind: bytes32,
    holder: address,
    receiver: address,
    amount: uint256,
    valid_after: uint256,
    valid_before: uint256,
    nonce: bytes32,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    assert block.timestamp > valid_after, "EARLY"
    assert block.timestamp < valid_before, "LATE"
    assert not self.authorizationState[holder][nonce], "NONCE"
    self._check_signature(
        holder, keccak256(abi_encode(kind, holder, receiver, amount, valid_after, valid_before, nonce)), v, r, s
    )
    self.authorizationState[holder][nonce] = True
    log AuthorizationUsed(authorizer=holder, nonce=nonce)
    self._transfer(holder, receiver, amount)


@view
@internal
def _check_receiver(receiver: address):
    assert receiver != empty(address), "RECEIVER"
    # What an agreement owns is what it took itself, so that its books always equal its balance.
    assert receiver == msg.sender or not self._is_agreement(receiver) or self._is_agreement(msg.sender), "RECEIVER"


@view
@internal
def _check_spendable(holder: address, amount: uint256):
    assert block.timestamp >= self.frozen_until[holder], "FROZEN"
    assert self.balanceOf[holder] >= amount, "BALANCE"


@view
@internal
def _check_signature(signer: address, struct_hash: bytes32, v: uint8, r: bytes32, s: bytes32):
    digest: bytes32 = signing.digest(signing.domain(DOMAIN_NAME), struct_hash)
    found: address = signing.signer(digest, convert(v, uint256), convert(r, uint256), convert(s, uint256))
    assert found != empty(address) and found == signer, "SIGNATURE"


@view
@internal
def _is_agreement(at: address) -> bool:
    return staticcall IOrganisations(ORGANISATIONS).agreement(at) != empty(bytes32)
