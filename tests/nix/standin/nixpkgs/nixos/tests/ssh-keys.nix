# nixpkgs keeps a pair of keys for its tests under these names; the private one is of no use here.
pkgs: {
  snakeOilEd25519PrivateKey = pkgs.writeText "key" "a private key";
  snakeOilEd25519PublicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHFcMJSgh/0HX1ZIhxmdXD3dBlbHNWsjs5GwjbZVzTwA snakeoil";
}
