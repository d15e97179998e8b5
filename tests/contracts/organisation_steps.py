"""Steps of Organisations that chain and twin take together."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.hashing import keccak
from tests.contracts.city import Pair
from tests.contracts.harness import Outcome, address

STRANGER = address("stranger")
NEW_KEY = address("new key")
KEY_WORD = int.from_bytes(NEW_KEY, "big")
ED25519 = [keccak(bytes((i,))) for i in range(8)]


def word(value: bytes) -> int:
    return int.from_bytes(value, "big")


def words(*arguments: int) -> list[int]:
    return [*arguments, 0, 0, 0, 0][:4]


def set_key(pair: Pair, by: bytes, key: bytes, purposes: int) -> Outcome | str:
    return pair.step(
        by, "Organisations", "set_key", [key, purposes], lambda: pair.organisations.set_key(by, key, purposes)
    )


def rotate(pair: Pair, by: bytes, old: bytes, new: bytes) -> Outcome | str:
    return pair.step(by, "Organisations", "rotate_key", [old, new], lambda: pair.organisations.rotate_key(by, old, new))


def propose(pair: Pair, by: bytes, act: int, arguments: Sequence[int]) -> Outcome | str:
    return pair.step(
        by,
        "Organisations",
        "propose",
        [act, list(arguments)],
        lambda: pair.organisations.propose(by, act, arguments),
    )


def approve(pair: Pair, by: bytes, number: int, act: int, arguments: Sequence[int]) -> Outcome | str:
    return pair.step(
        by,
        "Organisations",
        "approve",
        [number, act, list(arguments)],
        lambda: pair.organisations.approve(by, number, act, arguments),
    )
