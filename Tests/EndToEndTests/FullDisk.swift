import Foundation
import TestSupport

/// A small disk of its own, mounted for a test.
final class FullDisk {
    private let point: TemporaryFolder
    var folder: URL { point.url }

    /// nil where this process may not mount anything.
    init?(bytes: Int) {
        guard let point = try? TemporaryFolder(),
            Self.run(["mount", "-t", "tmpfs", "-o", "size=\(bytes)", "tmpfs", point.path])
        else { return nil }
        self.point = point
    }

    deinit {
        // Lazily: a rank that is just ending may still have a file open.
        _ = Self.run(["umount", "-l", point.path])
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
