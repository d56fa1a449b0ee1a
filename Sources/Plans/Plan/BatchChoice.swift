internal import Numbers
internal import Reading
internal import Schedules

/// The batch of a plan that states none.
///
/// It stays near what models of the size are trained with (`Model.defaultBatch`): the batch is there to fit the
/// devices, not to make them look faster. Nothing but the devices, or the layout where one is given, moves it.
package enum BatchChoice {
    /// Least share of the wanted batch that is taken so that devices divide it.
    package static let leastShare = 0.8

    /// The batch for a number of devices, never above `wanted`: `wanted` where the odd part of `devices` divides it, else
    /// the multiple of that part in the last fifth below `wanted` that halves most often, so that data-parallel ranks
    /// divide it; `wanted` where there is none.
    package static func batch(near wanted: Int, devices: Int) -> Int {
        let odd = oddPart(max(1, devices))
        guard wanted % odd != 0, odd <= wanted else { return wanted }
        // The largest odd · 2ᵏ up to `wanted`; and a half, a quarter, three quarters more.
        var size = odd
        while size <= wanted / 2 { size *= 2 }
        let sizes = [size] + [(3, 2), (5, 4), (7, 4)].filter { size % $0.1 == 0 }.map { size / $0.1 * $0.0 }
        return sizes.first { $0 <= wanted && Double($0) >= leastShare * Double(wanted) } ?? wanted
    }

    /// The batch for a layout: the multiple of what its data-parallel ranks take at once that is nearest to `wanted`;
    /// at least one such.
    package static func batch(near wanted: Int, layout: Layout) -> Int {
        // Interleaved schedules take micro-batches in groups of the pipeline's ranks.
        let groups = layout.virtualStages > 1 ? [layout.pipeline] : []
        let unit = Int.product(([layout.data, layout.microbatch] + groups).map { max(1, $0) }) ?? .max
        guard wanted % unit != 0, unit <= Bounds.batch.upperBound else { return wanted }
        return min(max(1, (wanted + unit / 2) / unit), Bounds.batch.upperBound / unit) * unit
    }

    /// What people are told about a batch that was chosen.
    package static func remark(_ batch: Int, wanted: Int) -> String { remark([batch], wanted: wanted) }

    /// What is remarked on where several answers each take a batch of their own: one number, or the range of them.
    package static func remark(_ batches: [Int], wanted: Int) -> String {
        let (least, most) = (batches.min() ?? wanted, batches.max() ?? wanted)
        let taken = least == most ? "\(least)" : "\(least) to \(most)"
        return "no batch is given, so \(taken) sequences a step are taken, "
            + (least == wanted && most == wanted
                ? "as models of this size commonly are"
                : "near the \(wanted) that models of this size commonly take, so that the devices divide them")
    }

    /// What is left of `number` without its factors of two.
    package static func oddPart(_ number: Int) -> Int { number == 0 ? 0 : number >> number.trailingZeroBitCount }
}
