# The team's projects on a host: each is an input of the platform's flake, and its name in `names`. That is all there is to say.
{
  # The platform's inputs, …
  inputs,
  # … its flake.lock, …
  lock,
  # … and which inputs are projects.
  names,
}:
{ config, lib, ... }:
let
  inherit (builtins.fromJSON (builtins.readFile lock)) nodes;
  original = name: nodes.${nodes.root.inputs.${name}}.original;
  at =
    host:
    { owner, repo, ... }:
    "https://${host}/${owner}/${repo}.git";
  addresses = {
    git = { url, ... }: url;
    github = at "github.com";
    gitlab = at "gitlab.com";
  };
  address =
    name:
    (addresses.${(original name).type}
      or (throw "The input ${name} must be of type git, github or gitlab, for opsbot to pin it.")
    )
      (original name);
  each = lib.genAttrs names;
in
{
  imports = map (name: inputs.${name}.nixosModules.default) names;

  services.opsbot-host.pins = each (name: inputs.${name}.rev);
  services.opsbot-host.settings.projects = each (name: {
    url = lib.mkDefault (address name);
    # By convention its service has its name. More units, checks and a window can be said beside it.
    units = lib.mkDefault [ "${name}.service" ];
  });

  services.opsbot.settings = {
    projects = each (name: {
      host = lib.mkDefault config.networking.hostName;
      services = lib.mkDefault [ name ];
    });
    services = each (name: {
      unit = lib.mkDefault "${name}.service";
    });
  };
}
