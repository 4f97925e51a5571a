# The bot as a service: its configuration as `settings`, its secrets as `credentials`, its unit as nix/bot has it.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.opsbot;
  format = pkgs.formats.yaml { };
  inherit (lib) mkOption types;
  inherit (import ./types.nix { inherit lib; }) secretFile;

  # Every key that ends in _file names a credential.
  named =
    value:
    if builtins.isAttrs value then
      lib.concatLists (
        lib.mapAttrsToList (
          key: inner: if lib.hasSuffix "_file" key && inner != null then [ inner ] else named inner
        ) value
      )
    else
      lib.concatMap named (lib.optionals (builtins.isList value) value);
  given = lib.attrNames cfg.credentials;
  missing = lib.subtractLists given cfg.wanted;
  idle = lib.subtractLists cfg.wanted given;

  # A configuration that the bot does not take is no system: the build ends with what is wrong with it.
  configFile = pkgs.runCommand "opsbot.yaml" { nativeBuildInputs = [ cfg.package ]; } ''
    opsbot check --offline --config ${format.generate "opsbot.yaml" cfg.settings} || {
      echo "Correct services.opsbot.settings: each line above with FAIL says what is wrong." >&2
      exit 1
    }
    cp ${format.generate "opsbot.yaml" cfg.settings} $out
  '';

  unit = pkgs.runCommand "opsbot-unit" { } ''
    mkdir -p $out/lib/systemd/system
    substitute ${./bot/opsbot.service.in} $out/lib/systemd/system/opsbot.service \
      --subst-var-by opsbot ${cfg.package}
  '';
in
{
  options.services.opsbot = {
    enable = lib.mkEnableOption "opsbot, the chat bot that operates this platform";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalExpression "opsbot, built with this system's nixpkgs";
      description = "The package of the bot.";
    };

    settings = mkOption {
      type = types.submodule {
        freeformType = format.type;
        options = {
          homeserver.url = mkOption {
            type = types.str;
            example = "http://127.0.0.1:6167";
            description = "Where the homeserver is.";
          };
          homeserver.user = mkOption {
            type = types.strMatching "@[^:]+:.+";
            example = "@opsbot:example.org";
            description = "The bot's own account there.";
          };
          rooms = mkOption {
            type = types.listOf (types.strMatching "[#!].+");
            example = [ "#ops:example.org" ];
            description = "The rooms in which commands are heard.";
          };
          database = mkOption {
            type = types.str;
            default = "sqlite:////var/lib/opsbot-bot/opsbot.db";
            description = "The bot's memory. A file of SQLite must lie in `/var/lib/opsbot-bot`.";
          };
          listen = mkOption {
            type = types.str;
            default = "127.0.0.1:9464";
            description = "Where `/healthz`, `/readyz`, `/metrics` and the hooks are.";
          };
        };
      };
      default = { };
      description = ''
        The bot's configuration; every key of `config.example.yaml` can stand here. `opsbot check --offline` reads it while
        the system is built.
      '';
    };

    credentials = mkOption {
      type = types.attrsOf secretFile;
      default = { };
      example = lib.literalExpression "{ ssh-key = config.sops.secrets.opsbot-ssh-key.path; }";
      description = ''
        Where the secrets are that `settings` names by its keys that end in `_file`. systemd hands them to the bot; nobody
        else needs to be able to read them.
      '';
    };

    wanted = mkOption {
      type = types.listOf types.str;
      readOnly = true;
      internal = true;
      default = lib.unique (named cfg.settings);
      description = "The credentials that `settings` names.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = missing == [ ];
        message = ''
          services.opsbot.settings names credentials that are nowhere: ${lib.concatStringsSep ", " missing}.
          Say in services.opsbot.credentials in which file each of them is.
        '';
      }
      {
        assertion = idle == [ ];
        message = ''
          services.opsbot.credentials has ${lib.concatStringsSep ", " idle}, which no key of services.opsbot.settings names.
          Name it there (keys that end in _file), or take it away: a secret that nobody needs is given to nobody.
        '';
      }
      {
        assertion = cfg.settings.rooms != [ ];
        message = "services.opsbot.settings.rooms is empty: name at least one room, or the bot hears nobody.";
      }
      {
        assertion =
          lib.hasPrefix "sqlite:" cfg.settings.database
          -> lib.hasPrefix "sqlite:////var/lib/opsbot-bot/" cfg.settings.database;
        message = ''
          services.opsbot.settings.database is ${cfg.settings.database}, but the bot can write below /var/lib/opsbot-bot alone.
          Put the file there: sqlite:////var/lib/opsbot-bot/opsbot.db
        '';
      }
      {
        assertion = !(cfg.settings ? credentials);
        message = "services.opsbot.settings.credentials is for a bot without systemd: use services.opsbot.credentials.";
      }
    ];

    environment.etc."opsbot/config.yaml".source = configFile;
    # For people at the console: check, backup, restore, history.
    environment.systemPackages = [ cfg.package ];

    # Restart, sandbox and state stand in the unit itself, which tests/system boots with; here is only what is this host's.
    systemd.packages = [ unit ];
    systemd.services.opsbot = {
      wantedBy = [ "multi-user.target" ];
      restartTriggers = [ configFile ];
      serviceConfig.LoadCredential = [
        ""
      ]
      ++ lib.mapAttrsToList (name: file: "${name}:${file}") cfg.credentials;
    };
  };
}
