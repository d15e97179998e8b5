"""Engines that we did not write, as judges of a whole chain: geth and EELS, each in its own process (engines.md)."""
