use super::*;

const TMX: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<map version="1.10" orientation="hexagonal" width="3" height="2" infinite="0" hexsidelength="20" staggeraxis="x" staggerindex="odd">
 <properties><property name="a &amp; b" value="&lt;"/></properties>
 <tileset firstgid="1" name="land"><tile id="0" type="Forest"/><tile id="1" class="deep water"><image source="x.png"/></tile></tileset>
 <tileset firstgid="10" source="other.tsx"/>
 <layer id="1" name="ground" width="3" height="2">
  <data encoding="csv">
1,2147483650,3,
10,0,268435467
</data>
 </layer>
</map>"#;

const TMJ: &str = r#"{"type":"map","orientation":"hexagonal","width":3,"height":2,"infinite":false,"staggeraxis":"x","staggerindex":"odd",
 "tilesets":[{"firstgid":1,"tiles":[{"id":0,"type":"Forest"},{"id":1,"class":"deep water"}]},{"firstgid":10,"source":"other.tsj"}],
 "layers":[{"type":"tilelayer","name":"ground","width":3,"height":2,"data":[1,2147483650,3,10,0,268435467]}]}"#;

fn hexes(text: &str) -> Vec<(String, String)> {
    let imported = import(text).expect("the file is good");
    imported.hexes.iter().map(|hex| (hex.key.to_string(), hex.terrain.as_str().to_owned())).collect()
}

fn keys(text: &str) -> Vec<String> {
    hexes(text).into_iter().map(|(key, _)| key).collect()
}

fn skipped(text: &str) -> Vec<(u32, String)> {
    import(text).expect("the file is good").skipped.into_iter().map(|skipped| (skipped.line, skipped.reason)).collect()
}

/// A map of one tileset with the given layers.
fn tmx(header: &str, layers: &str) -> String {
    format!(r#"<map orientation="hexagonal" {header}><tileset firstgid="1"/>{layers}</map>"#)
}

fn tmj(header: &str, layers: &str) -> String {
    format!(r#"{{"orientation":"hexagonal",{header}"tilesets":[{{"firstgid":1}}],"layers":[{layers}]}}"#)
}

const X: &str = r#"staggeraxis="x" staggerindex="odd""#;

#[test]
fn both_spellings_of_a_map_are_read_alike() {
    let expected = [("0,0", "forest"), ("0,1", "tile-0"), ("1,0", "deep-water"), ("2,-1", "tile-2"), ("2,0", "tile-1")];
    let expected = expected.map(|(key, terrain)| (key.to_owned(), terrain.to_owned()));
    assert_eq!(hexes(TMX), expected);
    assert_eq!(import(TMX), import(TMJ));
    assert_eq!(import(TMX).map(|imported| imported.size), Ok(Some(GridSize { grid_width: 3, grid_height: 2 })));
}

#[test]
fn axis_and_index_of_the_stagger_decide_the_offset() {
    let layer = r#"<layer width="2" height="2"><data encoding="csv">1,1,1,1</data></layer>"#;
    for (axis, index, expected) in [
        ("x", "odd", ["0,0", "0,1", "1,0", "1,1"]),
        ("x", "even", ["0,0", "0,1", "1,-1", "1,0"]),
        ("y", "odd", ["0,0", "0,1", "1,0", "1,1"]),
        ("y", "even", ["-1,1", "0,0", "0,1", "1,0"]),
    ] {
        assert_eq!(keys(&tmx(&format!(r#"staggeraxis="{axis}" staggerindex="{index}""#), layer)), expected, "{axis} {index}");
    }
}

#[test]
fn the_size_of_a_map_with_staggered_rows_or_without_bounds_is_left_to_its_hexes() {
    let layer = r#"<layer width="1" height="1"><data encoding="csv">1</data></layer>"#;
    for header in [r#"width="1" height="1" staggeraxis="y""#, r#"width="1" height="1" staggeraxis="x" infinite="1""#, X] {
        assert_eq!(import(&tmx(header, layer)).map(|imported| imported.size), Ok(None), "{header}");
    }
}

#[test]
fn chunks_lie_where_they_say() {
    let xml = r#"<layer width="9" height="9"><data encoding="csv">
        <chunk x="-2" y="-1" width="2" height="1">1,2</chunk><chunk x="4" y="0" width="1" height="1">3</chunk></data></layer>"#;
    let json = r#"{"type":"tilelayer","width":9,"height":9,"chunks":[
        {"x":-2,"y":-1,"width":2,"height":1,"data":[1,2]},{"x":4,"y":0,"width":1,"height":1,"data":[3]}]}"#;
    let expected = [("-2,0", "tile-0"), ("-1,0", "tile-1"), ("4,-2", "tile-2")].map(|(k, t)| (k.to_owned(), t.to_owned()));
    assert_eq!(hexes(&tmx(&format!(r#"{X} infinite="1""#), xml)), expected);
    assert_eq!(hexes(&tmj(r#""staggeraxis":"x","infinite":true,"#, json)), expected);
}

#[test]
fn tile_data_may_be_base64_or_elements() {
    for layer in [
        r#"<layer width="2" height="1"><data encoding="base64">
            AQAAAAIAAIA=
        </data></layer>"#,
        r#"<layer width="2" height="1"><data><tile gid="1"/><tile gid="2"/></data></layer>"#,
        r#"<layer width="2" height="1"><data encoding="csv">1,<!-- a comment --><![CDATA[2]]></data></layer>"#,
    ] {
        assert_eq!(keys(&tmx(X, layer)), ["0,0", "1,0"], "{layer}");
    }
    let json = r#"{"type":"tilelayer","width":2,"height":1,"encoding":"base64","compression":"","data":"AQAAAAIAAIA="}"#;
    assert_eq!(keys(&tmj(r#""staggeraxis":"x","#, json)), ["0,0", "1,0"]);
}

#[test]
fn the_top_most_visible_tile_counts() {
    let layer = |name: &str, visible: u8, tile: u32| {
        format!(r#"<layer name="{name}" visible="{visible}" width="1" height="1"><data encoding="csv">{tile}</data></layer>"#)
    };
    let layers = [
        layer("ground", 1, 1),
        layer("wood", 1, 2),
        layer("empty", 1, 0),
        layer("hidden", 0, 3),
        format!(r#"<group visible="0"><group>{}</group></group>"#, layer("inner", 1, 4)),
        r#"<objectgroup name="marks"><object id="1"/></objectgroup>"#.to_owned(),
    ];
    let text = tmx(X, &layers.join("\n"));
    assert_eq!(hexes(&text), [("0,0".to_owned(), "tile-1".to_owned())]);
    let expected = [(4, "layer “hidden” is hidden"), (5, "layer “inner” is hidden"), (6, "layer “marks” holds no tiles")];
    assert_eq!(skipped(&text), expected.map(|(line, reason)| (line, reason.to_owned())));

    let json = |name: &str, visible: bool, tile: u32| {
        format!(r#"{{"type":"tilelayer","name":"{name}","visible":{visible},"width":1,"height":1,"data":[{tile}]}}"#)
    };
    let group = format!(r#"{{"type":"group","visible":false,"layers":[{{"type":"group","layers":[{}]}}]}}"#, json("inner", true, 4));
    let layers = [json("ground", true, 1), json("wood", true, 2), json("hidden", false, 3), group, r#"{"type":"objectgroup"}"#.to_owned()];
    assert_eq!(hexes(&tmj("", &layers.join(","))), [("0,0".to_owned(), "tile-1".to_owned())]);
}

#[test]
fn tiles_of_no_tileset_and_beyond_all_maps_are_counted() {
    let layer = r#"<layer name="a" width="9" height="9"><data encoding="csv">
        <chunk x="9999" y="0" width="2" height="1">5,5</chunk><chunk x="0" y="0" width="2" height="1">4,5</chunk></data></layer>"#;
    let text = tmx(X, layer).replace("firstgid=\"1\"", "firstgid=\"5\"");
    assert_eq!(keys(&text), ["1,0", "9999,-4999"]);
    assert_eq!(skipped(&text), [(1, "layer “a” has 1 tiles beyond ±9999".into()), (1, "layer “a” has 1 tiles of no tileset".into())]);
}

#[test]
fn what_could_grow_or_reach_out_is_refused() {
    let layer = |data: &str| format!(r#"<layer width="1" height="1">{data}</layer>"#);
    let bomb = r#"<!DOCTYPE map [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>"#;
    let refused = [
        format!("{bomb}{}", tmx(X, &layer(r#"<data encoding="csv">&b;</data>"#))),
        tmx(X, &layer(r#"<data encoding="base64" compression="zlib">eJwDAAAAAAE=</data>"#)),
        tmx(X, &layer(r#"<data encoding="base64" compression="zstd">KLUv</data>"#)),
        tmj("", r#"{"type":"tilelayer","width":1,"height":1,"encoding":"base64","compression":"gzip","data":"H4sI"}"#),
        TMX.replace("hexagonal", "orthogonal"),
        TMJ.replace("hexagonal", "isometric"),
        tmj("", &vec![format!(r#"{{"type":"group","layers":[{}]}}"#, vec![r#"{"type":"objectgroup"}"#; 499].join(",")); 3].join(",")),
        tmx(X, &r#"<objectgroup/>"#.repeat(1001)),
        tmj("", &format!("{}{}", r#"{"type":"group","layers":["#.repeat(17), "]}".repeat(17))),
    ];
    for text in refused {
        let error = import(&text);
        assert!(matches!(error, Err(ImportError::Unsupported(_))), "{error:?} {text:.200}");
    }
}

#[test]
fn a_broken_file_is_refused() {
    let layer = |data: &str| tmx(X, &format!(r#"<layer width="2" height="1">{data}</layer>"#));
    let refused = [
        "hello".to_owned(),
        "<svg/>".to_owned(),
        "{".to_owned(),
        TMX.replace("</map>", ""),
        TMX.replace("</layer>", ""),
        layer(r#"<data encoding="csv">1</data>"#),
        layer(r#"<data encoding="csv">1,2,3</data>"#),
        layer(r#"<data encoding="csv">1,-2</data>"#),
        layer(r#"<data encoding="csv">1,4294967296</data>"#),
        layer(r#"<data encoding="csv">1,&#50;</data>"#),
        layer(r#"<data encoding="csv">1,&two;</data>"#),
        layer(r#"<data encoding="base64">AQAAAA</data>"#),
        layer(r#"<data encoding="base64">AQAAAAI=</data>"#),
        layer(r#"<data encoding="hex">01</data>"#),
        TMX.replace("firstgid=\"1\"", "firstgid=\"&one;\""),
        TMX.replace("id=\"0\"", "id=\"-1\""),
        tmj("", r#"{"type":"tilelayer","width":2,"height":1,"data":[1]}"#),
        tmj("", r#"{"type":"tilelayer","data":[1]}"#),
        tmj("", r#"{"type":"tilelayer","width":4294967295,"height":4294967295,"data":[1]}"#),
        tmj("", &vec![r#"{"type":"objectgroup"}"#; 1001].join(",")),
        "<a>".repeat(100_000),
        format!("{}{}", "{\"layers\":[".repeat(100_000), "]}".repeat(100_000)),
    ];
    for text in refused {
        let error = import(&text);
        assert!(matches!(error, Err(ImportError::Unsupported(_) | ImportError::Malformed { .. })), "{error:?} {text:.200}");
    }
    assert_eq!(import(&tmx(X, "")), Err(ImportError::NoHexes));
    assert_eq!(import(&layer("")), Err(ImportError::NoHexes));
}

#[test]
fn too_many_hexes_are_refused() {
    let layer = |width: usize, height: usize| {
        let tiles = vec!["1"; width * height].join(",");
        tmx(X, &format!(r#"<layer width="{width}" height="{height}"><data encoding="csv">{tiles}</data></layer>"#))
    };
    assert_eq!(import(&layer(400, HEXES_MAX / 400)).map(|imported| imported.hexes.len()), Ok(HEXES_MAX));
    assert_eq!(import(&layer(400, HEXES_MAX / 400 + 1)), Err(ImportError::TooManyHexes));
}
