"""fares: batches with credits read off the chain's events, and how far reading has come

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('fare_credit_batches',
    sa.Column('number', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('clearing_house', sa.Integer(), nullable=False),
    sa.Column('service_day', sa.Integer(), nullable=False),
    sa.Column('settled_at', sa.BigInteger(), nullable=False),
    sa.Column('records_root', sa.LargeBinary(), nullable=False),
    sa.Column('size', sa.Integer(), nullable=False),
    sa.Column('credited', sa.LargeBinary(), nullable=False),
    sa.Column('sums', sa.LargeBinary(), nullable=False),
    sa.Column('guarantors', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('lanes', sa.Integer(), nullable=False),
    sa.Column('waits', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('number')
    )
    with op.batch_alter_table('fare_credit_batches', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_fare_credit_batches_waits'), ['waits'], unique=False)

    op.create_table('fare_cursors',
    sa.Column('name', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('next_block', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('name')
    )


def downgrade() -> None:
    op.drop_table('fare_cursors')
    with op.batch_alter_table('fare_credit_batches', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_fare_credit_batches_waits'))

    op.drop_table('fare_credit_batches')
