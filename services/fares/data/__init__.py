"""Tariff tables, the network and its stations as files; README.md lists where each comes from."""
