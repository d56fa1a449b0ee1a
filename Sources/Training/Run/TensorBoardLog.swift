package import Foundation
internal import Numbers
internal import Plans
internal import Schedules

/// Scalars of a run in TensorBoard's event format: TFRecords of `Event` messages, written by hand.
///
/// A record is its length (8 bytes), the masked CRC-32C of those 8 bytes, the data and the data's masked CRC-32C
/// (tensorflow/core/lib/io/record_writer.cc). `Event` has wall_time (1, double), step (2, int64), file_version
/// (3, string), summary (5); a summary's value (1) has tag (1, string) and simple_value (2, float).
package final class TensorBoardLog {
    private let file: RecordFile

    /// Makes `directory` if needed and begins an event file in it, or goes on with the run's own.
    /// - Parameters:
    ///   - step: the first step that will be written. Later ones of the run's earlier starts go.
    ///   - earlier: files of the run's earlier starts.
    package init(
        directory: String, from step: Int = 0, earlier: [String] = [], time: Double = Date().timeIntervalSince1970
    ) throws {
        try RecordFolder.make(directory, "this directory for TensorBoard")
        let own = earlier.filter { path in
            path.hasSuffix(".trainyard") && FileManager.default.fileExists(atPath: path)
                && (path as NSString).deletingLastPathComponent == RunFolder.absolute(directory)
        }
        if let last = own.last, let kept = Self.length(last, before: step) {
            file = try RecordFile(path: last, grows: true, keeping: kept)
            return
        }
        let host = ProcessInfo.processInfo.hostName
        file = try RecordFile(
            path: directory + "/events.out.tfevents.\(Int(saturating: time)).\(host).\(getpid()).trainyard",
            grows: true)
        try write(Self.event(time: time, step: nil, version: "brain.Event:2", scalars: []))
    }

    package var path: String { file.path }

    /// Bytes of a file's records before the first of a step from `step` on; nil for a file that begins with none.
    private static func length(_ path: String, before step: Int) -> Int? {
        guard let bytes = FileManager.default.contents(atPath: path) else { return nil }
        var end = 0
        while bytes.count - end >= 16 {
            let count = number(bytes, at: end, UInt64.self)
            guard count <= UInt64(bytes.count - end - 16) else { break }
            let next = end + 16 + Int(count)
            let event = bytes.subdata(in: end + 12..<end + 12 + Int(count))
            // The checksum shows a record that is not complete.
            guard number(bytes, at: next - 4, UInt32.self) == masked(crc32c(event)) else { break }
            if let written = self.step(of: event), written >= step { break }
            end = next
        }
        return end > 0 ? end : nil
    }

    private static func number<Number: FixedWidthInteger>(_ bytes: Data, at place: Int, _ type: Number.Type) -> Number {
        bytes.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: Number.self)) }
    }

    /// The step of an event as `event` writes it: behind the time.
    private static func step(of event: Data) -> Int? {
        guard event.count > 10, event[9] == 2 << 3 else { return nil }
        var (value, shift) = (UInt64(0), UInt64(0))
        for byte in event[10...] {
            value |= UInt64(byte & 0x7F) << shift
            shift += 7
            if byte & 0x80 == 0 { return Int(exactly: value) }
            if shift > 63 { return nil }
        }
        return nil
    }

    /// Appends one step's figures.
    package func write(
        _ report: StepReport, time: Double = Date().timeIntervalSince1970
    ) throws {
        var scalars = [
            ("train/loss", report.loss), ("train/gradient norm", report.gradientNorm),
            ("train/learning rate", report.learningRate), ("speed/tokens a second", report.tokensPerSecond),
            ("speed/seconds a step", report.seconds), ("speed/bubble", report.bubble),
            ("memory/peak GiB", (report.peakBytes.max() ?? 0) / 0x1p30),
        ]
        if let validation = report.validation {
            scalars += [("validation/loss", validation.loss), ("validation/perplexity", validation.perplexity)]
            if let bits = validation.bitsPerByte { scalars.append(("validation/bits per byte", bits)) }
        }
        try write(Self.event(time: time, step: report.step, version: nil, scalars: scalars))
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
