//! What a process costs: its CPU time and memory, where the system tells them; and which process listens.

use std::{net::SocketAddr, ops::Sub};

use serde::Serialize;

/// CPU time in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// In the program.
    pub user_s: f64,
    /// In the kernel, for it.
    pub system_s: f64,
}

/// Memory in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// Pages, each divided by how many processes share it.
    pub pss_kib: u64,
    /// Pages.
    pub rss_kib: u64,
}

/// Which executable a process runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Executable {
    /// The process.
    pub pid: u32,
    /// The file's name.
    pub name: String,
    /// The first 16 hex digits of the file's SHA-256.
    pub sha256: String,
}

impl Cpu {
    /// In the program and in the kernel.
    #[must_use]
    pub fn total_s(self) -> f64 {
        self.user_s + self.system_s
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { user_s: self.user_s - before.user_s, system_s: self.system_s - before.system_s }
    }
}

impl std::iter::Sum for Cpu {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            user_s: sum.user_s + one.user_s,
            system_s: sum.system_s + one.system_s,
        })
    }
}

impl std::iter::Sum for Memory {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            pss_kib: sum.pss_kib + one.pss_kib,
            rss_kib: sum.rss_kib + one.rss_kib,
        })
    }
}

/// The server's processes; none when they are elsewhere, or the system does not tell.
#[derive(Clone, Debug, Default)]
pub struct Server {
    pids: Vec<u32>,
}

impl Server {
    /// These processes, or else those that listen at `address`, when that is on this machine.
    #[must_use]
    pub fn find(pids: &[u32], address: SocketAddr, is_local: bool) -> Self {
        let pids = match pids {
            [] if is_local => system::listening(address),
            pids => pids.to_vec(),
        };
        Self { pids }
    }

    /// Of all of them together; `None` when one cannot be read.
    #[must_use]
    pub fn cpu(&self) -> Option<Cpu> {
        self.all(system::cpu)
    }

    /// Of all of them together; `None` when one cannot be read.
    #[must_use]
    pub fn memory(&self) -> Option<Memory> {
        self.all(system::memory)
    }

    /// What they run.
    #[must_use]
    pub fn executables(&self) -> Vec<Executable> {
        self.pids.iter().filter_map(|pid| system::executable(*pid)).collect()
    }

    fn all<T: std::iter::Sum>(&self, of: impl Fn(u32) -> Option<T>) -> Option<T> {
        if self.pids.is_empty() { None } else { self.pids.iter().map(|pid| of(*pid)).sum() }
    }
}

/// This process's CPU time; `None` where the system does not tell.
#[must_use]
pub fn own_cpu() -> Option<Cpu> {
    system::cpu(std::process::id())
}

/// What this process runs.
#[must_use]
pub fn own_executable() -> Option<Executable> {
    system::executable(std::process::id())
}

#[cfg(target_os = "linux")]
mod system {
    //! Linux: `/proc`.

    use std::{
        fs,
        io::Read,
        net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
        path::Path,
    };

    use sha2::{Digest, Sha256};

    use super::{Cpu, Executable, Memory};

    pub fn cpu(pid: u32) -> Option<Cpu> {
        #[expect(clippy::cast_precision_loss, reason = "a hundred or so")]
        let a_second = rustix::param::clock_ticks_per_second() as f64;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything, a parenthesis too; the fields after it are numbers.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace().skip(11);
        let mut seconds = || fields.next()?.parse::<f64>().ok().map(|ticks| ticks / a_second);
        Some(Cpu { user_s: seconds()?, system_s: seconds()? })
    }

    pub fn memory(pid: u32) -> Option<Memory> {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let kib = |key: &str| {
            let line = rollup.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Memory { pss_kib: kib("Pss:")?, rss_kib: kib("Rss:")? })
    }

    pub fn executable(pid: u32) -> Option<Executable> {
        // The link itself is opened, not the path it shows: the file may have been replaced since.
        let link = format!("/proc/{pid}/exe");
        let mut file = fs::File::open(&link).ok()?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; 256 * 1024]);
        loop {
            match file.read(&mut buffer).ok()? {
                0 => break,
                count => hash.update(&buffer[..count]),
            }
        }
        let first: [u8; 8] = *hash.finalize().first_chunk()?;
        let sha256 = format!("{:016x}", u64::from_be_bytes(first));
        let name = fs::read_link(&link).ok()?.file_name()?.to_string_lossy().into_owned();
        Some(Executable { pid, name, sha256 })
    }

    /// Every process that holds a socket listening there.
    pub fn listening(address: SocketAddr) -> Vec<u32> {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
        let tables = tables.iter().filter_map(|table| fs::read_to_string(table).ok());
        let sockets: Vec<String> = tables
            .flat_map(|table| table.lines().filter_map(|line| listener(line, address)).collect::<Vec<_>>())
            .map(|inode| format!("socket:[{inode}]"))
            .collect();
        if sockets.is_empty() {
            return Vec::new();
        }
        let pids = numbered(Path::new("/proc"));
        let holds = |pid: &u32| {
            let folder = format!("/proc/{pid}/fd");
            numbered(Path::new(&folder)).into_iter().any(|fd| {
                fs::read_link(format!("{folder}/{fd}"))
                    .is_ok_and(|target| sockets.iter().any(|socket| target.as_os_str() == socket.as_str()))
            })
        };
        pids.into_iter().filter(holds).collect()
    }

    fn numbered(folder: &Path) -> Vec<u32> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// The inode of a line of `/proc/net/tcp`, if it listens where `address` leads to.
    pub fn listener(line: &str, address: SocketAddr) -> Option<u64> {
        let mut fields = line.split_whitespace();
        let (ip, port) = fields.nth(1)?.split_once(':')?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?.parse().ok()?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let ip = ip_address(ip)?;
        let leads_there = ip.is_unspecified() || ip.to_canonical() == address.ip().to_canonical();
        (state == "0A" && port == address.port() && leads_there).then_some(inode)
    }

    /// Words of 32 bits in the machine's own order, in hex.
    fn ip_address(hex: &str) -> Option<IpAddr> {
        let word = |at: usize| {
            let digits = hex.get(8 * at..8 * at + 8)?;
            u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
        };
        match hex.len() {
            8 => Some(Ipv4Addr::from(word(0)?).into()),
            32 => {
                let mut bytes = [0; 16];
                for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
                    four.copy_from_slice(&word(at)?);
                }
                Some(Ipv6Addr::from(bytes).into())
            }
            _ => None,
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    //! Elsewhere: nothing is told.

    use std::net::SocketAddr;

    use super::{Cpu, Executable, Memory};

    pub fn cpu(_: u32) -> Option<Cpu> {
        None
    }

    pub fn memory(_: u32) -> Option<Memory> {
        None
    }

    pub fn executable(_: u32) -> Option<Executable> {
        None
    }

    pub fn listening(_: SocketAddr) -> Vec<u32> {
        Vec::new()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_process_that_listens_is_found_by_its_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = Server::find(&[], address, true);
        assert_eq!(server.pids, [std::process::id()]);
        assert!(server.memory().expect("our own").pss_kib > 0);
        let [executable] = &server.executables()[..] else { panic!("one process") };
        assert_eq!(executable.sha256.len(), 16);
        drop(listener);
        assert_eq!(Server::find(&[], address, true).cpu(), None, "nobody listens there");
    }

    #[test]
    fn listeners_are_told_from_other_sockets_and_other_addresses() {
        let line = |state: &str| {
            format!(
                "   0: 0100007F:2B0D 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 4711 1"
            )
        };
        let at = |text: &str| text.parse().expect("an address");
        assert_eq!(system::listener(&line("0A"), at("127.0.0.1:11021")), Some(4711));
        assert_eq!(system::listener(&line("01"), at("127.0.0.1:11021")), None);
        assert_eq!(system::listener(&line("0A"), at("127.0.0.1:11022")), None);
        assert_eq!(system::listener(&line("0A"), at("127.0.0.2:11021")), None);
        let any = line("0A").replace("0100007F", "00000000000000000000000000000000");
        assert_eq!(system::listener(&any, at("127.0.0.2:11021")), Some(4711));
    }

    #[test]
    fn processes_that_are_not_there_cost_nothing_that_is_known() {
        assert_eq!(Server::find(&[u32::MAX], ([127, 0, 0, 1], 1).into(), true).cpu(), None);
        assert!(own_cpu().is_some());
    }
}
