internal import Output

/// A file a run writes: every failure says the path and the system's word.
final class RecordFile {
    let path: String
    private let writer: FileWriter
    private var checksum = SHA256()
    private var bytes = 0

    /// - Parameters:
    ///   - grows: whether the file shows at once what was written, as a log; otherwise all of it at the end.
    ///   - begun: whether the run is under way, so that a path that cannot be written is a failure of the run.
    /// - Throws: `TrainingError.file`, or `.write` once the run has `begun`.
    init(path: String, grows: Bool, begun: Bool = false) throws(TrainingError) {
        self.path = path
        do throws(OutputError) {
            writer = try FileWriter(OutputFile(path), visible: grows ? .atOnce : .whenComplete)
        } catch {
            throw begun
                ? .write(path: path, reason: error.reason)
                : .file(path: path, reason: "cannot be written: " + error.reason)
        }
    }

    /// Appends all of `part`.
    /// - Throws: `TrainingError.write`: a full disk, a removed folder.
    func write(_ part: UnsafeRawBufferPointer) throws(TrainingError) {
        if writer.wasRemoved { throw .write(path: path, reason: "it was removed while the run went on") }
        checksum.update(part)
        bytes += part.count
        do throws(OutputError) { try writer.write(part) } catch { throw .write(path: path, reason: error.reason) }
    }

    func write(_ bytes: some Sequence<UInt8>) throws(TrainingError) {
        let bytes = Array(bytes)
        let outcome = bytes.withUnsafeBytes { (raw) -> Result<Void, TrainingError> in
            do throws(TrainingError) { return .success(try write(raw)) } catch { return .failure(error) }
        }
        try outcome.get()
    }

    /// Returns when the disk has the bytes and the file its name.
    func finish() throws(TrainingError) -> SavedFile {
        do throws(OutputError) {
            try writer.finish(durable: true)
        } catch {
            throw .write(path: path, reason: error.reason)
        }
        return SavedFile(bytes: bytes, sha256: checksum.finish())
    }
}
