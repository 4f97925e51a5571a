{
  description = "opsbot: the Matrix chatops bot that operates a small team's NixOS platform";

  # The release that all of this is written for. It has the bridge from 26.08 on, which older ones lack.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.11";
  # Only the platform's modules use it.
  inputs.sops-nix = {
    url = "github:Mic92/sops-nix";
    inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    {
      self,
      nixpkgs,
      sops-nix,
    }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      each = make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      packages = each (pkgs: rec {
        default = opsbot;
        opsbot = pkgs.callPackage ./nix/package.nix { };
        opsbot-host = pkgs.callPackage ./nix/opsbot-host.nix { };
      });

      # For the flake of a platform: the module that brings its projects.
      lib.projects = import ./nix/projects.nix;

      nixosModules = {
        # As a project of the platform's, opsbot is both.
        default.imports = [
          ./nix/bot.nix
          ./nix/host.nix
        ];
        opsbot = ./nix/bot.nix;
        host = ./nix/host.nix;
        platform.imports = [
          sops-nix.nixosModules.sops
          ./nix/bot.nix
          ./nix/host.nix
          ./nix/platform
        ];
      };

      # The platform that the documentation speaks of, to be read and copied.
      nixosConfigurations.ops-jrz1 = lib.nixosSystem {
        specialArgs = { inherit self; };
        modules = [
          self.nixosModules.platform
          ./nix/example
        ];
      };

      apps = each (pkgs: {
        demo = {
          type = "app";
          program = lib.getExe (pkgs.callPackage ./nix/demo.nix { });
          meta.description = "Talk to opsbot on this machine; it leaves nothing behind.";
        };
      });

      checks = each (pkgs: import ./nix/checks.nix { inherit self lib pkgs; });
      devShells = each (pkgs: {
        default = pkgs.callPackage ./nix/shell.nix { };
      });
      formatter = each (pkgs: pkgs.nixfmt-tree);
    };
}
