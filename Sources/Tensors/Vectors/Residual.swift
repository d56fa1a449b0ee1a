extension VectorMath {
    /// x, delta, y [S, H], bias [H] or nil: y = x + delta + bias, the sum of the residual stream x and a branch's output
    /// delta. y may be x or delta.
    package static func residualAdd(
        x: UnsafePointer<Float>, delta: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        y: UnsafeMutablePointer<Float>, rows: Int, width: Int
    ) {
        for row in 0..<rows {
            let (x, delta, y) = (x + row * width, delta + row * width, y + row * width)
            eachVector(width) {
                let sum = x.vector($0) + delta.vector($0)
                if let bias {
                    y.store(sum + bias.vector($0), $0)
                } else {
                    y.store(sum, $0)
                }
            } tail: { index, count in
                for lane in index..<index + count { y[lane] = x[lane] + delta[lane] + (bias?[lane] ?? 0) }
            }
        }
    }
}
