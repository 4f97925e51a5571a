# The story of nix/test/story.py on a NixOS that is switched by its own switch-to-configuration: homeserver, bot, managed host,
# project. There is no network, so the three systems are built beforehand, as specialisations; what the machine's own Nix builds
# for a commit is the one that hello-bot's version asks for, under a store path of its own.
{ self, pkgs }:
let
  server = "ops.test";
  url = "http://127.0.0.1:6167";
  team = [
    "admin"
    "deployer"
    "member"
    "opsbot"
  ];
  password = "a-password-of-the-test";
  repositories = "/srv/git";
  token = "/etc/opsbot/secrets/matrix-token";
  # Keys that nixpkgs keeps for its tests.
  keys = import (pkgs.path + "/nixos/tests/ssh-keys.nix") pkgs;
  room = pkgs.writeShellScriptBin "room" ''exec ${pkgs.python3.interpreter} ${./room.py} "$@"'';

  hello =
    version: status:
    pkgs.writeText "hello-bot-${version}.py" ''
      import http.server


      class Greeter(http.server.BaseHTTPRequestHandler):
          def do_GET(self):
              self.send_response(${toString status})
              self.end_headers()
              self.wfile.write(b"hello-bot ${version}")


      http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Greeter).serve_forever()
    '';
  serves = program: "${pkgs.python3.interpreter} ${program}";

  # The platform, as the machine's Nix reads it. @base@ is the system that the machine has booted.
  platform = pkgs.writeText "flake.nix" ''
    {
      inputs.hello-bot.url = "git+file://${repositories}/hello-bot.git?ref=main";
      outputs = { self, hello-bot }: {
        nixosConfigurations.machine.config.system.build.toplevel =
          let
            version = hello-bot.version;
            base = if version == "1.0" then "@base@" else "@base@/specialisation/''${version}";
          in
          derivation {
            # As long as the name of what it copies, whose programs have it in them.
            name = builtins.substring 33 (-1) (baseNameOf "@base@");
            system = "${pkgs.stdenv.hostPlatform.system}";
            builder = "/bin/sh";
            args = [ "${./copy.sh}" ];
            inherit base;
            PATH = "/run/current-system/sw/bin";
            revision = self.rev;
          };
      };
    }
  '';
in
pkgs.testers.runNixOSTest {
  name = "opsbot";
  # `make lint` looks at the story, with ruff and mypy.
  skipLint = true;
  skipTypeCheck = true;

  nodes.machine =
    { lib, ... }:
    let
      instead = program: {
        configuration.systemd.services.hello-bot.serviceConfig.ExecStart = lib.mkForce (serves program);
      };
    in
    {
      imports = [
        self.nixosModules.host
        self.nixosModules.opsbot
      ];

      # What is deployed is pushed to a folder of this very machine; elsewhere that is another one, which SSH leads to. The PATH
      # is the unit's own.
      systemd.services."opsbot-publish@" = {
        enableDefaultPath = false;
        serviceConfig.ReadWritePaths = [ repositories ];
      };

      systemd.services.hello-bot = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig.ExecStart = serves (hello "1.0" 200);
        serviceConfig.DynamicUser = true;
      };
      specialisation = {
        "1.1" = instead (hello "1.1" 200);
        "1.2" = instead (hello "1.2" 200);
        broken = instead (hello "broken" 500);
      };

      # It is switched, and boots as the test's driver has it.
      system.switch.enable = true;
      system.build.installBootLoader = lib.mkForce "${pkgs.coreutils}/bin/true";
      system.extraDependencies = [ platform ];
      # The repositories belong to the user that pushes; everybody reads them.
      environment.etc.gitconfig.text = "[safe]\ndirectory = *\n";
      virtualisation.memorySize = 2048;
      virtualisation.cores = 2;
      virtualisation.diskSize = 4096;
      virtualisation.writableStore = true;
      environment.systemPackages = [ room ];
      nix.settings = {
        experimental-features = [
          "nix-command"
          "flakes"
        ];
        # A build reads the system that it copies.
        sandbox = false;
        substituters = lib.mkForce [ ];
      };

      services.matrix-continuwuity = {
        enable = true;
        settings.global = {
          server_name = server;
          address = [ "127.0.0.1" ];
          port = [ 6167 ];
          allow_federation = false;
          admin_execute = map (name: "users create ${name} ${password}") team;
          admin_execute_errors_ignore = true;
        };
      };

      environment.etc."ssh/host-key" = {
        source = keys.snakeOilEd25519PrivateKey;
        mode = "0400";
      };
      services.openssh.hostKeys = [
        {
          type = "ed25519";
          path = "/etc/ssh/host-key";
        }
      ];

      services.opsbot-host = {
        enable = true;
        authorizedKeys = [ keys.snakeOilEd25519PublicKey ];
        settings = {
          host = "machine";
          platform.url = "file://${repositories}/platform.git";
          projects.hello-bot = {
            url = "file://${repositories}/hello-bot.git";
            units = [ "hello-bot.service" ];
            http = [ "http://127.0.0.1:8000/" ];
            window = 40;
          };
          # Its disks are small.
          free = lib.genAttrs [
            "/boot"
            "/nix"
            "/var/lib/opsbot"
          ] (_: 0);
        };
      };

      services.opsbot = {
        enable = true;
        credentials = {
          matrix-token = token;
          ssh-key = "/etc/ssh/host-key";
        };
        settings = {
          homeserver = {
            inherit url;
            user = "@opsbot:${server}";
            token_file = "matrix-token";
          };
          rooms = [ "#ops:${server}" ];
          people.admin = {
            level = "admin";
            accounts = [ "@admin:${server}" ];
          };
          hosts.machine = {
            address = "127.0.0.1";
            user = "opsbot";
            key_file = "ssh-key";
            host_key = keys.snakeOilEd25519PublicKey;
          };
          projects.hello-bot.host = "machine";
        };
      };
    };

  testScript = ''
    ${builtins.readFile ./story.py}

    machine.wait_for_unit("multi-user.target")
    machine.wait_for_open_port(6167)
    machine.wait_for_open_port(8000)

    # First, or the bot has no token: it would be starting again and again, and so a failure of the first switch.
    machine.wait_until_succeeds("room found ${url} ${server} ${password} ${token}")
    machine.succeed("systemctl restart opsbot.service")

    machine.succeed("install -D ${./commit.sh} /srv/commit.sh")
    machine.succeed("sed s#@base@#$(readlink -f /run/booted-system)#g ${platform} > /srv/flake.nix")
    machine.succeed("sh /srv/commit.sh 1.0")
    machine.succeed("sh /srv/commit.sh platform")
    flake = "git+file://${repositories}/platform.git?ref=main#nixosConfigurations.machine.config.system.build.toplevel"
    system = machine.succeed(f"nix build '{flake}' --no-link --print-out-paths").strip()
    machine.succeed(f"nix-env --profile /nix/var/nix/profiles/system --set {system}")
    machine.succeed(f"{system}/bin/switch-to-configuration test")
    story(machine, lambda version: machine.succeed(f"sh /srv/commit.sh {version}"))
    assert machine.succeed("git -C ${repositories}/platform.git log -1 --format=%s main").startswith("hello-bot: ")
  '';
}
