/// Options of programs that start a run's processes: torchrun's, and those of DeepSpeed's launcher.
enum LauncherOptions {
    /// Devices from the processes of a node and the nodes; nil: they are not stated.
    /// - Parameter unknownNodes: nodes where the option has no number, which only the environment holds; nil: the devices are
    ///   then unknown.
    static func devices(_ words: some RandomAccessCollection<PlacedText>, unknownNodes: Int?) -> Setting? {
        guard let local = value(["--nproc_per_node", "--nproc-per-node", "--num_gpus"], in: words),
            let ranks = local.count, ranks > 0
        else { return nil }
        let stated = value(["--nnodes", "--num_nodes"], in: words)
        guard let nodes = stated.map({ $0.count ?? unknownNodes }) ?? 1, nodes > 0 else { return nil }
        let (all, overflow) = ranks.multipliedReportingOverflow(by: nodes)
        guard !overflow else { return nil }
        return Setting(
            name: "world_size", written: "--nproc_per_node", value: .word("\(all)"), line: local.word.place.line,
            column: local.word.place.column)
    }

    /// The first of the options, and its number; nil: there is none.
    private static func value(
        _ names: Set<String>, in words: some RandomAccessCollection<PlacedText>
    ) -> (word: PlacedText, count: Int?)? {
        for (index, word) in zip(words.indices, words) {
            let text = word.string
            guard names.contains(String(text.prefix { $0 != "=" })) else { continue }
            let joined = text.firstIndex(of: "=").map { String(text[text.index(after: $0)...]) }
            let next = words.index(after: index)
            return (word, Int(joined ?? (next < words.endIndex ? words[next].string : "")))
        }
        return nil
    }
}
