"""One module for each command or command group; `closte_bridge.cli.root` lists them."""
