"""`opsbot new`: plugins and projects that work at once."""

from opsbot.new.plugin import write_plugin
from opsbot.new.project import write_project

__all__ = ["write_plugin", "write_project"]
