"""Measures the engine beside its lower bounds; start it with `script/bench`."""
