"""Put something on its host, and take it back."""

from opsbot import (
    LAST_PROVED,
    MAIN,
    NO_WORDS,
    Context,
    Deploy,
    Job,
    Project,
    Revision,
    Rollback,
    Target,
    Words,
    command,
)


@command(needs="deployer")
async def deploy(
    ctx: Context,
    project: Project,
    revision: Revision = MAIN,
    *,
    dry_run: bool = False,
    boot: bool = False,
    wait: bool = False,
    force: bool = False,
    reason: Words = NO_WORDS,
) -> Job:
    """Put REVISION of PROJECT on its host.

    REVISION is a branch, a tag or a commit. `deploy platform` deploys the host's own configuration.
    With --dry-run it is built and compared with what runs, and nothing is activated; contributors may do that.
    With --boot it becomes the default of the next boot, and nothing else: for what cannot be switched to.
    With --wait it waits for its turn while another one is at work on the host; a newer one takes its place.
    An older version of what has migrated its database meanwhile needs --force, and so does going past somebody's
    lock, an embargo or a closed window.
    """
    request = Deploy(project, revision, dry_run=dry_run, reason=reason, force=force, boot=boot, wait=wait)
    return await ctx.start(request)


@command(needs="deployer", aliases=("undo",))
async def rollback(
    ctx: Context,
    target: Target = LAST_PROVED,
    *,
    boot: bool = False,
    force: bool = False,
    reason: Words = NO_WORDS,
) -> Job:
    """Go back to what was proved before.

    With a project: to its last proved revision, as a deploy. With a number: to that generation of the host.
    With nothing: to the newest proved generation of the host below the running one.
    Where that crosses what does not go back, a migrated database or another kernel, or somebody's lock, it needs
    --force. No embargo and no window keeps anybody from going back.
    With --boot it becomes the default of the next boot; the number of what runs takes back what waits for one.
    """
    return await ctx.start(Rollback(target, reason=reason, force=force, boot=boot))
