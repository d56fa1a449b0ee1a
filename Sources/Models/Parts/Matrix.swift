extension Model {
    /// Standard deviation that matrices start with (Radford et al. 2019), and projections onto the residual stream.
    package static let startDeviation: Float = 0.02
    package var residualDeviation: Float { Self.startDeviation / Float(2 * layers).squareRoot() }

    /// A matrix of a part and its bias, where the family has biases. `isCutByOutputs`: tensor ranks hold some of its
    /// outputs each; otherwise some of its inputs, and the bias is added once.
    /// - Parameter groups: tensors of outputs that lie side by side in it.
    func matrix(
        _ name: String, bias: String, inputs: Int, outputs: Int, isCutByOutputs: Bool, groups: Int = 1,
        joinsPrevious: Bool = false, isBiased: Bool = true
    ) -> [TensorSpec] {
        let conventions = conventions
        let columns = TensorSpec.Split.columns(groups: groups)
        let start = TensorSpec.Start.normal(isCutByOutputs ? Self.startDeviation : residualDeviation)
        let weight = TensorSpec(
            name: name, shape: conventions.isTransposed ? [outputs, inputs] : [inputs, outputs], start: start,
            split: conventions.isTransposed == isCutByOutputs ? .rows : isCutByOutputs ? columns : .columns(groups: 1),
            joinsPrevious: joinsPrevious)
        guard conventions.hasBiases, isBiased else { return [weight] }
        return [
            weight,
            TensorSpec(name: bias, shape: [outputs], start: .zeros, split: isCutByOutputs ? columns : .whole),
        ]
    }
}
