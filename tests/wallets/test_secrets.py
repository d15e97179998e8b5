"""Words, keys, keystore and typed messages against published vectors; no secret is shown by accident."""

from __future__ import annotations

import json
import os
import stat
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from contracts.addresses import WON
from contracts.hashing import keccak
from contracts.signatures import address_of, recover
from tests.wallets import world as w
from wallets import errors as e
from wallets import keystore
from wallets.keys import Keyring, derive, from_text, to_text
from wallets.statements import StatementError
from wallets.typed import Payment, permit_digest, tap_sentence
from wallets.words import Words

JUNK = "test " * 11 + "junk"

# trezor/python-mnemonic, vectors.json (passphrase TREZOR)
ENGLISH = [
    (
        "00000000000000000000000000000000",
        "abandon " * 11 + "about",
        "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04",
    ),
    (
        "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
        "legal winner thank year wave sausage worth useful legal winner thank yellow",
        "2e8905819b8723fe2c1d161860e5ee1830318dbf49a83bd451cfb8440c28bd6fa457fe1296106559a3c80937a1c1069be3a3a5bd381ee6260e8d9739fce1f607",
    ),
    (
        "00" * 32,
        "abandon " * 23 + "art",
        "bda85446c68413707090a52022edd26a1c9462295029f2e60cd7c4f2bbd3097170af7a4d73245cafa9c3cca8d561a7c3de6f5d4a10be8ed2a5e608d68f92fcc8",
    ),
]


@pytest.mark.parametrize(("entropy", "sentence", "seed"), ENGLISH)
def test_english_vectors(entropy: str, sentence: str, seed: str) -> None:
    words = Words.from_entropy(bytes.fromhex(entropy), "english")
    assert words.sentence() == sentence
    assert words.seed("TREZOR").hex() == seed
    assert Words.restore(sentence).entropy().hex() == entropy


def test_korean_vector_composed_or_decomposed() -> None:
    # published by talonlab's HD wallet tools: entropy of zeros, passphrase "talonlab"
    sentence = "가격 " * 11 + "가능"
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        words = Words.restore(unicodedata.normalize(form, sentence))
        assert words.language == "korean"
        assert words.entropy() == bytes(16)
        assert words.seed("talonlab").hex() == (
            "4e415367c4a4d57ed9737ca50d2f8bf38a274d1d7fb3dd6598c759101c595cdf"
            "54045dbaeb216cf3751ce47862c41ff79caf961ca6c2aed11854afeb5efc1ab7"
        )


def test_new_words_are_24_and_come_back() -> None:
    for language in ("korean", "english"):
        words = Words.create(language)
        assert len(words.sentence().split()) == 24
        again = Words.restore(words.sentence())
        assert (again.language, again.entropy()) == (language, words.entropy())


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (e.WordsError, ""),
        (e.WordsError, "abandon"),
        (e.WordsError, "abandon " * 13),
        (e.WordsError, "abandon " * 11 + "secretword"),
        (e.WordsError, "secretword " + "abandon " * 11),
        (e.WordsError, "가격 " * 11 + "about"),
        (e.WordsChecksumError, "abandon " * 12),
        (e.WordsChecksumError, "about " + "abandon " * 11),
        (e.WordsChecksumError, "가격 " * 12),
    ],
)
def test_must_fail_words(error: type[e.WalletError], sentence: str) -> None:
    with pytest.raises(error) as caught:
        Words.restore(sentence)
    assert type(caught.value) is error
    assert "secretword" not in str(caught.value)


# BIP-32, test vector 1
@pytest.mark.parametrize(
    ("path", "private"),
    [
        ("m", "e8f32e723decf4051aefac8e2c93c9c5b214313817cdb01a1494b917c8436b35"),
        ("m/0'", "edb2e14f9ee77d26dd93b4ecede8d16ed408ce149b6cd80b0715a2d911a0afea"),
        ("m/0'/1", "3c6cb8d0f6a264c91ea8b5030fadaa8e538b020f0a387421a12de9319dc93368"),
        ("m/0'/1/2'", "cbce0d719ecf7431d88e6a89fa1483e02e35092af60c042b1df2ff59fa424dca"),
        ("m/0'/1/2'/2", "0f479245fb19a38a1954c5c7c0ebab2f9bdfd96a17563ef28a6a4b1a2a764ef4"),
        ("m/0'/1/2'/2/1000000000", "471b76e389e528d6de6d816857e012c5455051cad6660850e58372a6c3e6e7c8"),
    ],
)
def test_bip32(path: str, private: str) -> None:
    assert derive(bytes(range(16)), path).hex() == private


def test_bip44_account_is_that_of_other_wallets() -> None:
    key = Keyring(Words.restore(JUNK).seed()).account()
    assert to_text(address_of(key)) == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def test_every_key_is_another() -> None:
    keys = [
        ring_key
        for ring in (Keyring(b"s" * 32), Keyring(b"s" * 32, 1))
        for ring_key in (
            ring.account(), ring.card(1, 0), ring.card(1, 1), ring.card(2, 0), ring.credential(1, 0),
            ring.credential(1, 1), ring.pseudonym(1, 0),
        )
    ]  # fmt: skip
    assert len({key.secret for key in keys}) == len(keys)


def test_must_fail_paths() -> None:
    for path in ("", "0/1", "m/x", "m/-1", "m//1", "m/2147483649"):
        with pytest.raises(e.PathError):
            derive(b"s" * 32, path)
    with pytest.raises(e.PathError):
        derive(b"s" * 15, "m")
    with pytest.raises(e.PathError):
        Keyring(b"s" * 32).card(-1, 0)
    with pytest.raises(e.PathError):
        Keyring(b"s" * 32).card(1 << 31, 0)


# EIP-55
@pytest.mark.parametrize(
    "text",
    [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_eip55(text: str) -> None:
    assert to_text(from_text(text)) == text
    wrong = text[:2] + text[2:].swapcase()
    with pytest.raises(e.AddressError):
        from_text(wrong)
    with pytest.raises(e.AddressError):
        from_text(text[:-1])


# Web3 Secret Storage Definition, test vectors
SECRET = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
VECTORS: dict[str, dict[str, Any]] = {
    "pbkdf2": {
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
            "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
            "kdf": "pbkdf2",
            "kdfparams": {
                "c": 262144,
                "dklen": 32,
                "prf": "hmac-sha256",
                "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
            },
            "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
        },
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "version": 3,
    },
    "scrypt": {
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
            "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
            "kdf": "scrypt",
            "kdfparams": {
                "dklen": 32,
                "n": 262144,
                "p": 8,
                "r": 1,
                "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
            },
            "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
        },
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "version": 3,
    },
}


@pytest.mark.parametrize("kdf", VECTORS)
def test_keystore_vectors(kdf: str) -> None:
    assert keystore.decrypt(VECTORS[kdf], "testpassword").hex() == SECRET


def test_a_keystore_gives_its_words_back(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    for language in ("korean", "english"):
        words = Words.create(language)
        keystore.save(path, words, "비밀번호", replace=True, scrypt_n=2)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert "address" not in json.loads(path.read_bytes())
        found = keystore.load(path, "비밀번호")
        assert (found.language, found.sentence()) == (language, words.sentence())
        with pytest.raises(e.WrongPassword):
            keystore.load(path, "비밀번호 ")
    with pytest.raises(e.KeystoreExists):
        keystore.save(path, words, "x", scrypt_n=2)
    assert os.listdir(tmp_path) == ["wallet.json"]


def _changed(**changes: Any) -> dict[str, Any]:
    made = json.loads(json.dumps(keystore.encrypt(b"k" * 32, "p", scrypt_n=2) | {"dure": {"language": "korean"}}))
    for name, value in changes.items():
        target = made
        *way, last = name.split("__")
        for step in way:
            target = target[step]
        if value is None:
            del target[last]
        else:
            target[last] = value
    return dict(made)


MUST_FAIL_KEYSTORES: Final = {
    "empty": b"",
    "not UTF-8": b"\xff",
    "nested too deep": b"[" * 50_000,
    "a list": b"[]",
    "an empty object": b"{}",
    "too long": b" " * 70_000,
} | {
    ", ".join(f"{name}={value!r}" for name, value in changes.items()): json.dumps(_changed(**changes)).encode()
    for changes in (
        {"version": 4},
        {"version": "3"},
        {"crypto": None},
        {"crypto": []},
        {"crypto__kdf": "bcrypt"},
        {"crypto__kdfparams": None},
        {"crypto__kdfparams__n": 1 << 40},
        {"crypto__kdfparams__n": 3},
        {"crypto__kdfparams__n": 2.5},
        {"crypto__kdfparams__r": 0},
        {"crypto__kdfparams__p": True},
        {"crypto__kdfparams__dklen": 16},
        {"crypto__kdfparams__salt": None},
        {"crypto__kdfparams__salt": "zz"},
        {"crypto__ciphertext": None},
        {"crypto__ciphertext": 5},
        {"crypto__mac": None},
        {"dure": None},
        {"dure__language": "klingon"},
    )
}


@pytest.mark.parametrize("document", MUST_FAIL_KEYSTORES.values(), ids=MUST_FAIL_KEYSTORES)
def test_must_fail_keystores(tmp_path: Path, document: bytes) -> None:
    path = tmp_path / "wallet.json"
    path.write_bytes(document)
    with pytest.raises(e.KeystoreError):
        keystore.load(path, "p")


def test_must_fail_keystore_of_twelve_words_or_nowhere(tmp_path: Path) -> None:
    with pytest.raises(e.KeystoreError):
        keystore.save(tmp_path / "w", Words.restore(JUNK), "p", scrypt_n=2)
    with pytest.raises(e.KeystoreError):
        keystore.load(tmp_path / "none", "p")


def test_secrets_have_no_repr(tmp_path: Path) -> None:
    words = Words.restore(JUNK)
    shown = repr(words) + str(words) + repr(Keyring(words.seed()))
    assert "junk" not in shown
    assert words.seed().hex() not in shown


def _payment(**changes: Any) -> Payment:
    made = Payment(address_of(w.CARD), address_of(w.READER), "두레 식당", 12_500, 0, w.NOW, b"s" * 16)
    return replace(made, **changes)


def test_a_payment_is_eip3009_as_eth_account_signs_it() -> None:
    payment = _payment()
    types = {
        "TransferWithAuthorization": [
            {"name": "from", "type": "address"},
            {"name": "to", "type": "address"},
            {"name": "value", "type": "uint256"},
            {"name": "validAfter", "type": "uint256"},
            {"name": "validBefore", "type": "uint256"},
            {"name": "nonce", "type": "bytes32"},
        ]
    }
    message = encode_typed_data(
        {"name": "Dure Won", "version": "1", "chainId": 7, "verifyingContract": to_text(WON)},
        types,
        {
            "from": to_text(payment.payer), "to": to_text(payment.payee), "value": 12_500, "validAfter": 0,
            "validBefore": w.NOW, "nonce": payment.nonce,
        },
    )  # fmt: skip
    signature = payment.sign(w.CARD, 7)
    assert signature == bytes(Account.sign_message(message, w.CARD.secret).signature)
    assert recover(payment.digest(7), signature) == payment.payer


def test_what_a_person_reads_stands_in_what_is_signed() -> None:
    payment = _payment()
    assert payment.sentence("ko").startswith("지급: 12,500원, 받는 이: 두레 식당 (0x")
    assert payment.sentence("en").endswith("valid until 2025-10-15 08:00:00 KST")
    others = [
        _payment(payee_name="두레 식당."), _payment(amount_won=12_501), _payment(valid_before=w.NOW + 1),
        _payment(salt=b"t" * 16), _payment(payee=address_of(w.STRANGER)),
    ]  # fmt: skip
    assert len({one.nonce for one in [payment, *others]}) == 6


@pytest.mark.parametrize(
    "changes",
    [
        {"payee_name": ""}, {"payee_name": "x" * 65}, {"payee_name": "a\nb"}, {"payee_name": "a\u202eb"},
        {"amount_won": 0}, {"amount_won": -1}, {"amount_won": 1 << 63}, {"valid_before": 0}, {"valid_after": -1},
        {"salt": b"s"},
    ],
)  # fmt: skip
def test_must_fail_payments(changes: dict[str, Any]) -> None:
    with pytest.raises(StatementError):
        _payment(**changes)


def test_a_permit_is_eip2612() -> None:
    type_hash = keccak(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
    words = [address_of(w.CARD).rjust(32, b"\0"), WON.rjust(32, b"\0"), *(n.to_bytes(32, "big") for n in (5, 6, 7))]
    domain = keccak(
        keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
        + keccak(b"Dure Won")
        + keccak(b"1")
        + (9).to_bytes(32, "big")
        + WON.rjust(32, b"\0")
    )
    expected = keccak(b"\x19\x01" + domain + keccak(type_hash + b"".join(words)))
    assert permit_digest(address_of(w.CARD), WON, 5, 6, 7, 9) == expected


def test_a_tap_in_words() -> None:
    made = w.offer()
    assert tap_sentence(made.state, made.tap, "ko") == (
        "2025-10-15 08:00:00 KST, 2호선 시청 승차: 1,550원, 누적 1,550원 (1번째)"
    )
    assert tap_sentence(made.state, made.tap, "en") == (
        "2025-10-15 08:00:00 KST, tap-on at 2호선 시청: 1,550 won, 1,550 won in all (tap 1)"
    )
