internal import Tokens

/// The sequences of a file whose documents are kept apart: each document is cut into pieces of a sequence's length, and the last
/// piece is as long as what is left.
struct DocumentTable {
    /// First token of every document, and the tokens of all.
    private let starts: [Int]
    /// Sequences before every document, and all.
    private let pieces: [Int]
    private let sequence: Int

    /// Sequences of all documents.
    var count: Int { pieces.last ?? 0 }

    /// - Parameter starts: first token of every document, ascending, and the tokens of all.
    init(starts: [Int], sequence: Int) {
        (self.starts, self.sequence) = (starts, sequence)
        var (pieces, sum) = ([0], 0)
        pieces.reserveCapacity(starts.count)
        for (start, end) in zip(starts, starts.dropFirst()) {
            // A token is predicted from those before it: the first of a document is not.
            sum += (max(1, end - start) - 1 + sequence - 1) / sequence
            pieces.append(sum)
        }
        self.pieces = pieces
    }

    /// Documents as the index of a pair of files states them.
    init(_ file: IndexedTokens, sequence: Int) {
        var (starts, sum) = ([0], 0)
        for document in 0..<file.documents {
            for sequence in file.sequences(of: document) { sum += file.length(of: sequence) }
            starts.append(sum)
        }
        self.init(starts: starts, sequence: sequence)
    }

    /// Documents that a token ends, which belongs to them.
    init(_ source: TokenSource, end: Int32, sequence: Int) throws(TrainingError) {
        var starts = [0]
        try source.forEachPiece { tokens, first in
            for (place, token) in tokens.enumerated() where token == end { starts.append(first + place + 1) }
        }
        if starts.last != source.count { starts.append(source.count) }
        self.init(starts: starts, sequence: sequence)
    }

    /// A sequence of the file.
    func span(_ number: Int) -> SequenceSpan {
        // The last document before which there are no more sequences than `number`.
        var (low, high) = (0, pieces.count - 1)
        while low + 1 < high {
            let middle = (low + high) / 2
            if pieces[middle] <= number { low = middle } else { high = middle }
        }
        let start = starts[low] + (number - pieces[low]) * sequence
        return SequenceSpan(start: start, predictions: min(sequence, starts[low + 1] - 1 - start))
    }
}

/// The tokens of a sequence in a file.
package struct SequenceSpan: Hashable, Sendable {
    package var start: Int
    /// Tokens from which another follows; one more is read.
    package var predictions: Int
}
