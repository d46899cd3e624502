"""Pure planning: compare WordPress with Closte and decide what to change. No I/O, no clock."""
