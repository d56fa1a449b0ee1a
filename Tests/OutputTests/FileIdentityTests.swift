import Foundation
import Output
import Testing

@Suite struct FileIdentityTests {
    /// Calls `body` with a folder that holds `text`, a link `soft` and a second name `hard` of it.
    private func inFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "trainyard-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder + "/deep", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Data("text".utf8).write(to: URL(filePath: folder + "/text"))
        symlink("text", folder + "/soft")
        link(folder + "/text", folder + "/hard")
        symlink("new", folder + "/dangling")
        symlink(folder, folder + "/deep/up")
        mkfifo(folder + "/pipe", 0o600)
        try body(folder)
    }

    @Test func everySpellingIsTheSameFile() throws {
        try inFolder { folder in
            let text = try #require(FileIdentity(folder + "/text"))
            for name in ["soft", "hard", "./text", "deep/../text", "deep/up/soft"] {
                #expect(FileIdentity("\(folder)/\(name)") == text, "\(name)")
            }
            let new = try #require(FileIdentity(folder + "/new"))
            for name in ["dangling", "./new", "deep/up/new", "none/../new", "none/deeper/../../new"] {
                #expect(FileIdentity("\(folder)/\(name)") == new, "\(name)")
            }
            #expect(new != text && FileIdentity(folder + "/none/new") != new)
            #expect(FileIdentity(folder + "/pipe") == nil && FileIdentity("/dev/stdout") == nil)
        }
    }

    @Test func filesOfACommandAreKeptApart() throws {
        try inFolder { folder in
            func refusal(_ files: CommandFiles) -> String? {
                do throws(OutputError) { try files.check() } catch { return error.description }
                return nil
            }
            func named(_ name: String, _ file: String) -> NamedPath { NamedPath(name, folder + "/" + file) }
            let twice = refusal(CommandFiles(written: [named("--save", "new"), named("--trace", "dangling")]))
            #expect(twice?.contains("--save and --trace name the same file") == true)
            let input = refusal(CommandFiles(written: [named("--save", "hard")], read: [named("train.data", "soft")]))
            #expect(input?.contains("--save would replace the file that train.data names") == true)
            let gone = refusal(
                CommandFiles(written: [], removed: [named("--overwrite", "text")], read: [named("init", "soft")]))
            #expect(gone?.contains("--overwrite would remove the file that init names") == true)
            let above = refusal(
                CommandFiles(written: [named("--save", "run")], folders: [named("the run", "run/deep")]))
            #expect(above?.contains("--save names a folder, that of the run") == true)
            let shared = CommandFiles(written: [named("--save", "pipe"), named("--log", "pipe")])
            #expect(refusal(shared) == nil)
        }
    }
}
