"""The shim (must-use plugin): its files, installation and problems."""
