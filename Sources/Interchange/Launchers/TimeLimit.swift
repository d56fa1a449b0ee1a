internal import Plans

/// How long a job may take: the prediction, rounded up, in the forms of the systems.
struct TimeLimit: Hashable {
    /// Minutes of the limit.
    let minutes: Int
    /// Why it is that much.
    let words: String

    /// Minutes beside the steps: to start, and to save before the end.
    static let margin = 60
    /// A run that saves its last checkpoint ends itself so many minutes before the limit.
    static let saving = 30
    /// More than any system is asked for: 9,999 days.
    private static let most = 9_999 * 1_440

    /// - Parameter iterations: steps of a run whose length the plan does not say.
    init(_ context: ExportContext, iterations: Int?) {
        let days = context.highDays ?? context.days
        let steps = context.steps ?? iterations
        let seconds = days.map { $0 * 86_400 } ?? steps.map { Double($0) * context.stepSeconds } ?? .infinity
        let wanted = (seconds / 60).rounded(.up) + Double(Self.margin)
        let counted: String
        if context.highDays != nil {
            counted = "the most days that the run is predicted to take"
        } else if days != nil {
            counted = "the predicted days of the run"
        } else {
            counted = "\(steps.map(String.init) ?? "all") steps at the predicted time of one"
        }
        // The next ten minutes; beyond a day the next hour.
        let unit = wanted > 1_440 ? 60.0 : 10.0
        let rounded = (wanted / unit).rounded(.up) * unit
        guard rounded.isFinite, rounded < Double(Self.most) else {
            minutes = Self.most
            words = "Time: more than a system takes is predicted; 9,999 days."
            return
        }
        minutes = max(Self.margin + 10, Int(rounded))
        words = "Time: \(counted), an hour to start and to save, rounded up."
    }

    /// Slurm's D-HH:MM:SS.
    var slurm: String { "\(minutes / 1_440)-\(Self.two(minutes / 60 % 24)):\(Self.two(minutes % 60)):00" }
    /// PBS's HH:MM:SS.
    var pbs: String { "\(Self.two(minutes / 60)):\(Self.two(minutes % 60)):00" }
    /// LSF's H:MM.
    var lsf: String { "\(minutes / 60):\(Self.two(minutes % 60))" }
    /// Seconds, as Kubernetes counts.
    var seconds: Int { minutes * 60 }
    /// After so many minutes a run ends itself.
    var ending: Int { minutes - Self.saving }

    /// How often a job may start itself again: often enough for a site whose limit is a day.
    var restarts: Int { 20 + 2 * (minutes / 1_440) }

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
