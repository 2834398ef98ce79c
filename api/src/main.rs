//! The `holdfast` binary; see `holdfast --help`.

use std::process::ExitCode;

/// Commands are many small allocations that are freed by other threads (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    holdfast_api::cli::main()
}
