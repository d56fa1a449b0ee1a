/// Token look-up in the rows firstToken..<firstToken + vocab of a table that is spread over ranks; with firstToken 0 and
/// the whole vocabulary, a plain look-up.
///
/// Shapes: tokens [rows], of the whole vocabulary; table [vocab, width]; y and dy [rows, width].
package enum EmbeddingShard {
    /// y = table[token − firstToken]; zeros for tokens of other shards, so that the sum over the ranks is the whole.
    package static func forward(
        tokens: UnsafePointer<Int32>, table: UnsafePointer<Float>, firstToken: Int, vocab: Int,
        y: UnsafeMutablePointer<Float>, rows: Int, width: Int
    ) {
        for row in 0..<rows {
            let token = Int(tokens[row]) - firstToken
            if token >= 0 && token < vocab {
                (y + row * width).update(from: table + token * width, count: width)
            } else {
                VectorMath.fill(y + row * width, count: width, with: 0)
            }
        }
    }

    /// dTable[token − firstToken] += dy for tokens of this shard, rows in ascending order.
    package static func weightGradient(
        tokens: UnsafePointer<Int32>, dy: UnsafePointer<Float>, dTable: UnsafeMutablePointer<Float>, firstToken: Int,
        vocab: Int, rows: Int, width: Int
    ) {
        for row in 0..<rows {
            let token = Int(tokens[row]) - firstToken
            guard token >= 0 && token < vocab else { continue }
            VectorMath.add(into: dTable + token * width, from: dy + row * width, count: width)
        }
    }
}

/// Learned positions, apart from the token look-up: ranks that hold part of a sequence, or part of the vocabulary, add
/// theirs when the tokens' sum is whole.
///
/// Shapes: positions [period]; table [all positions, width]; y and dy [rows, width], row r at positions[r mod period].
package enum PositionEmbedding {
    /// y += table[position].
    package static func addForward(
        positions: UnsafePointer<Int32>, period: Int, table: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
        rows: Int, width: Int
    ) {
        for row in 0..<rows {
            VectorMath.add(into: y + row * width, from: table + Int(positions[row % period]) * width, count: width)
        }
    }

    /// dTable[position] += dy, rows in ascending order.
    package static func weightGradient(
        positions: UnsafePointer<Int32>, period: Int, dy: UnsafePointer<Float>, dTable: UnsafeMutablePointer<Float>,
        rows: Int, width: Int
    ) {
        for row in 0..<rows {
            VectorMath.add(into: dTable + Int(positions[row % period]) * width, from: dy + row * width, count: width)
        }
    }
}
