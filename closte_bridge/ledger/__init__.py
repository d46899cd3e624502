"""The ledger: the managed aliases, their origins, and the last check results of each domain."""
