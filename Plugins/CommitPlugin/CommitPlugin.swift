import Foundation
import PackagePlugin

/// Writes the commit that a target is built from into a source file of that target.
///
/// The build tool keeps what a plugin answered while no file is added, so the command itself asks git. It runs again where
/// the checked-out commit or the index has changed, and writes only another name. Outside a git checkout, a source archive
/// say, the commit is empty.
@main
struct CommitPlugin: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let folder = context.package.directoryURL
        let file = context.pluginWorkDirectoryURL.appending(path: "Commit.swift")
        let changing = ["HEAD", "logs/HEAD", "index"]
            .map { Self.git(["rev-parse", "--path-format=absolute", "--git-path", $0], in: folder) }
            .filter { !$0.isEmpty && FileManager.default.fileExists(atPath: $0) }
        return [
            .buildCommand(
                displayName: "Naming the commit", executable: URL(filePath: "/bin/sh"),
                arguments: ["-c", Self.script, "sh", folder.path, file.path],
                inputFiles: changing.map { URL(filePath: $0) }, outputFiles: [file])
        ]
    }

    /// `$1`: the checkout, `$2`: the file.
    private static let script = #"""
        commit=$(git -C "$1" rev-parse --short=10 HEAD 2>/dev/null)
        if [ -n "$commit" ] && [ -n "$(git --no-optional-locks -C "$1" status --porcelain --untracked-files=no)" ]; then
            commit="$commit, modified"
        fi
        source="enum Commit { static let name = \"$commit\" }"
        [ -e "$2" ] && [ "$(cat "$2")" = "$source" ] || printf '%s\n' "$source" > "$2"
        """#

    /// What git prints, without the last line's end; empty where there is no git or no checkout.
    private static func git(_ arguments: [String], in folder: URL) -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["git", "-C", folder.path] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return "" }
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { return "" }
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
