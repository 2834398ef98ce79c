//! What goes wrong around Holdfast: disks, clocks, networks, messages, servers that are replaced.
