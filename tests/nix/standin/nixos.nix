# What our modules set of NixOS, and no more: an option that stands here was looked up in nixpkgs, and has its type there.
{
  lib,
  pkgs,
  config,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: mkOption { inherit type; };
  # With a default, as most of NixOS's have.
  known = type: default: mkOption { inherit type default; };
  set = options: types.submodule { inherit options; };
  strings = known (types.listOf types.str) [ ];
  atom = types.oneOf [
    types.bool
    types.int
    types.float
    types.str
  ];
  nothingOr = type: known (types.nullOr type) null;
in
{
  imports = [ ./units.nix ];

  options = {
    assertions = known (types.listOf types.raw) [ ];
    warnings = strings;

    boot.initrd.availableKernelModules = strings;
    boot.loader.grub.device = known types.str "";
    environment.etc = known (types.attrsOf (
      types.submodule (
        { config, ... }:
        {
          options = {
            mode = known types.str "symlink";
            source = option types.path;
            text = nothingOr types.lines;
          };
          config.source = lib.mkIf (config.text != null) (pkgs.writeText "etc" config.text);
        }
      )
    )) { };
    environment.systemPackages = known (types.listOf types.package) [ ];
    fileSystems = known (types.attrsOf (set {
      device = nothingOr types.nonEmptyStr;
      fsType = known types.nonEmptyStr "auto";
    })) { };
    networking.firewall.allowedTCPPorts = known (types.listOf types.port) [ ];
    networking.firewall.enable = known types.bool true;
    networking.hostName = known (types.strMatching "[a-zA-Z0-9]([a-zA-Z0-9_-]*[a-zA-Z0-9])?") "nixos";
    nix.gc.automatic = known types.bool false;
    nix.gc.options = known types.singleLineStr "";
    nix.settings = known (types.attrsOf (types.either atom (types.listOf atom))) { };
    nixpkgs.hostPlatform = option types.raw;
    programs.ssh.knownHosts = known (types.attrsOf (set {
      publicKey = nothingOr types.str;
    })) { };
    security.acme.acceptTerms = known types.bool false;
    security.acme.defaults.email = nothingOr types.str;
    security.polkit.enable = known types.bool false;
    services.forgejo = {
      enable = known types.bool false;
      database.createDatabase = known types.bool true;
      database.type = known (types.enum [
        "sqlite3"
        "mysql"
        "postgres"
      ]) "sqlite3";
      settings = known (types.attrsOf (types.attrsOf atom)) { };
    };
    services.matrix-continuwuity.enable = known types.bool false;
    services.matrix-continuwuity.settings.global = known (types.submodule {
      freeformType = types.anything;
      options = {
        address = option (types.nullOr (types.listOf types.nonEmptyStr));
        allow_federation = known types.bool true;
        allow_registration = known types.bool false;
        # The unit has its folder; another one is none of the settings'.
        database_path = mkOption {
          type = types.path;
          readOnly = true;
          default = "/var/lib/continuwuity/";
        };
        port = known (types.listOf types.port) [ 6167 ];
        server_name = option types.nonEmptyStr;
      };
    }) { };
    services.nginx = {
      enable = known types.bool false;
      recommendedGzipSettings = known types.bool false;
      recommendedOptimisation = known types.bool false;
      recommendedProxySettings = known types.bool false;
      recommendedTlsSettings = known types.bool false;
      virtualHosts = known (types.attrsOf (set {
        enableACME = known types.bool false;
        forceSSL = known types.bool false;
        locations = known (types.attrsOf (set {
          extraConfig = known types.lines "";
          proxyPass = nothingOr types.str;
        })) { };
      })) { };
    };
    services.openssh = {
      enable = known types.bool false;
      hostKeys = known (types.listOf types.anything) [ ];
      extraConfig = known types.lines "";
      settings = known (types.submodule {
        freeformType = atom;
        options = {
          AllowGroups = nothingOr (types.listOf types.str);
          AllowUsers = nothingOr (types.listOf types.str);
          KbdInteractiveAuthentication = known (types.nullOr types.bool) true;
          PasswordAuthentication = known (types.nullOr types.bool) true;
          PermitRootLogin = known (types.enum [
            "yes"
            "without-password"
            "prohibit-password"
            "forced-commands-only"
            "no"
          ]) "prohibit-password";
        };
      }) { };
    };
    services.postgresql.package = known types.package pkgs.postgresql;
    specialisation = known (types.attrsOf (set {
      configuration = known types.raw { };
    })) { };
    system.configurationRevision = nothingOr types.str;
    system.stateVersion = option types.str;
    system.build = known types.anything { };
    system.extraDependencies = known (types.listOf types.package) [ ];
    system.switch.enable = known types.bool true;
    time.timeZone = nothingOr types.str;
    users.groups = known (types.attrsOf (set { })) { };
    users.users = known (types.attrsOf (set {
      description = known types.passwdEntry "";
      extraGroups = strings;
      group = known types.str "";
      isNormalUser = known types.bool false;
      isSystemUser = known types.bool false;
      openssh.authorizedKeys.keys = known (types.listOf types.singleLineStr) [ ];
      shell = nothingOr (types.either types.package types.path);
    })) { };
    virtualisation.cores = known types.ints.positive 1;
    virtualisation.diskSize = known types.ints.positive 1024;
    virtualisation.memorySize = known types.ints.positive 1024;
    virtualisation.writableStore = known types.bool true;
  };

  config = {
    users.users.root.isSystemUser = true;
    # NixOS's own, of every user.
    assertions = lib.mapAttrsToList (name: user: {
      assertion = user.isSystemUser != user.isNormalUser && (user.group != "" || name == "root");
      message = "users.users.${name} is neither a person nor a system user, or has no group.";
    }) config.users.users;
  };
}
