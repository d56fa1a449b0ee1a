internal import Tensors

/// The rows of a token table that have a gradient in this step, and those that ever had one. A table that is only looked up
/// gets gradients for the tokens that occur. The gradients and moments of the other rows stay zero and take no memory; these
/// rows are neither summed over ranks nor stepped, but for the decay.
package final class TouchedRows {
    /// Rows that this rank holds.
    let count: Int
    /// Numbers in a row.
    let width: Int
    /// By row: above zero if it has a gradient in this step. A sum over ranks joins their flags.
    let flags: Storage<Float>
    private var ever: [Bool]

    package init(count: Int, width: Int) {
        self.count = count
        self.width = width
        flags = Storage(count: count)
        ever = Array(repeating: false, count: count)
    }

    /// tokens [R]: marks their rows. This rank holds the rows of tokens firstToken..<firstToken + count.
    package func mark(tokens: UnsafePointer<Int32>, rows: Int, firstToken: Int) {
        for row in 0..<rows {
            let token = Int(tokens[row]) - firstToken
            if token >= 0, token < count { flags.pointer[token] = 1 }
        }
    }

    /// Calls `body` for every run of neighbouring rows that have a gradient in this step.
    package func forEachRun<Failure: Error>(_ body: (Range<Int>) throws(Failure) -> Void) throws(Failure) {
        try runs(where: { flags.pointer[$0] > 0 }) { (range, isIn) throws(Failure) in if isIn { try body(range) } }
    }

    /// Calls `body` for every run of neighbouring rows that have had a gradient in this or an earlier step, or never had one.
    package func forEachRunByHistory(_ body: (_ rows: Range<Int>, _ hadGradient: Bool) -> Void) {
        for row in 0..<count where flags.pointer[row] > 0 { ever[row] = true }
        runs(where: { ever[$0] }, body)
    }

    /// Remembers that the rows of these elements have had a gradient.
    func remember(elements: Range<Int>) {
        guard !elements.isEmpty else { return }
        for row in elements.lowerBound / width...(elements.upperBound - 1) / width { ever[row] = true }
    }

    /// No row has had a gradient yet: the state becomes another.
    func forget() { ever = Array(repeating: false, count: count) }

    /// Unmarks all rows, for a new step.
    package func clear() { flags.pointer.update(repeating: 0, count: count) }

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
