"""`files`: write the rules, examples and dashboards of this version, for Prometheus and Grafana."""

import re
from collections.abc import Mapping
from pathlib import Path

import exporter
from exporter.cli import exits
from exporter.cli.terminal import write
from exporter.errors import ExporterError

#: The placeholders in the rules for the URLs of runbooks and dashboards.
RUNBOOKS = "https://calltools-exporter.example/docs/runbooks"
DASHBOARDS = "https://grafana.example/d"

_PACKAGE = Path(exporter.__file__).parent
#: What to write, and its place in a checkout; a wheel has it below `exporter/shipped`.
_SOURCES = {
    "rules": "prometheus/rules",
    "prometheus.yml": "prometheus/prometheus.yml",
    "alertmanager.yml": "prometheus/alertmanager.yml",
    "dashboards": "grafana/dashboards",
}


def files(
    folder: Path, *, runbooks: str | None, dashboards: str | None, overwrite: bool = False
) -> int:
    """Write the files into a folder.

    Args:
        folder: created if it does not exist.
        runbooks: the URL below which the runbooks are shown, for the alerts' links.
        dashboards: Grafana's URL and `/d`, for the alerts' links.
        overwrite: replace files with other contents, such as those of another version.

    Raises:
        ExporterError: a file differs, or cannot be written.
    """
    texts = _texts({RUNBOOKS: runbooks, DASHBOARDS: dashboards})
    if not overwrite:
        differing = [name for name, text in texts.items() if _differs(folder / name, text)]
        if differing:
            raise ExporterError(
                f"{folder} already has {', '.join(differing)}, with other contents; nothing was"
                " written. To replace them, add --overwrite"
            )
    for name, text in texts.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ExporterError(f"{path} cannot be written: {error.strerror}") from None
        write(f"wrote {path}")
    missing = {"--runbooks": runbooks, "--dashboards": dashboards}
    placeholders = " and ".join(flag for flag, given in missing.items() if not given)
    if placeholders:
        write(
            f"the links in alerts are placeholders: run it again with {placeholders} and"
            " --overwrite"
        )
    return exits.OK


def _texts(bases: Mapping[str, str | None]) -> dict[str, str]:
    """Return the files by their names, with the given URLs in place of the placeholders."""
    texts = {}
    for name, source in _sources().items():
        text = source.read_text(encoding="utf-8")
        if source.suffix == ".yml":
            for placeholder, base in bases.items():
                text = text.replace(placeholder, (base or placeholder).rstrip("/"))
            text = re.sub(r"\A# Made by .*\n", "", text)
            text = f"# Of calltools-exporter {exporter.__version__}.\n{text}"
        texts[name] = text
    return texts


def _sources() -> dict[str, Path]:
    """Return where the files are: in the package, or in the checkout that it is run from."""
    shipped = _PACKAGE / "shipped"
    found = {}
    for name, in_checkout in _SOURCES.items():
        path = shipped / name if shipped.is_dir() else _PACKAGE.parent / in_checkout
        if path.is_dir():
            found.update({f"{name}/{file.name}": file for file in sorted(path.iterdir())})
        elif path.is_file():
            found[name] = path
        else:
            raise ExporterError(
                f"{path} does not exist: this installation lacks {name}; install the package again"
            )
    return found


def _differs(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") != text
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, UnicodeDecodeError):
        return True
