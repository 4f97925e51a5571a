{
  description = "ops-jrz1: a team's chat, code and services on one machine";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.11";
    # What operates it, and the modules that it is made of.
    opsbot = {
      url = "git+https://git.clarun.xyz/team/opsbot.git?ref=main";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    # Each project is a line here, …
  };

  outputs =
    {
      self,
      nixpkgs,
      opsbot,
    }@inputs:
    {
      nixosConfigurations.ops-jrz1 = nixpkgs.lib.nixosSystem {
        specialArgs = { inherit inputs self; };
        modules = [
          ./.
          opsbot.nixosModules.platform
          # opsbot is deployed by its name, like a project.
          opsbot.nixosModules.default
          # … and its module a line here.
        ];
      };
    };
}
