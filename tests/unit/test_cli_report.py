"""Tests of the bug report: what it contains, and the names that it does not contain."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

from closte_bridge.cli import main
from closte_bridge.cli.console import Console
from closte_bridge.cli.pseudonyms import Pseudonyms
from closte_bridge.engine.answer_shapes import add_shapes
from closte_bridge.ledger import log as ledger_log
from tests.support.ledgers import opened

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SECRET = "s3cretT0ken"


def test_report_has_every_part_and_no_name_or_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, key = tmp_path / "state", tmp_path / "key"
    with opened(state) as ledger, ledger.transaction():
        entry = ledger_log.LogEntry(9.0, "r", ledger_log.LogAction.ADD, "shop.customer.com", "mapped", "done")
        ledger_log.append(ledger, [entry])
    add_shapes(state, [{"request": "GET /getdomains", "status": 200, "shape": {"type": "array", "items": []}}] * 2)
    key.write_text(f"{SECRET}Key")
    key.chmod(0o600)
    config = {
        "state_dir": str(state),
        "api_key_file": str(key),
        "keep": ["legacy.customer.com"],
        "notify": [f"slack://{SECRET}/a/b"],
        "on_domain": ["curl", "-H", f"Authorization: {SECRET}"],
        "wp": {"command": ["/bin/false"]},
        "api_url": "http://127.0.0.1:9/api",
    }
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    out, err = io.StringIO(), io.StringIO()
    argv = ["report", "--format=json", "--out=r.tar.gz", "--config=config.yaml"]
    assert main.run(argv, environ={"HOME": "/home/alice"}, console=Console(io.StringIO(), out, err)) == 0
    assert (tmp_path / "r.tar.gz").stat().st_mode & 0o777 == 0o600
    with tarfile.open(tmp_path / "r.tar.gz") as archive:
        texts = {one.name.partition("/")[2]: archive.extractfile(one) for one in archive}
        files = {name: file.read().decode() for name, file in texts.items() if file}
    rows = json.loads(out.getvalue())["data"]
    assert [row["file"] for row in rows] == [*files]
    assert {name.partition("/")[2] or name for name in files} == {
        "versions.json", "config.json", "doctor.json", "status.json", "ledger.json", "log.json", "answers.json",
    }  # fmt: skip
    whole = "".join(files.values()) + out.getvalue() + err.getvalue()
    for private in (SECRET, "customer", "alice", "Authorization"):
        assert private not in whole
    assert "slack://<secret>" in files["default/config.json"]
    assert '"(2 more)"' in files["default/config.json"]
    assert json.loads(files["versions.json"])["libraries"]["requests"]
    assert json.loads(files["default/ledger.json"])["log"] == [{"action": "add", "outcome": "done", "rows": 1}]
    assert [one["request"] for one in json.loads(files["default/answers.json"])] == ["GET /getdomains"]
    (logged,) = json.loads(files["default/log.json"])
    assert (logged["action"], logged["name"].endswith(".com")) == ("add", True)


def test_pseudonyms_replace_names_and_keep_the_structure() -> None:
    rename = Pseudonyms({"web1", "intranet.local", "shop.customer.com"}, salt=b"x")
    shop, www = rename("shop.customer.com"), rename("www.shop.customer.com")
    assert shop != "shop.customer.com"
    assert www == f"www.{shop}"
    assert rename(f"*.customer.com {'*.customer.com'}").startswith("*.d")
    text = 'Ask deploy@web1:22/srv: "https://shop.customer.com:443/x" at 198.51.100.7, 2001:db8::7 (intranet.local).'
    renamed = rename(text)
    for private in ("deploy", "web1", "customer", "198.51.100.7", "2001:db8::7", "intranet"):
        assert private not in renamed
    assert shop in renamed
    for same in (
        "config.yaml:12: ledger.sqlite3 at 12:34:56 with 2.14.2",
        "https://app.closte.com/api/client",
        "127.0.0.1:8080 and ::1, 1.1.1.1",
        "2026-11-01T10:00:00+00:00",
    ):
        assert rename(same) == same
    assert "müller" not in rename("müller.de and x.müller.de")
    # The same name has another pseudonym in another report.
    assert Pseudonyms()("shop.customer.com") != Pseudonyms()("shop.customer.com")
