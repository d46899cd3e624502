"""The reconciliation engine: read, plan, apply, record."""
