# What makes the jobs durable. nixpkgs has no package of it; the version and the archive are those of requirements.lock.
{
  lib,
  buildPythonPackage,
  click,
  croniter,
  fetchPypi,
  pdm-backend,
  psycopg,
  python-dateutil,
  pyyaml,
  sqlalchemy,
}:
buildPythonPackage rec {
  pname = "dbos";
  version = "3.4.0";
  pyproject = true;

  src = fetchPypi {
    inherit pname version;
    hash = "sha256-4VKlF2hv0YdbbrPWv4PIf3AKbCRP6HK22nlV91DhiVM=";
  };

  build-system = [ pdm-backend ];
  dependencies = [
    click
    croniter
    psycopg
    python-dateutil
    pyyaml
    sqlalchemy
  ]
  ++ sqlalchemy.optional-dependencies.asyncio;

  # Its own tests want a PostgreSQL and the network; opsbot's kill it in the middle of its work and look again.
  doCheck = false;
  pythonImportsCheck = [ "dbos" ];

  meta = {
    description = "Durable execution of workflows in Python";
    homepage = "https://github.com/dbos-inc/dbos-transact-py";
    license = lib.licenses.mit;
  };
}
