"""fares: disputes as their cards signed them, and what operators say to them

The table of 0001 was never written to, so it is made anew.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op


revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('fare_disputes', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_fare_disputes_card'))

    op.drop_table('fare_disputes')
    op.create_table('fare_disputes',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('message', sa.LargeBinary(), nullable=False),
    sa.Column('document', sa.LargeBinary(), nullable=False),
    sa.Column('card', sa.LargeBinary(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('first_seq', sa.BigInteger(), nullable=False),
    sa.Column('code', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('claimed_won', sa.BigInteger(), nullable=False),
    sa.Column('organisations', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('opened_at', sa.BigInteger(), nullable=False),
    sa.Column('received_at', sa.BigInteger(), nullable=False),
    sa.Column('evidence_due_at', sa.BigInteger(), nullable=False),
    sa.Column('due_at', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Integer(), nullable=False),
    sa.Column('delta_won', sa.BigInteger(), nullable=False),
    sa.Column('cause', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('decided_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('digest', 'code'),
    sa.UniqueConstraint('message')
    )
    with op.batch_alter_table('fare_disputes', schema=None) as batch_op:
        batch_op.create_index('ix_fare_disputes_card', ['card', 'first_seq'], unique=False)
        batch_op.create_index('ix_fare_disputes_due', ['status', 'due_at'], unique=False)

    op.create_table('fare_dispute_evidence',
    sa.Column('dispute_id', sa.BigInteger(), nullable=False),
    sa.Column('organisation', sa.Integer(), nullable=False),
    sa.Column('document', sa.LargeBinary(), nullable=False),
    sa.Column('signature', sa.LargeBinary(), nullable=False),
    sa.Column('received_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['dispute_id'], ['fare_disputes.id'], ),
    sa.PrimaryKeyConstraint('dispute_id', 'organisation')
    )


def downgrade() -> None:
    op.drop_table('fare_dispute_evidence')
    with op.batch_alter_table('fare_disputes', schema=None) as batch_op:
        batch_op.drop_index('ix_fare_disputes_due')
        batch_op.drop_index('ix_fare_disputes_card')

    op.drop_table('fare_disputes')
    op.create_table('fare_disputes',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('card', sa.LargeBinary(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('kind', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('text', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('opened_at', sa.BigInteger(), nullable=False),
    sa.Column('due_at', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Integer(), nullable=False),
    sa.Column('delta_won', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('fare_disputes', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_fare_disputes_card'), ['card'], unique=False)
