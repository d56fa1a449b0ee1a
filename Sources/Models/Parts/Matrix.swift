extension Model {
    /// Standard deviation of matrices at the start (Radford et al. 2019), and of projections onto the residual stream.
    package static let startDeviation: Float = 0.02
    package var residualDeviation: Float { Self.startDeviation / Float(2 * layers).squareRoot() }

    /// A matrix of a part, and its bias if the model has biases of the kind `biased`. With `isCutByOutputs` each tensor rank holds some of
    /// its outputs. Otherwise each holds some of its inputs, and the bias is added once.
    /// - Parameter groups: number of tensors whose outputs lie side by side in the matrix.
    func matrix(
        _ name: String, bias: String, inputs: Int, outputs: Int, isCutByOutputs: Bool, groups: Int = 1,
        joinsPrevious: Bool = false, biased: Bias?
    ) -> [TensorSpec] {
        let conventions = conventions
        let columns = TensorSpec.Split.columns(groups: groups)
        let start = TensorSpec.Start.normal(isCutByOutputs ? Self.startDeviation : residualDeviation)
        let weight = TensorSpec(
            name: name, shape: conventions.isTransposed ? [outputs, inputs] : [inputs, outputs], start: start,
            split: conventions.isTransposed == isCutByOutputs ? .rows : isCutByOutputs ? columns : .columns(groups: 1),
            joinsPrevious: joinsPrevious)
        guard let biased, conventions.biases.contains(biased) else { return [weight] }
        return [
            weight,
            // Biases of adjacent matrices are adjacent too: one product adds them all.
            TensorSpec(
                name: bias, shape: [outputs], start: .zeros, split: isCutByOutputs ? columns : .whole,
                joinsPrevious: joinsPrevious),
        ]
    }
}
