"""What can go wrong with a portable ledger. Every error names the entry and the offset, or the block.

PortableError                 LEDGER-700
├── PortableFormatError       LEDGER-701  the ZIP or a JSON text in it has another form (exit 2)
├── PortableManifestError     LEDGER-702  an entry is not the one that the manifest or its CRC-32 names
├── PortableGenesisError      LEDGER-703  genesis.json
├── PortableBlockError        LEDGER-704  chain.rlp: a block that is not valid
├── PortableFinalityError     LEDGER-705  finality.jsonl
├── PortableContentError      LEDGER-706  README.txt and contracts/
├── PortableLeavesError       LEDGER-707  leaves/
├── TrustFileError            LEDGER-708  a trust file that cannot be used (exit 2)
├── TrustMismatchError        LEDGER-709  the ledger is not the one that the trust file names
└── TrustSelfDeclared         TRUST-SELF-DECLARED  no trust file was given
"""

from __future__ import annotations

from ledger.errors import LedgerError


class PortableError(LedgerError):
    """The portable ledger does not hold."""

    code = "LEDGER-700"
    do = "Do not use this file; ask for another copy from an organisation that you trust."
    ko = "휴대용 원장 파일이 올바르지 않습니다."


class PortableFormatError(PortableError):
    """The file is no portable ledger, or a part of it has another form than the specification's."""

    code = "LEDGER-701"
    exit_code = 2


class PortableManifestError(PortableError):
    """An entry is not the one that the manifest names."""

    code = "LEDGER-702"


class PortableGenesisError(PortableError):
    """The genesis is not one that this chain can have."""

    code = "LEDGER-703"


class PortableBlockError(PortableError):
    """A block of the file is not valid."""

    code = "LEDGER-704"


class PortableFinalityError(PortableError):
    """A block is not final on the word of the authority in force."""

    code = "LEDGER-705"


class PortableContentError(PortableError):
    """The readme or a contract's sources are not those that this version generates."""

    code = "LEDGER-706"
    do = "Compare the entry with the one that an export of yours holds; another version of Dure may have written it."


class PortableLeavesError(PortableError):
    """Leaves do not lead to the root that the chain has."""

    code = "LEDGER-707"


class TrustFileError(PortableError):
    """The trust file cannot be used."""

    code = "LEDGER-708"
    do = "Get the trust file anew from an organisation that you trust, and compare its SHA-256."
    ko = "신뢰 파일을 쓸 수 없습니다."
    exit_code = 2


class TrustMismatchError(PortableError):
    """The ledger is another one than the trust file names."""

    code = "LEDGER-709"
    do = "Check that file and trust file belong to the same chain; if they should, the ledger was forged."
    ko = "신뢰 파일이 가리키는 원장이 아닙니다."


class TrustSelfDeclared(PortableError):
    """Without a trust file of your own the file vouches for itself, which proves nothing."""

    code = "TRUST-SELF-DECLARED"
    do = "Name the trust file that you hold with --trust; never take the one in the file that is checked."
    ko = "신뢰 파일 없이는 파일이 스스로를 보증할 뿐입니다."
