import Foundation
import TestSupport
import Testing
import Training

@Suite struct TensorBoardLogTests {
    /// The check value of CRC-32C (RFC 3720, appendix B.4 gives its polynomial; Koopman's catalogue this value).
    @Test func crc32cOfTheStandardCheckString() {
        #expect(TensorBoardLog.crc32c(Data("123456789".utf8)) == 0xE306_9283)
    }

    /// Thirty-two zero bytes: RFC 3720, appendix B.4.
    @Test func crc32cOfTheStandardsZeros() {
        #expect(TensorBoardLog.crc32c(Data(count: 32)) == 0x8A91_36AA)
    }

    @Test func eventsAreTheFormats() {
        // Written by hand from event.proto: wall_time 1.0, step 300, summary {value {tag "a", simple_value 0.5}}.
        let expected: [UInt8] = [
            0x09, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0x10, 0xAC, 0x02, 0x2A, 0x0A, 0x0A, 0x08, 0x0A, 0x01, 0x61, 0x15, 0, 0,
            0, 0x3F,
        ]
        #expect(Array(TensorBoardLog.event(time: 1, step: 300, version: nil, scalars: [("a", 0.5)])) == expected)
    }

    @Test func aRunLeavesOneRecordAStepBehindTheVersion() throws {
        let folder = try TemporaryFolder()
        let log = try TensorBoardLog(directory: folder.path, time: 1)
        for step in 0..<3 {
            try log.write(
                StepReport(
                    step: step, loss: 2, gradientNorm: 1, learningRate: 0.1, seconds: 1, tokens: 8, bubble: 0,
                    computeShare: 1, peakBytes: [1]))
        }
        let names = try folder.names
        #expect(names.count == 1 && names[0].hasPrefix("events.out.tfevents.1."))
        let data = try Data(contentsOf: URL(filePath: folder[names[0]]))
        // Length, its checksum, data, its checksum.
        var (offset, records) = (0, [Data]())
        while offset < data.count {
            let length = Int(data[offset..<offset + 8].withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
            let record = data[(offset + 12)..<(offset + 12 + length)]
            #expect(TensorBoardLog.record(Data(record)) == data[offset..<offset + 16 + length])
            records.append(Data(record))
            offset += 16 + length
        }
        #expect(records.count == 4)
        #expect(String(decoding: records[0], as: UTF8.self).contains("brain.Event:2"))
        #expect(String(decoding: records[1], as: UTF8.self).contains("train/loss"))
    }
}
