"""Leaves of settled batches for an export (receipts.md §6): records, and the money and routes of journeys."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from ledger.portable.leaves import Root
from services.fares.tables import Batch, Journey, Record


class FareLeaves:
    """What the clearing house's tables hold under the roots of Settled (ledger/portable/leaves.py, LeafSource)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def leaves(self, root: Root) -> Sequence[bytes] | None:
        """The leaves under a root of Fares.Settled; None for another root, and for a batch that is not kept here."""
        tree = root.tree
        if (tree.contract, tree.event) != ("Fares", "Settled"):
            return None
        with Session(self._engine) as session:
            column = Batch.records_root if tree.name == "records" else Batch.journeys_root
            query = select(Batch.id).where(Batch.block == root.at[0], column == root.root)
            batch = session.exec(query.order_by(col(Batch.id))).first()
            if batch is None:
                return None
            return _records(session, batch) if tree.name == "records" else _journeys(session, batch)


def _records(session: Session, batch: int) -> list[bytes] | None:
    rows = session.exec(select(Record.leaf).where(Record.batch_id == batch).order_by(col(Record.position))).all()
    found = [leaf for leaf in rows if leaf is not None]
    return found if len(found) == len(rows) else None


def _journeys(session: Session, batch: int) -> list[bytes]:
    """Leaves 2j are money, 2j + 1 routes, in the order of the batch's records."""
    query = select(Journey.money_leaf, Journey.route_leaf).join(Record, col(Journey.record_id) == col(Record.id))
    ordered = query.where(Record.batch_id == batch).order_by(col(Record.position), col(Journey.position))
    return [leaf for pair in session.exec(ordered).all() for leaf in pair]
