//! What the compiler prints for a model with a mistake: one mistake a file, beside what it is answered with.
//!
//! Every file goes on to use its models, so that an error that follows from a missing type would be printed as well.
//! `TRYBUILD=overwrite cargo test --test ui` writes the answers anew.

#[test]
fn mistakes_are_underlined_where_they_are_written() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
