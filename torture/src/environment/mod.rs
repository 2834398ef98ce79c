//! What goes wrong around Holdfast: disks, clocks, networks, messages, servers that are replaced.

pub mod nats_shim;
pub mod nats_wire;
pub mod network;
pub mod proxy;
pub mod restore;
pub mod shim;
pub mod small_disk;
pub mod standby;
