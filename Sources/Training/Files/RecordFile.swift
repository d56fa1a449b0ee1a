internal import Output

/// A file that a run writes. Every failure names the path and the system's message.
final class RecordFile {
    let path: String
    private let writer: FileWriter

    /// - Parameters:
    ///   - grows: whether the file has each line as soon as it is written, as a log; otherwise it appears whole at the end.
    ///   - kept: bytes of the file that stay, of one that grows.
    ///   - begun: whether the run is under way. A path that cannot be written is then a failure of the run.
    /// - Throws: `TrainingError.file`, or `.write` once the run has `begun`.
    init(path: String, grows: Bool, keeping kept: Int = 0, begun: Bool = false) throws(TrainingError) {
        self.path = path
        do throws(OutputError) {
            writer = try FileWriter(OutputFile(path), visible: grows ? .continued(after: kept) : .whenComplete)
        } catch {
            throw begun
                ? .write(path: path, reason: error.reason)
                : .file(path: path, reason: "cannot be written: " + error.reason)
        }
    }

    /// Appends all of `bytes`.
    /// - Throws: `TrainingError.write`, for example on a full disk or in a removed folder.
    func write(_ bytes: UnsafeRawBufferPointer) throws(TrainingError) {
        try checkName()
        do throws(OutputError) { try writer.write(bytes) } catch { throw .write(path: path, reason: error.reason) }
    }

    func write(_ bytes: some Sequence<UInt8>) throws(TrainingError) {
        try checkName()
        do throws(OutputError) { try writer.write(bytes) } catch { throw .write(path: path, reason: error.reason) }
    }

    /// Gives the file its name, and returns when the disk has the bytes.
    func commit() throws(TrainingError) {
        do throws(OutputError) {
            try writer.finish(durable: true)
        } catch {
            throw .write(path: path, reason: error.reason)
        }
    }

    private func checkName() throws(TrainingError) {
        if writer.wasRemoved { throw .write(path: path, reason: "it was removed while the run went on") }
    }
}
