# The machine itself. Yours is what `nixos-generate-config` wrote, in place of this file.
{ lib, ... }:
{
  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
  boot.loader.grub.device = "/dev/vda";
  boot.initrd.availableKernelModules = [
    "ahci"
    "virtio_blk"
    "virtio_pci"
  ];
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };
}
