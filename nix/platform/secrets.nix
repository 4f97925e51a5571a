# Secrets: encrypted in the platform's repository by sops, opened on the host with its own SSH key, never in the store.
{ config, lib, ... }:
let
  bot = config.services.opsbot;
  host = config.services.opsbot-host;
  # Each credential of the bot's is a secret of its own, but for the one that it shares with the bridge.
  secret =
    name: if name == "bridge-secret" then "mautrix-slack-provisioning-secret" else "opsbot-${name}";
  credentials = lib.optionals bot.enable bot.wanted;
in
{
  sops.age.sshKeyPaths = lib.mkDefault [ "/etc/ssh/ssh_host_ed25519_key" ];

  sops.secrets = lib.mkMerge [
    (lib.listToAttrs (
      map (name: lib.nameValuePair (secret name) { restartUnits = [ "opsbot.service" ]; }) credentials
    ))
    # The host's own keys; systemd reads them anew for each job.
    (lib.mkIf host.enable {
      opsbot-fetch-key = { };
      opsbot-push-key = { };
    })
  ];

  services.opsbot.credentials = lib.genAttrs credentials (
    name: lib.mkDefault config.sops.secrets.${secret name}.path
  );
  services.opsbot-host = lib.mkIf host.enable {
    fetchKeyFile = lib.mkDefault config.sops.secrets.opsbot-fetch-key.path;
    pushKeyFile = lib.mkDefault config.sops.secrets.opsbot-push-key.path;
  };
}
