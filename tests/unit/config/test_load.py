"""What a right configuration becomes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeAlias

import jsonschema  # type: ignore[import-untyped]
import pytest
import trustme
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import find_file, load, schema, unreadable_files
from exporter.errors import ConfigurationError
from exporter.schedule import Schedule, Span
from exporter.settings import (
    AUTO,
    Account,
    Configuration,
    Queue,
    QueueException,
    TokenEnvironment,
    TokenFile,
)

ROOT = Path(__file__).parents[3]

LoadText: TypeAlias = "Callable[..., tuple[Account, ...]]"
LoadAccount: TypeAlias = "Callable[..., Account]"


def test_the_example_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLTOOLS_TOKEN", "key")

    loaded = load(ROOT / "exporter.yml", {})

    office = Schedule(
        "America/New_York",
        (*[(Span(540, 1080),)] * 5, (Span(540, 720), Span(780, 900)), ()),
        (
            (date(2026, 11, 26), date(2026, 11, 26)),
            (date(2026, 12, 24), date(2027, 1, 1)),
        ),
    )
    assert unreadable_files(loaded) == ()
    assert loaded.schedules == {"office": office}
    assert loaded.files == (ROOT / "exporter.yml",)
    assert loaded.configuration == Configuration(
        (
            Account(
                name="acme",
                url="https://east-2.calltools.io",
                token=TokenEnvironment("CALLTOOLS_TOKEN"),
                queues=(
                    Queue(5457, "inbound", (20561,), 2, "sales", office),
                    Queue(5460, "5460", (20561,), 1, "sales", office),
                ),
            ),
        )
    )


def test_accounts_on_one_host_share_the_largest_limit(load_text: LoadText) -> None:
    accounts = load_text("""
        defaults: {url: https://east-2.calltools.io, token_file: key, queues: [1]}
        accounts:
          - {name: a, max_parallel_requests: 4}
          - {name: b, url: https://EAST-2.calltools.io/, max_parallel_requests: 30}
          - {name: c, url: https://west-4.calltools.io, max_parallel_requests: 2}
    """)
    assert [account.max_parallel_requests for account in accounts] == [30, 30, 2]


def test_an_account_beats_the_defaults(load_text: LoadText) -> None:
    east, west = load_text("""
        defaults:
          url: https://east-2.calltools.io
          token_file: keys/{account}
          available_status: [1, 2]
          team: north
          timeout: 1m30s
          queues: [1]
        accounts:
          - name: east
          - name: west
            url: https://west-4.calltools.io/
            token_env: KEY
            timeout: 500ms
            max_parallel_requests: 4
            max_age: 30s
            queues:
              - {id: 7, name: sales, team: south, available_status: 9, required_agents: 0}
              - 8
    """)

    assert isinstance(east.token, TokenFile)
    assert east.token.path.parts[-2:] == ("keys", "east")
    assert (east.url, east.timeout) == ("https://east-2.calltools.io", 90)
    assert east.queues == (Queue(1, "1", (1, 2), 1, "north"),)
    assert west.token == TokenEnvironment("KEY")
    assert (west.url, west.timeout) == ("https://west-4.calltools.io", 0.5)
    assert (west.max_parallel_requests, west.max_age) == (4, 30)
    assert (east.max_parallel_requests, east.max_age) == (16, 0)
    assert west.queues == (Queue(7, "sales", (9,), 0, "south"), Queue(8, "8", (1, 2), 1, "north"))


def test_what_an_account_says_is_for_its_queues_unless_they_say_it_themselves(
    load_text: LoadText,
) -> None:
    one, two = load_text("""
        defaults: {required_agents: 3, url: https://east-2.calltools.io, token_env: KEY}
        accounts:
          - {name: one, queues: [1, {id: 2, required_agents: 0}]}
          - {name: two, queues: all, required_agents: 5, team: north}
    """)

    assert one.queues == (Queue(1, "1", (AUTO,), 3), Queue(2, "2", (AUTO,), 0))
    assert two.every_queue == Queue(0, "", (AUTO,), 5, "north")
    assert (two.queues, two.exceptions) == ((), ())


def test_all_queues_with_exceptions(load_text: LoadText) -> None:
    (account,) = load_text("""
        accounts:
          - name: acme
            url: https://east-2.calltools.io
            token_env: KEY
            required_agents: 2
            team: north
            queues:
              - {id: 5457, required_agents: 3}
              - all
              - {id: 5460, name: emergency, schedule: night, available_status: [7, Ready]}
              - {name: sales, team: south}
              - {id: 5466, ignore: true}
              - {name: test, ignore: true}
        schedules:
          night: {timezone: UTC, open: {mon-sun: "22:00-06:00"}}
    """)
    night = Schedule("UTC", ((Span(1320, 1800),),) * 7)

    assert account.queues == ()
    assert account.every_queue == Queue(0, "", (AUTO,), 2, "north")
    assert account.exceptions == (
        QueueException(5457, None, Queue(5457, "", (AUTO,), 3, "north")),
        QueueException(
            5460, "emergency", Queue(5460, "emergency", (7, "Ready"), 2, "north", night)
        ),
        QueueException(None, "sales", Queue(0, "sales", (AUTO,), 2, "south")),
        QueueException(5466, None, None),
        QueueException(None, "test", None),
    )


def test_a_variable_for_each_account_is_in_capitals(load_account: LoadAccount) -> None:
    account = load_account(name="acme east-2", token_env="CALLTOOLS_TOKEN_{account}")

    assert account.token == TokenEnvironment("CALLTOOLS_TOKEN_ACME_EAST_2")


def test_paths_are_relative_to_the_file(load_account: LoadAccount, tmp_path: Path) -> None:
    account = load_account(
        token_env=None,
        token_file="keys/acme",
        tls="{ca_file: ca.pem, cert_file: /c.pem, key_file: k.pem, insecure_skip_verify: true}",
    )

    assert account.token == TokenFile(tmp_path / "keys" / "acme")
    assert account.tls.ca_file == tmp_path / "ca.pem"
    assert account.tls.cert_file == Path("/c.pem")
    assert account.tls.key_file == tmp_path / "k.pem"
    assert account.tls.insecure_skip_verify


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://East-2.CallTools.io/", "https://east-2.calltools.io"),
        ("https://east-2.calltools.io.:443", "https://east-2.calltools.io"),
        ("https://app.calltools.io", "https://app.calltools.io"),
        ("https://10.0.0.5:8443", "https://10.0.0.5:8443"),
        ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.2:80", "http://127.0.0.2"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_url_becomes_an_origin(load_account: LoadAccount, written: str, origin: str) -> None:
    assert load_account(url=f'"{written}"').url == origin


def test_plain_http_needs_permission(load_account: LoadAccount) -> None:
    with pytest.raises(ConfigurationError, match="allow_http"):
        load_account(url="http://silo.example")
    assert load_account(url="http://silo.example", allow_http="true").url == "http://silo.example"


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "proxy:3128", "HTTPS_PROXY": "http://other"}, "http://proxy:3128"),
        ({"http_proxy": "http://proxy:3128"}, None),
        ({"ALL_PROXY": "https://me:pass@proxy"}, "https://me:pass@proxy"),
        ({"https_proxy": "http://proxy", "no_proxy": "example.org,.calltools.io"}, None),
        ({"https_proxy": "http://proxy", "NO_PROXY": "*"}, None),
        ({"https_proxy": "http://proxy", "NO_PROXY": "west-1.calltools.io"}, "http://proxy"),
    ],
)
def test_the_usual_variables_name_the_proxy(
    load_account: LoadAccount, environ: dict[str, str], proxy: str | None
) -> None:
    assert load_account(environ).proxy == proxy
    assert load_account(environ, proxy_url="http://own:1/").proxy == "http://own:1"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1"])
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_this_machine_is_never_reached_by_a_proxy_of_the_environment(
    load_account: LoadAccount, url: str, variable: str
) -> None:
    """The key would leave the machine in the clear."""
    assert load_account({variable: "http://proxy:3128"}, url=url).proxy is None


def test_a_plain_url_by_a_proxy_needs_a_word_of_its_own(load_account: LoadAccount) -> None:
    keys = {"url": "http://127.0.0.1:8080", "proxy_url": "http://proxy:3128"}
    assert load_account({}, **keys, allow_http=True).proxy == "http://proxy:3128"
    with pytest.raises(ConfigurationError) as raised:
        load_account({}, **keys)
    assert [mistake.path for mistake in raised.value.mistakes] == ["accounts[0].proxy_url"]
    assert "gets the API key unencrypted" in str(raised.value)


@pytest.mark.parametrize("user", ["me:%ZZ", "me:%", "m%FFe", "me:a%0Ab", "%00"])
@pytest.mark.parametrize("place", ["file", "environment"])
def test_credentials_that_cannot_be_sent_to_a_proxy_are_a_mistake(
    load_account: LoadAccount, user: str, place: str
) -> None:
    proxy = f"http://{user}@proxy:3128"
    environ, keys = ({}, {"proxy_url": proxy}) if place == "file" else ({"https_proxy": proxy}, {})
    with pytest.raises(ConfigurationError, match="that cannot be sent; expected UTF-8"):
        load_account(environ, **keys)


def test_bytes_of_the_environment_that_are_no_text_are_a_mistake_in_words(
    load_account: LoadAccount,
) -> None:
    with pytest.raises(ConfigurationError, match="a user that cannot be sent; expected UTF-8"):
        load_account({"https_proxy": "http://m\udce4@proxy:3128"})


@pytest.mark.parametrize("user", ["me", "me:", "m%C3%A4:%E2%82%AC", "a%3Ab:c%40d"])
def test_credentials_for_a_proxy_are_taken_as_they_are(
    load_account: LoadAccount, user: str
) -> None:
    assert load_account({"https_proxy": f"http://{user}@proxy"}).proxy == f"http://{user}@proxy"


def test_a_wrong_proxy_of_the_environment_is_told_without_its_password(
    load_account: LoadAccount,
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_account({"https_proxy": "socks5://me:hunter2@proxy"})

    assert str(caught.value) == (
        "environment: https_proxy: found no http:// or https:// in front; "
        "expected the URL of an HTTP proxy, such as http://proxy:3128"
    )


def test_words_are_those_of_yaml_1_2(load_account: LoadAccount) -> None:
    account = load_account(
        name="no", team="9:30", available_status="012", queues="[0x10, {id: 0o17, name: 1_0}]"
    )

    assert account.name == "no"
    assert [queue.id for queue in account.queues] == [16, 15]
    assert account.queues[1].name == "1_0"
    assert account.queues[0] == Queue(16, "16", (12,), 1, "9:30")


def test_anchors_and_merge_keys_are_followed(load_text: LoadText) -> None:
    one, two = load_text(
        """
        accounts:
          - &usual
            name: one
            url: &url https://east-2.calltools.io
            token_env: KEY
            available_status: !!str "1"
            queues: &queues [1, 2]
          - name: two
            <<: [*usual]
            url: *url
            queues: *queues
    """.replace('!!str "1"', "1")
    )

    assert (one.name, two.name) == ("one", "two")
    assert one.queues == two.queues
    assert two.token == TokenEnvironment("KEY")


def test_the_environment_alone_is_enough_for_one_account() -> None:
    environ = {
        "CALLTOOLS_URL": "https://east-2.calltools.io/",
        "CALLTOOLS_TOKEN": "key",
        "CALLTOOLS_AVAILABLE_STATUS": "20561, 20562",
        "CALLTOOLS_QUEUES": "5457,5460",
    }

    (account,) = load(None, environ).configuration.accounts

    assert account.name == "east-2"
    assert account.url == "https://east-2.calltools.io"
    assert account.token == TokenEnvironment("CALLTOOLS_TOKEN")
    assert account.queues == (
        Queue(5457, "5457", (20561, 20562)),
        Queue(5460, "5460", (20561, 20562)),
    )


@pytest.mark.parametrize(
    ("url", "name"),
    [("http://127.0.0.1:8080", "127.0.0.1"), ("https://[2001:db8::1]", "2001:db8::1")],
)
def test_an_address_is_a_name_as_a_whole(url: str, name: str) -> None:
    environ = {
        "CALLTOOLS_URL": url,
        "CALLTOOLS_TOKEN": "key",
        "CALLTOOLS_AVAILABLE_STATUS": "1",
        "CALLTOOLS_QUEUES": "1",
    }

    assert load(None, environ).configuration.accounts[0].name == name


def test_the_environment_s_mistakes_come_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(None, {"CALLTOOLS_URL": "https://app.calltools.com", "CALLTOOLS_QUEUES": "5457,sales"})

    assert str(caught.value).splitlines() == [
        (
            "environment: CALLTOOLS_QUEUES: found 'sales', "
            "expected the ids of the queues to ask for, such as 5457,5460, or all"
        ),
        (
            "environment: CALLTOOLS_TOKEN: is not set, "
            "expected the API key, from Integrations > API Keys in CallTools"
        ),
        (
            "environment: CALLTOOLS_URL: found app.calltools.com, which has no accounts; "
            "expected the host you log in to, under calltools.io, such as https://east-2.calltools.io"
        ),
    ]


@pytest.mark.parametrize(
    ("queues", "found"),
    [(",", ["','"]), ("0,x,5", ["'x'", "the number 0"]), ("5,all", ["'all'"])],
)
def test_whatever_is_no_id_in_the_environment_is_a_mistake(queues: str, found: list[str]) -> None:
    environ = {"URL": "https://east-2.calltools.io", "TOKEN": "key", "QUEUES": queues}

    with pytest.raises(ConfigurationError) as caught:
        load(None, {f"CALLTOOLS_{name}": value for name, value in environ.items()})

    assert [line.partition(", expected")[0] for line in str(caught.value).splitlines()] == [
        f"environment: CALLTOOLS_QUEUES: found {words}" for words in found
    ]


@pytest.mark.parametrize(
    ("given", "account"),
    [
        ({"QUEUES": "all"}, {"every_queue": Queue(0, "", (AUTO,)), "queues": ()}),
        ({"AVAILABLE_STATUS": "Available"}, {"queues": (Queue(5457, "5457", ("Available",)),)}),
        (
            {"AVAILABLE_STATUS": "20561, Ready to help ,"},
            {"queues": (Queue(5457, "5457", (20561, "Ready to help")),)},
        ),
        ({}, {"queues": (Queue(5457, "5457", (AUTO,)),)}),
        ({"ACCOUNT": "Acme Inc."}, {"name": "Acme Inc."}),
    ],
    ids=["all queues", "a status by name", "statuses", "no status", "a name"],
)
def test_what_else_the_environment_may_say(
    given: dict[str, str], account: dict[str, object]
) -> None:
    environ = {"URL": "https://east-2.calltools.io", "TOKEN": "key", "QUEUES": "5457"} | given

    (found,) = load(
        None, {f"CALLTOOLS_{name}": value for name, value in environ.items()}
    ).configuration.accounts

    assert {key: getattr(found, key) for key in account} == account


@pytest.mark.parametrize("quote", ['"', "'"])
def test_quotes_that_an_env_file_keeps_are_reported(quote: str) -> None:
    environ = {"URL": "https://east-2.calltools.io", "TOKEN": "key", "QUEUES": "5457,5460"}

    with pytest.raises(ConfigurationError) as caught:
        load(
            None, {f"CALLTOOLS_{name}": f"{quote}{value}{quote}" for name, value in environ.items()}
        )

    assert str(caught.value).splitlines() == [
        f"environment: CALLTOOLS_{name}: found quotes around the value; expected it without, as no"
        " shell removes them"
        for name in ("QUEUES", "URL")
    ]


def test_a_wrong_name_in_the_environment_is_a_mistake() -> None:
    environ = {
        "CALLTOOLS_URL": "https://east-2.calltools.io",
        "CALLTOOLS_TOKEN": "key",
        "CALLTOOLS_QUEUES": "all",
        "CALLTOOLS_ACCOUNT": "acme/east",
    }

    with pytest.raises(ConfigurationError, match="environment: CALLTOOLS_ACCOUNT: found 'acme/eas"):
        load(None, environ)


def test_a_folder_that_cannot_be_looked_into_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path, **__: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setattr(os, "lstat", refuse)

    assert find_file(None) is None
    with pytest.raises(ConfigurationError, match=r"exporter\.yml: cannot be read: Permission den"):
        load(None, {})


def test_nothing_at_all_names_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        load(None, {})

    assert str(caught.value) == (
        "exporter.yml: does not exist; write it with 'calltools-exporter init', or set "
        "CALLTOOLS_URL, CALLTOOLS_TOKEN, CALLTOOLS_QUEUES; to try it without an"
        " account: 'calltools-exporter demo'"
    )


def test_a_given_file_must_exist_and_the_default_one_need_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = Path("given.yml")

    assert find_file(None) is None
    assert find_file(given) == given
    with pytest.raises(ConfigurationError, match=r"given\.yml: cannot be read: No such file"):
        load(given, {"CALLTOOLS_URL": "https://east-2.calltools.io"})
    Path("exporter.yml").touch()
    assert find_file(None) == Path("exporter.yml")


def test_missing_keys_and_certificates_are_mistakes_for_check_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.pem").write_text("no certificate", encoding="utf-8")
    Path("exporter.yml").write_text(
        "accounts:\n"
        "  - name: acme\n"
        "    url: https://east-2.calltools.io\n"
        "    token_file: keys/acme\n"
        "    available_status: 1\n"
        "    tls: {ca_file: missing.pem, cert_file: text.pem, key_file: text.pem}\n"
        "    queues: [1]\n"
        "  - name: other\n"
        "    url: https://east-2.calltools.io\n"
        "    token_env: CALLTOOLS_TEST_IS_NOT_SET\n"
        "    available_status: 1\n"
        "    tls: {ca_file: text.pem, cert_file: missing.pem, key_file: missing.key}\n"
        "    queues: [1]\n",
        encoding="utf-8",
    )

    loaded = load(Path("exporter.yml"), {})

    assert [str(mistake) for mistake in unreadable_files(loaded)] == [
        (
            "exporter.yml:4:17: accounts[0].token_file: "
            "token_file keys/acme cannot be read: No such file or directory"
        ),
        (
            "exporter.yml:6:20: accounts[0].tls.ca_file: "
            "missing.pem cannot be read: No such file or directory"
        ),
        (
            "exporter.yml:6:44: accounts[0].tls.cert_file: text.pem is not usable; expected a PEM"
            " certificate and, in key_file, its key without a passphrase"
        ),
        (
            "exporter.yml:10:16: accounts[1].token_env: "
            "token_env CALLTOOLS_TEST_IS_NOT_SET is empty; expected the API key"
        ),
        (
            "exporter.yml:12:20: accounts[1].tls.ca_file: "
            "text.pem has no PEM certificate; expected at least one"
        ),
        (
            "exporter.yml:12:41: accounts[1].tls.cert_file: "
            "missing.pem cannot be read: No such file or directory"
        ),
        (
            "exporter.yml:12:64: accounts[1].tls.key_file: "
            "missing.key cannot be read: No such file or directory"
        ),
    ]


def test_right_keys_and_certificates_are_no_mistake(
    load_account: LoadAccount, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    leaf = authority.issue_cert("localhost")
    leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    (tmp_path / "key").write_text("Token abc\n", encoding="utf-8")
    load_account(
        token_env=None,
        token_file="key",
        tls="{ca_file: ca.pem, cert_file: both.pem, key_file: both.pem}",
    )

    assert unreadable_files(load(tmp_path / "exporter.yml", {})) == ()


def _load(path: Path) -> None:
    """Load a file; anything but a configuration or its mistakes is an error of ours."""
    with contextlib.suppress(ConfigurationError):
        load(path, {})


@given(st.one_of(st.text(), st.text("{}[]:-&*!|>'\"#%@?, \n\tab<~"), st.binary().map(repr)))
def test_any_text_is_a_configuration_or_its_mistakes(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    _load(path)


KEYS = st.sampled_from(
    [
        *sorted(
            {*schema.File.model_fields, *schema.Account.model_fields, *schema.Queue.model_fields}
        ),
        "ca_file",
        "cert_file",
        "key_file",
        "token",
        "timezone",
        "open",
        "closed",
        "mon-fri",
        "sun",
        "other",
    ]
)
SCALARS = st.one_of(
    st.sampled_from(
        [
            "acme",
            "https://east-2.calltools.io",
            "http://a.b/c",
            "10s",
            "{account}",
            "all",
            "count",
            "09:00-18:00",
            "office",
            "2026-12-24",
        ]
    ),
    st.integers(),
    st.booleans(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([1, 5457, 5460]),
)
VALUES = st.recursive(
    SCALARS,
    lambda values: st.one_of(
        st.lists(values, max_size=4), st.dictionaries(KEYS, values, max_size=6)
    ),
    max_leaves=12,
)
ACCOUNT = st.fixed_dictionaries(
    {"name": st.one_of(st.sampled_from(["acme", "other"]), VALUES)},
    optional={
        key: st.one_of(right, VALUES)
        for key, right in {
            "url": st.just("https://east-2.calltools.io"),
            "token_env": st.just("KEY"),
            "available_status": st.just(1),
            "queues": st.lists(
                st.one_of(
                    st.integers(0, 3),
                    st.fixed_dictionaries(
                        {"id": VALUES}, optional={"name": VALUES, "available_status": VALUES}
                    ),
                ),
                max_size=3,
            ),
            "tls": st.dictionaries(KEYS, VALUES, max_size=3),
            "timeout": st.just("5s"),
            "schedule": st.sampled_from(["office", "night"]),
            "proxy_url": st.just("http://proxy"),
        }.items()
    },
)
HOURS = st.sampled_from(["09:00-18:00", "17:00-6:00", "22:00-24:00", "nine to five"])
SCHEDULE = st.fixed_dictionaries(
    {
        "timezone": st.sampled_from(["UTC", "Europe/Berlin", "Berlin", "", ".."]),
        "open": st.dictionaries(
            st.sampled_from(["mon-fri", "fri-mon", "sat", "sun", "day"]),
            st.one_of(HOURS, st.lists(HOURS, max_size=3), VALUES),
        ),
    },
    optional={"closed": st.lists(st.sampled_from(["2026-12-24", "2026-12-24..2026-13-01"]))},
)
FILES = st.one_of(
    VALUES,
    st.fixed_dictionaries(
        {"accounts": st.lists(ACCOUNT, max_size=4)},
        optional={
            "defaults": st.one_of(ACCOUNT, VALUES),
            "schedules": st.dictionaries(
                st.sampled_from(["office", "night"]), st.one_of(SCHEDULE, VALUES), max_size=2
            ),
        },
    ),
)


@given(FILES)
def test_any_structure_is_a_configuration_or_its_mistakes(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "structure.yml"
    path.write_text(yaml.safe_dump(value, allow_unicode=True, sort_keys=False), encoding="utf-8")

    _load(path)


#: Text that is nearly always a name.
WORDS = st.one_of(
    st.sampled_from(["acme", "sales north", "no", "é"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85"), min_size=1),
)
IDS = st.integers(1, 2**63 - 1)
RIGHT = st.fixed_dictionaries(
    {
        "name": WORDS,
        "url": st.sampled_from(["https://east-2.calltools.io/", "HTTP://localhost:1"]),
        "token_file": WORDS,
        "available_status": st.one_of(IDS, st.lists(IDS, min_size=1, max_size=2, unique=True)),
        "queues": st.lists(
            st.one_of(IDS, st.fixed_dictionaries({"id": IDS}, optional={"name": WORDS})),
            min_size=1,
            max_size=2,
        ),
        "schedule": st.just("office"),
    },
    optional={
        "team": WORDS,
        "timeout": st.from_regex("[1-9][0-9]?m?s", fullmatch=True),
        "max_age": st.from_regex("0|([1-9]{1,2}m)?([0-9]{1,2}s)?([0-9]{1,3}ms)?", fullmatch=True),
        "proxy_url": st.sampled_from(["http://proxy", "HTTPS://a:b@[::1]:5/"]),
    },
)
TIMES = st.from_regex("[01]?[0-9]:[0-5][0-9]", fullmatch=True)
OFFICE = st.fixed_dictionaries(
    {
        "timezone": st.sampled_from(["UTC", "Etc/GMT+5", "America/Port-au-Prince", "EST5EDT"]),
        "open": st.dictionaries(
            st.sampled_from(["mon", "tue-wed", "sat-sun"]),
            st.tuples(TIMES, st.sampled_from(["-", " - "]), TIMES | st.just("24:00")).map("".join),
            max_size=1,
        ),
    },
    optional={"closed": st.lists(st.dates().map(str), max_size=2)},
)


@given(account=RIGHT, office=OFFICE)
def test_editors_accept_what_the_exporter_accepts(
    tmp_path_factory: pytest.TempPathFactory, account: object, office: object
) -> None:
    value = {"accounts": [account], "schedules": {"office": office}}
    path = tmp_path_factory.getbasetemp() / "right.yml"
    path.write_text(yaml.safe_dump(value), encoding="utf-8")
    try:
        load(path, {})
    except ConfigurationError:
        return

    jsonschema.validate(value, schema.json_schema())
