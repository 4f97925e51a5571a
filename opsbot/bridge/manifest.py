"""The manifest from which Slack makes the app: what the bridge needs for this bot, and nothing else."""

from opsbot.model import Json

#: Each with its reason.
SCOPES = (
    "channels:history",  # to hear what is said in public channels,
    "groups:history",  # and in private ones
    "channels:read",  # to know which channels the app is in, and who else is,
    "groups:read",
    "im:read",  # which the bridge asks in one question with these two
    "mpim:read",
    "chat:write",  # to answer, and to edit and delete its own answers
    "reactions:read",  # approvals by a reaction
    "reactions:write",
    "files:read",  # files that are sent to the bot's rooms
    "files:write",
    "users:read",  # the names of people
    "team:read",  # the name of the workspace
    "emoji:read",  # the workspace's own emoji
)
#: What Slack tells the app. The manifest that mautrix-slack ships lacks file_created: without it every file keeps the
#: channel waiting for five seconds.
EVENTS = (
    "message.channels",
    "message.groups",
    "reaction_added",
    "reaction_removed",
    "member_joined_channel",
    "member_left_channel",
    "channel_rename",
    "group_rename",
    "user_change",
    "emoji_changed",
    "file_created",
)


def manifest(name: str) -> Json:
    """Return the manifest of an app that is called NAME."""
    return {
        "display_information": {"name": name, "description": "Operates the platform: say !help"},
        "features": {"bot_user": {"display_name": name, "always_online": False}},
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": {"bot_events": list(EVENTS)},
            "interactivity": {"is_enabled": False},
            "org_deploy_enabled": False,
            "socket_mode_enabled": True,
            "token_rotation_enabled": False,
        },
    }
