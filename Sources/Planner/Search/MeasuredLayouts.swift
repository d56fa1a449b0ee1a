internal import Costs
internal import Numbers
internal import Plans
internal import Reading
internal import Schedules

extension SearchSpace {
    /// The layouts of the plan's measured steps on its devices and its batch that obey the fields which the user has fixed and
    /// fit, each once. A search prices few of its layouts in full, and these are known better than any.
    /// - Parameter timed: layouts that are timed already, and are left out.
    func measuredLayouts(
        beside timed: [Estimate], pricer: Pricer, settings: SearchSettings, usable: Double
    ) -> [Estimate] {
        let plan = pricer.plan
        var seen = Set(timed.map(\.layout))
        let layouts = (plan.anchor?.points ?? []).filter { $0.devices == plan.devices && $0.batch == plan.batch }
            .map(\.layout).filter { admits($0) && seen.insert($0).inserted }
        return estimates(
            of: layouts.map { PricedLayout(layout: $0, seconds: 0, peak: 0) }, pricer: pricer, settings: settings
        ).filter { $0.peakMemory <= usable && $0.fitsHost }
    }

    /// Whether a layout has the fields that the user has fixed.
    private func admits(_ layout: Layout) -> Bool {
        let counts = [
            (tensor, layout.tensor), (pipeline, layout.pipeline), (context, layout.context), (data, layout.data),
            (expert, layout.expert), (expertTensor, layout.expertTensor), (microbatch, layout.microbatch),
            (virtualStages, layout.virtualStages),
        ]
        return counts.allSatisfy { choice, value in choice.fixed.map { $0 == value } ?? true }
            && schedules?.contains(layout.schedule) ?? true && recompute.contains(layout.recompute)
            && sharding.contains(layout.sharding) && sequenceParallel.contains(layout.sequenceParallel)
    }
}

extension SearchResult {
    /// A remark where a layout was measured to be faster than one that is priced faster. Empty where none was.
    /// - Parameter timed: all layouts that were timed, the plan's own among them.
    static func remarksOnMeasured(_ timed: [Estimate]) -> [Remark] {
        let fastest = timed.filter { $0.measuredSeconds != nil }.min { $0.rankingSeconds < $1.rankingSeconds }
        guard let fastest, let took = fastest.measuredSeconds,
            let rival = timed.filter({ $0.layout != fastest.layout }).min(by: {
                $0.iteration.seconds < $1.iteration.seconds
            }), rival.iteration.seconds < fastest.iteration.seconds, took < rival.rankingSeconds
        else { return [] }
        let how = rival.measuredSeconds == nil ? "expected of" : "measured of"
        return [
            Remark(
                .anchored,
                "\(words(fastest.layout)) was measured to take \(Figures.seconds(took)) a step, less than the "
                    + "\(Figures.seconds(rival.rankingSeconds)) \(how) \(words(rival.layout)), although it is priced at "
                    + "\(Figures.seconds(fastest.iteration.seconds)) and the other at "
                    + "\(Figures.seconds(rival.iteration.seconds)): layouts are ranked by measured steps where there are any"
            )
        ]
    }

    private static func words(_ layout: Layout) -> String {
        let degrees = [
            ("tensor", layout.tensor), ("pipeline", layout.pipeline), ("context", layout.context),
            ("expert", layout.expert), ("data", layout.data), ("micro-batch", layout.microbatch),
        ]
        let shown = degrees.filter { $0.1 > 1 || $0.0 == "data" }.map { "\($0.0) \($0.1)" }
        return "the layout \(shown.joined(separator: " · ")), \(layout.schedule.rawValue), recompute "
            + "\(layout.recompute.rawValue), sharding \(layout.sharding.rawValue)"
    }
}
