"""What docs/ tells to type is typed, on the simulator; Prometheus reads what is shown of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from exporter.simulator import TOKEN
from prometheus.build import RULES
from tests.e2e.conftest import RunsTool
from tests.e2e.shell import Bash
from tests.process_fixtures import ROOT, StartCommand, WriteConfiguration
from tests.simulator_fixtures import StartSimulator, TlsAuthority


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_getting_started_from_key_to_number(
    start_simulator: StartSimulator, start_command: StartCommand, bash: Bash
) -> None:
    url = start_simulator().url
    demo, ask, stack, install, script, docker, several, serve = blocks("getting-started.md", "sh")
    assert (demo, stack) == ("make demo\n", "make stack\n")
    assert "make demo" in (ROOT / "README.md").read_text()
    # How it is installed is tested with README, which says the same.
    enter = re.findall(r"^mkdir .*$", install, re.MULTILINE)[0]
    assert install.partition(f"{enter}\n")[0] in (ROOT / "README.md").read_text()
    assert enter in (ROOT / "README.md").read_text()

    # So are Docker's lines with the image, which takes root.
    build, *_, container = docker.splitlines()
    assert f"{build}\n{container}\n" in (ROOT / "README.md").read_text()

    # The shell is in the clone, which has an exporter.yml already.
    (bash.folder / "exporter.yml").write_bytes((ROOT / "exporter.yml").read_bytes())
    script = re.sub(r"https://east-2\S+", url, script)
    wrote = bash.run(f"{enter}\n{script}", CALLTOOLS_TOKEN=TOKEN)
    assert "wrote exporter.yml: 2 queues" in wrote
    # As in a script, where nobody is asked for a key: each account names its own, as is said there.
    typed = re.sub(r"https://\S+", url, several)
    typed = re.sub(r"(--account \w+)", r"\1 --token-env 'KEY_{account}'", typed)
    checked = bash.run(f"{enter}\n{typed}", CALLTOOLS_TOKEN="", KEY_ACME=TOKEN, KEY_GLOBEX=TOKEN)
    assert "2 accounts OK" in checked

    assert serve == "calltools-exporter\n"
    file = f"--config.file={bash.folder / 'calltools/exporter.yml'}"
    running = start_command(file, "--web.listen-address=127.0.0.1:0", CALLTOOLS_TOKEN=TOKEN)
    address = running.url.removeprefix("http://")
    answered = bash.run(ask.replace("localhost:15457", address))
    assert 'calltools_queue_up{account="acme",queue="sales"} 1.0' in answered


def test_a_companys_certificates_are_trusted_by_the_environment(
    start_simulator: StartSimulator,
    tls_authority: TlsAuthority,
    write_configuration: WriteConfiguration,
    bash: Bash,
) -> None:
    path = write_configuration(start_simulator(tls=True), tls={})
    (bash.folder / "exporter.yml").write_text(path.read_text())
    (lines,) = (text for text in blocks("configuration.md", "sh") if "SSL_CERT_FILE" in text)
    typed = lines.replace("/etc/ssl/company-ca.pem", str(tls_authority.ca_file))
    assert typed != lines
    assert "1 account OK" in bash.run(typed, CALLTOOLS_TOKEN=TOKEN)


SHOWN = {
    f"{page.name}-{number}": text
    for page in sorted((ROOT / "docs").glob("*.md"))
    for number, text in enumerate(blocks(page.name, "yaml"))
    if re.match("scrape_configs:|relabel_configs:|groups:", text)
}


@pytest.mark.parametrize("text", SHOWN.values(), ids=SHOWN.keys())
def test_prometheus_accepts_what_is_shown(text: str, promtool: RunsTool, tmp_path: Path) -> None:
    content = yaml.safe_load(text)
    kind = "rules" if "groups" in content else "config"
    if "relabel_configs" in content:
        job = {"job_name": "x", "static_configs": [{"targets": ["x"]}], **content}
        text = yaml.safe_dump({"scrape_configs": [job]})
    for name in re.findall(r"(?:ca|cert|key|password)_file: (\S+)", text):
        (tmp_path / name).touch()  # promtool wants them to exist
    path = tmp_path / "prometheus.yml"
    path.write_text(text)
    checked = promtool("check", kind, "--lint-fatal", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_rule_of_ones_own_fires_in_open_hours_only(promtool: RunsTool, tmp_path: Path) -> None:
    (text,) = (text for text in blocks("faq.md", "yaml") if text.startswith("groups:"))
    own = tmp_path / "own.yml"
    own.write_text(text)
    recording = RULES / "calltools.recording.yml"

    def series(name: str, account: str, value: int) -> dict[str, str]:
        labels = f'instance="a", job="calltools", account="{account}", queue="emergency"'
        return {"series": f"calltools_queue_{name}{{{labels}}}", "values": f"{value}x60"}

    test = {
        "interval": "30s",
        "input_series": [
            series(name, account, value)
            for account, open_ in {"acme": 1, "closed": 0}.items()
            for name, value in {"available_agents": 0, "required_agents": 0, "open": open_}.items()
        ],
        "alert_rule_test": [
            {
                "alertname": "EmergencyQueueEmpty",
                "eval_time": "10m",
                "exp_alerts": [
                    {
                        "exp_labels": {
                            "severity": "critical",
                            "job": "calltools",
                            "account": "acme",
                            "queue": "emergency",
                        }
                    }
                ],
            }
        ],
    }
    content = {
        "rule_files": [str(recording), str(own)],
        "evaluation_interval": "15s",
        "group_eval_order": ["calltools-now", "calltools-coverage", "emergency"],
        "tests": [test],
    }
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(content))
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr
