# The flake's outputs with stand-ins for its inputs, and the systems that the tests build of them.
{ python, top }:
let
  lib = import ./lib.nix;
  pkgs = import ./pkgs.nix { inherit lib python top; };
  nixosSystem =
    {
      modules,
      specialArgs ? { },
    }:
    lib.evalModules {
      modules = [
        ./nixos.nix
        ./system.nix
      ]
      ++ modules;
      specialArgs = {
        inherit pkgs;
      }
      // specialArgs;
    };
  flake = import (top + "/flake.nix");
  self = outputs // {
    rev = "4d3f0e8a9b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e";
    outPath = top;
  };
  nixpkgs = {
    lib = lib // {
      inherit nixosSystem;
    };
    legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (_: pkgs);
  };
  outputs = flake.outputs {
    inherit self nixpkgs;
    sops-nix.nixosModules.sops = ./sops.nix;
  };
in
{
  inherit
    flake
    lib
    nixosSystem
    nixpkgs
    outputs
    pkgs
    self
    top
    ;
  # A system of a module's text, with nothing but what the module itself says.
  system =
    module:
    nixosSystem {
      modules = [
        self.nixosModules.platform
        { system.stateVersion = "26.11"; }
        module
      ];
      specialArgs = { inherit self; };
    };
}
