import Foundation
import Output
import Testing

/// A folder that goes with the test.
private final class Scratch {
    let path = FileManager.default.temporaryDirectory.appending(path: "trainyard-\(UUID().uuidString)").path

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    subscript(_ name: String) -> String { "\(path)/\(name)" }

    func read(_ name: String) throws -> String { try String(contentsOfFile: self[name], encoding: .utf8) }

    /// Kind and permissions of the name itself, also where it is a link.
    func mode(_ name: String) -> mode_t? {
        var status = stat()
        return lstat(self[name], &status) == 0 ? status.st_mode : nil
    }

    func kind(_ name: String) -> mode_t? { mode(name).map { $0 & S_IFMT } }

    var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() } }
}

@Suite struct OutputFileTests {
    @Test func aRegularFileKeepsItsPermissions() throws {
        let scratch = try Scratch()
        try "old".write(toFile: scratch["file"], atomically: false, encoding: .utf8)
        chmod(scratch["file"], 0o640)
        try OutputFile.write("new", to: scratch["file"])
        #expect(try scratch.read("file") == "new")
        #expect(scratch.mode("file").map { $0 & 0o7777 } == 0o640)
        #expect(try scratch.names == ["file"])
    }

    /// The link stays, its target is replaced; also one that does not exist yet, and over several links.
    @Test func aLinkIsFollowed() throws {
        let scratch = try Scratch()
        try FileManager.default.createDirectory(atPath: scratch["folder"], withIntermediateDirectories: true)
        symlink("folder/target", scratch["first"])
        symlink(scratch["first"], scratch["second"])
        for text in ["one", "two"] {
            try OutputFile.write(text, to: scratch["second"])
            #expect(try scratch.read("folder/target") == text)
        }
        #expect(scratch.kind("first") == S_IFLNK)
        #expect(scratch.kind("second") == S_IFLNK)
    }

    @Test func aPipeIsWrittenThrough() throws {
        let scratch = try Scratch()
        mkfifo(scratch["pipe"], 0o600)
        // A reader that is there already, so that nobody waits.
        let reader = open(scratch["pipe"], O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        #expect(try !OutputFile(scratch["pipe"]).isRegular)
        try OutputFile.write("through", to: scratch["pipe"])
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = read(reader, &bytes, bytes.count)
        #expect(String(decoding: bytes[..<max(0, count)], as: UTF8.self) == "through")
        #expect(scratch.kind("pipe") == S_IFIFO)
    }

    /// Nodes of our own: the one that swallows everything, and the one that is always full.
    @Test(.enabled(if: geteuid() == 0, "only root makes devices"))
    func aDeviceStaysADevice() throws {
        let scratch = try Scratch()
        guard mknod(scratch["null"], S_IFCHR | 0o600, dev_t(1 << 8 | 3)) == 0,
            mknod(scratch["full"], S_IFCHR | 0o600, dev_t(1 << 8 | 7)) == 0
        else { return }
        try OutputFile.write("gone", to: scratch["null"])
        let error = try #require(throws: OutputError.self) { try OutputFile.write("lost", to: scratch["full"]) }
        #expect(error.description == "cannot write \(scratch["full"]): No space left on device")
        #expect(error.moment == .writing)
        #expect(scratch.kind("null") == S_IFCHR)
        #expect(scratch.kind("full") == S_IFCHR)
        #expect(try scratch.names == ["full", "null"])
    }

    @Test func whatIsNotFinishedLeavesNothing() throws {
        let scratch = try Scratch()
        try "old".write(toFile: scratch["file"], atomically: false, encoding: .utf8)
        do {
            let writer = try FileWriter(OutputFile(scratch["file"]))
            try writer.write("half".utf8)
            #expect(try scratch.names.count == 2)
        }
        #expect(try scratch.names == ["file"])
        #expect(try scratch.read("file") == "old")
    }

    @Test func aLogIsReadWhileItGrows() throws {
        let scratch = try Scratch()
        symlink("log", scratch["link"])
        let writer = try FileWriter(OutputFile(scratch["link"]), visible: .atOnce)
        try writer.write("first\n".utf8)
        #expect(try scratch.read("log") == "first\n")
        try writer.write("second\n".utf8)
        #expect(try scratch.read("log") == "first\nsecond\n")
        #expect(scratch.kind("link") == S_IFLNK)
    }

    @Test func whatCannotBeWrittenIsRefusedBefore() throws {
        let scratch = try Scratch()
        try "x".write(toFile: scratch["file"], atomically: false, encoding: .utf8)
        symlink("circle", scratch["circle"])
        for (path, reason) in [
            (scratch.path, "it is a directory"), (scratch["none/file"], "there is no folder"),
            (scratch["file/under"], "is not a folder"), (scratch["circle"], "symbolic links"),
            ("", "the path is empty"),
            (scratch["new/"], "it names a folder"), ("/dev/fd/999", "descriptor 999 is not open"),
        ] {
            let error = try #require(throws: OutputError.self) { try OutputFile(path) }
            #expect(error.description.contains(reason), "\(error)")
            #expect(error.moment == .before)
        }
        #expect(try scratch.names == ["circle", "file"])
    }
}
