"""Command line: options, streams, formats, and the commands as thin wrappers around the library."""
