//! Makes cargo see a new migration folder: they are embedded into the binary.
fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
