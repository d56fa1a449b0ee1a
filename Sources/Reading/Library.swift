internal import Foundation

/// The search path for named model shapes, clusters and frameworks.
///
/// The folders, in order: the plan file's folder, the working directory, then the resource root. The resource root is
/// `TRAINYARD_HOME` if that is set, else the nearest folder above the program that holds `cluster/` and
/// `plans/models/`.
package struct Library: Hashable, Sendable {
    /// Folders that are searched; the first match wins.
    package var folders: [String]

    package init(folders: [String]) { self.folders = folders }

    /// The standard search path, starting with the folder of `planFile`.
    package static func standard(besides planFile: String? = nil) -> Library {
        var folders: [String] = []
        if let planFile { folders.append((planFile as NSString).deletingLastPathComponent) }
        folders.append(FileManager.default.currentDirectoryPath)
        if let root = resourceRoot() { folders.append(root) }
        var seen: Set<String> = []
        return Library(folders: folders.map { $0.isEmpty ? "." : $0 }.filter { seen.insert($0).inserted })
    }

    /// The folder of the files shipped with the program; nil if it is not found.
    package static func resourceRoot() -> String? {
        if let home = ProcessInfo.processInfo.environment["TRAINYARD_HOME"], !home.isEmpty { return home }
        let program = Bundle.main.executablePath ?? CommandLine.arguments.first ?? ""
        var folder = URL(fileURLWithPath: program).resolvingSymlinksInPath().deletingLastPathComponent()
        while folder.path != "/", !folder.path.isEmpty {
            let holds = { FileManager.default.fileExists(atPath: folder.appendingPathComponent($0).path) }
            if holds("cluster"), holds("plans/models") { return folder.path }
            folder.deleteLastPathComponent()
        }
        return nil
    }

    /// The file of the model shape `name`, or a path that ends in .yaml or .yml; nil if there is none.
    package func modelFile(_ name: String) -> String? {
        Self.endings.contains { name.hasSuffix($0) } ? existing(name) : file(name, in: ["plans/models", "models"])
    }

    /// The file of the cluster `name`; nil if there is none.
    package func clusterFile(_ name: String) -> String? { file(name, in: ["cluster"]) }

    /// The file of the framework `name`; nil if there is none.
    package func frameworkFile(_ name: String) -> String? { file(name, in: ["frameworks"]) }

    package var frameworkNames: [String] { names(in: ["frameworks"]) }

    package var modelNames: [String] { names(in: ["plans/models", "models"]) }

    package var clusterNames: [String] { names(in: ["cluster"]) }

    /// An absolute `path` as it is, or a relative one inside one of the folders; nil if no such file exists.
    package func existing(_ path: String) -> String? {
        let candidates = path.hasPrefix("/") ? [path] : folders.map { "\($0)/\(path)" }
        return candidates.first { FileManager.default.fileExists(atPath: $0) }
    }

    /// The advice about an unknown name: the nearest known name, or all names.
    package static func suggestion(for name: String, among names: [String]) -> String {
        let near = Wording.didYouMean(name, among: names)
        if !near.isEmpty { return near }
        let alike = Synonyms.names(like: name, among: names)
        if !alike.isEmpty { return "did you mean \(Wording.alternatives(alike.map { "'\($0)'" }))?" }
        return names.isEmpty
            ? "set TRAINYARD_HOME to the folder that holds cluster/ and plans/models/"
            : "known: \(names.joined(separator: ", "))"
    }

    /// Whether a reference is a path rather than a name.
    package static func isPath(_ reference: String) -> Bool {
        reference.contains("/") || reference.hasSuffix(".yaml") || reference.hasSuffix(".yml")
    }

    /// The file's name without folder and ending, `torch-2.3` for `frameworks/torch-2.3.yaml`: the name of a file that
    /// states none.
    package static func stem(_ path: String) -> String {
        let file = path.split(separator: "/").last.map(String.init) ?? path
        let ending = endings.first { file.hasSuffix($0) && file != $0 }
        return ending.map { String(file.dropLast($0.count)) } ?? file
    }

    private static let endings = [".yaml", ".yml"]

    private func file(_ name: String, in subfolders: [String]) -> String? {
        for folder in folders {
            for subfolder in subfolders {
                for ending in Self.endings {
                    let path = "\(folder)/\(subfolder)/\(name)\(ending)"
                    if FileManager.default.fileExists(atPath: path) { return path }
                }
            }
        }
        return nil
    }

    private func names(in subfolders: [String]) -> [String] {
        var names: Set<String> = []
        for folder in folders {
            for subfolder in subfolders {
                let files = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(subfolder)")) ?? []
                names.formUnion(
                    files.filter { file in Self.endings.contains { file.hasSuffix($0) } }.map(Self.stem))
            }
        }
        return names.sorted()
    }
}
