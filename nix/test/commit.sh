# Commit a version of hello-bot, or the platform with what hello-bot is now: `commit.sh VERSION|platform`.
set -eu
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
export GIT_AUTHOR_NAME=ana GIT_AUTHOR_EMAIL=ana@ops.test GIT_COMMITTER_NAME=ana GIT_COMMITTER_EMAIL=ana@ops.test
case $1 in platform) name=platform ;; *) name=hello-bot ;; esac
bare=/srv/git/$name.git
[ -d "$bare" ] || git init --quiet --bare --initial-branch=main "$bare"

work=$(mktemp -d)
git clone --quiet "$bare" "$work"
cd "$work"
git checkout --quiet -B main
if [ "$name" = platform ]; then
  cp /srv/flake.nix flake.nix
  git add .
  nix flake lock
else
  echo "{ outputs = _: { version = \"$1\"; }; }" >flake.nix
fi
git add .
git commit --quiet --message "$1"
git push --quiet origin main
rm -rf "$work"
# The host's own users read it, and one of them pushes what is deployed.
chown -R opsbot-publish:opsbot-publish /srv/git
