import Foundation
import Output
import TestSupport
import Testing

extension TemporaryFolder {
    /// Kind and permissions of the name itself, also where it is a link.
    fileprivate func mode(_ name: String) -> mode_t? {
        var status = stat()
        return lstat(self[name], &status) == 0 ? status.st_mode : nil
    }

    fileprivate func kind(_ name: String) -> mode_t? { mode(name).map { $0 & S_IFMT } }
}

@Suite struct OutputFileTests {
    @Test func aRegularFileKeepsItsPermissions() throws {
        let folder = try TemporaryFolder()
        try folder.write("old", as: "file")
        chmod(folder["file"], 0o640)
        try OutputFile.write("new", to: folder["file"])
        #expect(try folder.read("file") == "new")
        #expect(folder.mode("file").map { $0 & 0o7777 } == 0o640)
        #expect(try folder.names == ["file"])
    }

    /// The link stays, its target is replaced; also one that does not exist yet, and over several links.
    @Test func aLinkIsFollowed() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder["folder"], withIntermediateDirectories: true)
        symlink("folder/target", folder["first"])
        symlink(folder["first"], folder["second"])
        for text in ["one", "two"] {
            try OutputFile.write(text, to: folder["second"])
            #expect(try folder.read("folder/target") == text)
        }
        #expect(folder.kind("first") == S_IFLNK)
        #expect(folder.kind("second") == S_IFLNK)
    }

    @Test func aPipeIsWrittenThrough() throws {
        let folder = try TemporaryFolder()
        mkfifo(folder["pipe"], 0o600)
        // A reader that is there already, so that nobody waits.
        let reader = open(folder["pipe"], O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        try OutputFile.write("through", to: folder["pipe"])
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = read(reader, &bytes, bytes.count)
        #expect(String(decoding: bytes[..<max(0, count)], as: UTF8.self) == "through")
        #expect(folder.kind("pipe") == S_IFIFO)
    }

    /// Nodes of our own: the one that swallows everything, and the one that is always full.
    @Test(.enabled(if: geteuid() == 0, "only root makes devices"))
    func aDeviceStaysADevice() throws {
        let folder = try TemporaryFolder()
        guard mknod(folder["null"], S_IFCHR | 0o600, dev_t(1 << 8 | 3)) == 0,
            mknod(folder["full"], S_IFCHR | 0o600, dev_t(1 << 8 | 7)) == 0
        else { return }
        try OutputFile.write("gone", to: folder["null"])
        let error = try #require(throws: OutputError.self) { try OutputFile.write("lost", to: folder["full"]) }
        #expect(error.description == "cannot write \(folder["full"]): No space left on device")
        #expect(error.moment == .writing)
        #expect(folder.kind("null") == S_IFCHR)
        #expect(folder.kind("full") == S_IFCHR)
        #expect(try folder.names == ["full", "null"])
    }

    @Test func whatIsNotFinishedLeavesNothing() throws {
        let folder = try TemporaryFolder()
        try folder.write("old", as: "file")
        do {
            let writer = try FileWriter(OutputFile(folder["file"]))
            try writer.write("half".utf8)
            #expect(try folder.names.count == 2)
        }
        #expect(try folder.names == ["file"])
        #expect(try folder.read("file") == "old")
    }

    @Test func aLogIsReadWhileItGrows() throws {
        let folder = try TemporaryFolder()
        symlink("log", folder["link"])
        let writer = try FileWriter(OutputFile(folder["link"]), visible: .atOnce)
        try writer.write("first\n".utf8)
        #expect(try folder.read("log") == "first\n")
        try writer.write("second\n".utf8)
        #expect(try folder.read("log") == "first\nsecond\n")
        #expect(folder.kind("link") == S_IFLNK)
    }

    @Test func whatCannotBeWrittenIsRefusedBefore() throws {
        let folder = try TemporaryFolder()
        try folder.write("x", as: "file")
        symlink("circle", folder["circle"])
        for (path, reason) in [
            (folder.path, "it is a directory"), (folder["none/file"], "there is no folder"),
            (folder["file/under"], "is not a folder"), (folder["circle"], "symbolic links"),
            ("", "the path is empty"),
            (folder["new/"], "it names a folder"), ("/dev/fd/999", "descriptor 999 is not open"),
        ] {
            let error = try #require(throws: OutputError.self) { try OutputFile(path) }
            #expect(error.description.contains(reason), "\(error)")
            #expect(error.moment == .before)
        }
        #expect(try folder.names == ["circle", "file"])
    }
}
