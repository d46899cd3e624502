"""WordPress: call `wp`, read a snapshot, write closte-bridge's own options."""
