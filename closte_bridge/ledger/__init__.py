"""The ledger: which aliases are ours, where each came from, and what was last seen of each name."""
