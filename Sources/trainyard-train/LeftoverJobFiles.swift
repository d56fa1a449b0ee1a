internal import Foundation

/// Open MPI's shared-memory files that stay on a node when mpirun is killed, and their removal.
///
/// The first rank of a node writes a note into mpirun's session folder, which mpirun removes when it ends in order. It
/// also looks for notes of jobs whose mpirun has gone. Only files that such a note names are removed, and only where no
/// process uses them.
enum LeftoverJobFiles {
    private static let note = "trainyard-job"
    private static let sharedMemory = "/dev/shm"

    /// The note of a job: which processes it belongs to.
    private struct Job: Codable {
        /// The process of mpirun or of its daemon on this node, and its start in ticks since the system's start.
        var process: Int32
        var began: String
        /// The system's start and the process namespace: process numbers mean nothing beyond them.
        var boot: String
        var namespace: String
        /// The job's number as the names of shared-memory files spell it.
        var number: String
    }

    /// Writes this job's note and removes the files of jobs that are gone. Called before MPI starts; failures are
    /// ignored.
    static func noteJobAndRemoveOthers() {
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

    /// The names of the job's shared-memory files that belong to this user: `vader_segment.NODE.USER.JOB.RANK` and
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

    /// Whether no process has one of these files mapped.
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

    /// The start of a process in ticks; nil where there is no such process.
    private static func start(of process: Int32) -> String? {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        // Field 2 is the program's name, which may hold blanks and brackets; the start is field 22.
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
