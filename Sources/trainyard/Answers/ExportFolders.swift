internal import Foundation
internal import Interchange
internal import Output

/// The folders that exported files go to.
struct ExportFolders {
    private let out: String?
    private let isShared: Bool
    private let force: Bool

    /// Refuses a folder that holds files which no export wrote.
    /// - Parameter force: whether to write beside and over any files.
    init(out: String?, targets: [ExportTarget], force: Bool) throws {
        (self.out, isShared, self.force) = (out, targets.count == 1, force)
        guard let out else {
            if targets.count > 1 { throw Failure.input("--to names several targets: say where they go with --out") }
            return
        }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: out, isDirectory: &isFolder) else { return }
        guard isFolder.boolValue else { throw Failure.input("--out \(out): is a file, not a folder") }
        guard !force, let strange = Self.strange(in: out, depth: 0) else { return }
        throw Failure.input(
            "--out \(out): has \(strange) in it, which no export wrote; name another folder, or say --force to write "
                + "beside it")
    }

    /// The first file of a folder that no export wrote; nil: all are exported ones.
    /// - Parameter depth: folders above it; each target of several has one.
    private static func strange(in folder: String, depth: Int) -> String? {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder))?.sorted() ?? [] {
            let path = "\(folder)/\(name)"
            var isFolder: ObjCBool = false
            let isThere = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
            if isThere, isFolder.boolValue {
                guard depth == 0, ExportTarget(rawValue: name) != nil else { return name }
                if let inner = strange(in: path, depth: 1) { return "\(name)/\(inner)" }
            } else if !ExportedFile.isExported(name, start: { start(of: "\(folder)/\($0)") }) {
                return name
            }
        }
        return nil
    }

    /// The first characters of a file; nil: it is none that can be read as text.
    private static func start(of path: String) -> String? {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        guard attributes?[.type] as? FileAttributeType == .typeRegular,
            let handle = FileHandle(forReadingAtPath: path)
        else { return nil }
        defer { try? handle.close() }
        return (try? handle.read(upToCount: 4096)).map { String(decoding: $0, as: UTF8.self) }
    }

    func path(_ target: ExportTarget, _ name: String) -> String {
        let folder = out ?? "."
        return isShared ? "\(folder)/\(name)" : "\(folder)/\(target.rawValue)/\(name)"
    }

    /// Writes the files of all targets, or none where one of them would replace another file.
    func write(_ results: [ExportResult]) throws {
        guard let out else { return }
        let files = results.flatMap { result in
            result.export.files.map { (path: path(result.target, $0.name), file: $0) }
        }
        if !force {
            let clashing = files.filter { path, file in
                let held = FileManager.default.contents(atPath: path)
                return held.map { $0 != Data(file.text.utf8) } ?? FileManager.default.fileExists(atPath: path)
            }
            guard clashing.isEmpty else {
                throw Failure.input(
                    "--out \(out): \(clashing.map(\.path).joined(separator: ", ")) \(clashing.count == 1 ? "is" : "are") there "
                        + "already; name another folder, or say --force to write over \(clashing.count == 1 ? "it" : "them")"
                )
            }
        }
        for (path, file) in files {
            let folder = (path as NSString).deletingLastPathComponent
            do {
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            } catch {
                throw Failure.input("--out: \(folder) cannot be made")
            }
            try OutputFile.write(file.text, to: path)
            if file.isExecutable {
                try? FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
            }
        }
    }
}
