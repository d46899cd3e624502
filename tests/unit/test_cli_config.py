"""Tests of `closte-bridge config`: run it as users do and compare the complete output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.program import Answer, Run

if TYPE_CHECKING:
    from pathlib import Path


def test_valid_configuration_is_confirmed(run: Run, tmp_path: Path) -> None:
    good = tmp_path / "good.yaml"
    good.write_text("networks: {a: , b: }\n")
    text = 'Success: "good.yaml" is valid: 2 networks, "a", "b".\n'
    assert run("config", "validate", "good.yaml") == Answer(0, text, "")
    assert run("config", "validate", "--config=good.yaml") == Answer(0, text, "")
    assert run("--config=bad.yaml", "config", "validate", "--config", "good.yaml", "--color", "--no-color") == Answer(
        0, text, ""
    )
    assert run("config", "validate", "good.yaml", "--quiet") == Answer(0, "", "")
    assert run("--quiet", "config", "validate", "good.yaml") == Answer(0, "", "")
    answer = run("config", "validate", "good.yaml", "--format=json")
    assert (answer.code, answer.err) == (0, "")
    assert json.loads(answer.out) == {
        "version": 1, "command": "config validate", "status": "ok", "exit_code": 0,
        "data": {"file": "good.yaml", "networks": ["a", "b"]}, "errors": [], "warnings": [], "notes": [], "cost": {},
    }  # fmt: skip


def test_invalid_configuration_lists_all_errors(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("api_key: MYSECRET\nremvoal_delay: 5m\nwp: {timeout: soon}\n")
    lines = [
        'bad.yaml:1: Unknown key "api_key": do not store secrets here; set "api_key_file" to a file with the key.',
        'bad.yaml:2: Unknown key "remvoal_delay"; did you mean "removal_delay"?',
        'bad.yaml:3: "wp.timeout" must be a duration such as 300, "5m", "24h" or "1h30m".',
    ]
    mend = "Fix the file, then run `closte-bridge config validate bad.yaml`."
    text = "".join(f"Error: {line}\n" for line in lines) + f"{mend}\n"
    assert run("config", "validate", "bad.yaml") == Answer(2, "", text)
    assert run("config", "validate", "bad.yaml", "--quiet") == Answer(2, "", text)
    answer = run("config", "validate", "bad.yaml", "--format", "json")
    assert (answer.code, answer.err) == (2, "")
    assert json.loads(answer.out)["errors"] == [
        {"code": "config-invalid", "message": line, "domain": None, "hint": mend} for line in lines
    ]


SHOWN = """\
# From "c.yaml".
api_url: https://app.closte.com/api/client  # default
api_key_file: /run/key  # environment CLOSTE_BRIDGE_API_KEY_FILE
state_dir: /state  # environment STATE_DIRECTORY
wp:
  command: [wp]  # default
  path: <folder>/site  # c.yaml:2
  url: null  # default
  ssh: null  # default
  ssh_password_file: null  # default
  alias: null  # default
  allow_root: true  # --allow-root
  timeout: 2m  # default
web_urls: []  # default
listen: null  # default
listen_cert: null  # default
listen_key: null  # default
listen_health: false  # default
listen_metrics: false  # default
wake_url: null  # default
pulse: 15s  # default
checks: true  # default
wildcard: false  # default
wildcards: []  # default
keep: [a.example]  # c.yaml:3
removal_delay: 5m  # default
removal_grace: 36h  # c.yaml:5
certificate_budget: 40  # default
concurrency: 4  # default
rate_limit: 2.5  # c.yaml:4
environments: [production]  # default
dns:
  resolvers: ["1.1.1.1", "8.8.8.8"]  # default
  timeout: 3s  # default
  concurrency: 50  # default
  targets: []  # default
tls:
  port: 443  # default
  ca_file: null  # default
  timeout: 10s  # default
  concurrency: 50  # default
http:
  enabled: true  # default
  timeout: 10s  # default
metrics_file: null  # default
on_problem: []  # default
on_domain: []  # default
notify: []  # default
"""


def test_config_show_lists_values_and_origins(run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("wp:\n  path: site\nkeep: [a.example]\nrate_limit: 2.5\nremoval_grace: 36h\n")
    argv = ("config", "show", "--config=c.yaml")
    answer = run(*argv, "--allow-root", CLOSTE_BRIDGE_API_KEY_FILE="/run/key")
    assert answer == Answer(
        0,
        SHOWN.replace("<folder>", str(tmp_path)),
        "",
    )
    assert run(*argv, "--format=count").out == "43\n"
    assert run(*argv, "--fields=key,origin", "--format=csv").out.startswith("key,origin\napi_url,default\n")
    assert run(*argv, "--field=key").out.startswith("api_url\napi_key_file\nstate_dir\nwp.command\n")
    assert run("@prod", *argv, "--format=table").out.count("default\twp.alias\t@prod\t@prod\n") == 1
    rows = json.loads(run(*argv, "--format=json").out)["data"]
    assert {"network": "default", "key": "rate_limit", "value": 2.5, "origin": "c.yaml:4"} in rows


def test_output_of_config_show_is_a_valid_configuration(run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "wp: {path: 'on', command: [\"a b\", 'x: y', '#z', 'no', '5']}\nnetworks:\n"
        "  one: {wildcards: ['*.a.example'], state_dir: /a}\n  5x: {rate_limit: 0.25, on_problem: ['é\"']}\n"
    )
    first = run("config", "show", "--config=c.yaml")
    assert (first.code, first.err) == (0, "")
    (tmp_path / "again.yaml").write_text(first.out)
    again = run("config", "show", "--config=again.yaml")

    def values(answer: Answer) -> list[str]:
        return [line.partition("  # ")[0] for line in answer.out.splitlines()[1:]]

    assert (again.code, again.err) == (0, "")
    assert values(again) == values(first)
