# What our modules use of nixpkgs' library, written anew in its simplest form, for where nixpkgs is not at hand.
let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    elem
    filter
    foldl'
    listToAttrs
    map
    mapAttrs
    stringLength
    substring
    ;
  nameValuePair = name: value: { inherit name value; };
  optionals = yes: list: if yes then list else [ ];
  override = priority: content: {
    _type = "override";
    inherit priority content;
  };
  order = priority: content: {
    _type = "order";
    inherit priority content;
  };
  base = {
    inherit (builtins)
      attrNames
      attrValues
      concatLists
      concatMap
      concatStringsSep
      elem
      filter
      foldl'
      functionArgs
      head
      isList
      isString
      length
      listToAttrs
      map
      mapAttrs
      replaceStrings
      ;
    inherit nameValuePair optionals;

    # Options
    mkOption = declared: declared // { _type = "option"; };
    mkEnableOption = what: {
      _type = "option";
      type = types.bool;
      default = false;
      description = "Whether to enable ${what}.";
    };
    literalExpression = text: {
      _type = "literalExpression";
      inherit text;
    };
    mkIf = condition: content: {
      _type = "if";
      inherit condition content;
    };
    mkMerge = contents: {
      _type = "merge";
      inherit contents;
    };
    mkDefault = override 1000;
    mkForce = override 50;
    mkBefore = order 500;
    mkAfter = order 1500;
    inherit types;

    # Sets and lists
    genAttrs = names: make: listToAttrs (map (name: nameValuePair name (make name)) names);
    filterAttrs = keep: set: listToAttrs (filter (pair: keep pair.name pair.value) (base.pairs set));
    mapAttrs' = make: set: listToAttrs (map (pair: make pair.name pair.value) (base.pairs set));
    mapAttrsToList = make: set: map (name: make name set.${name}) (attrNames set);
    pairs = set: map (name: nameValuePair name set.${name}) (attrNames set);
    optional = yes: one: optionals yes [ one ];
    optionalAttrs = yes: set: if yes then set else { };
    last = list: builtins.elemAt list (builtins.length list - 1);
    subtractLists = less: filter (one: !elem one less);
    unique = foldl' (seen: one: if elem one seen then seen else seen ++ [ one ]) [ ];

    # Text
    concatMapStrings = make: list: builtins.concatStringsSep "" (map make list);
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    hasSuffix =
      suffix: text:
      let
        rest = stringLength text - stringLength suffix;
      in
      rest >= 0 && substring rest (-1) text == suffix;
    hasInfix = infix: text: builtins.replaceStrings [ infix ] [ "" ] text != text;
    escapeRegex = builtins.replaceStrings [ "." "+" "*" "(" ] [ "\\." "\\+" "\\*" "\\(" ];

    # Packages
    getExe = package: "${package}/bin/${package.meta.mainProgram}";
    getExe' = package: name: "${package}/bin/${name}";
    importTOML = file: builtins.fromTOML (builtins.readFile file);
    makeLibraryPath = base.concatMapStrings (package: "${package}/lib");
    fileset = {
      unions = names: concatLists (map (name: if builtins.isList name then name else [ name ]) names);
      maybeMissing = name: optionals (builtins.pathExists name) [ name ];
      toSource =
        { root, fileset }:
        let
          within = folder: path: base.hasPrefix "${toString folder}/" "${path}/";
          wanted = path: builtins.any (one: within one path || within path (toString one)) fileset;
        in
        if builtins.all builtins.pathExists fileset then
          builtins.path {
            path = root;
            name = "source";
            filter = path: _: wanted path;
          }
        else
          throw "a file of the source is not there";
    };
    licenses = mapAttrs (name: _: name) {
      mit = { };
    };
    platforms.linux = [ "x86_64-linux" ];

    # The library itself, for what takes `lib`.
    evalModules = modules.evalModules;
    options = modules;
  };
  types = import ./types.nix { lib = base; };
  modules = import ./modules.nix { lib = base; };
in
base
