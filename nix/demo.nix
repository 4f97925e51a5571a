# `nix run .#demo`: what `make demo` does, with nixpkgs' Synapse.
{
  callPackage,
  git,
  matrix-synapse-unwrapped,
  openssh,
  python3,
  writeShellApplication,
}:
let
  # Of one Python: the demo starts the homeserver with the interpreter that it runs in.
  python = python3.withPackages (packages: [
    (callPackage ./package.nix { })
    (packages.toPythonModule matrix-synapse-unwrapped)
    packages.prompt-toolkit
  ]);
in
writeShellApplication {
  name = "opsbot-demo";
  runtimeInputs = [
    git
    openssh
  ];
  text = ''
    exec ${python}/bin/python -P -m opsbot demo "$@"
  '';
}
