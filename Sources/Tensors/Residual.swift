extension VectorMath {
    /// y = x + delta + bias (per column): a residual branch joining its stream. All `[rows, width]`, bias `[width]`.
    package static func residualAdd(
        x: UnsafePointer<Float>, delta: UnsafePointer<Float>, bias: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>, rows: Int, width: Int
    ) {
        for row in 0..<rows {
            let (x, delta, y) = (x + row * width, delta + row * width, y + row * width)
            eachVector(width) {
                y.store(x.vector($0) + delta.vector($0) + bias.vector($0), $0)
            } tail: { index, count in
                for lane in index..<index + count { y[lane] = x[lane] + delta[lane] + bias[lane] }
            }
        }
    }
}
