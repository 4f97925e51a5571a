# The machine: people come in by SSH with keys, everybody else by the web.
{ lib, ... }:
{
  services.openssh = {
    enable = true;
    settings = {
      PasswordAuthentication = lib.mkDefault false;
      KbdInteractiveAuthentication = lib.mkDefault false;
      PermitRootLogin = lib.mkDefault "prohibit-password";
    };
  };

  networking.firewall.enable = lib.mkDefault true;
  networking.firewall.allowedTCPPorts = [
    22
    80
    443
  ];

  nix.settings.experimental-features = [
    "nix-command"
    "flakes"
  ];
  # Old generations can be gone back to for a month; opsbot keeps what it needs itself.
  nix.gc = {
    automatic = lib.mkDefault true;
    options = lib.mkDefault "--delete-older-than 30d";
  };
}
