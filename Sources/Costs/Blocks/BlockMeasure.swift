internal import Models

/// Measure of a block's tensors: their bytes on one device.
struct BlockMeasure: Sendable {
    let division: Division
    /// Bytes of a number in the activations' format.
    let activation: Double
    /// Bytes of a number that the product of a weight gradient reads.
    let operand: Double
    /// Whether there is dropout, with a byte of mask for every number that may be dropped.
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
