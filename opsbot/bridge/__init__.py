"""The Slack bridge as the bot deals with it: what Slack must allow, and what the bridge itself says and does."""
