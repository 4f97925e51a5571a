# The Matrix homeserver: continuwuity, which goes on where conduwuit ended, and whose program still has that name.
{ config, lib, ... }:
let
  inherit (config.platform) domain;
  credential = "registration-token";
in
{
  services.matrix-continuwuity = {
    enable = true;
    settings.global = {
      server_name = domain;
      # Only the web server, the bridges and the bot reach it.
      address = [ "127.0.0.1" ];
      port = [ 6167 ];
      # An account is made with the token, which an admin hands out.
      allow_registration = lib.mkDefault true;
      registration_token_file = "/run/credentials/continuwuity.service/${credential}";
      well_known = {
        client = "https://${domain}";
        server = "${domain}:443";
      };
    };
  };

  sops.secrets.matrix-registration-token.restartUnits = [ "continuwuity.service" ];
  systemd.services.continuwuity.serviceConfig.LoadCredential = [
    "${credential}:${config.sops.secrets.matrix-registration-token.path}"
  ];
}
