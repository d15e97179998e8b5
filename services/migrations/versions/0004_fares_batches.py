"""fares: kinds of batches, the lots that paid a record; a hold is a code alone

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('fare_batches', schema=None) as batch_op:
        batch_op.add_column(sa.Column('kind', sa.Integer(), nullable=False, server_default='0'))
    with op.batch_alter_table('fare_records', schema=None) as batch_op:
        batch_op.add_column(
            sa.Column('lots', sqlmodel.sql.sqltypes.AutoString(), nullable=False, server_default='[]')
        )
    with op.batch_alter_table('fare_cards', schema=None) as batch_op:
        batch_op.drop_column('hold_until')


def downgrade() -> None:
    with op.batch_alter_table('fare_cards', schema=None) as batch_op:
        batch_op.add_column(sa.Column('hold_until', sa.BigInteger(), nullable=False, server_default='0'))
    with op.batch_alter_table('fare_records', schema=None) as batch_op:
        batch_op.drop_column('lots')
    with op.batch_alter_table('fare_batches', schema=None) as batch_op:
        batch_op.drop_column('kind')
