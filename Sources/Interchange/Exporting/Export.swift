package import Plans
package import Schedules

/// A file of an export.
package struct ExportedFile: Hashable, Sendable {
    package var name: String
    package var text: String
    package var isExecutable: Bool

    package init(_ name: String, _ text: String, isExecutable: Bool = false) {
        (self.name, self.text, self.isExecutable) = (name, text, isExecutable)
    }

    /// Words in the first line of every file that has room for a comment.
    package static let mark = "written by trainyard"

    /// Files without room for a comment, and those beside them that carry their header.
    private static let headers: [String: [String]] = [
        "deepspeed.json": ["deepspeed.txt", "training_args.yaml"], "config.json": ["training_args.yaml"],
        "schedule.csv": ["schedule.txt"],
    ]

    /// Whether a file in a folder is one that an export wrote.
    /// - Parameter start: gives the first characters of a file of the folder; nil: there is none, or it is no text.
    package static func isExported(_ name: String, start: (String) -> String?) -> Bool {
        // The line of a script stands below the one that names its interpreter.
        func hasMark(_ name: String) -> Bool {
            start(name)?.split(separator: "\n", omittingEmptySubsequences: false).prefix(3).contains {
                $0.contains(", \(mark) ")
            } ?? false
        }
        return hasMark(name) || headers[name].map { $0.contains(where: hasMark) } ?? false
    }
}

/// Something that a plan says and a target cannot.
package struct ExportGap: Hashable, Sendable {
    /// The key of the plan.
    package var field: String
    /// Its value, as a plan writes it.
    package var value: String
    /// Why the target cannot say it.
    package var reason: String
    /// What the nearest plan has in its place; nil: there is no near plan.
    package var nearest: String?

    package init(_ field: String, _ value: String, _ reason: String, nearest: String? = nil) {
        (self.field, self.value, self.reason, self.nearest) = (field, value, reason, nearest)
    }
}

/// A plan as the files of a target.
package struct Export: Sendable {
    package var files: [ExportedFile]
    /// What the plan says and the files do not.
    package var gaps: [ExportGap]
    /// The plan that the files say. Without gaps it is the plan itself.
    package var plan: Plan

    /// What could not be said, with nothing written.
    package var withoutFiles: Export { Export(files: [], gaps: gaps, plan: plan) }
}

/// Figures and texts that an export states beside the plan: its price, its file, and the release that wrote it.
package struct ExportContext: Sendable {
    /// The plan's file as the user named it.
    package var source: String
    /// Our own release.
    package var version: String
    /// Predicted seconds of a step, with the software that runs the files.
    package var stepSeconds: Double
    /// Predicted memory of the fullest device, and what a device has.
    package var peakGiB: Double
    package var capacityGiB: Double
    /// Steps of the run; nil: the plan does not say how long it is.
    package var steps: Int?
    /// Steps between checkpoints that cost the least together with the failures to expect; nil: not known.
    package var saveEvery: Int?
    /// Predicted days of the run.
    package var days: Double?
    /// The most days that the run takes with the prediction's confidence.
    package var highDays: Double?
    /// The written-out plan, for launchers of our own runtime.
    package var planText: String
    /// The software that all figures are of, where it is another than the plan's, and what the plan's own takes.
    package var other: OtherSoftware?
    /// Whether the run fits in the memory of its devices, and in that of their hosts.
    package var fits = true

    /// Action lists in place of those of the plan's schedule, and how they were found; nil: the plan's own.
    package var searched: (schedule: Schedule, words: String)?

    /// Software that runs the files in place of the plan's own.
    package struct OtherSoftware: Hashable, Sendable {
        package var name: String
        /// The plan's software, and its figures.
        package var planName: String
        package var planSeconds: Double
        package var planGiB: Double

        package init(_ name: String, inPlaceOf planName: String, planSeconds: Double, planGiB: Double) {
            (self.name, self.planName, self.planSeconds, self.planGiB) = (name, planName, planSeconds, planGiB)
        }
    }

    package init(
        source: String, version: String, stepSeconds: Double, peakGiB: Double, capacityGiB: Double, steps: Int?,
        saveEvery: Int?, days: Double?, highDays: Double? = nil, planText: String
    ) {
        (self.source, self.version, self.stepSeconds) = (source, version, stepSeconds)
        (self.peakGiB, self.capacityGiB, self.steps) = (peakGiB, capacityGiB, steps)
        (self.saveEvery, self.days, self.highDays, self.planText) = (saveEvery, days, highDays, planText)
    }

    /// Lines that say where a file comes from and what to expect of it, without comment marks. No name, path or value in them
    /// ends a line: what follows would be outside the comment.
    func header(_ target: ExportTarget, plan: Plan, gaps: [ExportGap]) -> [String] {
        var lines = [origin(plan, for: " for \(target.version)")]
        let with = other.map { " with \($0.name)" } ?? ""
        lines.append(
            "Predicted\(with): \(Self.rounded(stepSeconds)) s a step, \(Self.rounded(peakGiB)) of \(Self.rounded(capacityGiB)) GiB on the fullest device"
                + (days.map { ", \(Self.rounded($0)) days" } ?? "") + (fits ? "." : ": does not fit."))
        if let other {
            lines.append(
                "With the plan's \(other.planName): \(Self.rounded(other.planSeconds)) s a step, \(Self.rounded(other.planGiB)) GiB."
            )
        }
        for gap in gaps {
            lines.append("Nearest: \(gap.field) \(gap.value) became \(gap.nearest ?? "nothing"), since \(gap.reason).")
        }
        return lines.map(PlainComment.line)
    }

    /// The line that says which plan a file is of.
    private func origin(_ plan: Plan, for release: String = "") -> String {
        "Plan \(plan.name) (\(source)), \(ExportedFile.mark) \(version)\(release)."
    }

    /// The written-out plan as a file that says where it comes from.
    package func planFile(_ plan: Plan) -> ExportedFile {
        ExportedFile("plan.yaml", "# \(PlainComment.line(origin(plan)))\n\(planText)")
    }

    private static func rounded(_ number: Double) -> String {
        guard number.isFinite, abs(number) < 1e15 else { return "\(number)" }
        let places = number < 1 ? 10_000.0 : number < 100 ? 100.0 : 10.0
        let value = (number * places).rounded() / places
        return value == value.rounded() ? "\(Int(value))" : "\(value)"
    }
}

/// Writes the files of one target.
protocol Exporter {
    static var target: ExportTarget { get }
    /// Changes `plan`, which has a layout, to the nearest that the target can say, and notes every change.
    static func fit(_ plan: inout Plan, _ gaps: inout [ExportGap])
    /// The software that runs the files of a plan that fits, as `framework` of a plan names it; an import of the files takes the
    /// same. nil: the files leave the software open, or run the plan's own.
    static func software(_ plan: Plan) -> String?
    /// The files of a plan that fits.
    static func files(_ plan: Plan, layout: Layout, header: [String], context: ExportContext) -> [ExportedFile]
}

extension Exporter {
    static func software(_ plan: Plan) -> String? { nil }

    static func export(_ plan: Plan, context: ExportContext) -> Export {
        var (fitted, gaps): (Plan, [ExportGap]) = (plan, [])
        fit(&fitted, &gaps)
        guard let layout = fitted.layout, gaps.allSatisfy({ $0.nearest != nil }) else {
            return Export(files: [], gaps: gaps, plan: fitted)
        }
        let header = context.header(target, plan: fitted, gaps: gaps)
        return Export(files: files(fitted, layout: layout, header: header, context: context), gaps: gaps, plan: fitted)
    }
}
