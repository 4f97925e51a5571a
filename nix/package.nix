# The bot. As a package of Python's, so that the demo and the tests can put it into an environment of theirs.
{ lib, python3Packages }:
let
  inherit (lib.importTOML ../pyproject.toml) project;
in
python3Packages.buildPythonPackage {
  pname = project.name;
  inherit (project) version;
  pyproject = true;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../README.md
      ../config.example.yaml
      ../opsbot
      ../plugins
      ../pyproject.toml
      ./templates
      ./units
    ];
  };

  build-system = [ python3Packages.hatchling ];
  dependencies = with python3Packages; [
    aiohttp
    asyncssh
    croniter
    cryptography
    (callPackage ./dbos.nix { })
    prometheus-client
    pydantic
    pyyaml
    sqlalchemy
    yarl
  ];

  # A host has its helper from a package of its own, which needs none of these libraries.
  postInstall = ''
    rm $out/bin/opsbot-host
  '';

  pythonImportsCheck = [ "opsbot.app" ];
  # The tests are a check of the flake. A build makes sure that what it has built starts and knows its own words; of Python's
  # packages nixpkgs makes the check after the installation, and asks for it by this name.
  doCheck = true;
  postInstallCheck = ''
    $out/bin/opsbot check --offline --config config.example.yaml
  '';

  meta = {
    inherit (project) description;
    mainProgram = "opsbot";
    platforms = lib.platforms.linux;
  };
}
