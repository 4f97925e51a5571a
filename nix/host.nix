# A managed host: the helper, the bot's one way in, who may start what, and what the host is told about itself.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.opsbot-host;
  ssh = config.services.openssh.settings;
  format = pkgs.formats.json { };
  inherit (lib) mkOption types;
  inherit (import ./types.nix { inherit lib; }) secretFile;

  # opsbot-host refuses a key that it does not know; here that ends the build, not a deploy.
  hostFile = pkgs.runCommand "host.json" { nativeBuildInputs = [ cfg.package ]; } ''
    opsbot-host --config ${format.generate "host.json" cfg.settings} check
    cp ${format.generate "host.json" cfg.settings} $out
  '';

  # The files as they are, and as tests/system boots with them.
  files = pkgs.runCommand "opsbot-host-files" { restart = builtins.toJSON cfg.settings.restart; } ''
    install -D --mode=444 --target-directory=$out/lib/systemd/system ${./units}/*.service
    install -D --mode=444 ${./tmpfiles/opsbot.conf} $out/lib/tmpfiles.d/opsbot.conf
    install -D --mode=444 ${./polkit/10-opsbot.rules} $out/rules/10-opsbot.rules
    substitute ${./polkit/11-opsbot-restart.rules.in} $out/rules/11-opsbot-restart.rules --subst-var restart
  '';

  projects = lib.attrNames cfg.settings.projects;
  pinned = lib.attrNames cfg.pins;
  unpinned = lib.subtractLists pinned projects;
  unknown = lib.subtractLists projects pinned;

  systemUser = name: groups: {
    isSystemUser = true;
    group = name;
    extraGroups = groups;
    description = "opsbot";
  };
in
{
  options.services.opsbot-host = {
    enable = lib.mkEnableOption "what opsbot needs on a host that it operates";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./opsbot-host.nix { };
      defaultText = lib.literalExpression "opsbot-host, built with this system's nixpkgs";
      description = "The package of the helper.";
    };

    authorizedKeys = mkOption {
      type = types.listOf (types.strMatching "[a-z0-9@.-]+ [A-Za-z0-9+/=]+.*");
      example = [ "ssh-ed25519 AAAA… opsbot" ];
      description = "The bot's public keys. They open the user `opsbot`, who can run the helper and nothing else.";
    };

    settings = mkOption {
      type = types.submodule {
        freeformType = format.type;
        options = {
          host = mkOption {
            type = types.str;
            default = config.networking.hostName;
            defaultText = lib.literalExpression "config.networking.hostName";
            description = "The host's name in `nixosConfigurations` and in the bot's configuration.";
          };
          platform.url = mkOption {
            type = types.str;
            example = "https://git.example.org/team/ops-jrz1.git";
            description = "The repository of the flake that this host is built from.";
          };
          projects = mkOption {
            type = types.attrsOf format.type;
            default = { };
            description = "What is deployed here, by the names of the flake's inputs: repository, units, checks.";
          };
          restart = mkOption {
            type = types.listOf types.str;
            default = [ ];
            example = [ "nginx.service" ];
            description = "The services that `!restart` may restart.";
          };
        };
      };
      description = "What the host is told about itself, in `/etc/opsbot/host.json`; every key of it can stand here.";
    };

    pins = mkOption {
      type = types.attrsOf (types.strMatching "[0-9a-f]{40}");
      default = { };
      example = lib.literalExpression "{ hello-bot = inputs.hello-bot.rev; }";
      description = ''
        The commit of each project in this system. So the host knows what ran before opsbot came.
      '';
    };

    fetchKeyFile = mkOption {
      type = types.nullOr secretFile;
      default = null;
      description = "The private key with which repositories are read; for private ones only.";
    };

    pushKeyFile = mkOption {
      type = types.nullOr secretFile;
      default = null;
      description = "The private key with which the platform's pins are pushed. Without it nothing is published.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.authorizedKeys != [ ];
        message = ''
          services.opsbot-host.authorizedKeys is empty: nobody could ask this host for anything.
          Make a key with `ssh-keygen -t ed25519 -N "" -C opsbot -f opsbot`, give the bot the private one, and name opsbot.pub here.
        '';
      }
      {
        assertion = ssh.AllowUsers or null == null || lib.elem "opsbot" ssh.AllowUsers;
        message = ''
          services.openssh.settings.AllowUsers leaves out `opsbot`: sshd would let the bot in no more. Add it.
        '';
      }
      {
        assertion = ssh.AllowGroups or null == null || lib.elem "opsbot" ssh.AllowGroups;
        message = ''
          services.openssh.settings.AllowGroups leaves out `opsbot`: sshd would let the bot in no more. Add it.
        '';
      }
      {
        assertion = unknown == [ ];
        message = ''
          services.opsbot-host.pins has ${lib.concatStringsSep ", " unknown}, which services.opsbot-host.settings.projects lacks.
        '';
      }
    ];
    warnings =
      lib.optional (config.system.configurationRevision == null) ''
        system.configurationRevision is not set, so opsbot will deploy nothing here: it builds on the commit that runs.
        Set it to `self.rev or null` in the flake. A checkout with changes has none; commit them.
      ''
      ++ lib.optional (unpinned != [ ]) ''
        services.opsbot-host.pins lacks ${lib.concatStringsSep ", " unpinned}: !status cannot tell what runs of it before its first
        deploy. Add `${lib.head unpinned} = inputs.${lib.head unpinned}.rev;`.
      '';

    users.users = {
      # With a shell: sshd runs the forced command by it.
      opsbot =
        systemUser "opsbot" [
          "opsbot-state"
          "systemd-journal"
        ]
        // {
          shell = "/bin/sh";
        };
      opsbot-prepare = systemUser "opsbot-prepare" [ "opsbot-state" ];
      opsbot-publish = systemUser "opsbot-publish" [ "opsbot-state" ];
      # Runs the commands of checks, and is in no group of ours.
      opsbot-check = systemUser "opsbot-check" [ ];
    };
    users.groups = lib.genAttrs [
      "opsbot"
      "opsbot-check"
      "opsbot-prepare"
      "opsbot-publish"
      "opsbot-state"
    ] (_: { });

    environment.systemPackages = [
      cfg.package
      pkgs.git
    ];
    environment.etc = {
      "opsbot/host.json".source = hostFile;
      "opsbot/pins.json".text = builtins.toJSON cfg.pins;
      # A file, not a link into the store: sshd refuses one whose folder a group may write.
      "opsbot/authorized_keys" = {
        text = lib.concatMapStrings (key: "${key}\n") cfg.authorizedKeys;
        mode = "0444";
      };
      "polkit-1/rules.d/10-opsbot.rules".source = "${files}/rules/10-opsbot.rules";
      "polkit-1/rules.d/11-opsbot-restart.rules".source = "${files}/rules/11-opsbot-restart.rules";
    }
    // lib.optionalAttrs (cfg.fetchKeyFile != null) { "opsbot/fetch-key".source = cfg.fetchKeyFile; }
    // lib.optionalAttrs (cfg.pushKeyFile != null) { "opsbot/push-key".source = cfg.pushKeyFile; };

    security.polkit.enable = true;
    # It watches the folder, not what the links in it lead to.
    systemd.services.polkit.restartTriggers = [ files ];

    services.openssh.enable = true;
    services.openssh.extraConfig = lib.mkAfter (builtins.readFile ./ssh/opsbot.conf);

    systemd.packages = [ files ];
    systemd.tmpfiles.packages = [ files ];
  };
}
