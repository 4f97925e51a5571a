"""Beside mautrix-slack: how it is set up and started, and a stand-in for where it is not at hand.

The stand-in takes mautrix-slack's command line, its configuration and its registration, ends with its exit codes, and
keeps its contract with the homeserver and with Slack, as far as a bot in a bridged room can tell the difference.
"""
