//! Misuse of a pool is a compile error whose text says what to do: `tests/ui`, each file named after the mistake.

/// WL14. The expected texts are those of one compiler version; on another, only that the mistakes are errors is known from
/// the examples of the documentation.
#[test]
fn mistakes_do_not_compile() {
    let version = std::process::Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .arg("--version")
        .output()
        .unwrap();
    if !version.stdout.starts_with(b"rustc 1.95.") {
        eprintln!("skipped: the texts are those of rustc 1.95");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
