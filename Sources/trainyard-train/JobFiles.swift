internal import Foundation

/// What a job of ours leaves on a node when its mpirun is killed: Open MPI's shared-memory files, which nobody removes.
///
/// The first rank of a node puts a note into mpirun's own folder (which goes with mpirun when it ends in order) and looks
/// for notes of jobs whose mpirun has gone. Only what such a note names is removed, and only where nobody uses it.
enum JobFiles {
    private static let note = "trainyard-job"
    private static let sharedMemory = "/dev/shm"

    /// Who a job belongs to.
    private struct Job: Codable {
        /// mpirun, or its daemon on this node, and when that process began, in ticks since the system's start.
        var process: Int32
        var began: String
        /// Numbers of processes mean nothing after a restart or in another container.
        var boot: String
        var namespace: String
        /// As the names of shared-memory files spell it.
        var number: String
    }

    /// Before MPI starts. Nothing that fails here matters to the run.
    static func begin() {
        let environment = ProcessInfo.processInfo.environment
        guard environment["OMPI_COMM_WORLD_LOCAL_RANK"] == "0",
            let all = environment["OMPI_MCA_orte_top_session_dir"],
            let own = environment["OMPI_MCA_orte_jobfam_session_dir"],
            let number = environment["PMIX_NAMESPACE"].flatMap({ UInt32($0) }),
            let began = start(of: getppid()), let boot, let namespace
        else { return }
        let job = Job(
            process: getppid(), began: began, boot: boot, namespace: namespace, number: String(number, radix: 16))
        clear(all, like: job)
        try? JSONEncoder().encode(job).write(to: URL(filePath: own + "/" + note))
    }

    private static func clear(_ sessions: String, like own: Job) {
        let files = FileManager.default
        for name in (try? files.contentsOfDirectory(atPath: sessions)) ?? [] {
            let folder = sessions + "/" + name
            guard let data = files.contents(atPath: folder + "/" + note),
                let job = try? JSONDecoder().decode(Job.self, from: data),
                job.boot == own.boot, job.namespace == own.namespace, start(of: job.process) != job.began
            else { continue }
            let left = segments(of: job)
            guard isUnused(left) else { continue }
            for segment in left { unlink(sharedMemory + "/" + segment) }
            try? files.removeItem(atPath: folder)
        }
    }

    /// Names of the job's files in shared memory that belong to this user: `vader_segment.NODE.USER.JOB.RANK` and
    /// `osc_sm.NODE.JOB.…`.
    private static func segments(of job: Job) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: sharedMemory)) ?? []
        return names.filter { name in
            var status = stat()
            return (name.hasPrefix("vader_segment.") || name.hasPrefix("osc_sm."))
                && name.split(separator: ".").contains(Substring(job.number))
                && lstat(sharedMemory + "/" + name, &status) == 0 && status.st_uid == geteuid()
        }
    }

    /// Whether no process has one of these in its memory.
    private static func isUnused(_ names: [String]) -> Bool {
        guard !names.isEmpty else { return true }
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.allSatisfy { process in
            guard Int32(process) != nil,
                let maps = try? String(contentsOfFile: "/proc/\(process)/maps", encoding: .utf8)
            else { return true }
            return !names.contains { maps.contains(sharedMemory + "/" + $0) }
        }
    }

    /// When a process began; nil where there is none of that number.
    private static func start(of process: Int32) -> String? {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        // The name, which may hold anything, is field 2; this is field 22.
        let fields = text[end...].split(separator: " ")
        return fields.count > 20 ? String(fields[20]) : nil
    }

    private static var boot: String? {
        try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private static var namespace: String? {
        try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")
    }
}
