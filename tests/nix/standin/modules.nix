# Modules: options are declared, values are defined, by anybody, in any order; a value of nobody's option is an error.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    foldl'
    isAttrs
    isFunction
    listToAttrs
    map
    mapAttrs
    ;
  kind = value: if isAttrs value then value._type or "" else "";
  where = loc: builtins.concatStringsSep "." loc;

  # A module in its long form.
  long =
    module:
    if module ? config || module ? options then
      {
        imports = [ ];
        options = { };
        config = { };
      }
      // module
    else
      {
        imports = module.imports or [ ];
        options = { };
        config = removeAttrs module [
          "imports"
          "freeformType"
        ];
      }
      // (if module ? freeformType then { inherit (module) freeformType; } else { });
  # All modules that come in, each file once.
  gather =
    args: module:
    let
      literal = isFunction module || isAttrs module;
      read = if literal then module else import module;
      one = long (if isFunction read then read args else read) // {
        file = if literal then null else toString module;
      };
    in
    [ one ] ++ concatMap (gather args) one.imports;
  once = foldl' (
    seen: one:
    if one.file != null && builtins.any (other: other.file == one.file) seen then
      seen
    else
      seen ++ [ one ]
  ) [ ];

  # Conditions and priorities go down to where the values are, so that names can be told without values.
  down =
    value:
    {
      "if" = concatMap (set: [ (mapAttrs (_: lib.mkIf value.condition) set) ]) (down value.content);
      merge = concatMap down value.contents;
      override = map (mapAttrs (_: content: value // { inherit content; })) (down value.content);
      order = map (mapAttrs (_: content: value // { inherit content; })) (down value.content);
    }
    .${kind value} or [ value ];
  names = foldl' (all: set: all // set) { };

  # What is left of a definition: its value, how strong it is, and where it stands among others.
  discharge =
    state: value:
    {
      "if" = if value.condition then discharge state value.content else [ ];
      merge = concatMap (discharge state) value.contents;
      override = discharge (state // { inherit (value) priority; }) value.content;
      order = discharge (state // { place = value.priority; }) value.content;
    }
    .${kind value} or [ (state // { inherit value; }) ];
  strongest =
    definitions:
    let
      least = foldl' (low: one: if one.priority < low then one.priority else low) 9999 definitions;
      kept = filter (one: one.priority == least) definitions;
    in
    map (one: one.value) (builtins.sort (a: b: a.place < b.place) kept);
  values =
    definitions:
    strongest (
      concatMap (discharge {
        priority = 100;
        place = 1000;
      }) definitions
    );

  mergeDefinitions =
    loc: type: definitions:
    let
      found = values definitions;
      wrong = filter (value: !type.check value) found;
    in
    if wrong != [ ] then
      throw "The option ${where loc} is not of the type ${type.description}: ${builtins.toJSON (builtins.head wrong)}"
    else
      type.merge loc found;

  leaf =
    loc: declared: definitions:
    let
      value =
        if values definitions == [ ] then
          if declared ? default then
            mergeDefinitions loc declared.type [ declared.default ]
          else if declared.type.empty or null != null then
            declared.type.empty loc
          else
            throw "The option ${where loc} is used, but nobody has defined it."
        else if declared.readOnly or false then
          throw "The option ${where loc} is read-only."
        else
          mergeDefinitions loc declared.type definitions;
    in
    (declared.apply or (x: x)) value;

  # A level of the tree: what is declared there, and what is defined there.
  level =
    loc: freeform: declared: definitions:
    let
      defined = concatMap down definitions;
      of = name: map (set: set.${name}) (filter (set: set ? ${name}) defined);
      known = mapAttrs (
        name: inner:
        if kind inner == "option" then
          leaf (loc ++ [ name ]) inner (of name)
        else
          level (loc ++ [ name ]) freeform inner (of name)
      ) declared;
      foreign = filter (name: !declared ? ${name}) (attrNames (names defined));
      free = listToAttrs (
        map (name: {
          inherit name;
          value = mergeDefinitions (loc ++ [ name ]) (freeform.elem or freeform) (of name);
        }) (filter (name: values (of name) != [ ]) foreign)
      );
    in
    if freeform != null then
      free // known
    else if foreign != [ ] then
      throw "The option ${where (loc ++ [ (builtins.head foreign) ])} does not exist."
    else
      known;

  join =
    a: b:
    a
    // mapAttrs (
      name: inner:
      if a ? ${name} && kind inner != "option" && kind a.${name} != "option" then
        join a.${name} inner
      else
        inner
    ) b;

  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
    }:
    let
      args = {
        inherit lib config options;
      }
      // specialArgs;
      all = once (concatMap (gather args) modules);
      freeforms = filter (one: one ? freeformType) (map (one: one // one.options) all);
      options = removeAttrs (foldl' (tree: one: join tree one.options) { } all) [ "freeformType" ];
      freeform = if freeforms == [ ] then null else (builtins.head freeforms).freeformType;
      config = level prefix freeform options (map (one: one.config) all);
    in
    {
      inherit config options;
    };
in
{
  inherit evalModules mergeDefinitions values;
}
