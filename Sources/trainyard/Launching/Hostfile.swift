internal import Foundation

/// The hosts of mpirun's hostfile, and which of them answer.
struct Hostfile {
    struct Host: Hashable {
        var name: String
        /// Ranks that the host takes; nil where the file does not say.
        var slots: Int?
        /// Its line in the file.
        var line: String
    }

    var hosts: [Host]

    /// Reads the file. What mpirun would refuse is left to it.
    /// - Returns: nil for a file that cannot be read or names no host.
    init?(path: String) {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        hosts = text.split(whereSeparator: \.isNewline).compactMap { line in
            let words = line.prefix { $0 != "#" }.replacing("=", with: " = ").split(whereSeparator: \.isWhitespace)
            guard let name = words.first else { return nil }
            var slots: Int?
            for (index, word) in words.enumerated() where ["slots", "count", "cpu"].contains(word) {
                if index + 2 < words.count, words[index + 1] == "=" { slots = Int(words[index + 2]) }
            }
            return Host(name: String(name), slots: slots, line: String(line))
        }
        if hosts.isEmpty { return nil }
    }

    /// Ranks that `some` of the hosts take. A host that states no number takes its share of `ranks`.
    func slots(of some: [Host], ranks: Int) -> Int {
        let share = (ranks + hosts.count - 1) / max(1, hosts.count)
        return some.reduce(0) { sum, host in
            let (next, isHuge) = sum.addingReportingOverflow(max(0, host.slots ?? share))
            return isHuge ? .max : next
        }
    }

    /// The hosts on which a command runs, in the file's order. All are asked at the same time, for ten seconds at most.
    func living() -> [Host] {
        let environment = ProcessInfo.processInfo.environment
        // A resource manager starts the daemons, and knows its nodes.
        let agent = (environment["OMPI_MCA_plm_rsh_agent"] ?? "ssh").split(separator: ":")[0]
            .split(separator: " ").map(String.init)
        guard environment["SLURM_JOB_ID"] == nil, let program = agent.first,
            let path = program.contains("/") ? program : Launcher.find(program)
        else { return hosts }
        let options = agent.count == 1 && program == "ssh" ? ["-o", "BatchMode=yes", "-o", "ConnectTimeout=5"] : []
        let asked = hosts.map { host -> Process? in
            if Self.isThisOne(host.name) { return nil }
            let process = Process()
            process.executableURL = URL(fileURLWithPath: path)
            process.arguments = agent.dropFirst() + options + [host.name, "true"]
            for stream in [\Process.standardInput, \.standardOutput, \.standardError] {
                process[keyPath: stream] = FileHandle.nullDevice
            }
            return (try? process.run()) == nil ? nil : process
        }
        let end = Date() + 10
        return zip(hosts, asked).filter { host, process in
            guard let process else { return Self.isThisOne(host.name) }
            while process.isRunning, Date() < end { usleep(50_000) }
            guard !process.isRunning else {
                kill(process.processIdentifier, SIGKILL)
                return false
            }
            return process.terminationReason == .exit && process.terminationStatus == 0
        }.map(\.0)
    }

    private static func isThisOne(_ name: String) -> Bool {
        ["localhost", "127.0.0.1", "::1", ProcessInfo.processInfo.hostName].contains(name)
    }
}
