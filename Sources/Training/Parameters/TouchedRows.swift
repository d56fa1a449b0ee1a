internal import Tensors

/// Which rows of a token table have a gradient in this step, and which ever had one. A table that is only looked up gets
/// gradients for the tokens that occurred: the other rows' gradients and moments stay zero, their pages untouched and
/// without memory of their own, unsummed and, but for the decay, unstepped.
final class TouchedRows {
    /// Rows this rank holds, and numbers in each.
    let count: Int
    let width: Int
    /// By row: above zero if it has a gradient in this step, so that ranks can join theirs by adding.
    let flags: Storage<Float>
    private var ever: [Bool]

    init(count: Int, width: Int) {
        self.count = count
        self.width = width
        flags = Storage(count: count)
        ever = Array(repeating: false, count: count)
    }

    /// Notes the rows of `tokens`, of which this rank holds `firstToken` and the `count − 1` after it.
    func note(tokens: UnsafePointer<Int32>, rows: Int, firstToken: Int) {
        for row in 0..<rows {
            let token = Int(tokens[row]) - firstToken
            if token >= 0, token < count { flags.pointer[token] = 1 }
        }
    }

    /// Calls `body` for every run of neighbouring rows that have a gradient in this step.
    func forEachRun<Failure: Error>(_ body: (Range<Int>) throws(Failure) -> Void) throws(Failure) {
        try runs(where: { flags.pointer[$0] > 0 }) { (range, isIn) throws(Failure) in if isIn { try body(range) } }
    }

    /// Adds this step's rows to those that ever had a gradient, then calls `body` for every run of neighbouring rows that
    /// ever had one, or never had.
    func forEachRunEver(_ body: (_ rows: Range<Int>, _ hadGradient: Bool) -> Void) {
        for row in 0..<count where flags.pointer[row] > 0 { ever[row] = true }
        runs(where: { ever[$0] }, body)
    }

    /// No row has a gradient: a new step begins.
    func clear() { flags.pointer.update(repeating: 0, count: count) }

    private func runs<Failure: Error>(
        where isIn: (Int) -> Bool, _ body: (Range<Int>, Bool) throws(Failure) -> Void
    ) throws(Failure) {
        var start = 0
        while start < count {
            let kind = isIn(start)
            var end = start + 1
            while end < count, isIn(end) == kind { end += 1 }
            try body(start..<end, kind)
            start = end
        }
    }
}
