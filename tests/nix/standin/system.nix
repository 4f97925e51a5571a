# Of a configuration a system is built as far as opsbot is concerned: what is in /etc, the units, and the programs.
{
  lib,
  pkgs,
  config,
  ...
}:
let
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
  render = key: set: lib.concatMapStrings (pair: value pair.name pair.value) (lib.pairs set);
  words = builtins.concatStringsSep " ";
  unitText =
    unit:
    "[Unit]\n"
    + render "" (
      lib.optionalAttrs (unit.description != "") { Description = unit.description; }
      // lib.optionalAttrs (unit.wants != [ ]) { Wants = words unit.wants; }
      // lib.optionalAttrs (unit.after != [ ]) { After = words unit.after; }
      // lib.optionalAttrs (builtins.tryEval unit.startLimitIntervalSec).success {
        StartLimitIntervalSec = unit.startLimitIntervalSec;
      }
      // lib.optionalAttrs (unit.restartTriggers != [ ]) {
        X-Restart-Triggers = words unit.restartTriggers;
      }
    )
    + "[Service]\n"
    + lib.concatMapStrings (pair: "Environment=${pair.name}=${pair.value}\n") (
      lib.pairs (
        lib.optionalAttrs unit.enableDefaultPath { PATH = "${pkgs.coreutils}/bin"; } // unit.environment
      )
    )
    + render "" unit.serviceConfig;

  etcEntry = name: entry: ''
    mkdir -p $out/etc/$(dirname ${name})
    ${
      if entry.mode == "symlink" then "ln -s" else "install -m ${entry.mode}"
    } ${entry.source} $out/etc/${name}
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
        # As NixOS puts it there: the shell reads it.
        cat >$out/etc/ssh/sshd_config <<EOL
        ${config.services.openssh.extraConfig}
        EOL
        ${lib.concatMapStrings (pair: unitEntry pair.name pair.value) (lib.pairs config.systemd.services)}
        ${lib.concatMapStrings (pair: etcEntry pair.name pair.value) (lib.pairs config.environment.etc)}
      '';
}
