"""What people type, and what becomes of it on its way out."""

# ruff: noqa: PT017 - what comes in may be read or refused, and both ways something holds

import html
import json
import re
from html.parser import HTMLParser
from typing import Any

from hypothesis import strategies as st

from opsbot.addressed import Ear, Echoes
from opsbot.errors import UsageError
from opsbot.letters import Letter
from opsbot.logs import json_line, text_line
from opsbot.masks import Masks
from opsbot.matrix.content import LARGEST, content_of
from opsbot.matrix.events import HTML, said_in
from opsbot.matrix.events import LONGEST as LONGEST_WORDS
from opsbot.matrix.html import words_of
from opsbot.model import Level, Person, Post
from opsbot.onhost import grammar
from opsbot.onhost.errors import HostError
from opsbot.plugins import home, load
from opsbot.render.text import LONGEST, bold, clean, code, fit, join, lines, one_line, pre, table, tail, words
from opsbot.rulebook import Rulebook
from opsbot.testing.configuration import configuration
from opsbot.typed import nearest, option_in, shown, split
from opsbot.words import Place, Project, Revision, Target, Unit
from tests.fuzz.tools import JSON, edited, is_plain, parser, pieces

EAR = Ear("!", "@opsbot:example.org")
BOOK = Rulebook(config=configuration(), commands=load(home()).commands)
TALK = ("!", "@opsbot", "opsbot:", "opsbot", "@opsbot:example.org", "help", "please", "thanks", "hello", "deploy", " ")
COMMANDS = (
    "deploy hello-bot main --dry-run",
    "deploy hello-bot release-1.2 --reason 'it is time' --force",
    "rollback hello-bot",
    "rollback 31 --reason because",
    "logs nginx.service 20",
    "restart hello-bot",
    "why eve deploy platform",
    "lock hello-bot nobody touches “this”",
    "audit 42",
    "deny 42 not today — really",
    "job 3",
    "help deploy",
)
TYPED = edited(COMMANDS, *BOOK.commands.words, "hello-bot", "platform", " ", "--", "—", "’", "“", "--force", "=")


@parser("talk", pieces(*TALK))
def call(body: str) -> None:
    """Whatever is said is a call or talk, and a call is made of what was said."""
    heard, echoes = EAR.hear(body), Echoes()
    EAR.marks(body)
    if heard is None:
        return
    echoes.said(f"{heard.name} {heard.rest}")
    assert heard.name == heard.name.lower()
    assert len(heard.rest) <= len(body)
    assert heard.rest in body
    assert not heard.by_name or echoes.is_echo(heard)


@parser("talk", TYPED | pieces("--", "—", '"', "'", "’", "\\", " ", "=", "-"))
def words_typed(said: str) -> None:
    """Whatever is typed is split into words that can be shown, or refused with a sentence."""
    try:
        found = split(said)
    except UsageError as error:
        assert is_plain(str(error))
        return
    assert sum(map(len, found)) <= len(said)
    for word in found:
        option = option_in(word)
        assert option is None or len(option.name) <= len(word) + 1
        assert len(shown(word)) <= 60
        assert not set(shown(word)) & set("`\n")
        nearest(word, BOOK.commands.words)


@parser("command", TYPED)
def command(said: str) -> None:
    """Whatever follows the prefix is a command with values of the grammar, decided with a reason; or one sentence."""
    name, _, rest = said.partition(" ")
    try:
        invocation = BOOK.parse(name.lower(), rest)
    except UsageError as error:
        told = words(str(error))
        assert 0 < len(told.body) < 600
        assert is_plain(told.body)
        return
    for value in invocation.arguments.values():
        match value:
            case Project() | Place() if value.name:
                assert value.name in {"platform", "hello-bot", "web-shop", "ops-jrz1"}
            case Revision():
                assert re.fullmatch(r"[\w./+-]+", value.name, re.ASCII)
            case Unit():
                assert re.fullmatch(r"[\w:.@-]+", value.name, re.ASCII)
            case Target():
                assert value.generation is None or 0 <= value.generation < 10**9
            case _:
                pass
    for level in Level:
        decision = BOOK.decide(Person(name="eve", level=level), invocation)
        assert decision.reason
        assert not decision.allowed or level >= min(invocation.command.needs, Level.CONTRIBUTOR)


@parser(
    "names", edited(("main", "release-1.2", "v1.0.1", "feature/x+y", "a" * 40, "deadbeef"), ".lock", "@{", "^", "HEAD")
)
def revision(word: str) -> None:
    """What the bot takes as a revision the host takes, and neither takes what means something to git or a shell."""
    host = ask_host(grammar.WANTED, word)
    try:
        mine = Revision.parse(word).name
    except UsageError:
        mine = None
    assert mine == host
    assert mine is None or (mine == word and not re.search(r"[^\w./+-]|\.\.|^[-.]|\.lock$", word, re.ASCII))


@parser(
    "names",
    edited(("hello-bot", "web_shop", "platform", "nginx", "a@b.service", "x.timer", "31"), ".service", "@", "."),
)
def names(word: str) -> None:
    """What the bot takes as the name of a project or a unit is nothing but letters, digits and a few marks."""
    for kind in (Project, Place, Unit, Target):
        try:
            taken = str(kind.parse(word))
        except UsageError as error:
            assert is_plain(str(error))
        else:
            assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9:_.@-]*", taken)
    unit = ask_host(grammar.UNIT_NAME, word)
    assert unit is None or not re.search(r"[^\w:.@-]|^-", unit, re.ASCII)


def ask_host(argument: grammar.Argument, word: str) -> str | None:
    """Return what the host takes a word for; None when it refuses it."""
    try:
        return str(argument.parse(word))
    except HostError as error:
        assert is_plain(error.message)
        return None


TAGS = (
    "<a href='https://matrix.to/#/@opsbot:x'>", '<a href="matrix:u/eve:x">', "</a>", "<blockquote>", "</blockquote>",
    "<pre>", "</pre>", "<br>", "<p>", "</p>", "<li>", "<ol>", "<mx-reply>", "</mx-reply>", "<code>", "<", "</", "<!--",
    "-->", "<![CDATA[", "]]>", "<?", "<script>", "<style>", "<title>", "<textarea>", "<plaintext>", "&amp", "&#", "&#x",
    "&", "!deploy hello-bot",
)  # fmt: skip


@parser("formatted-body", pieces(*TAGS, most=60))
def formatted_body(body: str) -> None:
    """Whatever a message's HTML is, its words are no longer than it, and what was quoted is not among them."""
    found = words_of(body)
    assert found == found.strip()
    assert len(found) <= 2 * len(body)
    quoted = words_of(f"<blockquote>{html.escape(body)}</blockquote>!hello")
    assert quoted == "!hello"
    said = said_in({"format": HTML, "formatted_body": body, "body": body})
    assert len(said) <= LONGEST_WORDS
    assert not re.search("[\0\ud800-\udfff\u202a-\u202e\u2066-\u2069]", said)


class Read(HTMLParser):
    """Reads HTML as a client does: its tags, their attributes, and the text between them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[object] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


OUTWARD = pieces("`", "**", "hello-bot.service", "https://example.org/", "<a href=x>", *TAGS, most=40)


@parser("outward", st.tuples(OUTWARD, OUTWARD, OUTWARD))
def outward(texts: tuple[str, str, str]) -> None:
    """Whatever we are made to say is text: four tags of ours, no link, no mention, no unseen sign, and not too long."""
    one, two, three = texts
    said = fit(
        lines(words(one), join(bold(two), code(three)), pre(three), tail(one), table([(one, two), (three, one)]))
    )
    read = Read(said.html)
    assert read.tags <= {"code", "b", "pre", "br"}
    assert read.attributes == []
    assert re.sub(r"[\s`']", "", read.text) == re.sub(r"[\s`']", "", said.body)
    assert len(said.body) <= LONGEST
    assert is_plain(said.body)
    assert clean(said.body) == said.body
    assert one_line(one) == one_line(one_line(one))
    content = content_of(Letter(post=Post(cause="c", room_id="!r", text=words(one)), transaction="t"))
    assert content["m.mentions"] == {}
    assert not content["body"].lstrip().startswith(("!slack", "!admin", "\\!admin"))
    assert len(json.dumps(content, ensure_ascii=False).encode()) <= LARGEST + 500


@parser("outward", st.dictionaries(st.sampled_from(["person", "why", "event", "url"]), JSON, max_size=4))
def log_line(fields: Any) -> None:
    """Whatever is logged is one printable line; JSON is read back as it was said."""
    head = {"time": "now", "level": "info", "message": "words"}
    for line in (json_line({**fields, **head}), text_line({**head, **fields})):
        assert line.isprintable()
    assert json.loads(json_line({**fields, **head}))["message"] == "words"


SECRET = "c4n4ry/in+the=mine"


@parser("outward", pieces(SECRET, "Bearer ", "token=", "://u:", "@", "xoxb-1", "syt_a", " ", most=30))
def mask(said: str) -> None:
    """Whatever stands around a secret, it is taken out, and what was masked once stays so."""
    masks = Masks()
    masks.learn(SECRET)
    masked = masks.over(said)
    assert SECRET not in masked
    assert len(masked) <= 12 * len(said) + 12
    assert masks.over(masked) == masked
