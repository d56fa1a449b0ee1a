internal import Models

/// What the tensors of a block's parts take on one device: widths and rows as ranks divide them, in the bytes of the
/// formats they are in.
struct BlockMeasure: Sendable {
    let division: Division
    /// Bytes of a number that is kept, and of one that a weight gradient's product reads.
    let activation: Double
    let operand: Double
    /// Whether there is dropout, with a byte for every number it may drop.
    let dropout: Bool

    func bytes(_ stored: Stored) -> Double {
        let number: Double =
            switch stored.format {
            case .activation: activation
            case .operand: operand
            case .single: 4
            case .mask: dropout ? 1 : 0
            }
        return stored.times * number * division.numbers(stored.extent)
    }

    func bytes(_ stored: [Stored]) -> Double { stored.reduce(0) { $0 + bytes($1) } }

    func numbers(_ extents: [Extent]) -> Double { extents.reduce(0) { $0 + division.numbers($1) } }
}
