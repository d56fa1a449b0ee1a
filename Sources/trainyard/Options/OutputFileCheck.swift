internal import Output
internal import Plans
internal import Reading

extension OutputFile {
    /// Refuses paths that cannot be written, before the work whose results go there.
    static func check(_ files: [NamedPath]) throws(OutputError) {
        for file in files { _ = try OutputFile(file.path) }
    }

    /// Refuses, once the input is read, paths that lead to one another or to what was read.
    static func check(_ files: [NamedPath], reading inputs: [NamedPath]) throws(OutputError) {
        guard !files.isEmpty else { return }
        try CommandFiles(written: files, read: inputs + ReadFiles.named).check()
    }
}
