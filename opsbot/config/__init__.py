"""The configuration: one YAML file, each key of which an environment variable may replace."""

from collections.abc import Mapping
from pathlib import Path as FilePath

from pydantic import ValidationError

from opsbot.config.crosschecks import findings
from opsbot.config.neighbours import Bridge, Forge, Homeserver
from opsbot.config.schema import Config, Host, Project, Service
from opsbot.config.sentences import named_sections, problems
from opsbot.config.source import FILE_VARIABLE, Problem, dotted, read_yaml, with_environment
from opsbot.errors import ConfigError

__all__ = [
    "FILE_VARIABLE",
    "BadConfigError",
    "Bridge",
    "Config",
    "Forge",
    "Homeserver",
    "Host",
    "Problem",
    "Project",
    "Service",
    "load",
    "parse",
]


class BadConfigError(ConfigError):
    """The configuration is wrong; `problems` says where, all at once."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def parse(text: str, environ: Mapping[str, str] | None = None) -> Config:
    """Turn a YAML text, and the OPSBOT_… variables over it, into a configuration. Raises BadConfigError."""
    source = read_yaml(text)
    if source.data is None:
        raise BadConfigError(*source.problems)
    source = with_environment(source, environ or {}, named_sections(Config))
    found, config = list(source.problems), None
    try:
        config = Config.model_validate(source.data)
    except ValidationError as error:
        found += problems(error.errors(include_url=False, include_input=False), source, Config)
    found += [Problem(path=dotted(path), sentence=s, place=source.place(path)) for path, s in findings(source.data)]
    if config is None or found:
        raise BadConfigError(*dict.fromkeys(found))
    return config


def load(path: FilePath, environ: Mapping[str, str]) -> Config:
    """Read the configuration file at PATH. Raises BadConfigError with everything that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        sentence = "there is no such file; copy config.example.yaml there, or name another with --config."
    except (OSError, UnicodeDecodeError) as error:
        sentence = f"it cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}."
    else:
        return parse(text, environ)
    raise BadConfigError(Problem(path=str(path), sentence=sentence))
