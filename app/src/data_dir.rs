//! The setting that several commands have in common.

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Clone, Debug)]
pub struct DataDir {
    /// Directory of the databases; the server makes it if it does not exist.
    #[arg(
        id = "data_dir",
        long = "data-dir",
        value_name = "DIR",
        env = "PULSEWHEEL_DATA_DIR",
        default_value = "./data"
    )]
    pub path: PathBuf,
}
