# What our modules use of sops-nix.
{ lib, config, ... }:
let
  inherit (lib) mkOption types;
  file =
    folder:
    types.submodule (
      { name, ... }:
      {
        options = {
          path = mkOption {
            type = types.str;
            default = "${folder}/${name}";
          };
          content = mkOption {
            type = types.lines;
            default = "";
          };
          restartUnits = mkOption {
            type = types.listOf types.str;
            default = [ ];
          };
        };
      }
    );
in
{
  options.sops = {
    age.sshKeyPaths = mkOption {
      type = types.listOf types.path;
      default = [ ];
    };
    defaultSopsFile = mkOption { type = types.path; };
    validateSopsFiles = mkOption {
      type = types.bool;
      default = true;
    };
    secrets = mkOption {
      type = types.attrsOf (file "/run/secrets");
      default = { };
    };
    templates = mkOption {
      type = types.attrsOf (file "/run/secrets/rendered");
      default = { };
    };
    placeholder = mkOption {
      type = types.attrsOf types.str;
      default = { };
    };
  };
  config.sops.placeholder = lib.mkIf (config.sops.templates != { }) (
    lib.mapAttrs (
      name: _: "<SOPS:${builtins.hashString "sha256" name}:PLACEHOLDER>"
    ) config.sops.secrets
  );
}
