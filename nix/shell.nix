# `nix develop`: what the tests call by name. The libraries are those of requirements.lock, in .venv, as everywhere else.
{
  git,
  gnumake,
  mkShell,
  nixfmt,
  openssh,
  postgresql,
  python3,
  stdenv,
  uv,
  lib,
}:
mkShell {
  packages = [
    git
    gnumake
    nixfmt
    openssh
    postgresql
    python3
    uv
  ];
  # The wheels in .venv were linked for other distributions.
  LD_LIBRARY_PATH = lib.makeLibraryPath [ stdenv.cc.cc ];
  shellHook = ''
    make .venv/ready
  '';
}
