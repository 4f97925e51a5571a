# A system under another store path, which says which commit it is of. It is run by Nix on the machine of the test.
set -eu
cp --recursive --no-dereference --preserve=mode "$(readlink -f "$base")" "$out"
chmod -R u+w "$out"
# The names are of one length, so programs may have them in them, too.
find "$out" -type f -exec sed -i "s#$(readlink -f "$base")#$out#g" {} +

rm "$out/sw"
mkdir -p "$out/sw/bin"
for entry in "$base/sw/"*; do
  [ "${entry##*/}" = bin ] || ln -s "$entry" "$out/sw/"
done
for entry in "$base/sw/bin/"*; do
  [ "${entry##*/}" = nixos-version ] || cp --no-dereference "$entry" "$out/sw/bin/"
done
printf '#!/bin/sh\necho '\''{"configurationRevision": "%s"}'\''\n' "$revision" >"$out/sw/bin/nixos-version"
chmod +x "$out/sw/bin/nixos-version"
