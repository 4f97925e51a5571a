import asyncio
import sys
from pathlib import Path

from opsbot.demo import tether

PARENT = """
import subprocess, sys, time
child = [sys.executable, "-P", sys.argv[1], "http.server", "--bind", "127.0.0.1", "0"]
subprocess.Popen(child, stdin=subprocess.PIPE)
time.sleep(3600)
"""


async def test_what_is_tethered_ends_with_its_parent() -> None:
    """A server of the demo ends when the demo does, even when that is killed."""
    file = Path(tether.__file__)
    pipe = asyncio.subprocess.PIPE
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-c", PARENT, str(file), stdout=pipe, stderr=pipe, env={"PYTHONUNBUFFERED": "1"}
    )
    assert parent.stdout is not None
    assert parent.stderr is not None
    assert b"Serving" in await parent.stdout.readline()
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(20):
        # The pipe is the child's too: it closes when both are gone.
        await parent.stdout.read()
