/// Rows of a micro-batch for which a device holds, computes or sends something.
///
/// Letters: T rows of the micro-batch on one device (b·s/c), t tensor ranks, σ = t with sequence parallelism and 1
/// without, k experts a token.
package enum Rows: Hashable, Sendable {
    /// Every row on every tensor rank: T.
    case all
    /// The residual stream's, which sequence parallelism shares out: T/σ.
    case scattered
    /// Those that a tensor rank routes to experts: T/t.
    case own
    /// A tensor rank's own, once for each of the experts they were routed to: k·T/t.
    case chosen
    /// Those that arrive at the experts a device holds.
    case routed
}

/// Numbers in a row: of a tensor that ranks cut between them, and of one that each of them has whole.
package struct Width: Hashable, Sendable {
    /// Numbers that tensor ranks (of experts: the ranks that share an expert) cut between them.
    package var cut: Int
    /// Numbers that every rank has.
    package var whole: Int

    package init(cut: Int = 0, whole: Int = 0) {
        self.cut = cut
        self.whole = whole
    }

    /// Numbers in a row of the whole tensor.
    package var total: Int { cut + whole }
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

/// What a device keeps, reads or writes: an extent in a number format, `times` over.
package struct Stored: Hashable, Sendable {
    package enum Format: Hashable, Sendable {
        /// The format activations are kept in.
        case activation
        /// The format that a weight gradient's product reads: that of activations, or 8 bits.
        case operand
        /// fp32 whatever the rest is in.
        case single
        /// One byte a number, where there is dropout.
        case mask
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
