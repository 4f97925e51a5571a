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

      nixosModules = {
        default = import ./nix/project.nix self;
        opsbot.imports = [ ./nix/bot.nix ];
        host.imports = [ ./nix/host.nix ];
        platform.imports = [
          sops-nix.nixosModules.sops
          ./nix/bot.nix
          ./nix/host.nix
          ./nix/platform
        ];
      };

      templates = {
        project = {
          path = ./nix/templates/project;
          description = "A project of the team's: a service, its package, its module and its test.";
        };
        platform = {
          path = ./nix/example;
          description = "A whole platform on one machine, operated by opsbot.";
        };
      };

      # The platform that the documentation speaks of, as its own flake has it.
      inherit
        ((import ./nix/example/flake.nix).outputs {
          inherit self nixpkgs;
          opsbot = self;
        })
        nixosConfigurations
        ;

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
