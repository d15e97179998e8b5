"""The pages of reference are what the programs say of themselves."""

from __future__ import annotations

import pytest

from api.cli import reference_pages

PAGES = reference_pages.pages()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_what_the_programs_say(page: str) -> None:
    written = (reference_pages.ROOT / reference_pages.FOLDER / page).read_text("utf-8")
    assert written == PAGES[page], "run: python -m api.cli.reference_pages"


def test_every_function_that_acts_has_a_sentence() -> None:
    rows = [line for line in PAGES["agreements.md"].splitlines() if line.startswith("| `") and "(" in line]
    silent = [row for row in rows if row.rstrip(" |").endswith("`")]
    # Public variables may go without: their names are the standards' or say it all.
    assert [row for row in silent if "→" not in row] == []
    assert len(rows) > 100


def test_every_command_is_there_with_its_options() -> None:
    for words in ("## dure demo", "`--riders`", "## dure doctor", "## dure fare quote", "`--legs`"):
        assert words in PAGES["commands.md"]


def test_every_signed_message_is_there() -> None:
    for kind in ("FareState(", "CardCertificate(", "ReaderCertificate(", "Credential(", "Claim(", "Finality("):
        assert f"```\n{kind}" in PAGES["messages.md"]
    for kind in ("DebitConsent(", "ConsentWithdrawal("):
        assert f"```\n{kind}" in PAGES["messages.md"]
