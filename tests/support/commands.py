"""The commands of the program, and one call of each for tests that cover all commands."""

from __future__ import annotations

from closte_bridge.cli.manual import commands

# These run until they are stopped, and have their own tests.
SERVING = frozenset({"watch", "sandbox"})
# The call of each command: `NAME` and `OTHER` stand for mapped domains, `PLAN` and `REPORT` for files.
CALLS = (
    "config show", "config validate", "completion bash", "man", "shim status", "integration status",
    "integration test --record", "adopt --yes", "plan", "plan --out=PLAN", "apply PLAN", "sync", "sync --retry",
    "domain list", "domain get NAME",
    "domain explain NAME", "domain check NAME", "domain revive NAME --yes", "domain backfill --yes",
    "domain prune --yes", "domain add pin.example.com", "domain remove pin.example.com --yes",
    "domain release OTHER --yes", "doctor", "status", "health", "setup --yes --schedule=none", "shim install",
    "shim uninstall --yes", "log", "notify test", "report --out=REPORT", "integration disable", "integration enable",
    "uninstall --yes",
)  # fmt: skip


COMMANDS = dict(commands())


def called(call: str) -> str:
    """Return the full name of the command in a call."""
    first, _, rest = call.partition(" ")
    pair = f"{first} {rest.partition(' ')[0]}"
    return pair if pair in COMMANDS else first


def words_of(call: str, **places: str) -> list[str]:
    """Return the words of a call with its placeholders replaced."""
    words = call.split()
    for place, text in places.items():
        words = [word.replace(place, text) for word in words]
    return words
