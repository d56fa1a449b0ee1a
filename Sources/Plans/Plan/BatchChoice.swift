internal import Numbers
internal import Reading
internal import Schedules

/// The choice of a batch for a plan that states none.
///
/// The chosen batch stays near the batch that models of the size are commonly trained with (`Model.defaultBatch`). It
/// changes only to be divisible by the devices, or by the layout if one is given. It is never raised to make the
/// devices look faster.
package enum BatchChoice {
    /// Smallest fraction of the wanted batch that is accepted for the sake of divisibility.
    package static let leastShare = 0.8

    /// The batch for a number of devices, at most `wanted`. If the odd part of `devices` divides `wanted`, the batch is
    /// `wanted`. Else it is the multiple of that odd part within the last fifth below `wanted` that has the most
    /// factors of two, so that data-parallel ranks divide it. If there is no such multiple it is `wanted`.
    package static func batch(near wanted: Int, devices: Int) -> Int {
        let odd = oddPart(max(1, devices))
        guard wanted % odd != 0, odd <= wanted else { return wanted }
        // Candidates: the largest odd · 2ᵏ up to `wanted`, then 3/2, 5/4 and 7/4 of it.
        var size = odd
        while size <= wanted / 2 { size *= 2 }
        let sizes = [size] + [(3, 2), (5, 4), (7, 4)].filter { size % $0.1 == 0 }.map { size / $0.1 * $0.0 }
        return sizes.first { $0 <= wanted && Double($0) >= leastShare * Double(wanted) } ?? wanted
    }

    /// The batch for a layout: the multiple nearest to `wanted` of the sequences that its data-parallel ranks take at
    /// once, at least one multiple.
    package static func batch(near wanted: Int, layout: Layout) -> Int {
        // Interleaved schedules take micro-batches in groups as large as the pipeline.
        let groups = layout.virtualStages > 1 ? [layout.pipeline] : []
        let unit = Int.product(([layout.data, layout.microbatch] + groups).map { max(1, $0) }) ?? .max
        guard wanted % unit != 0, unit <= Bounds.batch.upperBound else { return wanted }
        return min(max(1, (wanted + unit / 2) / unit), Bounds.batch.upperBound / unit) * unit
    }

    /// The remark to the user about a batch that was chosen.
    package static func remark(_ batch: Int, wanted: Int) -> String { remark([batch], wanted: wanted) }

    /// The remark to the user about several answers with chosen batches: one number, or the range of the batches.
    package static func remark(_ batches: [Int], wanted: Int) -> String {
        let (least, most) = (batches.min() ?? wanted, batches.max() ?? wanted)
        let taken = least == most ? "\(least)" : "\(least) to \(most)"
        return "no batch is given, so \(taken) sequences a step are taken, "
            + (least == wanted && most == wanted
                ? "as models of this size commonly are"
                : "near the \(wanted) that models of this size commonly take, so that the devices divide them")
    }

    /// The largest odd divisor of `number`: its factors of two are removed.
    package static func oddPart(_ number: Int) -> Int { number == 0 ? 0 : number >> number.trailingZeroBitCount }
}
