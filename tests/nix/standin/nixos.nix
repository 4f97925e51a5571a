# What our modules set of NixOS, and no more: an option that stands here was looked up in nixpkgs. Of it a system is built as far
# as opsbot is concerned: what is in /etc, the units, and the users.
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
  free = known types.anything { };
  list = known (types.listOf types.anything) [ ];

  value =
    key: one:
    if builtins.isList one then
      lib.concatMapStrings (value key) one
    else
      "${key}=${
        if one == true then
          "true"
        else if one == false then
          "false"
        else
          toString one
      }\n";
  section =
    name: set: "[${name}]\n" + lib.concatMapStrings ({ name, value }: value name value) (lib.pairs set);
  render = key: set: lib.concatMapStrings (pair: value pair.name pair.value) (lib.pairs set);
  words = builtins.concatStringsSep " ";
  unitText =
    unit:
    "[Unit]\n"
    + render "" (
      lib.optionalAttrs (unit.description != "") { Description = unit.description; }
      // lib.optionalAttrs (unit.wants != [ ]) { Wants = words unit.wants; }
      // lib.optionalAttrs (unit.after != [ ]) { After = words unit.after; }
      // lib.optionalAttrs (unit.startLimitIntervalSec != null) {
        StartLimitIntervalSec = unit.startLimitIntervalSec;
      }
      // lib.optionalAttrs (unit.restartTriggers != [ ]) {
        X-Restart-Triggers = words unit.restartTriggers;
      }
    )
    + "[Service]\n"
    + lib.concatMapStrings (pair: "Environment=${pair.name}=${pair.value}\n") (
      lib.pairs unit.environment
    )
    + render "" unit.serviceConfig;

  etcEntry = name: entry: ''
    mkdir -p $out/etc/$(dirname ${name})
    ${
      if entry ? text && entry ? mode then
        "install -m ${entry.mode} ${pkgs.writeText "text" entry.text} $out/etc/${name}"
      else if entry ? text then
        "ln -s ${pkgs.writeText "text" entry.text} $out/etc/${name}"
      else
        "ln -s ${entry.source} $out/etc/${name}"
    }
  '';
  unitEntry = name: unit: ''
    if [ -e $units/${name}.service ]; then
      mkdir -p $units/${name}.service.d
      cp ${pkgs.writeText "overrides.conf" (unitText unit)} $units/${name}.service.d/overrides.conf
    else
      cp ${pkgs.writeText "unit" (unitText unit)} $units/${name}.service
    fi
    for target in ${words unit.wantedBy}; do
      mkdir -p $units/$target.wants
      ln -s ../${name}.service $units/$target.wants/
    done
  '';
in
{
  options = {
    assertions = list;
    warnings = known (types.listOf types.str) [ ];

    boot.initrd.availableKernelModules = list;
    boot.loader.grub.device = known types.str "";
    environment.etc = known (types.attrsOf types.anything) { };
    environment.systemPackages = list;
    fileSystems = free;
    networking.firewall.allowedTCPPorts = known (types.listOf types.port) [ ];
    networking.firewall.enable = known types.bool true;
    networking.hostName = known types.str "nixos";
    nix.gc.automatic = known types.bool false;
    nix.gc.options = known types.singleLineStr "";
    nix.settings.experimental-features = known (types.listOf types.str) [ ];
    nix.settings.sandbox = known types.bool true;
    nix.settings.substituters = known (types.listOf types.str) [ ];
    nixpkgs.hostPlatform = free;
    programs.ssh.knownHosts = free;
    security.acme.acceptTerms = known types.bool false;
    security.acme.defaults.email = known (types.nullOr types.str) null;
    security.polkit.enable = known types.bool false;
    services.forgejo = {
      enable = known types.bool false;
      database.createDatabase = known types.bool false;
      database.type = known (types.enum [
        "sqlite3"
        "mysql"
        "postgres"
      ]) "sqlite3";
      settings = free;
    };
    services.matrix-continuwuity.enable = known types.bool false;
    services.matrix-continuwuity.settings = free;
    services.nginx = {
      enable = known types.bool false;
      recommendedGzipSettings = known types.bool false;
      recommendedOptimisation = known types.bool false;
      recommendedProxySettings = known types.bool false;
      recommendedTlsSettings = known types.bool false;
      virtualHosts = free;
    };
    services.openssh.enable = known types.bool false;
    services.openssh.hostKeys = list;
    services.openssh.extraConfig = known types.lines "";
    services.openssh.settings = free;
    services.postgresql.package = option types.package;
    specialisation = known (types.attrsOf types.raw) { };
    system.configurationRevision = known (types.nullOr types.str) null;
    system.stateVersion = option types.str;
    system.build = free;
    system.extraDependencies = list;
    system.switch.enable = known types.bool true;
    systemd.packages = list;
    systemd.tmpfiles.packages = list;
    systemd.services = known (types.attrsOf (
      types.submodule {
        options = {
          description = known types.str "";
          wants = known (types.listOf types.str) [ ];
          after = known (types.listOf types.str) [ ];
          wantedBy = known (types.listOf types.str) [ ];
          restartTriggers = list;
          environment = known (types.attrsOf types.str) { };
          startLimitIntervalSec = known (types.nullOr types.int) null;
          serviceConfig = free;
        };
      }
    )) { };
    time.timeZone = known (types.nullOr types.str) null;
    users.groups = free;
    virtualisation.cores = known types.int 1;
    virtualisation.diskSize = known types.int 1024;
    virtualisation.memorySize = known types.int 1024;
    virtualisation.writableStore = known types.bool true;
    users.users = free;
  };

  config.system.build.toplevel =
    let
      failed = lib.filter (one: !one.assertion) config.assertions;
    in
    if failed != [ ] then
      throw "Failed assertions:\n${lib.concatMapStrings (one: "- ${one.message}\n") failed}"
    else
      pkgs.runCommand "nixos-system-${config.networking.hostName}" { } ''
        units=$out/etc/systemd/system
        mkdir -p $units $out/etc/tmpfiles.d $out/etc/ssh $out/sw/bin
        for package in ${words config.systemd.packages}; do cp -r $package/lib/systemd/system/. $units/; done
        for package in ${words config.systemd.tmpfiles.packages}; do cp $package/lib/tmpfiles.d/* $out/etc/tmpfiles.d/; done
        for package in ${words config.environment.systemPackages}; do ln -s $package/bin/* $out/sw/bin/; done
        chmod -R u+w $units
        cp ${pkgs.writeText "sshd_config" config.services.openssh.extraConfig} $out/etc/ssh/sshd_config
        ${lib.concatMapStrings (pair: unitEntry pair.name pair.value) (lib.pairs config.systemd.services)}
        ${lib.concatMapStrings (pair: etcEntry pair.name pair.value) (lib.pairs config.environment.etc)}
      '';
}
