//! `moothall load`: a load generator.
