import Foundation
import Plans
import Testing

@testable import Training

@Suite struct TextDataTests {
    /// A file of bytes that ends with the test.
    final class TemporaryFile {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        init(_ bytes: [UInt8]) { _ = FileManager.default.createFile(atPath: path, contents: Data(bytes)) }
        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    @Test func sequentialOrderIsTheContractsFormula() throws {
        let file = TemporaryFile((0..<103).map { UInt8($0) })
        let data = try TextData(path: file.path, sequence: 10, batch: 3, order: .sequential, seed: 1)
        for step in 0..<9 {
            for index in 0..<3 {
                #expect(data.start(step: step, index: index) == ((step * 3 + index) * 10) % (103 - 10 - 1))
            }
        }
        var inputs = [Int32](repeating: 0, count: 20)
        var targets = inputs
        data.fill(step: 1, first: 1, count: 2, inputs: &inputs, targets: &targets)
        #expect(inputs == (40..<60).map { Int32($0) })
        #expect(targets == (41..<61).map { Int32($0) })
    }

    @Test func shuffledOrderVisitsEverySequenceOnceAnEpoch() throws {
        let file = TemporaryFile((0..<101).map { UInt8($0) })
        let data = try TextData(path: file.path, sequence: 10, batch: 5, order: .shuffled, seed: 3)
        let first = (0..<2).flatMap { step in (0..<5).map { data.start(step: step, index: $0) } }
        let second = (2..<4).flatMap { step in (0..<5).map { data.start(step: step, index: $0) } }
        #expect(first.sorted() == (0..<10).map { $0 * 10 })
        #expect(second.sorted() == first.sorted())
        #expect(first != second)
        let again = try TextData(path: file.path, sequence: 10, batch: 5, order: .shuffled, seed: 3)
        #expect((0..<5).map { again.start(step: 0, index: $0) } == Array(first[..<5]))
        let other = try TextData(path: file.path, sequence: 10, batch: 5, order: .shuffled, seed: 4)
        #expect((0..<5).map { other.start(step: 0, index: $0) } != Array(first[..<5]))
    }

    @Test func badFilesSayWhatIsWrong() {
        #expect(throws: TrainingError.text(path: "/nowhere/text", reason: "No such file or directory")) {
            try TextData(path: "/nowhere/text", sequence: 4, batch: 1, order: .sequential, seed: 1)
        }
        let empty = TemporaryFile([])
        #expect(throws: TrainingError.text(path: empty.path, reason: "the file is empty")) {
            try TextData(path: empty.path, sequence: 4, batch: 1, order: .sequential, seed: 1)
        }
        let directory = FileManager.default.temporaryDirectory.path
        #expect(throws: TrainingError.text(path: directory, reason: "not a regular file")) {
            try TextData(path: directory, sequence: 4, batch: 1, order: .sequential, seed: 1)
        }
        let short = TemporaryFile([1, 2, 3, 4, 5])
        #expect(throws: TrainingError.textTooShort(path: short.path, tokens: 5, needed: 6)) {
            try TextData(path: short.path, sequence: 4, batch: 1, order: .sequential, seed: 1)
        }
        let enough = TemporaryFile([1, 2, 3, 4, 5, 6])
        #expect(throws: Never.self) {
            try TextData(path: enough.path, sequence: 4, batch: 1, order: .sequential, seed: 1)
        }
    }
}
