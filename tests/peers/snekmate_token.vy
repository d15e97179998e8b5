# pragma version 0.4.3
"""
@title snekmate's ERC-20 with Won's name, the peer that Won is compared with. In tests only: snekmate is AGPL-3.0
"""

from snekmate.auth import ownable
from snekmate.tokens import erc20

initializes: ownable
initializes: erc20[ownable := ownable]

exports: erc20.__interface__


@deploy
@payable
def __init__():
    ownable.__init__()
    erc20.__init__("Dure Won", "KRW", 0, "Dure Won", "1")
