internal import Models

/// Bytes of the tensors of a block's parts on one device.
struct BlockMeasure: Sendable {
    let division: Division
    /// Bytes of a number in the activations' format.
    let activation: Double
    /// Bytes of a number that a weight gradient's product reads.
    let operand: Double
    /// Whether there is dropout, with a byte of mask for every number it may drop.
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
