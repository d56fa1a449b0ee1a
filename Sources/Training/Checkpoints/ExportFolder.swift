internal import Foundation
internal import Output
internal import Plans
internal import Reading

/// A new folder that gets its name when all its files are on the disk.
final class ExportFolder {
    /// The files of an export. No others are ever removed.
    static let names = ["config.json", HuggingFaceFolder.weights, ByteTokenizer.file, ByteTokenizer.configuration]

    /// The tokenizer.json at a path, which may be a folder; nil: there is none.
    static func tokenizerFile(at path: String) -> String? {
        var status = stat()
        guard path != "bytes", stat(path, &status) == 0 else { return nil }
        guard status.st_mode & S_IFMT == S_IFDIR else { return path.hasSuffix(".json") ? path : nil }
        let file = path + "/" + ByteTokenizer.file
        return stat(file, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? file : nil
    }

    private let target: String
    private let partial: String
    private(set) var bytes = 0

    init(_ target: String) {
        self.target = target
        partial = DiskFile.hidden(target) + ".\(getpid()).partial"
    }

    /// Makes sure that the folder may be written.
    /// - Parameter source: the weights that are read.
    func check(overwrites: Bool, source: String) throws(TrainingError) {
        // Neither a checkpoint nor a run is written into, nor what is read.
        var above = target
        var isTaken = FileIdentity(source).map { FileIdentity(target) == $0 } ?? false
        while !isTaken, above.count > 1 {
            isTaken = Checkpoint.isCheckpoint(above) || (try? RunManifest.read(folder: above)) != nil
            if !isTaken { above = (above as NSString).deletingLastPathComponent }
        }
        if isTaken {
            throw .file(
                path: target,
                reason: "\(above) is a run, a checkpoint or what is read; name a folder outside of it with --to")
        }
        var status = stat()
        guard lstat(target, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw .file(path: target, reason: "is there already, and no folder; name another with --to")
        }
        let held = (try? FileManager.default.contentsOfDirectory(atPath: target)) ?? []
        if held.isEmpty { return }
        guard overwrites else {
            throw .file(
                path: target,
                reason: "is there already and not empty; name another folder, or replace it with --overwrite")
        }
        if let foreign = held.sorted().first(where: { !Self.names.contains($0) }) {
            throw .file(
                path: target,
                reason: "holds \(foreign), which no export wrote: --overwrite replaces earlier exports alone")
        }
    }

    /// Makes the folder under another name.
    func begin() throws(TrainingError) {
        let above = (target as NSString).deletingLastPathComponent
        guard RunFolder.make(above) != nil, mkdir(partial, 0o777) == 0 else {
            throw .file(path: target, reason: "cannot be made: " + InputFile.lastError)
        }
    }

    func file(_ name: String) throws(TrainingError) -> DiskFile { try DiskFile(creating: partial + "/" + name) }

    func end(_ file: DiskFile) throws(TrainingError) {
        try file.sync()
        bytes += file.written
    }

    func write(_ content: some Sequence<UInt8>, as name: String) throws(TrainingError) {
        let file = try file(name)
        try file.write(data: Array(content))
        try end(file)
    }

    /// Gives the folder its name.
    func finish() throws(TrainingError) {
        try DiskFile.sync(folder: partial)
        try DiskFile.rename(partial, to: target, besides: partial + ".old", remove: Self.remove)
    }

    /// Removes what was written.
    func discard() { Self.remove(partial) }

    private static func remove(_ folder: String) {
        for name in names { unlink(folder + "/" + name) }
        rmdir(folder)
    }
}
