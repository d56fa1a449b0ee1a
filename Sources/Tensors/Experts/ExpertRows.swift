/// x [T, H], rows [T · C, H]: a token's row is copied once for every expert it goes to. The copies are sorted by expert
/// and, within one, by token.
package enum ExpertRows {
    /// choices, places [T, C], counts [E]: counts = the rows of each expert, places = the row, 0..<T · C, of each choice.
    package static func sort(
        choices: UnsafePointer<Int32>, counts: UnsafeMutablePointer<Int32>, places: UnsafeMutablePointer<Int32>,
        tokens: Int, chosen: Int, experts: Int
    ) {
        let total = tokens * chosen
        counts.update(repeating: 0, count: experts)
        for index in 0..<total { counts[Int(choices[index])] += 1 }
        // Counts become starts, are moved on by every row placed, and then lie one expert too far.
        var start: Int32 = 0
        for expert in 0..<experts {
            let count = counts[expert]
            counts[expert] = start
            start += count
        }
        for index in 0..<total {
            let expert = Int(choices[index])
            places[index] = counts[expert]
            counts[expert] += 1
        }
        var previous: Int32 = 0
        for expert in 0..<experts {
            let end = counts[expert]
            counts[expert] = end - previous
            previous = end
        }
    }

    /// x [T, H], places [T, C], rows [T · C, H]: rows[place] = x for each of a token's places.
    package static func permute(x: Matrix, places: UnsafePointer<Int32>, rows: Matrix, chosen: Int) {
        for index in 0..<x.rows * chosen {
            rows.row(Int(places[index])).update(from: x.row(index / chosen), count: x.columns)
        }
    }

    /// dRows [T · C, H], places [T, C], dx [T, H]: the gradient of ``permute(x:places:rows:chosen:)``, dx = Σ over a token's
    /// places of dRows, added to dx with `accumulate`.
    package static func permuteGradient(
        dRows: Matrix, places: UnsafePointer<Int32>, dx: Matrix, chosen: Int, accumulate: Bool
    ) {
        for token in 0..<dx.rows {
            let target = dx.row(token)
            for slot in 0..<chosen {
                let source = dRows.row(Int(places[token * chosen + slot]))
                if slot > 0 || accumulate {
                    VectorMath.add(into: target, from: source, count: dx.columns)
                } else {
                    target.update(from: source, count: dx.columns)
                }
            }
        }
    }

    /// rows [T · C, H], places, weights [T, C], y [T, H]: y = Σ over a token's places of weight · rows[place], added to y
    /// with `accumulate`.
    package static func unpermute(
        rows: Matrix, places: UnsafePointer<Int32>, weights: UnsafePointer<Float>, y: Matrix, chosen: Int,
        accumulate: Bool
    ) {
        for token in 0..<y.rows {
            let target = y.row(token)
            for slot in 0..<chosen {
                let index = token * chosen + slot
                VectorMath.copy(
                    rows.row(Int(places[index])), scaledBy: weights[index], into: target, count: y.columns,
                    accumulate: slot > 0 || accumulate)
            }
        }
    }

    /// dy [T, H], rows, dRows [T · C, H], places, weights, dWeights [T, C]: the gradient of
    /// ``unpermute(rows:places:weights:y:chosen:accumulate:)``, dRows[place] = weight · dy and dWeights = dy · rows[place].
    package static func unpermuteGradient(
        dy: Matrix, rows: Matrix, places: UnsafePointer<Int32>, weights: UnsafePointer<Float>, dRows: Matrix,
        dWeights: UnsafeMutablePointer<Float>, chosen: Int
    ) {
        for index in 0..<dy.rows * chosen {
            let (gradient, place) = (dy.row(index / chosen), Int(places[index]))
            dWeights[index] = VectorMath.dotProduct(gradient, rows.row(place), count: dy.columns)
            VectorMath.copy(gradient, scaledBy: weights[index], into: dRows.row(place), count: dy.columns)
        }
    }

    /// x, y [M, H], counts [groups, experts]: rows sorted by sender and then expert become sorted by expert and then
    /// sender. counts = rows of each sender for each expert. With `inverse` x is sorted by expert first and y by sender.
    package static func regroup(
        x: Matrix, counts: UnsafePointer<Int32>, y: Matrix, groups: Int, experts: Int, inverse: Bool = false
    ) {
        var inOrder = 0
        for expert in 0..<experts {
            for group in 0..<groups {
                let count = Int(counts[group * experts + expert])
                // Where the block lies among the senders' rows.
                var sent = 0
                for index in 0..<group * experts + expert { sent += Int(counts[index]) }
                let (from, to) = inverse ? (inOrder, sent) : (sent, inOrder)
                if count > 0 { y.row(to).update(from: x.row(from), count: count * x.columns) }
                inOrder += count
            }
        }
    }
}
