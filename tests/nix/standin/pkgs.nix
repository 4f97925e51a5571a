# What our files use of nixpkgs' packages: builds are real, by Nix, with the programs of the machine that runs the tests.
{
  lib,
  # A Python with the bot's libraries.
  python,
  # Where this repository is; it is used from there, not copied.
  top,
}:
let
  pkgs = rec {
    inherit lib;
    inherit (lib) optional;
    stdenv.hostPlatform.system = builtins.currentSystem or "x86_64-linux";
    stdenv.cc.cc = program "cc";
    system = stdenv.hostPlatform.system;

    callPackage =
      file: more:
      let
        make = if builtins.isFunction file then file else import file;
      in
      make (builtins.intersectAttrs (builtins.functionArgs make) pkgs // more);

    runCommand =
      name: environment: script:
      let
        tools = environment.nativeBuildInputs or [ ];
      in
      derivation (
        removeAttrs environment [ "nativeBuildInputs" ]
        // {
          inherit name system;
          builder = "/bin/sh";
          args = [
            "-euc"
            (builtins.readFile ./substitute.sh + script)
          ];
          PATH = lib.concatMapStrings (tool: "${tool}/bin:") tools + "/usr/bin:/bin";
        }
      );
    writeText =
      name: text:
      if builtins.getContext text == { } then
        builtins.toFile name text
      else
        runCommand name { inherit text; } ''printf %s "$text" > $out'';

    formats =
      let
        value = {
          description = "JSON value";
          check = _: true;
          merge =
            loc: found:
            if builtins.all builtins.isAttrs found && !builtins.any (one: one ? outPath) found then
              (lib.types.attrsOf value).merge loc found
            else if builtins.all builtins.isList found then
              builtins.concatLists found
            else
              lib.types.str.merge loc found;
        };
        # YAML reads JSON.
        format = _: {
          type = value;
          generate = name: settings: writeText name (builtins.toJSON settings);
        };
      in
      {
        json = format;
        yaml = format;
      };

    # A program of the machine, under the name of its package.
    program =
      name:
      runCommand name { } "mkdir -p $out/bin; ln -s /usr/bin/${name} $out/bin/${name}"
      // {
        meta.mainProgram = name;
        override =
          {
            withGoolm ? false,
          }:
          program (if withGoolm then "${name}-goolm" else name);
      };
    inherit
      (lib.genAttrs [
        "git"
        "gnumake"
        "nixfmt"
        "openssh"
        "postgresql"
        "postgresql_15"
        "uv"
      ] program)
      git
      gnumake
      nixfmt
      openssh
      postgresql
      postgresql_15
      uv
      ;
    nixfmt-tree = program "nixfmt-tree";
    mautrix-slack = program "mautrix-slack";
    mautrix-whatsapp = program "mautrix-whatsapp";
    mautrix-gmessages = program "mautrix-gmessages";
    matrix-synapse-unwrapped = program "synapse";
    mkShell = attributes: program "shell" // attributes;
    writeShellApplication = attributes: program attributes.name // attributes;

    # Packages are not built here; what stands in their place runs the checkout.
    python3 = program "python3" // {
      interpreter = "/usr/bin/python3";
      withPackages = _: program "python3";
    };
    python3Packages =
      lib.genAttrs [
        "aiohttp"
        "asyncssh"
        "click"
        "croniter"
        "cryptography"
        "hatchling"
        "pdm-backend"
        "prometheus-client"
        "prompt-toolkit"
        "psycopg"
        "pydantic"
        "python-dateutil"
        "pyyaml"
        "yarl"
      ] program
      // {
        sqlalchemy = program "sqlalchemy" // {
          optional-dependencies.asyncio = [ (program "greenlet") ];
        };
        callPackage =
          file: more:
          let
            make = import file;
          in
          make (builtins.intersectAttrs (builtins.functionArgs make) (pkgs // python3Packages) // more);
        fetchPypi = wanted: wanted;
        buildPythonApplication = python3Packages.buildPythonPackage;
        # The real one goes by doCheck alone, whatever is said by the name of the phase that its checks are.
        buildPythonPackage =
          attributes:
          assert !attributes ? doInstallCheck;
          program attributes.pname
          // attributes
          // runCommand attributes.pname { } ''
            mkdir -p $out/bin
            printf '#!/bin/sh\nPYTHONPATH=%s exec %s -P -m opsbot "$@"\n' ${toString top} ${python} > $out/bin/opsbot
            chmod +x $out/bin/opsbot
          '';
      };
    stdenvNoCC.mkDerivation =
      attributes:
      attributes
      // runCommand attributes.pname { inherit (attributes) src; } ''
        cp -r $src/opsbot .
        runHook() { :; }
        ${attributes.buildPhase}
        ${attributes.installPhase}
        ${attributes.installCheckPhase}
      '';
    # A folder with what is asked of nixpkgs' own.
    path = ./nixpkgs;
    coreutils = program "coreutils";
    writeShellScriptBin =
      name: text:
      runCommand name { inherit text; } ''
        mkdir -p $out/bin
        printf '#!/bin/sh\n%s\n' "$text" > $out/bin/${name}
        chmod +x $out/bin/${name}
      '';
    testers.runNixOSTest = test: runCommand "vm-test" { } "touch $out" // { inherit test; };
  };
in
pkgs
