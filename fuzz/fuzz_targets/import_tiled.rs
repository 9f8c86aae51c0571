#![no_main]

use libfuzzer_sys::fuzz_target;
use moothall::maps::{Format, SKIPPED_MAX, export_hexjson, import};

fuzz_target!(|data: &[u8]| {
    let Ok(imported) = import(Format::Tiled, data) else { return };
    assert!(imported.skipped.len() <= SKIPPED_MAX + 1);
    let written = export_hexjson("", &imported.hexes, imported.size.unwrap_or_default());
    let again = import(Format::HexJson, written.as_bytes()).expect("what was exported can be imported");
    assert_eq!(again.hexes, imported.hexes);
});
