# The web server: TLS from Let's Encrypt in front of homeserver and forge.
{ config, lib, ... }:
let
  inherit (config.platform) domain email;
  homeserver = "http://127.0.0.1:6167";
  forge = "http://127.0.0.1:${toString config.services.forgejo.settings.server.HTTP_PORT}";
  behind = proxyPass: {
    inherit proxyPass;
    # Clients wait half a minute for news; files are as large as the homeserver takes them.
    extraConfig = ''
      proxy_read_timeout 120s;
      client_max_body_size 100m;
    '';
  };
  secure = {
    enableACME = true;
    forceSSL = true;
  };
in
{
  security.acme = {
    acceptTerms = true;
    defaults.email = lib.mkDefault email;
  };

  services.nginx = {
    enable = true;
    recommendedGzipSettings = lib.mkDefault true;
    recommendedOptimisation = lib.mkDefault true;
    recommendedProxySettings = lib.mkDefault true;
    recommendedTlsSettings = lib.mkDefault true;

    virtualHosts.${domain} = secure // {
      locations."/_matrix/" = behind homeserver;
      locations."/.well-known/matrix/" = behind homeserver;
    };
    virtualHosts."git.${domain}" = secure // {
      locations."/" = behind forge;
    };
  };
}
