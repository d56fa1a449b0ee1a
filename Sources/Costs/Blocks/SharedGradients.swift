internal import Models

/// The gradients that exist at once if all blocks share one set of buffers: those of the residual stream, of a branch, of
/// the widest result, and of rows on their way to experts and back.
enum SharedGradients {
    /// Number of tensors of whole rows at a device's experts, which is larger if several ranks share an expert.
    private static func rowsAtExperts(isShared: Bool) -> Int { isShared ? 3 : 2 }

    /// Numbers of a block's gradients on one device.
    /// - Parameter reserve: room for rows of experts as a multiple of the rows.
    static func numbers(_ block: Block, _ division: Division, reserve: Double) -> Double {
        let (core, tokens) = (block.core, division.tokens)
        let stream = division.numbers(block.stream)
        let results = Double(max(block.feedForward.inner, block.attention.results)) / division.tensor
        var places = stream + max(stream, tokens * Double(core.attended) / division.tensor) + tokens * results
        if let mixture = block.mixture {
            let h = Double(block.stream.width.whole)
            let rows = Double(rowsAtExperts(isShared: division.expertTensor > 1))
            // Rows sorted by expert, rows at the experts and rows in messages; then the gradient inside the experts.
            places +=
                reserve * division.chosen * h + division.routed
                * (rows * h + Double(mixture.ffn) / division.expertTensor)
        }
        return places
    }

    /// Formula of `numbers` for one row.
    static func formula(_ block: Block, isExpertShared: Bool, reserve: Double) -> String {
        let (attention, feedForward) = (block.attention.words, block.feedForward.words)
        let results = attention.results + "/t"
        let room = reserve == 1 ? "" : "·x_r"
        let rows = rowsAtExperts(isShared: isExpertShared)
        let routed = block.mixture == nil ? nil : "\(feedForward.sent)\(room)·h/t + ρ·(\(rows)·h + f_e/e_t)"
        let widest = feedForward.inner.map { "max(\($0)/t, \(results))" } ?? results
        let places = ["h/σ", "max(h/σ, \(attention.attended)/t)", widest, routed]
        return "(\(sum(places)))"
    }
}
