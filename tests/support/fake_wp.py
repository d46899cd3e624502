"""A fast fake of `wp` that answers with a document read earlier from a real network.

The executable is a short shell script that passes the PHP script on to this process, which holds the network. This
takes some milliseconds; PHP and WordPress take a second.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import json
import re
import socketserver
import threading
import time
from typing import TYPE_CHECKING, Any

from tests.support.parts import find_program

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_END = b"\n@end@\n"
_CLIENT = r"""
exec 3<>"/dev/tcp/127.0.0.1/$CANNED_PORT" || exit 1
cat >&3
printf '\n@end@\n' >&3
IFS= read -r status <&3
IFS= read -r errors <&3
printf '%s\n' "$errors" >&2
cat <&3
exit "$status"
"""
_TABLES = ("sites", "mappings")
_STAMP = "2024-01-01 00:00:00"
State = dict[str, Any]


def framed(document: State, nonce: str) -> bytes:
    """Frame a document as `frame.php` does."""
    return frame_of(json.dumps(document, separators=(",", ":")).encode(), nonce)


def frame_of(body: bytes, nonce: str) -> bytes:
    """Put the frame around bytes that may not be a document."""
    begin = f"\n@closte-bridge-begin 1 {nonce}@\n".encode()
    return begin + body + f"\n@closte-bridge-end {nonce} {len(body)} {hashlib.sha256(body).hexdigest()}@\n".encode()


def as_rows(table: State) -> State:
    """Return a table of `snapshot.php` with single `rows`, which are easier to change."""
    rows: list[list[Any]] = []
    for part in table["columns"]:
        values = [column.split("\n") if isinstance(column, str) else column for column in part]
        rows += map(list, zip(*values, strict=True))
    return {"rows": rows, "count": table["count"], "highest": table["highest"]}


def as_columns(table: State) -> State:
    """Return a table of `rows` in the format of `snapshot.php`."""
    parts = [[[*column] for column in zip(*table["rows"], strict=True)]] if table["rows"] else []
    return {"columns": parts, "count": table["count"], "highest": table["highest"]}


def snapshot(state: State, request: State) -> State:
    """Answer as `snapshot.php` does."""
    owner = state["document"]["owner"]
    if request.get("acknowledge") and owner and owner["engine"] == request["engine"]:
        gone = set(request["acknowledge"])
        state["events"] = [row for row in state["events"] if row[0] not in gone]
    rows = state["events"][: request["event_limit"]]
    tables = {name: as_columns(state["document"][name]) for name in _TABLES}
    document = {**state["document"], **tables, "events": {"rows": rows, "count": len(state["events"])}}
    if "pad" in request:
        pad, key = base64.b64decode(request["pad"]), state["key"].encode()
        padded = bytes(a ^ b for a, b in zip(key, pad, strict=False))
        document["key"] = {"source": "constant", "padded": base64.b64encode(padded).decode()}
    return document


def write(state: State, request: State) -> State:
    """Answer as `write.php` does."""
    results: list[State] = []
    document = state["document"]
    for operation in request["operations"]:
        if operation["do"] == "set-toggle":
            results.append({"result": "done", "was": document["toggle"]})
            document["toggle"] = operation["enabled"]
        elif (document["owner"] or {}).get("engine") != operation["expected"]:
            results.append({"result": "conflict"})
        else:
            document["owner"] = operation["owner"]
            results.append({"result": "done"})
    return {"results": results}


def move_stages(state: State, request: State) -> State:
    """Answer as `stages.php` does."""
    results = []
    for change in request["changes"]:
        rows = [row for row in state["document"]["mappings"]["rows"] if row[0] == str(change["id"])]
        if not rows or (rows[0][2], rows[0][6]) != (change["domain"], change["from"]):
            results.append("changed")
            continue
        rows[0][6] = change["to"]
        if change["secure"] is not None:
            rows[0][5] = str(int(change["secure"]))
        results.append("done")
    return {"results": results}


def make_records(state: State, request: State) -> State:
    """Answer as `records.php` does."""
    results: list[list[object]] = []
    document = state["document"]
    table = document["mappings"]
    domains = {int(row[0]): row[2] for row in document["sites"]["rows"]}
    for site in request["sites"]:
        domain = domains[int(site)]
        if any(row[2] == domain for row in table["rows"]):
            results.append(["there", None])
        elif not request["really"]:
            results.append(["missing", None])
        else:
            table["highest"] += 1
            table["rows"].append([str(table["highest"]), str(site), domain, "1", "1", "0", "done", _STAMP, _STAMP])
            table["count"] = len(table["rows"])
            results.append(["made", [table["highest"], site, domain, 1, 1, 0, "done"]])
    return {"results": results}


def answered(state: State, request: State) -> State:
    """Answer one request, depending on its keys."""
    for key, answer in (("operations", write), ("changes", move_stages), ("sites", make_records)):
        if key in request:
            return answer(state, request)
    return snapshot(state, request)


class CannedWordPress:
    """A network in memory, and the `wp` that reads it. It starts with one site, and every mapping belongs to site 1.

    A context manager: it answers inside. `trouble` says how `wp` fails: `cut` (the output ends early, inside the key if
    it contains one), `leak` (the notices of both streams show the plain key), `status`, `sleep` (seconds).
    """

    def __init__(self, folder: Path, document: State, key: str) -> None:
        folder.mkdir()
        self.trouble: State = {}
        self._state: State = {
            # A deep copy, because worlds must not share rows.
            "document": {
                **copy.deepcopy(document),
                **{name: as_rows(document[name]) for name in _TABLES},
                "toggle": True,
                "owner": None,
            },
            "events": [],
            "key": key,
            "uids": 0,
        }
        self._lock = threading.Lock()
        self._client = folder / "wp.sh"
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        port = self._server.server_address[1]
        self._client.write_text(_CLIENT.replace("$CANNED_PORT", str(port)))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> CannedWordPress:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def settings(self) -> State:
        """The config's section `wp`."""
        return {"command": [find_program("bash"), "--norc", str(self._client)], "timeout": "60s"}

    def picture(self) -> State:
        """Return a copy of the network's state."""
        with self._lock:
            return copy.deepcopy(self._state)

    def restore(self, picture: State) -> None:
        """Restore a copy of the network's state."""
        with self._lock:
            self._state = copy.deepcopy(picture)

    @property
    def domains(self) -> set[str]:
        """The mapped domains."""
        return {row[2] for row in self.picture()["document"]["mappings"]["rows"]}

    @property
    def events(self) -> int:
        """The number of events that are not acknowledged yet."""
        return len(self.picture()["events"])

    def change(self, *, add: Iterable[str] = (), drop: Iterable[str] = (), events: bool = True) -> None:
        """Add and remove mappings; with `events`, also write the shim's events."""
        with self._lock:
            state, dropped = self._state, set(drop)
            table = state["document"]["mappings"]
            gone = [row[2] for row in table["rows"] if row[2] in dropped]
            table["rows"] = [row for row in table["rows"] if row[2] not in dropped]
            for name in add:
                table["highest"] += 1
                table["rows"].append([str(table["highest"]), "1", name, "1", "0", "0", "done", _STAMP, _STAMP])
            table["count"] = len(table["rows"])
            for name in gone if events else ():
                self._note("mapping_removed", "1", name)

    def create_site(self, domain: str) -> None:
        """Create a site without a domain record, and write the shim's event."""
        with self._lock:
            table = self._state["document"]["sites"]
            table["highest"] += 1
            table["rows"].append([str(table["highest"]), "1", domain, "0", "0", "0"])
            table["count"] = len(table["rows"])
            self._note("site_created", str(table["highest"]), domain)

    def note(self, kind: str, domain: str) -> None:
        """Write an event, as the shim does."""
        with self._lock:
            self._note(kind, "1", domain)

    def _note(self, kind: str, site: str, domain: str) -> None:
        self._state["uids"] += 1
        self._state["events"].append([f"uid-{self._state['uids']}", "1700000000", kind, site, domain, ""])

    def set_stage(self, domain: str, stage: str) -> None:
        """Change the stage of a mapping without any hook."""
        with self._lock:
            for row in self._state["document"]["mappings"]["rows"]:
                if row[2] == domain:
                    row[6] = stage

    def give_to(self, engine: str) -> None:
        """Make another installation the owner."""
        with self._lock:
            self._state["document"]["owner"]["engine"] = engine

    @property
    def stages(self) -> dict[str, str]:
        """The stage of each mapping, by domain."""
        return {row[2]: row[6] for row in self.picture()["document"]["mappings"]["rows"]}

    def answer(self, script: bytes) -> bytes:
        """Return exit status, stderr and stdout for a script, as the client expects them."""
        found = re.search(rb"base64_decode\( '([^']*)' \)", script)
        request = json.loads(base64.b64decode(found.group(1))) if found else {}
        with self._lock:
            state, trouble = self._state, dict(self.trouble)
            document = answered(state, request)
            output = framed(document, request["nonce"])
        time.sleep(trouble.get("sleep", 0))
        noise = state["key"].encode() * 3 if trouble.get("leak") else b""
        if trouble.get("cut"):
            at = output.find(b'"padded":"')
            output = output[: at + 20 if at >= 0 else len(output) // 2]
        status = str(trouble.get("status", 0)).encode()
        return status + b"\nPHP Notice: " + noise + b"\nNotice: define( 'KEY', '" + noise + b"' )\n" + output


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        """Ignore the error: a client disconnects at any moment if the test kills closte-bridge."""


def _handler(network: CannedWordPress) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            script = bytearray()
            while not script.endswith(_END):
                chunk = self.request.recv(1 << 16)
                if not chunk:
                    return
                script += chunk
            with contextlib.suppress(OSError):
                self.request.sendall(network.answer(bytes(script)))

    return Handler
