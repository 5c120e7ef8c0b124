"""What deploy/ has for a cluster, rendered by Helm and kustomize and validated strictly.

The tools are built from their published Go modules, at the versions that `cluster_tools/go.sum`
pins; without Go these tests are skipped.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from exporter import config
from tests.process_fixtures import ROOT

CHART = ROOT / "deploy/helm/calltools-exporter"
KUBERNETES = ROOT / "deploy/kubernetes"
SOURCES = Path(__file__).parent / "cluster_tools"
#: Not optimized, as building is what takes time: helm needs a third less.
BUILD = ("-gcflags=all=-N -l", "-ldflags=-s -w")
COMMANDS = {
    "helm": "helm.sh/helm/v3/cmd/helm",
    "kustomize": "sigs.k8s.io/kustomize/kustomize/v5",
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint",
    "strict": ".",
}
TABLES = ["one-account", "many-accounts", "openshift"]
OVERLAYS = ["overlays/example", "overlays/fixed-user", "overlays/tls", "base", "operator"]

Tool: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]
Objects: TypeAlias = "list[dict[str, Any]]"


@pytest.fixture(scope="session")
def tool() -> Tool:
    """Return a function that runs one of the tools, built where Go is."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is missing: helm and kustomize are built from their Go modules")
    wanted = re.findall(r"^go (\d+)\.(\d+)", (SOURCES / "go.mod").read_text(), re.MULTILINE)[0]
    found = re.findall(r"go(\d+)\.(\d+)", subprocess.check_output([go, "version"], text=True))[0]
    if tuple(map(int, found)) < tuple(map(int, wanted)):
        pytest.skip(f"Go {'.'.join(wanted)} or newer is needed, this is {'.'.join(found)}")
    tools = os.environ.get("TEST_TOOLS")
    folder = (Path(tools).parent if tools else ROOT / ".cache/tools") / "cluster"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _build(go, folder)

    def run(name: str, *words: str | Path, stdin: str | None = None) -> Any:
        return subprocess.run(
            [folder / name, *words],
            input=stdin,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def _build(go: str, folder: Path) -> None:
    stamp = folder / "go.sum"
    wanted = (SOURCES / "go.sum").read_text() + (SOURCES / "main.go").read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    for name, package in COMMANDS.items():
        built = subprocess.run(
            ["nice", go, "build", *BUILD, "-o", folder / name, package],
            cwd=SOURCES,
            env={**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert built.returncode == 0, built.stderr
    stamp.write_text(wanted)


def objects(text: str) -> Objects:
    return [one for one in yaml.safe_load_all(text) if one]


def template(tool: Tool, *words: str | Path) -> subprocess.CompletedProcess[str]:
    place = ("-n", "monitoring", "--kube-version", "1.34.0")
    return tool("helm", "template", "calltools-exporter", CHART, *place, *words)


def rendered(tool: Tool, *words: str | Path) -> str:
    done = template(tool, *words)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def of_kind(found: Objects, kind: str) -> dict[str, Any]:
    (one,) = (one for one in found if one["kind"] == kind)
    return one


def validate(tool: Tool, text: str) -> Objects:
    """Validate against Kubernetes' schemas and the operators' own types; return the objects."""
    found = objects(text)
    for version in ("1.29", "1.34"):
        for one in found:
            group = one["apiVersion"].partition("/")[0]
            if group not in {"monitoring.coreos.com", "external-secrets.io"}:
                kubernetes_validate.validate(one, version, strict=True)
    checked = tool("strict", stdin=text)
    assert checked.returncode == 0, checked.stderr
    names = [
        (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in found
    ]
    assert len(set(names)) == len(names)
    return found


@pytest.mark.parametrize("table", TABLES)
def test_the_chart_passes_helm_lint(tool: Tool, table: str) -> None:
    values = CHART / "ci" / f"{table}-values.yaml"
    linted = tool("helm", "lint", "--strict", CHART, "-f", values)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("table", TABLES)
def test_what_the_chart_renders_is_valid(tool: Tool, table: str) -> None:
    found = validate(tool, rendered(tool, "-f", CHART / "ci" / f"{table}-values.yaml"))
    deployment = of_kind(found, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector.items() <= labels.items()
    assert of_kind(found, "Service")["spec"]["selector"] == selector
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert "runAsUser" not in pod["securityContext"]
    (container,) = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
    rule = of_kind(found, "PrometheusRule")
    assert len(rule["spec"]["groups"]) > 1


def test_a_wrong_object_of_an_operator_would_be_refused(tool: Tool) -> None:
    text = rendered(tool, "-f", CHART / "ci/one-account-values.yaml")
    wrong = text.replace("scrapeTimeout:", "scrapeTimeOut:")
    assert wrong != text
    checked = tool("strict", stdin=wrong)
    assert checked.returncode == 1
    assert "scrapeTimeOut" in checked.stderr


def test_the_exporter_accepts_the_configuration_of_the_chart(tool: Tool, tmp_path: Path) -> None:
    for table in ("one-account", "openshift"):
        found = objects(rendered(tool, "-f", CHART / "ci" / f"{table}-values.yaml"))
        (text,) = (
            one["data"]["exporter.yml"] for one in found if "exporter.yml" in one.get("data", {})
        )
        path = tmp_path / f"{table}.yml"
        path.write_text(text)
        (account,) = config.load(path, {}).configuration.accounts
        assert account.name == "acme"
        assert account.token.describe() == "token_file /run/secrets/calltools/acme"


def test_many_accounts_are_asked_once_by_whichever_replica_answers(tool: Tool) -> None:
    found = objects(rendered(tool, "-f", CHART / "ci/many-accounts-values.yaml"))
    assert of_kind(found, "Deployment")["spec"]["replicas"] == 3
    assert of_kind(found, "PodDisruptionBudget")["spec"]["minAvailable"] == 1
    (endpoint,) = of_kind(found, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["params"] == {"collect[]": ["exporter"]}
    probe = of_kind(found, "ScrapeConfig")["spec"]
    address = "calltools-exporter.monitoring.svc:15457"
    (discovery,) = probe["httpSDConfigs"]
    assert discovery["url"] == f"https://{address}/sd?by=account"
    assert discovery["basicAuth"] == probe["basicAuth"] == endpoint["basicAuth"]
    assert probe["scheme"] == "HTTPS"
    container = of_kind(found, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert "--config.file=/etc/calltools-exporter" in container["args"]
    assert container["livenessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert container["image"].endswith("@sha256:" + "0123456789abcdef" * 4)


def test_the_bases_of_runbooks_and_dashboards_are_set(tool: Tool) -> None:
    text = json.dumps(
        of_kind(
            objects(rendered(tool, "-f", CHART / "ci/one-account-values.yaml")), "PrometheusRule"
        )
    )
    assert "https://wiki.example.com/calltools/runbooks/CallToolsNobodyAvailable.md" in text
    assert "https://grafana.example.com/d/calltools-operations" in text
    assert "grafana.example/" not in text
    assert "calltools-exporter.example" not in text


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "config.accounts is empty"),
        (["--set=existingConfigMap=mine", "--set=replicas=two"], "replicas"),
        (["--set=existingConfigMap=mine", "--set=serviceMonitor.enable=true"], "enable"),
        (["--set=existingConfigMap=mine", "--set=externalSecret.enabled=true"], "secretStoreRef"),
    ],
)
def test_wrong_values_are_refused_with_words(tool: Tool, flags: Sequence[str], words: str) -> None:
    done = template(tool, *flags)
    assert done.returncode != 0
    assert words in done.stderr


@pytest.mark.parametrize("folder", OVERLAYS)
def test_what_kustomize_builds_is_valid(tool: Tool, folder: str) -> None:
    built = tool("kustomize", "build", KUBERNETES / folder)
    assert built.returncode == 0, built.stderr
    found = validate(tool, built.stdout)
    deployment = of_kind(found, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/instance"] == "calltools-exporter"
    user = deployment["spec"]["template"]["spec"]["securityContext"].get("runAsUser")
    assert user == (65532 if folder.endswith("fixed-user") else None)
    if folder.startswith("overlays"):
        assert {one["metadata"]["namespace"] for one in found} == {"monitoring"}
        dashboards = [one for one in found if one["metadata"]["name"].endswith("-dashboard")]
        assert len(dashboards) == len(list((ROOT / "grafana/dashboards").glob("*.json")))


def test_the_workflows_pass_actionlint(tool: Tool) -> None:
    linted = tool("actionlint", "-no-color", "-shellcheck=", "-pyflakes=")
    assert linted.returncode == 0, linted.stdout
