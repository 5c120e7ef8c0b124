"""What deploy/ has for a cluster, rendered by Helm's and kustomize's own packages, and validated.

`cluster_tools` is compiled with the versions of Helm, kustomize and actionlint that its go.sum
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
from jsonschema import ValidationError  # type: ignore[import-untyped]

from exporter import config
from tests.e2e import crds
from tests.process_fixtures import ROOT

CHART = ROOT / "deploy/helm/calltools-exporter"
KUBERNETES = ROOT / "deploy/kubernetes"
SOURCES = Path(__file__).parent / "cluster_tools"
#: Compiling is what takes time: nothing is optimized, nor described for debuggers, and the
#: compiler clears its memory seldom.
BUILD = ("-gcflags=all=-N -l -dwarf=false", "-ldflags=-s -w")
ENVIRON = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOGC": "400", "GOMAXPROCS": ""}
TABLES = ["one-account", "many-accounts", "openshift"]
OVERLAYS = ["overlays/example", "overlays/fixed-user", "overlays/tls", "base", "operator"]

Tool: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]
Objects: TypeAlias = "list[dict[str, Any]]"


class StrictLoader(yaml.CSafeLoader):
    """Read YAML as the API server does, which refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(set(keys)) == len(keys), f"a key twice among {keys}: {node.start_mark}"
        return super().construct_mapping(node, deep)


@pytest.fixture(scope="session")
def go() -> str:
    """Return the path of a Go that can compile the tools."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is missing: Helm and kustomize are compiled from their Go modules")
    wanted = re.findall(r"^go (\d+)\.(\d+)", (SOURCES / "go.mod").read_text(), re.MULTILINE)[0]
    found = re.findall(r"go(\d+)\.(\d+)", subprocess.check_output([go, "version"], text=True))[0]
    if tuple(map(int, found)) < tuple(map(int, wanted)):
        pytest.skip(f"Go {'.'.join(wanted)} or newer is needed, this is {'.'.join(found)}")
    return go


@pytest.fixture(scope="session")
def tool(go: str) -> Tool:
    """Return a function that runs a command of `cluster_tools`."""
    tools = os.environ.get("TEST_TOOLS")
    folder = (Path(tools).parent if tools else ROOT / ".cache/tools") / "cluster"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _build(go, folder)

    def run(*words: str | Path) -> Any:
        return subprocess.run(
            [folder / "cluster_tools", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def _build(go: str, folder: Path) -> None:
    stamp = folder / "stamp"
    wanted = (SOURCES / "go.sum").read_text() + (SOURCES / "main.go").read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    built = subprocess.run(
        ["nice", go, "build", *BUILD, "-o", folder / "cluster_tools", "."],
        cwd=SOURCES,
        env={**os.environ, **ENVIRON},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    stamp.write_text(wanted)


def objects(text: str) -> Objects:
    return [thing for thing in yaml.load_all(text, StrictLoader) if thing]


def template(tool: Tool, *words: str | Path) -> subprocess.CompletedProcess[str]:
    place = ("-namespace", "monitoring", "-kube-version", "1.34.0")
    return tool("template", "-name", "calltools-exporter", *place, *words, CHART)


def rendered(tool: Tool, *words: str | Path) -> str:
    done = template(tool, *words)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def of_kind(found: Objects, kind: str) -> dict[str, Any]:
    (one,) = (one for one in found if one["kind"] == kind)
    return one


def validate(go: str, text: str) -> Objects:
    """Validate against Kubernetes' schemas and the operators' definitions; return the objects."""
    found = objects(text)
    for thing in found:
        if crds.group_of(thing) in crds.MODULES:
            crds.validate(thing, go, SOURCES)
        else:
            for version in ("1.29", "1.34"):
                kubernetes_validate.validate(thing, version, strict=True)
    names = [
        (thing["kind"], thing["metadata"].get("namespace"), thing["metadata"]["name"])
        for thing in found
    ]
    assert len(set(names)) == len(names)
    return found


@pytest.mark.parametrize("table", TABLES)
def test_the_chart_passes_helm_lint(tool: Tool, table: str) -> None:
    values = CHART / "ci" / f"{table}-values.yaml"
    linted = tool("lint", "-f", values, CHART)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("table", TABLES)
def test_what_the_chart_renders_is_valid(tool: Tool, go: str, table: str) -> None:
    found = validate(go, rendered(tool, "-f", CHART / "ci" / f"{table}-values.yaml"))
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


def test_the_values_that_the_readme_begins_with_are_enough(
    tool: Tool, go: str, tmp_path: Path
) -> None:
    (values,) = re.findall(r"```yaml\n(.*?)```", (CHART / "README.md").read_text(), re.DOTALL)
    path = tmp_path / "values.yaml"
    path.write_text(values)
    found = validate(go, rendered(tool, "-f", path))
    of_kind(found, "ServiceMonitor")
    of_kind(found, "PrometheusRule")
    own = tmp_path / "exporter.yml"
    own.write_text(next(one["data"]["exporter.yml"] for one in found if one["kind"] == "ConfigMap"))
    assert config.load(own, {}).configuration.accounts[0].every_queue is not None


def test_the_longest_name_is_cut_to_no_name_of_another_object(tool: Tool, go: str) -> None:
    """Each dashboard had the name of the configuration."""
    name = f"-set=fullnameOverride={'a' * 63}"
    validate(go, rendered(tool, name, "-f", CHART / "ci/one-account-values.yaml"))


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("scrapeTimeout:", "scrapeTimeOut:", "'scrapeTimeOut' was unexpected"),
        ("interval: 30s", "interval: 30", "30 is not of type 'string'"),
        ("interval: 30s", "interval: soon", "'soon' does not match"),
        ("interval: 30s", "interval: 30s\n      interval: 30s", "a key twice"),
        ("release: prometheus", "release: 1", "1 is not of type 'string'"),
        ("kind: ServiceMonitor", "kind: ServiceWatcher", "defines no ServiceWatcher"),
        ("monitoring.coreos.com/v1\nkind: S", "monitoring.coreos.com/v9\nkind: S", "no v9 of"),
    ],
)
def test_a_wrong_object_of_an_operator_would_be_refused(
    tool: Tool, go: str, right: str, wrong: str, named: str
) -> None:
    text = rendered(tool, "-f", CHART / "ci/one-account-values.yaml")
    assert right in text
    with pytest.raises((ValidationError, AssertionError), match=named):
        validate(go, text.replace(right, wrong))


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
    dropped = {"action": "labeldrop", "regex": "namespace|service|container|endpoint"}
    assert endpoint["relabelings"][1:] == [dropped]  # the targets of /probe do not have these
    probe = of_kind(found, "ScrapeConfig")["spec"]
    address = "calltools-exporter.monitoring.svc:15457"
    (discovery,) = probe["httpSDConfigs"]
    assert discovery["url"] == f"https://{address}/sd?by=account"
    assert discovery["basicAuth"] == probe["basicAuth"] == endpoint["basicAuth"]
    assert probe["scheme"] == "HTTPS"
    container = of_kind(found, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    # In a variable, which `kubectl exec ... calltools-exporter check --online` has as well.
    file = {"name": "CALLTOOLS_EXPORTER_CONFIG_FILE", "value": "/etc/calltools-exporter/"}
    assert file in container["env"]
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
        (["-set=existingConfigMap=mine", "-set=replicas=two"], "replicas"),
        (["-set=existingConfigMap=mine", "-set=serviceMonitor.enable=true"], "enable"),
        (["-set=existingConfigMap=mine", "-set=externalSecret.enabled=true"], "secretStoreRef"),
        (["-set=existingConfigMap=mine", "-set=web.scheme=HTTPS"], "web.existingSecret"),
    ],
)
def test_wrong_values_are_refused_with_words(tool: Tool, flags: Sequence[str], words: str) -> None:
    done = template(tool, *flags)
    assert done.returncode != 0
    assert words in done.stderr


def test_names_are_resolved_on_openshift_as_well(tool: Tool) -> None:
    """There a policy sees the port of the DNS pods, 5353: no host of an account had an address."""
    built = tool("build", KUBERNETES / "base")
    for text in (rendered(tool, "-f", CHART / "ci/openshift-values.yaml"), built.stdout):
        dns, _ = of_kind(objects(text), "NetworkPolicy")["spec"]["egress"]
        ports = {(one["port"], one["protocol"]) for one in dns["ports"]}
        assert ports == {(port, protocol) for port in (53, 5353) for protocol in ("UDP", "TCP")}


def test_another_namespace_needs_no_change_of_the_base(tool: Tool, tmp_path: Path) -> None:
    """The targets stayed in `monitoring`: no queue was scraped, and no alert said so."""
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    overlay = tmp_path / "kubernetes/overlays/example"
    own = (overlay / "kustomization.yaml").read_text()
    own = own.replace("namespace: monitoring", "namespace: telephony")
    own = own.replace("  - ../../base ", "  - ../../operator ")
    (overlay / "kustomization.yaml").write_text(own)
    built = tool("build", overlay)
    assert built.returncode == 0, built.stderr
    found = objects(built.stdout)
    assert {one["metadata"]["namespace"] for one in found} == {"telephony"}
    spec = of_kind(found, "ScrapeConfig")["spec"]
    address = "calltools-exporter.telephony.svc:15457"
    assert spec["httpSDConfigs"] == [{"url": f"http://{address}/sd?by=account"}]
    assert [one.get("replacement") for one in spec["relabelings"]] == [None, address, "calltools"]


@pytest.mark.parametrize("folder", OVERLAYS)
def test_what_kustomize_builds_is_valid(tool: Tool, go: str, folder: str) -> None:
    built = tool("build", KUBERNETES / folder)
    assert built.returncode == 0, built.stderr
    found = validate(go, built.stdout)
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
    linted = tool("workflows")
    assert linted.returncode == 0, linted.stdout
