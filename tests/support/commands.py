"""The commands of the program, and one call of each for tests that go through all of them."""

from __future__ import annotations

from closte_bridge.cli.manual import commands

# They serve until they are ended, and have tests of their own.
SERVING = frozenset({"watch", "sandbox"})
# What each command is called with: `NAME` and `OTHER` stand for mapped names, `PLAN` for a file.
CALLS = (
    "config show", "config validate", "completion bash", "man", "shim status", "integration status", "integration test",
    "adopt --yes", "plan", "plan --out=PLAN", "apply PLAN", "sync", "sync --retry", "domain list", "domain get NAME",
    "domain explain NAME", "domain check NAME", "domain revive NAME --yes", "domain backfill --yes",
    "domain add pin.example.com", "domain remove pin.example.com --yes", "domain release OTHER --yes", "doctor",
    "health", "setup --yes", "shim install", "shim uninstall --yes", "log", "integration disable", "integration enable",
)  # fmt: skip


COMMANDS = dict(commands())


def called(call: str) -> str:
    """Return the full name of the command that a call is of."""
    first, _, rest = call.partition(" ")
    pair = f"{first} {rest.partition(' ')[0]}"
    return pair if pair in COMMANDS else first


def words_of(call: str, **places: str) -> list[str]:
    """Return the words of a call, with what its places stand for."""
    words = call.split()
    for place, text in places.items():
        words = [word.replace(place, text) for word in words]
    return words
