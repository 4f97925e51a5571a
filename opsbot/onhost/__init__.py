"""What runs on a managed host: standard library only, and nothing of the bot (docs/host-protocol.md)."""

#: The version of this helper, and of the protocol that it speaks.
VERSION = "0.1.0"
PROTOCOL = 1
