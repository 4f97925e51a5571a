"""HTTP: what the bot asks the services and the homeserver by itself."""
