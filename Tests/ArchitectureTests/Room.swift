import Foundation
import TestSupport

/// A room's folder under `Sources/` and the Swift files in it.
struct Room {
    /// `Sources/Training`.
    let place: String
    let files: [SourceFile]
    private let importedMembers: Set<String>

    /// Reads a room.
    /// - Parameter sources: the folder that holds the room and those it imports.
    init(_ name: String, in sources: URL) throws {
        place = "\(sources.lastPathComponent)/\(name)"
        files = try Self.files(of: name, in: sources)
        let imported = files.reduce(into: Set<String>()) { $0.formUnion($1.imports) }.subtracting([name])
        importedMembers = try imported.reduce(into: []) { members, other in
            guard FileManager.default.fileExists(atPath: sources.appending(path: other).path) else { return }
            for file in try Self.files(of: other, in: sources) {
                members.formUnion(file.values.filter { $0.isVisible && $0.owner != nil }.map(\.name))
            }
        }
    }

    /// Sub-folders that need one another.
    var circles: [FolderCircle] {
        FolderCircle.all(
            in: place, files: files.map(\.path), uses: RoomNames(files, importedMembers: importedMembers).uses())
    }

    /// This checkout's rooms.
    static let sources = URL(filePath: Checkout.root).appending(path: "Sources")
    static func names(in sources: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: sources.path).filter { !$0.hasPrefix(".") }.sorted()
    }

    private static func files(of room: String, in sources: URL) throws -> [SourceFile] {
        try paths(of: room, in: sources).map { try SourceReader.file(path: $0, text: text($0, of: room, in: sources)) }
    }

    /// The Swift sources of a room.
    static func texts(of room: String, in sources: URL) throws -> [String] {
        try paths(of: room, in: sources).map { try text($0, of: room, in: sources) }
    }

    private static func paths(of room: String, in sources: URL) -> [String] {
        let all = FileManager.default.enumerator(atPath: sources.appending(path: room).path)?.compactMap {
            $0 as? String
        }
        return (all ?? []).filter { $0.hasSuffix(".swift") }.sorted()
    }

    private static func text(_ path: String, of room: String, in sources: URL) throws -> String {
        try String(contentsOf: sources.appending(path: room).appending(path: path), encoding: .utf8)
    }
}
