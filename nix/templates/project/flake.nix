{
  description = "chochacho-hello-bot answers !hello in Matrix";

  # For work on this project alone. What runs is built with the platform's nixpkgs.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.11";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forEach = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      packages = forEach (pkgs: {
        default = pkgs.callPackage ./default.nix { };
      });

      # `nix flake check` builds it, and the build runs its tests.
      checks = self.packages;

      devShells = forEach (pkgs: {
        default = pkgs.mkShell { packages = [ pkgs.python3 ]; };
      });

      nixosModules.default = import ./module.nix self;
    };
}
