import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsbot.config import BadConfigError, Config, load, parse
from opsbot.config.entries import PeriodEntry, RuleEntry
from opsbot.config.sentences import all_keys, keys
from opsbot.credentials import Credentials
from opsbot.errors import ConfigError
from opsbot.model import Level

EXAMPLE = Path(__file__).parents[1] / "config.example.yaml"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHFcMJSgh/0HX1ZIhxmdXD3dBlbHNWsjs5GwjbZVzTwA"

SMALL: dict[str, Any] = {
    "homeserver": {"url": "http://127.0.0.1:6167", "user": "@opsbot:clarun.xyz", "token_file": "matrix-token"},
    "rooms": ["#ops:clarun.xyz"],
    "people": {"dan": {"level": "admin", "accounts": ["@dan:clarun.xyz"]}},
    "hosts": {"ops-jrz1": {"address": "127.0.0.1", "key_file": "ssh-key", "host_key": KEY}},
}


BRIDGE = {"bot": "@slackbot:clarun.xyz", "team": "T0TEAM"}
ASKED = {**BRIDGE, "url": "http://127.0.0.1:29335", "secret_file": "bridge-secret"}


def changed(path: str, value: Any) -> str:
    """Return the small configuration as YAML, with the key at a dotted path replaced."""
    data = yaml.safe_load(yaml.safe_dump(SMALL))
    *above, last = path.split(".")
    inner = data
    for key in above:
        inner = inner.setdefault(key, {})
    inner[last] = value
    return yaml.safe_dump(data)


def wrong(text: str, environ: dict[str, str] | None = None) -> dict[str, str]:
    """Return what is wrong with a configuration: key's path and sentence."""
    with pytest.raises(BadConfigError) as caught:
        parse(text, environ)
    return {problem.path: problem.sentence for problem in caught.value.problems}


def test_the_example_is_a_configuration() -> None:
    """config.example.yaml can be loaded as it stands."""
    config = load(EXAMPLE, {})
    assert {person.name: person.level for person in config.people} == {"dan": Level.ADMIN, "eve": Level.DEPLOYER}
    assert config.projects["hello-bot"].host == config.default_host == "ops-jrz1"
    assert config.homeserver.server == "clarun.xyz"


def test_the_example_shows_every_key() -> None:
    """Every key that the bot knows stands in config.example.yaml; what not everybody has, as a comment."""
    text = EXAMPLE.read_text()
    commented = re.sub(
        r"# (?=password_file:|credentials:|schedules:|hooks:|alone:|audit_room:|database_password_file:)", "", text
    )
    shown = keys_in(yaml.safe_load(text)) | keys_in(yaml.safe_load(re.sub(r"(?m)^# (?=  )", "", commented)))
    assert set(all_keys(Config)) - shown == set()


def test_the_example_shows_every_key_of_a_rule() -> None:
    """Every key of a rule stands in config.example.yaml."""
    rules = yaml.safe_load(EXAMPLE.read_text())["rules"]
    assert set(keys(RuleEntry)) == {key for rule in rules for key in rule}


def test_the_example_shows_every_key_of_a_window() -> None:
    """Every key of a window and of an embargo stands in config.example.yaml."""
    example = yaml.safe_load(EXAMPLE.read_text())
    assert set(keys(PeriodEntry)) == {key for one in example["deploy_windows"] + example["embargoes"] for key in one}


@pytest.mark.parametrize("section", ["deploy_windows", "embargoes"])
@pytest.mark.parametrize(
    ("entry", "path", "sentence"),
    [
        ({"projects": ["platform"]}, "[1].hours", "is missing"),
        ({"hours": "always"}, "[1].hours", "must be days and times, like `mon-fri 08:00-18:00"),
        ({"hours": "mon 08:00-09:00", "timezone": "Mars"}, "[1].timezone", "must be the name of a time zone"),
        ({"hours": "mon 08:00-09:00", "projects": ["helo"]}, "[1].projects", "helo is not among projects"),
        ({"hours": "mon 08:00-09:00", "hosts": ["x"]}, "[1].hosts", "x is not among hosts"),
        ({"hours": "mon 08:00-09:00", "hosts": []}, "[1].hosts", "is empty"),
        ({"hours": "mon 08:00-09:00", "until": "x"}, "[1].until", "is not a key here"),
    ],
)
def test_a_wrong_window_is_named(section: str, entry: dict[str, Any], path: str, sentence: str) -> None:
    """What is wrong with a window or an embargo is told with its place, so that none is silently never in force."""
    with pytest.raises(BadConfigError) as caught:
        parse(yaml.safe_dump({**SMALL, section: [entry]}))
    assert any(one.path == f"{section}{path}" and sentence in one.sentence for one in caught.value.problems)


@pytest.mark.parametrize(
    ("rule", "path", "sentence"),
    [
        ({"people": ["dan"]}, "rules[1]", "must either allow or deny"),
        ({"allow": "all", "deny": "all", "people": ["dan"]}, "rules[1]", "must either allow or deny"),
        ({"allow": "all"}, "rules[1]", "nothing is allowed to everybody"),
        ({"deny": []}, "rules[1].deny", "must name commands, or all"),
        ({"deny": ["rm -rf"]}, "rules[1].deny[1]", "must be the name of a command"),
        ({"deny": "all", "people": ["dna"]}, "rules[1].people", "dna is not among people; did you mean dan?"),
        ({"deny": "all", "rooms": ["#no:x.org"]}, "rules[1].rooms", "#no:x.org is not among rooms"),
        (
            {"deny": "all", "rooms": ["#ops"]},
            "rules[1].rooms",
            "#ops is a channel of Slack, and the bot listens in none",
        ),
        ({"deny": "all", "rooms": ["ops"]}, "rules[1].rooms[1]", "or a channel of Slack (#ops, C0OPS)"),
        ({"deny": "all", "unless": {"hosts": ["x"]}}, "rules[1].unless.hosts", "x is not among hosts"),
        ({"deny": "all", "levels": ["stranger"]}, "rules[1].levels[1]", "must be one of: member"),
        ({"deny": "all", "people": []}, "rules[1].people", "is empty"),
        (
            {"deny": "deploy", "unless": {"options": ["force"]}},
            "rules[1].unless.options",
            "what is denied is so with every option",
        ),
        ({"deny": "all", "unless": {"revision": ["main"]}}, "rules[1].unless.revision", "did you mean revisions?"),
    ],
)
def test_a_wrong_rule_is_told_by_its_place(rule: dict[str, Any], path: str, sentence: str) -> None:
    """A rule that cannot be meant as it stands is told with its number and its key."""
    assert sentence in wrong(changed("rules", [rule]))[path]


@pytest.mark.parametrize(
    ("channels", "room", "sentence"),
    [
        (["C0OPS"], "#ops", None),
        (["C0OPS"], "C0OPS", None),
        (["all"], "C0LAB", None),
        (["C0OPS"], "C0OPA", "C0OPA is not among bridge.channels; did you mean C0OPS?"),
        ([], "#ops", "the bot listens in none"),
    ],
)
def test_a_rule_means_a_channel_that_is_listened_to(channels: list[str], room: str, sentence: str | None) -> None:
    """A channel in a rule must be one in which commands are heard: else the rule would be about nothing."""
    data = {**SMALL, "bridge": {**BRIDGE, "channels": channels}, "rules": [{"deny": "all", "rooms": [room]}]}
    if sentence is None:
        assert parse(yaml.safe_dump(data)).rules[0].terms.rooms == frozenset({room})
    else:
        assert sentence in wrong(yaml.safe_dump(data))["rules[1].rooms"]


def keys_in(data: Any) -> set[tuple[str | int, ...]]:
    """Return the path of every key, with * for the team's own names."""
    found: set[tuple[str | int, ...]] = set()
    for key, value in data.items():
        found.add((key,))
        if not isinstance(value, dict):
            continue
        named = key in {"people", "hosts", "projects", "services", "schedules", "hooks"}
        for inner in value.values() if named else [value]:
            found |= {(key, "*", *path) if named else (key, *path) for path in keys_in(inner)}
    return found


def test_small_is_enough() -> None:
    """A homeserver, a room, a person and a host make a configuration; the rest has its defaults."""
    config = parse(yaml.safe_dump(SMALL))
    assert (config.prefix, config.bridge, config.services, config.default_host) == ("!", None, {}, "ops-jrz1")
    assert config.hosts["ops-jrz1"].port == 22
    assert config.zone.key == "UTC"


def test_a_configuration_does_not_change() -> None:
    """What was loaded stays as it is until the bot starts again."""
    with pytest.raises(ValueError, match="frozen"):
        parse(yaml.safe_dump(SMALL)).prefix = "?"


def test_equal_keys_are_refused() -> None:
    """A key that stands twice is refused with both lines, at any depth; YAML alone would keep the last."""
    text = yaml.safe_dump(SMALL) + "prefix: '!'\nbridge:\n  bot: a\n  team: b\n  bot: c\nprefix: '?'\n"
    with pytest.raises(BadConfigError) as caught:
        parse(text)
    again = [str(problem) for problem in caught.value.problems if "second time" in problem.sentence]
    first = text.splitlines().index("prefix: '!'") + 1
    assert again == [
        f"bridge.bot (line {first + 4}): stands here a second time; it was first on line {first + 2}.",
        f"prefix (line {first + 5}): stands here a second time; it was first on line {first}.",
    ]


def test_all_that_is_wrong_is_told_at_once() -> None:
    """One look at the file finds everything: its shape, its values, and what one key demands of another."""
    text = """
homeserver: {url: ftp://x, user: opsbot}
rooms: []
people:
  eve: {level: deployer, slack: [U034EVE], projects: [hello-bto]}
hosts:
  ops-jrz1: {address: 127.0.0.1, port: yes, key_file: ssh-key, host_key: ssh-ed25519 AAAA}
projects:
  hello-bot: {host: ops-jrz2}
  hello-bot: {host: ops-jrz1}
prefx: "!"
"""
    assert set(wrong(text)) == {
        "homeserver",
        "homeserver.url",
        "homeserver.user",
        "rooms",
        "people.eve.slack",
        "people.eve.projects",
        "hosts.ops-jrz1.port",
        "hosts.ops-jrz1.host_key",
        "projects.hello-bot",
        "prefx",
    }


def test_a_problem_names_its_line() -> None:
    """Each problem says on which line its key stands."""
    with pytest.raises(BadConfigError, match=r"^prefx \(line 1\): is not a key here; did you mean prefix\?$"):
        parse("prefx: '?'\n" + yaml.safe_dump(SMALL))


def test_a_problem_is_one_line_that_can_be_read() -> None:
    """A key that would steer a terminal is shown with its signs spelled out, and not for ever."""
    with pytest.raises(BadConfigError) as caught:
        parse('"pre\\e[2Jfix\\n\\u202e": "?"\n' + yaml.safe_dump(SMALL), {f"OPSBOT_{'X' * 5000}": "1"})

    first, second = sorted(str(caught.value).splitlines())
    assert first.startswith(r"pre\x1b[2Jfix\n\u202e (line 1): is not a key here;")
    assert len(second) == 1000


def test_nothing_at_all_is_told_as_what_is_missing() -> None:
    """An empty file is answered with what every configuration needs, and what each of it is."""
    assert wrong("# nothing yet\n") == {
        "homeserver": "is missing. It is where the bot logs in.",
        "rooms": "is missing. It is the rooms that the bot listens in, at least one.",
        "people": "is missing. It is the persons who may ask for something, at least one.",
        "hosts": "is missing. It is the managed hosts, at least one.",
    }


@pytest.mark.parametrize(
    ("path", "value", "at", "sentence"),
    [
        ("homeserver.url", "127.0.0.1:6167", "homeserver.url", "must begin with http:// or https://"),
        ("homeserver.url", "http://me:pw@127.0.0.1", "homeserver.url", "hold no password"),
        ("homeserver.url", 6167, "homeserver.url", "must be text; put it in quotes. It is the homeserver's address"),
        ("homeserver.url", None, "homeserver.url", "is empty."),
        ("homeserver.user", "opsbot", "homeserver.user", "must be a full Matrix id"),
        ("homeserver.token_file", None, "homeserver", "either token_file or password_file"),
        ("homeserver.password_file", "matrix-password", "homeserver", "either token_file or password_file"),
        ("homeserver.tokenfile", "x", "homeserver.tokenfile", "did you mean token_file?"),
        ("homeserver.colour", "x", "homeserver.colour", "these are: url, user, "),
        ("rooms", "#ops:clarun.xyz", "rooms", "must be a list"),
        ("rooms", ["ops"], "rooms[1]", "must be a room's id"),
        ("rooms", ["!ok", "#ops"], "rooms[2]", "must have its server"),
        ("rooms", ["#o\u202eps:clarun.xyz"], "rooms[1]", "must be a room's id"),
        ("rooms", ["#ops\x1b:clarun.xyz"], "rooms[1]", "must be a room's id"),
        ("homeserver.user", "@ops\u200bbot:clarun.xyz", "homeserver.user", "must be a full Matrix id"),
        ("people.<b>dan</b>", {"level": "member", "accounts": ["@ab:x"]}, "people.<b>dan</b>", "is no name"),
        ("people.d\u202ean", {"level": "member", "accounts": ["@ab:x"]}, "people.d\u202ean", "is no name"),
        ("hosts.`ops`", {"address": "x", "key_file": "x", "host_key": KEY}, "hosts.`ops`", "is no name"),
        ("projects.Hello-Bot", {"host": "ops-jrz1"}, "projects.Hello-Bot", "is no project's name"),
        ("services.*web*", {"tcp": "127.0.0.1:80"}, "services.*web*", "is no name"),
        ("plugins", ["/etc/\x1b]0;x\x07"], "plugins[1]", "must be an absolute path"),
        ("prefix", "/", "prefix", "must not begin with a slash"),
        ("prefix", "ops ", "prefix", "one to three marks"),
        ("timezone", "Mars/Base", "timezone", "time zone"),
        ("timezones", {"#other:clarun.xyz": "UTC"}, "timezones.#other:clarun.xyz", "is not among rooms"),
        ("timezones", {"#ops:clarun.xyz": "Mars/Base"}, "timezones.#ops:clarun.xyz", "time zone"),
        ("timezone", "../../etc/passwd", "timezone", "time zone"),
        ("people", {}, "people", "is empty."),
        ("people.dan.level", "root", "people.dan.level", "one of: member, contributor, deployer, admin."),
        ("people.dan.level", "stranger", "people.dan.level", "one of: member, contributor, deployer, admin."),
        ("people.dan.level", 4, "people.dan.level", "one of: member, contributor, deployer, admin."),
        ("people.dan.slack", ["u034dan"], "people.dan.slack[1]", "in capitals"),
        ("people.dan.slack", ["B0HOOK"], "people.dan.slack[1]", "Slack member id"),
        ("people.dan.slack", ["U034DAN"], "people.dan.slack", "means nothing without a bridge"),
        ("people.dan.accounts", [], "people.dan", "has no account"),
        ("people.dan.accounts", ["@opsbot:clarun.xyz"], "people.dan.accounts", "is the bot itself"),
        ("people.dan.projects", ["hello-bot"], "people.dan.projects", "hello-bot is not among projects"),
        ("people.dan.projects", [], "people.dan.projects", "this person is none"),
        ("people.eve", {"level": "member", "accounts": ["@dan:clarun.xyz"]}, "people.eve.accounts", "belongs to dan"),
        ("people.a b", {"level": "member", "accounts": ["@ab:x"]}, "people.a b", "is no name"),
        ("hosts.ops-jrz1", None, "hosts.ops-jrz1", "is empty."),
        ("hosts.ops-jrz1", "127.0.0.1", "hosts.ops-jrz1", "must have keys below it."),
        ("hosts.ops-jrz1.port", True, "hosts.ops-jrz1.port", "whole number from 1 to 65535"),
        ("hosts.ops-jrz1.port", 22.5, "hosts.ops-jrz1.port", "whole number from 1 to 65535"),
        ("hosts.ops-jrz1.port", 0, "hosts.ops-jrz1.port", "whole number from 1 to 65535"),
        ("hosts.ops-jrz1.address", "ops..example.org", "hosts.ops-jrz1.address", "between two dots"),
        ("homeserver.url", "http://matrix..example.org/x", "homeserver.url", "between two dots"),
        ("certificates", ["example..org:443"], "certificates[1]", "between two dots"),
        ("hosts.ops-jrz1.address", "127.0.0.1 -oProxyCommand=x", "hosts.ops-jrz1.address", "host name or an IP"),
        ("hosts.ops-jrz1.user", "-l", "hosts.ops-jrz1.user", "system user"),
        ("hosts.ops-jrz1.host_key", "ssh-ed25519 AAAA", "hosts.ops-jrz1.host_key", "ssh_host_ed25519_key.pub"),
        ("hosts.ops-jrz1.host_key", KEY.replace("ed25519", "rsa"), "hosts.ops-jrz1.host_key", "public key"),
        ("hosts.ops-jrz1.default", "maybe", "hosts.ops-jrz1.default", "must be true or false."),
        ("projects.platform", {"host": "ops-jrz1"}, "projects.platform", "is taken"),
        ("approvals", {"alone": 7200}, "approvals.alone", "a request has expired after 3600 s"),
        ("approvals", {"alone": "600", "expires": 600}, "approvals.alone", "let it be less than that"),
        ("projects.web", {"host": "ops-jrz2"}, "projects.web.host", "did you mean ops-jrz1?"),
        ("projects.web", {"host": "ops-jrz1", "window": 5}, "projects.web.window", "from 30 to 3600"),
        ("projects.web", {"host": "ops-jrz1", "services": ["x"]}, "projects.web.services", "x is not among services"),
        ("services.web", {}, "services.web", "has nothing to look at"),
        ("services.web", {"unit": "nginx"}, "services.web.unit", "must be a unit"),
        ("services.web", {"unit": "-H.service"}, "services.web.unit", "must be a unit"),
        ("services.web", {"tcp": "127.0.0.1"}, "services.web.tcp", "a name and a port"),
        ("services.web", {"tcp": "127.0.0.1:1", "http": "http://x"}, "services.web.tcp", "not needed beside http"),
        ("services.web", {"tcp": "127.0.0.1:1", "version": "x"}, "services.web.version", "give http too"),
        ("services.web", {"http": "http://x", "version": "a..b"}, "services.web.version", "must be keys of the JSON"),
        ("services.web", {"unit": "a.service", "host": "x"}, "services.web.host", "x is not among hosts"),
        ("certificates", ["clarun.xyz:99999"], "certificates[1]", "a name and a port"),
        ("forge", True, "forge", "must have keys below it."),
        ("database", "sqlite:///opsbot.db", "database", "must be like sqlite:////var/lib/"),
        ("database", "postgresql://db", "database", "or like postgresql://opsbot@db.example.org/opsbot"),
        ("database", "mysql://db/opsbot", "database", "or like postgresql://opsbot@db.example.org/opsbot"),
        ("database_password_file", "db", "database_password_file", "means nothing for a file of SQLite"),
        ("plugins", ["plugins"], "plugins[1]", "must be an absolute path"),
        ("schedules.standup", {"room": "#ops:clarun.xzy"}, "schedules.standup.room", "did you mean #ops:clarun.xyz?"),
        ("schedules.Stand Up", {"room": "#ops:clarun.xyz"}, "schedules.Stand Up", "is no name"),
        ("hooks.pushed", {"room": "#ops:clarun.xyz", "secret_file": "x"}, "hooks", "fill in `listen`"),
        ("hooks.pushed", {"room": "#dev:clarun.xyz", "secret_file": "x"}, "hooks.pushed.room", "is not among rooms"),
        ("hooks.pushed", {"room": "#ops:clarun.xyz"}, "hooks.pushed.secret_file", "is missing."),
        ("bridge", {"bot": "@slackbot:evil.org", "team": "T0TEAM"}, "bridge.bot", "on the bot's own server"),
        ("bridge", {"bot": "@slackbot:clarun.xyz", "team": "acme"}, "bridge.team", "Slack team id"),
        ("bridge", {**ASKED, "test_channel": "all"}, "bridge.test_channel", "the id of one Slack channel"),
        ("bridge", {**BRIDGE, "test_channel": "C0TEST"}, "bridge.test_channel", "give url and secret_file, too"),
    ],
)
def test_each_wrong_value_has_a_sentence(path: str, value: Any, at: str, sentence: str) -> None:
    """What is wrong with a value is said at its key's path, in words that say what to write instead."""
    found = wrong(changed(path, value))
    assert sentence in found[at]


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        ("homeserver.token_file", "/etc/syt_hunter2"),
        ("homeserver.token_file", "syt_" + "hunter2" * 20),
        ("homeserver.token_file", ["hunter2"]),
        ("hosts.ops-jrz1.key_file", "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2"),
        ("database", "postgresql://opsbot:hunter2@db/opsbot"),
        ("database", "postgresql://opsbot@db/opsbot?sslmode=require&password=hunter2"),
        ("homeserver.url", "http://opsbot:hunter2@127.0.0.1"),
    ],
)
def test_a_secret_is_never_repeated(path: str, secret: Any) -> None:
    """Who writes a secret where its file's name belongs does not find it in the log."""
    with pytest.raises(BadConfigError) as caught:
        parse(changed(path, secret))
    assert "hunter2" not in str(caught.value)
    assert {problem.path for problem in caught.value.problems} >= {path}


@pytest.mark.parametrize(
    "text", ["a: b: c", "- a\n- b", "just words", "a: [", "a: \x00", "a: &a [*a]\n", "? [a]\n: b\n"]
)
def test_what_is_not_a_yaml_mapping_is_told_in_one_sentence(text: str) -> None:
    """A file that is no YAML, or holds no keys, is refused without a trace of the parser."""
    with pytest.raises(BadConfigError) as caught:
        parse(text)
    assert "Error" not in str(caught.value)


def test_a_key_is_a_word_also_where_yaml_sees_more() -> None:
    """A person called `no` keeps the name."""
    text = yaml.safe_dump(SMALL).replace("  dan:", "  no:")
    assert [person.name for person in parse(text).people] == ["no"]


def test_the_environment_replaces_a_key() -> None:
    """OPSBOT_ variables go over the file: two underscores a step, lists as YAML, hyphens as underscores."""
    config = parse(
        yaml.safe_dump(SMALL),
        {
            "OPSBOT_HOMESERVER__URL": "http://127.0.0.1:8008",
            "OPSBOT_HOSTS__OPS_JRZ1__PORT": "2222",
            "OPSBOT_ROOMS": '["#a:x", "!b:x"]',
            "OPSBOT_PROJECTS__HELLO_BOT__HOST": "ops-jrz1",
            "OPSBOT_PREFIX": "?",
            "OPSBOT_CONFIG": "/etc/opsbot.yaml",
            "HOME": "/root",
        },
    )
    assert config.homeserver.url == "http://127.0.0.1:8008"
    assert config.hosts["ops-jrz1"].port == 2222
    assert config.rooms == ("#a:x", "!b:x")
    assert config.projects["hello-bot"].host == "ops-jrz1"
    assert config.prefix == "?"


@pytest.mark.parametrize("path", list(all_keys(Config)))
def test_every_key_can_be_replaced(path: tuple[str, ...]) -> None:
    """There is no key that an environment variable does not reach: a wrong value is reported with its name."""
    names = {"people": "DAN", "hosts": "OPS_JRZ1", "projects": "HELLO_BOT", "services": "WEB"}
    names |= {"schedules": "STANDUP", "hooks": "PUSHED"}
    variable = "OPSBOT_" + "__".join(names[path[0]] if part == "*" else part.upper() for part in path)
    with pytest.raises(BadConfigError) as caught:
        parse(EXAMPLE.read_text(), {variable: "\x7f"})
    assert variable in {problem.place for problem in caught.value.problems}


def test_a_variable_that_means_nothing_is_told() -> None:
    """A misspelt variable is not passed over in silence."""
    found = wrong(yaml.safe_dump(SMALL), {"OPSBOT_ROMS": "x", "OPSBOT_PREFIX__X": "y"})
    assert found["roms"] == "is not a key here; did you mean rooms?"
    assert "must be text" in found["prefix"]
    assert wrong(EXAMPLE.read_text(), {"OPSBOT_PREFIX__X": "y"}) == {"prefix.x": "prefix has no keys below it."}


def test_a_ghost_is_given_by_its_member_id() -> None:
    """A ghost or the bridge among somebody's Matrix accounts is refused."""
    data = SMALL | {
        "bridge": {"bot": "@slackbot:clarun.xyz", "team": "T0TEAM"},
        "people": {"a": {"level": "admin", "accounts": ["@slack_t0team-u1:clarun.xyz", "@slackbot:clarun.xyz"]}},
    }
    with pytest.raises(BadConfigError) as caught:
        parse(yaml.safe_dump(data))
    assert [problem.sentence.partition(" ")[2] for problem in caught.value.problems] == [
        "is a ghost of the bridge: give the member id in `slack` instead.",
        "is the bridge itself, which is no person.",
    ]


def test_with_several_hosts_one_is_the_default() -> None:
    """Where there are several hosts, commands that name none mean the one that is marked."""
    other = SMALL["hosts"]["ops-jrz1"]
    two = {"ops-jrz1": other, "ops-jrz2": other | {"default": True}}
    services = {"web": {"unit": "nginx.service"}, "db": {"unit": "db.service", "host": "ops-jrz1"}}
    config = parse(yaml.safe_dump(SMALL | {"hosts": two, "services": services}))
    assert (config.default_host, config.host_of("web"), config.host_of("db")) == ("ops-jrz2", "ops-jrz2", "ops-jrz1")

    none = dict.fromkeys(two, other)
    assert "needs a host" in wrong(yaml.safe_dump(SMALL | {"hosts": none, "services": services}))["services.web"]
    both = {name: other | {"default": True} for name in two}
    assert "ops-jrz1 is the default already" in wrong(yaml.safe_dump(SMALL | {"hosts": both}))["hosts.ops-jrz2.default"]


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    """A configuration that is not there is answered with where it may come from."""
    with pytest.raises(BadConfigError, match=r"there is no such file; copy config\.example\.yaml there"):
        load(tmp_path / "none.yaml", {})
    with pytest.raises(BadConfigError, match="it cannot be read: Is a directory"):
        load(tmp_path, {})
    (tmp_path / "latin").write_bytes(b"prefix: \xe9")
    with pytest.raises(BadConfigError, match="it is not UTF-8 text"):
        load(tmp_path / "latin", {})


def secret(folder: Path, content: bytes = b"hunter2\n", mode: int = 0o400) -> Credentials:
    """Return a folder of credentials with one file in it."""
    file = folder / "token"
    file.write_bytes(content)
    file.chmod(mode)
    return Credentials(folder=folder)


def test_a_secret_is_read_without_its_line_break(tmp_path: Path) -> None:
    """A credential is a file's text less one line break at its end."""
    assert secret(tmp_path, b"hunter2\n").read("token") == "hunter2"
    assert secret(tmp_path / ".", b"two\nlines\n\n", 0o600).read("token") == "two\nlines\n"
    assert secret(tmp_path / ".", b"hunter2\r\n", 0o600).read("token") == "hunter2"


def test_systemds_folder_comes_first(tmp_path: Path) -> None:
    """Where systemd gives a folder of credentials, the configured one is not used."""
    assert Credentials.of({"CREDENTIALS_DIRECTORY": "/run/c"}, "/etc/c").folder == Path("/run/c")
    assert Credentials.of({}, str(tmp_path)).folder == tmp_path
    with pytest.raises(ConfigError, match="LoadCredential=token"):
        Credentials.of({}).read("token")


@pytest.mark.parametrize("mode", [0o404, 0o444, 0o644, 0o402, 0o420, 0o460])
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A credential that everybody may read, or its group may write, is not used."""
    with pytest.raises(ConfigError, match=r"may be read by .*: chmod 0400\.$"):
        secret(tmp_path, mode=mode).read("token")


def test_a_group_may_read_only_roots_file(tmp_path: Path) -> None:
    """The mode that systemd gives, 0440 and root's, is well; anybody else's file must not be open to its group."""
    credentials = secret(tmp_path, mode=0o440)
    if os.getuid() == 0:
        assert credentials.read("token") == "hunter2"
        os.chown(tmp_path / "token", 65534, 65534)
    with pytest.raises(ConfigError, match="others of its group"):
        credentials.read("token")


@pytest.mark.parametrize("name", ["", "..", ".", "../token", "/etc/passwd", "a/b", "a\0b"])
def test_a_secret_is_a_name_and_not_a_path(tmp_path: Path, name: str) -> None:
    """A credential's name leads nowhere but into its folder."""
    with pytest.raises(ConfigError, match="without a folder"):
        secret(tmp_path).read(name)


def test_a_secret_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    """A missing, empty, endless or binary file is told, with its path and without its content."""
    for content, said in ((b"\n", "is empty"), (b"x" * 70000, "is too long"), (b"\xff\xfe", "is not text")):
        (tmp_path / "token").unlink(missing_ok=True)
        with pytest.raises(ConfigError, match=f"token {said}"):
            secret(tmp_path, content).read("token")
    with pytest.raises(ConfigError, match="No such file"):
        Credentials(folder=tmp_path).read("other")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        Credentials(folder=tmp_path).read("folder")
