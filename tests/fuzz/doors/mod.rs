//! What the fuzz targets call: each takes any bytes, and panics where what the
//! program makes of them is not sound. Part of the library, because it looks
//! behind its walls; compiled for fuzzing and for unit tests alone.

mod checksum;
mod fields;
mod metadata;
mod multipart;
mod range;
mod record;
mod requests;

pub use checksum::checksum;
pub use fields::fields;
pub use metadata::metadata;
pub use multipart::multipart;
pub use range::range;
pub use record::record;
pub use requests::requests;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Runs every committed input, and those that were found once.
    fn replay(target: &str, door: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        let inputs = std::fs::read_dir(folder.join(target)).unwrap();
        let mut count = 0;
        for input in inputs {
            let path = input.unwrap().path();
            println!("{}", path.display());
            door(&std::fs::read(path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{target} has no inputs");
    }

    macro_rules! targets {
        ($($name:ident)*) => {
            $(
                #[test]
                fn $name() {
                    replay(stringify!($name), super::$name);
                }
            )*

            #[test]
            fn every_target_has_a_door_and_inputs() {
                let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
                let names = |folder: &str| -> BTreeSet<String> {
                    let entries = std::fs::read_dir(here.join(folder)).unwrap();
                    let stem = |path: &Path| path.file_stem().unwrap().to_string_lossy().into();
                    entries.map(|entry| stem(&entry.unwrap().path())).collect()
                };
                let known = [$(stringify!($name).to_owned()),*].into();
                assert_eq!(names("corpus"), known);
                assert_eq!(names("targets"), known);
                let manifest = std::fs::read_to_string(here.join("Cargo.toml")).unwrap();
                for name in known {
                    assert!(manifest.contains(&format!("\"targets/{name}.rs\"")), "{name}");
                }
            }
        };
    }

    targets! { checksum fields metadata multipart range record requests }
}
