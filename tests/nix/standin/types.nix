# The types of options: what a value must be, and what several definitions make together.
{ lib }:
let
  inherit (builtins)
    all
    attrNames
    concatLists
    concatStringsSep
    elem
    filter
    foldl'
    head
    isAttrs
    isBool
    isFloat
    isFunction
    isInt
    isList
    isPath
    isString
    listToAttrs
    map
    match
    ;
  inherit (import ./modules.nix { inherit lib; }) evalModules mergeDefinitions values;

  one =
    loc: found:
    if all (value: value == head found) found then
      head found
    else
      throw "The option ${concatStringsSep "." loc} is defined twice, and not alike.";
  type =
    description: check: more:
    {
      inherit description check;
      merge = one;
    }
    // more;
  text = value: isString value || (isAttrs value && value ? outPath);

  types = rec {
    bool = type "boolean" isBool { };
    int = type "integer" isInt { };
    float = type "number" isFloat { };
    str = type "text" text { };
    singleLineStr = type "text of one line" (
      value: text value && match "[^\n\r]*\n?" "${value}" != null
    ) { };
    nonEmptyStr = type "text that is not empty" (
      value: text value && match "[ \t\n]*" "${value}" == null
    ) { };
    passwdEntry = type "text without a colon" (
      value: isString value && match "[^:\n]*" value != null
    ) { };
    ints.positive = type "positive integer" (value: isInt value && value > 0) { };
    port = type "port" (value: isInt value && value >= 0 && value < 65536) { };
    path = type "path" (value: isPath value || (text value && match "/.*" "${value}" != null)) { };
    package = type "package" (value: value.type or "" == "derivation") { };
    anything = type "anything" (_: true) {
      merge =
        loc: found:
        if all isAttrs found && !all (value: value ? outPath) found then
          (attrsOf anything).merge loc found
        else
          one loc found;
    };
    raw = type "anything" (_: true) { };
    lines = type "lines" isString { merge = _: concatStringsSep "\n"; };
    strMatching =
      pattern: type "text like ${pattern}" (value: isString value && match pattern value != null) { };
    enum = allowed: type "one of ${concatStringsSep ", " allowed}" (value: elem value allowed) { };

    nullOr =
      inner:
      type "null or ${inner.description}" (value: value == null || inner.check value) {
        empty = _: null;
        merge =
          loc: found: if all (value: value == null) found then null else mergeDefinitions loc inner found;
        sub = inner.sub or null;
      };
    either =
      a: b:
      type "${a.description} or ${b.description}" (value: a.check value || b.check value) {
        merge = loc: found: (if all a.check found then a else b).merge loc found;
      };
    addCheck = inner: more: inner // { check = value: inner.check value && more value; };
    oneOf = list: foldl' either (head list) (builtins.tail list);

    listOf =
      inner:
      type "list of ${inner.description}" isList {
        merge = loc: found: map (value: mergeDefinitions loc inner [ value ]) (concatLists found);
        empty = _: [ ];
        sub = inner.sub or null;
      };
    attrsOf =
      inner:
      type "attribute set of ${inner.description}" (value: isAttrs value && !value ? outPath) {
        merge =
          loc: found:
          let
            names = attrNames (foldl' (set: value: set // value) { } found);
            of = name: map (value: value.${name}) (filter (value: value ? ${name}) found);
          in
          listToAttrs (
            map (name: {
              inherit name;
              value =
                if inner ? named then
                  inner.named name (loc ++ [ name ]) (of name)
                else
                  mergeDefinitions (loc ++ [ name ]) inner (of name);
            }) (filter (name: values (of name) != [ ]) names)
          );
        empty = _: { };
        elem = inner;
        sub = inner.sub or null;
      };

    submodule =
      module:
      let
        evaluated =
          name: loc: found:
          evalModules {
            modules = [ module ] ++ map (value: if isFunction value then value else { config = value; }) found;
            specialArgs = { inherit name; };
            prefix = loc;
          };
      in
      type "submodule" (value: isAttrs value || isFunction value) {
        merge = loc: found: (evaluated (if loc == [ ] then "" else lib.last loc) loc found).config;
        named =
          name: loc: found:
          (evaluated name loc (values found)).config;
        empty = loc: (evaluated "" loc [ ]).config;
        sub = (evaluated "NAME" [ ] [ ]).options;
      };
  };
in
types
