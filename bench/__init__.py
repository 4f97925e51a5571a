"""opsbot measured against a plain loop of /sync and send: `make bench`."""
