//! The `holdfast` binary; see `holdfast --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    holdfast_api::cli::main()
}
