"""The whole ledger as one file that anybody can check and take up (receipts.md §6)."""
