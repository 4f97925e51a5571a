"""Files on their way into a channel: announced, brought, shown."""

from opsbot.workspace.model import Json, RefusedError


class Files:
    """What was announced, and what of it was brought."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, int]] = {}
        self.contents: dict[str, bytes] = {}

    def expect(self, name: str, length: int) -> str:
        """Announce a file of so many bytes; return its id. Raises RefusedError."""
        if not name or length <= 0:
            raise RefusedError("invalid_arguments")
        file_id = f"F0FILE{len(self._names) + 1}"
        self._names[file_id] = (name, length)
        return file_id

    def bring(self, file_id: str, content: bytes) -> None:
        """Take a file's content. Raises RefusedError."""
        if file_id not in self._names or len(content) != self._names[file_id][1]:
            raise RefusedError("file_upload_failed")
        self.contents[file_id] = content

    def share(self, name: str, kind: str, content: bytes) -> Json:
        """Take a file from a member; return what Slack tells of it."""
        file_id = self.expect(name, len(content))
        self.bring(file_id, content)
        url = f"https://files.slack.com/files-pri/{file_id}"
        return {**self.finished(file_id, name), "mimetype": kind, "mode": "hosted", "url_private": url}

    def finished(self, file_id: str, title: str) -> Json:
        """Return a file that was brought. Raises RefusedError."""
        if file_id not in self.contents:
            raise RefusedError("file_not_found")
        name, size = self._names[file_id]
        return {"id": file_id, "name": name, "title": title or name, "size": size, "mimetype": "text/plain"}
