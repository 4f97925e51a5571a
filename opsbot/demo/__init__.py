"""What `opsbot demo` starts beside the bot: a homeserver, people in its rooms, a host."""
