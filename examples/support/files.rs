//! Where reports are written.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Makes `target/<name>` in the package that cargo runs, or, run without cargo, in the current directory.
pub(crate) fn folder(name: &str) -> Result<PathBuf, String> {
    let package = env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from);
    let folder = package.join("target").join(name);
    fs::create_dir_all(&folder).map_err(|e| complaint(&folder, &e))?;
    Ok(folder)
}

/// Writes a file, and says where.
pub(crate) fn put(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| complaint(path, &e))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// Why it could not be written.
pub(crate) fn complaint(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}
