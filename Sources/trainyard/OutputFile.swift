internal import ArgumentParser
internal import Foundation

/// Files the user asked for.
enum OutputFile {
    /// Writes the whole text or nothing: the file appears under its name only when it is complete.
    ///
    /// Devices and pipes are written to directly, because replacing them would remove them.
    /// - Throws: `CleanFailure` that names the path and the reason.
    static func write(_ text: String, to path: String) throws {
        var isDirectory: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
        if isDirectory.boolValue { throw CleanFailure.badInput("cannot write \(path): it is a directory") }
        let type = exists ? try? FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType : nil
        let isSpecial = exists && type != .typeRegular && type != .typeSymbolicLink
        do {
            try Data(text.utf8).write(to: URL(filePath: path), options: isSpecial ? [] : .atomic)
        } catch {
            throw CleanFailure.badInput("cannot write \(path): \(reason(error, path: path))")
        }
    }

    /// What the operating system says, without the layers around it.
    private static func reason(_ error: any Error, path: String) -> String {
        let folder = URL(filePath: path).deletingLastPathComponent().path
        if !FileManager.default.fileExists(atPath: folder) { return "there is no folder \(folder)" }
        let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error
        if let posix = underlying as? POSIXError { return String(cString: strerror(posix.code.rawValue)) }
        if let underlying = underlying as NSError?, underlying.domain == NSPOSIXErrorDomain {
            return String(cString: strerror(Int32(underlying.code)))
        }
        return (error as NSError).localizedDescription
    }
}

/// A failure told in one line on standard error, and the exit code of the contract.
enum CleanFailure {
    /// Bad usage or bad input: exit code 2.
    static func badInput(_ message: String) -> ExitCode { failure(message, code: 2) }

    /// Says why on standard error and gives the exit code to throw.
    static func failure(_ message: String, code: Int32) -> ExitCode {
        FileHandle.standardError.write(Data("error: \(message)\n".utf8))
        return ExitCode(code)
    }
}
