# What runs on a managed host. It needs Python and nothing else: it must work while everything else is being replaced.
{
  lib,
  python3,
  stdenvNoCC,
}:
let
  inherit (lib.importTOML ../pyproject.toml) project;
in
stdenvNoCC.mkDerivation {
  pname = "opsbot-host";
  inherit (project) version;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../opsbot/__init__.py
      ../opsbot/onhost
    ];
  };

  # The same launcher as tests/system installs.
  buildPhase = ''
    runHook preBuild
    substitute ${./opsbot-host.in} opsbot-host \
      --subst-var-by python ${python3.interpreter} --subst-var-by lib $out/lib/opsbot-host
    runHook postBuild
  '';
  # Compiled: it is started anew for every question of the bot's.
  installPhase = ''
    runHook preInstall
    mkdir -p $out/lib/opsbot-host
    cp -r opsbot $out/lib/opsbot-host/
    ${python3.interpreter} -m compileall -q --invalidation-mode unchecked-hash $out/lib/opsbot-host
    install -D opsbot-host $out/bin/opsbot-host
    runHook postInstall
  '';

  doInstallCheck = true;
  installCheckPhase = ''
    runHook preInstallCheck
    $out/bin/opsbot-host --version
    runHook postInstallCheck
  '';

  meta = {
    description = "The helper of opsbot on a managed host";
    mainProgram = "opsbot-host";
    platforms = lib.platforms.linux;
  };
}
