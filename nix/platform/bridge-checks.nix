# What must hold, or the bridge would not start: the list is mautrix's own, of what ends it with exit code 11.
{
  lib,
  domain,
  placeholder,
}:
name: bridge:
let
  inherit (bridge) settings;
  at = "platform.bridges.${name}.settings";
  people = lib.attrNames (settings.bridge.permissions or { });
in
[
  {
    assertion =
      lib.subtractLists [
        "*"
        "example.com"
        "@admin:example.com"
      ] people != [ ];
    message = ''
      ${at}.bridge.permissions names nobody: the bridge would end with exit code 11.
      Name the bot (`"@opsbot:${domain}" = "user";`) and an admin.
    '';
  }
  {
    assertion =
      settings.homeserver.domain != "example.com"
      && settings.homeserver.address != "http://example.localhost:8008";
    message = "${at}.homeserver is still the example's: the bridge would end with exit code 11.";
  }
  {
    assertion = lib.hasInfix "{{.}}" settings.appservice.username_template;
    message = ''
      ${at}.appservice.username_template has no {{.}}: all people would be one, and the bridge would end with exit code 11.
    '';
  }
  {
    assertion =
      settings.appservice.as_token == placeholder name "as-token"
      && settings.appservice.hs_token == placeholder name "hs-token"
      && settings.provisioning.shared_secret == placeholder name "provisioning-secret";
    message = ''
      ${at} has a token in it, where everybody could read it in the Nix store.
      Take it away: as_token, hs_token and shared_secret come from sops.
    '';
  }
  {
    assertion = lib.elem settings.database.type [
      "sqlite3-fk-wal"
      "postgres"
    ];
    message = "${at}.database.type must be sqlite3-fk-wal or postgres; with another one the bridge ends with exit code 14.";
  }
]
