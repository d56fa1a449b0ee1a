internal import Foundation
internal import Models
internal import Numbers
internal import Plans
internal import Reading
internal import ScalingLaws

/// The runs that a law is fitted to, read from tables and from the folders of real runs.
struct FinishedRuns {
    var points: [LossPoint] = []
    var held: [LossPoint] = []
    private(set) var files = ReadFiles()

    /// Reads every path: the folder of a run, its log, or a table.
    /// - Throws: the problems of all files.
    init(_ paths: [String], unit: LossTable.Unit?) throws(PlanProblems) {
        var problems: [PlanProblem] = []
        for path in paths {
            do throws(PlanProblems) {
                if let folder = Self.folder(path) {
                    points.append(try Self.run(folder, files: &files))
                } else {
                    let table = try LossTable.read(path: path, unit: unit, files: &files)
                    points += table.points
                    held += table.held
                }
            } catch {
                problems += error.problems
            }
        }
        guard problems.isEmpty else { throw PlanProblems(problems) }
    }

    /// The folder of a run that `path` names by itself or by its log; nil: it is a table.
    private static func folder(_ path: String) -> String? {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return nil }
        if isFolder.boolValue { return path }
        guard path.hasSuffix(".jsonl") else { return nil }
        return (path as NSString).deletingLastPathComponent.isEmpty
            ? "." : (path as NSString).deletingLastPathComponent
    }

    /// Steps at the end whose mean loss counts where nothing was validated, as a share of all.
    private static let lastShare = 0.05

    /// A finished run: its parameters from its plan, its tokens from the steps of its log, and its last validation loss, or
    /// where there is none the mean training loss of its last twentieth.
    private static func run(_ folder: String, files: inout ReadFiles) throws(PlanProblems) -> LossPoint {
        func refusal(_ file: String, _ rule: String, _ fix: String = "") -> PlanProblems {
            PlanProblems([PlanProblem(file: folder + "/" + file, field: "", rule: rule, fix: fix)])
        }
        guard let manifest = try RunManifest.read(folder: folder) else {
            throw refusal(RunFolder.manifest, "is missing, so \(folder) is no run's folder")
        }
        guard manifest.state == .finished else {
            throw refusal(
                RunFolder.manifest,
                "says that the run is \(manifest.state.rawValue): a loss before the end of its schedule of rates says little of the end",
                "fit finished runs")
        }
        let plan = try Plan.read(path: folder + "/" + RunFolder.plan, files: &files)
        let path = folder + "/" + RunFolder.log
        guard let text = FileManager.default.contents(atPath: path).map({ String(decoding: $0, as: UTF8.self) }) else {
            throw refusal(RunFolder.log, "cannot be read")
        }
        files.add(path)
        guard let steps = try? StepMetrics.steps(of: text), let last = steps.last else {
            throw refusal(RunFolder.log, "is not the log of a run")
        }
        let count = max(1, Int(saturating: Double(steps.count) * lastShare))
        let tail = steps.suffix(count).map(\.loss).filter(\.isFinite)
        let trained = tail.isEmpty ? Double.nan : tail.reduce(0, +) / Double(tail.count)
        let loss = last.validation?.loss ?? trained
        guard loss.isFinite, loss > 0 else { throw refusal(RunFolder.log, "ends without a finite loss") }
        return LossPoint(
            parameters: Double(plan.model.parameters().active),
            tokens: Double(last.step + 1) * Double(plan.batch) * Double(plan.model.sequence), loss: loss,
            name: manifest.plan)
    }
}
