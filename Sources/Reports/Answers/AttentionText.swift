internal import Models
internal import Numbers

/// Keys that a query sees, sinks and gates, where the attention of a model's blocks has others than usual.
struct AttentionText {
    /// Properties of all blocks with attention.
    let shared: [String]
    /// Further properties of some kinds of block, by kind.
    let ofKinds: [[String]]

    init(_ model: Model) {
        let kinds = model.kinds.map(\.shape)
        let features = (kinds.isEmpty ? [model.block] : kinds).map { $0.hasSoftmax ? Self.features($0) : nil }
        let first = features.lazy.compactMap(\.self).first ?? []
        let shared = first.filter { feature in features.allSatisfy { $0?.contains(feature) ?? true } }
        self.shared = shared
        ofKinds = kinds.isEmpty ? [] : features.map { ($0 ?? []).filter { !shared.contains($0) } }
    }

    /// In the order of the keys of a plan.
    private static func features(_ shape: BlockShape) -> [String] {
        var found: [String] = []
        if let indexer = shape.mla?.indexer { found.append("the best \(Figures.grouped(indexer.topK)) keys") }
        if let blocks = shape.keyBlocks {
            found.append("the best \(blocks.topK) blocks of \(blocks.size) keys")
        }
        if let compression = shape.keyCompression {
            let chosen = compression.indexer.map { "the best \(Figures.grouped($0.topK))" } ?? "all"
            found.append("\(chosen) keys of \(compression.ratio) tokens")
        }
        if let window = shape.window { found.append("window \(Figures.grouped(window))") }
        if let chunk = shape.chunk { found.append("chunks of \(Figures.grouped(chunk))") }
        switch shape.outputGate {
        case .none: break
        case .elementwise: found.append("output gate")
        case .head: found.append("output gate of each head")
        }
        if shape.sinks { found.append("sinks") }
        return found
    }

    /// Further properties of a kind of block, in brackets; empty: it has none.
    func words(ofKind kind: Int) -> String {
        let words = ofKinds.indices.contains(kind) ? ofKinds[kind] : []
        return words.isEmpty ? "" : " (\(words.joined(separator: ", ")))"
    }
}
