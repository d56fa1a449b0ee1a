/// Keys or values of one sequence, kept head by head: [K, capacity, D].
package struct KeptRows {
    /// The first number of the first head.
    package let pointer: UnsafeMutablePointer<Float>
    /// Numbers from the start of one head to the start of the next.
    package let headStride: Int
    /// D.
    package let headSize: Int

    package init(_ pointer: UnsafeMutablePointer<Float>, headStride: Int, headSize: Int) {
        (self.pointer, self.headStride, self.headSize) = (pointer, headStride, headSize)
    }

    /// The numbers of one head from a row on.
    @inline(__always)
    func head(_ index: Int, row: Int) -> UnsafeMutablePointer<Float> {
        pointer + index * headStride + row * headSize
    }

    /// x [L, K · D]: keeps its rows as rows `first`, `first + 1` and so on.
    package func keep(_ x: Matrix, at first: Int) {
        for head in 0..<x.columns / headSize {
            for row in 0..<x.rows {
                self.head(head, row: first + row).update(from: x.row(row) + head * headSize, count: headSize)
            }
        }
    }
}

extension Attention {
    /// Numbers of workspace that a step over `keys` keys needs.
    package static func stepWorkspaceCount(keys: Int) -> Int { (keys + lanes - 1) / lanes * lanes }

    /// query, output [N · D]: attention of one token to kept keys and values, without panels: each is read once.
    /// - Parameters:
    ///   - seen: rows of the keys that the token sees, at least one.
    ///   - keyValueHeads: K; divides N. Query head h reads key head h / (N / K).
    ///   - workspace: `stepWorkspaceCount` numbers, of any content.
    package static func step(
        query: UnsafePointer<Float>, keys: KeptRows, values: KeptRows, seen: Range<Int>,
        output: UnsafeMutablePointer<Float>, heads: Int, keyValueHeads: Int, workspace: UnsafeMutablePointer<Float>
    ) {
        let (size, count, group) = (keys.headSize, seen.count, heads / keyValueHeads)
        let scale = 1 / Float(size).squareRoot()
        for head in 0..<heads {
            let key = UnsafePointer(keys.head(head / group, row: seen.lowerBound))
            let value = UnsafePointer(values.head(head / group, row: seen.lowerBound))
            let inverse = weights(
                of: query + head * size, key, count: count, size: size, scale: scale, into: workspace)
            let target = output + head * size
            eachVector(size) { column in
                var sum = Vector(repeating: 0)
                for row in 0..<count {
                    sum = sum.adding(value.vector(row * size + column), times: Vector(repeating: workspace[row]))
                }
                target.store(sum * inverse, column)
            } tail: { column, rest in
                var sum = Vector(repeating: 0)
                for row in 0..<count {
                    sum = sum.adding(
                        value.vector(row * size + column, count: rest), times: Vector(repeating: workspace[row]))
                }
                target.store(sum * inverse, column, count: rest)
            }
        }
    }

    /// query [D], key [count, D]: the exponentials of the scores less the largest.
    /// - Returns: one divided by their sum.
    @inline(__always)
    private static func weights(
        of query: UnsafePointer<Float>, _ key: UnsafePointer<Float>, count: Int, size: Int, scale: Float,
        into scores: UnsafeMutablePointer<Float>
    ) -> Float {
        for row in 0..<count {
            let numbers = key + row * size
            var sum = Vector(repeating: 0)
            eachVector(size) {
                sum = sum.adding(query.vector($0), times: numbers.vector($0))
            } tail: {
                sum = sum.adding(query.vector($0, count: $1), times: numbers.vector($0, count: $1))
            }
            scores[row] = sum.laneSum() * scale
        }
        let end = stepWorkspaceCount(keys: count)
        for row in count..<end { scores[row] = -.infinity }
        var best = scores.vector(0)
        for index in Swift.stride(from: lanes, to: end, by: lanes) { best = best.larger(scores.vector(index)) }
        let shift = Vector(repeating: best.laneMax())
        var sum = Vector(repeating: 0)
        for index in Swift.stride(from: 0, to: end, by: lanes) {
            let value = exponential(of: scores.vector(index) - shift)
            scores.store(value, index)
            sum += value
        }
        return 1 / sum.laneSum()
    }
}
