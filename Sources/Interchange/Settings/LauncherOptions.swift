internal import Numbers

/// The devices of a run as its script says them: the options of the program that starts the processes, and the lines by
/// which the job asks a batch system for devices.
struct LauncherOptions {
    /// Devices of the run; nil: they are not known.
    private(set) var devices: Setting?
    /// Why the devices are not known, as a clause; nil: nothing says anything.
    private(set) var whyUnknown: String?
    /// How the devices were found where no option says them alone.
    private(set) var note: String?

    private let words: [PlacedText]
    private let batch: BatchDirectives

    /// - Parameters:
    ///   - words: the command that starts the run, up to the program.
    ///   - batch: what the script asks its batch system for.
    init(_ words: some Sequence<PlacedText>, batch: BatchDirectives = BatchDirectives()) {
        (self.words, self.batch) = (Array(words), batch)
        switch launcher {
        case "torchrun": readTorchrun()
        case "deepspeed": readDeepspeed()
        case "accelerate": readAccelerate()
        case "mpirun": readMPI()
        case "srun": readSrun()
        default: readBatch()
        }
    }

    /// Programs by the words that name them, the innermost first: `srun torchrun …` starts its processes by torchrun.
    private static let programs: [(name: String, words: Set<String>)] = [
        ("torchrun", ["torchrun", "torch.distributed.run", "torch.distributed.launch", "torch.distributed.elastic"]),
        ("deepspeed", ["deepspeed", "deepspeed.launcher.runner"]), ("accelerate", ["accelerate"]),
        ("mpirun", ["mpirun", "mpiexec", "orterun"]), ("srun", ["srun"]),
    ]
    private static let local = ["--nproc_per_node", "--nproc-per-node"]

    private static func short(_ word: PlacedText) -> String {
        word.string.split(separator: "/").last.map(String.init) ?? word.string
    }

    /// Whether a command starts processes by a program that is known here.
    static func isStart(_ words: some Sequence<PlacedText>) -> Bool {
        words.contains { word in programs.contains { $0.words.contains(short(word)) } || local.contains(option(word)) }
    }

    private var launcher: String? {
        // A list of a script's own holds the options alone.
        if words.contains(where: { Self.local.contains(Self.option($0)) }) { return "torchrun" }
        if words.contains(where: { ["--num_gpus", "--num_nodes"].contains(Self.option($0)) }) { return "deepspeed" }
        return Self.programs.first { program in words.contains { program.words.contains(Self.short($0)) } }?.name
    }

    private static func option(_ word: PlacedText) -> String { String(word.string.prefix { $0 != "=" }) }

    /// An option of a command.
    private struct Option {
        var word: PlacedText
        /// The value; nil: there is none, as where a variable is empty.
        var text: String?

        var count: Int? { text.flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil } }
        var name: String { LauncherOptions.option(word) }
        /// The option without a number, in words.
        var unknown: String {
            "\(name) (line \(word.place.line)) "
                + (text.map { "is '\($0.prefix(40))', no number" } ?? "has no value: only the environment holds it")
        }
    }

    /// The first of the options.
    private func option(_ names: String...) -> Option? { Self.option(names, in: words) }

    /// The first of the options behind the name of the launcher: what stands before it belongs to another program, as that of
    /// `srun -n 2 accelerate launch …` does.
    private func own(_ names: String...) -> Option? {
        guard let launcher, let program = Self.programs.first(where: { $0.name == launcher }),
            let index = words.lastIndex(where: { program.words.contains(Self.short($0)) })
        else { return Self.option(names, in: words) }
        return Self.option(names, in: Array(words[(index + 1)...]))
    }

    private static func option(_ names: [String], in words: [PlacedText]) -> Option? {
        for (index, word) in words.enumerated() where names.contains(option(word)) {
            if let equals = word.string.firstIndex(of: "=") {
                let text = String(word.string[word.string.index(after: equals)...])
                return Option(word: word, text: text.isEmpty ? nil : text)
            }
            let next = index + 1 < words.count ? words[index + 1].string : ""
            return Option(word: word, text: next.isEmpty || next.hasPrefix("-") ? nil : next)
        }
        return nil
    }

    private mutating func set(_ parts: [Int], at option: Option, _ note: String? = nil) {
        guard let total = Int.product(parts), total <= 10_000_000 else {
            whyUnknown = "\(option.name) (line \(option.word.place.line)) makes too many devices"
            return
        }
        devices = Setting(
            name: "world_size", written: option.name, value: .word("\(total)"), line: option.word.place.line,
            column: option.word.place.column)
        self.note = note.map { "devices \(total): \($0)" }
    }

    private mutating func readTorchrun() {
        guard let local = option("--nproc_per_node", "--nproc-per-node") else {
            // torchrun itself starts one process then, which no run of many devices means.
            return readBatch()
        }
        let ranks = local.count ?? batch.devicesPerNode
        guard let ranks else {
            whyUnknown = local.unknown
            return
        }
        let nodes = option("--nnodes", "--num_nodes")
        // One process of torchrun stands for one node; a range of nodes is a number only where both ends are the same.
        let ends = nodes?.text?.split(separator: ":").compactMap { Int($0) } ?? []
        let stated = ends.first.flatMap { first in ends.allSatisfy { $0 == first } && first > 0 ? first : nil }
        let steps = option("-N", "--nodes")?.count
        if let nodes, stated == nil, steps == nil, batch.nodes == nil {
            whyUnknown = nodes.unknown
            return
        }
        let count = stated ?? (nodes == nil ? steps ?? 1 : steps ?? batch.nodes ?? 1)
        let isOfBatch = local.count == nil || nodes != nil && stated == nil
        set(
            [ranks, count], at: local,
            isOfBatch ? "\(ranks) a node on \(count) nodes, as \(batch.words) says" : nil)
    }

    private mutating func readDeepspeed() {
        let local = option("--num_gpus", "--num_accelerators")
        let nodes = option("--num_nodes")
        guard let local else {
            if let nodes, let count = nodes.count, let each = batch.devicesPerNode {
                return set([count, each], at: nodes)
            }
            readBatch()
            if devices == nil { whyUnknown = "deepspeed is started without --num_gpus" }
            return
        }
        guard let ranks = local.count else {
            whyUnknown = local.unknown
            return
        }
        if let nodes, nodes.count == nil, batch.nodes == nil {
            whyUnknown = nodes.unknown
            return
        }
        set([ranks, nodes.map { $0.count ?? batch.nodes ?? 1 } ?? 1], at: local)
    }

    private mutating func readAccelerate() {
        guard let all = own("--num_processes", "--num-processes") ?? own("-n") else { return readBatch() }
        guard let count = all.count else {
            whyUnknown = all.unknown
            return
        }
        set([count], at: all)
    }

    private mutating func readMPI() {
        if let all = own("-n", "-np", "--np", "-c") {
            guard let count = all.count else {
                readBatch()
                if devices == nil { whyUnknown = all.unknown }
                return
            }
            return set([count], at: all)
        }
        if let each = own("-N", "--npernode", "-npernode", "-ppn"), let count = each.count, let nodes = batch.nodes {
            return set([count, nodes], at: each)
        }
        readBatch()
    }

    private mutating func readSrun() {
        let nodes = option("-N", "--nodes")?.count ?? batch.nodes
        if let all = option("-n", "--ntasks"), let count = all.count { return set([count], at: all) }
        if let each = option("--ntasks-per-node"), let count = each.count, count > 1, let nodes {
            return set([count, nodes], at: each)
        }
        if let gpus = option("--gpus-per-node", "--gres"), let nodes,
            let each = gpus.text.flatMap(BatchDirectives.gpus)
        {
            return set([each, nodes], at: gpus)
        }
        readBatch()
    }

    private mutating func readBatch() {
        guard let found = batch.devices else {
            whyUnknown = batch.whyUnknown
            return
        }
        (devices, note) = (found, batch.note)
    }
}
