"""One module for each command or noun; `closte_bridge.cli.root` has the table that leads to them."""
