internal import Foundation
internal import Reading

/// Where a Hugging Face configuration lies.
enum ConfigurationPath {
    /// The configuration file that `path` means: the file itself, one in the directory, one of a snapshot in a folder of
    /// the Hub's local cache, or that of the model of this name (`meta-llama/Llama-3.1-8B`) in the cache. nil: none.
    static func resolve(_ path: String, library: Library) -> String? {
        let home = FileManager.default.homeDirectoryForCurrentUser.path
        let path = path.hasPrefix("~/") ? home + path.dropFirst() : path
        if let found = library.existing(path), let file = file(at: found) { return file }
        guard path.split(separator: "/").count <= 2 else { return nil }
        let folder = "models--" + path.replacing("/", with: "--")
        return caches(home: home).lazy.compactMap { file(at: "\($0)/\(folder)") }.first
    }

    /// Folders that the Hub's tools keep models in (huggingface_hub: HF_HUB_CACHE, HF_HOME, else the user's cache).
    private static func caches(home: String) -> [String] {
        let environment = ProcessInfo.processInfo.environment
        var folders: [String] = []
        if let cache = environment["HF_HUB_CACHE"] { folders.append(cache) }
        if let root = environment["HF_HOME"] { folders.append("\(root)/hub") }
        return folders + ["\(home)/.cache/huggingface/hub"]
    }

    private static func file(at path: String) -> String? {
        let manager = FileManager.default
        var isDirectory: ObjCBool = false
        guard manager.fileExists(atPath: path, isDirectory: &isDirectory) else { return nil }
        guard isDirectory.boolValue else { return path }
        let own = "\(path)/config.json"
        if manager.fileExists(atPath: own) { return own }
        let snapshots = "\(path)/snapshots"
        let main = (try? String(contentsOfFile: "\(path)/refs/main", encoding: .utf8))?.trimmingCharacters(
            in: .whitespacesAndNewlines)
        let all = (try? manager.contentsOfDirectory(atPath: snapshots))?.sorted() ?? []
        return ([main].compactMap(\.self) + all).lazy.map { "\(snapshots)/\($0)/config.json" }
            .first { manager.fileExists(atPath: $0) }
    }
}
