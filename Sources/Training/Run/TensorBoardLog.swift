package import Foundation
internal import Numbers
internal import Schedules

/// Scalars of a run in TensorBoard's event format: TFRecords of `Event` messages, written by hand.
///
/// A record is its length (8 bytes), the masked CRC-32C of those 8 bytes, the data and the data's masked CRC-32C
/// (tensorflow/core/lib/io/record_writer.cc). `Event` has wall_time (1, double), step (2, int64), file_version
/// (3, string), summary (5); a summary's value (1) has tag (1, string) and simple_value (2, float).
package final class TensorBoardLog {
    private let file: RecordFile

    /// Makes `directory` if needed and begins an event file in it.
    package init(directory: String, time: Double = Date().timeIntervalSince1970) throws {
        try RecordFolder.make(directory, "this directory for TensorBoard")
        let host = ProcessInfo.processInfo.hostName
        file = try RecordFile(
            path: directory + "/events.out.tfevents.\(Int(saturating: time)).\(host).\(getpid()).trainyard",
            grows: true)
        try write(Self.event(time: time, step: nil, version: "brain.Event:2", scalars: []))
    }

    package var path: String { file.path }

    /// Appends one step's figures.
    package func write(
        _ report: StepReport, time: Double = Date().timeIntervalSince1970
    ) throws {
        try write(
            Self.event(
                time: time, step: report.step, version: nil,
                scalars: [
                    ("train/loss", report.loss), ("train/gradient norm", report.gradientNorm),
                    ("train/learning rate", report.learningRate), ("speed/tokens a second", report.tokensPerSecond),
                    ("speed/seconds a step", report.seconds), ("speed/bubble", report.bubble),
                    ("memory/peak GiB", (report.peakBytes.max() ?? 0) / 0x1p30),
                ]))
    }

    private func write(_ event: Data) throws(TrainingError) {
        try file.write(Self.record(event))
    }

    // MARK: format

    /// A TFRecord of these data.
    package static func record(_ data: Data) -> Data {
        let length = bytes(UInt64(data.count))
        return length + bytes(masked(crc32c(length))) + data + bytes(masked(crc32c(data)))
    }

    /// An `Event` message.
    package static func event(time: Double, step: Int?, version: String?, scalars: [(String, Double)]) -> Data {
        var event = Data([1 << 3 | 1]) + bytes(time.bitPattern)
        if let step { event += Data([2 << 3]) + varint(UInt64(step)) }
        if let version { event += field(3, Data(version.utf8)) }
        if !scalars.isEmpty {
            let values = scalars.reduce(Data()) { all, scalar in
                let value = field(1, Data(scalar.0.utf8)) + Data([2 << 3 | 5]) + bytes(Float(scalar.1).bitPattern)
                return all + field(1, value)
            }
            event += field(5, values)
        }
        return event
    }

    /// A length-delimited field.
    private static func field(_ number: UInt8, _ data: Data) -> Data {
        Data([number << 3 | 2]) + varint(UInt64(data.count)) + data
    }

    private static func varint(_ value: UInt64) -> Data {
        var (rest, data) = (value, Data())
        while rest >= 0x80 {
            data.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        data.append(UInt8(rest))
        return data
    }

    private static func bytes<Number: FixedWidthInteger>(_ number: Number) -> Data {
        withUnsafeBytes(of: number.littleEndian) { Data($0) }
    }

    /// A checksum as TFRecords store it. The mask protects checksums of data that itself holds checksums.
    private static func masked(_ crc: UInt32) -> UInt32 { (crc >> 15 | crc << 17) &+ 0xA282_EAD8 }

    /// CRC-32C (Castagnoli, polynomial 0x1EDC6F41 reflected).
    package static func crc32c(_ data: Data) -> UInt32 {
        var crc = ~UInt32(0)
        for byte in data {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0x82F6_3B78 : 0) }
        }
        return ~crc
    }
}
