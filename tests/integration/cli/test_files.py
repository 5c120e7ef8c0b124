"""`files` writes what Prometheus, Alertmanager and Grafana need, with links of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from exporter import __version__
from exporter.cli.files import DASHBOARDS, RUNBOOKS
from tests.process_fixtures import ROOT, RunMain

RULES = ROOT / "prometheus/rules"


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_everything_is_written(run_main: RunMain, tmp_path: Path) -> None:
    said = run_main("files", "--output", "calltools")
    assert (said.code, said.err) == (0, "")
    written = contents(tmp_path / "calltools")
    assert written.keys() == {
        "prometheus.yml",
        "alertmanager.yml",
        *(f"rules/{path.name}" for path in RULES.iterdir()),
        *(f"dashboards/{path.name}" for path in (ROOT / "grafana/dashboards").iterdir()),
    }
    assert said.out.count("wrote calltools/") == len(written)
    for name, text in written.items():
        if name.endswith(".json"):
            json.loads(text)
        else:
            assert f"calltools-exporter {__version__}." in text.partition("\n")[0]
            yaml.safe_load(text)
    for path in RULES.iterdir():
        assert yaml.safe_load(written[f"rules/{path.name}"]) == yaml.safe_load(path.read_text())
    # The example's paths lead to what is beside it.
    rules = yaml.safe_load(written["prometheus.yml"])["rule_files"]
    assert rules
    assert all(name in written for name in rules)
    assert "placeholders: run it again with --runbooks and --dashboards" in said.out


def test_links_begin_as_they_are_told_to(run_main: RunMain, tmp_path: Path) -> None:
    wiki, grafana = "https://wiki.example.org/#/runbooks", "https://grafana.example.org/d"
    # The placeholders that are replaced are those of the rules.
    rules = "".join(path.read_text() for path in RULES.iterdir())
    assert RUNBOOKS in rules
    assert DASHBOARDS in rules
    said = run_main("files", "-o", ".", f"--runbooks={wiki}/", f"--dashboards={grafana}")
    assert said.code == 0
    assert "placeholder" not in said.out
    written = contents(tmp_path)
    assert not any(RUNBOOKS in text or DASHBOARDS in text for text in written.values())
    links = [
        rule["annotations"]
        for name, text in written.items()
        if name.startswith("rules/")
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert len(links) > 10
    assert all(link["runbook_url"].startswith(f"{wiki}/CallTools") for link in links)
    shown = [link["dashboard_url"] for link in links if "dashboard_url" in link]
    assert shown
    assert all(link.startswith(f"{grafana}/calltools-") for link in shown)


@pytest.mark.parametrize(
    "url", ["wiki", "https://a b", "https://a'b", "https://a/{{x}}", "ftp://a"]
)
def test_a_link_that_yaml_or_a_browser_would_not_take(url: str, run_main: RunMain) -> None:
    said = run_main("files", "-o", ".", f"--runbooks={url}")
    assert said.code == 2
    assert "--runbooks: found " in said.err


def test_a_file_of_ones_own_is_not_overwritten(run_main: RunMain, tmp_path: Path) -> None:
    assert run_main("files", "-o", ".").code == 0
    assert run_main("files", "-o", ".").code == 0  # the same again
    path = tmp_path / "alertmanager.yml"
    path.write_text("mine")
    (tmp_path / "rules/calltools.alerts.yml").unlink()
    said = run_main("files", "-o", ".")
    assert (said.code, said.out) == (1, "")
    assert "already has alertmanager.yml, with other contents" in said.err
    assert path.read_text() == "mine"
    assert not (tmp_path / "rules/calltools.alerts.yml").exists()
    assert run_main("files", "-o", ".", "--overwrite").code == 0
    assert path.read_text() != "mine"


def test_a_folder_that_cannot_be_written_to(run_main: RunMain, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = run_main("files", "-o", "file")
    assert said.code == 1
    assert "cannot be written" in said.err
