//! What goes wrong around Holdfast: disks, clocks, networks, messages, servers that are replaced.

pub mod nats_shim;
pub mod nats_wire;
pub mod proxy;
pub mod shim;
