# ops-jrz1: the example of a whole platform. Copy the folder, and change what is yours; docs/deployment.md says how.
{
  config,
  lib,
  pkgs,
  self,
  ...
}:
{
  imports = [
    ./hardware.nix
    ./opsbot.nix
  ];

  networking.hostName = "ops-jrz1";
  # The release with which the machine was installed: it stays, also when nixpkgs moves on.
  system.stateVersion = "24.05";
  # So the host can tell which commit it runs. A checkout with changes has none.
  system.configurationRevision = self.rev or null;

  platform = {
    domain = "clarun.xyz";
    email = "dan@clarun.xyz";
    bridges.slack.settings.bridge.permissions = {
      "@opsbot:clarun.xyz" = "user";
      "@dan:clarun.xyz" = "admin";
    };
  };

  # A database is taken to another major version by hand, never by a deploy.
  services.postgresql.package = pkgs.postgresql_15;

  # `sops secrets.yaml` opens it. The copy here is not encrypted: it names what must be in it. In yours the second line goes.
  sops.defaultSopsFile = ./secrets.yaml;
  sops.validateSopsFiles = false;

  users.users.root.openssh.authorizedKeys.keys = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC1Xr3rLMcbEo6eiV6IIAKAnbdR/FqdwZZJxFJGjVzQm dan"
  ];

  # The forge is on this very machine, so its key is this one's.
  programs.ssh.knownHosts."git.${config.platform.domain}".publicKey =
    config.services.opsbot.settings.hosts.${config.networking.hostName}.host_key;

  time.timeZone = lib.mkDefault "UTC";
}
