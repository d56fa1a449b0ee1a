internal import Foundation
internal import Numbers
internal import Schedules

/// Processor time of the whole machine since its start, and of this program with its finished child processes.
struct ProcessorTimes {
    /// Seconds of all cores: in which programs ran, in which a hypervisor ran another machine, and in total.
    var busy: Double
    var stolen: Double
    var total: Double
    /// Seconds of this program, its children and their children.
    var own: Double

    /// The times now, from `/proc/stat` (proc(5)); nil where there is no such file.
    static func now() -> ProcessorTimes? {
        guard let text = try? String(contentsOfFile: "/proc/stat", encoding: .utf8) else { return nil }
        return ProcessorTimes(statistics: text, own: ownSeconds())
    }

    /// - Parameter statistics: the text of `/proc/stat`, whose first line has the ticks of all cores: user, nice,
    ///   system, idle, iowait, irq, softirq, steal.
    init?(statistics: String, own: Double) {
        guard let line = statistics.split(separator: "\n").first, line.hasPrefix("cpu ") else { return nil }
        let ticks = line.split(separator: " ").dropFirst().compactMap { Double($0) }
        guard ticks.count >= 8 else { return nil }
        let second = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        busy = (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / second
        stolen = ticks[7] / second
        total = ticks[0..<8].reduce(0, +) / second
        self.own = own
    }

    private static func ownSeconds() -> Double {
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
        #if canImport(Glibc)
            let processes = [RUSAGE_SELF.rawValue, RUSAGE_CHILDREN.rawValue]
        #else
            let processes = [RUSAGE_SELF, RUSAGE_CHILDREN]
        #endif
        return processes.reduce(0) { sum, whose in
            var usage = rusage()
            guard getrusage(numericCast(whose), &usage) == 0 else { return sum }
            return sum + seconds(usage.ru_utime) + seconds(usage.ru_stime)
        }
    }
}

/// The load of other programs and machines while something was measured.
struct MachineLoad: Equatable {
    /// Share of all cores' time that other programs took.
    var others: Double
    /// Share of all cores' time that the hypervisor gave to other machines.
    var stolen: Double
    /// The 90th percentile of one kernel's repeats over their median, minus one; nil where no kernel was repeated.
    var spread: Double?

    /// The load between two readings; nil where too little time passed between them.
    init?(from start: ProcessorTimes?, to end: ProcessorTimes?, spread: Double? = nil) {
        guard let start, let end, end.total > start.total else { return nil }
        let total = end.total - start.total
        others = max(0, (end.busy - start.busy) - (end.own - start.own)) / total
        stolen = max(0, end.stolen - start.stolen) / total
        self.spread = spread
    }

    /// The largest shares of a quiet machine. Other programs' 5 % of the processor stay within the scatter of repeats;
    /// stolen time comes in bursts that hit single kernels, so that 2 % of it matter.
    private static let mostOthers = 0.05
    private static let mostStolen = 0.02
    private static let mostSpread = 0.25

    var isQuiet: Bool {
        others <= Self.mostOthers && stolen <= Self.mostStolen && (spread ?? 0) <= Self.mostSpread
    }

    /// A measure of the disturbance, by which the quietest of several measurements is chosen.
    var disturbance: Double { others + stolen + (spread ?? 0) }

    var words: String {
        let repeats = spread.map { ", repeats of one kernel spread by \(Figures.wholePercent($0))" } ?? ""
        return "other programs took \(Figures.wholePercent(others)) of the processor, other machines "
            + Figures.wholePercent(stolen) + repeats
    }
}
