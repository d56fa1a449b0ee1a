internal import Output
internal import Plans
internal import Reading

extension OutputFile {
    /// Refuses paths that cannot be written, before the work.
    static func check(_ files: [NamedPath]) throws(OutputError) {
        for file in files { _ = try OutputFile(file.path) }
    }

    /// Refuses paths that lead to one another or to a file that was read, after reading.
    /// - Parameters:
    ///   - inputs: files by the option or argument that names them.
    ///   - sources: plan files and what they are read with.
    static func check(_ files: [NamedPath], reading inputs: [NamedPath], _ sources: ReadFiles) throws(OutputError) {
        guard !files.isEmpty else { return }
        try CommandFiles(written: files, read: inputs + sources.named).check()
    }
}
