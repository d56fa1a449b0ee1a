internal import Foundation

/// Files that another file names from the folder where its command runs.
enum NeighbourFile {
    /// A repository's root is no further above a file of it.
    private static let highest = 12

    /// The path of a file that is named by the file `origin`: from its folder, or from a folder above that, as the root of its
    /// repository is; nil: there is none.
    static func find(_ path: String, near origin: String) -> String? {
        if path.hasPrefix("/") { return isFile(path) ? path : nil }
        let plain = path.hasPrefix("./") ? String(path.dropFirst(2)) : path
        let folder = origin.lastIndex(of: "/").map { String(origin[...$0]) } ?? ""
        if isFile(folder + plain) { return folder + plain }
        var url = URL(filePath: folder.isEmpty ? "." : folder).standardizedFileURL
        for _ in 0..<highest where url.path != "/" {
            url = url.deletingLastPathComponent().standardizedFileURL
            let candidate = url.appending(path: plain).path
            if isFile(candidate) { return candidate }
        }
        return nil
    }

    /// Whether it is a file of text: a pipe would be waited for.
    static func isFile(_ path: String) -> Bool {
        let file = URL(filePath: path).resolvingSymlinksInPath().path
        let kind = try? FileManager.default.attributesOfItem(atPath: file)[.type] as? FileAttributeType
        return kind == .typeRegular
    }
}
