import Foundation

/// A small disk of its own, mounted for a test.
final class FullDisk {
    let folder: URL

    /// nil where this process may not mount anything.
    init?(bytes: Int) {
        folder = FileManager.default.temporaryDirectory.appending(path: "trainyard-disk-\(UUID().uuidString)")
        do { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) } catch {
            return nil
        }
        guard Self.run(["mount", "-t", "tmpfs", "-o", "size=\(bytes)", "tmpfs", folder.path]) else {
            rmdir(folder.path)
            return nil
        }
    }

    deinit {
        // Lazily: a rank that is just ending may still have a file open.
        _ = Self.run(["umount", "-l", folder.path])
        rmdir(folder.path)
    }

    /// Whether tests can fill a disk here: it takes root and the right to mount.
    static let isPossible: Bool = geteuid() == 0 && FullDisk(bytes: 4096) != nil

    private static func run(_ command: [String]) -> Bool {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
