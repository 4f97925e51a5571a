"""A NixOS host in a folder, for the demo and the fast tests: no Nix, no systemd, no sshd."""
