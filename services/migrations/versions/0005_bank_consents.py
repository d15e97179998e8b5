"""bank: riders' wallets, their consents to debits, what was debited under each

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('bank_riders', schema=None) as batch_op:
        batch_op.add_column(sa.Column('wallet', sa.LargeBinary(), nullable=True))
        batch_op.create_index('ix_bank_riders_wallet', ['bank', 'wallet'], unique=True)

    op.create_table('bank_consents',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('bank', sa.Integer(), nullable=False),
    sa.Column('rider', sa.BigInteger(), nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('first_day', sa.Integer(), nullable=False),
    sa.Column('last_day', sa.Integer(), nullable=False),
    sa.Column('daily_limit_won', sa.Integer(), nullable=False),
    sa.Column('document', sa.LargeBinary(), nullable=False),
    sa.Column('salt', sa.LargeBinary(), nullable=False),
    sa.Column('given_at', sa.BigInteger(), nullable=False),
    sa.Column('withdrawn_at', sa.BigInteger(), nullable=True),
    sa.Column('withdrawal', sa.LargeBinary(), nullable=True),
    sa.ForeignKeyConstraint(['rider'], ['bank_riders.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('bank', 'digest')
    )
    with op.batch_alter_table('bank_consents', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_bank_consents_rider'), ['rider'], unique=False)

    op.create_table('bank_debits',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('bank', sa.Integer(), nullable=False),
    sa.Column('entry', sa.BigInteger(), nullable=False),
    sa.Column('rider', sa.BigInteger(), nullable=False),
    sa.Column('service_day', sa.Integer(), nullable=False),
    sa.Column('consent', sa.BigInteger(), nullable=True),
    sa.Column('owed_won', sa.BigInteger(), nullable=False),
    sa.Column('debited_won', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['consent'], ['bank_consents.id'], ),
    sa.ForeignKeyConstraint(['entry'], ['bank_entries.id'], ),
    sa.ForeignKeyConstraint(['rider'], ['bank_riders.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('entry', 'rider', 'service_day')
    )
    with op.batch_alter_table('bank_debits', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_bank_debits_consent'), ['consent'], unique=False)
        batch_op.create_index(batch_op.f('ix_bank_debits_rider'), ['rider'], unique=False)
        batch_op.create_index('ix_bank_debits_day', ['bank', 'service_day'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('bank_debits', schema=None) as batch_op:
        batch_op.drop_index('ix_bank_debits_day')
        batch_op.drop_index(batch_op.f('ix_bank_debits_rider'))
        batch_op.drop_index(batch_op.f('ix_bank_debits_consent'))

    op.drop_table('bank_debits')
    with op.batch_alter_table('bank_consents', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_bank_consents_rider'))

    op.drop_table('bank_consents')
    with op.batch_alter_table('bank_riders', schema=None) as batch_op:
        batch_op.drop_index('ix_bank_riders_wallet')
        batch_op.drop_column('wallet')
