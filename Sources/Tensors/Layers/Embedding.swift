/// Token and position look-up. Shapes: tokens [batch, sequence]; tokenTable [vocabulary, width];
/// positionTable [at least sequence, width]; y [batch · sequence, width].
package enum Embedding {
    /// y = tokenTable[token] + positionTable[position].
    package static func forward(
        tokens: UnsafePointer<Int32>, tokenTable: UnsafePointer<Float>, positionTable: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>, batch: Int, sequence: Int, width: Int
    ) {
        for row in 0..<batch * sequence {
            let token = tokenTable + Int(tokens[row]) * width
            let position = positionTable + (row % sequence) * width
            let output = y + row * width
            eachVector(width) {
                output.store(token.vector($0) + position.vector($0), $0)
            } tail: {
                output.store(token.vector($0, count: $1) + position.vector($0, count: $1), $0, count: $1)
            }
        }
    }

    /// dTokenTable[token] += dy and dPositionTable[position] += dy, rows in ascending order.
    package static func weightGradient(
        tokens: UnsafePointer<Int32>, dy: UnsafePointer<Float>, dTokenTable: UnsafeMutablePointer<Float>,
        dPositionTable: UnsafeMutablePointer<Float>, batch: Int, sequence: Int, width: Int
    ) {
        for row in 0..<batch * sequence {
            VectorMath.add(into: dTokenTable + Int(tokens[row]) * width, from: dy + row * width, count: width)
            VectorMath.add(into: dPositionTable + (row % sequence) * width, from: dy + row * width, count: width)
        }
    }
}
