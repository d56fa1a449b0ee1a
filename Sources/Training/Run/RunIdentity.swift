internal import Foundation
package import MPI
package import Plans

/// The inputs that the numbers of a run depend on: the plan, the options that all ranks act on, the program, the text. They
/// must be the same on every rank of a job.
package struct RunIdentity {
    /// A line for each value, such as `train.seed 1`, sorted.
    private let lines: [String]
    /// Content hash of this process's program file.
    private let program: UInt64

    /// - Parameter options: the command line's options that all ranks act on, by name.
    package init(plan: Plan, layout: Layout, settings: TrainSettings, options: [String: String]) throws {
        var lines: [String] = []
        func add(_ name: String, _ value: some Encodable) throws {
            lines += try FlatValues.lines(name, value)
        }
        try add("model", plan.model)
        // The keys of blocks stand in the model's own map of a plan.
        lines = lines.map { $0.hasPrefix("model.block.") ? "model." + $0.dropFirst("model.block.".count) : $0 }
        try add("batch", plan.batch)
        try add("precision", plan.precision)
        try add("layout", layout)
        // Where files lie may differ from machine to machine; what is in them may not.
        var settings = settings
        settings.forgetPaths()
        settings.folder = nil
        settings.checkpoint?.path = nil
        if let weights = settings.initialWeights {
            settings.initialWeights = Self.digits(Checkpoint.digest(ofWeightsAt: weights))
        }
        try add("train", settings)
        for (name, value) in options { lines.append("--\(name) \(value)") }
        self.lines = lines.sorted()
        program = ContentHash.ofFile("/proc/self/exe") ?? 0
    }

    /// SHA-256 of plan, options, program and text, in hexadecimal digits.
    package func digest(text: Corpus) -> String {
        SHA256.digits(of: (lines + [Self.digits(program), Self.digits(text.digest)]).joined(separator: "\n").utf8)
    }

    private static func digits(_ value: UInt64?) -> String { value.map { String($0, radix: 16) } ?? "unreadable" }

    /// Collective, and the first thing that a job's ranks do together.
    /// - Throws: the same `TrainingError.unlikeRanks` on every rank when two ranks have other plans, options or programs.
    package func agree(over world: Communicator) throws {
        let text = Array(lines.joined(separator: "\n").utf8)
        var plan = ContentHash()
        text.withUnsafeBytes { plan.update($0) }
        let mine = [Int64(bitPattern: program), Int64(bitPattern: plan.value)]
        let all = try world.allGather(mine)
        // Another program may do anything from here on: not a word more with it.
        if let rank = (1..<max(world.size, 1)).first(where: { all[2 * $0] != all[0] }) {
            throw TrainingError.unlikeRanks(
                difference: "rank \(rank) runs another build of trainyard-train than rank 0")
        }
        guard let rank = (1..<max(world.size, 1)).first(where: { all[2 * $0 + 1] != all[1] }) else { return }
        // Rank 0 finds out in what, and tells all: then all fail with the same words.
        var words: [UInt8] = []
        if let texts = try world.gather(text, to: 0) {
            words = Array(Self.difference(rank: rank, theirs: texts[rank], ours: texts[0]).utf8)
        }
        words = try world.broadcast(bytes: words, from: 0)
        throw TrainingError.unlikeRanks(difference: String(decoding: words, as: UTF8.self))
    }

    /// Collective.
    /// - Throws: the same `TrainingError.unlikeRanks` on every rank when two ranks read other texts.
    package func agree(on text: Corpus, over world: Communicator) throws {
        // What is held out matters to nobody but the validation, and must be the same on all ranks all the same.
        let held = Int64(text.validation?.predictions ?? 0)
        let mine = [Int64(bitPattern: text.digest), Int64(text.tokens), held]
        let all = try world.allGather(mine)
        func differs(_ rank: Int) -> Bool { (0..<3).contains { all[3 * rank + $0] != all[$0] } }
        guard let rank = (1..<max(world.size, 1)).first(where: differs) else { return }
        let unit = text.holdsBytes ? "bytes" : "tokens"
        let lengths = (all[1], all[3 * rank + 1])
        throw TrainingError.unlikeRanks(
            difference: "train.data: rank \(rank) reads another text than rank 0 ("
                + (lengths.0 == lengths.1
                    ? "of as many \(unit), with other content" : "\(lengths.1) \(unit), rank 0's has \(lengths.0)")
                + ")")
    }

    /// The values in which two ranks differ, three at most. Values that others follow from come first.
    private static func difference(rank: Int, theirs: [UInt8], ours: [UInt8]) -> String {
        func values(_ bytes: [UInt8]) -> [String: String] {
            FlatValues.parts(of: String(decoding: bytes, as: UTF8.self).split(separator: "\n"))
        }
        let (their, our) = (values(theirs), values(ours))
        let names = Set(their.keys).union(our.keys).filter { their[$0] != our[$0] }.sorted()
        let derived = FlatValues.derived
        let ordered = names.filter { !derived.contains($0) } + names.filter(derived.contains)
        func said(_ value: String?) -> String { value.map { $0.isEmpty ? "set" : $0 } ?? "not set" }
        return (ordered.isEmpty ? ["plan"] : ordered.prefix(3)).map { name in
            "\(name): \(said(their[name])) on rank \(rank), \(said(our[name])) on rank 0"
        }.joined(separator: "; ")
    }
}
