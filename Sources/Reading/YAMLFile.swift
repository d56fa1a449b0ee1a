internal import Foundation
package import Yams

/// Reads a file as YAML nodes that know their line and column.
package enum YAMLFile {
    /// Largest size of a file. Plan and cluster files have a few kilobytes, so a far larger file is of another kind.
    package static let largestBytes = 4 << 20

    /// Reads the root node of the file at `path`, which is added to `files`.
    /// - Throws: the one problem that stops the reading.
    package static func compose(
        path: String, files: inout ReadFiles, refusesRepeats: Bool = false
    ) throws(PlanProblems) -> Node {
        try compose(text: try text(path: path, files: &files), name: path, refusesRepeats: refusesRepeats)
    }

    /// Reads the text of the file at `path`, which is added to `files`.
    package static func text(path: String, files: inout ReadFiles) throws(PlanProblems) -> String {
        let text = try text(path: path)
        files.add(path)
        return text
    }

    /// Reads the text of the file at `path`.
    package static func text(path: String) throws(PlanProblems) -> String {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw one(path, "no such file")
        }
        if isDirectory.boolValue {
            throw one(path, "is a directory", "name a file in it")
        }
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw one(path, "cannot be opened for reading", "check its permissions")
        }
        defer { try? handle.close() }
        guard let data = try? handle.read(upToCount: largestBytes + 1) ?? Data() else {
            throw one(path, "cannot be read")
        }
        guard data.count <= largestBytes else {
            throw one(path, "is larger than 4 MiB, too large for a YAML file of ours")
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw one(path, "is not UTF-8 text")
        }
        return text
    }

    /// Reads the root node of `text`. Keys that a map has twice are among its nodes (`RepeatedKeys`), unless they are
    /// refused, or cannot be read otherwise.
    package static func compose(
        text: String, name: String, refusesRepeats: Bool = false
    ) throws(PlanProblems) -> Node {
        let empty = one(name, "is empty", "see docs/plan-format.md for an example")
        do {
            // The basic resolver does not guess types, since every value is read from its text.
            guard let node = try Yams.compose(yaml: text, .basic) else { throw empty }
            if case .scalar(let scalar) = node, scalar.string.trimmed.isEmpty { throw empty }
            return node
        } catch let problems as PlanProblems {
            throw problems
        } catch let error as YamlError {
            if !refusesRepeats, case .duplicatedKeysInMapping = error {
                do {
                    if let node = try RepeatedKeys.compose(text) { return node }
                } catch let other as YamlError {
                    throw PlanProblems([worded(error, name: name), worded(other, name: name)])
                } catch {}
            }
            throw PlanProblems([worded(error, name: name)])
        } catch {
            throw one(name, "is not YAML")
        }
    }

    private static func one(_ name: String, _ rule: String, _ fix: String = "") -> PlanProblems {
        PlanProblems([PlanProblem(file: name, field: "", rule: rule, fix: fix)])
    }

    private static func worded(_ error: YamlError, name: String) -> PlanProblem {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let detail = [context?.text, problem].compactMap(\.self).filter { !$0.isEmpty }.joined(separator: ": ")
            return PlanProblem(
                file: name, line: mark.line, column: mark.column, field: "", rule: "is not YAML: \(detail)")
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.map { "'\($0)'" }.joined(separator: ", ")
            return PlanProblem(
                file: name, line: context.mark.line, column: context.mark.column, field: "",
                rule: "the same key twice in one map: \(names)", fix: "keep one of them")
        case .reader(let problem, _, _, _):
            return PlanProblem(file: name, field: "", rule: "is not YAML: \(problem)")
        default:
            return PlanProblem(file: name, field: "", rule: "is not YAML")
        }
    }
}
