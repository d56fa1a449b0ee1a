internal import Models
package import Plans
internal import Reading
package import Tokens

/// The sequences of a run: those that are trained on, and those that only the validation reads. The same on every rank.
package final class Corpus {
    package let sequence: Int
    package let batch: Int
    /// The step that the run goes on from, and the sequences that were trained on before it.
    package var origin: (step: Int, sequences: Int) = (0, 0)
    /// Tokens of all files.
    package let tokens: Int
    /// Hash of the files' content, to be compared over ranks.
    package let digest: UInt64
    /// Whether every token is a byte of a text.
    package let holdsBytes: Bool
    /// What made the tokens; nil: nobody says.
    package let tokenizer: Tokenizer?
    /// The token that ends a document; nil: none is known.
    package let endOfDocument: Int?
    package let documents: TrainSettings.DocumentRule
    package let training: SequenceStream
    package let validation: Validation?

    /// The text that is not trained on.
    package final class Validation {
        package let stream: SequenceStream
        package let batches: Int
        /// Sequences of all batches.
        package let sequences: Int
        /// Tokens that are predicted in them.
        package let predictions: Int
        private var counted: Int?

        init(_ stream: SequenceStream, batches: Int, batch: Int) {
            self.stream = stream
            // No text is read twice, unless there is less than a batch of it.
            self.batches = max(1, stream.distinct(most: batches * batch) / max(1, batch))
            sequences = self.batches * batch
            predictions = stream.predictions(0..<sequences)
        }

        /// Bytes that the predicted tokens stand for.
        func bytes(_ tokenizer: Tokenizer) throws(TrainingError) -> Int {
            if let counted { return counted }
            let counts = tokenizer.byteCounts
            var targets = [Int32](repeating: -1, count: stream.sequence)
            let pieces = SequencePieces(sequence: stream.sequence)
            var sum = 0
            for serial in 0..<sequences {
                let read = targets.withUnsafeMutableBufferPointer { buffer in
                    Result { () throws(TrainingError) in
                        try stream.fill(
                            first: serial, count: 1, pieces: pieces, inputs: nil, targets: buffer.baseAddress)
                    }
                }
                try read.get()
                for target in targets where counts.indices.contains(Int(target)) { sum += Int(counts[Int(target)]) }
            }
            counted = sum
            return sum
        }
    }

    /// Opens the files of a run and reads each once.
    /// - Parameters:
    ///   - isPacked: whether the plan states packed documents.
    ///   - progress: is told that a long reading goes on.
    /// - Throws: `TrainingError` for a file that cannot be read, holds a token beyond the vocabulary, or has too little text.
    package init(
        _ settings: TrainSettings, sequence: Int, batch: Int, vocabulary: Int, isPacked: Bool = false,
        progress: RunProgress? = nil
    ) throws(TrainingError) {
        self.sequence = sequence
        self.batch = batch
        let opening = CorpusOpening(
            settings, sequence: sequence, vocabulary: vocabulary, isPacked: isPacked, progress: progress)
        let opened = try opening.open()
        (tokenizer, endOfDocument, documents) = (opened.tokenizer, opened.endOfDocument, opening.rule)
        let sources = opened.files.map(\.source)
        tokens = sources.reduce(0) { $0 &+ $1.count }
        holdsBytes = sources.allSatisfy(\.holdsBytes)
        digest = opened.digest
        let filler = Int32(truncatingIfNeeded: min(endOfDocument ?? 0, vocabulary - 1))
        training = SequenceStream(
            opened.files.enumerated().map { index, file in
                let order: SequenceStream.Order =
                    settings.order == .shuffled
                    ? .shuffled(SequenceOrder(count: file.trained, seed: settings.seed, file: index)) : .sequential
                return SequenceStream.Part(
                    source: file.source, documents: file.documents, range: 0..<file.trained,
                    end: file.trained == file.count ? file.source.count : file.trained * sequence + 1, order: order)
            }, weights: settings.files.map(\.weight), sequence: sequence, filler: filler)
        guard let wanted = settings.validation else {
            validation = nil
            return
        }
        let held = wanted.share == nil ? opened.held : opened.files
        let weights = wanted.share == nil ? wanted.files ?? [] : settings.files
        validation = Validation(
            SequenceStream(
                held.map { file in
                    SequenceStream.Part(
                        source: file.source, documents: file.documents,
                        range: (wanted.share == nil ? 0 : file.trained)..<file.count, end: file.source.count,
                        order: .whole)
                }, weights: weights.map(\.weight), sequence: sequence, filler: filler), batches: wanted.batches,
            batch: batch)
    }

    /// Sequences that are trained on before `step`.
    package func sequences(before step: Int) -> Int { origin.sequences + (step - origin.step) * batch }

    /// Tokens of `step` that are predicted.
    package func predictions(of step: Int) -> Int {
        let first = sequences(before: step)
        return training.predictions(first..<first + batch)
    }

    /// The tokenizer's digest in hexadecimal digits; nil: nobody knows the tokenizer.
    package var tokenizerDigits: String? { tokenizer.map { String($0.digest, radix: 16) } }

    /// The content's hash in hexadecimal digits.
    package var contentDigits: String { String(digest, radix: 16) }
}
