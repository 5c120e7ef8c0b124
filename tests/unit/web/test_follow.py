"""Files of the web configuration that change while they are used."""

from __future__ import annotations

import shutil
from pathlib import Path

from exporter.files import read_file
from exporter.web.config import WebConfig, load_web_config
from exporter.web.follow import Followed


def test_a_change_during_the_first_load_is_seen(tmp_path: Path) -> None:
    """It was taken for what had been loaded, and the file was never loaded again."""
    path = tmp_path / "web.yml"
    path.write_text("first")

    def load(path: Path) -> WebConfig:
        text = read_file(path).decode()
        path.write_text("the second")
        return WebConfig(without_effect=(text,))

    followed = Followed("file", path, load)
    assert followed.current().without_effect == ("first",)
    followed.look()
    assert followed.current().without_effect == ("the second",)


def test_certificates_that_come_after_the_file_that_names_them_are_loaded(
    certificates: Path, tmp_path: Path
) -> None:
    """Only the files of the last content without mistakes were followed."""
    server, path = certificates / "server.pem", tmp_path / "web.yml"
    path.write_text(f"tls_server_config: {{cert_file: {server}, key_file: {server}}}\n")
    followed = Followed("file", path, load_web_config)
    path.write_text("tls_server_config: {cert_file: new.pem, key_file: new.pem}\n")
    followed.look()
    before = followed.current()
    shutil.copy(server, tmp_path / "new.pem")
    followed.look()
    assert followed.current() is not before
