"""Files of the web configuration that change while they are used."""

from __future__ import annotations

from pathlib import Path

from exporter.web.available_users import AvailableUsers
from exporter.web.follow import Followed


def test_a_change_during_the_first_load_is_seen(tmp_path: Path) -> None:
    """It was taken for what had been loaded, and the file was never loaded again."""
    path = tmp_path / "users.yml"
    path.write_text("first")

    def load(path: Path) -> AvailableUsers:
        text = path.read_text()
        path.write_text("the second")
        return AvailableUsers(files=(path, Path(text)))

    followed = Followed("file", path, load, seconds=3600)
    assert Path("first") in followed.current().files
    followed.look()
    assert Path("the second") in followed.current().files
