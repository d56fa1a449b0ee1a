import Foundation
import PackagePlugin

/// Writes the commit that a target is built from into a source file of that target.
///
/// The commit is part of the build command, so the file is written again only where the commit has changed. Outside a
/// git checkout, a source archive say, the commit is empty.
@main
struct CommitPlugin: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let folder = context.package.directoryURL
        var commit = Self.git(["rev-parse", "--short=10", "HEAD"], in: folder)
        if !commit.isEmpty, !Self.git(["status", "--porcelain", "--untracked-files=no"], in: folder).isEmpty {
            commit += ", modified"
        }
        let file = context.pluginWorkDirectoryURL.appending(path: "Commit.swift")
        let source = "enum Commit { static let name = \"\(commit)\" }"
        return [
            .buildCommand(
                displayName: "Naming the commit", executable: URL(filePath: "/bin/sh"),
                arguments: ["-c", "printf '%s\\n' \"$1\" > \"$2\"", "sh", source, file.path],
                inputFiles: [], outputFiles: [file])
        ]
    }

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
