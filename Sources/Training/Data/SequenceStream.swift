internal import Plans

/// Sequences of a fixed length out of one or several files, each by its serial number, the same on every rank.
package final class SequenceStream {
    /// The sequences of one file that are drawn.
    struct Part {
        let source: TokenSource
        /// The documents that are kept apart; nil: the file is one stream.
        let documents: DocumentTable?
        /// The sequences of the file that may come.
        let range: Range<Int>
        /// Tokens of the file up to the end of these.
        let end: Int
        var order: Order
    }

    enum Order {
        case shuffled(SequenceOrder)
        /// One after the other; those of a stream begin anew where the next would pass the end by its start.
        case sequential
        /// One after the other, none of them shifted.
        case whole
    }

    package let sequence: Int
    private var parts: [Part]
    private var blend: Blend
    /// One sequence and the token after it.
    private var tokens: [Int32]
    /// The token that fills up sequences.
    private let filler: Int32

    init(_ parts: [Part], weights: [Double], sequence: Int, filler: Int32) {
        (self.parts, self.sequence, self.filler) = (parts, sequence, filler)
        blend = Blend(weights: weights)
        tokens = [Int32](repeating: 0, count: sequence + 1)
    }

    /// Sequences from the first on until one of them comes again, `most` at most.
    func distinct(most: Int) -> Int {
        var count = 0
        while count < most {
            let place = blend.place(count)
            guard place.number < parts[place.file].range.count else { break }
            count += 1
        }
        return count
    }

    /// The file of a sequence, by its number among the corpus's, and its tokens there.
    package func place(_ serial: Int) -> (file: Int, span: SequenceSpan) {
        let place = blend.place(serial)
        let count = parts[place.file].range.count
        let number: Int
        switch parts[place.file].order {
        case .sequential where parts[place.file].documents == nil:
            // A file of exactly one sequence has one start.
            let start = (place.number * sequence) % max(1, parts[place.file].end - sequence - 1)
            return (place.file, SequenceSpan(start: start, predictions: sequence))
        case .sequential, .whole:
            number = place.number % count
        case .shuffled(var order):
            number = order.sequence(place.number)
            parts[place.file].order = .shuffled(order)
        }
        let whole = parts[place.file].range.lowerBound + number
        let span =
            parts[place.file].documents?.span(whole)
            ?? SequenceSpan(start: whole * sequence, predictions: sequence)
        return (place.file, span)
    }

    /// Tokens of these sequences from which another follows.
    func predictions(_ serials: Range<Int>) -> Int {
        guard parts.contains(where: { $0.documents != nil }) else { return serials.count * sequence }
        return serials.reduce(0) { $0 + place($1).span.predictions }
    }

    /// inputs, targets [count · L] or nil: copies the input tokens and the tokens that follow them, of `count` sequences from
    /// `first` on. Where a document ends before its sequence, the targets are -1.
    /// - Parameter pieces: the pieces of each sequence that are copied.
    package func fill(
        first: Int, count: Int, pieces: SequencePieces, inputs: UnsafeMutablePointer<Int32>?,
        targets: UnsafeMutablePointer<Int32>?
    ) throws(TrainingError) {
        for index in 0..<count {
            let (file, span) = place(first + index)
            let source = parts[file].source
            let read = tokens.withUnsafeMutableBufferPointer { buffer in
                Result { () throws(TrainingError) in
                    if let target = buffer.baseAddress {
                        try source.read(span.start..<span.start + span.predictions + 1, into: target)
                    }
                }
            }
            try read.get()
            let real = span.predictions
            for local in 0..<pieces.length {
                let position = pieces.position(ofLocal: local)
                inputs?[index * pieces.length + local] = position < real ? tokens[position] : filler
                targets?[index * pieces.length + local] = position < real ? tokens[position + 1] : -1
            }
        }
    }
}
