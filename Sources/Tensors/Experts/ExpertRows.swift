/// Rows of tokens on their way to experts and back. T tokens, k choices a token, E experts: x [T, width] becomes
/// T·k rows sorted by expert and, within one, by token.
package enum ExpertRows {
    /// counts [E] = rows of each expert; places [T, k] = the row, 0..<T·k, that a choice takes.
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

    /// rows[places] = x: every token's row copied to each of its places. rows [T·k, width].
    package static func permute(
        x: UnsafePointer<Float>, places: UnsafePointer<Int32>, rows: UnsafeMutablePointer<Float>, tokens: Int,
        chosen: Int, width: Int
    ) {
        for index in 0..<tokens * chosen {
            (rows + Int(places[index]) * width).update(from: x + index / chosen * width, count: width)
        }
    }

    /// The gradient of ``permute(x:places:rows:tokens:chosen:width:)``: dx [T, width] (+)= Σ over a token's places of
    /// dRows.
    package static func permuteGradient(
        dRows: UnsafePointer<Float>, places: UnsafePointer<Int32>, dx: UnsafeMutablePointer<Float>, tokens: Int,
        chosen: Int, width: Int, accumulate: Bool
    ) {
        for token in 0..<tokens {
            let target = dx + token * width
            for slot in 0..<chosen {
                let source = dRows + Int(places[token * chosen + slot]) * width
                if slot > 0 || accumulate {
                    VectorMath.add(into: target, from: source, count: width)
                } else {
                    target.update(from: source, count: width)
                }
            }
        }
    }

    /// y [T, width] (+)= Σ over a token's places of weight · rows[place]. weights [T, k].
    package static func unpermute(
        rows: UnsafePointer<Float>, places: UnsafePointer<Int32>, weights: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>, tokens: Int, chosen: Int, width: Int, accumulate: Bool
    ) {
        for token in 0..<tokens {
            let target = y + token * width
            for slot in 0..<chosen {
                let index = token * chosen + slot
                VectorMath.copy(
                    rows + Int(places[index]) * width, scaledBy: weights[index], into: target, count: width,
                    accumulate: slot > 0 || accumulate)
            }
        }
    }

    /// The gradient of ``unpermute(rows:places:weights:y:tokens:chosen:width:accumulate:)``: dRows[place] = weight · dy
    /// and dWeights [T, k] = dy · rows[place].
    package static func unpermuteGradient(
        dy: UnsafePointer<Float>, rows: UnsafePointer<Float>, places: UnsafePointer<Int32>,
        weights: UnsafePointer<Float>, dRows: UnsafeMutablePointer<Float>, dWeights: UnsafeMutablePointer<Float>,
        tokens: Int, chosen: Int, width: Int
    ) {
        for index in 0..<tokens * chosen {
            let (gradient, place) = (dy + index / chosen * width, Int(places[index]) * width)
            dWeights[index] = VectorMath.dotProduct(gradient, rows + place, count: width)
            VectorMath.copy(gradient, scaledBy: weights[index], into: dRows + place, count: width)
        }
    }

    /// Turns the order of blocks round: `x` holds for each of `groups` senders its rows for each of `experts`, y for each
    /// expert the rows of every sender. counts [groups, experts] = rows of each block. With `inverse` the way back: x in
    /// y's order, y in x's.
    package static func regroup(
        x: UnsafePointer<Float>, counts: UnsafePointer<Int32>, y: UnsafeMutablePointer<Float>, groups: Int,
        experts: Int, width: Int, inverse: Bool = false
    ) {
        var inOrder = 0
        for expert in 0..<experts {
            for group in 0..<groups {
                let count = Int(counts[group * experts + expert])
                // Where the block lies among the senders' rows.
                var sent = 0
                for index in 0..<group * experts + expert { sent += Int(counts[index]) }
                let (from, to) = inverse ? (inOrder, sent) : (sent, inOrder)
                (y + to * width).update(from: x + from * width, count: count * width)
                inOrder += count
            }
        }
    }
}
