"""Bounds of the engines' caches, each with its reason."""

from __future__ import annotations

from typing import Final

# Decoded trie nodes: the four upper levels of a trie with a million cards (70,000 branches of 16), some 100 MB.
NODE_CACHE: Final = 65_536
# Contract codes by hash: a city has a dozen agreements; a public test network some thousand different ones.
CODE_CACHE: Final = 256
# Decoded contracts: each instruction takes some 150 bytes, the largest contract (24,576 bytes) under 4 MB.
# Initcode passes through too; what is used again stays.
PROGRAM_CACHE: Final = 128
