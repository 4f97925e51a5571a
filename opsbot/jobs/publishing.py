"""What runs becomes what the platform's branches say."""

from opsbot.errors import HostError
from opsbot.jobs.turns import take_turn
from opsbot.jobs.work import Order, Work
from opsbot.model import JobKind, Json, Outcome
from opsbot.render.jobs import title

#: Seconds between the tries to publish.
_PUBLISH_PAUSES = (2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0)


async def publish(work: Work, on_host: str) -> Json:
    """Have the host push what runs now, again for a while: the deploy itself may have restarted the forge.

    Where main cannot take it, ask for it in a pull request.
    """
    order = Order(part="publish", verb="publish", on_host=on_host)

    async def once() -> Json:
        try:
            return await work.carry_out("publish", order)
        except HostError as error:
            return {"status": "failed", "error": {"code": error.code, "message": str(error)}}

    async def step() -> tuple[Json, str]:
        published = await once()
        for pause in _PUBLISH_PAUSES:
            if published["status"] != "failed":
                break
            await work.progress.note("publish", f"trying again: {published['error']['message']}")
            await work.site.clock.sleep(pause)
            published = await once()
        published = await _with_pull_request(work, published)
        return published, publish_note(work, published)

    return await work.stage("publish", step)


async def _with_pull_request(work: Work, published: Json) -> Json:
    if published.get("main") != "branch" or work.site.forge is None:
        return published
    body = f"What runs on {work.job.host}; main could not take it by itself."
    try:
        url = await work.site.forge.open_pull_request(
            branch=published["branch"], title=title(work.job).replace("`", ""), body=body
        )
    except Exception as error:  # noqa: BLE001 - whatever the forge does, the deploy is done and is told
        return {**published, "pull_request_error": str(error)}
    return {**published, "pull_request": url}


def publish_note(work: Work, published: Json) -> str:
    """Say what became of the branches, and how to try again where nothing did."""
    if published["status"] == "failed":
        again = f"`{work.site.config.prefix}publish {_number(work)}` does it again."
        return f"NOT published: {published['error']['message']} What runs is not on the platform's branches. {again}"
    deployed = published.get("deployed", "pushed")
    if deployed not in ("pushed", "newer"):
        return f"NOT published: {deployed}"
    if published.get("main") != "branch":
        return {"pushed": "on main", "same": "main has it", "untouched": ""}.get(published.get("main", ""), "")
    where = published.get("pull_request") or f"the branch {published['branch']}"
    return f"main could not take it: merge {where}"


def _number(work: Work) -> str:
    """Return the number of the job whose work is published."""
    return work.job.target.lstrip("#") if work.job.kind is JobKind.PUBLISH else str(work.job.number)


async def publish_again(work: Work) -> None:
    """Publish what an earlier job has put in place; leaves by EndedError."""
    await take_turn(work)
    published = await publish(work, work.job.details["on_host"])
    what, note = f"What #{_number(work)} put on `{work.job.host}`", publish_note(work, published)
    if published["status"] == "failed" or note.startswith("NOT"):
        raise work.ended(Outcome.FAILED, f"{what} is {note}")
    newer = " Something newer runs there, which has its own branch." if published.get("deployed") == "newer" else ""
    where = f": {note}" if note else ""
    raise work.ended(Outcome.DONE, f"{what} is published{where}.{newer}", published=published)
