internal import Numbers

/// Why a question about serving has no answer.
package enum ServingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The model cannot answer; the text says why.
    case unsupported(String)
    /// Values that contradict one another, or that nothing can be computed with; the text says which.
    case contradiction(String)
    /// No degrees divide the model over the devices; the text says why.
    case noLayout(String)
    /// The model needs more memory than the devices have.
    case doesNotFit(DoesNotFit)

    package var description: String {
        switch self {
        case .unsupported(let text), .contradiction(let text), .noLayout(let text): text
        case .doesNotFit(let reason): reason.description
        }
    }
}

/// The layout that came closest to fitting, and the smallest changes with which it fits.
package struct DoesNotFit: Hashable, Sendable, CustomStringConvertible {
    package var devices: Int
    package var device: String
    /// Bytes of the fullest device, and what may be used of it.
    package var needed: Double
    package var usable: Double
    package var weights: String
    package var batch: Int
    package var context: Int
    /// The fewest devices on which it fits; nil: none of those tried.
    package var enough: Int?
    /// The widest format of weights with which it fits on these devices; nil: none.
    package var narrower: String?
    /// The largest batch and the longest context that fit on these devices, the other as asked; nil: none.
    package var largestBatch: Int?
    package var largestContext: Int?

    package var description: String {
        let remedies = [
            enough.map { "\(Figures.grouped($0)) device\($0 == 1 ? "" : "s")" },
            largestBatch.map { "batch \(Figures.grouped($0))" },
            largestContext.map { "\(Figures.grouped($0)) tokens of prompt and output" },
            narrower.map { "weights in \($0)" },
        ].compactMap(\.self)
        return
            "\(weights) weights and \(Figures.grouped(batch)) sequence\(batch == 1 ? "" : "s") of "
            + "\(Figures.grouped(context)) tokens do not fit on \(Figures.grouped(devices)) × \(device): the fullest device needs "
            + "\(Figures.gibibytes(needed, isGrouped: true)) GiB of \(Figures.gibibytes(usable, isGrouped: true)) usable"
            + (remedies.isEmpty ? "" : "; it fits with \(remedies.joined(separator: ", or "))")
    }
}
