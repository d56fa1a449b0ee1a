/// Makes the lists of a folded pipeline from a pattern of equal slots, as Sea AI Lab's scheduler does (Pipeline Parallelism
/// with Controllable Memory, Qi et al. 2024, arXiv 2405.15362).
///
/// The pattern says in which slots each rank runs the four passes of micro-batch 0: its forwards out and back, its input
/// gradients back and out. Micro-batch i follows 6i slots later. The work takes four steps:
/// 1. Weight gradients take the free slots, oldest first.
/// 2. The pattern leaves gaps at the beginning and at the end. Passes there move to the earliest free slot at which their
///    inputs exist and the pattern's peak of activations is kept.
/// 3. Every rank's passes move together, each as early as its inputs allow.
/// 4. Weight gradients are taken out, the end is reordered once more, and they are put back.
///
/// Linear in the number of micro-batches.
struct FoldedReordering {
    /// The passes of one micro-batch on one rank, in the order of the pattern. `weight` counts both stages.
    private enum Pass {
        static let out = 0
        static let back = 1
        static let gradientBack = 2
        static let gradientOut = 3
        static let weight = 4
    }

    /// The state of a rank after a slot.
    private struct Held {
        /// Activations held.
        var activations: Int32 = 0
        /// Input gradients done whose weight gradient is not.
        var waiting: Int32 = 0
    }

    private let p: Int
    private let m: Int
    /// Slot of every pass: by pass, then at rank · count(pass) + index.
    private var slots: [[Int32]]

    /// - Parameter pattern: for each rank the slots of micro-batch 0's four passes.
    init(pattern: [[Int]], microbatches: Int) {
        (p, m) = (pattern.count, microbatches)
        slots = (0..<4).map { pass in
            var slots: [Int32] = []
            slots.reserveCapacity(pattern.count * microbatches)
            for rank in pattern { for i in 0..<microbatches { slots.append(Int32(rank[pass] + 6 * i)) } }
            return slots
        }
    }

    /// The list of every rank.
    mutating func lists() -> [[Action]] {
        placeWeights()
        reorder(withWeights: true)
        closeGaps()
        slots.removeLast()
        reorder(withWeights: false)
        placeWeights()
        closeGaps()
        slots.removeLast()
        return finalLists()
    }

    /// How many of a pass one rank runs.
    private func count(_ pass: Int) -> Int { pass == Pass.weight ? 2 * m : m }

    /// One past the last slot in use.
    private var width: Int { 1 + slots.reduce(0) { max($0, Int($1.max() ?? 0)) } }

    /// The code of the pass in each slot (pass · 2m + index, −1 in a free slot), at rank · width + slot.
    private func table(width: Int) -> [Int32] {
        var table = [Int32](repeating: -1, count: p * width)
        for pass in slots.indices {
            let each = count(pass)
            for rank in 0..<p {
                for i in 0..<each {
                    table[rank * width + Int(slots[pass][rank * each + i])] = Int32(pass * 2 * m + i)
                }
            }
        }
        return table
    }

    /// A pass and its slot.
    private struct Cell {
        var rank: Int32
        var slot: Int32
        /// Pass · 2m + index.
        var code: Int32
    }

    /// Every pass in order of slots, in a slot in order of ranks. Free slots are left out: nearly all are free where a
    /// pipeline has more ranks than micro-batches.
    private func cells(width: Int) -> [Cell] {
        var ends = [Int](repeating: 0, count: width + 1)
        for pass in slots { for slot in pass { ends[Int(slot) + 1] += 1 } }
        for slot in 0..<width { ends[slot + 1] += ends[slot] }
        var cells = [Cell](repeating: Cell(rank: 0, slot: 0, code: 0), count: ends[width])
        for rank in 0..<p {
            for pass in slots.indices {
                let each = count(pass)
                for i in 0..<each {
                    let slot = slots[pass][rank * each + i]
                    cells[ends[Int(slot)]] = Cell(rank: Int32(rank), slot: slot, code: Int32(pass * 2 * m + i))
                    ends[Int(slot)] += 1
                }
            }
        }
        return cells
    }

    /// Gives each weight gradient the first free slot after its input gradient.
    private mutating func placeWeights() {
        let width = width
        let table = table(width: width)
        var weights: [Int32] = []
        weights.reserveCapacity(2 * p * m)
        for rank in 0..<p {
            var waiting = 0
            var end = 0
            for pass in 0..<4 { end = max(end, Int(slots[pass][rank * m + m - 1])) }
            for slot in 0...end {
                let code = Int(table[rank * width + slot])
                if code >= 0 {
                    if code / (2 * m) >= Pass.gradientBack { waiting += 1 }
                } else if waiting > 0 {
                    weights.append(Int32(slot))
                    waiting -= 1
                }
            }
            for extra in 0..<waiting { weights.append(Int32(end + 1 + extra)) }
        }
        slots.append(weights)
    }

    /// The state after a slot with the pass `code`, −1 for a free slot.
    private func advance(_ held: Held, _ code: Int32, withWeights: Bool) -> Held {
        var held = held
        if code < 0 {
            // Without slots of their own the weight gradients take the free ones.
            if held.waiting > 0 {
                held.activations -= 1
                held.waiting -= 1
            }
            return held
        }
        switch Int(code) / (2 * m) {
        case Pass.out, Pass.back: held.activations += 1
        case Pass.weight: held.activations -= 1
        default: if !withWeights { held.waiting += 1 }
        }
        return held
    }

    /// Moves passes of the beginning (only with weight gradients) and of the end to earlier slots. The middle stays: it lasts
    /// from the moment rank 0 has finished a micro-batch to the start of the last micro-batch.
    private mutating func reorder(withWeights: Bool) {
        let width = width
        let original = table(width: width)
        var limit: Int32 = 0
        for rank in 0..<p {
            var held = Held()
            for slot in 0..<width {
                held = advance(held, original[rank * width + slot], withWeights: withWeights)
                limit = max(limit, held.activations)
            }
        }
        var placed = [Int32](repeating: -1, count: p * width)
        var held = [Held](repeating: Held(), count: p * width)
        // First slot of each rank whose `held` is not known yet.
        var known = [Int](repeating: 0, count: p)
        var phase = 0
        for cell in cells(width: width) {
            let (rank, slot, code) = (Int(cell.rank), Int(cell.slot), cell.code)
            let base = rank * width
            for free in known[rank]..<slot {
                held[base + free] = advance(free > 0 ? held[base + free - 1] : Held(), -1, withWeights: withWeights)
            }
            known[rank] = slot + 1
            let (pass, index) = (Int(code) / (2 * m), Int(code) % (2 * m))
            if phase == 0, pass == Pass.gradientOut, rank == 0 { phase = 1 }
            let moves = phase == 2 || (phase == 0 && withWeights)
            if phase == 1, pass == Pass.out, index == m - 1 { phase = 2 }
            var target = slot
            if moves {
                let first = earliest(pass, index, rank)
                if withWeights {
                    target = Self.freeSlot(
                        from: first, to: slot, base: base, placed: placed, held: held,
                        limit: pass <= Pass.back ? limit : nil)
                } else {
                    target = slotWithinLimit(
                        code, from: first, to: slot, base: base, placed: placed, held: held, limit: limit)
                }
            }
            placed[base + target] = code
            slots[pass][rank * count(pass) + index] = Int32(target)
            if withWeights {
                // Free slots change nothing here, so the pass adds as much to every slot from its own on.
                let before = slot > 0 ? held[base + slot - 1] : Held()
                let more = advance(Held(), code, withWeights: true).activations
                held[base + slot] = before
                guard more != 0 else { continue }
                for changed in base + target...base + slot { held[changed].activations &+= more }
            } else {
                for changed in target...slot {
                    held[base + changed] = advance(
                        changed > 0 ? held[base + changed - 1] : Held(), placed[base + changed], withWeights: false)
                }
            }
        }
    }

    /// First slot at which all inputs of a pass exist.
    private func earliest(_ pass: Int, _ index: Int, _ rank: Int) -> Int {
        var last: Int32 = -1
        if pass == Pass.weight {
            last = slotOfGradient(index, rank)
            if index > 0 { last = max(last, slots[pass][rank * 2 * m + index - 1]) }
            return Int(last) + 1
        }
        let here = rank * m + index
        if pass % 2 == 0 {
            if rank > 0 { last = max(last, slots[pass][here - m]) }
        } else if rank + 1 < p {
            last = max(last, slots[pass][here + m])
        }
        if pass > 0 { last = max(last, slots[pass - 1][here]) }
        if index > 0 { last = max(last, slots[pass][here - 1]) }
        return Int(last) + 1
    }

    /// Slot of input gradient number `index` of a rank, counted over both stages in order of slots.
    private func slotOfGradient(_ index: Int, _ rank: Int) -> Int32 {
        let (a, b) = (Pass.gradientBack, Pass.gradientOut)
        // How many of the first index + 1 input gradients are of stage a, by bisection.
        var (low, high) = (max(0, index + 1 - m), min(m, index + 1))
        while low < high {
            let middle = (low + high) / 2
            if slots[a][rank * m + middle] < slots[b][rank * m + index - middle] {
                low = middle + 1
            } else {
                high = middle
            }
        }
        var slot: Int32 = -1
        if low > 0 { slot = slots[a][rank * m + low - 1] }
        if low <= index { slot = max(slot, slots[b][rank * m + index - low]) }
        return slot
    }

    /// The first free slot from which one more activation keeps to the limit; `last` if there is none.
    /// - Parameter limit: nil for a pass that keeps no activation.
    private static func freeSlot(
        from first: Int, to last: Int, base: Int, placed: [Int32], held: [Held], limit: Int32?
    ) -> Int {
        var start = min(first, last)
        if let limit {
            start = last
            while start > first, held[base + start - 1].activations < limit { start -= 1 }
        }
        while start < last, placed[base + start] >= 0 { start += 1 }
        return start
    }

    /// The first free slot from which the rank keeps to the limit up to `last`; `last` if there is none. The pass leaves slot
    /// `last` free for a weight gradient, so after it no more is held than before.
    private func slotWithinLimit(
        _ code: Int32, from first: Int, to last: Int, base: Int, placed: [Int32], held: [Held], limit: Int32
    ) -> Int {
        candidates: for target in first..<max(first, last) where placed[base + target] < 0 {
            var state = advance(
                target > 0 ? held[base + target - 1] : Held(), code, withWeights: false)
            if state.activations > limit { continue }
            for slot in target + 1..<last + 1 {
                state = advance(state, slot < last ? placed[base + slot] : -1, withWeights: false)
                if state.activations > limit { continue candidates }
            }
            return target
        }
        return last
    }

    /// Moves every rank's passes together: in order of their slots, each as early as its inputs exist.
    private mutating func closeGaps() {
        var clock = [Int32](repeating: 0, count: p)
        // Slots are overwritten as they are passed: inputs always stand in earlier ones.
        for cell in cells(width: width) {
            let (rank, code) = (Int(cell.rank), Int(cell.code))
            let (pass, index) = (code / (2 * m), code % (2 * m))
            var start = clock[rank]
            if pass < Pass.weight { start = max(start, Int32(earliest(pass, index, rank))) }
            slots[pass][rank * count(pass) + index] = start
            clock[rank] = start + 1
        }
    }

    /// The lists: passes in order of their slots. Waiting weight gradients take the free slots, those of the stage on the
    /// way back first.
    private func finalLists() -> [[Action]] {
        let width = width
        let table = table(width: width)
        return (0..<p).map { rank in
            let (outStage, backStage) = (rank, 2 * p - 1 - rank)
            var list: [Action] = []
            list.reserveCapacity(6 * m)
            var waiting = [0, 0]
            var done = [0, 0]
            func weight() {
                let side = waiting[0] > 0 ? 0 : 1
                guard waiting[side] > 0 else { return }
                waiting[side] -= 1
                list.append(
                    Action(.backwardWeight, stage: side == 0 ? backStage : outStage, microbatch: done[side]))
                done[side] += 1
            }
            for slot in 0..<width {
                let code = Int(table[rank * width + slot])
                guard code >= 0 else {
                    weight()
                    continue
                }
                let index = code % (2 * m)
                switch code / (2 * m) {
                case Pass.out: list.append(Action(.forward, stage: outStage, microbatch: index))
                case Pass.back: list.append(Action(.forward, stage: backStage, microbatch: index))
                case Pass.gradientBack:
                    list.append(Action(.backwardInput, stage: backStage, microbatch: index))
                    waiting[0] += 1
                default:
                    list.append(Action(.backwardInput, stage: outStage, microbatch: index))
                    waiting[1] += 1
                }
            }
            while list.count < 6 * m { weight() }
            return list
        }
    }
}
