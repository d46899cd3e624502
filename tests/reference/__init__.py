"""The files that are generated from the program: the reference, the man page and the completion scripts."""
