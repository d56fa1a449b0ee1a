internal import Numbers

/// What a script asks a batch system for, in its lines `#SBATCH`, `#PBS` and `#BSUB`.
struct BatchDirectives {
    private(set) var nodes: Int?
    private(set) var devicesPerNode: Int?
    /// Processes of a node.
    private(set) var ranksPerNode: Int?
    /// All devices.
    private var total: Int?
    /// The line that says the devices, and its place.
    private var origin: Setting?
    /// Options without a number.
    private var unknown: String?

    init() {}

    /// Reads the lines of a script.
    init(_ text: String) {
        // Slurm and PBS read no lines behind the first command.
        var isHeader = true
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            if !line.hasPrefix("#"), line.contains(where: { !$0.isWhitespace }) {
                isHeader = isHeader && line.drop(while: \.isWhitespace).hasPrefix("#")
            }
            guard line.hasPrefix("#"), let mark = ["#SBATCH", "#PBS", "#BSUB"].first(where: line.hasPrefix) else {
                continue
            }
            guard isHeader || mark == "#BSUB" else { continue }
            // A further # begins a comment.
            let body = line.dropFirst(mark.count).prefix { $0 != "#" }
            let words = body.split(whereSeparator: \.isWhitespace).map { $0.filter { $0 != "\"" && $0 != "'" } }
            switch mark {
            case "#SBATCH": readSlurm(words, line: index + 1)
            case "#PBS": readPBS(words, line: index + 1)
            default: readLSF(words, line: index + 1)
            }
        }
    }

    /// The system in words.
    private(set) var words = "the batch system"

    /// GPUs of an option's value: `8`, `a100:8`, `gpu:8`, `gpu:h100:4(S:0-1)`, also among other resources.
    static func gpus(_ text: String) -> Int? {
        let parts = text.split(separator: ",")
        let named = parts.filter { $0.hasPrefix("gpu") }
        // Kinds of GPUs are asked for one by one: `gpu:a100:4,gpu:h100:4` makes eight.
        guard !named.isEmpty || parts.count == 1 else { return nil }
        var total = 0
        for part in named.isEmpty ? parts : named {
            let plain = part.prefix { $0 != "(" }
            guard let last = plain.split(whereSeparator: { $0 == ":" || $0 == "=" }).last else { return nil }
            // `--gres=gpu` asks for one.
            guard let count = Int(last) ?? (last == "gpu" ? 1 : nil), count > 0, count < 1 << 24 else { return nil }
            total += count
            guard total < 1 << 24 else { return nil }
        }
        return total
    }

    private mutating func note(_ name: String, line: Int) {
        if origin == nil { origin = Setting(name: "world_size", written: name, value: .nothing, line: line, column: 1) }
    }

    private mutating func readSlurm(_ words: [String], line: Int) {
        self.words = "#SBATCH"
        var index = 0
        while index < words.count {
            let word = words[index]
            index += 1
            var (name, value) = (String(word.prefix { $0 != "=" }), "")
            if let equals = word.firstIndex(of: "=") {
                value = String(word[word.index(after: equals)...])
            } else if !word.hasPrefix("--"), word.count > 2, word.hasPrefix("-") {
                (name, value) = (String(word.prefix(2)), String(word.dropFirst(2)))
            } else if index < words.count, !words[index].hasPrefix("-") {
                value = words[index]
                index += 1
            }
            switch name {
            case "--nodes", "-N":
                nodes = Self.count(value)
                if nodes == nil { unknown = "\(name) (line \(line)) is '\(value.prefix(40))', no number" }
            case "--ntasks-per-node": ranksPerNode = Self.count(value)
            case "--gpus-per-node", "--gres":
                guard let count = Self.gpus(value) else { continue }
                devicesPerNode = count
                note(name, line: line)
            case "--gpus", "-G":
                total = Self.gpus(value)
                if total != nil { note(name, line: line) }
            case "--ntasks", "-n": tasks = Self.count(value)
            case "--gpus-per-task":
                devicesPerTask = Self.gpus(value)
                if devicesPerTask != nil { note(name, line: line) }
            default: continue
            }
        }
    }

    private var tasks: Int?
    private var devicesPerTask: Int?

    private static func count(_ text: some StringProtocol) -> Int? {
        let ends = text.split(separator: "-").compactMap { Int($0) }
        guard let first = ends.first, first > 0, ends.allSatisfy({ $0 == first }) else { return nil }
        return first
    }

    /// `-l select=4:ncpus=64:ngpus=8:mpiprocs=8+…`, and the older `-l nodes=4:ppn=8:gpus=8`.
    private mutating func readPBS(_ words: [String], line: Int) {
        self.words = "#PBS"
        for word in words.flatMap({ $0.split(separator: ",").map(String.init) }) {
            guard let key = ["select=", "nodes="].first(where: word.hasPrefix) else { continue }
            var (chunks, gpus) = (0, 0)
            for chunk in word.dropFirst(key.count).split(separator: "+") {
                let parts = chunk.split(separator: ":")
                guard let count = parts.first.flatMap({ Int($0) }), count > 0, count < 1 << 24 else {
                    unknown = "\(key)… (line \(line)) names no number of nodes"
                    return
                }
                func value(_ names: String...) -> Int? {
                    parts.lazy.compactMap { part -> Int? in
                        guard let name = names.first(where: { part.hasPrefix($0 + "=") }) else { return nil }
                        return Int(part.dropFirst(name.count + 1))
                    }.first
                }
                chunks += count
                if let each = value("ngpus", "gpus"), each > 0, each < 1 << 20 {
                    gpus += count * each
                    devicesPerNode = each
                }
                ranksPerNode = value("mpiprocs", "ppn") ?? ranksPerNode
            }
            nodes = chunks
            if gpus > 0 {
                total = gpus
                note("-l \(key.dropLast())", line: line)
            }
        }
    }

    /// `-nnodes 4` or `-n 32` with `span[ptile=8]`, and `-gpu "num=8"`, devices of a host unless it says a task's.
    private mutating func readLSF(_ words: [String], line: Int) {
        self.words = "#BSUB"
        for (index, word) in words.enumerated() {
            let next = index + 1 < words.count ? words[index + 1] : ""
            switch word {
            case "-nnodes": nodes = Self.count(next)
            case "-n": tasks = Self.count(next)
            case "-R":
                if let range = next.firstRange(of: "ptile=") {
                    ranksPerNode = Int(next[range.upperBound...].prefix(while: \.isNumber))
                }
            case "-gpu":
                guard let range = next.firstRange(of: "num="),
                    let count = Int(next[range.upperBound...].prefix(while: \.isNumber)), count > 0
                else { continue }
                if next[range.upperBound...].drop(while: \.isNumber).hasPrefix("/task") {
                    devicesPerTask = count
                } else {
                    devicesPerNode = count
                }
                note(word, line: line)
            default: continue
            }
        }
        if nodes == nil, let tasks, let ranksPerNode, ranksPerNode > 0 {
            nodes = tasks / ranksPerNode + (tasks % ranksPerNode == 0 ? 0 : 1)
        }
    }

    /// The devices of the job; nil: they are not known.
    var devices: Setting? {
        guard var setting = origin, let count = found?.count, count > 0, count <= 10_000_000 else { return nil }
        setting.value = .word("\(count)")
        return setting
    }

    private var found: (count: Int, words: String)? {
        func product(_ a: Int, _ b: Int) -> Int { Int.product(a, b) ?? 0 }
        if let total { return (total, "all that the job asks for") }
        if let devicesPerNode, let nodes {
            return (product(devicesPerNode, nodes), "\(devicesPerNode) on each of \(nodes) nodes")
        }
        if let devicesPerTask, let all = tasks ?? nodes.flatMap({ nodes in ranksPerNode.map { product(nodes, $0) } }) {
            return (product(devicesPerTask, all), "\(devicesPerTask) for each of \(all) processes")
        }
        // Slurm and PBS start jobs on one node unless they are told otherwise.
        if let devicesPerNode, unknown == nil, tasks == nil { return (devicesPerNode, "\(devicesPerNode) on one node") }
        return nil
    }

    /// How the devices were found.
    var note: String? { devices == nil ? nil : found.map { "devices \($0.count): \($0.words), as \(words) says" } }

    var whyUnknown: String? {
        unknown ?? (nodes != nil && devices == nil ? "\(words) names nodes and no devices of them" : nil)
    }

    /// Variables that the system sets in the job.
    var variables: [String: String] {
        var all: [String: Int?] = [:]
        switch words {
        case "#SBATCH":
            all = [
                "SLURM_NNODES": nodes, "SLURM_JOB_NUM_NODES": nodes, "SLURM_GPUS_ON_NODE": devicesPerNode,
                "SLURM_GPUS_PER_NODE": devicesPerNode, "SLURM_NTASKS_PER_NODE": ranksPerNode,
                "SLURM_NTASKS": tasks
                    ?? nodes.flatMap { nodes in
                        ranksPerNode.map { nodes.multipliedReportingOverflow(by: $0).partialValue }
                    },
            ]
        case "#PBS": all = ["PBS_NUM_NODES": nodes, "PBS_NUM_PPN": ranksPerNode]
        default: break
        }
        return all.compactMapValues { $0.map { "\($0)" } }
    }
}
