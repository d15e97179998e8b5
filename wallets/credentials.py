"""One-time voucher credentials: who holds one names the card that gets its lot (money.md §4).

The key of a credential serves one claim. The claim is in the journal before its signature leaves; a retry gets the
same signature, a claim for another card is refused.
"""

from __future__ import annotations

from typing import Final

from coincurve import PrivateKey

from contracts.messages import Claim, Credential
from contracts.signatures import address_of, sign, verify
from wallets.errors import CardError, CredentialSpent
from wallets.journal import Journal

_CLAIM: Final = "claim"


def check_credential(
    credential: Credential, signature: bytes, key: PrivateKey, registry: bytes, chain_id: int, vouchers: bytes
) -> None:
    """The credential is this key's and the registry's (its address, 20 bytes). Raises CardError, SignatureError."""
    if credential.key != address_of(key):
        raise CardError(f"credential of key 0x{credential.key.hex()}, this one is 0x{address_of(key).hex()}")
    verify(credential.digest(chain_id, vouchers), signature, registry)


def sign_claim(
    claim: Claim, credential: Credential, key: PrivateKey, journal: Journal, chain_id: int, vouchers: bytes
) -> bytes:
    """The credential key's signature that `claim.card` gets the lot: 65 bytes, written down first.

    Raises CardError where claim, credential and key do not belong together, CredentialSpent where another claim was
    signed, BatchOpen inside a batch, since the signature leaves at once, JournalError.
    """
    if credential.key != address_of(key):
        raise CardError(f"credential of key 0x{credential.key.hex()}, this one is 0x{address_of(key).hex()}")
    if (claim.nullifier, claim.period) != (credential.nullifier, credential.period):
        raise CardError("the claim names another nullifier or period than the credential")
    digest = claim.digest(chain_id, vouchers)
    known = journal.get(_CLAIM, credential.key, 0)
    if known is None:
        with journal.batch():
            journal.add(_CLAIM, credential.key, 0, digest)
    elif known.body != digest:
        raise CredentialSpent("the credential signed another claim")
    return sign(digest, key)
