package import Foundation

/// A new, empty folder for a test. It is removed with everything in it when the last reference to it goes.
package final class TemporaryFolder {
    package let url = FileManager.default.temporaryDirectory.appending(path: "trainyard-\(UUID().uuidString)")

    package init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(at: url) }

    package var path: String { url.path }

    /// Path of the file `name` in it, whether or not there is one.
    package subscript(_ name: String) -> String { "\(path)/\(name)" }

    /// Names of what it holds, sorted.
    package var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() } }

    /// Writes a file, over one of that name.
    /// - Returns: its path.
    @discardableResult package func write(_ text: String, as name: String) throws -> String {
        try write(Data(text.utf8), as: name)
    }

    /// Writes a file, over one of that name.
    /// - Returns: its path.
    @discardableResult package func write(_ bytes: Data, as name: String) throws -> String {
        try bytes.write(to: URL(filePath: self[name]))
        return self[name]
    }

    package func read(_ name: String) throws -> String { try String(contentsOfFile: self[name], encoding: .utf8) }
}
