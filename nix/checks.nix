# `nix flake check`: what `.ci/run` does not do, because it has no nixpkgs.
{
  self,
  lib,
  pkgs,
}:
let
  package = pkgs.callPackage ./package.nix { };
  python = pkgs.python3.withPackages (packages: [
    package
    packages.hypothesis
    packages.pytest
    packages.pytest-asyncio
  ]);
in
{
  inherit package;
  opsbot-host = pkgs.callPackage ./opsbot-host.nix { };
  # Its build runs its tests.
  project = pkgs.callPackage ./templates/project { };

  # With the libraries of nixpkgs instead of those of requirements.lock. The real servers are for `make test`.
  tests =
    pkgs.runCommand "opsbot-tests"
      {
        nativeBuildInputs = [
          pkgs.git
          pkgs.openssh
          python
        ];
      }
      ''
        cp -r ${self} work
        chmod -R u+w work
        cd work
        HOME=$PWD python -m pytest -m 'not real' tests/jobs tests/plugins tests/render tests/store
        touch $out
      '';

  # The formatting is that of nixpkgs.
  formatting = pkgs.runCommand "opsbot-formatting" { nativeBuildInputs = [ pkgs.nixfmt ]; } ''
    find ${self}/flake.nix ${self}/nix ${self}/tests/nix -name '*.nix' -exec nixfmt --check {} +
    touch $out
  '';
}
// lib.optionalAttrs (pkgs.stdenv.hostPlatform.system == "x86_64-linux") {
  # All modules together, with all of NixOS's assertions and warnings.
  example = self.nixosConfigurations.ops-jrz1.config.system.build.toplevel;
  vm = import ./test { inherit self pkgs; };
}
