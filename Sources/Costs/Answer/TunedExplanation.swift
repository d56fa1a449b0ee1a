internal import Models
internal import Plans

/// Terms of formulas for blocks of which training does not change all weights.
extension KindWords {
    /// Whether the kind has adapters or frozen weights.
    var isTuned: Bool { block.tuned != nil }
    /// Whether the kind has no backward.
    var hasNoBackward: Bool { block.tuned?.passesGradient == false }

    /// Inputs and outputs of a block's adapters together: of those that every row passes through, those among them in
    /// matrices that every tensor rank holds whole, and those of one routed expert.
    private var adapterSizes: (all: Int, whole: Int, expert: Int)? {
        guard let tuned = block.tuned, !tuned.adapters.isEmpty || !tuned.expertAdapters.isEmpty else { return nil }
        func size(_ adapters: [Adapter]) -> Int {
            adapters.reduce(0) { $0 + $1.down.inputs.total + $1.up.outputs.total }
        }
        let whole = tuned.adapters.reduce(0) {
            $0 + ($1.down.inputs.cut > 0 ? 0 : $1.down.inputs.total) + ($1.up.outputs.cut > 0 ? 0 : $1.up.outputs.total)
        }
        return (size(tuned.adapters), whole, size(tuned.expertAdapters))
    }

    /// Formulas of the adapters' parameters of a block without routed experts, of those that every tensor rank holds
    /// whole, and of one expert; nil if there are none.
    var adapters: String? { adapterSizes.flatMap { $0.all > 0 ? "r·\($0.all)" : nil } }
    var wholeAdapters: String? { adapterSizes.flatMap { $0.whole > 0 ? "r·\($0.whole)" : nil } }
    var expertAdapters: String? { adapterSizes.flatMap { $0.expert > 0 ? "r·\($0.expert)" : nil } }

    /// Formula of one routed expert's parameters, with its adapters.
    var expertParameters: String { sum(feedForward.expertParameters, expertAdapters) }

    /// Formula of the bytes of tensors for one row of the micro-batch, as lists of the block state them.
    /// - Parameters:
    ///   - operand: bytes of a number that a product reads.
    ///   - hasMasks: whether there is dropout.
    func rowBytes(_ stored: [Stored], operand: String, hasMasks: Bool) -> String {
        sum(
            stored.compactMap { one in
                let bytes: String? =
                    switch one.format {
                    case .activation: "w"
                    case .operand: operand
                    case .single: "4"
                    case .mask: hasMasks ? "1" : nil
                    case .gradient: nil
                    }
                return bytes.map { "\(plain(one.times))·\($0)·\(rowNumbers(one.extent))" }
            })
    }

    /// Formula of the numbers of an extent for one row of the micro-batch.
    func rowNumbers(_ extent: Extent) -> String {
        let isRouted = extent.rows == .routed
        let width = sum(
            extent.width.whole > 0 ? "\(extent.width.whole)" : nil,
            extent.width.cut > 0 ? "\(extent.width.cut)/\(isRouted ? "e_t" : "t")" : nil,
            extent.width.heads > 0 ? "\(extent.width.heads)/t" : nil)
        let rows: String? =
            switch extent.rows {
            case .all: nil
            case .scattered: "/σ"
            case .own: "/t"
            case .chosen: "·\(own("k"))/t"
            case .routed: "·\(own("ρ"))"
            // Rows of images and videos, whose weights are all trained.
            case .text, .scatteredText, .image, .scatteredImage, .samples: nil
            }
        return "(\(width))" + (rows ?? "")
    }

    private func plain(_ times: Double) -> String { times == times.rounded() ? "\(Int(times))" : "\(times)" }
}

extension ModelExplanation {
    /// Defines the rank of adapters.
    static func defineRank(_ lines: inout Derivation, _ work: LayoutWork) {
        guard let lora = work.model.tuning?.lora else { return }
        lines.define("r", lora.rank, "", "rank of the adapters")
    }

    /// Formula of the adapters' parameters of all blocks; nil if there are none.
    static func adapters(_ words: ModelWords) -> String? {
        sumOrNil(
            words.kinds.map { kind in
                sumOrNil(kind.adapters, kind.expertAdapters.map { "\(kind.own("E"))·\($0)" }).map {
                    "L_\(kind.symbol)·(\($0))"
                }
            })
    }

    /// Defines what frozen weights leave out of a backward.
    /// - Returns: the formula's term, and the term that the causal count has less.
    static func defineLeftOut(_ lines: inout Derivation, _ work: LayoutWork) -> (all: String, causal: String) {
        guard work.model.tuning != nil else { return ("", "") }
        let left = work.model.leftOut
        lines.define(
            "U_w", left.weights, "weights",
            "weights a token multiplies without a gradient of weights, twice where there is no backward")
        lines.define("U_1", left.once.weights, "weights", "weights a token multiplies in blocks without a backward")
        lines.define(
            "U_c", left.once.core, "", "multiply-adds of a token and all keys in blocks without a backward, halved")
        lines.define("U_s", left.once.scan, "", "multiply-adds of a token in recurrences of blocks without a backward")
        let all = " − 2·B·s·U_w − 8·B·s·U_c − 4·B·s·U_s"
        guard left.once.core != 2 * left.once.seen else { return (all, " + 4·B·s·U_c") }
        lines.define(
            "U_h", left.once.core - left.once.seen, "", "those of U_c with keys that a mask hides")
        return (all, " + 8·B·s·U_h")
    }
}

extension StateExplanation {
    /// Symbols of the parameters that a device trains: routed experts aside, and of routed experts.
    static func trained(_ work: LayoutWork) -> (dense: String, experts: String) {
        work.parts.tuned == nil ? ("N_d", "N_e") : ("N_t", "N_te")
    }

    /// Defines the parameters that a device of a rank with this `share` trains.
    static func defineTrained(
        _ lines: inout Derivation, _ work: LayoutWork, _ share: PipelineShares.Rank, _ suffix: String, _ rank: String
    ) {
        guard work.parts.tuned != nil else { return }
        lines.define(
            "N_t\(suffix)", work.trainedDense(share), "parameters",
            "parameters a device of \(rank) trains, routed experts aside")
        lines.define(
            "N_te\(suffix)", work.trainedExperts(share), "parameters",
            "routed experts' parameters a device of \(rank) trains")
    }

    /// Defines the bytes of frozen weights.
    /// - Returns: the term of the weights' formula; empty if all are trained.
    static func defineFrozen(_ lines: inout Derivation, _ work: LayoutWork, _ share: PipelineShares.Rank) -> String {
        guard let tuned = work.parts.tuned else { return "" }
        let frozen = work.frozenBytes(share)
        let few = tuned.quantizedBytes > 0 ? ", the matrices of blocks at \(tuned.quantizedBytes) bytes a weight" : ""
        lines.define("F_d", frozen.dense, "bytes", "frozen weights before sharding, routed experts aside\(few)")
        lines.define("F_e", frozen.experts, "bytes", "frozen weights of routed experts before sharding\(few)")
        return work.layout.sharding == .parameters ? " + F_d/S + F_e/S_e" : " + F_d + F_e"
    }
}
