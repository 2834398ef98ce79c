//! One port for files.
