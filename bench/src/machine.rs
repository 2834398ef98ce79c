//! The machine while something is measured: how busy it was, and who else was at work (`/proc`).

use std::collections::HashMap;
use std::time::Instant;

use crate::measure::number;

/// Clock ticks per second of `/proc`; the same on every Linux of today.
const TICKS_PER_SECOND: f64 = 100.0;
/// Above it another process is named: this share of the whole machine.
const NOTABLE: f64 = 0.05;

struct Process {
    parent: u32,
    name: String,
    ticks: u64,
}

/// Since when something is measured.
pub(crate) struct Watch {
    begun: Instant,
    busy: u64,
    stolen: u64,
    processes: HashMap<u32, Process>,
}

/// What the machine did meanwhile.
#[derive(Debug, Clone, Default)]
pub(crate) struct Usage {
    /// Seconds of CPU, all processes and the kernel together.
    pub(crate) cpu_seconds: f64,
    /// Who else took more than a twentieth of the machine, and how much.
    pub(crate) disturbances: Vec<String>,
}

impl Watch {
    #[must_use]
    pub(crate) fn start() -> Self {
        let (busy, stolen) = machine();
        Self { begun: Instant::now(), busy, stolen, processes: processes() }
    }

    /// `ours`: processes whose descendants belong to the run, beside this one.
    #[must_use]
    pub(crate) fn stop(self, ours: &[u32]) -> Usage {
        let (busy, stolen) = machine();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let capacity = self.begun.elapsed().as_secs_f64() * TICKS_PER_SECOND * f64::from(u32::try_from(cores).unwrap_or(1));
        let now = processes();
        let share = |ticks: u64| number(ticks) / capacity.max(1.0);
        let mut together = 0.0;
        let mut disturbances = Vec::new();
        for (pid, process) in now.iter().filter(|(pid, _)| !belongs(**pid, &now, ours)) {
            let before = self.processes.get(pid).map_or(0, |process| process.ticks);
            let taken = share(process.ticks.saturating_sub(before));
            together += taken;
            if taken > NOTABLE {
                disturbances.push(format!("{} {:.0} %", process.name, taken * 100.0));
            }
        }
        if disturbances.is_empty() && together > 2.0 * NOTABLE {
            disturbances.push(format!("others together {:.0} %", together * 100.0));
        }
        let stolen = share(stolen.saturating_sub(self.stolen));
        if stolen > NOTABLE {
            disturbances.push(format!("the host {:.0} %", stolen * 100.0));
        }
        Usage { cpu_seconds: number(busy.saturating_sub(self.busy)) / TICKS_PER_SECOND, disturbances }
    }
}

/// Ticks in which the CPUs worked, and ticks that the host took away.
fn machine() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> =
        stat.lines().next().unwrap_or_default().split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    let at = |index: usize| fields.get(index).copied().unwrap_or(0);
    // user, nice, system, (idle, iowait), irq, softirq
    (at(0) + at(1) + at(2) + at(5) + at(6), at(7))
}

fn processes() -> HashMap<u32, Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, process(pid)?))).collect()
}

fn process(pid: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (start, rest) = stat.rsplit_once(')')?;
    let name = start.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = rest.split_whitespace().collect(); // from field 3, the state, on
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let parent = fields.get(1)?.parse().ok()?;
    Some(Process { parent, name, ticks: ticks(11) + ticks(12) })
}

/// This process, what it started, the servers of the run, and the kernel's own threads.
fn belongs(pid: u32, all: &HashMap<u32, Process>, ours: &[u32]) -> bool {
    const KERNEL: u32 = 2;
    let mut pid = pid;
    for _ in 0..64 {
        if pid == std::process::id() || pid == KERNEL || ours.contains(&pid) {
            return true;
        }
        match all.get(&pid) {
            Some(process) if process.parent != 0 => pid = process.parent,
            Some(_) | None => return false,
        }
    }
    false
}

/// Memory that the process has in RAM, in MiB.
#[must_use]
pub(crate) fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    number(kib) / 1_024.0
}

/// What the figures were seen on.
#[must_use]
pub(crate) fn description() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown CPU", |rest| rest.trim_start_matches(['\t', ' ', ':']));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = meminfo.lines().next().and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0);
    format!("{cores} cores ({model}), {:.0} GiB of memory", number(kib) / 1_048_576.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_not_a_disturbance_and_its_parent_is_not_ours() {
        let all = processes();
        let own = std::process::id();
        assert!(belongs(own, &all, &[]));
        let parent = all[&own].parent;
        assert!(!belongs(parent, &all, &[]));
        assert!(belongs(own, &all, &[parent]));
    }
}
