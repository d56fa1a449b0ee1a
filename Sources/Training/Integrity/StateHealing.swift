internal import Foundation
internal import MPI

extension StateGuard {
    /// A rank with more wrong pieces than this has lost too much for a replica's help.
    private static let most = 64

    /// The elements of a tensor that a rank asks the others for.
    private struct Request: Codable {
        var key: String
        var format: StateFormat
        /// Adjacent elements of the whole tensor, each as first and count.
        var runs: [[Int]]
    }

    /// Collective. Copies what is wrong on this rank from a rank that holds the same and holds it right.
    /// - Parameters:
    ///   - wrong: numbers of pieces.
    ///   - isOutvoted: whether they are as this rank has left them, but not as most others hold them.
    /// - Returns: what was wrong on any rank and what became of it; the same on every rank.
    func heal(_ wrong: [Int], isOutvoted: Bool = false) throws(MPIError) -> [StateFault] {
        let counts: [Int64] = try world.allGather(Int64(wrong.count))
        let bad = Set(wrong)
        var faults: [StateFault] = []
        for rank in 0..<world.size where counts[rank] > 0 {
            // Of an entry that was outvoted all pieces are compared, and few differ.
            let isMany = counts[rank] > Self.most && !isOutvoted
            for index in 0..<(isMany ? 1 : Int(counts[rank])) {
                let own = rank == world.rank ? wrong[index] : nil
                let fault = try heal(own, of: rank, bad, isMany: isMany, isOutvoted: isOutvoted)
                if let fault { faults.append(fault) }
            }
        }
        return faults
    }

    /// Collective. Heals one piece of one rank.
    /// - Parameter piece: on the rank whose piece it is.
    private func heal(
        _ piece: Int?, of rank: Int, _ bad: Set<Int>, isMany: Bool, isOutvoted: Bool
    ) throws(MPIError) -> StateFault? {
        let request = piece.map(request)
        let packed = try world.broadcast(bytes: Self.packed(request), from: rank)
        let wanted = try? JSONDecoder().decode(Request.self, from: Data(packed))
        let replica = isMany ? nil : wanted.flatMap { self.replica($0, except: bad) }
        let offers: [Int64] = try world.allGather(replica == nil ? 0 : 1)
        let helper = offers.firstIndex(of: 1)
        let right = try helper.map { (helper) throws(MPIError) in
            try world.broadcast(bytes: replica ?? [], from: helper)
        }
        var mine: StateFault?
        if let piece, let request {
            let fault = fault(piece, request, right, from: helper)
            if isOutvoted { renew([piece]) }
            // What has the same bits was not outvoted.
            mine = isOutvoted && fault.healedFrom != nil && fault.differing == 0 ? nil : fault
            if !isRight(piece) { mine?.healedFrom = nil }
        }
        let told = try world.broadcast(bytes: Self.packed(mine), from: rank)
        return try? JSONDecoder().decode(StateFault.self, from: Data(told))
    }

    private static func packed(_ value: (some Encodable)?) -> [UInt8] {
        value.flatMap { try? JSONEncoder().encode($0) }.map(Array.init) ?? []
    }

    private func request(_ number: Int) -> Request {
        let piece = pieces[number]
        let entry = state.entries[piece.entry]
        let runs = ElementRun.held(piece.elements, of: entry.runs)
        return Request(key: entry.key, format: entry.format, runs: runs.map { [$0.whole, $0.count] })
    }

    /// The bytes of the elements that are asked for, if this rank holds all of them and none lies in a piece that is wrong.
    private func replica(_ request: Request, except bad: Set<Int>) -> [UInt8]? {
        for (number, entry) in state.entries.enumerated()
        where entry.key == request.key && entry.format == request.format {
            guard let found = entry.found(request.runs) else { continue }
            let wrong = bad.filter { pieces[$0].entry == number }.map { pieces[$0].elements }
            let isTouched = found.contains { run in
                wrong.contains { $0.overlaps(run.local..<run.local + run.count) }
            }
            if isTouched { continue }
            return found.flatMap { run in
                UnsafeRawBufferPointer(
                    start: entry.address(run.local), count: run.count * entry.format.bytes)
            }
        }
        return nil
    }

    /// Compares a piece with a replica, and copies the replica over it.
    private func fault(_ number: Int, _ request: Request, _ right: [UInt8]?, from helper: Int?) -> StateFault {
        let piece = pieces[number]
        let entry = state.entries[piece.entry]
        let runs = ElementRun.held(piece.elements, of: entry.runs)
        var fault = StateFault(
            rank: world.rank, tensor: entry.key, first: runs.map(\.whole).min() ?? 0,
            last: (runs.map(\.end).max() ?? 1) - 1)
        guard let right, let helper else { return fault }
        let size = entry.format.bytes
        right.withUnsafeBytes { right in
            guard var source = right.baseAddress, right.count == piece.bytes else { return }
            for run in runs {
                for index in 0..<run.count {
                    let place = entry.address(run.local + index)
                    let (found, wanted) = (entry.format.bits(place), entry.format.bits(source))
                    if found != wanted {
                        if fault.differing == 0 {
                            fault.element = StateFault.Element(index: run.whole + index, found: found, right: wanted)
                        }
                        fault.differing += 1
                        place.copyMemory(from: source, byteCount: size)
                    }
                    source += size
                }
            }
        }
        fault.healedFrom = helper
        return fault
    }
}

extension StateFormat {
    /// The bits of an element, as those of the fp32 number of the same value.
    fileprivate func bits(_ place: UnsafeRawPointer) -> UInt32 {
        switch self {
        case .fp32: place.loadUnaligned(as: UInt32.self)
        case .bf16: UInt32(place.loadUnaligned(as: UInt16.self)) << 16
        }
    }
}

extension StateDictionary.Entry {
    /// Where these runs of the whole tensor lie here; nil if the rank does not hold all of their elements.
    fileprivate func found(_ wanted: [[Int]]) -> [ElementRun]? {
        var found: [ElementRun] = []
        var hint = runs.startIndex
        for run in wanted where run.count == 2 {
            var (place, left) = (run[0], run[1])
            while left > 0 {
                let holds = { (index: Int) in runs[index].whole <= place && place < runs[index].end }
                if !runs.indices.contains(hint) || !holds(hint) {
                    guard let next = runs.indices.first(where: holds) else { return nil }
                    hint = next
                }
                let count = min(left, runs[hint].end - place)
                found.append(
                    ElementRun(local: runs[hint].local + place - runs[hint].whole, whole: place, count: count))
                (place, left) = (place + count, left - count)
                hint += 1
            }
        }
        return found
    }
}
