# opsbot as a project of the platform that it operates: `!deploy opsbot` moves it, and nothing else.
self:
{ config, lib, ... }:
let
  name = "opsbot";
  unit = "${name}.service";
  host = config.services.opsbot-host;
  bot = config.services.opsbot;
in
{
  imports = [
    ./bot.nix
    ./host.nix
  ];

  config = lib.mkIf (host.enable && bot.enable) {
    services.opsbot-host = {
      settings.projects.${name} = {
        url = lib.mkDefault "${dirOf host.settings.platform.url}/${name}.git";
        units = [ unit ];
        # A newer one may have to look through its whole memory before it confirms.
        window = lib.mkDefault 300;
      };
      pins = lib.optionalAttrs (self ? rev) { ${name} = self.rev; };
    };

    services.opsbot.settings = {
      projects.${name} = {
        host = lib.mkDefault config.networking.hostName;
        services = [ name ];
      };
      services.${name}.unit = unit;
    };
  };
}
