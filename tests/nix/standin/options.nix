# The options of a tree as a list, for docs/options.md.
lib: loc: tree:
let
  kind = value: value._type or "";
  shown =
    name: declared:
    if declared ? "${name}Text" then
      declared."${name}Text".text
    else if kind (declared.${name} or { }) == "literalExpression" then
      declared.${name}.text
    else if declared ? ${name} then
      builtins.toJSON declared.${name}
    else
      null;
  row = loc: declared: {
    name = builtins.concatStringsSep "." loc;
    type = declared.type.description;
    description = declared.description or "";
    default = shown "default" declared;
    example = shown "example" declared;
  };
  walk =
    loc: tree:
    if kind tree != "option" then
      builtins.concatLists (lib.mapAttrsToList (name: walk (loc ++ [ name ])) tree)
    else if tree.internal or false then
      [ ]
    else
      [ (row loc tree) ] ++ (if tree.type.sub or null == null then [ ] else walk loc tree.type.sub);
in
walk loc tree
