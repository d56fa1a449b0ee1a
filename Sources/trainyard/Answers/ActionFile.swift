internal import Foundation
internal import Interchange
internal import Reports
internal import Schedules

/// Reads a file of action lists.
enum ActionFile {
    /// - Throws: the exit code of bad input, after a line that names the file and what is wrong.
    static func read(_ path: String) throws -> Schedule {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Failure.input("\(path): no such file, or it cannot be read")
        }
        guard data.count <= ActionListReader.mostBytes else {
            throw Failure.input("\(path): larger than \(ActionListReader.mostBytes) bytes")
        }
        guard let text = String(data: data, encoding: .utf8) else { throw Failure.input("\(path): not text") }
        let name = URL(filePath: path).deletingPathExtension().lastPathComponent
        do throws(ActionListProblem) {
            return try ActionListReader.read(text, name: name)
        } catch {
            throw Failure.input("\(path): \(error)")
        }
    }

    /// The lists as PyTorch's pipeline runtime reads them, which `read` reads too.
    /// - Throws: the exit code of bad input, after a line that says what PyTorch does not know.
    static func csv(_ schedule: Schedule) throws -> String {
        do throws(ScheduleCSV.Reason) {
            return try ScheduleCSV.text(schedule)
        } catch {
            throw Failure.input("\(schedule.title) has no CSV: \(error.words)")
        }
    }
}
