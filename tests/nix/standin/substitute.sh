# nixpkgs' substitute: FROM TO and any number of --subst-var-by NAME TEXT and --subst-var NAME.
substitute() {
  from=$1 to=$2
  shift 2
  cp "$from" "$to"
  chmod u+w "$to"
  while [ $# -gt 0 ]; do
    case $1 in
      --subst-var-by) word=$2 text=$3; shift 3 ;;
      --subst-var) word=$2; eval "text=\$$2"; shift 2 ;;
      *) echo "substitute: $1?" >&2; return 1 ;;
    esac
    sed -i "s|@$word@|$(printf %s "$text" | sed 's/[&|\\]/\\&/g')|g" "$to"
  done
}
