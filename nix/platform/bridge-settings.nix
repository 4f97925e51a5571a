# What a bridge is told, and what the homeserver is told of it. All of it can be replaced in `settings`.
{
  lib,
  domain,
  placeholder,
}:
let
  inherit (lib) mkDefault;
in
{
  # What must be set, or the bridge ends with exit code 11, and what makes it of use to a bot.
  defaults = name: bridge: {
    homeserver = {
      address = mkDefault "http://127.0.0.1:6167";
      domain = mkDefault domain;
      software = mkDefault "standard";
    };
    appservice = {
      address = mkDefault bridge.url;
      hostname = mkDefault "127.0.0.1";
      port = mkDefault bridge.port;
      id = mkDefault name;
      bot.username = mkDefault "${name}bot";
      username_template = mkDefault "${name}_{{.}}";
      as_token = mkDefault (placeholder name "as-token");
      hs_token = mkDefault (placeholder name "hs-token");
    };
    database = {
      type = mkDefault "sqlite3-fk-wal";
      uri = mkDefault "file:/var/lib/mautrix-${name}/bridge.db?_txlock=immediate";
    };
    bridge = {
      # Nobody speaks through somebody else's login.
      relay.enabled = mkDefault false;
      bridge_notices = mkDefault true;
      # People who are not in the other network may be in the rooms.
      kick_matrix_users = mkDefault false;
      # When it starts while the other network cannot be reached, it tries again; as it ships it never does.
      unknown_error_auto_reconnect = mkDefault "1m";
      unknown_error_max_auto_reconnects = mkDefault 1000000;
      # What the homeserver brings again after a crash is not posted again.
      deduplicate_matrix_messages = mkDefault true;
    };
    # Else nobody learns what the other network did not take.
    matrix.message_status_events = mkDefault true;
    matrix.message_error_notices = mkDefault true;
    provisioning.shared_secret = mkDefault (placeholder name "provisioning-secret");
    # The bridge reads everything anyway, and the bot reads no encrypted rooms.
    encryption.allow = mkDefault false;
    logging = {
      min_level = mkDefault "info";
      writers = mkDefault [
        {
          type = "stdout";
          format = "json";
        }
      ];
    };
  };

  registration = name: appservice: {
    inherit (appservice) id as_token hs_token;
    url = appservice.address;
    # Of no use but to the homeserver, which wants one that is not the bot's.
    sender_localpart = "${name}-sender";
    rate_limited = false;
    namespaces.users =
      map
        (localpart: {
          regex = "^@${localpart}:${lib.escapeRegex domain}$";
          exclusive = true;
        })
        [
          (lib.escapeRegex appservice.bot.username)
          (lib.replaceStrings [ "{{.}}" ] [ ".*" ] appservice.username_template)
        ];
  };
}
