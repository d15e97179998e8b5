"""Recovery words: BIP-39 in Korean and English, through the `mnemonic` library.

A sentence is normalised (NFKD) before anything looks at it, so that Korean typed in composed or decomposed letters is
the same sentence. Errors say which place is wrong, never which word; neither words nor seed have a readable repr.
"""

from __future__ import annotations

import secrets
from functools import cache
from typing import Final, Literal, TypeAlias

from mnemonic import Mnemonic

from wallets.errors import WordsChecksumError, WordsError

Language: TypeAlias = Literal["korean", "english"]
LANGUAGES: Final[tuple[Language, ...]] = ("korean", "english")
ENTROPY_BYTES: Final = 32  # 24 words
_COUNTS: Final = (12, 15, 18, 21, 24)


class Words:
    """A checked sentence of recovery words in one language. `sentence()` is the only way to read it."""

    __slots__ = ("_sentence", "language")

    def __init__(self, sentence: str, language: Language) -> None:
        """Raises WordsError for a wrong number of words or an unknown one, WordsChecksumError."""
        words = Mnemonic.normalize_string(sentence).split()
        if len(words) not in _COUNTS:
            raise WordsError(f"{len(words)} words; there are 12, 15, 18, 21 or 24")
        known = _index(language)
        unknown = [place for place, word in enumerate(words, 1) if word not in known]
        if unknown:
            raise WordsError(f"not in the {language} list: word {', '.join(map(str, unknown))}")
        self._sentence = " ".join(words)
        self.language: Language = language
        if not _list(language).check(self._sentence):
            raise WordsChecksumError(f"{len(words)} {language} words whose checksum does not hold")

    def __repr__(self) -> str:
        return f"Words(language={self.language!r})"

    def sentence(self) -> str:
        """The words, secret: for showing once to their owner, who writes them down."""
        return self._sentence

    def entropy(self) -> bytes:
        """What the words encode, secret: 16 to 32 bytes."""
        return bytes(_list(self.language).to_entropy(self._sentence))

    def seed(self, passphrase: str = "") -> bytes:
        """BIP-39 seed, secret: 64 bytes."""
        return Mnemonic.to_seed(self._sentence, passphrase)

    @classmethod
    def from_entropy(cls, entropy: bytes, language: Language) -> Words:
        """The words of 16, 20, 24, 28 or 32 bytes. Raises WordsError for another length."""
        if len(entropy) not in (16, 20, 24, 28, 32):
            raise WordsError(f"entropy has 16 to 32 bytes in steps of 4, this one {len(entropy)}")
        return cls(_list(language).to_mnemonic(entropy), language)

    @classmethod
    def create(cls, language: Language) -> Words:
        """24 new words from the operating system's randomness."""
        return cls.from_entropy(secrets.token_bytes(ENTROPY_BYTES), language)

    @classmethod
    def restore(cls, sentence: str) -> Words:
        """Words in whichever language has them all. Raises WordsError, WordsChecksumError."""
        words = Mnemonic.normalize_string(sentence).split()
        for language in LANGUAGES:
            if words and words[0] in _index(language):
                return cls(sentence, language)
        raise WordsError("the first word is in neither list, Korean or English")


@cache
def _list(language: Language) -> Mnemonic:
    found = Mnemonic(language)
    found.wordlist = [Mnemonic.normalize_string(word) for word in found.wordlist]
    return found


@cache
def _index(language: Language) -> frozenset[str]:
    return frozenset(_list(language).wordlist)
