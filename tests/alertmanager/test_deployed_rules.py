"""What an operator applies is what the tools of Prometheus and Alertmanager accept, and the rules do what they say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.alertmanager

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("promtool", "check rules prometheus/sternway-rules.yml"),
        ("promtool", "test rules prometheus/sternway-rules.test.yml"),
        ("promtool", "check config --syntax-only prometheus/prometheus.yml"),  # the token's file is the operator's
        ("amtool", "check-config alertmanager/alertmanager.yml"),
    ],
)
def test_the_tools_accept_it(tool: str, words: str) -> None:
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed (Debian: prometheus and prometheus-alertmanager)")
    done = subprocess.run([tool, *words.split()], cwd=DEPLOY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("severity=critical service=payments region=eu", "sternway,people"),
        ("severity=critical service=ledger region=eu", "sternway,people"),
        ("severity=warning service=payments region=eu", "people"),
        ("severity=critical instance=host", "people"),
    ],
)
def test_who_hears_of_what(labels: str, receivers: str) -> None:
    if not shutil.which("amtool"):
        pytest.skip("amtool is not installed (Debian: prometheus-alertmanager)")
    file = DEPLOY / "alertmanager" / "alertmanager.yml"
    command = ["amtool", "config", "routes", "test", f"--config.file={file}", *labels.split()]
    assert subprocess.run(command, capture_output=True, text=True).stdout.strip() == receivers


def test_every_caller_in_the_demos_catalog_is_inhibited_by_what_it_depends_on() -> None:
    services = yaml.safe_load((DEPLOY / "demo" / "catalog.yaml").read_text())["services"]
    edges = {name: set(service.get("depends_on", [])) for name, service in services.items()}
    configuration = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    inhibited = {
        (re.findall(r'service="(.+)"', rule["source_matchers"][1])[0], target)
        for rule in configuration["inhibit_rules"]
        for target in re.findall(r'"(.+)"', rule["target_matchers"][0])[0].split("|")
    }
    direct = {(dependency, name) for name, found in edges.items() for dependency in found}
    transitive = set(direct)
    while more := {(a, d) for a, b in transitive for c, d in direct if b == c} - transitive:
        transitive |= more
    assert inhibited == transitive


def test_critical_alerts_reach_the_gateway_without_waiting() -> None:
    configuration = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    route, _ = configuration["route"]["routes"]
    assert route["receiver"] == "sternway"
    assert route["group_wait"] == "0s"
    assert route["continue"] is True
    [receiver] = [r for r in configuration["receivers"] if r["name"] == "sternway"]
    [webhook] = receiver["webhook_configs"]
    assert webhook["url"].endswith("/v1/alerts/alertmanager")
    assert webhook["send_resolved"] is True
    assert "credentials" not in webhook["http_config"]["authorization"], "a secret belongs into a file of its own"
