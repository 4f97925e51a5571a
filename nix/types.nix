# Types that nixpkgs does not have.
{ lib }:
{
  # A file with a secret: its path as text, outside of the store, where everybody may read.
  secretFile = lib.types.strMatching "/.+" // {
    name = "secretFile";
    description = "full path of a file outside of the Nix store";
    check =
      value: builtins.isString value && lib.hasPrefix "/" value && !lib.hasPrefix builtins.storeDir value;
  };
}
