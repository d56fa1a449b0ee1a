internal import ArgumentParser
internal import Foundation

/// Files the user asked for.
enum OutputFile {
    /// Writes the whole text or nothing: the file appears under its name only when it is complete.
    ///
    /// Devices and pipes are written to directly, because replacing them would remove them.
    /// - Throws: the exit code of bad input, after a line that names the path and the reason.
    static func write(_ text: String, to path: String) throws {
        var isDirectory: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
        if isDirectory.boolValue { throw Failure.input("cannot write \(path): it is a directory") }
        let type = exists ? try? FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType : nil
        let isSpecial = exists && type != .typeRegular && type != .typeSymbolicLink
        do {
            try Data(text.utf8).write(to: URL(filePath: path), options: isSpecial ? [] : .atomic)
        } catch {
            throw Failure.input("cannot write \(path): \(reason(error, path: path))")
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

extension Failure {
    /// Says on standard error what is wrong with the input; the exit code to throw.
    static func input(_ message: String) -> ExitCode {
        Console.error(message)
        return ExitCode(badInput)
    }
}
