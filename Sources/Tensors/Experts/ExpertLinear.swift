/// One linear layer of every expert, without bias: rows sorted by expert, each run of rows against its expert's weight.
///
/// Shapes: counts [experts], rows of each expert, R their sum; x [R, inputs]; y [R, outputs]; weights and their gradient
/// [experts, inputs, outputs]. Experts without rows cost nothing.
package enum ExpertLinear {
    /// y = x·weight of the row's expert.
    package static func forward(
        x: UnsafePointer<Float>, weights: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
        counts: UnsafePointer<Int32>, experts: Int, inputs: Int, outputs: Int
    ) {
        eachExpert(counts, experts) { expert, start, rows in
            Linear.forward(
                x: x + start * inputs, weight: weights + expert * inputs * outputs, bias: nil, y: y + start * outputs,
                rows: rows, inputs: inputs, outputs: outputs)
        }
    }

    /// dx (+)= dy·weightᵀ of the row's expert.
    package static func inputGradient(
        dy: UnsafePointer<Float>, weights: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>,
        counts: UnsafePointer<Int32>, experts: Int, inputs: Int, outputs: Int, accumulate: Bool = false
    ) {
        eachExpert(counts, experts) { expert, start, rows in
            Linear.inputGradient(
                dy: dy + start * outputs, weight: weights + expert * inputs * outputs, dx: dx + start * inputs,
                rows: rows, inputs: inputs, outputs: outputs, accumulate: accumulate)
        }
    }

    /// dWeights += xᵀ·dy over each expert's rows.
    package static func weightGradient(
        x: UnsafePointer<Float>, dy: UnsafePointer<Float>, dWeights: UnsafeMutablePointer<Float>,
        counts: UnsafePointer<Int32>, experts: Int, inputs: Int, outputs: Int
    ) {
        eachExpert(counts, experts) { expert, start, rows in
            Linear.weightGradient(
                x: x + start * inputs, dy: dy + start * outputs, dWeight: dWeights + expert * inputs * outputs,
                dBias: nil, rows: rows, inputs: inputs, outputs: outputs)
        }
    }

    @inline(__always)
    private static func eachExpert(
        _ counts: UnsafePointer<Int32>, _ experts: Int, _ body: (_ expert: Int, _ start: Int, _ rows: Int) -> Void
    ) {
        var start = 0
        for expert in 0..<experts {
            let rows = Int(counts[expert])
            if rows > 0 { body(expert, start, rows) }
            start += rows
        }
    }
}
