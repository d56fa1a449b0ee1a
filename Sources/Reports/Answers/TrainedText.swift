internal import Costs
internal import Models
internal import Numbers
internal import Plans

/// Which weights a plan trains, and how its sequences are made up, as rows of an answer; none if it says nothing of it.
struct TrainedText {
    private let plan: Plan

    init(_ plan: Plan) { self.plan = plan }

    var rows: [(String, String)] {
        var rows: [(String, String)] = []
        if let tuning = plan.model.tuning {
            let (trained, all) = (plan.model.trainedParameters, plan.model.parameters().total)
            let share = Figures.percent(Double(trained) / Double(max(1, all)))
            rows.append(("Trained", "\(Figures.words(Double(trained))) parameters, \(share) of all: \(what(tuning))"))
        }
        var parts: [String] = []
        if let documents = plan.model.documents {
            let lengths = documents.lengths.map { Figures.grouped($0.tokens) }
            let shown = lengths.count > 6 ? lengths.prefix(5) + ["…", lengths[lengths.count - 1]] : lengths[...]
            parts.append("documents of \(shown.joined(separator: ", ")) tokens, which do not see each other")
        }
        if plan.padding > 0 { parts.append("\(Figures.percent(plan.padding)) of the tokens only fill up") }
        if !parts.isEmpty { rows.append(("Packing", parts.joined(separator: "; "))) }
        return rows
    }

    private func what(_ tuning: Tuning) -> String {
        var parts: [String] = []
        if let lora = tuning.lora {
            parts.append("adapters of rank \(lora.rank) on \(lora.targetModules.joined(separator: ", "))")
        }
        if !tuning.frozen.isEmpty { parts.append("frozen: \(tuning.frozen.map(\.word).joined(separator: ", "))") }
        if let quantized = tuning.quantized {
            parts.append("frozen matrices in nf4, \(Figures.significant(8 * quantized.bytes)) bits a weight")
        }
        return parts.joined(separator: "; ")
    }

    /// A clause about the steps with smaller batches; empty if there are none.
    static func rampup(_ run: Estimate.Run) -> String {
        run.rampup.map { ", \(Figures.grouped($0.steps.rounded(.up))) of them while the batch grows" } ?? ""
    }
}
