/// Kinds of rows of a micro-batch for which a device holds, computes or sends something.
///
/// Letters: T rows of the micro-batch on one device (b·s/c), t tensor ranks, σ = t with sequence parallelism and 1
/// without, k experts of a token, n_t tokens of a text beside an image or a video.
package enum Rows: Hashable, Sendable {
    /// All rows, on every tensor rank: T.
    case all
    /// Rows of the residual stream, which sequence parallelism divides among tensor ranks: T/σ.
    case scattered
    /// Rows that a tensor rank routes to experts: T/t.
    case own
    /// Rows that a tensor rank sends to experts, one copy for each of a row's experts: k·T/t.
    case chosen
    /// Rows that arrive at the experts of a device.
    case routed
    /// Rows of the text: n_t for each sample, on every tensor rank. A text that joins the sequence is divided among
    /// context ranks like the sequence. One that only cross-attention reads is whole on each of them.
    case text
    /// Rows of a text that joins the sequence, divided among tensor ranks by sequence parallelism.
    case scatteredText
    /// Rows of the sequence that are not text, on every tensor rank.
    case image
    /// Rows of the sequence that are not text, divided among tensor ranks by sequence parallelism.
    case scatteredImage
    /// One row for each sample of the micro-batch, on every tensor and context rank: T·c/s.
    case samples
}

extension Rows {
    /// The rows of one stream of a block that has weights of its own for image and text.
    func of(_ stream: Stream) -> Rows {
        switch (self, stream) {
        case (.all, .text): .text
        case (.all, .image): .image
        case (.scattered, .text): .scatteredText
        case (.scattered, .image): .scatteredImage
        default: self
        }
    }

    /// The two streams of rows of a sequence of image and text.
    enum Stream: CaseIterable {
        case image, text
    }
}

/// Numbers of rows other than tokens, for each row of the micro-batch on one device.
package struct RowShares: Hashable, Sendable {
    /// Samples: c/s.
    package var samples = 0.0
    /// Rows of the text, and rows of the sequence that are not text.
    package var text = 0.0
    package var image = 1.0

    /// The shares of a sequence without samples and text.
    package static let tokens = RowShares()
    private init() {}

    /// - Parameter context: ranks that divide each sequence.
    package init(_ model: Model, context: Double) {
        let length = Double(max(1, model.sequence))
        samples = context / length
        guard let tokens = model.text?.tokens else { return }
        text = Double(tokens) / length * (model.textJoins ? 1 : context)
        image = model.textJoins ? 1 - text : 1
    }

    /// Rows of a kind for each row of the micro-batch if no ranks divide the rows of the stream.
    @inlinable
    package func share(_ rows: Rows) -> Double {
        switch rows {
        case .text, .scatteredText: text
        case .image, .scatteredImage: image
        case .samples: samples
        case .all, .scattered, .own, .chosen, .routed: 1
        }
    }
}

/// Numbers in a row of a tensor: those that ranks cut between them, and those that every rank holds whole.
package struct Width: Hashable, Sendable {
    /// Numbers that tensor ranks cut between them. For experts: the ranks that share an expert.
    package var cut: Int
    /// Numbers that every rank holds.
    package var whole: Int
    /// Entries of the vocabulary, which tensor ranks cut between them after padding it to equal parts.
    package var entries: Int
    /// Numbers of key and value heads, which tensor ranks cut between them as long as each has a head.
    package var heads: Int
    /// Numbers of one such head: the fewest that a rank holds.
    package var head: Int

    package init(cut: Int = 0, whole: Int = 0, entries: Int = 0, heads: Int = 0, head: Int = 0) {
        self.cut = cut
        self.whole = whole
        self.entries = entries
        self.heads = heads
        self.head = head
    }

    /// Numbers in a row of the whole tensor, without padding.
    package var total: Int { cut + whole + entries + heads }
}

/// Numbers of one or several tensors on a device for one micro-batch: rows times width.
package struct Extent: Hashable, Sendable {
    package var rows: Rows
    package var width: Width

    package init(_ rows: Rows, cut: Int = 0, whole: Int = 0) {
        self.init(rows, Width(cut: cut, whole: whole))
    }

    package init(_ rows: Rows, _ width: Width) {
        self.rows = rows
        self.width = width
    }
}

/// A tensor that a device keeps, reads or writes: an extent in a number format, `times` over.
package struct Stored: Hashable, Sendable {
    package enum Format: Hashable, Sendable {
        /// The format that activations are kept in.
        case activation
        /// The format that the product of a weight gradient reads: that of activations, or 8 bits.
        case operand
        /// fp32, independent of the precision.
        case single
        /// One byte for each number if there is dropout, else none.
        case mask
        /// The format in which gradients of weights are added up.
        case gradient
    }

    package var extent: Extent
    package var format: Format
    package var times: Double

    package init(_ extent: Extent, _ format: Format = .activation, times: Double = 1) {
        self.extent = extent
        self.format = format
        self.times = times
    }
}
