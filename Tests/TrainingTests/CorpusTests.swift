import Foundation
import Plans
import TestSupport
import Testing
import Training

/// A corpus of one text whose tokens are bytes.
@Suite struct CorpusTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Path of the text, a file of these bytes.
    private func write(_ bytes: [UInt8], as name: String = "text") throws -> String {
        try folder.write(Data(bytes), as: name)
    }

    private func corpus(
        _ path: String, sequence: Int, batch: Int, order: TrainSettings.Order, seed: UInt64
    ) throws -> Corpus {
        try Corpus(
            TrainSettings(data: path, order: order, steps: 1, seed: seed), sequence: sequence, batch: batch,
            vocabulary: 256)
    }

    @Test func sequentialOrderIsTheFormulaOfThePlanFormat() throws {
        let file = try write((0..<103).map { UInt8($0) })
        let data = try corpus(file, sequence: 10, batch: 3, order: .sequential, seed: 1)
        for step in 0..<9 {
            for index in 0..<3 {
                #expect(data.start(step * 3 + index) == ((step * 3 + index) * 10) % (103 - 10 - 1))
            }
        }
        var inputs = [Int32](repeating: 0, count: 20)
        var targets = inputs
        try data.fill(step: 1, first: 1, count: 2, inputs: &inputs, targets: &targets)
        #expect(inputs == (40..<60).map { Int32($0) })
        #expect(targets == (41..<61).map { Int32($0) })
    }

    @Test func shuffledOrderVisitsEverySequenceOnceAnEpoch() throws {
        let file = try write((0..<101).map { UInt8($0) })
        let data = try corpus(file, sequence: 10, batch: 5, order: .shuffled, seed: 3)
        let first = (0..<2).flatMap { step in (0..<5).map { data.start(step * 5 + $0) } }
        let second = (2..<4).flatMap { step in (0..<5).map { data.start(step * 5 + $0) } }
        #expect(first.sorted() == (0..<10).map { $0 * 10 })
        #expect(second.sorted() == first.sorted())
        #expect(first != second)
        let again = try corpus(file, sequence: 10, batch: 5, order: .shuffled, seed: 3)
        #expect((0..<5).map { again.start($0) } == Array(first[..<5]))
        let other = try corpus(file, sequence: 10, batch: 5, order: .shuffled, seed: 4)
        #expect((0..<5).map { other.start($0) } != Array(first[..<5]))
    }

    @Test func badFilesSayWhatIsWrong() throws {
        #expect(throws: TrainingError.text(path: "/nowhere/text", reason: "No such file or directory")) {
            try corpus("/nowhere/text", sequence: 4, batch: 1, order: .sequential, seed: 1)
        }
        let empty = try write([], as: "empty")
        #expect(throws: TrainingError.text(path: empty, reason: "the file is empty")) {
            try corpus(empty, sequence: 4, batch: 1, order: .sequential, seed: 1)
        }
        #expect(throws: TrainingError.text(path: folder.path, reason: "not a regular file")) {
            try corpus(folder.path, sequence: 4, batch: 1, order: .sequential, seed: 1)
        }
        let short = try write([1, 2, 3, 4])
        #expect(throws: TrainingError.textTooShort(path: short, tokens: 4, needed: 5)) {
            try corpus(short, sequence: 4, batch: 1, order: .sequential, seed: 1)
        }
        let pipe = folder["pipe"]
        #expect(mkfifo(pipe, 0o600) == 0)
        #expect(throws: TrainingError.text(path: pipe, reason: "not a regular file")) {
            try corpus(pipe, sequence: 4, batch: 1, order: .sequential, seed: 1)
        }
    }

    /// One sequence and its last target: length − sequence − 1, the modulus of the sequential order, is 0.
    @Test(arguments: TrainSettings.Order.allCases) func exactlyOneSequenceIsEnough(order: TrainSettings.Order) throws {
        let file = try write([1, 2, 3, 4, 5])
        let data = try corpus(file, sequence: 4, batch: 2, order: order, seed: 1)
        var inputs = [Int32](repeating: 0, count: 8)
        var targets = inputs
        for step in 0..<3 {
            try data.fill(step: step, first: 0, count: 2, inputs: &inputs, targets: &targets)
            #expect(inputs == [1, 2, 3, 4, 1, 2, 3, 4])
            #expect(targets == [2, 3, 4, 5, 2, 3, 4, 5])
        }
    }

    /// What is mapped into memory could end the process here.
    @Test func aTextThatIsCutShortIsAnError() throws {
        let file = try write(Array(repeating: 7, count: 100_000))
        let data = try corpus(file, sequence: 10, batch: 1, order: .sequential, seed: 1)
        var inputs = [Int32](repeating: 0, count: 10)
        try data.fill(step: 9000, first: 0, count: 1, inputs: &inputs, targets: nil)
        #expect(truncate(file, 5000) == 0)
        try data.fill(step: 100, first: 0, count: 1, inputs: &inputs, targets: nil)
        #expect(throws: TrainingError.textChanged(path: file, reason: "it was cut from 100000 to 5000 bytes")) {
            try data.fill(step: 9000, first: 0, count: 1, inputs: &inputs, targets: nil)
        }
        // One that is only removed stays readable.
        unlink(file)
        try data.fill(step: 100, first: 0, count: 1, inputs: &inputs, targets: nil)
    }

    @Test func everyByteCountsInTheDigest() throws {
        var bytes = (0..<3001).map { UInt8($0 % 251) }
        func digest() throws -> UInt64 {
            let file = try write(bytes)
            return try corpus(file, sequence: 4, batch: 1, order: .sequential, seed: 1).digest
        }
        var seen: Set<UInt64> = [try digest()]
        for place in [0, 7, 8, 1500, 2999, 3000] {
            bytes[place] ^= 1
            #expect(seen.insert(try digest()).inserted, "byte \(place)")
        }
        // Zeros at the end count too, whatever the length.
        for length in 3002...3020 {
            bytes.append(0)
            #expect(seen.insert(try digest()).inserted, "\(length) bytes")
        }
    }
}

extension Corpus {
    /// First token of a sequence.
    func start(_ serial: Int) -> Int { training.place(serial).span.start }

    func fill(
        step: Int, first: Int, count: Int, inputs: UnsafeMutablePointer<Int32>?, targets: UnsafeMutablePointer<Int32>?
    ) throws {
        try training.fill(
            first: sequences(before: step) + first, count: count, pieces: SequencePieces(sequence: sequence),
            inputs: inputs,
            targets: targets)
    }

    /// Inputs and targets of one sequence.
    func tokens(_ serial: Int, of stream: SequenceStream? = nil) throws -> (inputs: [Int32], targets: [Int32]) {
        var inputs = [Int32](repeating: 0, count: sequence)
        var targets = inputs
        try (stream ?? training).fill(
            first: serial, count: 1, pieces: SequencePieces(sequence: sequence), inputs: &inputs, targets: &targets)
        return (inputs, targets)
    }
}
