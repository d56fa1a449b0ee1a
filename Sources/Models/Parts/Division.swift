/// The division of a block among the ranks of one pipeline stage: rows and widths on one rank.
package struct Division: Hashable, Sendable {
    /// Rows of the micro-batch on one context rank, T.
    package var tokens: Double
    /// Ranks that cut matrices between them, t.
    package var tensor: Double
    /// Ranks that divide the rows of the residual stream, σ: t with sequence parallelism, else 1.
    package var sequence: Double
    /// Ranks that share the matrices of one expert.
    package var expertTensor: Double
    /// Rows that the rank sends to experts: k for each row that it routes, unless experts have a capacity.
    package var chosen: Double
    /// Rows that arrive at a device's experts; mean over all devices.
    package var arriving: Double
    /// Rows at the experts of the device that gets most, with the rows that are reserved.
    package var routed: Double
    /// Entries of the vocabulary, padded so that tensor ranks hold equal parts.
    package var vocabulary: Double
    /// Rows of a text and samples, for each row.
    package var shares: RowShares

    /// - Parameters:
    ///   - mixture: the experts; nil: a dense block. The rank with most rows sets the pace (`imbalance`), up to the
    ///     experts' capacity.
    ///   - reserve: rows reserved at experts, as a multiple of the rows that arrive.
    ///   - vocabulary: padded entries of the vocabulary. Only a model's ends need it.
    ///   - shares: rows of a text and samples, for each row.
    package init(
        tokens: Double, tensor: Double, sequence: Double, expertTensor: Double = 1, mixture: Model.Mixture? = nil,
        reserve: Double = 1, vocabulary: Int = 0, shares: RowShares = .tokens
    ) {
        self.vocabulary = Double(vocabulary)
        self.shares = shares
        self.tokens = tokens
        self.tensor = tensor
        self.sequence = sequence
        self.expertTensor = expertTensor
        let own = Double(mixture?.topK ?? 0) * (tokens / tensor)
        // Each of the ranks that share an expert sends its own rows.
        guard let mixture, mixture.capacityFactor != nil else {
            chosen = own
            arriving = chosen * expertTensor
            routed = (mixture?.imbalance ?? 1) * arriving * reserve
            return
        }
        let taken = mixture.taken(ofRows: tokens / tensor)
        chosen = taken.mean * own
        arriving = chosen * expertTensor
        routed = taken.fullest * own * expertTensor * reserve
    }

    /// Number of rows of a kind on one rank.
    @inlinable
    package func rows(_ rows: Rows) -> Double {
        switch rows {
        case .all: tokens
        case .scattered: tokens / sequence
        case .own: tokens / tensor
        case .chosen: chosen
        case .routed: routed
        case .text, .image, .samples: tokens * shares.share(rows)
        case .scatteredText, .scatteredImage: tokens * shares.share(rows) / sequence
        }
    }

    /// Numbers in one row on one rank. The kind of `rows` decides which ranks cut it.
    @inlinable
    package func width(_ width: Width, _ rows: Rows) -> Double {
        var numbers = Double(width.whole)
        if width.heads > 0 {
            // Ranks beyond the heads share them.
            numbers +=
                Double(width.heads) < Double(width.head) * tensor
                ? Double(width.cut) / tensor + Double(width.head) : Double(width.cut + width.heads) / tensor
        } else if width.cut > 0 {
            numbers += Double(width.cut) / (rows == .routed ? expertTensor : tensor)
        }
        return width.entries > 0 ? numbers + vocabulary / tensor : numbers
    }

    @inlinable
    package func numbers(_ extent: Extent) -> Double { rows(extent.rows) * width(extent.width, extent.rows) }
}
