{ lib, python3Packages }:

let
  inherit (lib.importTOML ./pyproject.toml) project;
in
python3Packages.buildPythonApplication {
  pname = project.name;
  inherit (project) version;
  pyproject = true;

  src = ./.;

  build-system = [ python3Packages.hatchling ];
  # Libraries go here, and into `dependencies` of pyproject.toml.
  dependencies = [ ];

  # A failing test is a failing build, and what does not build is not deployed.
  checkPhase = ''
    runHook preCheck
    python -m unittest discover --verbose src
    runHook postCheck
  '';

  meta = {
    inherit (project) description;
    mainProgram = project.name;
  };
}
