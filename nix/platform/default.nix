# The platform: one machine that hosts a team's chat, code and services. One concern, one file; each can be left out.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  imports = [
    ./base.nix
    ./bridges.nix
    ./forge.nix
    ./homeserver.nix
    ./secrets.nix
    ./web.nix
  ];

  options.platform = {
    domain = mkOption {
      type = types.strMatching "[a-z0-9.-]+\\.[a-z]+";
      example = "example.org";
      description = "The domain: the homeserver's name, what the web server answers to, and the end of the forge's name.";
    };
    email = mkOption {
      type = types.strMatching ".+@.+";
      example = "ops@example.org";
      description = "Where Let's Encrypt sends its warnings.";
    };
  };
}
