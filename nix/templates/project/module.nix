# What the platform imports. That is all it takes: the service is on, and opsbot knows the project.
self:
{
  config,
  lib,
  options,
  pkgs,
  ...
}:

let
  name = "chochacho-hello-bot";
  unit = "${name}.service";
  cfg = config.services.${name};
  platform = config.services.opsbot-host.settings.platform;
in
{
  options.services.${name} = {
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.callPackage ./default.nix { };
      defaultText = lib.literalExpression "pkgs.callPackage ./default.nix { }";
      description = "The package to run.";
    };

    homeserver = lib.mkOption {
      type = lib.types.str;
      default = "http://127.0.0.1:6167";
      description = "Address of the Matrix homeserver.";
    };

    tokenFile = lib.mkOption {
      type = lib.types.str;
      default = "/run/secrets/${name}-token";
      description = "File with the access token of the bot's account. Never one in the Nix store, which everybody can read.";
    };
  };

  config = lib.mkMerge [
    {
      assertions = [
        {
          assertion = !lib.hasPrefix builtins.storeDir cfg.tokenFile;
          message = "services.${name}.tokenFile is in the Nix store, where everybody can read it: name a secret.";
        }
      ];

      systemd.services.${name} = {
        description = "Answers !hello in Matrix";
        wantedBy = [ "multi-user.target" ];
        wants = [ "network-online.target" ];
        after = [ "network-online.target" ];

        environment.HOMESERVER = cfg.homeserver;

        serviceConfig = {
          # Started is what hears its rooms, and a deploy waits for that.
          Type = "notify";
          ExecStart = lib.getExe cfg.package;
          Restart = "on-failure";
          RestartSec = "5s";

          # A user that exists while the service runs, and reads nothing but its own secret.
          DynamicUser = true;
          LoadCredential = "token:${cfg.tokenFile}";

          CapabilityBoundingSet = "";
          LockPersonality = true;
          MemoryDenyWriteExecute = true;
          NoNewPrivileges = true;
          PrivateDevices = true;
          PrivateUsers = true;
          ProtectClock = true;
          ProtectControlGroups = true;
          ProtectHome = true;
          ProtectHostname = true;
          ProtectKernelLogs = true;
          ProtectKernelModules = true;
          ProtectKernelTunables = true;
          ProtectProc = "invisible";
          ProtectSystem = "strict";
          RestrictAddressFamilies = [
            "AF_INET"
            "AF_INET6"
            "AF_UNIX"
          ];
          RestrictNamespaces = true;
          RestrictRealtime = true;
          SystemCallArchitectures = "native";
          SystemCallFilter = [
            "@system-service"
            "~@privileged"
          ];
          UMask = "0077";
        };
      };
    }

    # The host deploys it from beside the platform on the forge, and knows that this unit is its own.
    (lib.optionalAttrs (options.services ? opsbot-host) {
      services.opsbot-host = {
        settings = {
          projects.${name} = {
            url = lib.mkDefault "${dirOf platform.url}/${name}.git";
            units = [ unit ];
          };
          restart = [ unit ];
        };
        pins = lib.optionalAttrs (self ? rev) { ${name} = self.rev; };
      };
    })

    # So does the bot: `!deploy chochacho-hello-bot`, and a line in `!status`.
    (lib.optionalAttrs (options.services ? opsbot) {
      services.opsbot.settings = {
        projects.${name} = {
          host = config.networking.hostName;
          services = [ name ];
        };
        services.${name} = { inherit unit; };
      };
    })

    # The token stands in the platform's secrets.
    (lib.optionalAttrs (options ? sops) {
      sops.secrets."${name}-token".restartUnits = [ unit ];
    })
  ];
}
