"""The command line: options, streams, formats, and a thin shell around the library for each command."""
