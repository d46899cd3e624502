"""Tests that the alert rules and the dashboard name only existing metrics, and that each alert fires when it should."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from closte_bridge.engine import metrics
from tests.support.parts import REPOSITORY

MONITORING = REPOSITORY / "docs" / "monitoring"
RULES = MONITORING / "alerts.yml"
RULE_TESTS = Path(__file__).parent / "monitoring" / "alerts.test.yml"
UNPACKED = REPOSITORY / ".cache" / "prometheus" / "usr" / "bin" / "promtool"


def written() -> dict[str, set[str]]:
    """Return the metrics that the program writes, with their labels."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(Path(metrics.__file__).read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(attr="set"), args=[ast.Constant(value=str(name)), _, _]):
                found[f"closte_bridge_{name}"] = {"network"}
            case ast.Call(
                func=ast.Attribute(attr="set_by"), args=[ast.Constant(value=str(name)), _, ast.Constant(value=label), _]
            ):
                found[f"closte_bridge_{name}"] = {"network", str(label)}
    return found


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return list(group["rules"])


def queries() -> list[str]:
    """Return each PromQL expression of the rules and of the dashboard, and the query of its variable."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    variables = [v["query"]["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
    return [alert["expr"] for alert in alerts()] + shown + variables


def labels_of(text: str) -> set[str]:
    """Return the labels that an expression selects or groups by, or that a message shows."""
    groups = ",".join("".join(found) for found in re.findall(r"by \(([^)]*)\)|label_values\(\w+, (\w+)\)", text))
    selected = [re.split(r"[=!]", part)[0] for part in ",".join(re.findall(r"\{([^{}]*)\}", text)).split(",")]
    shown = re.findall(r"\$labels\.(\w+)", text) + re.findall(r"\{\{(\w+)\}\}", text)
    return {name.strip() for name in [*groups.split(","), *(selected if "{{" not in text else []), *shown]} - {""}


def metrics_of(query: str) -> set[str]:
    return set(re.findall(r"closte_bridge_\w+", query))


def test_rules_and_dashboard_name_only_existing_metrics_and_labels() -> None:
    known = written()
    assert len(known) > 20, "The search itself is broken."
    for query in queries():
        assert metrics_of(query), query
        assert metrics_of(query) <= known.keys(), query
        for metric in metrics_of(query):
            assert labels_of(query) <= known[metric], query
    for alert in alerts():
        for text in alert["annotations"].values():
            assert labels_of(text) <= set.union(*(known[name] for name in metrics_of(alert["expr"]))), text


def test_the_dashboard_shows_every_metric_of_the_state() -> None:
    shown = {name for query in queries() for name in metrics_of(query)}
    assert written().keys() - shown == {
        "closte_bridge_last_run_timestamp_seconds",
        "closte_bridge_wp_calls",
        "closte_bridge_api_calls",
    }


def test_no_label_holds_a_domain() -> None:
    assert set.union(*written().values()) == {"network", "code", "verdict", "reason"}


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_each_alert_has_a_runbook_and_a_severity(alert: dict[str, Any]) -> None:
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert anchor in anchors(REPOSITORY / page)
    assert alert["labels"]["severity"] in {"critical", "warning"}


def test_each_alert_fires_in_a_test() -> None:
    text = RULE_TESTS.read_text(encoding="utf-8")
    assert {alert["alert"] for alert in alerts()} == set(re.findall(r'alertname="(\w+)"', text)) | set(
        re.findall(r"alertname: (\w+)", text)
    )


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    promtool = shutil.which("promtool") or str(UNPACKED)
    assert Path(promtool).exists(), "promtool is missing. Run `script/setup`."
    for file in (RULES, RULE_TESTS):
        shutil.copy(file, tmp_path)
    argv = [promtool, "test", "rules", RULE_TESTS.name]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_how_to_shows_an_alert_of_the_rules() -> None:
    page = (REPOSITORY / "docs" / "how-to" / "monitor.md").read_text(encoding="utf-8")
    shown = [
        alert
        for block in re.findall(r"^```yaml\n(- alert:.*?)^```", page, re.M | re.S)
        for alert in yaml.safe_load(block)
    ]
    assert shown
    assert all(alert in alerts() for alert in shown)
