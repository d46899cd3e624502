"""Benchmarks of closte-bridge and their lower bounds. Run them with `script/bench`."""
