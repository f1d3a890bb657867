//! Where the project is, and which files belong to it. Reads only; changes nothing.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use xshell::{Shell, cmd};

/// What every command returns: the text of the error is the whole message to the user.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// The folder that holds the workspace's `Cargo.toml`.
pub(crate) fn root() -> Result<PathBuf> {
    let sh = Shell::new()?;
    let cargo = cargo();
    let manifest = cmd!(
        sh,
        "{cargo} locate-project --workspace --message-format plain"
    )
    .quiet()
    .read()?;
    match Path::new(&manifest).parent() {
        Some(root) => Ok(root.to_path_buf()),
        None => Err(format!("cargo names no workspace folder: `{manifest}`").into()),
    }
}

/// A shell in the workspace's root.
pub(crate) fn shell() -> Result<(Shell, PathBuf)> {
    let root = root()?;
    let sh = Shell::new()?;
    sh.change_dir(&root);
    Ok((sh, root))
}

/// The cargo that runs this command, so that a chosen toolchain stays chosen.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string())
}

/// All files under `folder` whose name ends in `.{extension}`, sorted; build output and hidden folders are left out.
pub(crate) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let entries =
            fs::read_dir(&folder).map_err(|e| format!("cannot list {}: {e}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            let name = entry.file_name();
            let hidden = name.as_encoded_bytes().starts_with(b".") || name == "target";
            if hidden {
                continue;
            }
            if entry.file_type()?.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a text file; the error names it.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()).into())
}

/// Writes a file and the folders above it; the error names it.
pub(crate) fn write(path: &Path, text: &str) -> Result {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    }
    fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()).into())
}
