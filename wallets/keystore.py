"""A wallet's secret at rest: Web3 Secret Storage version 3 with scrypt, through eth-keyfile.

Dure keeps the 32 bytes that 24 recovery words encode, and beside them their language, since BIP-39 seeds depend on it.
No address stands in the file: it would join it to payments. Files have mode 0600 and are replaced atomically.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any, Final

from eth_keyfile.keyfile import create_keyfile_json, decode_keyfile_json

from wallets.errors import KeystoreError, KeystoreExists, WordsError, WrongPassword
from wallets.limits import MAX_KEYSTORE_BYTES, MAX_PBKDF2_ROUNDS, MAX_SCRYPT_BYTES, SCRYPT_N
from wallets.words import ENTROPY_BYTES, LANGUAGES, Words


def encrypt(secret: bytes, password: str, *, scrypt_n: int = SCRYPT_N) -> dict[str, Any]:
    """A version 3 keystore of 32 secret bytes. `scrypt_n` is lower in tests and the demo only."""
    if len(secret) != ENTROPY_BYTES:
        raise KeystoreError(f"a keystore holds {ENTROPY_BYTES} bytes, not {len(secret)}")
    try:
        found: dict[str, Any] = create_keyfile_json(
            secret, password.encode(), version=3, kdf="scrypt", iterations=scrypt_n
        )
    except ValueError:
        # Chained errors of the library may show the secret.
        raise KeystoreError("these bytes cannot be kept in a keystore") from None
    del found["address"]
    return found


def decrypt(document: dict[str, Any], password: str) -> bytes:
    """The secret of a version 3 keystore. Raises WrongPassword, and KeystoreError for any other document."""
    _check_work(document)
    try:
        return bytes(decode_keyfile_json(document, password.encode()))
    except ValueError as error:
        if str(error) == "MAC mismatch":
            raise WrongPassword("the keystore's check value does not match") from None
        raise KeystoreError("the keystore's fields do not hold together") from None
    except (KeyError, TypeError, AttributeError, NotImplementedError):
        raise KeystoreError("the keystore lacks fields of version 3") from None


def _check_work(document: dict[str, Any]) -> None:
    """Refuses what would take hours or all memory before any of it is done."""
    crypto = document.get("crypto", document.get("Crypto"))
    if document.get("version") != 3 or not isinstance(crypto, dict) or not isinstance(crypto.get("kdfparams"), dict):
        raise KeystoreError("the file is no keystore of version 3")
    names: Final = {"scrypt": ("n", "r", "p"), "pbkdf2": ("c",)}
    kdf, parameters = crypto.get("kdf"), crypto["kdfparams"]
    if kdf not in names:
        raise KeystoreError("the keystore's key derivation is neither scrypt nor PBKDF2")
    work = [parameters.get(name) for name in names[kdf]]
    if any(type(value) is not int or value < 1 for value in work) or parameters.get("dklen") != 32:
        raise KeystoreError("the keystore's derivation parameters are no positive integers")
    if kdf == "scrypt" and 128 * work[0] * work[1] * work[2] > MAX_SCRYPT_BYTES:
        raise KeystoreError(f"the keystore asks for more than {MAX_SCRYPT_BYTES} bytes of scrypt work")
    if kdf == "pbkdf2" and work[0] > MAX_PBKDF2_ROUNDS:
        raise KeystoreError(f"the keystore asks for more than {MAX_PBKDF2_ROUNDS} rounds of PBKDF2")


def save(path: Path, words: Words, password: str, *, replace: bool = False, scrypt_n: int = SCRYPT_N) -> None:
    """Writes the keystore of 24 words, durable on return. Raises KeystoreExists unless `replace`, KeystoreError."""
    entropy = words.entropy()
    if len(entropy) != ENTROPY_BYTES:
        raise KeystoreError("a Dure wallet has 24 words")
    document = encrypt(entropy, password, scrypt_n=scrypt_n) | {"dure": {"language": words.language}}
    if path.exists() and not replace:
        raise KeystoreExists(f"{path} exists")
    _write(path, json.dumps(document).encode())


def load(path: Path, password: str) -> Words:
    """The words of a keystore. Raises WrongPassword, KeystoreError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_KEYSTORE_BYTES + 1)
        if len(data) > MAX_KEYSTORE_BYTES:
            raise KeystoreError(f"{path} has more than {MAX_KEYSTORE_BYTES} bytes")
        document = json.loads(data)
    except OSError as error:
        raise KeystoreError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise KeystoreError(f"{path} is not JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("dure"), dict):
        raise KeystoreError(f"{path} is no keystore of a Dure wallet")
    language = document["dure"].get("language")
    if language not in LANGUAGES:
        raise KeystoreError(f"{path} names no language of the words")
    secret = decrypt(document, password)
    try:
        return Words.from_entropy(secret, language)
    except WordsError:
        raise KeystoreError(f"{path} holds no words") from None


def _write(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
