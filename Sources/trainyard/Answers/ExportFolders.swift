internal import Foundation
internal import Interchange
internal import Output

/// The folders that exported files go to.
struct ExportFolders {
    private let out: String?
    private let isShared: Bool

    /// Refuses a folder that already has files.
    /// - Parameter force: whether to write over them.
    init(out: String?, targets: [ExportTarget], force: Bool) throws {
        (self.out, isShared) = (out, targets.count == 1)
        guard let out else {
            if targets.count > 1 { throw Failure.input("--to names several targets: say where they go with --out") }
            return
        }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: out, isDirectory: &isFolder) else { return }
        guard isFolder.boolValue else { throw Failure.input("--out \(out): is a file, not a folder") }
        let held = (try? FileManager.default.contentsOfDirectory(atPath: out)) ?? []
        guard held.isEmpty || force else {
            throw Failure.input("--out \(out): has files in it; name another folder, or say --force to write over them")
        }
    }

    func path(_ target: ExportTarget, _ name: String) -> String {
        let folder = out ?? "."
        return isShared ? "\(folder)/\(name)" : "\(folder)/\(target.rawValue)/\(name)"
    }

    /// Writes the files of all targets.
    func write(_ results: [ExportResult]) throws {
        guard out != nil else { return }
        for result in results {
            for file in result.export.files {
                let path = path(result.target, file.name)
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
}
