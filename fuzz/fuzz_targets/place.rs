//! Any text as a place on the command line: no panic, and no stored name leads out of a folder.
//!
//! An S3 place prints as it is read. The file name that a place gives is one plain component, so
//! that joined to a folder it is in that folder.

#![no_main]

use std::path::Component;
use std::path::Path;

use libfuzzer_sys::fuzz_target;

use crate::place::Place;

// The command is a binary, which cannot be linked; this file of it stands alone.
#[allow(dead_code, unused_imports, reason = "what the command uses of it is not asked here")]
#[path = "../../cli/src/place.rs"]
mod place;

fuzz_target!(|text: &str| {
    let Ok(place) = Place::parse(text.into()) else { return };
    if matches!(place, Place::S3(_)) {
        assert_eq!(Place::parse(place.to_string().into()), Ok(place.clone()));
    }
    let name = place.file_name();
    if let Some(name) = &name {
        let mut parts = Path::new(name).components();
        assert!(matches!(parts.next(), Some(Component::Normal(part)) if part == name.as_str()));
        assert_eq!(parts.next(), None);
    }
    match Place::parse("/".into()).unwrap().or_inside(name.clone()) {
        Ok(inside) => assert_eq!(inside, Place::Path(Path::new("/").join(name.unwrap()))),
        Err(_) => assert_eq!(name, None),
    }
});
