# opsbot on ops-jrz1: the host's side, then the bot's. Projects bring what is to be said of them here.
{ config, ... }:
let
  inherit (config.platform) domain;
  forge = "forgejo@git.${domain}";
  repository = name: "ssh://${forge}/team/${name}.git";
  page = "http://127.0.0.1:8000/";
in
{
  services.opsbot-host = {
    enable = true;
    # The public half of the secret opsbot-ssh-key.
    authorizedKeys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKVurh84wQ2OoVPuJMJwJ4aCPBcZsEVZfuWIXEybRLDs opsbot"
    ];
    settings = {
      platform = {
        url = repository "ops-jrz1";
        push_url = repository "ops-jrz1";
      };
      services = {
        homeserver = {
          units = [ "continuwuity.service" ];
          http = [ "http://127.0.0.1:6167/_matrix/client/versions" ];
        };
        bridge = {
          units = [ "mautrix-slack.service" ];
          active = 5;
        };
        forge = {
          units = [
            "forgejo.service"
            "postgresql.service"
          ];
          http = [ "http://127.0.0.1:3000/api/healthz" ];
        };
        web = {
          units = [ "nginx.service" ];
          tcp = [ "127.0.0.1:443" ];
        };
        ssh = {
          units = [
            "sshd.service"
            "firewall.service"
          ];
          tcp = [ "127.0.0.1:22" ];
        };
      };
      restart = [
        "forgejo.service"
        "mautrix-slack.service"
        "nginx.service"
      ];
    };
  };

  services.opsbot = {
    enable = true;
    settings = {
      homeserver = {
        url = "http://127.0.0.1:6167";
        user = "@opsbot:${domain}";
        token_file = "matrix-token";
      };
      rooms = [ "#ops:${domain}" ];
      bridge = {
        bot = "@slackbot:${domain}";
        team = "T0TEAM";
        url = config.platform.bridges.slack.url;
        secret_file = "bridge-secret";
        bot_token_file = "slack-bot-token";
        app_token_file = "slack-app-token";
        channels = [ "all" ];
      };
      people.dan = {
        level = "admin";
        accounts = [ "@dan:${domain}" ];
        slack = [ "U034DAN" ];
      };
      people.eve = {
        level = "deployer";
        slack = [ "U034EVE" ];
      };
      hosts.ops-jrz1 = {
        address = "127.0.0.1";
        user = "opsbot";
        key_file = "ssh-key";
        # `cat /etc/ssh/ssh_host_ed25519_key.pub` on the host prints it.
        host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHFcMJSgh/0HX1ZIhxmdXD3dBlbHNWsjs5GwjbZVzTwA";
      };
      services = {
        homeserver = {
          unit = "continuwuity.service";
          http = "http://127.0.0.1:6167/_matrix/federation/v1/version";
          version = "server.version";
        };
        bridge.unit = "mautrix-slack.service";
        forge = {
          unit = "forgejo.service";
          http = "http://127.0.0.1:3000/api/v1/version";
          version = "version";
        };
        web = {
          unit = "nginx.service";
          http = "https://${domain}/_matrix/client/versions";
        };
        database.unit = "postgresql.service";
      };
      certificates = [
        domain
        "git.${domain}"
      ];
      forge = {
        url = "https://git.${domain}";
        repository = "team/ops-jrz1";
        token_file = "forge-token";
      };
    };
  };
}
