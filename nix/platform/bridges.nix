# Bridges to other networks, all three by mautrix and in one manner. Slack's is on; the others are there to be enabled.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (config.platform) domain;
  inherit (lib) mkOption types;
  format = pkgs.formats.json { };
  enabled = lib.filterAttrs (_: bridge: bridge.enable) config.platform.bridges;
  unit = name: "mautrix-${name}";
  # The three secrets of a bridge: two that it shares with the homeserver, one with the bot.
  secret = name: what: "${unit name}-${what}";
  placeholder = name: what: config.sops.placeholder.${secret name what};
  inherit (import ./bridge-settings.nix { inherit lib domain placeholder; }) defaults registration;
  # The argument has two spellings in nixpkgs.
  withoutLibolm =
    package:
    package.override (
      builtins.intersectAttrs (lib.functionArgs package.override) {
        withGoolm = true;
        withGoOlm = true;
      }
    );
  check = import ./bridge-checks.nix { inherit lib domain placeholder; };

  bridge =
    name: port: on:
    mkOption {
      default = { };
      description = "The bridge mautrix-${name}.";
      type = types.submodule (
        { config, ... }:
        {
          options = {
            enable = lib.mkEnableOption "the bridge mautrix-${name}" // {
              default = on;
            };
            package = mkOption {
              type = types.package;
              default = withoutLibolm pkgs."mautrix-${name}";
              defaultText = lib.literalExpression "pkgs.mautrix-${name}, without libolm";
              description = "The package of the bridge. It encrypts nothing, so it needs no libolm.";
            };
            port = mkOption {
              type = types.port;
              default = port;
              description = "Where it listens, on the loopback.";
            };
            url = mkOption {
              type = types.str;
              readOnly = true;
              default = "http://127.0.0.1:${toString config.port}";
              defaultText = lib.literalExpression ''"http://127.0.0.1:''${toString port}"'';
              description = "Its address. Take it from here, not from `settings`, which have secrets of sops in them.";
            };
            settings = mkOption {
              type = types.submodule { freeformType = format.type; };
              description = ''
                Its configuration, as its `config.yaml`; what is not said stays as the bridge ships it. `bridge.permissions`
                must be said: who may use it, and who may administer it.
              '';
            };
          };
          config.settings = defaults name config;
        }
      );
    };

  service = name: bridge: {
    description = "The bridge between Matrix and ${name}";
    wantedBy = [ "multi-user.target" ];
    wants = [
      "network-online.target"
      "continuwuity.service"
    ];
    after = [
      "network-online.target"
      "continuwuity.service"
    ];
    # What may heal is tried again for ever. The codes below do not heal.
    startLimitIntervalSec = 0;
    serviceConfig = import ./sandbox.nix // {
      ExecStart = "${lib.getExe' bridge.package (unit name)} --no-update --config %d/config.yaml";
      LoadCredential = [ "config.yaml:${config.sops.templates."${unit name}.yaml".path}" ];
      DynamicUser = true;
      StateDirectory = unit name;
      StateDirectoryMode = "0700";
      Restart = "always";
      RestartSec = 10;
      # 10 the file cannot be read, 11 a setting is the example's, 12 the log's settings are wrong.
      RestartPreventExitStatus = "10 11 12";
    };
  };

in
{
  options.platform.bridges = {
    slack = bridge "slack" 29335 true;
    whatsapp = bridge "whatsapp" 29318 false;
    gmessages = bridge "gmessages" 29336 false;
  };

  config = {
    assertions = lib.concatLists (lib.mapAttrsToList check enabled);

    sops.secrets = lib.genAttrs (lib.concatMap (
      name:
      map (secret name) [
        "as-token"
        "hs-token"
        "provisioning-secret"
      ]
    ) (lib.attrNames enabled)) (_: { });

    # YAML reads JSON. The first is the bridge's, the second is shown once to the homeserver.
    sops.templates = lib.mkMerge (
      lib.mapAttrsToList (name: bridge: {
        "${unit name}.yaml" = {
          content = builtins.toJSON bridge.settings;
          restartUnits = [ "${unit name}.service" ];
        };
        "${unit name}-registration.yaml".content = builtins.toJSON (
          registration name bridge.settings.appservice
        );
      }) enabled
    );

    systemd.services = lib.mapAttrs' (
      name: bridge: lib.nameValuePair (unit name) (service name bridge)
    ) enabled;
  };
}
