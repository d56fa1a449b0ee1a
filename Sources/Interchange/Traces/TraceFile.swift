internal import Foundation
internal import Reading

/// Reads the files of traces, of any size: they are mapped into memory and walked over once.
enum TraceFile {
    /// The events of the file at `path`.
    /// - Throws: the one problem that stops the reading, with line and column where the text is at fault.
    static func events(_ path: String) throws(PlanProblems) -> TraceEvents {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw one(path, "no such file")
        }
        if isDirectory.boolValue { throw one(path, "is a directory", "name the trace files in it") }
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe) else {
            throw one(path, "cannot be opened for reading", "check its permissions")
        }
        guard !data.isEmpty else { throw one(path, "is empty") }
        let result: Result<TraceEvents, PlanProblems> = data.withUnsafeBytes { raw in
            let bytes = raw.bindMemory(to: UInt8.self)
            do throws(PlanProblems) { return .success(try unpackedEvents(bytes, path)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private static func unpackedEvents(_ bytes: UnsafeBufferPointer<UInt8>, _ path: String) throws(PlanProblems)
        -> TraceEvents
    {
        guard Gunzip.isPacked(bytes) else { return try events(bytes, path) }
        let unpacked: [UInt8]
        do throws(Gunzip.Fault) { unpacked = try Gunzip.unpacked(bytes) } catch {
            throw one(path, error.rule, "write the trace again, or unpack it with `gunzip`")
        }
        let result: Result<TraceEvents, PlanProblems> = unpacked.withUnsafeBufferPointer { text in
            do throws(PlanProblems) { return .success(try events(text, path)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    private static func events(_ text: UnsafeBufferPointer<UInt8>, _ path: String) throws(PlanProblems) -> TraceEvents {
        do throws(JSONScanner.Fault) { return try TraceEvents(text) } catch {
            let (line, column) = JSONScanner.position(of: error.place, in: text)
            throw PlanProblems([
                PlanProblem(
                    file: path, line: line, column: column, field: "",
                    rule: "is not JSON of trace events: \(error.rule)")
            ])
        }
    }

    static func one(_ path: String, _ rule: String, _ fix: String = "") -> PlanProblems {
        PlanProblems([PlanProblem(file: path, field: "", rule: rule, fix: fix)])
    }
}
