# The forge: Forgejo with PostgreSQL, for people whom an admin lets in.
{ config, lib, ... }:
let
  name = "git.${config.platform.domain}";
in
{
  services.forgejo = {
    enable = true;
    database = {
      type = "postgres";
      createDatabase = true;
    };
    settings = {
      server = {
        DOMAIN = name;
        ROOT_URL = "https://${name}/";
        HTTP_ADDR = "127.0.0.1";
        HTTP_PORT = 3000;
        SSH_DOMAIN = name;
      };
      service.DISABLE_REGISTRATION = lib.mkDefault true;
      session.COOKIE_SECURE = lib.mkDefault true;
      # Its webhooks may call the bot, which listens on the loopback.
      webhook.ALLOWED_HOST_LIST = lib.mkDefault "loopback";
    };
  };

  # It writes the keys of those who push there. For other users NixOS looks below /etc alone, unless it is told otherwise.
  services.openssh.extraConfig = ''
    Match User forgejo
        AuthorizedKeysFile /var/lib/forgejo/.ssh/authorized_keys
        DisableForwarding yes
        PermitTTY no
    Match all
  '';
}
