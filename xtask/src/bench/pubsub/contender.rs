//! Who is loaded: our server, nginx with a module for push streams, and a loop of one send for each listener, which is
//! the most that could be done at all.
//!
//! A process may hold no more than its limit of open files: a larger crowd is spread over several, all on one processor.

use crate::bench::cores::{Cores, Kept};
use crate::bench::server::{Server, free_ports};
use crate::bench::stub::{Running, Stub};
use crate::process::Failure;
use nix::sys::resource::{Resource, getrlimit};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What publishers say in `Authorization` to a server of ours.
pub(super) const SECRET: &str = "for benchmarks";
/// Files that a process has open besides its connections.
const OTHER_FILES: usize = 300;
const MODULES: &str = "usr/lib/nginx/modules";

/// Who is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    Ours(PathBuf),
    Nginx(Nginx),
    /// One send for each listener, and nothing else.
    Limit,
}

/// An nginx below a folder of unpacked packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nginx {
    folder: PathBuf,
    module: Module,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Module {
    PushStream,
    Nchan,
}

/// Where listeners and publishers go; `{}` stands for a channel in paths.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) subscribe: &'static str,
    pub(super) publish: &'static str,
}

/// A contender that runs, until dropped.
pub(super) struct Started {
    /// One for each process that listeners are spread over.
    pub(super) targets: Vec<Target>,
    /// Whether a message has to be published to each of the targets, or to the first alone.
    pub(super) apart: bool,
    processes: Vec<u32>,
    _running: Box<dyn std::any::Any>,
}

/// How many streams one process can hold.
pub(super) fn streams_per_process() -> Result<usize, Failure> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(usize::try_from(most)?.saturating_sub(OTHER_FILES))
}

impl Contender {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ours(_) => "hearth",
            Self::Nginx(nginx) => match nginx.module {
                Module::PushStream => "nginx, push-stream",
                Module::Nchan => "nginx, nchan",
            },
            Self::Limit => "one send each",
        }
    }

    /// Starts it, spread over so many processes, on the server's processor.
    pub(super) fn start(&self, cores: Cores, processes: usize) -> Result<Started, Failure> {
        let _kept = Kept::on(cores.server)?;
        self.start_here(processes)
    }

    /// The same where the calling thread runs.
    pub(super) fn start_here(&self, processes: usize) -> Result<Started, Failure> {
        match self {
            Self::Ours(binary) => {
                let starting = || Server::start(binary, "emulators:start");
                let mut servers = (0..processes).map(|_| starting()).collect::<Result<Vec<_>, _>>()?;
                let addresses = servers.iter_mut().map(|server| server.address("pushStream"));
                let targets = addresses.map(|address| Ok(ours(address?))).collect::<Result<_, Failure>>()?;
                let processes = servers.iter().map(Server::id).collect();
                Ok(Started { targets, apart: true, processes, _running: Box::new(servers) })
            }
            Self::Nginx(nginx) => nginx.start(processes),
            Self::Limit => {
                let starting = || Running::start(Stub::Stream);
                let stubs = (0..processes).map(|_| starting()).collect::<Result<Vec<_>, _>>()?;
                let targets = stubs.iter().map(|stub| ours(stub.address)).collect();
                let processes = stubs.iter().map(Running::id).collect();
                Ok(Started { targets, apart: true, processes, _running: Box::new(stubs) })
            }
        }
    }
}

fn ours(address: SocketAddr) -> Target {
    Target { address, subscribe: "/sub/{}.b1", publish: "/pub?id={}" }
}

impl Started {
    /// The processes, and those they have started.
    pub(super) fn processes(&self) -> Vec<u32> {
        let children = self.processes.iter().flat_map(|process| {
            let listed = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
            let listed = listed.unwrap_or_default();
            listed.split_ascii_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<u32>>()
        });
        children.chain(self.processes.iter().copied()).collect()
    }
}

impl Nginx {
    /// The one below `folder`, with the push-stream module if that is there, and nchan otherwise.
    pub(super) fn find(folder: &Path) -> Result<Self, Failure> {
        let has = |file: &str| folder.join(MODULES).join(file).is_file();
        let modules = [Module::PushStream, Module::Nchan];
        let module = modules.into_iter().find(|module| has(module.file()));
        let module = module.ok_or_else(|| format!("no module for push streams below {}", folder.display()))?;
        Ok(Self { folder: folder.canonicalize()?, module })
    }

    fn start(&self, workers: usize) -> Result<Started, Failure> {
        let folder = TempDir::new()?;
        let [port] = free_ports()?;
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, self.configuration(port, workers, folder.path())?)?;
        let mut command = Command::new(self.folder.join("usr/sbin/nginx"));
        command.arg("-c").arg(&file).arg("-p").arg(folder.path()).stdin(Stdio::null());
        let child = Ended(command.spawn()?);
        let until = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if Instant::now() > until {
                return Err("nginx did not start".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // Other addresses for other listeners: the ports of one would not do for all.
        let target = |number: usize| {
            let address = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + u32::try_from(number)?);
            let (subscribe, publish) = self.module.paths();
            Ok(Target { address: (address, port).into(), subscribe, publish })
        };
        let targets = (0..workers).map(target).collect::<Result<_, Failure>>()?;
        Ok(Started { targets, apart: false, processes: vec![child.0.id()], _running: Box::new((child, folder)) })
    }

    /// Workers that are nearly full leave new connections to the others, which they do with the mutex alone.
    fn configuration(&self, port: u16, workers: usize, folder: &Path) -> Result<String, Failure> {
        let module = self.folder.join(MODULES).join(self.module.file());
        let (module, folder) = (module.display(), folder.display());
        let (places, connections) = (self.module.places(), streams_per_process()? + OTHER_FILES / 2);
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|of| format!("{of}_temp_path {folder}/{of};\n"))
            .collect();
        let text = format!(
            "load_module {module};\nuser root;\ndaemon off;\npid {folder}/pid;\nerror_log {folder}/error.log crit;\n\
             worker_processes {workers};\nevents {{ worker_connections {connections}; accept_mutex on; }}\n\
             http {{\naccess_log off;\ntcp_nodelay on;\nkeepalive_requests 1000000000;\n{temporary}\
             {places}}}\n"
        );
        Ok(text.replace("PORT", &port.to_string()))
    }
}

impl Module {
    fn file(self) -> &'static str {
        match self {
            Self::PushStream => "ngx_http_push_stream_module.so",
            Self::Nchan => "ngx_nchan_module.so",
        }
    }

    fn paths(self) -> (&'static str, &'static str) {
        match self {
            Self::PushStream => ("/sub/{}.b1", "/pub?id={}"),
            Self::Nchan => ("/sub?id={}", "/pub?id={}"),
        }
    }

    /// One stored message a channel, as our profile has it.
    fn places(self) -> &'static str {
        match self {
            Self::PushStream => {
                "push_stream_shared_memory_size 700m;\npush_stream_max_messages_stored_per_channel 1;\n\
                 push_stream_message_ttl 1h;\nserver {\nlisten PORT backlog=4096;\n\
                 location = /pub { push_stream_publisher admin; push_stream_channels_path $arg_id; \
                 push_stream_store_messages on; }\n\
                 location ~ /sub/(.*) { push_stream_subscriber eventsource; push_stream_channels_path $1; }\n}\n"
            }
            Self::Nchan => {
                "nchan_shared_memory_size 700m;\nserver {\nlisten PORT backlog=4096;\n\
                 location = /pub { nchan_publisher; nchan_channel_id $arg_id; nchan_message_buffer_length 1; \
                 nchan_message_timeout 1h; }\n\
                 location = /sub { nchan_subscriber eventsource; nchan_channel_id $arg_id; \
                 nchan_subscriber_first_message -1; }\n}\n"
            }
        }
    }
}

/// A child process; told to end when dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.0.id()) {
            // At once, its children with it: what it holds need not be put in order.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGTERM);
        }
        let _ = self.0.wait();
    }
}
