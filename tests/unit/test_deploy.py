"""What deploy/ has fits the schemas of those who read it, and fits together."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import check_release
import cluster_files
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from exporter import __version__, config
from exporter.cli.run import main

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy/compose"
KUBERNETES = ROOT / "deploy/kubernetes"
OWN_KINDS = {"PrometheusRule", "ScrapeConfig", "ServiceMonitor"}


def read(path: Path) -> Any:
    return yaml.load(path.read_text(), yaml.CSafeLoader)


def manifests() -> dict[str, Any]:
    """Return every object by kind."""
    found = [
        read(path)
        for folder in ("base", "operator")
        for path in sorted((KUBERNETES / folder).glob("*.yaml"))
    ]
    return {one["kind"]: one for one in found if one["kind"] != "Kustomization"}


def refuses_nothing(words: list[str], capsys: pytest.CaptureFixture[str]) -> bool:
    assert main([*words, "--no-such-flag"]) == 2
    return "unknown '--no-such-flag'" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["compose.yml", "compose.own.yml"])
def test_compose_files_fit_the_schema(file: str) -> None:
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema"),
            *("--builtin-schema", "vendor.compose-spec", COMPOSE / file),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_compose_mounts_what_is_there_and_listens_here_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    compose = read(COMPOSE / "compose.yml")
    for name, service in compose["services"].items():
        for mount in service.get("volumes", ()):
            source = mount.partition(":")[0]
            if source.startswith("../../grafana") and not (ROOT / "grafana").exists():
                continue  # dashboards are not part of this checkout
            if source.startswith("."):
                assert (COMPOSE / source).exists(), source
            else:
                assert source in compose["volumes"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        image = service["image"]
        assert name == "exporter" or re.search(r":v?\d+\.\d+\.\d+$", image), image
    assert refuses_nothing(compose["services"]["exporter"]["command"], capsys)
    own = read(COMPOSE / "compose.own.yml")["services"]["exporter"]
    assert refuses_nothing(own["command"], capsys)
    folder = re.findall(r"^WORKDIR (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[-1]
    assert own["volumes"] == [f"./own:{folder}:ro"]


def test_compose_runs_the_example_of_prometheus() -> None:
    example = (ROOT / "prometheus/prometheus.yml").read_text()
    for inside in ("exporter:15457", "alertmanager:9093"):
        example = example.replace(f"localhost:{inside.partition(':')[2]}", inside)
    assert read(COMPOSE / "prometheus.yml") == yaml.safe_load(example)
    names = read(COMPOSE / "compose.yml")["services"]
    assert {"exporter", "alertmanager", "prometheus"} < set(names)
    (source,) = read(COMPOSE / "grafana/datasources.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = read(COMPOSE / "grafana/dashboards.yml")["providers"]
    assert f"dashboards:{provider['options']['path']}:ro" in str(names["grafana"]["volumes"])


@pytest.mark.parametrize("version", ["1.29", "1.34"])
@pytest.mark.parametrize("kind", sorted(set(manifests()) - OWN_KINDS))
def test_manifests_fit_the_schemas_of_kubernetes(kind: str, version: str) -> None:
    kubernetes_validate.validate(manifests()[kind], version, strict=True)


def test_a_wrong_manifest_would_be_refused() -> None:
    wrong = manifests()["Deployment"]
    wrong["spec"]["template"]["spec"]["containers"][0]["readinessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.34", strict=True)


def test_pods_keep_to_the_restricted_standard(capsys: pytest.CaptureFixture[str]) -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    # The image names a user by number, and a cluster may choose another one.
    assert re.search(r"^USER \d+:\d+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert "runAsUser" not in pod["securityContext"]
    context = container["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert pod["automountServiceAccountToken"] is False
    assert all(set(volume) <= {"name", "configMap", "secret"} for volume in pod["volumes"])
    assert refuses_nothing(container["args"], capsys)


def test_the_objects_find_each_other() -> None:
    found = manifests()
    deployment, service = found["Deployment"], found["Service"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] < deployment["spec"]["replicas"]
    assert service["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]
    assert (
        found["ServiceMonitor"]["spec"]["selector"]["matchLabels"] == service["metadata"]["labels"]
    )
    assert (
        found["ServiceMonitor"]["spec"]["endpoints"][0]["port"]
        == service["spec"]["ports"][0]["name"]
    )
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert {volume["name"] for volume in pod["volumes"]} == set(mounts)
    # The configuration is where the image looks for it, and its keys where the Secret is.
    base = KUBERNETES / "base"
    (generated,) = read(base / "kustomization.yaml")["configMapGenerator"]
    assert generated["name"] == pod["volumes"][0]["configMap"]["name"]
    assert f"WORKDIR {mounts['configuration']}\n" in (ROOT / "Dockerfile").read_text()
    for account in config.load(base / generated["files"][0], {}).configuration.accounts:
        assert account.token.describe() == f"token_file {mounts['keys']}/{account.name}"
    for folder in ("base", "operator"):
        for resource in read(KUBERNETES / folder / "kustomization.yaml")["resources"]:
            assert (KUBERNETES / folder / resource).exists()


def test_the_operator_scrapes_what_the_plain_prometheus_scrapes() -> None:
    def camel(key: str) -> str:
        return re.sub("_(.)", lambda match: match[1].upper(), key)

    def relabelings(job: dict[str, Any]) -> list[dict[str, Any]]:
        return [{camel(key): value for key, value in one.items()} for one in job["relabel_configs"]]

    probe, own = read(KUBERNETES / "plain/prometheus.yml")["scrape_configs"]
    scrape = manifests()["ScrapeConfig"]["spec"]
    assert scrape == {
        "metricsPath": probe["metrics_path"],
        "scrapeInterval": probe["scrape_interval"],
        "scrapeTimeout": probe["scrape_timeout"],
        "httpSDConfigs": probe["http_sd_configs"],
        "relabelings": relabelings(probe),
    }
    (endpoint,) = manifests()["ServiceMonitor"]["spec"]["endpoints"]
    assert endpoint["params"] == own["params"]
    # The operator drops finished pods and sets the label `pod` by itself.
    *relabeled, dropped = endpoint["relabelings"]
    assert relabeled == relabelings(own)[2:]
    # It sets these, too, which would make the counters another installation than the queues.
    assert dropped == {"action": "labeldrop", "regex": "namespace|service|container|endpoint"}


def test_rules_and_dashboards_in_deploy_are_those_of_this_version() -> None:
    wanted = cluster_files.texts()
    differing = [name for name, text in wanted.items() if (ROOT / name).read_text() != text]
    assert differing == [], "run `make cluster`"


def test_nothing_else_is_where_they_are_copied() -> None:
    files = (ROOT / "deploy/helm/calltools-exporter/files").rglob("*.*")
    assert {str(path.relative_to(ROOT)) for path in files} <= set(cluster_files.texts())


def test_the_release_is_named_alike_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    found = check_release.versions(ROOT)
    changelog = found.pop("CHANGELOG.md, first section")
    assert set(found.values()) == {__version__}
    assert changelog in {__version__, "Unreleased"}
    assert check_release.main("v9.9.9") == 1
    assert "expected 9.9.9 as in the tag v9.9.9" in capsys.readouterr().out


def test_the_values_of_the_chart_fit_their_schema() -> None:
    chart = ROOT / "deploy/helm/calltools-exporter"
    values = [str(chart / "values.yaml"), *map(str, sorted((chart / "ci").glob("*-values.yaml")))]
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema"),
            *("--schemafile", str(chart / "values.schema.json"), *values),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    schema = json.loads((chart / "values.schema.json").read_text())
    documented = read(chart / "values.yaml")
    assert set(schema["properties"]) == {*documented, "global"}
    for name, part in schema["properties"].items():
        if part.get("additionalProperties") is False and name != "config":
            assert set(part["properties"]) == set(documented[name]), name
