import Foundation
import Models
import Numbers
import Reading
import Schedules
import TestSupport
import Testing

import Plans

/// Stages as Megatron-LM states them: a text, ends that count as layers, numbers for the first and the last rank.
@Suite struct PipelineLayoutTests {
    static func plan(_ layers: Int, _ layout: String, batch: Int = 64) -> String {
        """
        model: {family: gpt, layers: \(layers), hidden: 768, heads: 12, vocab: 50304, sequence: 1024}
        cluster: a100-80g-sxm
        batch: \(batch)
        layout: {\(layout)}
        """
    }

    private func read(_ layers: Int, _ layout: String, batch: Int = 64) throws(PlanProblems) -> Plan {
        try Plan.read(
            text: Self.plan(layers, layout, batch: batch), path: "plan.yaml", library: Checkout.library)
    }

    private func problems(_ layers: Int, _ layout: String) -> [PlanProblem] {
        do {
            _ = try read(layers, layout)
            return []
        } catch { return error.problems }
    }

    /// Stages that Megatron-LM's own class reads from a text, or its refusal.
    private struct Case: Decodable {
        var text: String
        var pipeline: Int
        var layers: Int
        var sizes: [Int]?
        /// Whether the embedding is in the first stage and the loss in the last.
        var ends: Bool?
        var virtualStages: Int?
    }

    @Test func textsAreReadAsMegatronDoes() throws {
        let file = URL(filePath: Checkout.root).appending(path: "Tests/Goldens/pipeline_layouts.json")
        let cases = try JSONDecoder().decode([Case].self, from: Data(contentsOf: file))
        #expect(cases.count > 100)
        for known in cases {
            let layout =
                "pipeline: \(known.pipeline), pipelineLayout: '\(known.text)'"
            guard let sizes = known.sizes, known.ends == true else {
                #expect(!problems(known.layers, layout).isEmpty, "\(known.text) on \(known.pipeline)")
                continue
            }
            // One rank has no virtual stages.
            guard known.pipeline > 1 || known.virtualStages == 1 else { continue }
            // A number of micro-batches that all ranks divide.
            let plan = try read(known.layers, layout, batch: 8 * known.pipeline)
            #expect(plan.layout?.layersPerStage == sizes, "\(known.text)")
            #expect(plan.layout?.virtualStages == known.virtualStages, "\(known.text)")
        }
    }

    @Test(arguments: [
        ("Et|t|tL", "must name 2 stages (pipeline 2 · virtualStages 1), it names 3", 4),
        ("Et|x|tL", "'x' has no meaning there", 3), ("t|ttL", "has no E, the embedding", 0),
        ("Et|tt", "has no L, the loss", 5), ("Et|Ltt", "L, the loss, must stand at the end of the last stage", 3),
        ("tE|ttL", "E, the embedding, must stand at the beginning of the first stage", 1),
        ("Et|EttL", "names E, the embedding, 2 times", 3),
        ("Et|tL", "must name the model's 3 layers with t, it names 2", 1),
        ("Et|tt,mL", "the model has no layers of multi-token prediction for m", 6),
        ("E(t|ttL", "this bracket is not closed", 1), ("E(t|)ttL", "a group needs a number of times", 4),
        ("E((t|)*2)*2L", "a group holds no other group", 2), ("Et*|ttL", "* needs a number of times", 2),
        ("Et*99999999999999999999|L", "names more than 40,000 layers and stages", 1),
        ("E()*2|L", "this group is empty", 1), ("E(t|)*9999999|L", "names more than 40,000", 1),
    ])
    func mistakesHaveTheirPlaces(_ text: String, _ rule: String, _ offset: Int) throws {
        for (mark, extra) in [("'", 1), ("\"", 1)] {
            let layout = "pipeline: 2, virtualStages: 1, pipelineLayout: \(mark)\(text)\(mark)"
            let found = problems(3, layout)
            let problem = try #require(found.first { $0.rule.contains(rule) }, "\(found)")
            #expect(problem.field == "layout.pipelineLayout")
            #expect(problem.line == 4)
            let start = "layout: {pipeline: 2, virtualStages: 1, pipelineLayout: ".count
            #expect(problem.column == start + 1 + extra + offset)
            #expect(!problem.fix.isEmpty)
        }
    }

    @Test func allMistakesAreReportedAtOnce() {
        let found = problems(5, "pipeline: 4, tensor: 5, pipelineLayout: 'tt|mt|t'")
        let rules = found.map(\.rule)
        #expect(rules.contains { $0.contains("must name 4 stages") })
        #expect(rules.contains { $0.contains("has no E") } && rules.contains { $0.contains("has no L") })
        #expect(rules.contains { $0.contains("multi-token prediction") })
        #expect(rules.contains { $0.contains("5 layers with t, it names 4") })
        #expect(rules.contains { $0.contains("must divide model.heads 12") })
    }

    @Test func theWaysToStateStagesExcludeEachOther() {
        let found = problems(
            4, "pipeline: 2, layersPerStage: [2, 2], pipelineLayout: 'Ett|ttL', accountForLossInPipelineSplit: true")
        #expect(found.count { $0.rule.contains("states the blocks of the stages a second time") } == 2)
    }

    /// The embedding and the loss as layers: sizes by Megatron-LM's `get_num_layers_to_build`.
    @Test(arguments: [
        (30, "pipeline: 4, virtualStages: 8", [0] + [Int](repeating: 1, count: 30) + [0]),
        (126, "pipeline: 16, virtualStages: 8", [0] + [Int](repeating: 1, count: 126) + [0]),
        (94, "pipeline: 32, virtualStages: 3", [0] + [Int](repeating: 1, count: 94) + [0]),
        (126, "pipeline: 16", [7] + [Int](repeating: 8, count: 14) + [7]), (2, "pipeline: 4", [0, 1, 1, 0]),
    ])
    func endsCountAsLayers(_ layers: Int, _ degrees: String, _ sizes: [Int]) throws {
        let both = "accountForEmbeddingInPipelineSplit: true, accountForLossInPipelineSplit: true"
        let plan = try read(layers, "\(degrees), \(both)", batch: 128)
        #expect(plan.layout?.layersPerStage == sizes)
        let again = try Plan.read(
            text: plan.yaml(library: Checkout.library), path: "again.yaml", library: Checkout.library)
        #expect(again.layout == plan.layout)
    }

    @Test func oneEndCountsAlone() throws {
        #expect(
            try read(7, "pipeline: 4, accountForLossInPipelineSplit: true").layout?.layersPerStage == [2, 2, 2, 1])
        #expect(
            try read(7, "pipeline: 4, accountForEmbeddingInPipelineSplit: true").layout?.layersPerStage == [1, 2, 2, 2])
        let found = problems(7, "pipeline: 3, accountForLossInPipelineSplit: true")
        #expect(found.map(\.rule) == ["3 stages must divide the 8 layers that model.layers 7 makes with the loss"])
        #expect(found.map(\.fix) == ["use 2 or 4 stages"])
        #expect(found.map(\.line) == [4])
    }

    @Test func moreStagesThanLayersAreAdvisedToCountTheEnds() {
        let found = problems(30, "pipeline: 4, virtualStages: 8")
        #expect(
            found.first?.fix.hasSuffix(
                ", or set accountForEmbeddingInPipelineSplit and accountForLossInPipelineSplit, which count both as layers"
            )
                == true)
    }

    @Test(arguments: [
        (10, "pipeline: 4, decoderFirstPipelineNumLayers: 1", [1, 3, 3, 3]),
        (11, "pipeline: 4, decoderFirstPipelineNumLayers: 2, decoderLastPipelineNumLayers: 1", [2, 4, 4, 1]),
        (
            12, "pipeline: 3, virtualStages: 2, decoderFirstPipelineNumLayers: 2, decoderLastPipelineNumLayers: 4",
            [1, 3, 2, 1, 3, 2]
        ),
        (5, "pipeline: 2, decoderFirstPipelineNumLayers: 2, decoderLastPipelineNumLayers: 3", [2, 3]),
        (9, "pipeline: 2, schedule: zbv, decoderFirstPipelineNumLayers: 4", nil),
        (10, "pipeline: 2, schedule: zbv, decoderFirstPipelineNumLayers: 4", [2, 3, 3, 2]),
    ])
    func endsHaveTheirNumbers(_ layers: Int, _ layout: String, _ sizes: [Int]?) throws {
        guard let sizes else {
            #expect(problems(layers, layout).contains { $0.field == "layout.decoderFirstPipelineNumLayers" })
            return
        }
        #expect(try read(layers, layout, batch: 48).layout?.layersPerStage == sizes)
    }

    @Test func huge() {
        let found = problems(
            4, "pipeline: 1000000, virtualStages: 10000, decoderFirstPipelineNumLayers: 4")
        #expect(found.contains { $0.rule.contains("divides no more than 40,000 stages") })
    }

    /// A stage without blocks is legal where the plan says so, and only there.
    @Test func stagesWithoutBlocks() throws {
        #expect(try read(2, "pipeline: 4, layersPerStage: [0, 1, 1, 0]").layout?.layersPerStage == [0, 1, 1, 0])
        #expect(try read(2, "pipeline: 4, pipelineLayout: 'E||tt|L'").layout?.layersPerStage == [0, 0, 2, 0])
        #expect(!problems(2, "pipeline: 4").isEmpty)
    }
}
