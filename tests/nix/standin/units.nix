# systemd's units, as NixOS takes them.
{ lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  known = type: default: mkOption { inherit type default; };
  packages = known (types.listOf types.package) [ ];
  names = known (types.listOf (
    types.strMatching "[a-zA-Z0-9@%:_.-]+[.](service|socket|mount|automount|swap|target|path|timer|scope|slice)"
  )) [ ];
  # A line, or as many of one name as there are in a list.
  line = {
    description = "a line of a unit, or several of one name";
    check = _: true;
    merge =
      loc: found:
      if builtins.any lib.isList found then
        lib.concatMap (one: if lib.isList one then one else [ one ]) found
      else
        types.raw.merge loc found;
  };
  oneOf =
    key: allowed: lines:
    !lines ? ${key} || lib.elem (value lines.${key}) allowed;
  # As far as it can be told before priorities are looked at.
  value = one: one.content or one;
in
{
  options.systemd = {
    inherit packages;
    tmpfiles = { inherit packages; };
    services = known (types.attrsOf (
      types.submodule {
        options = {
          description = known types.singleLineStr "";
          wants = names;
          after = names;
          wantedBy = names;
          restartTriggers = known (types.listOf types.raw) [ ];
          # NixOS gives a service a PATH in its drop-in, also in that of a unit which has one of its own.
          enableDefaultPath = known types.bool true;
          environment = known (types.attrsOf (types.nullOr types.str)) { };
          # Without a default: what is not said is not written.
          startLimitIntervalSec = mkOption { type = types.int; };
          serviceConfig = known (types.addCheck (types.attrsOf line) (
            lines:
            oneOf "Type" [
              "exec"
              "simple"
              "forking"
              "oneshot"
              "dbus"
              "notify"
              "notify-reload"
              "idle"
            ] lines
            && oneOf "Restart" [ "no" "on-success" "on-failure" "on-abnormal" "on-abort" "always" ] lines
          )) { };
        };
      }
    )) { };
  };
}
