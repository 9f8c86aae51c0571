//! REST, one file per resource.
