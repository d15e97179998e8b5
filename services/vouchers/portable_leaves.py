"""Leaves of grants for an export (receipts.md §6): the programme and funder behind each lot, under a salt of its own.

The lots' leaves themselves are not kept by the office: their numbers are the chain's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contracts.hashing import sha256
from contracts.merkle import root as root_over
from ledger.portable.leaves import Root
from services.vouchers.attestations import source_leaf
from services.vouchers.tables import VoucherGrant


class GrantLeaves:
    """What the programme offices' tables hold under the source roots of Granted (ledger/portable/leaves.py)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def leaves(self, root: Root) -> Sequence[bytes] | None:
        """The leaves under a source root of Vouchers.Granted; None for another root, and for one not kept here."""
        if (root.tree.contract, root.tree.event, root.tree.name) != ("Vouchers", "Granted", "source"):
            return None
        batch = self._batches.get(root.root)
        return None if batch is None else self._leaves_of(*batch)

    @cached_property
    def _batches(self) -> dict[bytes, tuple[int, str]]:
        """(city, purpose) of every batch of requests by its root: salts make each root one batch's alone."""
        with Session(self._engine) as session:
            found = session.exec(select(VoucherGrant.city, VoucherGrant.purpose).distinct()).all()
        return {root_over(self._leaves_of(city, purpose), sha256): (city, purpose) for city, purpose in found}

    def _leaves_of(self, city: int, purpose: str) -> list[bytes]:
        query = select(VoucherGrant.salt, VoucherGrant.programme, VoucherGrant.funder)
        chosen = query.where(VoucherGrant.city == city, VoucherGrant.purpose == purpose).order_by(col(VoucherGrant.id))
        with Session(self._engine) as session:
            return [source_leaf(salt, programme, funder) for salt, programme, funder in session.exec(chosen).all()]
