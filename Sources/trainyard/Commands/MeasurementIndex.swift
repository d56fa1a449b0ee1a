internal import Foundation
internal import Plans

/// The `index.json` beside plan files: what each plan was measured to take, by file name without extension.
struct MeasurementIndex {
    private struct Entry: Decodable {
        var seconds: Double
        var source: String?
        var memoryGB: Double?
    }

    private var entries: [String: Entry] = [:]

    /// The index in `folder`; empty where there is no such file.
    static func beside(_ folder: String) throws -> MeasurementIndex {
        let path = "\(folder)/index.json"
        guard let data = FileManager.default.contents(atPath: path) else { return MeasurementIndex() }
        do {
            return MeasurementIndex(entries: try JSONDecoder().decode([String: Entry].self, from: data))
        } catch {
            throw Failure.input(
                "\(path): must map names of plan files to {\"seconds\": …}, e.g. {\"my-run\": {\"seconds\": 12.5}}")
        }
    }

    subscript(file: String) -> Plan.Measured? {
        let name = (file as NSString).lastPathComponent as NSString
        guard let entry = entries[name.deletingPathExtension] else { return nil }
        return Plan.Measured(
            seconds: entry.seconds, memoryBytes: entry.memoryGB.map { $0 * 1e9 }, source: entry.source)
    }
}
