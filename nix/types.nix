# Types that nixpkgs does not have.
{ lib }:
let
  inherit (lib) types;
in
{
  # A file with a secret: its path as text, outside of the store, where everybody may read.
  secretFile =
    types.addCheck (types.strMatching "/.+") (value: !lib.hasPrefix builtins.storeDir value)
    // {
      description = "full path of a file outside of the Nix store";
    };
}
