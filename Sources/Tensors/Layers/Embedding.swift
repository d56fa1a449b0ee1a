/// tokens [R], table [V, H], y [R, H]: look-up of tokens firstToken..<firstToken + V in a table whose entries are split
/// over ranks. With firstToken 0 and the whole vocabulary it is a plain look-up.
package enum TokenEmbedding {
    /// tokens [R], table [V, H], y [R, H]: y = table[token − firstToken]. Tokens of other ranks give zeros, so that the sum
    /// over the ranks is the whole look-up.
    package static func forward(tokens: UnsafePointer<Int32>, table: Matrix, firstToken: Int, y: Matrix) {
        for row in 0..<y.rows {
            let token = Int(tokens[row]) - firstToken
            if token >= 0 && token < table.rows {
                y.row(row).update(from: table.row(token), count: y.columns)
            } else {
                VectorMath.fill(y.row(row), count: y.columns, with: 0)
            }
        }
    }

    /// tokens [R], dy [R, H], dTable [V, H]: dTable[token − firstToken] += dy for the tokens of this rank, rows in
    /// ascending order.
    package static func weightGradient(tokens: UnsafePointer<Int32>, dy: Matrix, dTable: Matrix, firstToken: Int) {
        for row in 0..<dy.rows {
            let token = Int(tokens[row]) - firstToken
            guard token >= 0 && token < dTable.rows else { continue }
            VectorMath.add(into: dTable.row(token), from: dy.row(row), count: dy.columns)
        }
    }
}

/// positions [L], table [all positions, H], y [S, H]: learned positions, added after the sum over tensor ranks.
///
/// Row r of y is row firstRow + r of the micro-batch, and the position of that row is positions[(firstRow + r) mod L].
package enum PositionEmbedding {
    /// positions [L], table [all positions, H], y [S, H]: y += table[position].
    package static func addForward(positions: [Int32], firstRow: Int = 0, table: Matrix, y: Matrix) {
        for row in 0..<y.rows {
            let position = Int(positions[(firstRow + row) % positions.count])
            VectorMath.add(into: y.row(row), from: table.row(position), count: y.columns)
        }
    }

    /// positions [L], dy [S, H], dTable [all positions, H]: dTable[position] += dy, rows in ascending order.
    package static func weightGradient(positions: [Int32], firstRow: Int = 0, dy: Matrix, dTable: Matrix) {
        for row in 0..<dy.rows {
            let position = Int(positions[(firstRow + row) % positions.count])
            VectorMath.add(into: dTable.row(position), from: dy.row(row), count: dy.columns)
        }
    }
}
